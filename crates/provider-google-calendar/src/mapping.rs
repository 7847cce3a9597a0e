//! Events as remote records.

use jiff::{Timestamp, ToSpan, civil, fmt::temporal::Pieces, tz::TimeZone};
use sync_core::{
    ContainerId, Marker, Remote, RemoteId, ResourceName, Version,
    model::{Event as Fields, EventStatus, Model, When, time_zone},
};

use crate::{
    body::{KIND, MARKER, ZONE},
    descriptor::{TRAINING_SESSIONS, TRIPS},
    handler::Handler,
    id,
    model::{Event, EventTime},
};

/// Reads the events of one calendar.
pub(crate) struct Reader<'a> {
    pub(crate) handler: &'a Handler,
    pub(crate) calendar: &'a ContainerId,
}

/// The marker of an event that we made: its id follows from it. A copy made by a person carries the marker too, and is
/// theirs.
pub(crate) fn marker(event: &Event) -> Option<Marker> {
    let id = RemoteId::new(event.id.as_deref()?);
    let marker = event.property(MARKER)?;
    id::generation(marker, &id).map(|_| Marker::new(marker))
}

/// As what an event of ours counts.
pub(crate) fn kind(event: &Event) -> Option<ResourceName> {
    let kind = event.property(KIND)?;
    [TRIPS, TRAINING_SESSIONS].into_iter().find(|resource| resource.as_str() == kind)
}

impl Reader<'_> {
    /// The event as a record of this kind; `None` for what says no time that can be read.
    pub(crate) fn remote(&self, resource: ResourceName, event: &Event) -> Option<Remote> {
        let id = event.id.as_deref().filter(|id| !id.is_empty())?;
        let mut fields = Fields::default();
        let zone = self.zone_of(event);
        let when = when(event, zone.as_ref())?;
        fields.set_when(&when);
        if let When::AllDay { .. } = when {
            fields.zone = event.property(ZONE).map(str::to_owned);
        }
        let settings = &self.handler.settings;
        let summary = event.summary.as_deref().unwrap_or_default();
        let prefix = settings.cancelled_prefix.trim();
        let (title, status) = match summary.trim().strip_prefix(prefix) {
            Some(title) => (title, EventStatus::Cancelled),
            None => (summary, EventStatus::Scheduled),
        };
        fields.status = Some(status);
        if settings.tells_title() {
            fields.title = Some(settings.title.read(title).to_owned());
        }
        fields.location = event.location.as_deref().map(|location| location.trim().to_owned());
        if settings.tells_description() {
            let text = event.description.as_deref();
            fields.description = text.map(|text| settings.text.read(text).to_owned());
        }
        let mut record = fields.into_record();
        let mapped = &self.handler.fields;
        record.retain(|field| mapped.contains(field));
        let mut remote = Remote::live(resource, id, record);
        remote.container = Some(self.calendar.clone());
        remote.version = event.etag.as_deref().map(Version::new);
        remote.marker = marker(event);
        remote.changed_at = event.updated.as_deref().and_then(|updated| updated.parse().ok());
        Some(remote)
    }

    /// The zone on whose clocks an event is read: of the record as we last wrote it, else the event's, else the
    /// settings', else the offset that it is shown with, which is the calendar's.
    fn zone_of(&self, event: &Event) -> Option<TimeZone> {
        let start = event.start.as_ref()?;
        let named = [event.property(ZONE), start.time_zone.as_deref(), self.handler.settings.zone.as_deref()];
        let zone = named.into_iter().flatten().find_map(|zone| time_zone(zone).ok());
        zone.or_else(|| {
            let offset = Pieces::parse(start.date_time.as_deref()?).ok()?.to_numeric_offset()?;
            Some(TimeZone::fixed(offset))
        })
    }
}

