//! A transport that goes wrong on purpose.

mod rule;
mod transport;

pub use rule::{Fault, FaultRule, On};
pub use transport::{FaultTransport, Sent};
