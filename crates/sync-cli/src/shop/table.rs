//! The shop's customers as a CSV file.

use std::io;

use sync_core::{Channel, Value};

use super::{Customer, Shop, customers::opted_in};

/// The columns of the file.
pub const COLUMNS: [&str; 17] = [
    "Customer ID",
    "First name",
    "Last name",
    "Name",
    "E-mail",
    "Mobile",
    "Street",
    "Town",
    "Postcode",
    "Country",
    "Language",
    "Tags",
    "Level",
    "Last trip",
    "Newsletter",
    "Opt-in date",
    "Opt-in source",
];

/// Columns that only a few customers have, behind the others.
const RARE: [&str; 2] = ["Dives", "Medical notes"];

impl Shop {
    /// Writes the customers as CSV.
    ///
    /// # Errors
    /// When it can't be written.
    pub fn write_csv(&self, to: impl io::Write) -> io::Result<()> {
        let mut writer = csv::Writer::from_writer(to);
        writer.write_record(COLUMNS.iter().chain(&RARE))?;
        for customer in &self.customers {
            writer.write_record(line(customer))?;
        }
        writer.flush()
    }
}

fn line(customer: &Customer) -> Vec<String> {
    let contact = &customer.contact;
    let text = |text: &Option<String>| text.clone().unwrap_or_default();
    let extra = |name: &str| contact.extra.get(name).and_then(Value::as_text).unwrap_or_default().to_owned();
    let address = contact.addresses.first().cloned().unwrap_or_default();
    let consent = contact.consent.get(&Channel::Email);
    let at = consent.and_then(|consent| consent.at).map(|at| at.strftime("%Y-%m-%d").to_string());
    vec![
        customer.id.as_str().to_owned(),
        text(&contact.first_name),
        text(&contact.last_name),
        text(&contact.name),
        text(&contact.email),
        contact.phones.first().map(|phone| phone.number.clone()).unwrap_or_default(),
        address.lines.join(", "),
        text(&address.city),
        text(&address.postal_code),
        text(&address.country),
        text(&contact.language),
        contact.tags.iter().cloned().collect::<Vec<_>>().join(";"),
        extra("level"),
        extra("last_trip"),
        if opted_in(contact) { "yes".to_owned() } else { String::new() },
        at.unwrap_or_default(),
        consent.and_then(|consent| consent.source.clone()).unwrap_or_default(),
        extra("dives"),
        extra("medical_notes"),
    ]
}
