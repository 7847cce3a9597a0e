//! Writing.

use std::time::Duration;

use sync_core::{
    CallKey, ErrorKind, FieldKind, FieldName, FindBy, Found, Matching, Operation, Part, Prepared, Receipt, RemoteState,
    Resource, Safety, UpdateNeeds, Value,
};

use crate::conformance::{
    Act, Harness, Verdict,
    bench::{Allow, Bench, Told},
};

/// A key of its own for each kind of record: a provider that honours keys refuses one that it knows from another call.
fn key_of(resource: &Resource) -> CallKey {
    CallKey::new(format!("k-{}", resource.name))
}

pub(super) fn first_part(bench: &Bench<'_>, op: &Operation) -> Part {
    match bench.parts(op) {
        Ok(Prepared::Parts(parts)) => parts.into_iter().next().expect("a part"),
        other => panic!("{} should be written: {other:?}", op.id),
    }
}

pub(super) async fn what_was_made_is_there_as_it_was_written(harness: &dyn Harness) -> Verdict {
    for allow in [Allow::Nothing, Allow::Everything] {
        let mut bench = Bench::allowing(harness, allow).await;
        for (i, resource) in bench.resources().iter().enumerate() {
            let n = if allow == Allow::Nothing { i } else { 10 + i };
            let before = harness.count(resource).await;
            let op = bench.create(resource, n);
            let id = bench.apply(&op).await.done();
            assert_eq!(harness.count(resource).await, before + 1);
            let remote = bench.remote(resource, &id).await;
            for (field, value) in harness.record(resource, n).iter() {
                let Some(there) = remote.fields.value(field.as_str()) else { panic!("{field} is not there") };
                match (value, there) {
                    (Value::Consent(here), Value::Consent(there)) => assert_eq!(here.state, there.state, "{field}"),
                    // The provider adds members of its own to lines.
                    (Value::List(here), Value::List(there)) => {
                        assert_eq!(here.len(), there.len(), "{field}");
                        for (here, there) in here.iter().zip(there) {
                            let is_there = |(name, value): (&FieldName, &Value)| there.value(name.as_str()) == Some(value);
                            assert!(here.iter().all(is_there), "a line of {field} is there with another value");
                        }
                    }
                    _ => assert!(value == there, "{field} is there with another value"),
                }
            }
        }
    }
    Verdict::Held
}

pub(super) async fn what_exists_is_taken_and_nothing_is_doubled(harness: &dyn Harness) -> Verdict {
    let mut bench = Bench::new(harness).await;
    for resource in bench.resources() {
        let op = bench.create(resource, 0);
        let part = first_part(&bench, &op);
        let id = bench.apply_part(&op, 0, &part).await.done();
        let before = harness.count(resource).await;
        let told = bench.apply_part(&op, 0, &part).await;
        assert_eq!(harness.count(resource).await, before, "a twin was made");
        match told {
            Told::Taken | Told::Moved => {}
            // The same key gives the first answer again.
            Told::Done(again) => assert_eq!(again, id),
            other => panic!("{other:?}"),
        }
    }
    Verdict::Held
}

pub(super) async fn a_taken_record_names_the_one_that_is_there(harness: &dyn Harness) -> Verdict {
    let bench = Bench::new(harness).await;
    for resource in bench.resources() {
        let (_, remote) = bench.planted(resource, 0).await;
        let op = bench.create(resource, 0);
        let part = first_part(&bench, &op);
        let receipts = bench.push(&part.group, &[(&op, 0)], &key_of(resource)).await.expect("receipts");
        match &receipts[..] {
            [Receipt::Taken(Some(id))] => assert_eq!(*id, remote.id),
            [Receipt::Taken(None)] => {}
            [Receipt::Done { .. }] => return Verdict::Spared("the provider does not know records by content"),
            other => panic!("{other:?}"),
        }
        let there = bench.remote(resource, &remote.id).await;
        assert_eq!(there.fields, remote.fields, "a create does not change what is there");
    }
    Verdict::Held
}

