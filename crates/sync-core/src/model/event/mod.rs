//! Trips, training sessions and whatever else has a day.

mod when;

use std::collections::BTreeMap;

use jiff::{
    Timestamp,
    civil::{Date, Time},
};
use rust_decimal::Decimal;

pub use self::when::{EventDefaults, When, time_zone};
use super::{
    Model,
    field::{EXTRA, date, flag, instant, invalid, number, text, wrong},
};
use crate::{FieldName, Record, Result, Value};

/// Something that happens on a day: local date and local time in a zone, never an instant alone. How the fields become
/// a span of time is said at [`Event::when`].
#[derive(Clone, Default, PartialEq)]
pub struct Event {
    /// What it is called. Field `title`.
    pub title: Option<String>,
    /// The first day. Field `date`.
    pub date: Option<Date>,
    /// When it starts, on the clock of the place. Field `start_time`, a text such as `09:00`.
    pub start_time: Option<Time>,
    /// Whether it takes whole days. Field `all_day`; left out: exactly where there is no `start_time`.
    pub all_day: Option<bool>,
    /// The last day, which still belongs to it. Field `end_date`.
    pub end_date: Option<Date>,
    /// When it ends, on the clock of the place. Field `end_time`, a text such as `12:30`.
    pub end_time: Option<Time>,
    /// How long it takes in minutes, where the end is not given. Field `duration`.
    pub duration: Option<Decimal>,
    /// The IANA name of the place's zone, such as `Europe/Madrid`. Field `zone`.
    pub zone: Option<String>,
    /// Where people meet. Field `location`.
    pub location: Option<String>,
    /// The boat. Field `boat`.
    pub boat: Option<String>,
    /// Who leads it. Field `instructor`.
    pub instructor: Option<String>,
    /// How many places are booked. Field `booked`.
    pub booked: Option<Decimal>,
    /// How many places there are. Field `capacity`.
    pub capacity: Option<Decimal>,
    /// Whether it takes place. Field `status`.
    pub status: Option<EventStatus>,
    /// More words. Field `description`.
    pub description: Option<String>,
    /// What it repeats: events of one series share this text. Each is an event of its own. Field `series`.
    pub series: Option<String>,
    /// When it changed, by the clock of whoever holds it. Field `changed_at`.
    pub changed_at: Option<Timestamp>,
    /// Whatever else there is. Fields `extra.…`.
    pub extra: BTreeMap<String, Value>,
}

/// Whether an event takes place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EventStatus {
    /// It does. Text `scheduled`.
    Scheduled,
    /// It was called off. Text `cancelled`.
    Cancelled,
}

impl EventStatus {
    /// The text.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Scheduled => "scheduled",
            Self::Cancelled => "cancelled",
        }
    }
}

/// Prints no content.
impl std::fmt::Debug for Event {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Event").field("all_day", &self.all_day).field("status", &self.status).finish_non_exhaustive()
    }
}

impl Model for Event {
    const NAME: &'static str = "event";
    const FIELDS: &'static [&'static str] = &[
        "title",
        "date",
        "start_time",
        "all_day",
        "end_date",
        "end_time",
        "duration",
        "zone",
        "location",
        "boat",
        "instructor",
        "booked",
        "capacity",
        "status",
        "description",
        "series",
        "changed_at",
    ];

    fn into_record(self) -> Record {
        let texts = [
            ("title", self.title),
            ("start_time", self.start_time.map(clock)),
            ("end_time", self.end_time.map(clock)),
            ("zone", self.zone),
            ("location", self.location),
            ("boat", self.boat),
            ("instructor", self.instructor),
            ("status", self.status.map(|status| status.as_str().to_owned())),
            ("description", self.description),
            ("series", self.series),
        ];
        let dates = [("date", self.date), ("end_date", self.end_date)];
        let numbers = [("duration", self.duration), ("booked", self.booked), ("capacity", self.capacity)];
        let fields = texts
            .into_iter()
            .filter_map(|(field, text)| Some((field, Value::Text(text?))))
            .chain(dates.into_iter().filter_map(|(field, date)| Some((field, Value::Date(date?)))))
            .chain(numbers.into_iter().filter_map(|(field, number)| Some((field, Value::Decimal(number?)))))
            .chain(self.all_day.map(|all_day| ("all_day", Value::Bool(all_day))))
            .chain(self.changed_at.map(|at| ("changed_at", Value::Time { at, zone: None })));
        let mut record: Record = fields.map(|(field, value)| (FieldName::from_static(field), value)).collect();
        for (name, value) in self.extra {
            record.set(FieldName::new(format!("{EXTRA}{name}")), value);
        }
        record
    }

    fn from_record(record: &Record) -> Result<Self> {
        let mut event = Self::default();
        for (field, value) in record.iter() {
            match field.as_str() {
                "title" => event.title = text(field, value)?,
                "date" => event.date = date(field, value)?,
                "start_time" => event.start_time = time(field, value)?,
                "all_day" => event.all_day = flag(field, value)?,
                "end_date" => event.end_date = date(field, value)?,
                "end_time" => event.end_time = time(field, value)?,
                "duration" => event.duration = number(field, value)?,
                "zone" => event.zone = text(field, value)?,
                "location" => event.location = text(field, value)?,
                "boat" => event.boat = text(field, value)?,
                "instructor" => event.instructor = text(field, value)?,
                "booked" => event.booked = number(field, value)?,
                "capacity" => event.capacity = number(field, value)?,
                "status" => event.status = status(field, value)?,
                "description" => event.description = text(field, value)?,
                "series" => event.series = text(field, value)?,
                "changed_at" => event.changed_at = instant(field, value)?,
                name => {
                    let name = name.strip_prefix(EXTRA).unwrap_or(name);
                    event.extra.insert(name.to_owned(), value.clone());
                }
            }
        }
        Ok(event)
    }
}