/// When an event takes place. Google's ends don't belong to it any more, whole days included.
/// Source: <https://developers.google.com/workspace/calendar/api/v3/reference/events>, `end`: "exclusive".
pub(crate) fn when(event: &Event, zone: Option<&TimeZone>) -> Option<When> {
    let (start, end) = (event.start.as_ref()?, event.end.as_ref()?);
    if let (Some(first), Some(after)) = (&start.date, &end.date) {
        let first: civil::Date = first.parse().ok()?;
        let after: civil::Date = after.parse().ok()?;
        let last = after.checked_sub(1.day()).ok()?;
        return Some(When::AllDay { first, last: last.max(first) });
    }
    let utc = TimeZone::UTC;
    let zone = zone.unwrap_or(&utc);
    let start = instant(start, zone)?.to_zoned(zone.clone());
    let end = instant(end, zone)?.to_zoned(zone.clone());
    Some(When::Timed { start, end })
}

/// A moment; one without an offset is said in its own zone.
fn instant(time: &EventTime, zone: &TimeZone) -> Option<Timestamp> {
    let text = time.date_time.as_deref()?;
    if let Ok(at) = text.parse::<Timestamp>() {
        return Some(at);
    }
    let own = time.time_zone.as_deref().and_then(|zone| time_zone(zone).ok());
    let at: civil::DateTime = text.parse().ok()?;
    Some(own.as_ref().unwrap_or(zone).to_zoned(at).ok()?.timestamp())
}

#[cfg(test)]
mod tests {
    use serde_json::{Value as Json, json};
    use sync_core::Value;

    use super::*;
    use crate::handler::tests::handler;

    const MARK: &str = "0123456789abcdef0123456789abcdef";

    fn read(event: Json) -> Option<Remote> {
        read_with(json!({}), event)
    }

    fn read_with(settings: Json, event: Json) -> Option<Remote> {
        let handler = handler(settings);
        Reader { handler: &handler, calendar: &"c".into() }.remote(TRIPS, &serde_json::from_value(event).unwrap())
    }

    fn timed(start: &str, end: &str, zone: &str) -> Json {
        json!({"id": MARK, "etag": "\"7\"", "summary": "Reef trip", "updated": "2026-11-22T10:00:00.000Z",
            "start": {"dateTime": start, "timeZone": zone}, "end": {"dateTime": end, "timeZone": zone},
            "extendedProperties": {"private": {"sync-marker": MARK, "sync-kind": "trips", "sync-zone": "Europe/Madrid"}}})
    }

    fn texts(remote: &Remote) -> Vec<(&str, String)> {
        let show = |value: &Value| match value {
            Value::Text(text) => text.clone(),
            Value::Date(date) => date.to_string(),
            Value::Bool(yes) => yes.to_string(),
            other => panic!("{other:?}"),
        };
        remote.fields.iter().map(|(field, value)| (field.as_str(), show(value))).collect()
    }

    #[test]
    fn an_event_is_read_in_full_on_its_own_clocks() {
        let remote = read(timed("2026-12-03T09:00:00+01:00", "2026-12-03T12:00:00+01:00", "Europe/Madrid")).unwrap();
        let expected = [
            ("all_day", "false"),
            ("date", "2026-12-03"),
            ("end_date", "2026-12-03"),
            ("end_time", "12:00"),
            ("start_time", "09:00"),
            ("status", "scheduled"),
            ("title", "Reef trip"),
            ("zone", "Europe/Madrid"),
        ];
        assert_eq!(texts(&remote), expected.map(|(field, text)| (field, text.to_owned())));
        assert_eq!((remote.version, remote.marker), (Some("\"7\"".into()), Some(MARK.into())));
        assert_eq!(remote.changed_at, Some("2026-11-22T10:00:00Z".parse().unwrap()));
    }

    #[test]
    fn another_zone_for_the_same_instant_is_no_change() {
        let ours = read(timed("2026-12-03T09:00:00+01:00", "2026-12-03T12:00:00+01:00", "Europe/Madrid")).unwrap();
        let theirs = read(timed("2026-12-03T08:00:00Z", "2026-12-03T11:00:00Z", "Atlantic/Canary")).unwrap();
        assert_eq!(ours.fields, theirs.fields);
    }

