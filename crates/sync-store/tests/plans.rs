//! Plans of a size at which one call for each record, or very many groups, would tell.

#![cfg(feature = "sqlite")]
#![allow(clippy::unwrap_used)]

use std::collections::HashSet;

use sync_core::{Marker, Operation, Reason, Record, ResourceName, Role, RunId, Safety, Scope, Value, Verb};
use sync_engine::{Acquired, Change, Lease, PartRow, PartState, PlannedOp, PlannedPart, Store};
use sync_store::{SqlStore, StoreKey};

const CONTACTS: ResourceName = ResourceName::from_static("contacts");
const RUN: RunId = RunId::from_static("run");
/// More than a number of 16 bits counts.
const MANY: u64 = 70_000;

fn part(stage: u8, group: String, max: u32) -> PlannedPart {
    let (budget, safety, effects) = ("api".into(), Safety::Repeatable, Vec::new());
    PlannedPart { stage, group, max, serial: sync_core::Serial::No, budget, cost: 1, safety, effects }
}

fn planned(seq: u64, parts: Vec<PlannedPart>) -> PlannedOp {
    let fields = Record::new().with("email", Value::text(format!("{seq}@example.com")));
    let mut operation: Operation = serde_json::from_value(serde_json::json!({
        "id": seq.to_string(), "resource": CONTACTS, "local": seq.to_string(), "role": Role::MAIN, "verb": Verb::Create,
        "fields": fields, "changed": ["email"], "marker": Marker::new("m"), "reason": Reason::NewHere,
    }))
    .unwrap();
    operation.container = Some("audience".into());
    PlannedOp { seq, digest: seq.to_string(), key: None, hash: None, operation, parts }
}

async fn store(directory: &tempfile::TempDir) -> (SqlStore, Lease) {
    let store = SqlStore::open(directory.path().join("sync.db"), StoreKey::generate().unwrap()).await.unwrap();
    let scope = Scope::new("blue-manta", "mailchimp");
    let Acquired::Lease(lease) = store.acquire(&scope, "test", 600_000).await.unwrap() else { panic!("it is free") };
    (store, lease)
}

/// The parts of a stage, page by page.
async fn drained(store: &SqlStore, lease: &Lease, stage: u8, page: usize) -> Vec<(String, u64)> {
    let mut all: Vec<(String, u64)> = Vec::new();
    let mut after: Option<(String, u64, u32)> = None;
    loop {
        let place = after.as_ref().map(|(group, seq, part_idx)| (group.as_str(), *seq, *part_idx));
        let parts = store.ready_parts(&lease.scope, &RUN, &CONTACTS, stage, place, page).await.unwrap();
        let Some(last) = parts.last() else { return all };
        after = Some((last.part.group.clone(), last.seq, last.part_idx));
        all.extend(parts.into_iter().map(|part| (part.part.group, part.seq)));
    }
}

#[tokio::test]
async fn more_records_with_a_call_of_their_own_than_16_bits_count_fit_into_a_plan() {
    let directory = tempfile::tempdir().unwrap();
    let (store, lease) = store(&directory).await;
    let own = |seq: u64| planned(seq, vec![part(0, "members:new".into(), 500), part(2, format!("tags:{seq:x}"), 1)]);
    for start in (1..=MANY).step_by(5_000) {
        store.append_plan(&lease, &RUN, (start..start + 5_000).map(own).collect()).await.unwrap();
    }
    assert_eq!(store.plan_calls(&lease.scope, &RUN).await.unwrap(), MANY / 500 + MANY);
    assert_eq!(store.ready_stages(&lease.scope, &RUN, &CONTACTS).await.unwrap(), [0, 2]);
    let page = store.plan_page(&lease.scope, &RUN, MANY - 1, 9).await.unwrap();
    assert_eq!(page.into_iter().map(|row| row.planned).collect::<Vec<_>>(), [own(MANY)]);

    // Those that are held are left out, wherever they are.
    let held = |seq| Change::Part(PartRow { run: RUN, seq, part_idx: None, state: PartState::Held });
    store.commit(&lease, (1..=MANY).step_by(700).map(held).collect()).await.unwrap();
    let parts = drained(&store, &lease, 2, 5_000).await;
    assert!(parts.is_sorted(), "in order of their groups");
    assert!(parts.iter().all(|(group, seq)| *group == format!("tags:{seq:x}") && seq % 700 != 1));
    let seqs: HashSet<u64> = parts.iter().map(|(_, seq)| *seq).collect();
    assert_eq!((seqs.len(), parts.len()), (69_900, 69_900));
}

#[tokio::test]
async fn very_many_shared_groups_are_counted_and_read_as_few_are() {
    let directory = tempfile::tempdir().unwrap();
    let (store, lease) = store(&directory).await;
    // Twice over 3,000 groups, which is more than have numbers.
    let shared = |seq: u64| planned(seq, vec![part(0, format!("tag:{}", seq % 3_000), 500)]);
    for start in (1..=6_000).step_by(2_000) {
        store.append_plan(&lease, &RUN, (start..start + 2_000).map(shared).collect()).await.unwrap();
    }
    assert_eq!(store.plan_calls(&lease.scope, &RUN).await.unwrap(), 3_000);
    store.commit(&lease, vec![Change::DropOperation { run: RUN, seq: 2_999 }]).await.unwrap();
    assert_eq!(store.plan_calls(&lease.scope, &RUN).await.unwrap(), 3_000);
    store.commit(&lease, vec![Change::DropOperation { run: RUN, seq: 5_999 }]).await.unwrap();
    assert_eq!(store.plan_calls(&lease.scope, &RUN).await.unwrap(), 2_999);
    let parts = drained(&store, &lease, 0, 700).await;
    assert!(parts.is_sorted());
    assert!(parts.iter().all(|(group, seq)| *group == format!("tag:{}", seq % 3_000)));
    assert_eq!(parts.len(), 5_998);
}
