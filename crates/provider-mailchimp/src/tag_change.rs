//! Which tags an operation adds and removes. Only tags that come from the host are ever named.
//!
//! What we wrote is kept by name in the base's `native`, for each field that tags are made of. So another prefix, another
//! rule or a rule less is a difference like any other: old names go, new ones come.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value as Json, json};
use sync_core::{Operation, RemoteState, Result, Verb};

use crate::{
    descriptor::TAGS,
    settings::MailchimpSettings,
    tags::{checked, key, made_of, own},
};

/// The member of `native` that holds the names that we wrote, by field.
const WRITTEN: &str = "tags";

/// Tags as they are spelled, by the form in which they are compared: names differ by more than case.
pub(crate) type Names = BTreeMap<String, String>;

/// What an operation changes about tags.
#[derive(Default)]
pub(crate) struct TagChange {
    pub(crate) add: Names,
    pub(crate) remove: Names,
    /// What is written once the operation is done, as `native` keeps it. `None` where nothing new is known.
    pub(crate) native: Option<Json>,
}

impl TagChange {
    /// By the operation and the settings alone, so that a call that is made again is the same call.
    ///
    /// # Errors
    /// [`sync_core::ErrorKind::Invalid`] for a tag that is too long.
    pub(crate) fn of(settings: &MailchimpSettings, op: &Operation) -> Result<Self> {
        let before = op.before.as_deref();
        let kept = before.and_then(|before| before.native.as_ref()).and_then(Written::read);
        let is_kept = kept.is_some();
        let mut tells = op.verb == Verb::Create;
        let mut kept = kept.unwrap_or_default();
        let mut sum = Sum::default();
        for field in
            settings.own_tags().then_some(TAGS).into_iter().chain(settings.tag_rules.keys().map(|rule| rule.as_str()))
        {
            let is_meant = op.is_changed(field) || op.sets.contains_key(field) || op.verb == Verb::Create;
            tells |= is_meant;
            let wanted = || wanted(settings, field, op);
            match (kept.0.remove(field), is_meant) {
                (Some(names), true) => {
                    sum.there(names);
                    sum.stays(field, checked(wanted())?);
                }
                (Some(names), false) => {
                    sum.there(names.clone());
                    sum.stays(field, names);
                }
                (None, true) => {
                    let names = checked(wanted())?;
                    sum.assume(settings, field, op, &names);
                    sum.stays(field, names);
                }
                // Written when both sides last agreed, and the same since.
                (None, false) if op.fields.value(field).is_some() => {
                    let names: BTreeSet<String> = wanted().collect();
                    sum.there(names.clone());
                    sum.stays(field, names);
                }
                (None, false) => {}
            }
        }
        // Where own tags don't go any more, those that went stay. A rule that is no more takes its tags along.
        for (field, names) in kept.0 {
            sum.there(names.clone());
            if field == TAGS {
                sum.stays(TAGS, names);
            }
        }
        // What the archive kept of a member is not known.
        if before.is_some_and(|before| before.state == RemoteState::Archived) {
            sum.there.clear();
        }
        let Sum { there, ours, stays } = sum;
        let now: Names = stays.0.values().flatten().map(|name| (key(name), name.clone())).collect();
        let (mut add, mut remove) = (now, ours);
        remove.retain(|key, _| !add.contains_key(key));
        add.retain(|key, _| !there.contains_key(key));
        let native = (is_kept || tells && !stays.0.is_empty()).then(|| json!({WRITTEN: stays.0}));
        Ok(Self { add, remove, native })
    }

    /// True when nothing changes.
    pub(crate) fn is_empty(&self) -> bool {
        self.add.is_empty() && self.remove.is_empty()
    }
}

/// Names that we wrote, by the field that they were made of.
#[derive(Default)]
struct Written(BTreeMap<String, BTreeSet<String>>);

impl Written {
    fn read(native: &Json) -> Option<Self> {
        serde_json::from_value(native.get(WRITTEN)?.clone()).ok().map(Self)
    }
}

