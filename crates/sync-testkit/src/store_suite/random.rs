//! The same random history for a store and for [`sync_engine::MemoryStore`]: both must answer alike.

use std::{collections::BTreeSet, sync::Arc};

use jiff::Timestamp;
use sync_core::{
    Channel, ConsentState, ContainerId, CounterKey, ErrorKind, LocalId, OutcomeKind, RemoteId, ResourceName, Result, Role,
    RunId, Scope, Verb, code,
};
use sync_engine::{
    Change, Item, Lease, Link, LinkState, Mark, PartRow, PartState, PlannedOp, PlannedPart, Question, Retention, Seen,
    Store, StoredCursor, Suppression,
};

use super::{StoreHarness, make::*, memory, random_reads::compare};
use crate::SeededRandom;

/// How many steps a history has.
const N_STEPS: u64 = 60;

pub(super) async fn same_answers(harness: &impl StoreHarness, seed: u64) {
    let random = Dice(SeededRandom::new(seed));
    let reference: Arc<dyn Store> = Arc::new(memory());
    let mut subject = harness.open().await;
    let mut leases = Vec::new();
    for scope in scopes() {
        leases.push((lease(&*reference, &scope).await, lease(&*subject, &scope).await));
    }
    let mut last_seq = 0;
    for step in 0..N_STEPS {
        let place = format!("seed {seed}, step {step}");
        let (ours, theirs) = random.of(&leases);
        let (expected, answered) = match random.0.below(13) {
            0 => {
                let (run, plan) = (random.run(), random.plan(&mut last_seq));
                let expected = reference.append_plan(ours, &run, plan.clone()).await;
                (kind(expected), kind(subject.append_plan(theirs, &run, plan).await))
            }
            1 => {
                let (run, rows) = (random.run(), random.seen());
                let expected = reference.append_seen(ours, &run, rows.clone()).await;
                (kind(expected), kind(subject.append_seen(theirs, &run, rows).await))
            }
            2 => {
                let (run, resource, container) = (random.run(), random.resource(), random.container());
                let ids: Vec<RemoteId> = (0..random.0.below(4)).map(|_| random.remote()).collect();
                let mark = if random.0.below(2) == 0 { Mark::Gone } else { Mark::AsAgreed };
                let expected = reference.append_marks(ours, &run, &resource, container.as_ref(), &ids, mark).await;
                let answered = subject.append_marks(theirs, &run, &resource, container.as_ref(), &ids, mark).await;
                if mark == Mark::AsAgreed {
                    let of = (&run, &resource, container.as_ref());
                    unseen_alike((&*reference, ours), (&*subject, theirs), of, &place).await;
                }
                (kind(expected), kind(answered))
            }
            3 => aside(&random, &*reference, &*subject, (ours, theirs), &place).await,
            _ => {
                let changes: Vec<Change> = (0..random.0.below(12)).map(|_| random.change()).collect();
                let expected = reference.commit(ours, changes.clone()).await;
                (kind(expected), kind(subject.commit(theirs, changes).await))
            }
        };
        assert_eq!(answered, expected, "{place}: the reference answered otherwise");
        if step % 10 == 9 {
            drop(subject);
            subject = harness.open().await;
            compare(&*reference, &*subject, &random, &place).await;
        }
    }
}

/// What is as agreed is compared before any link changes, and forgotten.
async fn unseen_alike(
    (reference, ours): (&dyn Store, &Lease),
    (subject, theirs): (&dyn Store, &Lease),
    (run, resource, container): (&RunId, &ResourceName, Option<&ContainerId>),
    place: &str,
) {
    for limit in [1, 3, 1_000] {
        let unseen = async |store: &dyn Store| {
            store.unseen_links(&ours.scope, &ACCOUNT, run, resource, container, None, limit).await.must("links")
        };
        assert_eq!(unseen(subject).await, unseen(reference).await, "{place}: unseen links");
    }
    reference.clear_scratch(ours, run, false).await.must("clear");
    subject.clear_scratch(theirs, run, false).await.must("clear");
}

