//! A calendar and what is in it.

use std::{collections::BTreeMap, ops::Bound};

use jiff::{Timestamp, tz::TimeZone};
use serde_json::{Map, Value, json};

use super::{
    World,
    problem::Problem,
    series::{self, Series},
    times::{self, When},
};

pub(super) type Document = Map<String, Value>;

/// Who may do what. The order is that of what is allowed.
/// Source: <https://developers.google.com/workspace/calendar/api/v3/reference/calendarList>, `accessRole`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Role {
    Reader,
    Writer,
    Owner,
}

impl Role {
    pub(super) fn parse(text: &str) -> Option<Self> {
        Some(match text {
            "reader" => Self::Reader,
            "writer" => Self::Writer,
            "owner" => Self::Owner,
            _ => return None,
        })
    }

    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Reader => "reader",
            Self::Writer => "writer",
            Self::Owner => "owner",
        }
    }
}

#[derive(Debug)]
pub(super) struct Calendar {
    pub(super) id: String,
    pub(super) summary: String,
    pub(super) description: Option<String>,
    pub(super) location: Option<String>,
    pub(super) zone_name: String,
    pub(super) zone: TimeZone,
    pub(super) owner: String,
    /// The app that made it.
    pub(super) made_by: Option<String>,
    pub(super) roles: BTreeMap<String, Role>,
    pub(super) events: BTreeMap<Box<str>, Event>,
    /// Events by their latest change.
    order: BTreeMap<u64, Box<str>>,
    /// Of the calendar itself.
    pub(super) version: u64,
    /// Latest change of an event.
    pub(super) last_change: u64,
    /// What its channels were told of.
    pub(super) told: u64,
    /// Sync tokens of another epoch are too old.
    pub(super) epoch: u64,
}

/// What an event is to a listing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Life {
    Live,
    /// Deleted, or an occurrence that does not take place.
    Cancelled,
    /// No longer shown, yet its id stays taken.
    /// Source: GitHub taers232c/GAMADV-X issue 82.
    Purged,
}

/// An event as it is shown, and what listings look for.
#[derive(Debug)]
pub(super) struct Event {
    /// Its etag and the place of its latest change.
    pub(super) version: u64,
    pub(super) updated: Timestamp,
    pub(super) life: Life,
    /// Start and end in seconds; of a series to the end of its last occurrence.
    pub(super) span: (i64, i64),
    /// The series of an occurrence.
    pub(super) master: Option<Box<str>>,
    pub(super) is_series: bool,
    /// All members, as JSON in the calendar's zone.
    text: Box<str>,
}

impl Event {
    pub(super) fn text(&self) -> &str {
        &self.text
    }

    pub(super) fn document(&self) -> Document {
        serde_json::from_str(&self.text).unwrap_or_default()
    }

    pub(super) fn etag(&self) -> String {
        etag(self.version)
    }
}

pub(super) fn etag(version: u64) -> String {
    format!("\"{version}\"")
}

/// What an id names.
pub(super) enum Found {
    Stored {
        document: Document,
        version: u64,
        life: Life,
    },
    /// An occurrence that nobody changed yet.
    Occurrence {
        document: Document,
        version: u64,
    },
}

impl Calendar {
    pub(super) fn new(id: String, summary: String, owner: String, zone_name: String, zone: TimeZone) -> Self {
        Self {
            roles: BTreeMap::from([(owner.clone(), Role::Owner)]),
            id,
            summary,
            description: None,
            location: None,
            zone_name,
            zone,
            owner,
            made_by: None,
            events: BTreeMap::new(),
            order: BTreeMap::new(),
            version: 1,
            last_change: 0,
            told: 0,
            epoch: 0,
        }
    }

    pub(super) fn is_primary(&self) -> bool {
        self.id == self.owner
    }

    /// Stores an event under a new version, and returns it as it is then.
    pub(super) fn put(&mut self, world: &mut World, id: &str, mut document: Document, updated: Timestamp) -> Document {
        let version = world.next_version();
        document.insert("etag".into(), json!(etag(version)));
        document.insert("updated".into(), json!(times::stamp(updated)));
        let life = match document.get("status").and_then(Value::as_str) {
            Some("cancelled") => Life::Cancelled,
            _ => Life::Live,
        };
        let event = Event {
            version,
            updated,
            life,
            span: self.span(&document),
            master: document.get("recurringEventId").and_then(Value::as_str).map(Into::into),
            is_series: document.contains_key("recurrence"),
            text: serde_json::to_string(&document).unwrap_or_default().into(),
        };
        if let Some(before) = self.events.insert(id.into(), event) {
            self.order.remove(&before.version);
        }
        self.order.insert(version, id.into());
        self.last_change = version;
        document
    }

