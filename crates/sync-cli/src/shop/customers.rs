//! The shop's customers.

use jiff::{ToSpan as _, civil::Date, tz::TimeZone};
use sync_core::{
    Channel, Consent, ConsentState, LocalId, Value,
    model::{Address, Contact, Phone},
};

use super::{
    Customer,
    seed::{Document, Names, Rng},
};

/// Where everybody goes who left no address of his own.
const WALK_IN_ADDRESS: &str = "walkin@example.com";
/// Domains that nobody owns.
const DOMAINS: [&str; 3] = ["example.com", "example.org", "example.net"];

pub(super) fn opted_in(contact: &Contact) -> bool {
    contact.consent.get(&Channel::Email).is_some_and(|consent| consent.state == ConsentState::Granted)
}

pub(super) fn customers(document: &Document, rng: &mut Rng) -> Vec<Customer> {
    let numbers = &document.customers;
    let mut contacts: Vec<Contact> = Vec::with_capacity(numbers.total);
    for _ in 0..numbers.walk_ins {
        contacts.push(walk_in(document, rng));
    }
    for _ in 0..numbers.maria_garcias {
        let mut maria = person(document, rng, contacts.len());
        (maria.first_name, maria.last_name) = (Some("Maria".into()), Some("Garcia".into()));
        maria.language = Some("es".into());
        maria.email = Some(format!("maria.garcia.{}@example.com", contacts.len()));
        contacts.push(maria);
    }
    for _ in 0..numbers.families {
        let parent = person(document, rng, contacts.len());
        let n_others = 1 + rng.below(3);
        for _ in 0..n_others {
            let mut other = person(document, rng, contacts.len());
            other.email.clone_from(&parent.email);
            other.addresses.clone_from(&parent.addresses);
            other.last_name.clone_from(&parent.last_name);
            if is_maria_garcia(&other) {
                other.first_name = Some("Marta".into());
            }
            contacts.push(other);
        }
        contacts.push(parent);
    }
    let n_alone = contacts.len();
    while contacts.len() < numbers.total {
        contacts.push(person(document, rng, contacts.len()));
    }

    // Who has no e-mail address: people without family, in any place.
    let mut alone: Vec<usize> = (n_alone..contacts.len()).collect();
    rng.shuffle(&mut alone);
    for idx in alone.iter().take(numbers.without_email) {
        if let Some(contact) = contacts.get_mut(*idx) {
            contact.email = None;
        }
    }
    // Who agreed: people with an address that is not the walk-ins'. Both Marias and the canary are among them, so that
    // what must not happen to them could.
    let canary = alone.get(numbers.without_email).copied();
    let marias = numbers.walk_ins..numbers.walk_ins + numbers.maria_garcias;
    let mut reachable: Vec<usize> = contacts
        .iter()
        .enumerate()
        .filter(|(idx, contact)| *idx >= marias.end && contact.email.is_some() && Some(*idx) != canary)
        .map(|(idx, _)| idx)
        .collect();
    rng.shuffle(&mut reachable);
    for idx in marias.chain(canary).chain(reachable).take(numbers.opted_in) {
        let consent = agreed(document, rng);
        if let Some(contact) = contacts.get_mut(idx) {
            contact.consent.insert(Channel::Email, consent);
        }
    }
    if let Some(contact) = canary.and_then(|idx| contacts.get_mut(idx)) {
        contact.extra.insert("medical_notes".into(), Value::text(numbers.canary.clone()));
    }

    // Families and walk-ins stand where they came, not in a row.
    rng.shuffle(&mut contacts);
    contacts
        .into_iter()
        .enumerate()
        .map(|(idx, contact)| Customer { id: LocalId::new(format!("C-{:05}", idx + 1)), contact })
        .collect()
}

pub(super) fn next_day(document: &Document, customers: &[Customer], rng: &mut Rng) -> Vec<Customer> {
    let mut mine: Vec<&Customer> = customers
        .iter()
        .filter(|customer| opted_in(&customer.contact) && !customer.contact.extra.contains_key("medical_notes"))
        .collect();
    rng.shuffle(&mut mine);
    let mut rows: Vec<Customer> = Vec::new();
    for (n, customer) in mine.into_iter().take(N_CHANGED).enumerate() {
        let mut changed = customer.clone();
        if n % 3 == 0 {
            changed.contact.last_name = changed.contact.last_name.map(|name| format!("{name}-Serra"));
        } else {
            changed.contact.tags.insert("trip:spring-reopening".into());
        }
        rows.push(changed);
    }
    for n in 0..N_NEW {
        let number = customers.len() + n;
        let mut contact = person(document, rng, number);
        contact.consent.insert(Channel::Email, agreed(document, rng));
        rows.push(Customer { id: LocalId::new(format!("C-{:05}", number + 1)), contact });
    }
    rows.sort_by(|a, b| a.id.cmp(&b.id));
    rows
}

