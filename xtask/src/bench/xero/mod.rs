//! Customers, invoices and payments to a company's books, and invoices from there.

mod desk;
pub(super) mod latency;
pub(super) mod pull;
pub(super) mod push;
pub(super) mod quota;
mod sales;

/// Records in one call: as many as one `PUT` may carry within the limits of size that Xero advises.
/// Source: <https://developer.xero.com/documentation/guides/oauth2/limits/>, "up to 50 elements" in a call.
const PER_CALL: usize = 50;

/// Most calls at once.
/// Source: <https://developer.xero.com/documentation/guides/oauth2/limits/>.
const AT_ONCE: u64 = 5;

/// Operations that write records.
const WRITES: [&str; 3] = ["contacts.create", "invoices.create", "payments.create"];
