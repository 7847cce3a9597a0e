//! Each part of the engine that is broken on purpose lets plain days go well, and is caught.
#![cfg(debug_assertions)]
#![allow(non_snake_case)]

use std::{
    collections::BTreeSet,
    panic::{AssertUnwindSafe, catch_unwind},
};

use sync_core::zoo::{self, Defect};
use sync_tests::zoo::{Broken, ZOO, days::DAYS};

/// What is broken, a panic counting too.
fn broken(scenario: fn() -> Broken) -> Broken {
    catch_unwind(AssertUnwindSafe(scenario)).unwrap_or_else(|_| vec!["it panics".to_owned()])
}

fn is_caught(defect: Defect) {
    let member = ZOO.iter().find(|member| member.defect == defect).unwrap();
    assert_eq!(broken(member.scenario), [""; 0], "{} without the mistake", member.caught_by);
    let _made = zoo::make(defect);
    for (name, day) in DAYS {
        assert_eq!(broken(*day), [""; 0], "a plain day ({name}) with {defect:?}: it is too easy to find");
    }
    let told = broken(member.scenario);
    assert!(!told.is_empty(), "{defect:?} passes {}", member.caught_by);
    println!("{defect:?}: {}", told.join("; "));
}

macro_rules! tests {
    ($($defect:ident [$($law:literal),+] $module:ident $scenario:ident,)*) => {
        $(
            #[test]
            fn $defect() {
                is_caught(Defect::$defect);
            }
        )*
    };
}

sync_tests::__for_each_defect! { tests }

#[test]
fn each_mistake_is_in_the_table_and_each_law_is_broken_by_one() {
    let caught: BTreeSet<Defect> = ZOO.iter().map(|member| member.defect).collect();
    assert_eq!(caught, Defect::ALL.iter().copied().collect());
    let laws: BTreeSet<u8> = ZOO.iter().flat_map(|member| member.laws).copied().collect();
    assert_eq!(laws, (1..=16).collect());
}

#[test]
fn the_architecture_shows_the_table() {
    let text = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../ARCHITECTURE.md")).unwrap();
    let table = sync_tests::zoo::markdown();
    assert!(text.contains(&table), "the table of ARCHITECTURE.md is another one; it should be:\n{table}");
}
