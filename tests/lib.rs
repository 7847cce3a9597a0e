//! Shared helpers of the end-to-end tests.

pub mod books;
pub mod harbour;
mod laws;
pub mod sim;
mod town;
pub mod zoo;

pub use books::Books;
pub use harbour::{Harbour, SESSIONS};
pub use laws::Laws;
pub use town::{AUDIENCE, CANARY, KEY, ORG, OTHER_AUDIENCE, Town, agreed, customer, member, number};
