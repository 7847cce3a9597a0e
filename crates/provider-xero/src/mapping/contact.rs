//! Contacts.

use sync_core::{
    FieldName, Marker, NaturalKey, Operation, Remote, RemoteId, RemoteState, Result,
    model::{Address, Contact as Fields, Model, Phone},
};

use super::{present, version};
use crate::{
    date,
    descriptor::CONTACTS,
    model::{self, Contact, ContactWrite, real_id},
    settings::XeroSettings,
    text::{self, at_most},
};

/// Most characters of the fields that have a limit beside the name's.
/// Source: the fields' descriptions in Xero's OpenAPI document (<https://github.com/XeroAPI/Xero-OpenAPI>, read 2026-11-22).
const MAX_TEXT: usize = 255;
const MAX_SHORT: usize = 50;
const MAX_LINE: usize = 500;

/// Kinds of telephone numbers, as hosts and as Xero call them; the first is for any other kind.
const PHONES: [(&str, &str); 4] = [("", "DEFAULT"), ("mobile", "MOBILE"), ("work", "DDI"), ("fax", "FAX")];

/// Kinds of addresses; the first is for any other kind.
const ADDRESSES: [(&str, &str); 2] = [("billing", "POBOX"), ("delivery", "STREET")];

/// Lines that Xero has room for.
const MAX_LINES: usize = 4;

/// Our marker on a contact: its number, where that is one.
pub(crate) fn marker(contact: &Contact) -> Option<Marker> {
    let number = contact.contact_number.as_str();
    let is_one =
        number.len() == Marker::LEN && number.bytes().all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte));
    is_one.then(|| Marker::new(number))
}

/// True for who only sells to us: never ours to match or to take over.
pub(crate) fn is_supplier(contact: &Contact) -> bool {
    contact.is_supplier && !contact.is_customer && marker(contact).is_none()
}

/// The contact as a record; `None` for what has no id.
pub(crate) fn remote(settings: &XeroSettings, contact: &Contact) -> Option<Remote> {
    let id = real_id(&contact.contact_id)?;
    let fields = Fields {
        name: shown_name(contact),
        first_name: present(&contact.first_name),
        last_name: present(&contact.last_name),
        email: present(&contact.email_address),
        tax_number: present(&contact.tax_number),
        phones: contact.phones.iter().filter_map(phone).collect(),
        addresses: contact.addresses.iter().filter_map(address).collect(),
        ..Fields::default()
    };
    let mut record = fields.into_record();
    let mapped = settings.rules(&CONTACTS).fields;
    record.retain(|field| mapped.contains(field));
    let mut remote = Remote::live(CONTACTS, id, record);
    remote.version = version(&contact.updated);
    remote.changed_at = date::moment(&contact.updated);
    remote.marker = marker(contact);
    remote.state = match (real_id(&contact.merged_to), contact.contact_status.as_str()) {
        (Some(survivor), _) => RemoteState::MergedInto(RemoteId::new(survivor)),
        // Who asked to be erased can't be used any more either.
        (None, "ARCHIVED" | "GDPRREQUEST") => RemoteState::Archived,
        (None, _) => RemoteState::Live,
    };
    if !is_supplier(contact) {
        let numbers = contact.phones.iter().filter_map(phone).map(|phone| phone.number);
        remote.keys = keys(&contact.email_address, &contact.name, &contact.tax_number, numbers);
    }
    Some(remote)
}

/// What a contact is found by.
fn keys(email: &str, name: &str, tax_number: &str, phones: impl Iterator<Item = String>) -> Vec<NaturalKey> {
    let of = |field: &'static str, value: &str| NaturalKey::of(FieldName::from_static(field), value);
    let mut keys: Vec<NaturalKey> =
        [of("email", email), of("name", name), of("tax_number", tax_number)].into_iter().flatten().collect();
    keys.extend(phones.filter_map(|number| of("phone", &digits(&number))));
    keys
}

/// What customers are found by: the same as [`remote`] says of contacts.
pub(crate) fn keys_of(fields: &Fields) -> Vec<NaturalKey> {
    let text = |value: &Option<String>| value.clone().unwrap_or_default();
    let name = text::folded(&fields.display_name().unwrap_or_default());
    let numbers = fields.phones.iter().map(|phone| phone.number.clone());
    keys(&text(&fields.email), &name, &text(&fields.tax_number), numbers)
}