pub(super) async fn receipts_come_one_per_part_in_order(harness: &dyn Harness) -> Verdict {
    let bench = Bench::new(harness).await;
    let mut n_seen = 0;
    for resource in bench.resources() {
        let (_, planted) = bench.planted(resource, 1).await;
        let ops: Vec<Operation> = (0..3).map(|n| bench.create(resource, n)).collect();
        let part = first_part(&bench, &ops[0]);
        if part.max < 3 {
            continue;
        }
        n_seen += 1;
        let of: Vec<(&Operation, usize)> = ops.iter().map(|op| (op, 0)).collect();
        let receipts = bench.push(&part.group, &of, &key_of(resource)).await.expect("receipts");
        assert_eq!(receipts.len(), 3);
        assert_eq!(bench.n_writes(), 1, "one group, one call");
        for (n, receipt) in receipts.iter().enumerate() {
            match receipt {
                Receipt::Done { id, .. } if n != 1 => {
                    // By what identifies it, or, where nothing does, by our marker, or by what it says.
                    let (key, marker) = (bench.key(resource, &ops[n].fields), [ops[n].marker.clone()]);
                    let by = key.as_slice();
                    let by = if by.is_empty() { FindBy::Markers(&marker) } else { FindBy::Keys(by) };
                    match &bench.find_by(resource, by).await.expect("a look-up")[..] {
                        [Found::One(found)] => assert_eq!(found.id, *id, "the answer for another part"),
                        [Found::Absent] if bench.key(resource, &ops[n].fields).is_none() => {
                            let found = bench.remote(resource, id).await;
                            let texts = ops[n].fields.iter().filter(|(_, value)| value.as_text().is_some());
                            for (field, value) in texts {
                                assert!(found.fields.value(field.as_str()) == Some(value), "the answer for another part");
                            }
                        }
                        other => panic!("{other:?}"),
                    }
                }
                // The engine looks before it makes one.
                Receipt::Done { .. } if resource.matching == Matching::Find => {}
                Receipt::Taken(_) if n == 1 => {}
                // Under an id of ours, what is there as we would have made it was made by us.
                Receipt::Done { id, .. } if n == 1 && part.safety == Safety::ClientId => assert_eq!(*id, planted.id),
                other => panic!("part {n}: {other:?}"),
            }
        }
    }
    if n_seen == 0 { Verdict::Spared("each record has a call of its own") } else { Verdict::Held }
}

pub(super) async fn an_update_leaves_alone_what_people_changed_there(harness: &dyn Harness) -> Verdict {
    let mut bench = Bench::new(harness).await;
    for resource in bench.resources() {
        let (record, remote) = bench.planted(resource, 0).await;
        bench.clock.advance(Duration::from_secs(60));
        if !harness.act(resource, &remote.id, Act::Edit).await {
            continue;
        }
        let theirs = bench.remote(resource, &remote.id).await;
        let edited: Vec<FieldName> = theirs
            .fields
            .iter()
            .filter(|(field, value)| remote.fields.value(field.as_str()) != Some(value))
            .map(|(field, _)| field.clone())
            .collect();
        assert!(!edited.is_empty(), "an edit changes a mapped field");
        let (ours, changed) = harness.edit(resource, &record);
        let before = if resource.update_needs == UpdateNeeds::Nothing { &remote } else { &theirs };
        let op = bench.update(resource, 0, before, ours.clone(), &changed);
        let id = match bench.apply(&op).await {
            // Noticed: decided again on what is there now.
            Told::Moved => {
                let op = bench.update(resource, 0, &theirs, ours.clone(), &changed);
                bench.apply(&op).await.done()
            }
            told => told.done(),
        };
        let after = bench.remote(resource, &id).await;
        for field in &changed {
            assert!(after.fields.value(field.as_str()) == ours.value(field.as_str()), "{field} was not written");
        }
        for field in edited {
            let (now, then) = (after.fields.value(field.as_str()), theirs.fields.value(field.as_str()));
            assert!(now == then, "{field}, which people changed there, was overwritten");
        }
    }
    Verdict::Held
}

