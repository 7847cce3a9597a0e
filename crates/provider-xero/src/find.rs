//! Look-ups, up to 50 in a call.

use std::collections::HashMap;

use sync_core::{Context, Error, ErrorKind, Find, FindBy, Found, Marker, NaturalKey, Remote, RemoteId, RemoteState, Result};

use crate::{
    client,
    descriptor::{CONTACTS, DESCRIPTOR, FIND_MAX, INVOICES, PAYMENTS},
    error::parse,
    handler::Handler,
    mapping::{contact, invoice, payment},
    model::{Contact, Contacts, Document, Documents, Payment, Payments, real_id},
    text::quoted,
};

/// Most contacts of one address that are looked at: more than that are no evidence of anything.
const MANY: usize = 4;

/// Looks records up.
pub(crate) async fn find(handler: &Handler, cx: &Context<'_>, request: Find<'_>) -> Result<Vec<Found>> {
    let resource = DESCRIPTOR
        .resource(request.resource.as_str())
        .ok_or_else(|| Error::new(ErrorKind::Unsupported, format!("Xero has no {}", request.resource)))?;
    if request.by.len() > resource.find_max {
        return Err(Error::new(ErrorKind::Internal, "too many records are looked up in one call"));
    }
    if request.by.is_empty() {
        return Ok(Vec::new());
    }
    let settings = &handler.settings;
    match (&resource.name, request.by) {
        (name, FindBy::Ids(ids)) if *name == CONTACTS => {
            let seen = contacts_by_id(handler, cx, ids).await?;
            Ok(ids.iter().map(|id| one(handler, seen.get(id.as_str()))).collect())
        }
        (name, FindBy::Markers(markers)) if *name == CONTACTS => by_marker(handler, cx, markers).await,
        (name, FindBy::Keys(keys)) if *name == CONTACTS => by_evidence(handler, cx, keys).await,
        (name, FindBy::Ids(ids)) if *name == INVOICES => {
            let seen = documents_by_id(handler, cx, ids).await?;
            let of = |id: &RemoteId| seen.get(id.as_str()).and_then(|document| invoice::remote(settings, document));
            Ok(ids.iter().map(|id| found(of(id).into_iter().collect())).collect())
        }
        // Documents have no room for a marker: none carries one.
        (name, FindBy::Markers(markers)) if *name == INVOICES => Ok(markers.iter().map(|_| Found::Absent).collect()),
        (name, FindBy::Keys(keys)) if *name == INVOICES => by_number(handler, cx, keys).await,
        (_, FindBy::Ids(ids)) => {
            let seen = payments_by_id(handler, cx, ids).await?;
            let of = |id: &RemoteId| seen.get(id.as_str()).and_then(|payment| payment::remote(settings, payment, None));
            Ok(ids.iter().map(|id| found(of(id).into_iter().collect())).collect())
        }
        (name, FindBy::Keys(keys)) if *name == PAYMENTS => by_document(handler, cx, keys).await,
        (name, FindBy::Markers(markers)) if *name == PAYMENTS => by_reference(handler, cx, markers).await,
        _ => Err(Error::new(ErrorKind::Unsupported, "Xero does not find these records by that")),
    }
}

fn found(mut remotes: Vec<Remote>) -> Found {
    match remotes.len() {
        0 => Found::Absent,
        1 => remotes.pop().map_or(Found::Absent, |one| Found::One(Box::new(one))),
        _ => Found::Many(remotes),
    }
}

fn one(handler: &Handler, contact: Option<&Contact>) -> Found {
    let remote = contact.and_then(|contact| contact::remote(&handler.settings, contact));
    remote.map_or(Found::Absent, |remote| Found::One(Box::new(remote)))
}

/// True for a text that can be one of Xero's ids: anything else is known by nobody there, and makes a call fail.
pub(crate) fn is_id(id: &str) -> bool {
    id.len() == 36 && id.bytes().all(|byte| byte.is_ascii_hexdigit() || byte == b'-') && real_id(id).is_some()
}

/// Contacts by id: one call, and none where nothing can be there.
pub(crate) async fn contacts_by_id(
    handler: &Handler,
    cx: &Context<'_>,
    ids: &[RemoteId],
) -> Result<HashMap<String, Contact>> {
    let ids: Vec<&str> = ids.iter().map(RemoteId::as_str).filter(|id| is_id(id)).collect();
    if ids.is_empty() {
        return Ok(HashMap::new());
    }
    let read: Contacts = parse(&cx.send(client::contacts_by_id(handler.tenant()?, &ids)?).await?, "contacts.find")?;
    Ok(read.contacts.into_iter().map(|contact| (contact.contact_id.clone(), contact)).collect())
}

/// Contacts by contact number.
pub(crate) async fn contacts_by_number(handler: &Handler, cx: &Context<'_>, numbers: &[&str]) -> Result<Vec<Contact>> {
    let parts: Vec<String> =
        numbers.iter().filter_map(|number| Some(format!("ContactNumber=={}", quoted(number)?))).collect();
    if parts.is_empty() {
        return Ok(Vec::new());
    }
    let call = client::contacts_where(handler.tenant()?, &parts.join(" OR "), parts.len())?;
    Ok(parse::<Contacts>(&cx.send(call).await?, "contacts.find")?.contacts)
}

