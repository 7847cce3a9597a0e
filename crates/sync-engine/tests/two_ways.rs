//! The decision table, row by row, with an engine, a store, a desk that can be written and a diary that people edit.
#![allow(clippy::unwrap_used, clippy::expect_used)]

#[path = "two_ways/desk.rs"]
mod desk;
#[path = "two_ways/diary.rs"]
mod diary;
#[path = "two_ways/faults.rs"]
mod faults;
#[path = "two_ways/moves.rs"]
mod moves;
#[path = "two_ways/policies.rs"]
mod policies;
mod support;
#[path = "two_ways/table.rs"]
mod table;
