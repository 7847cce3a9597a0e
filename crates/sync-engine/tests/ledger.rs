//! Records that refer to each other, with an engine, a store, a shop that can be written and books that people keep.
#![allow(clippy::unwrap_used, clippy::expect_used)]

#[path = "ledger/amend.rs"]
mod amend;
#[path = "ledger/books.rs"]
mod books;
#[path = "ledger/evidence.rs"]
mod evidence;
#[path = "ledger/refs.rs"]
mod refs;
#[path = "ledger/shop.rs"]
mod shop;
mod support;
#[path = "ledger/undo.rs"]
mod undo;
#[path = "ledger/world.rs"]
mod world;