/// What is gathered of all fields.
#[derive(Default)]
struct Sum {
    /// Written already.
    there: Names,
    /// Ours, so that they may go.
    ours: Names,
    /// Written once all is done.
    stays: Written,
}

impl Sum {
    fn there(&mut self, names: BTreeSet<String>) {
        for name in names {
            self.there.insert(key(&name), name.clone());
            self.ours.insert(key(&name), name);
        }
    }

    fn stays(&mut self, field: &str, names: BTreeSet<String>) {
        self.stays.0.insert(field.to_owned(), names);
    }

    /// Where no names were kept: what the difference to the base says about them.
    fn assume(&mut self, settings: &MailchimpSettings, field: &str, op: &Operation, wanted: &BTreeSet<String>) {
        if field != TAGS {
            // A tag of a rule's form is the rule's: with the value its old tag goes.
            let then = op.before.as_ref().and_then(|before| before.fields.value(field));
            self.ours.extend(ruled(settings, field, then).map(|name| (key(&name), name)));
        } else if let Some(set) = op.sets.get(TAGS) {
            if op.verb != Verb::Create {
                let added: BTreeSet<String> = own(settings, &set.add).map(|name| key(&name)).collect();
                self.there(wanted.iter().filter(|name| !added.contains(&key(name))).cloned().collect());
            }
            self.ours.extend(own(settings, &set.remove).map(|name| (key(&name), name)));
        }
        // Without a difference it is not the tags that changed but how they are written, so all are written.
    }
}

/// The tags that a field makes now.
fn wanted<'a>(settings: &'a MailchimpSettings, field: &'a str, op: &'a Operation) -> Box<dyn Iterator<Item = String> + 'a> {
    let value = op.fields.value(field);
    if field != TAGS {
        return Box::new(ruled(settings, field, value));
    }
    let added = op.sets.get(TAGS).into_iter().flat_map(|set| own(settings, &set.add));
    Box::new(value.and_then(|value| value.as_set()).into_iter().flat_map(|set| own(settings, set)).chain(added))
}

