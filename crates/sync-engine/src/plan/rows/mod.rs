//! The decision table, row by row, as the pure function that it is: what `tests/two_ways` plays through the engine.

mod one_way;
mod two_ways;
mod values;

use std::collections::BTreeSet;

use jiff::Timestamp;
use sync_core::{
    Channel, Collection, ConflictPolicy, Consent, ConsentState, Direction, FieldKind, FieldName, FieldOwner, FieldSpec,
    Filter, FilterTest, Guard, LocalId, LocalVerb, Marker, Matching, OnRemoteDelete, OutOfScope, Record, Remote,
    RemoteState, Resource, ResourceName, Role, Rules, Target, UpdateNeeds, Value, Version,
};

use super::{Decision, LocalSide, Policy, RemoteSide, Settle, Sides, decide, local_hash};
use crate::{Base, Link, LinkState, Suppression};

const NAME: ResourceName = ResourceName::from_static("things");
const CONSENT: &str = "consent.email";
static RESOURCE: Resource = Resource {
    name: NAME,
    nouns: ("thing", "things"),
    known_by: &[],
    collection: Collection::from_static("things"),
    model: "thing",
    fields: &[
        FieldSpec::scalar("ours", FieldOwner::Local),
        FieldSpec::scalar("theirs", FieldOwner::Remote),
        FieldSpec { name: "tags", kind: FieldKind::OwnedSet, owner: FieldOwner::Both },
        FieldSpec { name: "lines", kind: FieldKind::Lines(&["what"]), owner: FieldOwner::Both },
        FieldSpec { name: CONSENT, kind: FieldKind::Consent, owner: FieldOwner::Both },
    ],
    groups: &[&["day", "hour"]],
    consent: Some((Channel::Email, CONSENT, "email")),
    update_needs: UpdateNeeds::Nothing,
    matching: Matching::Taken,
    find_max: 1,
    depends_on: &[],
    pullable: true,
};
const FIELDS: [&str; 7] = ["a", "b", "day", "hour", "lines", "ours", "theirs"];

/// One row: what is where, and by what it is decided.
struct Row {
    rules: Rules,
    direction: Direction,
    can_create_here: bool,
    local: LocalSide,
    remote: RemoteSide,
    link: Option<Link>,
    suppression: Option<Suppression>,
    settle: Option<Settle>,
    target: Target,
}

impl Row {
    /// A record that is only here, of a connection of this direction.
    fn new(direction: Direction, local: Record) -> Self {
        let mut rules = Rules::new(FIELDS.map(FieldName::from_static).into());
        rules.direction = direction;
        Self {
            rules,
            direction,
            can_create_here: true,
            local: LocalSide::Live(local),
            remote: RemoteSide::Unread,
            link: None,
            suppression: None,
            settle: None,
            target: Target { role: Role::MAIN, container: None },
        }
    }

    /// With this much agreed on, and nothing changed since.
    fn agreed(mut self, base: Record) -> Self {
        self.link = Some(Link {
            account: "account".into(),
            resource: NAME,
            local: "1".into(),
            role: Role::MAIN,
            container: None,
            remote: Some("r".into()),
            state: LinkState::Live,
            key: None,
            hash: Some(local_hash(&base, &self.rules)),
            base: Some(Base {
                local: base,
                remote: None,
                version: None,
                state: RemoteState::Live,
                native: None,
                mapping: self.rules.mapping.clone(),
            }),
            call: None,
        });
        self
    }

    fn deleted(mut self) -> Self {
        self.local = LocalSide::Deleted;
        self
    }

    fn seen(mut self, fields: Record) -> Self {
        self.remote = RemoteSide::Seen(Box::new(Remote::live(NAME, "r", fields)));
        self
    }

    fn gone(mut self) -> Self {
        self.remote = RemoteSide::Gone;
        self
    }

    fn on_delete(mut self, policy: OnRemoteDelete) -> Self {
        self.rules.on_remote_delete = policy;
        self
    }

    /// With the field that holds consent.
    fn consenting(mut self) -> Self {
        self.rules.fields.insert(FieldName::from_static(CONSENT));
        self
    }

