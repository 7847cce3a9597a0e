//! One operation of a plan, for people and programs.

use std::{collections::BTreeSet, fmt};

use serde::{Deserialize, Serialize};
use sync_core::{Descriptor, FieldName, LocalVerb, Operation, Record, Ref, RemoteId, ResourceName, Role, Value, Verb};
use sync_engine::{PlannedOp, PlannedRow};

/// One operation: what would be written where, and why.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct PlanLine {
    /// The kind of record.
    pub resource: ResourceName,
    /// The host's id, or `remote:` and the provider's for a record that is only there.
    pub id: String,
    /// What people call the record.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub label: Option<String>,
    /// The record's id there, where it is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub remote: Option<RemoteId>,
    /// Which of its counterparts, where it may have several.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub role: Option<Role>,
    /// What is done there: `create`, `update`, `remove`, or `link` where the two are only brought together.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub there: Option<String>,
    /// What is done here: `create`, `update`, `delete`, `cancel`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub here: Option<String>,
    /// Why, as a stable word such as `changed-here`.
    pub reason: String,
    /// The change that it makes up for, and why that could not be made: both are one decision.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub instead: Option<String>,
    /// The fields that are written.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub changes: Vec<FieldChange>,
    /// True when what is done can be undone with what the plan holds.
    pub reversible: bool,
    /// Why it can't be.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub irreversible_because: Option<String>,
    /// Names of what it sets off beyond the record.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub effects: Vec<String>,
    /// The hash over all that it would write and what it was decided on.
    pub digest: String,
}

/// One field before and after.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct FieldChange {
    /// The field.
    pub field: String,
    /// The side that is written.
    pub side: Side,
    /// What it is now, as far as it is known.
    pub before: serde_json::Value,
    /// What it will be.
    pub after: serde_json::Value,
}

/// A side of a sync.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Side {
    /// The host's.
    Here,
    /// The provider's.
    There,
}

/// Prints no record content.
impl fmt::Debug for PlanLine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PlanLine")
            .field("resource", &self.resource)
            .field("id", &self.id)
            .field("there", &self.there)
            .field("here", &self.here)
            .field("reason", &self.reason)
            .field("changes", &self.changes)
            .field("digest", &self.digest)
            .finish_non_exhaustive()
    }
}

/// Prints no record content.
impl fmt::Debug for FieldChange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FieldChange").field("field", &self.field).field("side", &self.side).finish_non_exhaustive()
    }
}

/// What is done there and here.
pub(super) fn verbs(planned: &PlannedOp) -> (Option<&'static str>, Option<LocalVerb>) {
    let operation = &planned.operation;
    let here = operation.here.as_ref().map(|here| here.verb);
    let there = match planned.parts.len() - usize::from(here.is_some()) {
        0 if here.is_some() => None,
        0 => Some("link"),
        _ => Some(operation.verb.as_str()),
    };
    (there, here)
}

/// The name of a verb of this side among the counts of a plan.
pub(super) fn name_here(verb: LocalVerb) -> &'static str {
    match verb {
        LocalVerb::Create => "create-here",
        LocalVerb::Delete | LocalVerb::Cancel => "remove-here",
        _ => "update-here",
    }
}

pub(super) fn of(descriptor: &Descriptor, row: &PlannedRow, label: Option<String>) -> PlanLine {
    let planned = &row.planned;
    let operation = &planned.operation;
    let (there, here) = verbs(planned);
    let effects: BTreeSet<&str> = planned.parts.iter().flat_map(|part| &part.effects).map(String::as_str).collect();
    let why_not = irreversible(descriptor, operation, there, here, &effects);
    PlanLine {
        resource: operation.resource.clone(),
        id: operation.local.as_str().to_owned(),
        label,
        remote: operation.before.as_ref().map(|before| before.id.clone()),
        role: Some(operation.role.clone()).filter(|role| *role != Role::MAIN),
        there: there.map(str::to_owned),
        here: here.map(|verb| verb.as_str().to_owned()),
        reason: operation.reason.as_str().to_owned(),
        instead: operation.amends.as_ref().map(|amends| amends.words.clone()),
        changes: changes(operation, there),
        reversible: why_not.is_none(),
        irreversible_because: why_not,
        effects: effects.into_iter().map(str::to_owned).collect(),
        digest: planned.digest.clone(),
    }
}