/// What isn't a commit.
async fn aside(
    random: &Dice,
    reference: &dyn Store,
    subject: &dyn Store,
    (ours, theirs): (&Lease, &Lease),
    place: &str,
) -> (Option<ErrorKind>, Option<ErrorKind>) {
    let scope = &ours.scope;
    match random.0.below(8) {
        0 => {
            let (run, plan) = (random.run(), random.0.chance(0.3));
            let expected = reference.clear_scratch(ours, &run, plan).await;
            return (kind(expected), kind(subject.clear_scratch(theirs, &run, plan).await));
        }
        1 => {
            let (id, key) = (format!("q{}", random.0.below(5)).into(), *random.of(&["oldest", "none", "other"]));
            let answer = answer(key, random.second());
            let expected = reference.answer(scope, &id, answer.clone()).await;
            return (kind(expected), kind(subject.answer(scope, &id, answer).await));
        }
        2 => {
            let ids = random.0.chance(0.5).then(|| random.locals());
            let now = random.time();
            let expected = reference.retry_items(scope, ids.as_deref(), now).await.must("retry");
            assert_eq!(subject.retry_items(scope, ids.as_deref(), now).await.must("retry"), expected, "{place}: retry");
        }
        3 => {
            let ids: Vec<String> = (0..3).map(|_| format!("f{}", random.0.below(6))).collect();
            reference.facts_taken(scope, &ids).await.must("take");
            subject.facts_taken(scope, &ids).await.must("take");
        }
        4 => {
            let (resource, local) = (random.resource(), random.local());
            let expected = reference.forget(scope, &resource, &local).await.must("forget");
            assert_eq!(subject.forget(scope, &resource, &local).await.must("forget"), expected, "{place}: forget");
        }
        5 => {
            let key = CounterKey(format!("c{}", random.0.below(2)));
            let amount = u32::try_from(random.0.below(4)).must("a small number");
            let expected = reference.take(&key, at(0), amount, 9).await.must("take");
            assert_eq!(subject.take(&key, at(0), amount, 9).await.must("take"), expected, "{place}: counter");
        }
        6 => {
            let used = u32::try_from(random.0.below(12)).must("a small number");
            let key = CounterKey("c0".into());
            reference.correct(&key, at(0), used).await.must("correct");
            subject.correct(&key, at(0), used).await.must("correct");
        }
        _ => {
            // Far enough from all moments of the history that the stores' own clocks don't matter.
            let now = if random.0.chance(0.2) { at(100 * 366 * 86_400) } else { at(random.second() + 91 * 86_400) };
            let retention = Retention { plans_days: 91, outcomes_days: 91, facts_days: 3_000 };
            let expected = reference.prune(now, &retention, 1_000).await.must("prune");
            assert_eq!(subject.prune(now, &retention, 1_000).await.must("prune"), expected, "{place}: prune");
        }
    }
    (None, None)
}

fn kind(result: Result<()>) -> Option<ErrorKind> {
    result.err().map(|error| error.kind())
}

pub(super) fn scopes() -> [Scope; 3] {
    [SCOPE(), Scope::new("blue-manta", "xero"), Scope::new("other", "mailchimp")]
}

/// Draws rows from so few ids that they often meet.
pub(super) struct Dice(pub(super) SeededRandom);

