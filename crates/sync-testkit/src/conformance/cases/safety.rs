//! What calls are described as, and when none goes out.

use std::collections::BTreeSet;

use sync_core::{
    CallKey, Clock, Consent, ConsentState, Effect, ErrorKind, FieldKind, FieldName, From, Operation, Prepared, Record,
    Remote, Repeat, Resource, Safety, Value,
};

use super::{describe::has_budget, push::first_part};
use crate::{
    Fault, FaultRule, On,
    conformance::{
        Harness, Verdict,
        bench::{Allow, Bench, Called, Told},
        operation::with_consent,
    },
};

/// Every call of a whole session with record n: check, choices, pages, look-ups, writes of all sorts.
pub(super) async fn session(bench: &mut Bench<'_>, n: usize) -> Vec<Called> {
    let mut calls = bench.calls();
    let checked = bench.handler.check(&bench.context(), sync_core::Check::Settings).await;
    assert!(checked.is_ok(), "{checked:?}");
    for resource in bench.resources() {
        let create = bench.create(resource, n);
        let id = bench.apply(&create).await.done();
        bench.apply(&create).await;
        let remote = bench.remote(resource, &id).await;
        let (edited, changed) = bench.harness.edit(resource, &bench.harness.record(resource, n));
        let update = bench.update(resource, n, &remote, edited, &changed);
        let id = bench.apply(&update).await.done();
        let remote = bench.remote(resource, &id).await;
        if let Some(key) = bench.key(resource, &create.fields) {
            bench.find_by(resource, sync_core::FindBy::Keys(&[key])).await.expect("a look-up");
        }
        if bench.feed(resource).is_some() {
            let listing = bench.list(resource, From::Start).await;
            bench.list(resource, From::Cursor(&listing.cursor)).await;
        }
        let remove = bench.remove(resource, n, &remote);
        bench.apply(&remove).await;
    }
    calls.extend(bench.calls());
    calls
}

pub(super) async fn every_call_names_an_endpoint_a_budget_and_an_operation(harness: &dyn Harness) -> Verdict {
    for allow in [Allow::Nothing, Allow::Everything] {
        let mut bench = Bench::allowing(harness, allow).await;
        let calls = session(&mut bench, allow.nth()).await;
        assert!(calls.len() > 5);
        for Called { call } in calls {
            assert!(bench.descriptor().endpoint(call.endpoint).is_some(), "{call:?}: no such endpoint");
            assert!(has_budget(bench.descriptor(), call.budget), "{call:?}: no such budget");
            let is_stable =
                call.operation.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b".-_".contains(&b));
            assert!(is_stable && !call.operation.is_empty(), "{call:?}: an operation is a stable name");
            assert!(call.cost >= 1 && call.path.starts_with('/'), "{call:?}");
        }
    }
    Verdict::Held
}

pub(super) async fn writes_are_never_described_as_reads(harness: &dyn Harness) -> Verdict {
    for allow in [Allow::Nothing, Allow::Everything] {
        let mut bench = Bench::allowing(harness, allow).await;
        for Called { call } in session(&mut bench, allow.nth()).await {
            let is_read = call.method == http::Method::GET || call.method == http::Method::HEAD;
            assert!(!is_read || call.repeat == Repeat::Read, "{call:?}: a read may always be repeated");
            assert!(is_read || call.repeat != Repeat::Read || call.method == http::Method::POST, "{call:?}");
            assert!(!is_read || call.body.is_empty(), "{call:?}: a read has no body");
        }
        let reads = bench.wire.log().iter().filter(|sent| !sent.is_write()).count();
        assert!(reads > 0);
    }
    Verdict::Held
}

pub(super) async fn paths_and_queries_are_escaped(harness: &dyn Harness) -> Verdict {
    let mut bench = Bench::allowing(harness, Allow::Everything).await;
    for Called { call } in session(&mut bench, 0).await {
        let is_plain = |text: &str| text.bytes().all(|b| b.is_ascii_graphic() && !b"\"<>\\^`{|}#".contains(&b));
        assert!(is_plain(&call.path) && !call.path.contains('?'), "{call:?}");
        assert!(is_plain(&call.query) && !call.query.contains(['+', '?']), "{call:?}");
    }
    Verdict::Held
}