/// Why an operation can't be taken back, where it can't.
fn irreversible(
    descriptor: &Descriptor,
    operation: &Operation,
    there: Option<&'static str>,
    here: Option<LocalVerb>,
    effects: &BTreeSet<&str>,
) -> Option<String> {
    if let Some(effect) = descriptor.effects.iter().find(|effect| effects.contains(effect.name)) {
        return Some(format!("it reaches people: {}", effect.description));
    }
    if !effects.is_empty() {
        return Some("it reaches people".to_owned());
    }
    if operation.is_final {
        return Some(format!("{} does not take it back", descriptor.name));
    }
    match here {
        Some(LocalVerb::Delete) => return Some("the record here is deleted".to_owned()),
        Some(LocalVerb::Cancel) => return Some("the record here is cancelled, which may be told to people".to_owned()),
        _ => {}
    }
    (there.is_some() && operation.verb == Verb::Remove).then(|| format!("what {} holds is taken away", descriptor.name))
}

fn changes(operation: &Operation, there: Option<&str>) -> Vec<FieldChange> {
    let mut changes = Vec::new();
    let mut change = |field: &str, side, before: Option<&Value>, after: Option<&Value>| {
        changes.push(FieldChange { field: field.to_owned(), side, before: plain(before), after: plain(after) });
    };
    let no_fields = Record::new();
    let before = operation.before.as_ref().map_or(&no_fields, |before| &before.fields);
    match (there, operation.verb) {
        (None, _) => {}
        (Some(_), Verb::Remove) => {
            for (field, value) in before.iter().filter(|(_, value)| !value.is_blank()) {
                change(field.as_str(), Side::There, Some(value), None);
            }
        }
        (Some(_), _) => {
            for field in &operation.changed {
                let was = before.value(field.as_str());
                let set = operation.sets.get(field).map(|set| {
                    let mut elements = was.and_then(Value::as_set).cloned().unwrap_or_default();
                    elements.extend(set.add.iter().cloned());
                    elements.retain(|element| !set.remove.contains(element));
                    Value::Set(elements)
                });
                let after = set.as_ref().or_else(|| operation.fields.value(field.as_str()));
                change(field.as_str(), Side::There, was, after);
            }
        }
    }
    if let Some(here) = &operation.here {
        for (field, value) in here.fields.iter() {
            change(field.as_str(), Side::Here, here.before.value(field.as_str()), Some(value));
        }
        if here.verb == LocalVerb::Delete {
            for (field, value) in here.before.iter().filter(|(_, value)| !value.is_blank()) {
                change(field.as_str(), Side::Here, Some(value), None);
            }
        }
    }
    changes
}