async fn by_marker(handler: &Handler, cx: &Context<'_>, markers: &[Marker]) -> Result<Vec<Found>> {
    let numbers: Vec<&str> = markers.iter().map(Marker::as_str).collect();
    let seen = contacts_by_number(handler, cx, &numbers).await?;
    let of = |marker: &Marker| seen.iter().find(|contact| contact.contact_number == marker.as_str());
    Ok(markers.iter().map(|marker| one(handler, of(marker))).collect())
}

/// Contacts by what identifies them. Suppliers are none of ours, and whoever was merged into another counts there.
async fn by_evidence(handler: &Handler, cx: &Context<'_>, keys: &[NaturalKey]) -> Result<Vec<Found>> {
    let mut parts = Vec::with_capacity(keys.len());
    for key in keys {
        let member = match key.field().as_str() {
            "email" => "EmailAddress",
            "name" => "Name",
            // Telephone numbers are stored in pieces, and nothing says that a filter knows tax numbers: a listing shows who
            // has one.
            _ => continue,
        };
        parts.extend(quoted(key.value()).map(|value| format!("{member}=={value}")));
    }
    if parts.is_empty() {
        return Ok(keys.iter().map(|_| Found::Absent).collect());
    }
    let call = client::contacts_where(handler.tenant()?, &parts.join(" OR "), parts.len() * MANY)?;
    let read: Contacts = parse(&cx.send(call).await?, "contacts.find")?;
    let remotes: Vec<Remote> =
        read.contacts.iter().filter_map(|contact| contact::remote(&handler.settings, contact)).collect();
    let of = |key: &NaturalKey| {
        let is_it = |remote: &&Remote| {
            remote.keys.contains(key) && matches!(remote.state, RemoteState::Live | RemoteState::Archived)
        };
        found(remotes.iter().filter(is_it).cloned().collect())
    };
    Ok(keys.iter().map(of).collect())
}

/// Documents by id: invoices in one call, credit notes in another.
pub(crate) async fn documents_by_id(
    handler: &Handler,
    cx: &Context<'_>,
    ids: &[RemoteId],
) -> Result<HashMap<String, Document>> {
    let tenant = handler.tenant()?;
    let split = |is_credit: bool| -> Vec<&str> {
        ids.iter().map(invoice::own_id).filter(|(credit, id)| *credit == is_credit && is_id(id)).map(|(_, id)| id).collect()
    };
    let (sales, credits) = (split(false), split(true));
    let mut seen = HashMap::new();
    if !sales.is_empty() {
        let read: Documents = parse(&cx.send(client::invoices_by_id(tenant, &sales)?).await?, "invoices.find")?;
        seen.extend(read.documents.into_iter().map(|document| (document.id.clone(), document)));
    }
    if !credits.is_empty() {
        let filter = guids("CreditNoteID", &credits);
        let call = client::documents_where(tenant, true, &filter, credits.len())?;
        let read: Documents = parse(&cx.send(call).await?, "credit_notes.find")?;
        let by_id = |document: Document| (invoice::document_id(true, &document.id).as_str().to_owned(), document);
        seen.extend(read.documents.into_iter().map(by_id));
    }
    Ok(seen)
}

fn guids(member: &str, ids: &[&str]) -> String {
    ids.iter().map(|id| format!("{member}==Guid(\"{id}\")")).collect::<Vec<_>>().join(" OR ")
}

/// Documents by number, as it stands in Xero.
pub(crate) async fn documents_by_number(
    handler: &Handler,
    cx: &Context<'_>,
    is_credit: bool,
    numbers: &[&str],
) -> Result<Vec<Document>> {
    let (kind, member) = if is_credit { ("ACCRECCREDIT", "CreditNoteNumber") } else { ("ACCREC", "InvoiceNumber") };
    let parts: Vec<String> = numbers.iter().filter_map(|number| Some(format!("{member}=={}", quoted(number)?))).collect();
    if parts.is_empty() {
        return Ok(Vec::new());
    }
    let filter = format!("Type==\"{kind}\" AND ({})", parts.join(" OR "));
    let call = client::documents_where(handler.tenant()?, is_credit, &filter, parts.len() * MANY)?;
    Ok(parse::<Documents>(&cx.send(call).await?, "documents.find")?.documents)
}

