//! The sample shop "Blue Manta Diving": customers here, an audience that is not empty on the other side.
//!
//! Made from `dive-shop/shop.toml` by a seeded generator: the same document gives the same shop everywhere.

mod audience;
mod bookings;
mod books;
mod customers;
mod rules;
mod seed;
mod table;
mod trips;

use std::collections::BTreeSet;

use jiff::civil::Date;
use sync_core::{Error, ErrorKind, LocalId, OrganizationId, Record, Result, model::Contact, model::Model as _};

pub use bookings::{Bookings, line};
pub use books::{BOOKKEEPER, BY_HAND, RECODED_TO, SOLD};
pub use rules::ShopRecords;
pub use table::COLUMNS;
pub use trips::Outing;

use seed::{Document, Rng};

/// The sample shop.
#[derive(Debug)]
pub struct Shop {
    /// The shop's name.
    pub name: String,
    /// Its organization.
    pub organization: OrganizationId,
    /// The day on which the sample ends: nothing in it is younger.
    pub today: Date,
    /// Its customers, in the order of their ids.
    pub customers: Vec<Customer>,
    document: Document,
}

/// One customer of the sample.
#[derive(Clone, PartialEq)]
pub struct Customer {
    /// The id, such as `C-00042`.
    pub id: LocalId,
    /// What the shop knows.
    pub contact: Contact,
}

/// Prints no content.
impl std::fmt::Debug for Customer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Customer").field("id", &self.id).finish_non_exhaustive()
    }
}

impl Customer {
    /// As the store keeps it.
    pub fn into_row(self) -> (LocalId, Record) {
        (self.id, self.contact.into_record())
    }
}

impl Shop {
    /// Opens the shop.
    ///
    /// # Errors
    /// [`ErrorKind::Internal`] when the document that is built in can't be read.
    pub fn open() -> Result<Self> {
        let document: Document = toml::from_str(include_str!("../../dive-shop/shop.toml")).map_err(|error| {
            Error::new(ErrorKind::Internal, format!("the sample shop can't be read: {}", error.message()))
        })?;
        let customers = customers::customers(&document, &mut Rng::new(document.seed));
        Ok(Self {
            name: document.name.clone(),
            organization: OrganizationId::new(document.organization.clone()),
            today: document.today,
            customers,
            document,
        })
    }

    /// What must appear nowhere but in the customer's own record.
    pub fn canary(&self) -> &str {
        &self.document.customers.canary
    }

    /// The audience's id.
    pub fn audience_id(&self) -> &str {
        &self.document.audience.id
    }

    /// The audience's name.
    pub fn audience_name(&self) -> &str {
        &self.document.audience.name
    }

    /// The audience's required merge field, which the mapping must fill from `language`.
    pub fn required_merge_field(&self) -> &str {
        &self.document.audience.required_field.tag
    }

    /// The marketer's own tags.
    pub fn marketer_tags(&self) -> &[String] {
        &self.document.audience.marketer_tags
    }

    /// How many people are unsubscribed there.
    pub fn n_unsubscribed(&self) -> usize {
        self.document.audience.unsubscribed
    }

    /// The e-mail addresses of the customers who agreed, in lower case.
    pub fn consenting_addresses(&self) -> BTreeSet<String> {
        self.customers
            .iter()
            .filter(|customer| customers::opted_in(&customer.contact))
            .filter_map(|customer| customer.contact.email.as_deref().map(str::to_lowercase))
            .collect()
    }

    /// Its trips, as they stand on a day.
    pub fn trips(&self, today: Date) -> Vec<Outing> {
        trips::trips(&self.document, today)
    }

    /// Its course sessions, as they stand on a day.
    pub fn sessions(&self, today: Date) -> Vec<Outing> {
        trips::sessions(&self.document, today)
    }

    /// The boat that is in the yard for a day, and that day.
    pub fn yard(&self, today: Date) -> (&str, Date) {
        (&self.document.trips.yard_boat, trips::yard_day(&self.document.trips, today))
    }

    /// What the shop does on its next day: some customers earn a level, some move, one changes the address, a few are
    /// new. Returns the rows to write; the same ones each time.
    pub fn next_day(&self) -> Vec<Customer> {
        customers::next_day(&self.document, &self.customers, &mut Rng::new(self.document.seed ^ 0x6e65_7874))
    }
}

#[cfg(test)]
mod tests;
