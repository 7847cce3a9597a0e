//! Which tags an operation adds and removes. Only tags that come from the host are ever named.

use std::collections::{BTreeMap, BTreeSet};

use jiff::tz::TimeZone;
use sync_core::{Error, ErrorKind, Operation, Record, Result, Value, Verb};

use crate::{
    descriptor::TAGS,
    settings::{MAX_TAG_CHARS, MailchimpSettings, TagTemplate},
};

/// Tags to add and to remove, as they are spelled, by their lower-case form: names differ by more than case.
#[derive(Default, PartialEq)]
pub(crate) struct TagChange {
    pub(crate) add: BTreeMap<String, String>,
    pub(crate) remove: BTreeMap<String, String>,
}

impl TagChange {
    /// What an operation changes.
    ///
    /// # Errors
    /// [`ErrorKind::Invalid`] for a tag that is too long.
    pub(crate) fn of(settings: &MailchimpSettings, op: &Operation) -> Result<Self> {
        let mut change = Self::default();
        if settings.own_tags() {
            match op.sets.get(TAGS) {
                Some(set) => {
                    insert_all(&mut change.add, set.add.iter().map(|tag| prefixed(settings, tag)))?;
                    insert_all(&mut change.remove, set.remove.iter().map(|tag| prefixed(settings, tag)))?;
                }
                // Not the tags changed, but how they are written: under another prefix.
                None if op.is_changed(TAGS) => {
                    let tags = op.fields.value(TAGS).and_then(Value::as_set);
                    insert_all(&mut change.add, tags.into_iter().flatten().map(|tag| prefixed(settings, tag)))?;
                }
                None => {}
            }
        }
        for (field, template) in &settings.tag_rules {
            let field = field.as_str();
            if op.verb == Verb::Update && !op.is_changed(field) {
                continue;
            }
            let now = made_of(settings, template, op.fields.value(field));
            let then = op.before.as_ref().and_then(|before| before.fields.value(field));
            insert_all(&mut change.remove, made_of(settings, template, then).into_iter())?;
            insert_all(&mut change.add, now.into_iter())?;
        }
        let wanted = wanted(settings, &op.fields);
        change.remove.retain(|key, _| !change.add.contains_key(key) && !wanted.contains_key(key));
        Ok(change)
    }

    /// True when nothing changes.
    pub(crate) fn is_empty(&self) -> bool {
        self.add.is_empty() && self.remove.is_empty()
    }
}

/// The form in which tag names are compared.
pub(crate) fn key(tag: &str) -> String {
    tag.trim().to_lowercase()
}

/// The host's name of a tag, if it can be one of ours.
pub(crate) fn local_name<'a>(settings: &MailchimpSettings, tag: &'a str) -> Option<&'a str> {
    let tag = tag.trim();
    let split = settings.tag_prefix.len();
    let ours = tag.get(..split).is_some_and(|start| start.eq_ignore_ascii_case(&settings.tag_prefix));
    ours.then(|| tag[split..].trim()).filter(|tag| !tag.is_empty())
}

/// The fields that tags stand for by the rules. With it a value that changed takes its old tag along, wherever that came
/// from: a tag of a rule's form is the rule's.
pub(crate) fn fields(settings: &MailchimpSettings, names: &BTreeSet<String>, into: &mut Record) {
    for (field, template) in &settings.tag_rules {
        if into.value(field.as_str()).is_some() {
            continue;
        }
        let values: BTreeSet<String> = names.iter().filter_map(|name| template.value_of(name)).map(str::to_owned).collect();
        let value = match values.len() {
            0 => continue,
            _ if !template.has_value() => Value::Bool(true),
            1 => values.into_iter().next().map_or(Value::Null, Value::Text),
            _ => Value::Set(values),
        };
        into.set(field.clone(), value);
    }
}

/// All tags that the record shall have by its fields.
fn wanted(settings: &MailchimpSettings, fields: &Record) -> BTreeMap<String, String> {
    let own = fields.value(TAGS).and_then(Value::as_set).filter(|_| settings.own_tags());
    let own = own.into_iter().flatten().map(|tag| prefixed(settings, tag));
    let ruled =
        settings.tag_rules.iter().flat_map(|(field, template)| made_of(settings, template, fields.value(field.as_str())));
    own.chain(ruled).map(|tag| (key(&tag), tag)).collect()
}

fn prefixed(settings: &MailchimpSettings, tag: &str) -> String {
    let tag = tag.trim();
    if tag.is_empty() { String::new() } else { format!("{}{tag}", settings.tag_prefix) }
}

fn made_of(settings: &MailchimpSettings, template: &TagTemplate, value: Option<&Value>) -> Vec<String> {
    let Some(value) = value.filter(|value| !value.is_blank()) else { return Vec::new() };
    if !template.has_value() {
        let holds = *value != Value::Bool(false);
        return holds.then(|| prefixed(settings, &template.tag(""))).into_iter().collect();
    }
    let texts = match value {
        Value::Text(text) => vec![text.trim().to_owned()],
        Value::Bool(yes) => vec![yes.to_string()],
        Value::Decimal(number) => vec![number.normalize().to_string()],
        Value::Date(date) => vec![date.to_string()],
        Value::Time { at, zone } => {
            let zone = zone.as_deref().and_then(|zone| TimeZone::get(zone).ok()).unwrap_or(TimeZone::UTC);
            vec![at.to_zoned(zone).date().to_string()]
        }
        Value::Set(set) => set.iter().map(|text| text.trim().to_owned()).filter(|text| !text.is_empty()).collect(),
        // References and structures have no short form.
        _ => Vec::new(),
    };
    texts.iter().map(|text| prefixed(settings, &template.tag(text))).collect()
}

fn insert_all(into: &mut BTreeMap<String, String>, tags: impl Iterator<Item = String>) -> Result<()> {
    for tag in tags.filter(|tag| !tag.is_empty()) {
        if tag.chars().count() > MAX_TAG_CHARS {
            return Err(Error::new(ErrorKind::Invalid, "a tag has more than 100 characters")
                .with_remedy("Shorten the customer's tag. The contact goes with the next sync."));
        }
        into.insert(key(&tag), tag);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;
    use sync_core::{Marker, Reason, Remote, Role, SetChange};

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
        assert_eq!(local_name(&settings, "Shop:VIP"), Some("VIP"));
        assert_eq!(local_name(&settings, "VIP"), None);
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
    fn tags_of_a_rules_form_tell_the_value_there() {
        let settings =
            settings(json!({"tag_rules": {"extra.level": "level:{value}!", "extra.pro": "pro", "extra.c": "c:{value}"}}));
        let names = ["Level:open!", "pro", "c:1", "c:2", "other"].map(str::to_owned).into();
        let mut record = Record::new();
        super::fields(&settings, &names, &mut record);
        let both = Value::Set(["1".to_owned(), "2".to_owned()].into());
        assert_eq!(
            record,
            Record::new()
                .with("extra.level", Value::text("open"))
                .with("extra.pro", Value::Bool(true))
                .with("extra.c", both)
        );
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
    }
}
