//! Parts: what an operation is made of.

use std::collections::BTreeSet;

use sync_core::{
    Clock as _, Consent, ConsentState, EffectGrants, ErrorKind, FieldName, Matching, Operation, Part, Prepare, Prepared,
    Record, Resource, Safety, Value,
};

use super::describe::has_budget;
use crate::conformance::{
    Harness, Verdict,
    bench::{Allow, Bench},
    operation::with_consent,
};

/// Operations of all sorts: each verb, each consent, blanks.
async fn corpus(bench: &Bench<'_>, resource: &Resource) -> Vec<Operation> {
    use ConsentState as C;
    let (record, remote) = bench.planted(resource, 50).await;
    let (edited, changed) = bench.harness.edit(resource, &record);
    let mut ops = vec![
        bench.create(resource, 1),
        bench.update(resource, 50, &remote, edited, &changed),
        bench.update(resource, 50, &remote, record.clone(), &[]),
        bench.remove(resource, 50, &remote),
    ];
    for state in [C::Undeliverable, C::Denied, C::Unknown, C::Pending, C::Granted] {
        let consent = Consent::new(state).at(bench.clock.now());
        let Some((with, field)) = with_consent(resource, &bench.harness.record(resource, 2), consent.clone()) else { break };
        ops.push(bench.create_of(resource, 2, with));
        if let Some((with, _)) = with_consent(resource, &record, consent) {
            ops.push(bench.update(resource, 50, &remote, with, &[field]));
        }
    }
    let blank: Record = record.iter().map(|(field, _)| (field.clone(), Value::Null)).collect();
    let all: Vec<FieldName> = record.iter().map(|(field, _)| field.clone()).collect();
    ops.push(bench.create_of(resource, 3, blank.clone()));
    ops.push(bench.update(resource, 50, &remote, blank, &all));
    ops.push(bench.create_of(resource, 4, Record::new()));
    bench.forget();
    ops
}

/// All parts of the corpus with their operations.
async fn all_parts(bench: &Bench<'_>) -> Vec<(Operation, Vec<Part>)> {
    let mut all = Vec::new();
    for resource in bench.resources() {
        for op in corpus(bench, resource).await {
            if let Ok(Prepared::Parts(parts)) = bench.parts(&op) {
                all.push((op, parts));
            }
        }
    }
    assert!(all.iter().any(|(_, parts)| !parts.is_empty()), "nothing is ever written");
    all
}

pub(super) async fn the_same_operation_is_always_made_of_the_same_parts(harness: &dyn Harness) -> Verdict {
    for allow in [Allow::Nothing, Allow::Everything] {
        let bench = Bench::allowing(harness, allow).await;
        for resource in bench.resources() {
            for op in corpus(&bench, resource).await {
                let show = |prepared: sync_core::Result<Prepared>| match prepared {
                    Ok(prepared) => Ok(prepared),
                    Err(error) => Err(error.to_string()),
                };
                let first = show(bench.parts(&op));
                bench.clock.advance(std::time::Duration::from_secs(1));
                assert_eq!(first, show(bench.parts(&op)), "{:?} {}", op.verb, op.id);
                if allow == Allow::Everything {
                    continue;
                }
                let again = Bench::allowing(harness, allow).await;
                assert_eq!(first, show(again.parts(&op)), "another process prepares {} otherwise", op.id);
            }
        }
        assert_eq!(bench.n_sent(), 0, "preparing sends nothing");
    }
    Verdict::Held
}

pub(super) async fn parts_are_ordered_and_complete(harness: &dyn Harness) -> Verdict {
    for allow in [Allow::Nothing, Allow::Everything] {
        let bench = Bench::allowing(harness, allow).await;
        for (op, parts) in all_parts(&bench).await {
            assert!(parts.is_sorted_by_key(|part| part.stage), "{}: parts are ordered by stage", op.id);
            for part in &parts {
                assert!(!part.group.is_empty() && part.max >= 1 && part.cost >= 1, "{}: {part:?}", op.id);
            }
            let places: BTreeSet<_> = parts.iter().map(|part| (part.stage, part.group.as_ref())).collect();
            assert_eq!(places.len(), parts.len(), "{}: two parts of one operation share a call", op.id);
        }
    }
    Verdict::Held
}

pub(super) async fn budgets_and_effects_are_those_of_the_descriptor(harness: &dyn Harness) -> Verdict {
    for allow in [Allow::Nothing, Allow::Everything] {
        let bench = Bench::allowing(harness, allow).await;
        for (op, parts) in all_parts(&bench).await {
            for part in parts {
                assert!(has_budget(bench.descriptor(), part.budget), "{}: no quota is called {:?}", op.id, part.budget);
                for effect in part.effects {
                    assert!(bench.descriptor().effects.contains(effect), "{}: {} is not declared", op.id, effect.name);
                }
            }
        }
    }
    Verdict::Held
}

pub(super) async fn without_a_grant_no_part_has_an_effect(harness: &dyn Harness) -> Verdict {
    let bench = Bench::new(harness).await;
    for (op, parts) in all_parts(&bench).await {
        for part in parts {
            assert!(part.effects.is_empty(), "{}: {} sets {:?} off", op.id, part.group, part.effects);
        }
    }
    Verdict::Held
}