/// A number without what people write between its digits.
fn digits(number: &str) -> String {
    number.chars().filter(char::is_ascii_digit).collect()
}

/// The name, where it says more than first and last name do.
fn shown_name(contact: &Contact) -> Option<String> {
    let name = present(&contact.name)?;
    let person = text::folded(&format!("{} {}", contact.first_name, contact.last_name));
    let is_apart = |rest: &str| rest.starts_with(" (") && rest.ends_with(')') && marker(contact).is_some();
    let says_the_same =
        !person.is_empty() && name.strip_prefix(&person).is_some_and(|rest| rest.is_empty() || is_apart(rest));
    (!says_the_same).then_some(name)
}

fn phone(phone: &model::Phone) -> Option<Phone> {
    let mut number = String::new();
    let country = phone.phone_country_code.trim().trim_start_matches('+');
    if !country.is_empty() {
        number = format!("+{country}");
    }
    for piece in [&phone.phone_area_code, &phone.phone_number] {
        if !piece.trim().is_empty() {
            if !number.is_empty() {
                number.push(' ');
            }
            number.push_str(piece.trim());
        }
    }
    let kind = match phone.phone_type.as_str() {
        "OFFICE" => "work",
        other => PHONES.iter().find(|(_, theirs)| *theirs == other).map_or("", |(ours, _)| ours),
    };
    present(&number).map(|number| Phone { kind: present(kind), number })
}

fn address(address: &model::Address) -> Option<Address> {
    let lines = [&address.address_line1, &address.address_line2, &address.address_line3, &address.address_line4];
    let kind = ADDRESSES.iter().find(|(_, theirs)| *theirs == address.address_type).map_or("", |(ours, _)| ours);
    let read = Address {
        kind: present(kind),
        lines: lines.into_iter().filter_map(|line| present(line)).collect(),
        city: present(&address.city),
        region: present(&address.region),
        postal_code: present(&address.postal_code),
        country: present(&address.country),
    };
    let is_blank = read.lines.is_empty()
        && [&read.city, &read.region, &read.postal_code, &read.country].iter().all(|text| text.is_none());
    (!is_blank).then_some(read)
}

/// A new contact with everything that the record says.
///
/// # Errors
/// [`sync_core::ErrorKind::Invalid`] names the field and the remedy.
pub(crate) fn create(op: &Operation) -> Result<ContactWrite> {
    let fields = Fields::from_record(&op.fields)?;
    let name = text::name(&fields.display_name().unwrap_or_default())?;
    let is_taken = NaturalKey::of(FieldName::from_static("name"), &name).is_some_and(|key| op.taken.contains(&key));
    let mut write = ContactWrite {
        contact_number: Some(op.marker.as_str().to_owned()),
        name: Some(if is_taken { text::told_apart(&name, &op.local) } else { name }),
        tax_number: short(&fields.tax_number, "tax_number")?,
        ..ContactWrite::default()
    };
    fill(&mut write, &fields, |_| true)?;
    Ok(write)
}

/// What changes of a contact.
///
/// # Errors
/// Like [`create`].
pub(crate) fn update(op: &Operation, id: &RemoteId) -> Result<ContactWrite> {
    let fields = Fields::from_record(&op.fields)?;
    let mut write = ContactWrite { contact_id: Some(id.as_str().to_owned()), ..ContactWrite::default() };
    let was_renamed_there = op.before.as_ref().is_some_and(|before| before.fields.text("name").is_some());
    let says_a_name = fields.name.is_some() && op.is_changed("name");
    let is_renamed = ["name", "first_name", "last_name"].iter().any(|field| op.is_changed(field));
    // A name of its own that a bookkeeper gave the contact is not undone by a new first name.
    if is_renamed && (says_a_name || !was_renamed_there) {
        write.name = Some(text::name(&fields.display_name().unwrap_or_default())?);
    }
    fill(&mut write, &fields, |field| op.is_changed(field))?;
    if comes_back(op) {
        write.contact_status = Some("ACTIVE");
    }
    Ok(write)
}