pub(super) async fn elements_of_others_stay_in_a_set(harness: &dyn Harness) -> Verdict {
    let mut n_seen = 0;
    for allow in [Allow::Nothing, Allow::Everything] {
        let mut bench = Bench::allowing(harness, allow).await;
        for resource in bench.resources() {
            for spec in resource.fields.iter().filter(|spec| spec.kind == FieldKind::OwnedSet) {
                let field = FieldName::from_static(spec.name);
                let n = usize::from(allow == Allow::Everything);
                let record = harness.record(resource, n);
                let op = bench.create(resource, n);
                let id = bench.apply(&op).await.done();
                let theirs = Act::AddElement { field: field.clone(), element: "of the others".to_owned() };
                if !harness.act(resource, &id, theirs).await {
                    continue;
                }
                n_seen += 1;
                let remote = bench.remote(resource, &id).await;
                let mut ours = record.value(spec.name).and_then(Value::as_set).cloned().expect("a set");
                let dropped = ours.pop_first().expect("the harness's record has elements");
                ours.insert("quite new".to_owned());
                let op = bench.update(
                    resource,
                    n,
                    &remote,
                    record.clone().with(field.clone(), Value::Set(ours.clone())),
                    std::slice::from_ref(&field),
                );
                let op = without_removing(op, &field, "of the others");
                let id = bench.apply(&op).await.done();
                let there = bench.remote(resource, &id).await;
                let there = there.fields.value(spec.name).and_then(Value::as_set).cloned().expect("a set");
                assert!(there.contains("of the others"), "an element of others was removed");
                assert!(there.contains("quite new") && !there.contains(&dropped), "our own elements did not change");
            }
        }
    }
    if n_seen == 0 { Verdict::Spared("no set has elements of others") } else { Verdict::Held }
}

/// The engine knows which elements are ours; the operation made from both sides alone does not.
fn without_removing(mut op: Operation, field: &FieldName, element: &str) -> Operation {
    if let Some(change) = op.sets.get_mut(field) {
        change.remove.remove(element);
    }
    op
}

pub(super) async fn what_was_removed_is_gone_or_archived(harness: &dyn Harness) -> Verdict {
    let mut bench = Bench::new(harness).await;
    for resource in bench.resources() {
        let (_, remote) = bench.planted(resource, 0).await;
        let op = bench.remove(resource, 0, &remote);
        bench.apply(&op).await.done();
        match bench.find(resource, &remote.id).await {
            Found::Absent | Found::Gone => {}
            Found::One(remote) => assert_ne!(remote.state, RemoteState::Live),
            other @ Found::Many(_) => panic!("{other:?}"),
        }
        assert!(matches!(bench.apply(&op).await, Told::Done(_)), "removing it again is done");
    }
    Verdict::Held
}

pub(super) async fn removing_what_people_deleted_is_done(harness: &dyn Harness) -> Verdict {
    let mut bench = Bench::new(harness).await;
    for resource in bench.resources() {
        let (_, remote) = bench.planted(resource, 0).await;
        if !harness.act(resource, &remote.id, Act::Delete).await {
            return Verdict::Spared("nothing can be deleted there");
        }
        let op = bench.remove(resource, 0, &remote);
        assert!(matches!(bench.apply(&op).await, Told::Done(_)));
    }
    Verdict::Held
}

pub(super) async fn changing_what_people_deleted_makes_nothing_and_is_no_success(harness: &dyn Harness) -> Verdict {
    let mut bench = Bench::new(harness).await;
    for resource in bench.resources() {
        let (record, remote) = bench.planted(resource, 0).await;
        if !harness.act(resource, &remote.id, Act::Delete).await {
            return Verdict::Spared("nothing can be deleted there");
        }
        let before = harness.count(resource).await;
        let (ours, changed) = harness.edit(resource, &record);
        let op = bench.update(resource, 0, &remote, ours, &changed);
        let told = bench.apply(&op).await;
        assert_eq!(harness.count(resource).await, before, "an update made a record");
        match told {
            Told::Moved | Told::Taken => {}
            Told::Refused(error) => assert!(error.remedy().is_some()),
            other => panic!("what is gone was not noticed: {other:?}"),
        }
    }
    Verdict::Held
}