fn ruled<'a>(
    settings: &'a MailchimpSettings,
    field: &str,
    value: Option<&'a sync_core::Value>,
) -> impl Iterator<Item = String> + 'a {
    settings.tag_rules.get(field).into_iter().flat_map(move |template| made_of(settings, template, value))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;
    use sync_core::{ErrorKind, Marker, Reason, Record, Remote, Role, SetChange, Value};

    use super::*;
    use crate::descriptor::CONTACTS;

    fn settings(settings: serde_json::Value) -> MailchimpSettings {
        serde_json::from_value(settings).unwrap()
    }

    fn op(fields: Record, changed: &[&str], set: SetChange, before: Option<Record>) -> Operation {
        Operation {
            id: "op".into(),
            resource: CONTACTS,
            local: "1".into(),
            role: Role::MAIN,
            container: None,
            verb: Verb::Update,
            fields,
            changed: changed.iter().map(|field| (*field).into()).collect(),
            sets: [(TAGS.into(), set)].into(),
            before: before.map(|fields| Box::new(Remote::live(CONTACTS, "x", fields))),
            marker: Marker::new("m"),
            open: Default::default(),
            here: None,
            agreed: Default::default(),
            amends: None,
            taken: Vec::new(),
            is_final: false,
            linked_as: None,
            reason: Reason::ChangedHere,
        }
    }

    fn set(add: &[&str], remove: &[&str]) -> SetChange {
        let texts = |list: &[&str]| list.iter().map(|text| (*text).to_owned()).collect();
        SetChange { add: texts(add), remove: texts(remove) }
    }

    fn names(tags: &BTreeMap<String, String>) -> Vec<&str> {
        tags.values().map(String::as_str).collect()
    }

    #[test]
    fn own_tags_carry_the_prefix() {
        let settings = settings(json!({"tag_prefix": "shop:"}));
        let change = TagChange::of(&settings, &op(Record::new(), &[], set(&["VIP", " "], &["old"]), None)).unwrap();
        assert_eq!((names(&change.add), names(&change.remove)), (vec!["shop:VIP"], vec!["shop:old"]));
    }

    #[test]
    fn a_rule_moves_the_tag_with_the_value() {
        let settings = settings(json!({"tag_rules": {"extra.level": "level:{value}", "extra.pro": "pro"}}));
        let fields =
            |level: &str, pro| Record::new().with("extra.level", Value::text(level)).with("extra.pro", Value::Bool(pro));
        let moved = op(fields("rescue", false), &["extra.level", "extra.pro"], set(&[], &[]), Some(fields("open", true)));
        let change = TagChange::of(&settings, &moved).unwrap();
        assert_eq!(names(&change.add), ["level:rescue"]);
        assert_eq!(names(&change.remove), ["level:open", "pro"]);
        let same = op(fields("rescue", false), &["first_name"], set(&[], &[]), Some(fields("open", true)));
        assert!(TagChange::of(&settings, &same).unwrap().is_empty());
    }

    #[test]
    fn another_prefix_writes_all_own_tags_again() {
        let settings = settings(json!({"tag_prefix": "new:"}));
        let fields = Record::new().with(TAGS, Value::Set(["a".to_owned(), "b".to_owned()].into()));
        let mut op = op(fields, &[TAGS], set(&[], &[]), None);
        op.sets.clear();
        assert_eq!(names(&TagChange::of(&settings, &op).unwrap().add), ["new:a", "new:b"]);
    }

    #[test]
    fn each_element_of_a_set_makes_a_tag() {
        let settings = settings(json!({"tag_rules": {"extra.courses": "course:{value}"}}));
        let courses = |list: &[&str]| {
            Record::new().with("extra.courses", Value::Set(list.iter().map(|text| (*text).to_owned()).collect()))
        };
        let op = op(courses(&["a", "b"]), &["extra.courses"], set(&[], &[]), Some(courses(&["b", "c"])));
        let change = TagChange::of(&settings, &op).unwrap();
        assert_eq!((names(&change.add), names(&change.remove)), (vec!["course:a", "course:b"], vec!["course:c"]));
    }

    #[test]
    fn a_tag_that_is_still_wanted_is_not_removed_whatever_its_case() {
        let fields = Record::new().with(TAGS, Value::Set(["VIP".to_owned()].into()));
        let change = TagChange::of(&settings(json!({})), &op(fields, &[TAGS], set(&["VIP"], &["vip"]), None)).unwrap();
        assert!(change.remove.is_empty());
    }

    #[test]
    fn a_tag_that_is_too_long_is_refused_without_being_quoted() {
        let long = "x".repeat(101);
        let error = TagChange::of(&settings(json!({})), &op(Record::new(), &[], set(&[&long], &[]), None)).err().unwrap();
        assert_eq!(error.kind(), ErrorKind::Invalid);
        assert!(!error.to_string().contains("xxx"));
    }

    /// The operation as it is when these names were kept by the base.
    fn keeping(mut op: Operation, written: Json) -> Operation {
        let mut before = Remote::live(CONTACTS, "x", Record::new());
        before.native = Some(json!({"tags": written}));
        op.before = Some(Box::new(before));
        op
    }

    fn tagged(tags: &[&str]) -> Record {
        Record::new().with(TAGS, Value::Set(tags.iter().map(|tag| (*tag).to_owned()).collect()))
    }

    fn kept(change: &TagChange) -> Json {
        change.native.clone().unwrap()["tags"].clone()
    }

    #[test]
    fn another_prefix_moves_all_tags_even_while_one_of_them_changes() {
        let settings = settings(json!({"tag_prefix": "new:"}));
        let written = json!({"tags": ["old:a", "old:b", "old:gone"]});
        for sets in [set(&["c"], &["gone"]), set(&[], &["gone"])] {
            let tags: &[&str] = if sets.add.is_empty() { &["a", "b"] } else { &["a", "b", "c"] };
            let change = TagChange::of(&settings, &keeping(op(tagged(tags), &[TAGS], sets, None), written.clone())).unwrap();
            let now: Vec<String> = tags.iter().map(|tag| format!("new:{tag}")).collect();
            assert_eq!(names(&change.add), now);
            assert_eq!(names(&change.remove), ["old:a", "old:b", "old:gone"]);
            assert_eq!(kept(&change), json!({"tags": now}));
        }
    }

    #[test]
    fn what_is_written_already_is_not_written_again() {
        let settings = settings(json!({"tag_prefix": "s:"}));
        let op = keeping(op(tagged(&["a", "b"]), &[TAGS], set(&["a", "b"], &[]), None), json!({"tags": ["S:a"]}));
        let change = TagChange::of(&settings, &op).unwrap();
        assert_eq!((names(&change.add), names(&change.remove)), (vec!["s:b"], vec![]));
    }

    #[test]
    fn an_operation_without_tags_leaves_the_tags_alone_and_keeps_their_names() {
        let settings = settings(json!({"tag_rules": {"extra.level": "level:{value}"}}));
        let written = json!({"tags": ["a"], "extra.level": ["level:open"]});
        let fields = Record::new().with("extra.level", Value::text("rescue"));
        let mut only_level = keeping(op(fields, &["extra.level"], set(&[], &[]), None), written.clone());
        only_level.sets.clear();
        let change = TagChange::of(&settings, &only_level).unwrap();
        assert_eq!((names(&change.add), names(&change.remove)), (vec!["level:rescue"], vec!["level:open"]));
        assert_eq!(kept(&change), json!({"tags": ["a"], "extra.level": ["level:rescue"]}));
        only_level.changed.clear();
        let change = TagChange::of(&settings, &only_level).unwrap();
        assert!(change.is_empty());
        assert_eq!(kept(&change), written);
    }

    #[test]
    fn a_rule_that_is_no_more_takes_its_tags_along_and_own_tags_stay_where_they_do_not_go() {
        let written = json!({"tags": ["a"], "extra.level": ["level:open"]});
        let mut op = keeping(op(Record::new(), &["first_name"], set(&[], &[]), None), written);
        op.sets.clear();
        let change = TagChange::of(&settings(json!({"tags": false})), &op).unwrap();
        assert_eq!((names(&change.add), names(&change.remove)), (vec![], vec!["level:open"]));
        assert_eq!(kept(&change), json!({"tags": ["a"]}));
    }

    #[test]
    fn a_name_that_another_field_makes_too_is_not_removed() {
        let settings = settings(json!({"tag_rules": {"extra.pro": "pro"}}));
        let written = json!({"tags": ["pro"], "extra.pro": ["pro"]});
        let op = keeping(op(tagged(&[]), &[TAGS], set(&[], &["pro"]), None), written);
        assert!(TagChange::of(&settings, &op).unwrap().is_empty());
    }

    #[test]
    fn a_new_member_tells_all_that_was_written_even_nothing() {
        let mut op = op(tagged(&["b", "a"]), &[TAGS], set(&["a", "b"], &[]), None);
        op.verb = Verb::Create;
        let settings = settings(json!({"tag_rules": {"extra.level": "level:{value}"}}));
        assert_eq!(kept(&TagChange::of(&settings, &op).unwrap()), json!({"tags": ["a", "b"], "extra.level": []}));
        op.sets.clear();
        op.fields = Record::new();
        assert_eq!(kept(&TagChange::of(&settings, &op).unwrap()), json!({"tags": [], "extra.level": []}));
    }

    #[test]
    fn who_comes_back_from_the_archive_gets_all_tags_again() {
        let mut op = keeping(op(tagged(&["a"]), &[TAGS], set(&["a"], &[]), None), json!({"tags": ["a", "b"]}));
        op.before.as_mut().unwrap().state = RemoteState::Archived;
        let change = TagChange::of(&settings(json!({})), &op).unwrap();
        assert_eq!((names(&change.add), names(&change.remove)), (vec!["a"], vec!["b"]));
    }

    #[test]
    fn where_no_names_were_kept_the_difference_to_the_base_counts_and_names_are_kept_from_then_on() {
        let op = op(tagged(&["a", "c"]), &[TAGS], set(&["c"], &["b"]), Some(Record::new()));
        let change = TagChange::of(&settings(json!({"tag_prefix": "s:"})), &op).unwrap();
        assert_eq!((names(&change.add), names(&change.remove)), (vec!["s:c"], vec!["s:b"]));
        assert_eq!(kept(&change), json!({"tags": ["s:a", "s:c"]}));
    }

    #[test]
    fn where_no_names_were_kept_and_no_tag_is_meant_nothing_is_claimed() {
        let mut op = op(tagged(&["a"]), &["first_name"], set(&[], &[]), Some(Record::new()));
        op.sets.clear();
        assert_eq!(TagChange::of(&settings(json!({})), &op).unwrap().native, None);
    }

    proptest! {
        #[test]
        fn tags_of_others_are_never_named(
            add in prop::collection::btree_set("[a-z]{1,6}", 0..5),
            remove in prop::collection::btree_set("[a-z]{1,6}", 0..5),
            foreign in prop::collection::btree_set("[A-Z]{7,9}", 0..5),
            level in "[a-z]{0,6}", before in "[a-z]{0,6}",
        ) {
            let settings = settings(json!({"tag_rules": {"extra.level": "level:{value}"}}));
            let theirs = Record::new()
                .with(TAGS, Value::Set(foreign.union(&remove).cloned().collect()))
                .with("extra.level", Value::text(before.clone()));
            let fields = Record::new().with(TAGS, Value::Set(add.clone())).with("extra.level", Value::text(level.clone()));
            let set = SetChange { add: add.clone(), remove: remove.clone() };
            let change = TagChange::of(&settings, &op(fields, &[TAGS, "extra.level"], set, Some(theirs))).unwrap();
            let ours = |tag: &String| {
                add.contains(tag) || remove.contains(tag) || *tag == format!("level:{level}") || *tag == format!("level:{before}")
            };
            prop_assert!(change.add.values().chain(change.remove.values()).all(ours));
            prop_assert!(change.add.keys().all(|key| !change.remove.contains_key(key)));
        }

        #[test]
        fn what_was_written_becomes_what_is_wanted_whatever_the_settings_were(
            tags in prop::collection::btree_set("[a-c]{1,2}", 0..5),
            levels in prop::collection::btree_set("[a-c]", 0..3),
            written in prop::collection::btree_set("(o:|n:)?[a-c]{1,2}", 0..6),
            ruled in prop::collection::btree_set("(o:|n:)?level:[a-c]", 0..4),
            prefix in prop::sample::select(vec!["", "o:", "n:"]),
        ) {
            let settings = settings(json!({"tag_prefix": prefix, "tag_rules": {"extra.level": "level:{value}"}}));
            let fields = Record::new().with(TAGS, Value::Set(tags.clone())).with("extra.level", Value::Set(levels.clone()));
            let native = json!({"tags": written, "extra.level": ruled});
            let op = keeping(op(fields, &[TAGS, "extra.level"], SetChange::default(), None), native);
            let change = TagChange::of(&settings, &op).unwrap();
            let was: BTreeSet<String> = written.union(&ruled).cloned().collect();
            let mut there = was.clone();
            there.extend(change.add.values().cloned());
            for name in change.remove.values() {
                prop_assert!(was.contains(name), "only what we wrote is removed");
                there.remove(name);
            }
            let own = tags.iter().map(|tag| format!("{prefix}{tag}"));
            let wanted: BTreeSet<String> = own.chain(levels.iter().map(|level| format!("{prefix}level:{level}"))).collect();
            prop_assert_eq!(&there, &wanted);
            let mut again = op.clone();
            again.before.as_mut().unwrap().native.clone_from(&change.native);
            prop_assert!(TagChange::of(&settings, &again).unwrap().is_empty());
        }
    }
}