/// Documents by number: invoices first, and credit notes where none was found. A voided one keeps its number, and is told
/// where no other document has it.
async fn by_number(handler: &Handler, cx: &Context<'_>, keys: &[NaturalKey]) -> Result<Vec<Found>> {
    let prefix = handler.settings.number_prefix.trim();
    let number = |key: &NaturalKey| {
        let is_whole = key.field().as_str() == invoice::DOCUMENT;
        let number = if is_whole { key.value().split(invoice::APART).next().unwrap_or_default() } else { key.value() };
        format!("{prefix}{number}")
    };
    let wanted: Vec<String> = keys.iter().map(number).collect();
    let mut remotes: Vec<Remote> = Vec::new();
    let is_live = |remote: &Remote| remote.state == RemoteState::Live;
    for is_credit in [false, true] {
        let is_open = |key: &NaturalKey| !remotes.iter().any(|remote| is_live(remote) && remote.keys.contains(key));
        let open: Vec<&str> =
            keys.iter().zip(&wanted).filter(|(key, _)| is_open(key)).map(|(_, number)| number.as_str()).collect();
        let seen = documents_by_number(handler, cx, is_credit, &open).await?;
        remotes.extend(seen.iter().filter_map(|document| invoice::remote(&handler.settings, document)));
    }
    let of = |key: &NaturalKey| {
        let (live, voided): (Vec<Remote>, Vec<Remote>) =
            remotes.iter().filter(|remote| remote.keys.contains(key)).cloned().partition(is_live);
        found(if live.is_empty() { voided } else { live })
    };
    Ok(keys.iter().map(of).collect())
}

/// Payments by id.
pub(crate) async fn payments_by_id(
    handler: &Handler,
    cx: &Context<'_>,
    ids: &[RemoteId],
) -> Result<HashMap<String, Payment>> {
    let ids: Vec<&str> = ids.iter().map(RemoteId::as_str).filter(|id| is_id(id)).collect();
    if ids.is_empty() {
        return Ok(HashMap::new());
    }
    let call = client::payments_where(handler.tenant()?, &guids("PaymentID", &ids), ids.len())?;
    let read: Payments = parse(&cx.send(call).await?, "payments.find")?;
    Ok(read.payments.into_iter().map(|payment| (payment.id.clone(), payment)).collect())
}

/// Payments by the document that they pay: the documents tell theirs, several in one call.
async fn by_document(handler: &Handler, cx: &Context<'_>, keys: &[NaturalKey]) -> Result<Vec<Found>> {
    let mut ids: Vec<RemoteId> = keys.iter().filter_map(payment::document_of).collect();
    ids.sort();
    ids.dedup();
    let seen = documents_by_id(handler, cx, &ids).await?;
    let of = |key: &NaturalKey| -> Vec<Remote> {
        let Some(id) = payment::document_of(key) else { return Vec::new() };
        let Some(document) = seen.get(id.as_str()) else { return Vec::new() };
        let is_credit = invoice::own_id(&id).0;
        let remote = |payment: &Payment| {
            let mut remote = payment::remote(&handler.settings, payment, Some((&id, is_credit)))?;
            // On what is paid in full nothing more can be booked: it is the one that is meant.
            let settled = payment.amount.filter(|_| document.status == "PAID");
            remote.keys.extend(settled.and_then(|amount| payment::key(payment::SETTLED, &id, amount)));
            Some(remote)
        };
        let is_it = |remote: &Remote| remote.state == RemoteState::Live && remote.keys.contains(key);
        document.payments.iter().filter_map(remote).filter(is_it).collect()
    };
    let mut all: Vec<Vec<Remote>> = keys.iter().map(of).collect();
    // A document tells of its payments neither whose they are nor where they stand.
    let mut ids: Vec<RemoteId> = all.iter().flatten().map(|remote| remote.id.clone()).collect();
    ids.sort();
    ids.dedup();
    let mut whole: HashMap<String, Payment> = HashMap::new();
    for chunk in ids.chunks(FIND_MAX) {
        whole.extend(payments_by_id(handler, cx, chunk).await?);
    }
    for remote in all.iter_mut().flatten() {
        let whole = whole.get(remote.id.as_str()).and_then(|whole| payment::remote(&handler.settings, whole, None));
        if let Some(whole) = whole {
            *remote = Remote { keys: std::mem::take(&mut remote.keys), ..whole };
        }
    }
    Ok(all.into_iter().map(found).collect())
}

/// Payments by our marker, which their reference ends with.
pub(crate) async fn by_reference(handler: &Handler, cx: &Context<'_>, markers: &[Marker]) -> Result<Vec<Found>> {
    let parts: Vec<String> = markers.iter().map(|marker| format!("Reference.EndsWith(\"{marker}\")")).collect();
    let filter = format!("Reference!=null AND ({})", parts.join(" OR "));
    let call = client::payments_where(handler.tenant()?, &filter, markers.len() * MANY)?;
    let read: Payments = parse(&cx.send(call).await?, "payments.find")?;
    let remotes: Vec<Remote> =
        read.payments.iter().filter_map(|payment| payment::remote(&handler.settings, payment, None)).collect();
    let of = |marker: &Marker| {
        let is_it = |remote: &&Remote| remote.marker.as_ref() == Some(marker) && remote.state == RemoteState::Live;
        found(remotes.iter().filter(is_it).cloned().collect())
    };
    Ok(markers.iter().map(of).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_can_be_an_id_is_asked_for() {
        assert!(is_id("bd2270c3-8706-4c11-9cfb-000b551c3f51"));
        for id in
            ["", "a", "00000000-0000-0000-0000-000000000000", "bd2270c3-8706-4c11-9cfb-000b551c3f5,", "credit-note:bd2270c3"]
        {
            assert!(!is_id(id), "{id}");
        }
    }
}
