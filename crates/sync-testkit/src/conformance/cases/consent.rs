//! Consent is a ratchet, and nobody is surprised.

use std::time::Duration;

use sync_core::{Clock as _, Consent, ConsentState, FindBy, Found, Remote, Resource};

use crate::conformance::{
    Act, Harness, Verdict,
    bench::{Allow, Bench, Told},
    operation::{consent_there, with_consent},
};

const NOTHING: Verdict = Verdict::Spared("nothing carries consent");

fn consenting(bench: &Bench<'_>) -> Vec<&'static Resource> {
    bench.resources().iter().filter(|resource| resource.consent.is_some()).collect()
}

/// The record of a key, if there is one.
async fn by_key(bench: &Bench<'_>, resource: &Resource, n: usize) -> Option<Remote> {
    let key = bench.key(resource, &bench.harness.record(resource, n)).expect("a key");
    match bench.find_by(resource, FindBy::Keys(&[key])).await.expect("a look-up").remove(0) {
        Found::One(remote) => Some(*remote),
        Found::Absent | Found::Gone => None,
        other @ Found::Many(_) => panic!("{other:?}"),
    }
}

pub(super) async fn nobody_is_made_with_more_than_was_agreed_to_here(harness: &dyn Harness) -> Verdict {
    use ConsentState as C;
    for allow in [Allow::Nothing, Allow::Everything] {
        let mut bench = Bench::allowing(harness, allow).await;
        let resources = consenting(&bench);
        if resources.is_empty() {
            return NOTHING;
        }
        for resource in resources {
            for (i, state) in [C::Undeliverable, C::Denied, C::Unknown, C::Pending].into_iter().enumerate() {
                let n = 20 + i + if allow == Allow::Everything { 10 } else { 0 };
                let consent = Consent::new(state).at(bench.clock.now());
                let (record, _) = with_consent(resource, &harness.record(resource, n), consent).expect("it has consent");
                let op = bench.create_of(resource, n, record);
                let told = bench.apply(&op).await;
                let there = by_key(&bench, resource, n).await;
                let shown = there.as_ref().and_then(|remote| consent_there(resource, remote));
                assert!(shown.is_none_or(|shown| shown <= state), "{state:?} here became {shown:?} there");
                if state <= C::Denied {
                    let Told::Skipped(skip) = told else { panic!("{state:?}: {told:?}") };
                    assert!(!skip.code.is_empty() && !skip.message.is_empty());
                    assert!(there.is_none(), "who said no is not put there");
                }
            }
        }
    }
    Verdict::Held
}

pub(super) async fn who_said_no_there_stays_so_whatever_is_written(harness: &dyn Harness) -> Verdict {
    for (act, expected) in [(Act::Refuse, ConsentState::Denied), (Act::Bounce, ConsentState::Undeliverable)] {
        for allow in [Allow::Nothing, Allow::Everything] {
            let mut bench = Bench::allowing(harness, allow).await;
            let resources = consenting(&bench);
            if resources.is_empty() {
                return NOTHING;
            }
            for resource in resources {
                let n = usize::from(allow == Allow::Everything) + if act == Act::Refuse { 0 } else { 10 };
                let (record, remote) = bench.planted(resource, n).await;
                bench.clock.advance(Duration::from_secs(60));
                if !harness.act(resource, &remote.id, act.clone()).await {
                    continue;
                }
                // Neither a create, nor an edit decided on what was known before, nor an old opt-in changes that.
                let create = bench.create(resource, n);
                bench.apply(&create).await;
                let (edited, mut changed) = harness.edit(resource, &record);
                let update = bench.update(resource, n, &remote, edited.clone(), &changed);
                bench.apply(&update).await;
                let fresh = bench.remote(resource, &remote.id).await;
                changed.extend(with_consent(resource, &edited, Consent::new(ConsentState::Granted)).map(|(_, field)| field));
                let raise = bench.update(resource, n, &fresh, edited, &changed);
                bench.apply(&raise).await;
                let there = bench.remote(resource, &remote.id).await;
                assert_eq!(consent_there(resource, &there), Some(expected), "{allow:?}: consent was raised");
            }
        }
    }
    Verdict::Held
}

pub(super) async fn a_newer_opt_in_asks_and_never_subscribes_by_itself(harness: &dyn Harness) -> Verdict {
    for allow in [Allow::Nothing, Allow::Everything] {
        let mut bench = Bench::allowing(harness, allow).await;
        let resources = consenting(&bench);
        if resources.is_empty() {
            return NOTHING;
        }
        for resource in resources {
            let n = usize::from(allow == Allow::Everything);
            let (record, remote) = bench.planted(resource, n).await;
            bench.clock.advance(Duration::from_secs(60));
            if !harness.act(resource, &remote.id, Act::Refuse).await {
                return Verdict::Spared("nobody can refuse there");
            }
            let fresh = bench.remote(resource, &remote.id).await;
            bench.clock.advance(Duration::from_secs(60));
            let consent = Consent::new(ConsentState::Granted).at(bench.clock.now());
            let (again, field) = with_consent(resource, &record, consent).expect("it has consent");
            let n_surprises = harness.n_surprises().await;
            let op = bench.update(resource, n, &fresh, again, &[field]);
            bench.apply(&op).await;
            let there = consent_there(resource, &bench.remote(resource, &remote.id).await);
            match allow {
                Allow::Nothing => {
                    assert_eq!(there, Some(ConsentState::Denied));
                    assert_eq!(harness.n_surprises().await, n_surprises);
                }
                Allow::Everything => assert!(there <= Some(ConsentState::Pending), "{there:?}"),
            }
        }
    }
    Verdict::Held
}

pub(super) async fn a_refusal_here_arrives_there(harness: &dyn Harness) -> Verdict {
    let mut bench = Bench::new(harness).await;
    let resources = consenting(&bench);
    if resources.is_empty() {
        return NOTHING;
    }
    for resource in resources {
        let (record, remote) = bench.planted(resource, 0).await;
        bench.clock.advance(Duration::from_secs(60));
        let consent = Consent::new(ConsentState::Denied).at(bench.clock.now());
        let (refused, field) = with_consent(resource, &record, consent).expect("it has consent");
        let op = bench.update(resource, 0, &remote, refused, &[field]);
        bench.apply(&op).await.done();
        let there = consent_there(resource, &bench.remote(resource, &remote.id).await);
        assert!(there <= Some(ConsentState::Denied), "{there:?}");
    }
    Verdict::Held
}

pub(super) async fn what_waits_for_a_confirmation_sends_no_mail_without_a_grant(harness: &dyn Harness) -> Verdict {
    let mut bench = Bench::new(harness).await;
    let resources = consenting(&bench);
    if resources.is_empty() {
        return NOTHING;
    }
    for resource in resources {
        let consent = Consent::new(ConsentState::Pending).at(bench.clock.now());
        let (record, _) = with_consent(resource, &harness.record(resource, 0), consent).expect("it has consent");
        let op = bench.create_of(resource, 0, record);
        bench.apply(&op).await;
        assert_eq!(harness.n_surprises().await, 0);
    }
    Verdict::Held
}

pub(super) async fn without_grants_nothing_reaches_people(harness: &dyn Harness) -> Verdict {
    let mut bench = Bench::new(harness).await;
    for resource in bench.resources() {
        for n in 0..3 {
            let create = bench.create(resource, n);
            let id = bench.apply(&create).await.done();
            let remote = bench.remote(resource, &id).await;
            let (edited, changed) = harness.edit(resource, &harness.record(resource, n));
            let update = bench.update(resource, n, &remote, edited, &changed);
            let id = bench.apply(&update).await.done();
            let remote = bench.remote(resource, &id).await;
            if n == 0 {
                let remove = bench.remove(resource, n, &remote);
                bench.apply(&remove).await.done();
            }
        }
    }
    assert_eq!(harness.n_surprises().await, 0);
    Verdict::Held
}

pub(super) async fn who_was_archived_after_a_refusal_does_not_come_back_subscribed(harness: &dyn Harness) -> Verdict {
    let mut bench = Bench::new(harness).await;
    let resources = consenting(&bench);
    if resources.is_empty() {
        return NOTHING;
    }
    for resource in resources {
        let (record, remote) = bench.planted(resource, 0).await;
        bench.clock.advance(Duration::from_secs(60));
        let hidden =
            harness.act(resource, &remote.id, Act::Refuse).await && harness.act(resource, &remote.id, Act::Archive).await;
        if !hidden {
            return Verdict::Spared("a refusal can't be hidden by the archive");
        }
        let fresh = bench.remote(resource, &remote.id).await;
        let all: Vec<_> = record.iter().map(|(field, _)| field.clone()).collect();
        let op = bench.update(resource, 0, &fresh, record, &all);
        bench.apply(&op).await;
        let there = bench.remote(resource, &remote.id).await;
        assert_ne!(consent_there(resource, &there), Some(ConsentState::Granted));
        assert_eq!(harness.n_surprises().await, 0);
    }
    Verdict::Held
}
