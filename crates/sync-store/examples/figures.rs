//! Times what a first push and a full scan ask of the store: `cargo run --release -p sync-store --example figures`.
#![allow(clippy::unwrap_used)]

use std::time::{Duration, Instant};

use jiff::Timestamp;
use sync_core::{
    AccountId, Collection, Consent, ConsentState, FieldSet, Hash, LocalFrom, LocalId, LocalNext, LocalState, Marker,
    Operation, Outcome, OutcomeKind, Reason, Record, Records, RemoteState, ResourceName, Role, RunId, Safety, Scope, Value,
    Verb,
};
use sync_engine::{
    Acquired, Base, CallRow, Change, Lease, Link, LinkState, OutcomeRow, PartRow, PartState, PlannedOp, PlannedPart, Store,
};
use sync_store::{SqlStore, StoreKey};

const N_CONTACTS: usize = 100_000;
const CALL: usize = 500;
const PAGE: usize = 1_000;

fn id(i: usize) -> LocalId {
    LocalId::new(format!("C-{i:06}"))
}

fn record(i: usize) -> Record {
    let consent = Consent::new(ConsentState::Granted).at(Timestamp::UNIX_EPOCH).from_source("web form");
    Record::new()
        .with("email", Value::text(format!("customer{i}@example.com")))
        .with("first_name", Value::text("Ada"))
        .with("last_name", Value::text(format!("Lovelace {i}")))
        .with("language", Value::text("en"))
        .with("consent.email", Value::Consent(consent))
        .with("tags", Value::Set(["diver".to_owned(), "newsletter".to_owned()].into()))
        .with("extra.level", Value::text("advanced open water"))
}

fn part(stage: u8, group: &str) -> PlannedPart {
    let safety = Safety::LookUp { settle: Duration::from_secs(90) };
    let (budget, effects) = ("api".into(), Vec::new());
    PlannedPart { stage, group: group.into(), max: 500, serial: sync_core::Serial::No, budget, cost: 1, safety, effects }
}

fn planned(i: usize) -> PlannedOp {
    let fields = record(i);
    let operation = Operation {
        id: Hash::of_text(&i.to_string()).to_string().into(),
        resource: ResourceName::from_static("contacts"),
        local: id(i),
        role: Role::MAIN,
        container: Some("a1b2c3d4e5".into()),
        verb: Verb::Create,
        changed: fields.iter().map(|(field, _)| field.clone()).collect(),
        fields,
        sets: Default::default(),
        before: None,
        marker: Marker::new("m".repeat(32)),
        open: Default::default(),
        here: None,
        agreed: Default::default(),
        amends: None,
        taken: Vec::new(),
        is_final: false,
        linked_as: None,
        reason: Reason::NewHere,
    };
    PlannedOp {
        seq: i as u64 + 1,
        digest: Hash::of_text(&format!("digest {i}")).to_string(),
        key: Some(format!("customer{i}@example.com")),
        hash: Some(operation.fields.hash()),
        operation,
        parts: vec![part(0, "members:new"), part(1, "tag:diver"), part(1, "tag:newsletter")],
    }
}

fn link(i: usize, state: LinkState) -> Link {
    let fields = record(i);
    let base = Base {
        local: fields.clone(),
        remote: None,
        version: None,
        state: RemoteState::Live,
        native: None,
        mapping: String::new(),
    };
    let is_live = state == LinkState::Live;
    Link {
        account: AccountId::from_static("8d3a3db4d9"),
        resource: ResourceName::from_static("contacts"),
        local: id(i),
        role: Role::MAIN,
        container: Some("a1b2c3d4e5".into()),
        remote: is_live.then(|| Hash::of_text(&format!("remote {i}")).to_string().into()),
        state,
        key: Some(format!("customer{i}@example.com")),
        hash: Some(fields.hash()),
        base: is_live.then_some(base),
        call: (!is_live).then(|| "call".into()),
    }
}

/// Wall time and the process's processor time since the last line.
struct Watch(Instant, Duration);

impl Watch {
    fn new() -> Self {
        Self(Instant::now(), processor_time())
    }