    /// Start and end of a document in this calendar.
    fn span(&self, document: &Document) -> (i64, i64) {
        let Ok((start, end)) = times::range(document, &self.zone_name, false) else {
            // A cancelled occurrence has only its original start.
            let original = When::read(document.get("originalStartTime"), "original", &self.zone_name, false);
            let at = original.map_or(0, |start| start.instant(&self.zone).as_second());
            return (at, at + 1);
        };
        let (first, last) = (start.instant(&self.zone).as_second(), end.instant(&self.zone).as_second());
        let Some(lines) = document.get("recurrence").and_then(Value::as_array) else { return (first, last) };
        let series = Series::read(lines.iter().filter_map(Value::as_str), matches!(start, When::Day(_)));
        let starts = match &series {
            Ok(series) if series.is_bounded() => series.starts(&start, &self.zone, Timestamp::MAX).ok(),
            _ => None,
        };
        match starts.as_deref().and_then(<[When]>::last) {
            Some(start) => (first, start.instant(&self.zone).as_second() + (last - first)),
            None => (first, i64::MAX),
        }
    }

    /// Changes later than this version up to that one, from the earliest.
    pub(super) fn changes(&self, after: u64, up_to: u64) -> impl Iterator<Item = (&str, &Event)> {
        let from = after.saturating_add(1);
        // An empty range where nothing can be between them.
        self.order
            .range(from..=up_to.max(from))
            .take_while(move |(version, _)| **version <= up_to)
            .filter_map(|(_, id)| Some((&**id, self.events.get(id)?)))
    }

    pub(super) fn find(&self, id: &str) -> Option<Found> {
        if let Some(event) = self.events.get(id) {
            let (document, version, life) = (event.document(), event.version, event.life);
            return (life != Life::Purged).then_some(Found::Stored { document, version, life });
        }
        let (master_id, _) = id.rsplit_once('_')?;
        let master = self.events.get(master_id).filter(|master| master.life == Life::Live && master.is_series)?;
        let document = master.document();
        let starts = self.starts(&document, Timestamp::MAX).ok()?;
        let start = starts.into_iter().find(|start| series::id(master_id, start) == id)?;
        let document = self.occurrence(master_id, &document, &start)?;
        Some(Found::Occurrence { document, version: master.version })
    }

    /// The starts of a series' occurrences before this time.
    pub(super) fn starts(&self, master: &Document, before: Timestamp) -> Result<Vec<When>, Problem> {
        let (start, _) = times::range(master, &self.zone_name, false)?;
        let lines = master.get("recurrence").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str);
        Series::read(lines, matches!(start, When::Day(_)))?.starts(&start, &self.zone, before)
    }

    /// An occurrence as it is while nobody changed it.
    pub(super) fn occurrence(&self, master_id: &str, master: &Document, start: &When) -> Option<Document> {
        let (first, last) = times::range(master, &self.zone_name, false).ok()?;
        let end = match (&first, &last, start) {
            (When::Day(first), When::Day(last), When::Day(day)) => {
                When::Day(day.checked_add(first.until(*last).ok()?).ok()?)
            }
            (When::At { at: first, .. }, When::At { at: last, zone }, When::At { at, .. }) => {
                When::At { at: at.checked_add(last.duration_since(*first)).ok()?, zone: zone.clone() }
            }
            _ => return None,
        };
        let mut document = master.clone();
        document.remove("recurrence");
        document.insert("id".into(), json!(series::id(master_id, start)));
        document.insert("recurringEventId".into(), json!(master_id));
        document.insert("originalStartTime".into(), start.show(&self.zone));
        document.insert("start".into(), start.show(&self.zone));
        document.insert("end".into(), end.show(&self.zone));
        Some(document)
    }

    /// Ids of the changed occurrences of a series.
    pub(super) fn exceptions(&self, master_id: &str) -> Vec<Box<str>> {
        let from = format!("{master_id}_");
        let of_it = self
            .events
            .range::<str, _>((Bound::Included(from.as_str()), Bound::Unbounded))
            .take_while(|(id, _)| id.starts_with(&from));
        of_it.filter(|(_, event)| event.master.as_deref() == Some(master_id)).map(|(id, _)| id.clone()).collect()
    }

    /// Shows the times of all events in another zone, as after a change of the calendar's.
    pub(super) fn set_zone(&mut self, name: &str, zone: TimeZone) {
        self.zone_name = name.to_owned();
        self.zone = zone;
        let ids: Vec<Box<str>> = self.events.keys().cloned().collect();
        for id in ids {
            let Some(event) = self.events.get(&id) else { continue };
            let mut document = event.document();
            show_in(&mut document, &self.zone_name, &self.zone);
            let span = self.span(&document);
            if let Some(event) = self.events.get_mut(&id) {
                event.span = span;
                event.text = Value::Object(document).to_string().into();
            }
        }
    }

    /// Empties the bin: what was deleted is no longer shown.
    pub(super) fn purge(&mut self, id: &str) -> bool {
        match self.events.get_mut(id) {
            Some(event) if event.life == Life::Cancelled => {
                event.life = Life::Purged;
                true
            }
            _ => false,
        }
    }
}

/// Shows a document's times in this zone.
pub(super) fn show_in(document: &mut Document, default_zone: &str, zone: &TimeZone) {
    for name in ["start", "end", "originalStartTime"] {
        if let Ok(when) = When::read(document.get(name), name, default_zone, false) {
            document.insert(name.into(), when.show(zone));
        }
    }
}