pub(super) async fn a_skip_for_want_of_a_grant_names_one_that_helps(harness: &dyn Harness) -> Verdict {
    let bench = Bench::allowing(harness, Allow::Everything).await;
    let mut n_seen = 0;
    for resource in bench.resources() {
        for op in corpus(&bench, resource).await {
            let none = EffectGrants::none();
            let Ok(Prepared::Skip(skip)) = bench.handler.prepare(Prepare::new(&bench.facts, &none, &op)) else { continue };
            assert!(!skip.code.is_empty() && !skip.message.is_empty());
            let Some(grant) = skip.needs_grant else { continue };
            n_seen += 1;
            assert!(bench.descriptor().effects.iter().any(|effect| effect.name == grant), "{grant} is not declared");
            assert!(skip.remedy.is_some(), "{}: what is to be done is not said", skip.code);
            let prepared = bench.parts(&op).expect("it is allowed now");
            assert!(
                matches!(&prepared, Prepared::Parts(parts) if parts.iter().any(|part| !part.effects.is_empty())),
                "{}: the grant {grant} does not help",
                op.id
            );
        }
    }
    if n_seen == 0 { Verdict::Spared("nothing needs a grant") } else { Verdict::Held }
}

pub(super) async fn nothing_changed_is_nothing_written(harness: &dyn Harness) -> Verdict {
    let bench = Bench::new(harness).await;
    for resource in bench.resources() {
        let (record, remote) = bench.planted(resource, 0).await;
        match bench.parts(&bench.update(resource, 0, &remote, record, &[])) {
            Ok(Prepared::Parts(parts)) => assert!(parts.is_empty(), "{parts:?}"),
            Ok(_) => {}
            Err(error) => panic!("{error:?}"),
        }
    }
    Verdict::Held
}

pub(super) async fn equal_work_shares_a_call(harness: &dyn Harness) -> Verdict {
    let bench = Bench::new(harness).await;
    let mut n_shared = 0;
    for resource in bench.resources() {
        let groups: Vec<Vec<Part>> = (0..3)
            .map(|n| match bench.parts(&bench.create(resource, n)) {
                Ok(Prepared::Parts(parts)) => parts,
                other => panic!("the harness's record can't be made: {other:?}"),
            })
            .collect();
        let first = groups[0].first().expect("a part");
        if first.max > 1 {
            assert!(
                groups.iter().all(|parts| parts[0].group == first.group),
                "a call takes several, and they go one by one"
            );
            assert!(groups.iter().all(|parts| parts[0].max == first.max && parts[0].safety == first.safety));
            n_shared += 1;
        }
    }
    if n_shared == 0 { Verdict::Spared("each record has a call of its own") } else { Verdict::Held }
}

pub(super) async fn a_create_is_never_held_for_repeatable(harness: &dyn Harness) -> Verdict {
    let bench = Bench::new(harness).await;
    for resource in bench.resources() {
        let Ok(Prepared::Parts(parts)) = bench.parts(&bench.create(resource, 0)) else { panic!("it can be made") };
        let first = parts.first().expect("a part");
        match first.safety {
            Safety::Repeatable | Safety::AtLeastOnce => panic!("a second {} would make a twin", first.group),
            Safety::Key { lives, settle } => assert!(!lives.is_zero() && !settle.is_zero()),
            Safety::LookUp { settle } => assert!(!settle.is_zero()),
            Safety::ClientId | Safety::None => {}
        }
    }
    Verdict::Held
}

pub(super) async fn a_record_without_what_identifies_it_is_left_out_in_words(harness: &dyn Harness) -> Verdict {
    let bench = Bench::new(harness).await;
    let mut n_seen = 0;
    for resource in bench.resources().iter().filter(|resource| resource.matching == Matching::Taken) {
        let Some(field) = bench.handler.rules(&resource.name).match_on.first().cloned() else { continue };
        n_seen += 1;
        for blank in ["", "  "] {
            let record = harness.record(resource, 0).with(field.clone(), Value::text(blank));
            match bench.parts(&bench.create_of(resource, 0, record)) {
                Ok(Prepared::Skip(skip)) => assert!(!skip.message.is_empty()),
                Err(error) => assert_eq!(error.kind(), ErrorKind::Invalid),
                other => panic!("{other:?}"),
            }
        }
    }
    if n_seen == 0 { Verdict::Spared("nothing is identified by content") } else { Verdict::Held }
}

pub(super) async fn a_value_of_the_wrong_type_is_refused_and_never_a_panic(harness: &dyn Harness) -> Verdict {
    let bench = Bench::new(harness).await;
    for resource in bench.resources() {
        let record = harness.record(resource, 0);
        for (field, _) in record.iter() {
            for wrong in [Value::Bool(true), Value::Json(serde_json::json!([1, {"a": null}])), Value::Null] {
                let op = bench.create_of(resource, 0, record.clone().with(field.clone(), wrong));
                if let Err(error) = bench.parts(&op) {
                    assert_eq!(error.kind(), ErrorKind::Invalid, "{field}: {error}");
                    assert!(error.remedy().is_some(), "{field}: what is to be done is not said");
                }
            }
        }
    }
    Verdict::Held
}