    fn line(&mut self, what: &str, n: usize) {
        let (wall, cpu) = (self.0.elapsed(), processor_time() - self.1);
        let each = |time: Duration| time.as_secs_f64() * 1e6 / n as f64;
        println!("{what:<28}{:>9.2} µs wall{:>9.2} µs cpu  each of {n}", each(wall), each(cpu));
        *self = Self::new();
    }
}

/// User and system time, in ticks of 10 ms, where /proc tells it; else nothing.
/// Source: <https://man7.org/linux/man-pages/man5/proc_pid_stat.5.html>, fields 14 and 15.
fn processor_time() -> Duration {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let after_name = stat.rsplit(')').next().unwrap_or_default().to_owned();
    let ticks: u64 = after_name.split_whitespace().skip(11).take(2).filter_map(|text| text.parse::<u64>().ok()).sum();
    Duration::from_millis(ticks * 10)
}

async fn push(store: &SqlStore, lease: &Lease, run: &RunId) {
    let contacts = ResourceName::from_static("contacts");
    let mut watch = Watch::new();
    for start in (0..N_CONTACTS).step_by(PAGE) {
        store.append_plan(lease, run, (start..start + PAGE).map(planned).collect()).await.unwrap();
    }
    watch.line("plan: append", N_CONTACTS);
    let hash = sync_engine::plan_hash(store, &lease.scope, run).await.unwrap();
    watch.line("plan: hash", N_CONTACTS);
    println!("plan {hash}: {} calls", store.plan_calls(&lease.scope, run).await.unwrap());
    store.plan_repeats(&lease.scope, run, &contacts, PAGE).await.unwrap();
    store.plan_twins(&lease.scope, run, &contacts, None, PAGE).await.unwrap();
    watch.line("plan: calls, twins, repeats", N_CONTACTS);
    for stage in [0, 1] {
        let mut after: Option<(String, u64, u32)> = None;
        let mut n_parts = 0;
        loop {
            let place = after.as_ref().map(|(group, seq, idx)| (group.as_str(), *seq, *idx));
            let ready = store.ready_parts(&lease.scope, run, &contacts, stage, place, CALL).await.unwrap();
            let Some(last) = ready.last() else { break };
            after = Some((last.part.group.clone(), last.seq, last.part_idx));
            n_parts += ready.len();
            let parts: Vec<(u64, u32)> = ready.iter().map(|part| (part.seq, part.part_idx)).collect();
            let call = CallRow {
                account: "account".into(),
                key: format!("call-{stage}-{n_parts}").into(),
                run: run.clone(),
                resource: contacts.clone(),
                group: last.part.group.clone(),
                parts: parts.clone(),
                digest: "d".into(),
                safety: last.part.safety,
                opened_at: Timestamp::UNIX_EPOCH,
                not_after: Timestamp::UNIX_EPOCH,
            };
            let key = call.key.clone();
            let index = |seq: u64| usize::try_from(seq).unwrap() - 1;
            let mut opening = vec![Change::OpenCall(call)];
            if stage == 0 {
                opening.extend(parts.iter().map(|(seq, _)| Change::OpenLink(link(index(*seq), LinkState::Open))));
            }
            store.commit(lease, opening).await.unwrap();
            let mut closing = vec![Change::CloseCall(key)];
            for (seq, part_idx) in parts {
                let row = PartRow { run: run.clone(), seq, part_idx: Some(part_idx), state: PartState::Done };
                closing.push(Change::Part(row));
                if stage == 0 || ready[0].part.group == "tag:newsletter" {
                    closing.push(Change::PutLink(link(index(seq), LinkState::Live)));
                }
                if stage == 0 {
                    let row = OutcomeRow {
                        resource: contacts.clone(),
                        local: Some(id(index(seq))),
                        remote: link(index(seq), LinkState::Live).remote,
                        outcome: Outcome::new(OutcomeKind::Created, "done", ""),
                        at: Timestamp::UNIX_EPOCH,
                    };
                    closing.push(Change::Outcome { run: run.clone(), row });
                }
            }
            store.commit(lease, closing).await.unwrap();
        }
        watch.line(&format!("apply: stage {stage}, parts"), n_parts);
    }
}