/// True for a contact that we archived, and whose customer is back.
pub(crate) fn comes_back(op: &Operation) -> bool {
    op.before.as_ref().is_some_and(|before| before.state == RemoteState::Archived && before.fields.is_empty())
}

fn fill(write: &mut ContactWrite, fields: &Fields, goes: impl Fn(&str) -> bool) -> Result<()> {
    let text = |value: &Option<String>, field: &str| -> Result<Option<String>> {
        let Some(value) = value.as_deref().map(text::folded).filter(|value| goes(field) && !value.is_empty()) else {
            return Ok(None);
        };
        at_most(&value, MAX_TEXT, field)?;
        Ok(Some(value))
    };
    write.first_name = text(&fields.first_name, "first_name")?;
    write.last_name = text(&fields.last_name, "last_name")?;
    write.email_address = text(&fields.email, "email")?;
    if goes("phones") {
        write.phones = phones(&fields.phones)?;
    }
    if goes("addresses") {
        write.addresses = addresses(&fields.addresses)?;
    }
    Ok(())
}

fn short(value: &Option<String>, field: &str) -> Result<Option<String>> {
    let Some(value) = value.as_deref().and_then(present) else { return Ok(None) };
    at_most(&value, MAX_SHORT, field)?;
    Ok(Some(value))
}

/// One number of each of Xero's kinds, the rest blank: the list is written as a whole, and a kind that isn't named stays.
fn phones(phones: &[Phone]) -> Result<Vec<model::Phone>> {
    if phones.is_empty() {
        return Ok(Vec::new());
    }
    let mut written: Vec<model::Phone> = PHONES
        .iter()
        .map(|(_, theirs)| model::Phone { phone_type: (*theirs).to_owned(), ..model::Phone::default() })
        .collect();
    for phone in phones {
        let number = text::folded(&phone.number);
        at_most(&number, MAX_SHORT, "phones")?;
        let kind = phone.kind.as_deref().unwrap_or_default();
        let idx = PHONES.iter().position(|(ours, _)| ours.eq_ignore_ascii_case(kind)).unwrap_or_default();
        // Of two of one kind the first counts.
        if let Some(slot) = written.get_mut(idx).filter(|slot| slot.phone_number.is_empty()) {
            slot.phone_number = number;
        }
    }
    Ok(written)
}

fn addresses(addresses: &[Address]) -> Result<Vec<model::Address>> {
    let mut written: Vec<model::Address> = Vec::new();
    for address in addresses {
        let kind = address.kind.as_deref().unwrap_or_default();
        let idx = ADDRESSES.iter().position(|(ours, _)| ours.eq_ignore_ascii_case(kind)).unwrap_or_default();
        let theirs = ADDRESSES.get(idx).map_or("POBOX", |(_, theirs)| theirs);
        if written.iter().any(|known| known.address_type == theirs) {
            continue;
        }
        let mut lines: Vec<String> =
            address.lines.iter().map(|line| text::folded(line)).filter(|line| !line.is_empty()).collect();
        if lines.len() > MAX_LINES {
            let rest = lines.split_off(MAX_LINES - 1).join(", ");
            lines.push(rest);
        }
        let mut lines = lines.into_iter();
        let mut line = || -> Result<String> {
            let line = lines.next().unwrap_or_default();
            at_most(&line, MAX_LINE, "addresses")?;
            Ok(line)
        };
        let part = |text: &Option<String>, most: usize| -> Result<String> {
            Ok(at_most(text.as_deref().unwrap_or_default().trim(), most, "addresses")?.to_owned())
        };
        written.push(model::Address {
            address_type: theirs.to_owned(),
            address_line1: line()?,
            address_line2: line()?,
            address_line3: line()?,
            address_line4: line()?,
            city: part(&address.city, MAX_TEXT)?,
            region: part(&address.region, MAX_TEXT)?,
            postal_code: part(&address.postal_code, MAX_SHORT)?,
            country: part(&address.country, MAX_SHORT)?,
        });
    }
    Ok(written)
}