/// A value as plain JSON: exact numbers as text, times with their zone.
fn plain(value: Option<&Value>) -> serde_json::Value {
    let text = |text: String| serde_json::Value::String(text);
    match value {
        None | Some(Value::Null) => serde_json::Value::Null,
        Some(Value::Bool(yes)) => (*yes).into(),
        Some(Value::Text(value)) => value.as_str().into(),
        Some(Value::Decimal(number)) => text(number.to_string()),
        Some(Value::Date(date)) => text(date.to_string()),
        Some(Value::Time { at, zone }) => {
            let zoned = zone.as_deref().and_then(|zone| at.in_tz(zone).ok());
            text(zoned.map_or_else(|| at.to_string(), |zoned| zoned.to_string()))
        }
        Some(Value::Set(set)) => set.iter().map(String::as_str).collect(),
        Some(Value::Json(json)) => json.clone(),
        Some(Value::Consent(consent)) => serde_json::to_value(consent).unwrap_or_default(),
        Some(Value::Ref(Ref::Local { collection, id })) => text(format!("{collection}:{id}")),
        Some(Value::Ref(Ref::Foreign { resource, id })) => text(format!("remote:{resource}:{id}")),
        Some(Value::List(list)) => {
            let record = |record: &Record| {
                let member = |(name, value): (&FieldName, &Value)| (name.to_string(), plain(Some(value)));
                serde_json::Value::Object(record.iter().map(member).collect())
            };
            list.iter().map(record).collect()
        }
        Some(_) => serde_json::Value::Null,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use sync_core::{Here, Marker, Reason, Remote, SetChange, SideEffect};
    use sync_engine::{PartState, PlannedPart};

    use super::*;

    const MAIL: SideEffect = SideEffect { name: "mail", description: "somebody is mailed" };

    fn descriptor() -> Descriptor {
        Descriptor { id: "diary", name: "Diary", supports_direction: true, effects: &[MAIL], ..Descriptor::PLAIN }
    }

    fn operation(verb: Verb) -> Operation {
        Operation {
            id: "op".into(),
            resource: "trips".into(),
            local: "T-1".into(),
            role: Role::MAIN,
            container: None,
            verb,
            fields: Record::new().with("title", Value::text("Night dive")).with("boat", Value::text("Manta")),
            changed: ["title".into()].into(),
            sets: Default::default(),
            before: Some(Box::new(Remote::live(
                "trips".into(),
                "E-1",
                Record::new().with("title", Value::text("Dive")).with("boat", Value::text("Manta")),
            ))),
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

    fn line(operation: Operation, n_there: usize, effects: &[&str]) -> PlanLine {
        let n_parts = n_there + usize::from(operation.here.is_some());
        let part = |effects: &[&str]| PlannedPart {
            stage: 0,
            group: "g".into(),
            max: 1,
            serial: sync_core::Serial::No,
            budget: String::new(),
            cost: 1,
            safety: sync_core::Safety::Repeatable,
            effects: effects.iter().map(|effect| (*effect).to_owned()).collect(),
        };
        let planned = PlannedOp {
            seq: 1,
            operation,
            digest: "d".into(),
            key: None,
            hash: None,
            parts: (0..n_parts).map(|_| part(effects)).collect(),
        };
        of(&descriptor(), &PlannedRow { planned, states: vec![PartState::Ready; n_parts] }, None)
    }

    fn here(verb: LocalVerb, fields: Record, before: Record) -> Option<Box<Here>> {
        Some(Box::new(Here { verb, fields, before, expect: None }))
    }

    fn changes(line: &PlanLine) -> serde_json::Value {
        let change = |change: &FieldChange| json!([change.field, change.side, change.before, change.after]);
        line.changes.iter().map(change).collect()
    }

    #[test]
    fn what_the_provider_does_not_take_back_is_marked_and_a_decision_for_two_is_told_as_one() {
        let mut operation = operation(Verb::Create);
        operation.is_final = true;
        operation.amends = Some(Box::new(sync_core::Amends {
            words: "it is paid: D-1/2 is made for the difference".into(),
            fields: Record::new(),
            before: Record::new(),
        }));
        let line = line(operation, 1, &[]);
        assert!(!line.reversible && line.irreversible_because.is_some());
        assert_eq!(line.instead.as_deref(), Some("it is paid: D-1/2 is made for the difference"));
    }

    #[test]
    fn lists_and_references_are_plain_json() {
        let line = Record::new()
            .with("invoice", Value::Ref(Ref::Local { collection: "invoices".into(), id: "7".into() }))
            .with("amount", Value::Decimal("2.50".parse().unwrap()));
        assert_eq!(plain(Some(&Value::List(vec![line]))), json!([{"invoice": "invoices:7", "amount": "2.50"}]));
        let there = Value::Ref(Ref::Foreign { resource: "invoices".into(), id: "x".into() });
        assert_eq!(plain(Some(&there)), json!("remote:invoices:x"));
    }

    #[test]
    fn an_update_there_shows_what_it_changes_alone() {
        let line = line(operation(Verb::Update), 1, &[]);
        assert_eq!((line.there.as_deref(), line.here.as_deref(), line.reversible), (Some("update"), None, true));
        assert_eq!(changes(&line), json!([["title", "there", "Dive", "Night dive"]]));
    }

    #[test]
    fn a_merge_shows_both_sides() {
        let mut merged = operation(Verb::Update);
        let zone = Some("Europe/Madrid".to_owned());
        let at = Value::Time { at: "2026-07-01T16:00:00Z".parse().unwrap(), zone };
        merged.here = here(LocalVerb::Update, Record::new().with("start", at), Record::new());
        let line = line(merged, 1, &[]);
        assert_eq!((line.there.as_deref(), line.here.as_deref()), (Some("update"), Some("update")));
        assert_eq!(
            changes(&line),
            json!([
                ["title", "there", "Dive", "Night dive"],
                ["start", "here", null, "2026-07-01T18:00:00+02:00[Europe/Madrid]"]
            ])
        );
    }

    #[test]
    fn what_is_only_written_here_says_nothing_of_there() {
        let mut made = operation(Verb::Create);
        made.local = sync_core::LocalId::of_remote(&"E-1".into());
        made.here = here(LocalVerb::Create, Record::new().with("title", Value::text("Dive")), Record::new());
        let line = line(made, 0, &[]);
        assert_eq!((line.there.as_deref(), line.here.as_deref(), line.id.as_str()), (None, Some("create"), "remote:E-1"));
        assert_eq!(changes(&line), json!([["title", "here", null, "Dive"]]));
        assert!(line.reversible);
    }

    #[test]
    fn a_link_changes_nothing() {
        let mut link = operation(Verb::Update);
        link.changed.clear();
        let line = line(link, 0, &[]);
        assert_eq!((line.there.as_deref(), changes(&line)), (Some("link"), json!([])));
    }

    #[test]
    fn removals_deletions_cancellations_and_mails_cannot_be_taken_back() {
        let removed = line(operation(Verb::Remove), 1, &[]);
        assert_eq!(changes(&removed), json!([["boat", "there", "Manta", null], ["title", "there", "Dive", null]]));
        assert_eq!(removed.irreversible_because.as_deref(), Some("what Diary holds is taken away"));

        let before = Record::new().with("title", Value::text("Dive"));
        for (verb, expected) in
            [(LocalVerb::Delete, json!([["title", "here", "Dive", null]])), (LocalVerb::Cancel, json!([]))]
        {
            let mut gone = operation(Verb::Remove);
            gone.here = here(verb, Record::new(), before.clone());
            let line = line(gone, 0, &[]);
            assert_eq!((line.there.as_deref(), line.here.as_deref()), (None, Some(verb.as_str())));
            assert_eq!((changes(&line), line.reversible), (expected, false), "{verb:?}");
        }

        let mailed = line(operation(Verb::Update), 1, &["mail"]);
        assert_eq!((mailed.effects.as_slice(), mailed.reversible), (&["mail".to_owned()][..], false));
        assert_eq!(mailed.irreversible_because.as_deref(), Some("it reaches people: somebody is mailed"));
    }

    #[test]
    fn elements_that_are_not_ours_stay_in_a_set() {
        let mut tagged = operation(Verb::Update);
        let set = |elements: &[&str]| Value::Set(elements.iter().map(|element| (*element).to_owned()).collect());
        tagged.changed = ["tags".into()].into();
        tagged.fields.set("tags", set(&["diver"]));
        if let Some(before) = &mut tagged.before {
            before.fields.set("tags", set(&["VIP", "snorkel"]));
        }
        let change = SetChange { add: ["diver".to_owned()].into(), remove: ["snorkel".to_owned()].into() };
        tagged.sets.insert("tags".into(), change);
        assert_eq!(changes(&line(tagged, 1, &[])), json!([["tags", "there", ["VIP", "snorkel"], ["VIP", "diver"]]]));
    }

    #[test]
    fn debug_shows_no_record_content() {
        assert!(!format!("{:?}", line(operation(Verb::Update), 1, &[])).contains("dive"));
    }
}
