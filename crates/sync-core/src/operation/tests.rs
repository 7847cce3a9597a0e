//! Receipts, and what changed as texts.

use super::*;
use crate::Value;

fn operation(verb: Verb, fields: Record) -> Operation {
    Operation {
        id: "op".into(),
        resource: "people".into(),
        local: "C-1".into(),
        role: Role::MAIN,
        container: None,
        verb,
        changed: fields.iter().map(|(field, _)| field.clone()).collect(),
        fields,
        sets: BTreeMap::new(),
        before: None,
        marker: Marker::new("m"),
        open: BTreeSet::new(),
        agreed: BTreeMap::new(),
        amends: None,
        taken: Vec::new(),
        is_final: false,
        linked_as: None,
        here: None,
        reason: Reason::NewHere,
    }
}

#[test]
fn what_an_error_says_of_a_record_is_its_receipt_and_any_other_is_the_calls() {
    use ErrorKind as K;
    let told = |verb, kind| {
        let sent = Err(Error::new(kind, "no"));
        match Receipt::of(&operation(verb, Record::new()), "1".into(), sent) {
            Ok(Receipt::Done { .. }) => "done",
            Ok(Receipt::Moved) => "moved",
            Ok(Receipt::Taken(Some(_))) => "taken by the id",
            Ok(Receipt::Taken(None)) => "taken",
            Ok(Receipt::Refused(_)) => "refused",
            Ok(other) => panic!("{other:?}"),
            Err(_) => "the call's",
        }
    };
    for (kind, on_create, on_update, on_remove) in [
        (K::NotFound, "the call's", "moved", "done"),
        (K::Taken, "taken by the id", "taken", "taken"),
        (K::Moved, "taken by the id", "moved", "moved"),
        (K::Refused, "refused", "refused", "refused"),
        (K::Unavailable, "the call's", "the call's", "the call's"),
        (K::BadAnswer, "the call's", "the call's", "the call's"),
        (K::Forbidden, "the call's", "the call's", "the call's"),
    ] {
        let all = [Verb::Create, Verb::Update, Verb::Remove].map(|verb| told(verb, kind));
        assert_eq!(all, [on_create, on_update, on_remove], "{kind:?}");
    }
}

#[test]
fn what_was_done_tells_the_record_and_its_version_where_the_answer_does() {
    let mut remote = Remote::live("people".into(), "1", Record::new());
    remote.version = Some("v2".into());
    let op = operation(Verb::Update, Record::new());
    let receipt = Receipt::of(&op, "1".into(), Ok(Some(remote.clone()))).unwrap();
    let Receipt::Done { version, after, .. } = receipt else { panic!("{receipt:?}") };
    assert_eq!((version, after), (remote.version.clone(), Some(Box::new(remote))));
    assert!(matches!(Receipt::of(&op, "1".into(), Ok(None)), Ok(Receipt::Done { after: None, .. })));
}

#[test]
fn what_changed_goes_as_texts_or_is_refused_by_its_name() {
    let record = Record::new().with("name", Value::text(" Ada ")).with("phone", Value::Null);
    let op = operation(Verb::Update, record.clone());
    assert_eq!(op.changed_texts().unwrap(), BTreeMap::from([("name", Some("Ada")), ("phone", None)]));
    let op = operation(Verb::Update, record.with("born", Value::Bool(true)));
    let error = op.changed_texts().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Invalid);
    assert!(error.message().contains("born") && error.remedy().is_some(), "{error}");
}