/// A push without a grant for automations: the tags of each contact go in a call of their own.
async fn push_one_by_one(store: &SqlStore, lease: &Lease, run: &RunId) {
    let contacts = ResourceName::from_static("contacts");
    let mut watch = Watch::new();
    let own = |i: usize| {
        let tags = part(2, &format!("tags:{}", Hash::of_text(&i.to_string())));
        PlannedOp { parts: vec![part(0, "members:new"), PlannedPart { max: 1, ..tags }], ..planned(i) }
    };
    for start in (0..N_CONTACTS).step_by(PAGE) {
        store.append_plan(lease, run, (start..start + PAGE).map(own).collect()).await.unwrap();
    }
    watch.line("calls of one: append", N_CONTACTS);
    println!("{} calls", store.plan_calls(&lease.scope, run).await.unwrap());
    watch.line("calls of one: count", N_CONTACTS);
    let mut after: Option<(String, u64, u32)> = None;
    let mut n_parts = 0;
    loop {
        let place = after.as_ref().map(|(group, seq, idx)| (group.as_str(), *seq, *idx));
        let ready = store.ready_parts(&lease.scope, run, &contacts, 2, place, PAGE).await.unwrap();
        let Some(last) = ready.last() else { break };
        after = Some((last.part.group.clone(), last.seq, last.part_idx));
        n_parts += ready.len();
    }
    assert_eq!(n_parts, N_CONTACTS);
    watch.line("calls of one: read", n_parts);
}

async fn scan(store: &SqlStore, scope: &Scope) {
    let (organization, customers) = (scope.organization.clone(), Collection::CUSTOMERS);
    let fields: FieldSet = record(0).iter().map(|(field, _)| field.clone()).collect();
    let records = store.records();
    let mut watch = Watch::new();
    let (mut token, mut after, mut n_same) = (None, None, 0);
    loop {
        let from = token.as_ref().map_or(LocalFrom::Start, LocalFrom::Page);
        let page = records.changes(&organization, &customers, &fields, from, PAGE).await.unwrap();
        let account = AccountId::from_static("8d3a3db4d9");
        let contacts = ResourceName::from_static("contacts");
        let heads = store.link_heads(scope, &account, &contacts, &Role::MAIN, after.as_ref(), PAGE).await.unwrap();
        for (local, head) in page.items.iter().zip(&heads) {
            let LocalState::Live(record) = &local.state else { panic!("it is there") };
            assert_eq!(local.id, head.local);
            n_same += usize::from(Some(record.hash()) == head.hash);
        }
        after = heads.last().map(|head| head.local.clone());
        match page.next {
            LocalNext::More(next) => token = Some(next),
            LocalNext::Done(_) => break,
        }
    }
    assert_eq!(n_same, N_CONTACTS);
    watch.line("full scan with hashes", N_CONTACTS);
}

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let directory = tempfile::tempdir().unwrap();
    let store = SqlStore::open(directory.path().join("sync.db"), StoreKey::generate().unwrap()).await.unwrap();
    let scope = Scope::new("blue-manta", "mailchimp");
    let Acquired::Lease(lease) = store.acquire(&scope, "figures", 3_600_000).await.unwrap() else { panic!("it is free") };

    let mut watch = Watch::new();
    let n_built = (0..N_CONTACTS).map(planned).filter(|op| op.key.is_some()).count();
    watch.line("(making operations)", n_built);
    let (records, customers) = (store.records(), Collection::CUSTOMERS);
    let all = (0..N_CONTACTS).map(|i| (id(i), record(i))).collect();
    records.upsert(&scope.organization, &customers, all).await.unwrap();
    watch.line("records: upsert", N_CONTACTS);
    push(&store, &lease, &RunId::from("0123456789abcdef0123456789abcdef")).await;
    push_one_by_one(&store, &lease, &RunId::from("fedcba9876543210fedcba9876543210")).await;
    for _ in 0..2 {
        scan(&store, &scope).await;
    }
    let mut watch = Watch::new();
    let query = store.link_counts(&scope, &AccountId::from_static("8d3a3db4d9")).await.unwrap();
    watch.line("link counts", query.len());
    store.close().await;
    let size = std::fs::metadata(store.name()).unwrap().len();
    println!("database: {} bytes a contact", size / N_CONTACTS as u64);
}