    #[test]
    fn foreign_events_are_read_in_their_own_zone_else_as_they_are_shown() {
        let mut event = timed("2026-12-03T09:00:00+01:00", "2026-12-03T12:00:00+01:00", "Atlantic/Canary");
        event["extendedProperties"] = Json::Null;
        assert_eq!(read(event.clone()).unwrap().fields.text("start_time"), Some("08:00"));
        event["start"]["timeZone"] = Json::Null;
        let remote = read(event).unwrap();
        assert_eq!((remote.fields.text("start_time"), remote.marker), (Some("09:00"), None));
    }

    #[test]
    fn whole_days_end_on_their_last_day() {
        let remote = read(json!({"id": "x12345", "start": {"date": "2026-12-05"}, "end": {"date": "2026-12-07"}})).unwrap();
        assert_eq!(remote.fields.value("end_date"), Some(&Value::Date(civil::date(2026, 12, 6))));
        assert_eq!((remote.fields.value("all_day"), remote.fields.text("start_time")), (Some(&Value::Bool(true)), None));
        let empty = read(json!({"id": "x12345", "start": {"date": "2026-12-05"}, "end": {"date": "2026-12-05"}})).unwrap();
        assert_eq!(empty.fields.value("end_date"), Some(&Value::Date(civil::date(2026, 12, 5))));
    }

    #[test]
    fn a_mark_of_what_was_called_off_is_no_part_of_the_title() {
        let mut event = timed("2026-12-03T09:00:00+01:00", "2026-12-03T12:00:00+01:00", "Europe/Madrid");
        event["summary"] = json!("Cancelled: Trip: Reef");
        let remote = read_with(json!({"title": "Trip: {title}"}), event).unwrap();
        assert_eq!((remote.fields.text("title"), remote.fields.text("status")), (Some("Reef"), Some("cancelled")));
    }

    #[test]
    fn a_title_and_a_text_that_tell_several_fields_are_not_read() {
        let mut event = timed("2026-12-03T09:00:00+01:00", "2026-12-03T12:00:00+01:00", "Europe/Madrid");
        event["description"] = json!("Private words");
        let remote = read_with(json!({"title": "{title} ({boat})"}), event.clone()).unwrap();
        assert!(remote.fields.value("title").is_none() && remote.fields.value("description").is_none());
        let remote = read_with(json!({"text": "{description}"}), event).unwrap();
        assert_eq!(remote.fields.text("description"), Some("Private words"));
    }

    #[test]
    fn copies_and_exceptions_are_foreign() {
        for id in ["3f2504e04f8941d39a0c0305e82c3301", "0123456789abcdef0123456789abcdef_20261203T080000Z"] {
            let mut event = timed("2026-12-03T09:00:00+01:00", "2026-12-03T12:00:00+01:00", "Europe/Madrid");
            event["id"] = json!(id);
            assert_eq!(read(event).unwrap().marker, None, "{id}");
        }
    }

    #[test]
    fn what_says_no_time_is_left_out() {
        for event in [
            json!({"id": "x"}),
            json!({"id": "x", "start": {"date": "2026-13-05"}, "end": {"date": "2026-12-06"}}),
            json!({"id": "x", "start": {"dateTime": "soon"}, "end": {"dateTime": "later"}}),
            json!({"start": {"date": "2026-12-05"}, "end": {"date": "2026-12-06"}}),
        ] {
            assert!(read(event.clone()).is_none(), "{event}");
        }
        let local = json!({"id": "x", "start": {"dateTime": "2026-12-03T09:00:00", "timeZone": "Asia/Tokyo"},
            "end": {"dateTime": "2026-12-03T10:00:00", "timeZone": "Asia/Tokyo"}});
        assert_eq!(read(local).unwrap().fields.text("start_time"), Some("09:00"));
    }
}