pub(super) async fn a_key_is_the_same_whenever_a_call_goes_again(harness: &dyn Harness) -> Verdict {
    let bench = Bench::new(harness).await;
    let mut n_seen = 0;
    for resource in bench.resources() {
        let op = bench.create(resource, harness.count(resource).await);
        let part = first_part(&bench, &op);
        if !matches!(part.safety, Safety::Key { .. }) {
            continue;
        }
        n_seen += 1;
        bench.forget();
        let key = CallKey::new(format!("the-key-of-{}", resource.name));
        bench.wire.add(FaultRule::once(Fault::Unreachable).on(On::Writes));
        bench.push(&part.group, &[(&op, 0)], &key).await.expect("receipts");
        bench.push(&part.group, &[(&op, 0)], &key).await.expect("receipts");
        let log = bench.wire.log();
        let keys: BTreeSet<_> = bench.calls().into_iter().map(|called| called.call.key.map(|(_, key)| key)).collect();
        assert_eq!(keys, [Some(key.clone())].into(), "the call carries its key");
        let bodies: BTreeSet<_> = log.iter().filter(|sent| sent.is_write()).map(|sent| sent.body.clone()).collect();
        assert_eq!(bodies.len(), 1, "the same key goes with the same body");
    }
    if n_seen == 0 { Verdict::Spared("the provider honours no keys") } else { Verdict::Held }
}

pub(super) async fn an_id_that_we_choose_is_the_same_whenever_a_call_goes_again(harness: &dyn Harness) -> Verdict {
    let mut bench = Bench::new(harness).await;
    let mut n_seen = 0;
    for resource in bench.resources() {
        let op = bench.create(resource, harness.count(resource).await);
        let part = first_part(&bench, &op);
        if part.safety != Safety::ClientId {
            continue;
        }
        n_seen += 1;
        bench.forget();
        bench.wire.add(FaultRule::once(Fault::CutAfter).on(On::Writes));
        let before = harness.count(resource).await;
        assert!(bench.push(&part.group, &[(&op, 0)], &CallKey::from_static("a")).await.is_err());
        let again = bench.apply_part(&op, 0, &part).await;
        assert_eq!(harness.count(resource).await, before + 1, "{again:?}");
        let log = bench.wire.log();
        let bodies: BTreeSet<_> = log.iter().filter(|sent| sent.is_write()).map(|sent| sent.body.clone()).collect();
        assert_eq!(bodies.len(), 1, "the same operation is the same body, whatever its call");
    }
    if n_seen == 0 { Verdict::Spared("the provider chooses all ids") } else { Verdict::Held }
}

/// Updates of all sorts of a planted record: an edit, another identity, another consent, removal.
fn updates(bench: &Bench<'_>, resource: &Resource, n: usize, record: &Record, remote: &Remote) -> Vec<Operation> {
    let (edited, changed) = bench.harness.edit(resource, record);
    let mut ops = vec![bench.update(resource, n, remote, edited, &changed)];
    if let Some(field) = bench.handler.rules(&resource.name).match_on.first() {
        let other = bench.harness.record(resource, 500 + n);
        let value = other.value(field.as_str()).cloned().expect("it identifies the record");
        let renamed = record.clone().with(field.clone(), value);
        ops.push(bench.update(resource, n, remote, renamed, std::slice::from_ref(field)));
    }
    let denied = Consent::new(ConsentState::Denied).at(Clock::now(&bench.clock));
    if let Some((denied, field)) = with_consent(resource, record, denied) {
        ops.push(bench.update(resource, n, remote, denied, &[field]));
    }
    for spec in resource.fields.iter().filter(|spec| spec.kind == FieldKind::OwnedSet) {
        let field = FieldName::from_static(spec.name);
        let set = Value::Set(["an element of ours".to_owned()].into());
        let tagged = record.clone().with(field.clone(), set);
        ops.push(bench.update(resource, n, remote, tagged, std::slice::from_ref(&field)));
    }
    ops.push(bench.remove(resource, n, remote));
    ops
}

