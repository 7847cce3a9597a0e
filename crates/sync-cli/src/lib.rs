//! syncctl: the engine as a program.
//!
//! The library beside the program holds what tests and benches use too: the importer and the sample shop.

pub mod import;
pub mod shop;
