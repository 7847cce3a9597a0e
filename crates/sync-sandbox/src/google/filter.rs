//! Which events a listing wants.
//! Source: <https://developers.google.com/workspace/calendar/api/v3/reference/events/list>.

use jiff::{SignedDuration, Timestamp};
use serde_json::Value;

use super::{
    World,
    calendar::{Document, Event, Life},
    input::Query,
    problem::Problem,
};

/// Not together with `syncToken`. Source: the reference's `syncToken`.
pub(super) const NOT_INCREMENTAL: &[&str] =
    &["iCalUID", "orderBy", "privateExtendedProperty", "q", "sharedExtendedProperty", "timeMax", "timeMin", "updatedMin"];

/// Which events are wanted.
pub(super) struct Filter {
    pub(super) is_incremental: bool,
    pub(super) is_expanded: bool,
    pub(super) has_deleted: bool,
    pub(super) from: Option<i64>,
    pub(super) to: Option<i64>,
    updated_min: Option<Timestamp>,
    words: Option<String>,
    ical: Option<String>,
    properties: Vec<(&'static str, String, String)>,
    has_default_type: bool,
}

impl Filter {
    pub(super) fn read(query: &Query, world: &World) -> Result<Self, Problem> {
        let (from, to) = (query.time("timeMin")?, query.time("timeMax")?);
        if let (Some(from), Some(to)) = (from, to)
            && from >= to
        {
            return Err(Problem::empty_range());
        }
        let updated_min = query.time("updatedMin")?;
        let reach = SignedDuration::from_hours(24 * i64::from(world.quirks.sync_token_days));
        if updated_min.is_some_and(|min| world.now.duration_since(min) > reach) {
            let message = "The requested minimum modification time lies too far in the past.";
            return Err(Problem::new(410, "updatedMinTooLongAgo", message).of_calendar().at("parameter", "updatedMin"));
        }
        let mut properties = Vec::new();
        for (kind, name) in [("private", "privateExtendedProperty"), ("shared", "sharedExtendedProperty")] {
            for (n, constraint) in query.all(name).enumerate() {
                // The guide says that repeated ones are alternatives, the reference that all must match.
                if n > 0 {
                    return Err(Problem::ours(400, format!("{name} is modelled once in a call")));
                }
                let (key, value) = constraint
                    .split_once('=')
                    .ok_or_else(|| Problem::invalid("Invalid value for: constraint").at("parameter", name))?;
                properties.push((kind, key.to_owned(), value.to_owned()));
            }
        }
        query.flag("showHiddenInvitations")?;
        let is_expanded = query.flag("singleEvents")? == Some(true);
        if query.one_of("orderBy", &["startTime", "updated"])? == Some("startTime") && !is_expanded {
            let message = "The requested ordering is not available for the particular query.";
            return Err(Problem::new(400, "badRequest", message).at("parameter", "orderBy"));
        }
        Ok(Self {
            is_incremental: query.text("syncToken").is_some(),
            is_expanded,
            has_deleted: query.flag("showDeleted")? == Some(true),
            from: from.map(Timestamp::as_second),
            to: to.map(Timestamp::as_second),
            updated_min,
            words: query.text("q").map(str::to_lowercase),
            ical: query.text("iCalUID").map(str::to_owned),
            properties,
            has_default_type: query.text("eventTypes").is_none() || query.all("eventTypes").any(|kind| kind == "default"),
        })
    }

    pub(super) fn fits(&self, event: &Event) -> bool {
        let is_shown = match (event.life, &event.master) {
            (Life::Live, _) => true,
            (Life::Purged, _) => false,
            // Cancelled occurrences stand beside their series, deleted events only where somebody asks for them.
            (Life::Cancelled, Some(_)) => !self.is_expanded || self.has_deleted,
            (Life::Cancelled, None) => self.has_deleted || self.updated_min.is_some(),
        };
        is_shown
            && self.has_default_type
            && self.from.is_none_or(|from| event.span.1 > from)
            && self.to.is_none_or(|to| event.span.0 < to)
            && self.updated_min.is_none_or(|min| event.updated >= min)
            && (!self.needs_document() || self.fits_document(&event.document()))
    }

    fn needs_document(&self) -> bool {
        self.words.is_some() || self.ical.is_some() || !self.properties.is_empty()
    }

    fn fits_document(&self, document: &Document) -> bool {
        let text = |name: &str| document.get(name).and_then(Value::as_str).unwrap_or_default();
        let words = self.words.as_ref().is_none_or(|words| {
            ["summary", "description", "location"].iter().any(|name| text(name).to_lowercase().contains(words))
        });
        let of = |kind: &str, key: &str| {
            document.get("extendedProperties").and_then(|kinds| kinds[kind][key].as_str().map(str::to_owned))
        };
        words
            && self.ical.as_ref().is_none_or(|ical| text("iCalUID") == ical)
            && self.properties.iter().all(|(kind, key, value)| of(kind, key).as_ref() == Some(value))
    }
}
