//! Records as Google takes them.

use std::collections::BTreeSet;

use jiff::{ToSpan, Zoned};
use serde_json::{Map, Value, json};
use sync_core::{
    Error, ErrorKind, FieldName, Marker, Record, RemoteId, ResourceName, Result,
    model::{Event, EventDefaults, EventStatus, Model, When},
};

use crate::{
    descriptor::WHEN,
    settings::{GoogleCalendarSettings, ShowAs},
};

/// Private properties of our events. Names have at most 44 characters, values 1,024.
/// Source: <https://developers.google.com/workspace/calendar/api/guides/extended-properties>.
pub(crate) const MARKER: &str = "sync-marker";
pub(crate) const KIND: &str = "sync-kind";
pub(crate) const ZONE: &str = "sync-zone";

/// Longest title and place, in characters. Ours, since Google publishes none: what doesn't fit is said, not cut.
const MAX_LINE_CHARS: usize = 1024;
/// Longest text, in characters. Ours.
const MAX_TEXT_CHARS: usize = 8192;

/// One record on its way into an event.
pub(crate) struct Draft<'a> {
    settings: &'a GoogleCalendarSettings,
    record: &'a Record,
    event: Event,
    pub(crate) when: When,
    zone: &'a str,
}

impl<'a> Draft<'a> {
    /// Reads a record; `zone` counts where it names none.
    ///
    /// # Errors
    /// [`ErrorKind::Invalid`] names what an event can't say.
    pub(crate) fn of(settings: &'a GoogleCalendarSettings, record: &'a Record, zone: &'a str) -> Result<Self> {
        let event = Event::from_record(record)?;
        let when = event.when(EventDefaults { zone, minutes: settings.default_minutes })?;
        Ok(Self { settings, record, event, when, zone })
    }

    /// A new event in full, under this id.
    ///
    /// # Errors
    /// [`ErrorKind::Invalid`] names what an event can't say.
    pub(crate) fn insert(&self, id: &RemoteId, marker: &Marker, resource: &ResourceName) -> Result<Map<String, Value>> {
        let mut body = self.all(false)?;
        body.insert("id".to_owned(), json!(id));
        body.insert("extendedProperties".to_owned(), self.properties(marker, resource));
        Ok(body)
    }

    /// Everything again, and back among the living.
    ///
    /// # Errors
    /// Like [`Draft::insert`].
    pub(crate) fn revive(&self, marker: &Marker, resource: &ResourceName) -> Result<Map<String, Value>> {
        let mut body = self.all(true)?;
        body.insert("status".to_owned(), json!("confirmed"));
        body.insert("extendedProperties".to_owned(), self.properties(marker, resource));
        Ok(body)
    }

    /// What changes; empty where nothing of it shows there.
    ///
    /// # Errors
    /// Like [`Draft::insert`].
    pub(crate) fn patch(&self, changed: &BTreeSet<FieldName>) -> Result<Map<String, Value>> {
        let is_any = |fields: &[&str]| fields.iter().any(|field| changed.contains(*field));
        let names = |template: &crate::template::Template| template.fields().any(|field| changed.contains(field));
        let mut body = Map::new();
        if is_any(&["status"]) || names(&self.settings.title) {
            self.title(&mut body)?;
        }
        if is_any(&["status"]) {
            self.look(&mut body, true);
        }
        if is_any(WHEN) || is_any(&["duration", "zone"]) {
            self.times(&mut body, true);
            body.insert("extendedProperties".to_owned(), json!({"private": {ZONE: self.zone_name()}}));
        }
        if is_any(&["location"]) {
            self.place(&mut body)?;
        }
        if names(&self.settings.text) {
            self.text(&mut body)?;
        }
        Ok(body)
    }

    fn all(&self, is_patch: bool) -> Result<Map<String, Value>> {
        let mut body = Map::new();
        self.title(&mut body)?;
        self.look(&mut body, is_patch);
        self.times(&mut body, is_patch);
        self.place(&mut body)?;
        self.text(&mut body)?;
        Ok(body)
    }

    fn is_cancelled(&self) -> bool {
        self.event.status == Some(EventStatus::Cancelled)
    }

    fn title(&self, body: &mut Map<String, Value>) -> Result<()> {
        let title = self.settings.title.line(self.record);
        if title.is_empty() {
            return Err(Error::new(ErrorKind::Invalid, "the event has no title").with_remedy("Give the record a title."));
        }
        let prefix = if self.is_cancelled() { self.settings.cancelled_prefix.as_str() } else { "" };
        let gap = if prefix.is_empty() || prefix.ends_with(char::is_whitespace) { "" } else { " " };
        let title = fitting("title", format!("{prefix}{gap}{title}"), MAX_LINE_CHARS)?;
        body.insert("summary".to_owned(), json!(title));
        Ok(())
    }

