//! The laws of merging, over random records with three sides: 200,000 of them, or as many as `SYNC_TEST_RECORDS` says.

use std::collections::BTreeSet;

use proptest::prelude::*;
use sync_core::{
    Collection, ConflictPolicy, Direction, FieldKind, FieldName, FieldOwner, FieldSet, FieldSpec, Matching, Record, Remote,
    RemoteState, Resource, ResourceName, Rules, UpdateNeeds, Value,
};

use super::{Merge, Policy, Settle, merge};
use crate::Base;

const NAME: ResourceName = ResourceName::from_static("things");
static RESOURCE: Resource = Resource {
    name: NAME,
    nouns: ("thing", "things"),
    known_by: &[],
    collection: Collection::from_static("things"),
    model: "thing",
    fields: &[
        FieldSpec { name: "ours", kind: FieldKind::Scalar, owner: FieldOwner::Local },
        FieldSpec { name: "theirs", kind: FieldKind::Scalar, owner: FieldOwner::Remote },
        FieldSpec { name: "tags", kind: FieldKind::OwnedSet, owner: FieldOwner::Both },
    ],
    groups: &[&["day", "hour"]],
    consent: None,
    update_needs: UpdateNeeds::Nothing,
    matching: Matching::Taken,
    find_max: 1,
    depends_on: &[],
    pullable: true,
};
const FIELDS: [&str; 7] = ["a", "b", "day", "hour", "ours", "tags", "theirs"];

/// Few values, so that sides often agree; blank and absent among them.
fn value(field: &'static str) -> BoxedStrategy<Option<Value>> {
    if field == "tags" {
        let set = prop::collection::btree_set(prop::sample::select(vec!["x".to_owned(), "y".into(), "z".into()]), 0..3);
        return set.prop_map(|set| Some(Value::Set(set))).boxed();
    }
    prop::sample::select(vec![None, Some(""), Some("1"), Some("2"), Some("3")])
        .prop_map(|text| text.map(Value::text))
        .boxed()
}

fn record() -> impl Strategy<Value = Record> {
    FIELDS.map(value).prop_map(|values| {
        let set = |(field, value): (&str, Option<Value>)| Some((FieldName::new(field), value?));
        FIELDS.into_iter().zip(values).filter_map(set).collect()
    })
}

fn rules(policy: ConflictPolicy, direction: Direction) -> Rules {
    let mut rules = Rules::new(FIELDS.iter().map(|field| FieldName::new(*field)).collect());
    rules.direction = direction;
    rules.conflicts = FIELDS.iter().map(|field| (FieldName::new(*field), policy)).collect();
    rules
}

fn run(rules: &Rules, fields: &FieldSet, settle: Option<Settle>, local: &Record, base: &Base, remote: &Remote) -> Merge {
    let policy = Policy { resource: &RESOURCE, rules, fields, direction: rules.direction, can_create_here: true };
    merge(policy, settle, local, Some(base), Some(remote))
}

fn remote(fields: Record) -> Remote {
    Remote::live(NAME, "1", fields)
}

fn base(local: Record, remote: Record) -> Base {
    Base { local, remote: Some(remote), version: None, state: RemoteState::Live, native: None, mapping: String::new() }
}

/// Both sides after a merge was carried out.
fn apply(merge: &Merge, local: &Record, remote: &Record) -> (Record, Record) {
    let (mut local, mut there) = (local.clone(), remote.clone());
    let before = local.clone();
    for (field, value) in merge.here.iter() {
        local.set(field.clone(), value.clone());
    }
    for field in &merge.there.changed {
        if let Some(change) = merge.there.sets.get(field) {
            let mut set = there.value(field.as_str()).and_then(Value::as_set).cloned().unwrap_or_default();
            set.extend(change.add.iter().cloned());
            set.retain(|one| !change.remove.contains(one));
            there.set(field.clone(), Value::Set(set));
        } else if let Some(value) = before.value(field.as_str()) {
            there.set(field.clone(), value.clone());
        }
    }
    (local, there)
}