    fn tagged(mut self) -> Self {
        self.rules.fields.insert("tags".into());
        self
    }

    fn with(mut self, change: impl FnOnce(&mut Self)) -> Self {
        change(&mut self);
        self
    }

    fn link(self, change: impl FnOnce(&mut Link)) -> Self {
        self.with(|row| change(row.link.as_mut().unwrap()))
    }

    fn state(self, state: LinkState) -> Self {
        self.link(|link| link.state = state)
    }

    fn base(self, change: impl FnOnce(&mut Base)) -> Self {
        self.link(|link| change(link.base.as_mut().unwrap()))
    }

    fn decide(&self) -> Decision {
        let policy = Policy {
            resource: &RESOURCE,
            rules: &self.rules,
            fields: &self.rules.fields,
            direction: self.direction,
            can_create_here: self.can_create_here,
        };
        let (id, marker, version) = (LocalId::new("1"), Marker::new("m"), Version::new("v1"));
        let sides = Sides {
            id: &id,
            target: &self.target,
            marker: &marker,
            local: &self.local,
            version: Some(&version),
            remote: &self.remote,
            link: self.link.as_ref(),
            suppression: self.suppression.as_ref(),
            settle: self.settle,
        };
        decide(policy, sides)
    }

    /// The decision in words: what is written where and why.
    fn told(&self) -> String {
        fn all<T: AsRef<str>>(names: impl IntoIterator<Item = T>) -> String {
            names.into_iter().map(|name| name.as_ref().to_owned()).collect::<Vec<_>>().join(" ")
        }
        match self.decide() {
            Decision::Nothing => "nothing".to_owned(),
            Decision::Heal { open, .. } if open.is_empty() => "heal".to_owned(),
            Decision::Heal { open, .. } => format!("heal, open: {}", all(&open)),
            Decision::OutOfScope => "out of scope".to_owned(),
            Decision::GoneThere => "gone there".to_owned(),
            Decision::Detach => "detach".to_owned(),
            Decision::Drop => "drop".to_owned(),
            Decision::LeftThere => "left there".to_owned(),
            Decision::Ask(asked) => {
                format!("{}: {}", if asked.is_guarded { "guarded" } else { "conflict" }, all(&asked.fields))
            }
            Decision::Write(op) => {
                let mut told = format!("{} {}", op.verb.as_str(), op.reason.as_str());
                if !op.changed.is_empty() {
                    told += &format!(", there: {}", all(&op.changed));
                }
                for (field, change) in &op.sets {
                    told += &format!(", {field} +{} -{}", all(&change.add), all(&change.remove));
                }
                if let Some(here) = &op.here {
                    told += &format!(", {} here: {}", here.verb.as_str(), all(here.fields.iter().map(|(field, _)| field)));
                }
                if !op.open.is_empty() {
                    told += &format!(", open: {}", all(&op.open));
                }
                told.replace(": ,", ":").trim_end_matches(": ").to_owned()
            }
        }
    }

    fn operation(&self) -> sync_core::Operation {
        match self.decide() {
            Decision::Write(op) => *op,
            other => panic!("{other:?}"),
        }
    }
}

/// A record of texts, as in `a=1 b=2`.
fn record(text: &str) -> Record {
    let field = |word: &str| word.split_once('=').map(|(name, value)| (FieldName::new(name), Value::text(value))).unwrap();
    text.split_whitespace().map(field).collect()
}

fn tags(elements: &[&str]) -> Value {
    Value::Set(elements.iter().map(|element| (*element).to_owned()).collect())
}

fn lines(of: &[(&str, &str)]) -> Value {
    let line = |(what, account): &(&str, &str)| {
        Record::new().with("what", Value::text(*what)).with("account", Value::text(*account))
    };
    Value::List(of.iter().map(line).collect())
}

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(second).unwrap()
}

fn consent(state: ConsentState, second: i64) -> Value {
    Value::Consent(Consent::new(state).at(at(second)))
}

fn push(local: &str) -> Row {
    Row::new(Direction::Push, record(local))
}

fn both(local: &str) -> Row {
    Row::new(Direction::Both, record(local))
}