    /// What was called off is shown as free and reminds nobody.
    fn look(&self, body: &mut Map<String, Value>, is_patch: bool) {
        let is_free = self.is_cancelled() || self.settings.show_as == ShowAs::Free;
        if is_free || is_patch {
            body.insert("transparency".to_owned(), json!(if is_free { "transparent" } else { "opaque" }));
        }
        let minutes = if self.is_cancelled() { Some(&[][..]) } else { self.settings.reminders.as_deref() };
        let reminders = minutes.map(|minutes| {
            let overrides: Vec<Value> = minutes.iter().map(|at| json!({"method": "popup", "minutes": at})).collect();
            json!({"useDefault": false, "overrides": overrides})
        });
        match reminders {
            Some(reminders) => body.insert("reminders".to_owned(), reminders),
            None if is_patch => body.insert("reminders".to_owned(), json!({"useDefault": true})),
            None => None,
        };
    }

    /// A patch takes the other form's members away: whole days and hours can change into each other.
    fn times(&self, body: &mut Map<String, Value>, is_patch: bool) {
        let (start, end) = match &self.when {
            When::AllDay { first, last } => {
                let after = last.saturating_add(1.day());
                (json!({"date": first.to_string()}), json!({"date": after.to_string()}))
            }
            When::Timed { start, end } => (moment(start), moment(end)),
        };
        let others: &[&str] = match &self.when {
            When::AllDay { .. } => &["dateTime", "timeZone"],
            When::Timed { .. } => &["date"],
        };
        for (name, mut time) in [("start", start), ("end", end)] {
            for other in others.iter().filter(|_| is_patch) {
                time[*other] = Value::Null;
            }
            body.insert(name.to_owned(), time);
        }
    }

    fn place(&self, body: &mut Map<String, Value>) -> Result<()> {
        if let Some(location) = self.event.location.as_deref().map(str::trim).filter(|location| !location.is_empty()) {
            body.insert("location".to_owned(), json!(fitting("location", location.to_owned(), MAX_LINE_CHARS)?));
        }
        Ok(())
    }

    fn text(&self, body: &mut Map<String, Value>) -> Result<()> {
        let text = self.settings.text.text(self.record);
        // A blank description is no reason to take away what people wrote.
        let is_blank = text.is_empty() && self.settings.tells_description();
        if !is_blank && !self.settings.text.is_empty() {
            body.insert("description".to_owned(), json!(fitting("text", text, MAX_TEXT_CHARS)?));
        }
        Ok(())
    }

    fn zone_name(&self) -> String {
        match &self.when {
            When::Timed { start, .. } => start.time_zone().iana_name().unwrap_or(self.zone).to_owned(),
            When::AllDay { .. } => self.zone.to_owned(),
        }
    }

    fn properties(&self, marker: &Marker, resource: &ResourceName) -> Value {
        json!({"private": {MARKER: marker, KIND: resource, ZONE: self.zone_name()}})
    }
}

fn moment(at: &Zoned) -> Value {
    json!({
        "dateTime": at.strftime("%Y-%m-%dT%H:%M:%S%:z").to_string(),
        "timeZone": at.time_zone().iana_name().unwrap_or("UTC"),
    })
}