/// The base after a merge: of fields that are left open, what was agreed on before.
fn agreed(merge: &Merge, before: &Base, local: &Record, there: &Record) -> Base {
    let mut after = base(local.clone(), there.clone());
    for field in &merge.open {
        let keep = |record: &mut Record, old: Option<&Value>| match old {
            Some(value) => {
                record.set(field.clone(), value.clone());
            }
            None => {
                record.remove(field.as_str());
            }
        };
        keep(&mut after.local, before.local.value(field.as_str()));
        if let Some(remote) = &mut after.remote {
            keep(remote, before.remote.as_ref().and_then(|remote| remote.value(field.as_str())));
        }
    }
    after
}

fn policies() -> impl Strategy<Value = ConflictPolicy> {
    prop::sample::select(vec![ConflictPolicy::LocalWins, ConflictPolicy::RemoteWins])
}

fn text<'a>(record: &'a Record, field: &str) -> Option<&'a str> {
    record.text(field)
}

/// How many laws share the records.
const N_LAWS: u32 = 10;

/// How many records each law sees.
fn n_cases() -> u32 {
    let wanted = std::env::var("SYNC_TEST_RECORDS").ok().and_then(|text| text.parse().ok());
    wanted.unwrap_or(200_000_u32).div_ceil(N_LAWS)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: n_cases(), ..ProptestConfig::default() })]

    #[test]
    fn a_second_merge_plans_nothing(l in record(), r in record(), bl in record(), br in record(), policy in policies()) {
        let rules = rules(policy, Direction::Both);
        let base = base(bl, br);
        let first = run(&rules, &rules.fields, None, &l, &base, &remote(r.clone()));
        let (local, there) = apply(&first, &l, &r);
        let base = agreed(&first, &base, &local, &there);
        let second = run(&rules, &rules.fields, None, &local, &base, &remote(there));
        prop_assert!(second.is_empty(), "{second:?}");
        prop_assert!(second.conflicts.is_empty());
    }

    #[test]
    fn fields_of_either_side_end_up_alike(l in record(), r in record(), bl in record(), policy in policies()) {
        // A base on which both agree: whatever differs afterwards was changed by somebody.
        let rules = rules(policy, Direction::Both);
        let base = base(bl.clone(), bl.clone());
        let merge = run(&rules, &rules.fields, None, &l, &base, &remote(r.clone()));
        let (local, there) = apply(&merge, &l, &r);
        for field in ["a", "b"] {
            let (here, there) = (text(&local, field), text(&there, field));
            // A blank never overwrites a value, so one that was blanked may differ.
            let is_blanked = text(&l, field).is_none() || text(&r, field).is_none();
            prop_assert!(here == there || is_blanked, "{field}: {here:?} {there:?}");
        }
        prop_assert_eq!(
            local.value("tags").and_then(Value::as_set).cloned().unwrap_or_default(),
            there.value("tags").and_then(Value::as_set).cloned().unwrap_or_default()
        );
    }

    #[test]
    fn the_owner_is_respected(l in record(), r in record(), bl in record(), br in record(), policy in policies()) {
        let rules = rules(policy, Direction::Both);
        let merge = run(&rules, &rules.fields, None, &l, &base(bl, br), &remote(r));
        prop_assert!(merge.here.value("ours").is_none());
        prop_assert!(!merge.there.changed.contains("theirs"));
    }

    #[test]
    fn a_blank_overwrites_no_value(l in record(), r in record(), bl in record(), br in record(), policy in policies()) {
        let rules = rules(policy, Direction::Both);
        let merge = run(&rules, &rules.fields, None, &l, &base(bl, br), &remote(r));
        for (field, value) in merge.here.iter().filter(|(field, _)| field.as_str() != "tags") {
            prop_assert!(!value.is_blank(), "{field}");
        }
        for field in merge.there.changed.iter().filter(|field| field.as_str() != "tags") {
            prop_assert!(l.value(field.as_str()).is_some_and(|value| !value.is_blank()), "{field}");
        }
    }

    #[test]
    fn what_is_overwritten_here_is_kept(l in record(), r in record(), bl in record(), br in record(), policy in policies()) {
        let rules = rules(policy, Direction::Both);
        let merge = run(&rules, &rules.fields, None, &l, &base(bl, br), &remote(r));
        for (field, _) in merge.here.iter() {
            prop_assert_eq!(merge.before.value(field.as_str()), l.value(field.as_str()));
        }
    }

    #[test]
    fn what_is_overwritten_there_is_told(l in record(), r in record(), bl in record(), br in record(), policy in policies()) {
        let rules = rules(policy, Direction::Both);
        let merge = run(&rules, &rules.fields, None, &l, &base(bl, br.clone()), &remote(r.clone()));
        let is_news = |field: &str| text(&r, field).is_some_and(|text| !text.is_empty()) && text(&r, field) != text(&br, field);
        for field in ["a", "b"] {
            let is_lost = merge.there.changed.contains(field) && is_news(field) && text(&l, field) != text(&r, field);
            prop_assert!(!is_lost || merge.settled.contains(field), "{field}: written over in silence");
        }
    }

    #[test]
    fn the_order_of_fields_is_no_matter(l in record(), r in record(), bl in record(), br in record(), policy in policies()) {
        let backwards = |record: &Record| {
            let mut fields: Vec<_> = record.iter().map(|(field, value)| (field.clone(), value.clone())).collect();
            fields.reverse();
            fields.into_iter().collect::<Record>()
        };
        let rules = rules(policy, Direction::Both);
        let mut reversed = rules.clone();
        reversed.conflicts.reverse();
        let one = run(&rules, &rules.fields, None, &l, &base(bl.clone(), br.clone()), &remote(r.clone()));
        let base = base(backwards(&bl), backwards(&br));
        let other = run(&reversed, &reversed.fields, None, &backwards(&l), &base, &remote(backwards(&r)));
        prop_assert_eq!(one, other);
    }

    #[test]
    fn a_conflict_that_is_asked_about_writes_none_of_its_fields(l in record(), r in record(), bl in record(), br in record()) {
        let rules = rules(ConflictPolicy::Ask, Direction::Both);
        let merge = run(&rules, &rules.fields, None, &l, &base(bl.clone(), br.clone()), &remote(r.clone()));
        for field in &merge.conflicts {
            prop_assert!(merge.here.value(field.as_str()).is_none() && !merge.there.changed.contains(field));
        }
        // Settled by a person, nothing is left to ask.
        for settle in [Settle::LocalWins, Settle::RemoteWins, Settle::PutBack] {
            let merge = run(&rules, &rules.fields, Some(settle), &l, &base(bl.clone(), br.clone()), &remote(r.clone()));
            prop_assert!(merge.conflicts.is_empty());
        }
    }

    #[test]
    fn no_side_is_written_that_the_direction_excludes(l in record(), r in record(), bl in record(), br in record()) {
        for direction in [Direction::Push, Direction::Pull] {
            let both = rules(ConflictPolicy::LocalWins, Direction::Both);
            let policy = Policy { resource: &RESOURCE, rules: &both, fields: &both.fields, direction, can_create_here: true };
            let merge = merge(policy, None, &l, Some(&base(bl.clone(), br.clone())), Some(&remote(r.clone())));
            prop_assert!(direction == Direction::Pull || merge.here.is_empty());
            prop_assert!(direction == Direction::Push || merge.there.is_empty());
        }
    }

    #[test]
    fn a_field_is_merged_alike_whatever_is_merged_beside_it(l in record(), r in record(), bl in record(), br in record(), policy in policies()) {
        let rules = rules(policy, Direction::Both);
        let base = base(bl, br);
        let whole = run(&rules, &rules.fields, None, &l, &base, &remote(r.clone()));
        for field in ["a", "b", "ours", "tags", "theirs"] {
            let one: FieldSet = BTreeSet::from([FieldName::new(field)]);
            let alone = run(&rules, &one, None, &l, &base, &remote(r.clone()));
            prop_assert_eq!(alone.here.value(field), whole.here.value(field), "{}", field);
            prop_assert_eq!(alone.there.changed.contains(field), whole.there.changed.contains(field), "{}", field);
        }
    }
}