pub(super) async fn what_is_said_to_be_repeatable_can_be_done_twice(harness: &dyn Harness) -> Verdict {
    let mut n_seen = 0;
    for allow in [Allow::Nothing, Allow::Everything] {
        let mut bench = Bench::allowing(harness, allow).await;
        for resource in bench.resources() {
            let mut n = 100 * (1 + allow.nth());
            let (record, remote) = bench.planted(resource, n).await;
            for idx in 0..updates(&bench, resource, n, &record, &remote).len() {
                n += 1;
                let (record, remote) = bench.planted(resource, n).await;
                bench.clock.advance(std::time::Duration::from_secs(60));
                let op = updates(&bench, resource, n, &record, &remote).swap_remove(idx);
                n_seen += each_part_twice(&mut bench, resource, &op).await;
            }
        }
    }
    if n_seen == 0 { Verdict::Spared("no part is said to be repeatable") } else { Verdict::Held }
}

async fn each_part_twice(bench: &mut Bench<'_>, resource: &Resource, op: &Operation) -> usize {
    let Ok(Prepared::Parts(parts)) = bench.parts(op) else { panic!("{} can be written", op.id) };
    let mut n_seen = 0;
    for (idx, part) in parts.iter().enumerate() {
        let first = bench.apply_part(op, idx, part).await.done();
        if part.safety != Safety::Repeatable {
            continue;
        }
        n_seen += 1;
        let before = bench.harness.count(resource).await;
        let again = bench.apply_part(op, idx, part).await;
        let Told::Done(again) = again else { panic!("{}, for the second time: {again:?}", part.group) };
        assert_eq!(again, first, "{}: another record", part.group);
        assert_eq!(bench.harness.count(resource).await, before, "{}: a twin was made", part.group);
    }
    n_seen
}

pub(super) async fn who_wants_to_stop_is_heard_before_anything_is_sent(harness: &dyn Harness) -> Verdict {
    let mut bench = Bench::new(harness).await;
    bench.cancel.cancel();
    for resource in bench.resources() {
        let told = super::push::create(&mut bench, resource, 0).await;
        let error = told.error().expect("it is not done");
        assert_eq!((error.kind(), error.effect()), (ErrorKind::Cancelled, Effect::None));
        if bench.feed(resource).is_some() {
            let error = bench.pull(resource, From::Start).await.expect_err("it is not read");
            assert_eq!(error.kind(), ErrorKind::Cancelled);
        }
    }
    assert_eq!(bench.n_sent(), 0);
    Verdict::Held
}

pub(super) async fn nothing_starts_after_the_deadline(harness: &dyn Harness) -> Verdict {
    let bench = Bench::new(harness).await;
    for resource in bench.resources() {
        let op = bench.create(resource, 0);
        let part = first_part(&bench, &op);
        let context = bench.context_too_late();
        let error = bench.push_in(&context, &part.group, &[(&op, 0)], &CallKey::from_static("k")).await;
        let error = error.expect_err("there is no time");
        assert_eq!((error.kind(), error.effect()), (ErrorKind::Timeout, Effect::None));
    }
    assert_eq!(bench.n_sent(), 0);
    Verdict::Held
}

pub(super) async fn a_call_takes_no_longer_than_was_declared(harness: &dyn Harness) -> Verdict {
    let mut bench = Bench::new(harness).await;
    let longest = bench.descriptor().call_timeout;
    for Called { call } in session(&mut bench, 0).await {
        assert!(call.timeout.is_none_or(|timeout| timeout <= longest), "{call:?}: the lease would end before it");
        assert!(call.max_answer <= 64 << 20, "{call:?}: memory follows page size");
    }
    Verdict::Held
}