fn fitting(what: &str, text: String, most: usize) -> Result<String> {
    let wrong = |why: String, remedy: String| Err(Error::new(ErrorKind::Invalid, why).with_remedy(remedy));
    if text.chars().count() > most {
        return wrong(
            format!("the event's {what} has more than {most} characters"),
            format!("Shorten what the {what} is made of. The event goes with the next sync."),
        );
    }
    if text.chars().any(|c| c.is_control() && !matches!(c, '\n' | '\r' | '\t')) {
        return wrong(
            format!("the event's {what} has characters in it that can't be shown"),
            format!("Write what the {what} is made of again. The event goes with the next sync."),
        );
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use jiff::civil::date;
    use sync_core::Value as Field;

    use super::*;
    use crate::descriptor::TRIPS;

    fn settings(settings: Value) -> GoogleCalendarSettings {
        serde_json::from_value(settings).unwrap()
    }

    fn trip() -> Record {
        Record::new()
            .with("title", Field::text("Reef trip"))
            .with("date", Field::Date(date(2026, 12, 3)))
            .with("start_time", Field::text("09:00"))
            .with("end_time", Field::text("12:00"))
            .with("location", Field::text("Harbour"))
            .with("boat", Field::text("Manta"))
            .with("booked", Field::Decimal(6.into()))
            .with("capacity", Field::Decimal(12.into()))
    }

    fn insert(settings: &GoogleCalendarSettings, record: &Record) -> Result<Value> {
        let draft = Draft::of(settings, record, "Europe/Madrid")?;
        draft.insert(&"0123456789abcdef".into(), &Marker::new("0123456789abcdef"), &TRIPS).map(Value::Object)
    }

    fn patch(record: &Record, changed: &[&str]) -> Value {
        let settings = GoogleCalendarSettings::default();
        let changed = changed.iter().map(|field| (*field).into()).collect();
        Value::Object(Draft::of(&settings, record, "Europe/Madrid").unwrap().patch(&changed).unwrap())
    }

    #[test]
    fn a_trip_becomes_an_event_without_guests() {
        let body = insert(&GoogleCalendarSettings::default(), &trip()).unwrap();
        let expected = json!({
            "id": "0123456789abcdef",
            "summary": "Reef trip",
            "location": "Harbour",
            "description": "Boat: Manta\nMeeting point: Harbour\nBooked: 6/12",
            "start": {"dateTime": "2026-12-03T09:00:00+01:00", "timeZone": "Europe/Madrid"},
            "end": {"dateTime": "2026-12-03T12:00:00+01:00", "timeZone": "Europe/Madrid"},
            "extendedProperties": {"private":
                {"sync-marker": "0123456789abcdef", "sync-kind": "trips", "sync-zone": "Europe/Madrid"}},
        });
        assert_eq!(body, expected);
    }

    #[test]
    fn whole_days_end_the_day_after() {
        let mut safari = trip().with("end_date", Field::Date(date(2026, 12, 5)));
        safari.remove("start_time");
        let body = insert(&GoogleCalendarSettings::default(), &safari).unwrap();
        assert_eq!((&body["start"], &body["end"]), (&json!({"date": "2026-12-03"}), &json!({"date": "2026-12-06"})));
        let changed = patch(&safari, &["all_day"]);
        assert_eq!(changed["start"], json!({"date": "2026-12-03", "dateTime": null, "timeZone": null}));
        assert_eq!(patch(&trip(), &["start_time"])["start"]["date"], Value::Null);
    }

    #[test]
    fn what_was_called_off_is_marked_free_and_silent() {
        let off = trip().with("status", Field::text("cancelled"));
        let body = insert(&settings(json!({"reminders": [60]})), &off).unwrap();
        assert_eq!((&body["summary"], &body["transparency"]), (&json!("Cancelled: Reef trip"), &json!("transparent")));
        assert_eq!(body["reminders"], json!({"useDefault": false, "overrides": []}));
        let back = patch(&trip().with("status", Field::text("scheduled")), &["status"]);
        let expected = json!({"summary": "Reef trip", "transparency": "opaque", "reminders": {"useDefault": true}});
        assert_eq!(back, expected);
    }

    #[test]
    fn a_patch_names_what_changed_and_nothing_else() {
        assert_eq!(patch(&trip(), &["title"]), json!({"summary": "Reef trip"}));
        let both = json!({"location": "Harbour", "description": "Boat: Manta\nMeeting point: Harbour\nBooked: 6/12"});
        assert_eq!(patch(&trip(), &["location"]), both);
        assert_eq!(patch(&trip(), &["booked"])["summary"], Value::Null);
        assert_eq!(patch(&trip(), &["instructor", "changed_at", "extra.x"]), json!({}));
        let moved = patch(&trip(), &["date"]);
        let names: Vec<&String> = moved.as_object().unwrap().keys().collect();
        assert_eq!(names, ["end", "extendedProperties", "start"]);
        assert_eq!(moved["extendedProperties"], json!({"private": {"sync-zone": "Europe/Madrid"}}));
    }

    #[test]
    fn reminders_and_free_time_follow_the_settings() {
        let body = insert(&settings(json!({"reminders": [60, 5], "show_as": "free"})), &trip()).unwrap();
        assert_eq!(body["reminders"]["overrides"][1], json!({"method": "popup", "minutes": 5}));
        assert_eq!(body["transparency"], json!("transparent"));
    }

    #[test]
    fn an_empty_text_is_not_written_over_what_people_wrote() {
        let none = insert(&settings(json!({"text": ""})), &trip()).unwrap();
        assert!(none.get("description").is_none());
        let blank = insert(&settings(json!({"text": "{description}"})), &trip()).unwrap();
        assert!(blank.get("description").is_none());
    }

    #[test]
    fn what_does_not_fit_is_said_without_its_content() {
        let default = GoogleCalendarSettings::default();
        for (field, value) in [
            ("title", "CANARY".repeat(400)),
            ("title", " ".to_owned()),
            ("title", "CANARY\u{0}".to_owned()),
            ("location", "CANARY".repeat(400)),
            ("boat", "CANARY".repeat(2000)),
            ("zone", "CANARY".to_owned()),
        ] {
            let error = insert(&default, &trip().with(field, Field::text(value))).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Invalid);
            assert!(error.remedy().is_some() && !format!("{error:?}").contains("CANARY"), "{field}: {error}");
        }
        let longest = trip().with("title", Field::text("é".repeat(MAX_LINE_CHARS)));
        assert!(insert(&default, &longest).is_ok());
    }
}