/// True when a contact that is there is what `write` would have made of this record: made by an attempt whose answer was
/// lost.
pub(crate) fn is_as_written(contact: &Contact, write: &ContactWrite) -> bool {
    let same = |ours: &Option<String>, theirs: &str| ours.as_deref().unwrap_or_default() == theirs.trim();
    let is_named = write.name.as_deref().is_some_and(|name| {
        contact
            .name
            .strip_prefix(name)
            .is_some_and(|rest| rest.is_empty() || (rest.starts_with(" (") && rest.ends_with(')')))
    });
    let phones: Vec<Phone> = write.phones.iter().filter_map(phone).collect();
    let addresses: Vec<Address> = write.addresses.iter().filter_map(address).collect();
    is_named
        && contact.contact_status != "ARCHIVED"
        && same(&write.contact_number, &contact.contact_number)
        && same(&write.first_name, &contact.first_name)
        && same(&write.last_name, &contact.last_name)
        && same(&write.email_address, &contact.email_address)
        && same(&write.tax_number, &contact.tax_number)
        && has_all(&contact.phones.iter().filter_map(phone).collect::<Vec<_>>(), &phones)
        && has_all(&contact.addresses.iter().filter_map(address).collect::<Vec<_>>(), &addresses)
}

fn has_all<T: PartialEq>(there: &[T], wanted: &[T]) -> bool {
    wanted.iter().all(|one| there.contains(one))
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use sync_core::{LocalId, Reason, Record, Role, Value, Verb};

    use super::*;
    use crate::handler::tests::handler;

    const MARKER: &str = "0123456789abcdef0123456789abcdef";

    pub(crate) fn op(verb: Verb, fields: Record, changed: &[&str], before: Option<Remote>) -> Operation {
        Operation {
            id: "op".into(),
            resource: CONTACTS,
            local: LocalId::from_static("D-1042"),
            role: Role::MAIN,
            container: None,
            verb,
            fields,
            changed: changed.iter().map(|field| FieldName::new(*field)).collect(),
            sets: Default::default(),
            before: before.map(Box::new),
            marker: Marker::from_static(MARKER),
            open: Default::default(),
            here: None,
            agreed: Default::default(),
            amends: None,
            taken: Vec::new(),
            is_final: false,
            linked_as: None,
            reason: Reason::ChangedHere,
        }
    }

    fn maria() -> Record {
        Fields {
            first_name: Some("Maria".into()),
            last_name: Some("Garcia".into()),
            email: Some("maria@example.com".into()),
            phones: vec![
                Phone { kind: Some("mobile".into()), number: "+34 600 000 000".into() },
                Phone { kind: None, number: "971 000 000".into() },
            ],
            addresses: vec![Address {
                kind: Some("billing".into()),
                lines: ["a", "b", "c", "d", "e"].map(str::to_owned).to_vec(),
                city: Some("Palma".into()),
                country: Some("ES".into()),
                ..Address::default()
            }],
            ..Fields::default()
        }
        .into_record()
    }

    fn there(json: serde_json::Value) -> Contact {
        serde_json::from_value(json).unwrap()
    }

    fn read(json: serde_json::Value) -> Remote {
        remote(&handler(json!({})).settings, &there(json)).unwrap()
    }

    #[test]
    fn a_new_contact_carries_our_marker_and_reads_back_as_it_was_written() {
        let op = op(Verb::Create, maria(), &[], None);
        let write = create(&op).unwrap();
        assert_eq!((write.name.as_deref(), write.contact_number.as_deref()), (Some("Maria Garcia"), Some(MARKER)));
        assert_eq!(write.addresses[0].address_line4, "d, e");
        let mut body = serde_json::to_value(&write).unwrap();
        body["ContactID"] = json!("c1");
        let contact = there(body);
        assert!(is_as_written(&contact, &write));
        let remote = remote(&handler(json!({})).settings, &contact).unwrap();
        assert_eq!(remote.marker, Some(op.marker.clone()));
        let mut expected = maria();
        expected.set(
            "addresses",
            json_value(json!([{"kind": "billing", "lines": ["a", "b", "c", "d, e"], "city": "Palma", "country": "ES"}])),
        );
        // The order is Xero's.
        expected
            .set("phones", json_value(json!([{"number": "971 000 000"}, {"kind": "mobile", "number": "+34 600 000 000"}])));
        assert!(remote.fields == expected);
    }

    fn json_value(json: serde_json::Value) -> Value {
        Value::Json(json)
    }

    #[test]
    fn only_what_changed_is_sent_and_a_name_given_in_xero_stays() {
        let before = |name: &str| read(json!({"ContactID": "c1", "Name": name, "FirstName": "Maria", "LastName": "Garcia"}));
        let fields = maria().with("last_name", Value::text("Garcia Lopez"));
        let renamed = update(&op(Verb::Update, fields.clone(), &["last_name"], Some(before("Maria Garcia"))), &"c1".into());
        let body = serde_json::to_value(renamed.unwrap()).unwrap();
        assert_eq!(body, json!({"ContactID": "c1", "Name": "Maria Garcia Lopez", "LastName": "Garcia Lopez"}));
        let kept = update(&op(Verb::Update, fields, &["last_name"], Some(before("Garcia Diving SL"))), &"c1".into());
        assert_eq!(serde_json::to_value(kept.unwrap()).unwrap(), json!({"ContactID": "c1", "LastName": "Garcia Lopez"}));
    }

    #[test]
    fn a_blank_overwrites_nothing_and_a_customer_who_is_back_is_restored() {
        let mut before = read(json!({"ContactID": "c1", "Name": "x"}));
        before.fields = Record::new();
        before.state = RemoteState::Archived;
        let fields = maria().with("email", Value::text(" "));
        let write = update(&op(Verb::Update, fields, &["email", "first_name"], Some(before)), &"c1".into()).unwrap();
        assert_eq!((write.email_address, write.contact_status), (None, Some("ACTIVE")));
    }

    #[test]
    fn merged_archived_and_erased_contacts_and_suppliers_are_told_as_what_they_are() {
        let state = |json| read(json).state;
        assert_eq!(
            state(json!({"ContactID": "a", "ContactStatus": "ARCHIVED", "MergedToContactID": "b"})),
            RemoteState::MergedInto("b".into())
        );
        assert_eq!(state(json!({"ContactID": "a", "ContactStatus": "GDPRREQUEST"})), RemoteState::Archived);
        assert_eq!(state(json!({"ContactID": "a", "ContactStatus": "ACTIVE", "MergedToContactID": ""})), RemoteState::Live);
        let supplier = json!({"ContactID": "a", "EmailAddress": "x@example.com", "IsSupplier": true, "IsCustomer": false});
        assert!(read(supplier).keys.is_empty());
        let both = json!({"ContactID": "a", "EmailAddress": "x@example.com", "IsSupplier": true, "IsCustomer": true});
        assert_eq!(read(both).keys.len(), 1, "who sells and buys is a customer");
        assert!(remote(&handler(json!({})).settings, &there(json!({"Name": "x"}))).is_none());
    }

    #[test]
    fn a_name_that_only_repeats_the_person_is_none_of_its_own() {
        let name = |name: &str, number: &str| {
            read(
                json!({"ContactID": "a", "Name": name, "FirstName": "Maria", "LastName": "Garcia", "ContactNumber": number}),
            )
            .fields
            .text("name")
            .map(str::to_owned)
        };
        assert_eq!(name("Maria Garcia", ""), None);
        assert_eq!(name("Maria Garcia (D-1042)", MARKER), None);
        assert_eq!(name("Maria Garcia (D-1042)", "").as_deref(), Some("Maria Garcia (D-1042)"));
        assert_eq!(name("Garcia Diving SL", MARKER).as_deref(), Some("Garcia Diving SL"));
    }

    #[test]
    fn a_number_in_pieces_is_one_number() {
        let contact = read(json!({"ContactID": "a", "Phones": [
            {"PhoneType": "OFFICE", "PhoneCountryCode": "34", "PhoneAreaCode": "971", "PhoneNumber": "000 000"},
            {"PhoneType": "FAX", "PhoneNumber": ""}]}));
        let expected = json!([{"kind": "work", "number": "+34 971 000 000"}]);
        assert!(contact.fields.value("phones") == Some(&Value::Json(expected)));
    }
}