impl Dice {
    pub(super) fn of<'a, T>(&self, all: &'a [T]) -> &'a T {
        let i = usize::try_from(self.0.below(all.len() as u64)).must("an index");
        &all[i]
    }

    pub(super) fn local(&self) -> LocalId {
        LocalId::from(*self.of(&["1", "10", "2", "a", "B", "é"]))
    }

    pub(super) fn remote(&self) -> RemoteId {
        RemoteId::from(*self.of(&["r1", "r2", "r3", "r4", "1"]))
    }

    pub(super) fn run(&self) -> RunId {
        RunId::from(*self.of(&["run-1", "run-2"]))
    }

    pub(super) fn resource(&self) -> ResourceName {
        ResourceName::from(*self.of(&["contacts", "contacts", "invoices"]))
    }

    pub(super) fn role(&self) -> Role {
        Role::from(*self.of(&["main", "main", "second"]))
    }

    pub(super) fn container(&self) -> Option<ContainerId> {
        self.of(&[Some("audience"), Some("audience"), Some("other"), None]).map(ContainerId::from)
    }

    fn key(&self) -> Option<String> {
        self.of(&[Some("a@x"), Some("b@x"), Some("c@x"), None]).map(str::to_owned)
    }

    pub(super) fn second(&self) -> i64 {
        i64::try_from(self.0.below(50)).must("a small number")
    }

    pub(super) fn time(&self) -> Timestamp {
        at(self.second())
    }

    fn locals(&self) -> Vec<LocalId> {
        (0..self.0.below(4)).map(|_| self.local()).collect()
    }

    fn link(&self) -> Link {
        use LinkState::{Detached, Gone, Live, Open, Removed};
        let state = *self.of(&[Open, Live, Live, Gone, Removed, Detached]);
        let remote = self.remote();
        let plain = link(self.local().as_str(), (state != Open).then_some(remote.as_str()));
        let role = self.role();
        Link { resource: self.resource(), role, container: self.container(), state, key: self.key(), ..plain }
    }

    fn item(&self) -> Item {
        let kind = *self.of(&[OutcomeKind::Failed, OutcomeKind::Skipped, OutcomeKind::Question, OutcomeKind::Pending]);
        let code = *self.of(&["refused", code::SHARED_KEY, "no-consent"]);
        Item {
            resource: self.resource(),
            key: self.key(),
            run: self.run(),
            since: self.time(),
            due: self.0.chance(0.5).then(|| self.time()),
            needs_grant: self.of(&[Some("mails"), Some("calls"), None, None]).map(str::to_owned),
            question: self.0.chance(0.5).then(|| format!("q{}", self.0.below(4)).into()),
            ..item(self.local().as_str(), kind, code)
        }
    }

    fn question(&self) -> Question {
        let locals = self.locals();
        let locals: Vec<&str> = locals.iter().map(LocalId::as_str).collect();
        let question = question(&format!("q{}", self.0.below(4)), &locals, self.second());
        Question { resource: self.resource(), ..question }
    }

    fn plan(&self, last_seq: &mut u64) -> Vec<PlannedOp> {
        let op = |_| {
            *last_seq += 1 + self.0.below(2);
            let parts: Vec<PlannedPart> = (0..self.0.below(4))
                .map(|_| {
                    let stage = u8::try_from(self.0.below(2)).must("a stage");
                    let (group, max) = *self.of(&[("members", 2), ("tag:a", 2), ("tag:b", 2), ("tags:1", 1), ("tags:2", 1)]);
                    part(stage, group, max)
                })
                .collect();
            let mut op = PlannedOp { key: self.key(), ..planned(*last_seq, self.local().as_str(), parts) };
            op.operation.resource = self.resource();
            op.operation.role = self.role();
            op.operation.verb = *self.of(&[Verb::Create, Verb::Update]);
            op
        };
        (0..1 + self.0.below(4)).map(op).collect()
    }

    fn seen(&self) -> Vec<Seen> {
        let row = |_| {
            let mut row = seen(self.remote().as_str(), "x");
            row.key = self.key();
            row.remote.resource = self.resource();
            row.remote.container = self.container();
            row
        };
        (0..1 + self.0.below(5)).map(row).collect()
    }

    fn change(&self) -> Change {
        match self.0.below(22) {
            0 | 1 => Change::OpenLink(Link { state: LinkState::Open, ..self.link() }),
            2..=4 => Change::PutLink(self.link()),
            5 => Change::DropLink { account: ACCOUNT, resource: self.resource(), local: self.local(), role: self.role() },
            6 => {
                let parts: BTreeSet<(u64, u32)> =
                    (0..3).map(|_| (self.0.below(20), u32::try_from(self.0.below(3)).must("an index"))).collect();
                let parts: Vec<_> = parts.into_iter().collect();
                let call = call(&format!("call-{}", self.0.below(3)), &parts, self.second());
                Change::OpenCall(sync_engine::CallRow { run: self.run(), ..call })
            }
            7 => Change::CloseCall(format!("call-{}", self.0.below(3)).into()),
            8..=10 => {
                let all = [PartState::Ready, PartState::Sent, PartState::Done, PartState::Held];
                let part_idx = self.0.chance(0.6).then(|| u32::try_from(self.0.below(3)).must("an index"));
                Change::Part(PartRow { run: self.run(), seq: self.0.below(20), part_idx, state: *self.of(&all) })
            }
            11 | 12 => Change::PutItem(self.item()),
            13 => Change::DropItem { resource: self.resource(), local: self.local() },
            14 => {
                let (local, remote) = (self.local(), self.remote());
                let local = self.0.chance(0.8).then_some(local.as_str());
                let remote = self.0.chance(0.8).then_some(remote.as_str());
                let row = outcome_row(local, remote, self.second());
                let row = sync_engine::OutcomeRow { resource: self.resource(), ..row };
                Change::Outcome { run: self.run(), row }
            }
            15 => {
                let cursor =
                    StoredCursor { cursor: format!("{}", self.second()).into(), filter: "f".into(), at: self.time() };
                let stream = (*self.of(&["local", "remote:a"])).to_owned();
                Change::Cursor { stream, cursor: self.0.chance(0.8).then_some(cursor) }
            }
            16 => Change::Ask(self.question()),
            17 => {
                let local = self.local();
                let record = self.0.chance(0.7).then_some(local.as_str());
                Change::Fact(fact(&format!("f{}", self.0.below(6)), record))
            }
            18 => {
                let state = *self.of(&[ConsentState::Denied, ConsentState::Undeliverable]);
                let address = (*self.of(&ADDRESSES)).to_owned();
                Change::Suppress { channel: Channel::Email, address, suppression: Suppression { at: self.time(), state } }
            }
            19 => Change::Lift { channel: Channel::Email, address: (*self.of(&ADDRESSES)).to_owned() },
            20 => Change::Run(Box::new(run(self.run().as_str(), self.second()))),
            _ => Change::DropOperation { run: self.run(), seq: self.0.below(20) },
        }
    }
}

pub(super) const ADDRESSES: [&str; 4] = ["ada@example.com", "ADA@example.com ", "bob@example.com", ""];
