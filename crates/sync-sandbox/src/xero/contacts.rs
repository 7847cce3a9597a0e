//! Writing contacts.
//! Source: <https://developer.xero.com/documentation/api/accounting/contacts>.

use serde_json::{Map, Value};

use super::{
    World,
    bulk::Refused,
    company::Company,
    contact::{Contact, KEPT, MEMBERS},
    hooks::Category,
    id::Id,
    input::{Element, text, too_long},
};

/// Which contact is meant.
#[derive(Debug, Clone, Copy)]
pub(super) enum Mode {
    /// PUT: a new one.
    Create,
    /// POST: the one that matches, else a new one.
    Upsert,
    /// POST to the path of one.
    Update(Id),
}

/// Most contact persons. Source: the page, "ContactPersons".
const MAX_PERSONS: usize = 5;

/// The contact that an element means by id, number or name, in this order.
pub(super) fn meant(company: &Company, element: &Element) -> Result<Option<Id>, Refused> {
    if let Some(id) = Id::read(element.get("ContactID")).filter(|id| id.is_some()) {
        return match company.contacts.contains_key(&id) {
            true => Ok(Some(id)),
            false => Err("The contact with the specified ContactID could not be found".into()),
        };
    }
    let by_number = text(element, "ContactNumber").and_then(|number| company.contact_by_number(number));
    Ok(by_number.or_else(|| text(element, "Name").and_then(|name| company.contact_by_name(name))))
}

/// Makes or changes a contact.
pub(super) fn save(company: &mut Company, world: &mut World, element: &Element, mode: Mode) -> Result<Id, Refused> {
    let found = match mode {
        Mode::Update(id) => Some(id),
        Mode::Upsert => meant(company, element)?,
        Mode::Create => None,
    };
    let before = match found {
        Some(id) => Some(
            company
                .contacts
                .get(&id)
                .ok_or_else(|| Refused::from("The contact with the specified ContactID could not be found"))?,
        ),
        None => None,
    };
    let mut wrong = too_long(element, MEMBERS);
    let mut contact = match before {
        Some(before) => before.as_ref().clone(),
        None => Contact::new(world.fresh_id("contact")),
    };
    let is_new = before.is_none();
    merge(&mut contact, element);
    check_status(&mut contact, element, world, &mut wrong);
    check_name(&contact, &mut wrong);
    check_unique(company, &contact, &mut wrong);
    let persons = contact.others.get("ContactPersons").and_then(Value::as_array).map_or(0, Vec::len);
    if persons > MAX_PERSONS {
        wrong.push(format!("A contact can have at most {MAX_PERSONS} contact persons"));
    }
    // Source: the field `EmailAddress` of Xero's API description: "Email address of contact person (umlauts not supported)".
    let email = contact.email();
    let is_mail = email.split_once('@').is_some_and(|(local, domain)| !local.is_empty() && domain.contains('.'));
    if !email.is_empty() && (!is_mail || !email.is_ascii() || email.contains(' ')) {
        wrong.push(format!("The email address {email} is invalid"));
    }
    if let Some(code) = text(element, "DefaultCurrency").filter(|code| !company.has_currency(code)) {
        wrong.push(format!("Organisation is not subscribed to currency {code}"));
    }
    if !wrong.is_empty() {
        return Err(Refused::Words(wrong));
    }
    contact.updated = world.now;
    let id = contact.id;
    company.put_contact(contact);
    world.tell(company.id, Category::Contact, id, is_new);
    Ok(id)
}

/// What is sent replaces what was; what is not sent stays. Addresses and phones are matched by their type, persons are
/// replaced as a list.
/// Source: GitHub calcinai/xero-php issue 171.
fn merge(contact: &mut Contact, element: &Element) {
    let set = |field: &mut String, name: &str| {
        if let Some(value) = element.get(name) {
            *field = value.as_str().unwrap_or_default().to_owned();
        }
    };
    set(&mut contact.name, "Name");
    set(&mut contact.number, "ContactNumber");
    set(&mut contact.account_number, "AccountNumber");
    for (name, value) in element.iter().filter(|(name, _)| KEPT.contains(&name.as_str())) {
        match value {
            Value::Null => drop(contact.others.remove(name)),
            value => drop(contact.others.insert(name.clone(), value.clone())),
        }
    }
    for (list, key, kept) in
        [("Addresses", "AddressType", &mut contact.addresses), ("Phones", "PhoneType", &mut contact.phones)]
    {
        for one in element.get(list).and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_object) {
            let one: Map<String, Value> = one
                .iter()
                .filter(|(_, value)| !value.is_null())
                .map(|(name, value)| (name.clone(), value.clone()))
                .collect();
            match kept.iter_mut().find(|other| other.get(key) == one.get(key)) {
                Some(other) => *other = one,
                None => kept.push(one),
            }
        }
    }
}

fn check_status(contact: &mut Contact, element: &Element, world: &World, wrong: &mut Vec<String>) {
    match text(element, "ContactStatus") {
        Some("ARCHIVED") => contact.is_active = false,
        Some("ACTIVE") if !contact.is_active => {
            if world.quirks.unarchives && contact.merged_into.is_none() {
                contact.is_active = true;
            } else {
                wrong.push("The contact is archived".into());
            }
        }
        Some("GDPRREQUEST") => wrong.push("The contact status GDPRREQUEST cannot be set".into()),
        _ => {}
    }
}

/// Source: the field `Name` on the page: "max length = 255"; no angle brackets, no leading, trailing or repeated spaces.
fn check_name(contact: &Contact, wrong: &mut Vec<String>) {
    let name = &contact.name;
    if name.trim().is_empty() {
        wrong.push("The contact name must be specified".into());
    } else if name.contains(['<', '>']) {
        wrong.push("The contact name cannot contain angle brackets".into());
    } else if name.trim() != name || name.contains("  ") {
        wrong.push("The contact name cannot have leading, trailing or repeated spaces".into());
    }
}

/// Source: the answer 400 of PUT /Contacts in Xero's API description; for `AccountNumber` GitHub calcinai/xero-php issue 880.
fn check_unique(company: &Company, contact: &Contact, wrong: &mut Vec<String>) {
    let others = |id: Option<Id>| id.is_some_and(|id| id != contact.id);
    let name = &contact.name;
    if contact.is_active && others(company.contact_by_name(name)) {
        wrong.push(format!(
            "The contact name {name} is already assigned to another contact. The contact name must be unique across all \
             active contacts."
        ));
    }
    if !contact.number.is_empty() && others(company.contact_by_number(&contact.number)) {
        let number = &contact.number;
        wrong.push(format!("The contact number {number} is already assigned to another contact."));
    }
    if !contact.account_number.is_empty() && others(company.contact_by_account_number(&contact.account_number)) {
        let number = &contact.account_number;
        wrong.push(format!("The account number {number} is already assigned to another contact."));
    }
}