/// Customers who change on the next day.
pub(super) const N_CHANGED: usize = 60;
/// Customers who are new on the next day.
pub(super) const N_NEW: usize = 12;

fn is_maria_garcia(contact: &Contact) -> bool {
    contact.first_name.as_deref() == Some("Maria") && contact.last_name.as_deref() == Some("Garcia")
}

fn walk_in(document: &Document, rng: &mut Rng) -> Contact {
    let language = document.latin().and_then(|names| rng.pick(&names.languages).cloned());
    Contact {
        name: Some("Walk-in".into()),
        email: Some(WALK_IN_ADDRESS.into()),
        language,
        tags: ["guest".to_owned()].into(),
        ..Contact::default()
    }
}

fn person(document: &Document, rng: &mut Rng, number: usize) -> Contact {
    let mut contact = Contact::default();
    if let Some(names) = document.names(rng) {
        name(&mut contact, names, rng);
    }
    let slug: String =
        contact.first_name.iter().flat_map(|name| name.chars()).filter(char::is_ascii_alphabetic).collect::<String>();
    let slug = if slug.len() < 2 { "guest".to_owned() } else { slug.to_lowercase() };
    let domain = rng.pick(&DOMAINS).copied().unwrap_or("example.com");
    contact.email = Some(format!("{slug}.{number}@{domain}"));
    if rng.percent(70) {
        // +44 7700 900000 to 900999 are kept for drama.
        // Source: <https://www.ofcom.org.uk/phones-and-broadband/phone-numbers/numbers-for-drama>.
        let number = format!("+44 7700 900{:03}", rng.below(1_000));
        contact.phones.push(Phone { kind: Some("mobile".into()), number });
    }
    if rng.percent(60)
        && let Some((city, postal_code, country)) = rng.pick(&document.places.towns).cloned()
    {
        let street = rng.text(&document.places.streets);
        contact.addresses.push(Address {
            lines: vec![format!("{street} {}", 1 + rng.below(180))],
            city: Some(city),
            postal_code: Some(postal_code),
            country: Some(country),
            ..Address::default()
        });
    }
    let role = rng.text(&document.tags.roles);
    if role == "diver" || role == "student" {
        let level = rng.text(&document.tags.levels);
        contact.tags.insert(format!("level:{level}"));
        contact.extra.insert("level".into(), Value::text(level));
        contact.extra.insert("dives".into(), Value::text(rng.below(400).to_string()));
    }
    contact.tags.insert(role);
    if rng.percent(45) {
        contact.tags.insert(rng.text(&document.tags.trips));
        contact.extra.insert("last_trip".into(), Value::text(day_before(document.today, rng, 900).to_string()));
    }
    contact
}

fn name(contact: &mut Contact, names: &Names, rng: &mut Rng) {
    contact.first_name = Some(rng.text(&names.first));
    contact.last_name = Some(rng.text(&names.last));
    contact.language = rng.pick(&names.languages).cloned();
    // There are exactly as many of this name as the document says.
    if is_maria_garcia(contact) {
        contact.first_name = Some("Marta".into());
    }
}

fn agreed(document: &Document, rng: &mut Rng) -> Consent {
    // The other side's edits are all younger: the newest opt-in is a month old.
    let newest = document.today.checked_sub(30.days()).unwrap_or(document.today);
    let consent = Consent::new(ConsentState::Granted).from_source(rng.text(&document.consent.sources));
    match day_before(newest, rng, 2_000).to_zoned(TimeZone::UTC) {
        Ok(day) => consent.at(day.timestamp()),
        Err(_) => consent,
    }
}

fn day_before(newest: Date, rng: &mut Rng, n_days: usize) -> Date {
    let back = i64::try_from(rng.below(n_days)).unwrap_or(0);
    newest.checked_sub(back.days()).unwrap_or(newest)
}