/// `09:00`: minutes are as fine as a calendar shows.
fn clock(time: Time) -> String {
    time.strftime("%H:%M").to_string()
}

fn time(field: &FieldName, value: &Value) -> Result<Option<Time>> {
    let wrong = || wrong(field, "a time of day such as 09:00");
    match value {
        value if value.is_blank() => Ok(None),
        Value::Text(text) => {
            let text = text.trim();
            // The parser would take more forms than are documented, whole dates among them.
            let is_clock = matches!(text.len(), 5 | 8) && text.bytes().all(|byte| byte.is_ascii_digit() || byte == b':');
            if is_clock { text.parse().map(Some).map_err(|_| wrong()) } else { Err(wrong()) }
        }
        _ => Err(wrong()),
    }
}

fn status(field: &FieldName, value: &Value) -> Result<Option<EventStatus>> {
    match value {
        value if value.is_blank() => Ok(None),
        Value::Text(text) => match text.trim() {
            "scheduled" => Ok(Some(EventStatus::Scheduled)),
            "cancelled" => Ok(Some(EventStatus::Cancelled)),
            _ => Err(wrong(field, "\"scheduled\" or \"cancelled\"")),
        },
        _ => Err(wrong(field, "\"scheduled\" or \"cancelled\"")),
    }
}

#[cfg(test)]
mod tests {
    use jiff::civil;
    use proptest::prelude::*;

    use super::*;

    fn full() -> Event {
        Event {
            title: Some("Reef trip".into()),
            date: Some(civil::date(2026, 12, 3)),
            start_time: Some(civil::time(9, 0, 0, 0)),
            all_day: Some(false),
            end_date: Some(civil::date(2026, 12, 3)),
            end_time: Some(civil::time(12, 30, 0, 0)),
            duration: Some(Decimal::from(210)),
            zone: Some("Europe/Madrid".into()),
            location: Some("Harbour, pier 4".into()),
            boat: Some("Manta".into()),
            instructor: Some("I-7".into()),
            booked: Some(Decimal::from(6)),
            capacity: Some(Decimal::from(12)),
            status: Some(EventStatus::Scheduled),
            description: Some("Bring a towel".into()),
            series: Some("S-3".into()),
            changed_at: Some(Timestamp::UNIX_EPOCH),
            extra: [("level".to_owned(), Value::text("rescue"))].into(),
        }
    }

    #[test]
    fn an_event_survives_the_round_trip_with_every_field() {
        let record = full().into_record();
        assert_eq!(record.iter().count(), Event::FIELDS.len() + 1);
        assert_eq!(Event::from_record(&record).unwrap(), full());
        assert_eq!(record.text("start_time"), Some("09:00"));
    }

    #[test]
    fn a_field_of_the_wrong_type_is_named_with_a_remedy_and_without_its_value() {
        for (field, value) in [
            ("title", Value::Bool(true)),
            ("date", Value::text("CANARY")),
            ("start_time", Value::text("CANARY")),
            ("start_time", Value::text("9:00")),
            ("end_time", Value::text("25:00")),
            ("end_time", Value::text("2026-12-03T09:00")),
            ("all_day", Value::text("CANARY")),
            ("duration", Value::text("CANARY")),
            ("status", Value::text("CANARY")),
            ("changed_at", Value::text("CANARY")),
        ] {
            let error = Event::from_record(&Record::new().with(field, value)).unwrap_err();
            assert!(error.message().contains(field) && error.remedy().is_some(), "{error}");
            assert!(!format!("{error:?}").contains("CANARY"));
        }
    }

    #[test]
    fn blank_dates_times_and_words_are_as_good_as_none() {
        let blank =
            Record::new().with("start_time", Value::text(" ")).with("date", Value::Null).with("status", Value::text(""));
        assert_eq!(Event::from_record(&blank).unwrap(), Event::default());
    }

    #[test]
    fn debug_shows_no_content() {
        assert!(!format!("{:?}", full()).contains("Reef"));
    }

    proptest! {
        #[test]
        fn any_texts_and_minutes_survive_the_round_trip(title in ".*", place in ".*", hour in 0_i8..24, minute in 0_i8..60) {
            let event = Event {
                title: Some(title),
                location: Some(place),
                start_time: Some(civil::time(hour, minute, 0, 0)),
                ..Event::default()
            };
            prop_assert_eq!(Event::from_record(&event.clone().into_record()).unwrap(), event);
        }
    }
}