pub(super) async fn one_bad_item_stays_one_bad_item(harness: &dyn Harness) -> Verdict {
    let bench = Bench::new(harness).await;
    let mut n_seen = 0;
    for resource in bench.resources() {
        let mut ops: Vec<Operation> = (0..3).map(|n| bench.create(resource, n)).collect();
        let part = first_part(&bench, &ops[0]);
        let Some(field) = bench.handler.rules(&resource.name).match_on.first().cloned() else { continue };
        if part.max < 3 {
            continue;
        }
        n_seen += 1;
        // Prepared while it was sound; what it identifies itself by is broken by the time it goes.
        ops[1].fields.set(field, Value::text("broken"));
        let of: Vec<(&Operation, usize)> = ops.iter().map(|op| (op, 0)).collect();
        let receipts = bench.push(&part.group, &of, &key_of(resource)).await.expect("the others go");
        let done: Vec<bool> = receipts.iter().map(|receipt| matches!(receipt, Receipt::Done { .. })).collect();
        assert_eq!(done, [true, false, true]);
        assert!(matches!(receipts[1], Receipt::Refused(_) | Receipt::Skipped(_)), "{:?}", receipts[1]);
    }
    if n_seen == 0 { Verdict::Spared("each record has a call of its own") } else { Verdict::Held }
}

pub(super) async fn a_call_of_nothing_sends_nothing(harness: &dyn Harness) -> Verdict {
    let bench = Bench::new(harness).await;
    for resource in bench.resources() {
        let part = first_part(&bench, &bench.create(resource, 0));
        let receipts = bench.push(&part.group, &[], &key_of(resource)).await.expect("no parts, no receipts");
        assert!(receipts.is_empty());
    }
    assert_eq!(bench.n_sent(), 0);
    Verdict::Held
}

pub(super) async fn a_group_of_nobodys_is_refused_and_sends_nothing(harness: &dyn Harness) -> Verdict {
    let bench = Bench::new(harness).await;
    for resource in bench.resources() {
        let op = bench.create(resource, 0);
        let pushed = bench.push("no-such-group", &[(&op, 0)], &key_of(resource)).await;
        assert_eq!(pushed.err().map(|error| error.kind()), Some(ErrorKind::Internal));
    }
    assert_eq!(bench.n_sent(), 0);
    Verdict::Held
}

pub(super) async fn what_an_answer_tells_is_what_a_look_up_finds(harness: &dyn Harness) -> Verdict {
    let bench = Bench::new(harness).await;
    let mut n_seen = 0;
    for resource in bench.resources() {
        let op = bench.create(resource, 0);
        let part = first_part(&bench, &op);
        let receipts = bench.push(&part.group, &[(&op, 0)], &key_of(resource)).await.expect("receipts");
        let Some(Receipt::Done { id, version, after: Some(after), .. }) = receipts.into_iter().next() else { continue };
        n_seen += 1;
        let found = bench.remote(resource, &id).await;
        assert_eq!((&after.id, &after.state), (&found.id, &found.state));
        assert_eq!(version.or(after.version), found.version);
        let is_told = |spec: &&sync_core::FieldSpec| spec.kind != FieldKind::OwnedSet;
        for spec in resource.fields.iter().filter(is_told) {
            let (told, there) = (after.fields.value(spec.name), found.fields.value(spec.name));
            assert!(there.is_none() || told == there, "the answer tells another {}", spec.name);
        }
    }
    if n_seen == 0 { Verdict::Spared("answers tell no record") } else { Verdict::Held }
}

/// Sends the first part of a create.
pub(super) async fn create(bench: &mut Bench<'_>, resource: &Resource, n: usize) -> Told {
    let op = bench.create(resource, n);
    let part = first_part(bench, &op);
    bench.apply_part(&op, 0, &part).await
}
