//! Typed views of records, for both edges: hosts and providers. The engine itself sees [`Record`]s alone.
//!
//! A view reads the fields that it knows and keeps the rest in `extra`, so that nothing is lost on a round trip.

mod contact;
mod event;
mod field;
mod invoice;
mod money;
mod payment;

pub use contact::{Address, Contact, Phone};
pub use event::{Event, EventDefaults, EventStatus, When, time_zone};
pub use invoice::{Invoice, InvoiceKind, InvoiceLine, InvoiceStatus, TaxMode};
pub use money::{Currency, Money, ROUNDING, UNIT_PLACES};
pub use payment::{Allocation, Payment, PaymentKind, PaymentStatus};

use crate::{Record, Result};

/// A typed view of a record.
pub trait Model: Sized {
    /// Its name in descriptors, such as `contact`.
    const NAME: &'static str;

    /// The fields that it knows by name.
    const FIELDS: &'static [&'static str];

    /// The record.
    fn into_record(self) -> Record;

    /// Reads a record. Fields that aren't there stay at their defaults.
    ///
    /// # Errors
    /// [`crate::ErrorKind::Invalid`] names the field whose type is wrong.
    fn from_record(record: &Record) -> Result<Self>;
}
