//! One connection's settings.

use std::collections::BTreeMap;

use serde::Deserialize;
use sync_core::{
    ConflictPolicy, ContainerId, Direction, Error, FieldName, FieldOwner, FieldSet, Filter, FilterTest, Guard, Hash,
    OnRefusal, OnRemoteDelete, OnRemoteNew, OutOfScope, Record, ResourceName, Result, Rules, model::time_zone,
    settings::wrong_setting,
};

use crate::{
    calendars::CREATE,
    descriptor::{TRAINING_SESSIONS, TRIPS, WHEN},
    template::Template,
};

/// What one organization decided about its calendar.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
#[non_exhaustive]
pub struct GoogleCalendarSettings {
    /// The calendar. Nothing is synced without one; [`CREATE`] stands for one that is still to be made.
    pub calendar: Option<String>,
    /// The calendar of training sessions, where it is another one.
    pub training_calendar: Option<ContainerId>,
    /// Calendars by a field, such as one for each boat.
    pub calendars_by: Option<CalendarsBy>,
    /// The zone of events that name none; else the calendar's.
    pub zone: Option<String>,
    /// Which sides a sync may write.
    pub direction: Direction,
    /// The event's title.
    pub title: Template,
    /// The event's text. Where it isn't one field alone, what people write there goes with the next change of its fields.
    pub text: Template,
    /// What becomes of what was called off.
    pub cancelled: Cancelled,
    /// What the title of a cancelled event starts with.
    pub cancelled_prefix: String,
    /// How long an event takes that doesn't say, in minutes.
    pub default_minutes: u32,
    /// What ended more than so many days ago is neither written nor deleted. An edge is a day in UTC.
    pub past_days: u16,
    /// What starts more than so many months ahead is not written yet.
    pub future_months: u8,
    /// Minutes before the start at which the calendar reminds its readers; else as the calendar does it.
    pub reminders: Option<Vec<u32>>,
    /// How the time is shown to others.
    pub show_as: ShowAs,
    /// Whether a change of time that people make to an event with bookings waits for an answer.
    pub booked_moves: BookedMoves,
    /// Whether events count that others made, and series.
    pub foreign: bool,
    /// As what they count.
    pub foreign_as: Kind,
    /// Which records go at all.
    pub filter: Option<Filter>,
    /// What happens to the event of a record that leaves the filter.
    pub out_of_scope: OutOfScope,
    /// Who wins where both sides changed a field.
    pub conflicts: BTreeMap<FieldName, ConflictPolicy>,
    /// Who wins where a record that was new here was found there.
    pub on_match: ConflictPolicy,
    /// What happens to events that are new there.
    pub on_remote_new: OnRemoteNew,
    /// What happens when an event was deleted there.
    pub on_remote_delete: OnRemoteDelete,
    /// What happens when the host refuses a change that was made there.
    pub on_refusal: OnRefusal,
}

impl Default for GoogleCalendarSettings {
    fn default() -> Self {
        Self {
            calendar: None,
            training_calendar: None,
            calendars_by: None,
            zone: None,
            direction: Direction::Push,
            title: template(DEFAULT_TITLE),
            text: template(DEFAULT_TEXT),
            cancelled: Cancelled::default(),
            cancelled_prefix: DEFAULT_PREFIX.to_owned(),
            default_minutes: DEFAULT_MINUTES,
            past_days: DEFAULT_PAST_DAYS,
            future_months: DEFAULT_FUTURE_MONTHS,
            reminders: None,
            show_as: ShowAs::default(),
            booked_moves: BookedMoves::default(),
            foreign: false,
            foreign_as: Kind::default(),
            filter: None,
            out_of_scope: OutOfScope::default(),
            conflicts: BTreeMap::new(),
            on_match: ConflictPolicy::default(),
            on_remote_new: OnRemoteNew::default(),
            on_remote_delete: OnRemoteDelete::default(),
            on_refusal: OnRefusal::default(),
        }
    }
}

pub(crate) const DEFAULT_TITLE: &str = "{title}";
/// No names, no notes: a calendar is often shared.
pub(crate) const DEFAULT_TEXT: &str = "Boat: {boat}\nMeeting point: {location}\nBooked: {booked}/{capacity}";
pub(crate) const DEFAULT_PREFIX: &str = "Cancelled: ";
/// As long as an event that is made by hand in Google Calendar.
pub(crate) const DEFAULT_MINUTES: u32 = 60;
pub(crate) const DEFAULT_PAST_DAYS: u16 = 30;
pub(crate) const DEFAULT_FUTURE_MONTHS: u8 = 18;

/// Longest title prefix, in characters.
pub(crate) const MAX_PREFIX_CHARS: usize = 40;
/// Longest event that doesn't say, in minutes: a week.
pub(crate) const MAX_MINUTES: u32 = 7 * 24 * 60;
/// Farthest edge of the window back, in days: ten years.
pub(crate) const MAX_PAST_DAYS: u16 = 3653;
/// Farthest edge of the window ahead, in months: ten years.
pub(crate) const MAX_FUTURE_MONTHS: u8 = 120;
/// Source: <https://developers.google.com/workspace/calendar/api/v3/reference/events>, `reminders.overrides`: at most five,
/// each at most four weeks before the start.
pub(crate) const MAX_REMINDERS: usize = 5;
pub(crate) const MAX_REMINDER_MINUTES: u32 = 40_320;

fn template(source: &str) -> Template {
    Template::try_from(source.to_owned()).unwrap_or_else(|error| unreachable!("a constant: {error}"))
}

/// A calendar for each value of a field. Other values go to the connection's calendar.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CalendarsBy {
    /// The field, such as `boat`.
    pub field: FieldName,
    /// Its values, each with a calendar.
    pub calendars: BTreeMap<String, ContainerId>,
}

/// What becomes of what was called off.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Cancelled {
    /// It stays, marked in its title, shown as free, without reminders.
    #[default]
    Mark,
    /// Its event is deleted, and comes back with it.
    Delete,
}

/// How the time of events is shown to others.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ShowAs {
    /// As taken.
    #[default]
    Busy,
    /// As free.
    Free,
}

/// What a change of time comes to that people make to an event with bookings.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum BookedMoves {
    /// A person is asked.
    #[default]
    Ask,
    /// It is written.
    Write,
}

/// The kinds of records.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// Trips.
    #[default]
    Trips,
    /// Training sessions.
    TrainingSessions,
}

impl Kind {
    /// The resource.
    pub(crate) fn resource(self) -> ResourceName {
        match self {
            Self::Trips => TRIPS,
            Self::TrainingSessions => TRAINING_SESSIONS,
        }
    }
}

impl GoogleCalendarSettings {
    /// Checks what the types can't.
    ///
    /// # Errors
    /// [`Config`](sync_core::ErrorKind::Config) names the setting.
    pub(crate) fn validate(&self) -> Result<()> {
        for (setting, calendar) in self.named_calendars() {
            if calendar.trim().is_empty() || calendar.len() > 256 || calendar.chars().any(char::is_control) {
                return Err(wrong(&setting, "is not the id of a calendar", "Choose the calendar from the list."));
            }
        }
        if self.named_calendars().any(|(setting, calendar)| calendar == CREATE && setting != "calendar") {
            return Err(wrong("calendar", "alone can be a new one", "Make the calendar first, then choose it."));
        }
        if let Some(by) = &self.calendars_by
            && by.field.as_str().trim().is_empty()
        {
            return Err(wrong("calendars_by.field", "names no field", "Name a field, such as boat."));
        }
        if self.zone.as_deref().is_some_and(|zone| time_zone(zone).is_err()) {
            return Err(wrong("zone", "is no zone of the IANA database", "Choose one, such as Europe/Madrid."));
        }
        if self.title.is_empty() || self.title.is_long() {
            return Err(wrong(
                "title",
                "must be one line with something in it",
                "Write it like {title} or {title} ({boat}).",
            ));
        }
        if self.cancelled_prefix.trim().is_empty() || self.cancelled_prefix.chars().count() > MAX_PREFIX_CHARS {
            return Err(wrong(
                "cancelled_prefix",
                "must have 1 to 40 characters",
                "Write a short word, such as \"Cancelled: \".",
            ));
        }
        if self.cancelled == Cancelled::Delete && self.filter.is_some() {
            return Err(wrong(
                "cancelled",
                "can't be \"delete\" together with a filter",
                "Take one of the two out: deleting what was called off is a filter by itself.",
            ));
        }
        if !(1..=MAX_MINUTES).contains(&self.default_minutes) {
            return Err(wrong("default_minutes", "must be between 1 and 10080", "Choose a length of at most a week."));
        }
        if self.past_days > MAX_PAST_DAYS {
            return Err(wrong("past_days", "must be between 0 and 3653", "Choose at most ten years."));
        }
        if !(1..=MAX_FUTURE_MONTHS).contains(&self.future_months) {
            return Err(wrong("future_months", "must be between 1 and 120", "Choose at most ten years."));
        }
        let reminders = self.reminders.as_deref().unwrap_or_default();
        if reminders.len() > MAX_REMINDERS || reminders.iter().any(|minutes| *minutes > MAX_REMINDER_MINUTES) {
            return Err(wrong("reminders", "are at most five, each at most 40320 minutes before", "Take some out."));
        }
        if let Some(field) = self.conflicts.keys().find(|field| !self.may_conflict(field)) {
            let setting = format!("conflicts.{field}");
            return Err(wrong(&setting, "is no field that both sides can change", "Take it out."));
        }
        Ok(())
    }

    /// Calendars that the settings name, each with the setting. The connection's own comes first.
    pub(crate) fn named_calendars(&self) -> impl Iterator<Item = (String, &str)> {
        let by = self.calendars_by.iter().flat_map(|by| &by.calendars);
        let own = self.calendar.iter().map(|calendar| ("calendar".to_owned(), calendar.as_str()));
        own.chain(self.training_calendar.iter().map(|calendar| ("training_calendar".to_owned(), calendar.as_str())))
            .chain(by.map(|(value, calendar)| (format!("calendars_by.calendars.{value}"), calendar.as_str())))
    }

    /// The connection's calendar, where it was made and chosen.
    pub(crate) fn own_calendar(&self) -> Option<ContainerId> {
        self.calendar.as_deref().filter(|calendar| *calendar != CREATE).map(ContainerId::new)
    }

    /// Where a record goes.
    pub(crate) fn calendar_of(&self, resource: &ResourceName, fields: &Record) -> Option<ContainerId> {
        let by = self.calendars_by.as_ref().and_then(|by| by.calendars.get(fields.text(by.field.as_str())?));
        let training = self.training_calendar.as_ref().filter(|_| *resource == TRAINING_SESSIONS);
        by.or(training).cloned().or_else(|| self.own_calendar())
    }

    /// The calendars whose events are read.
    pub(crate) fn calendars(&self) -> Vec<ContainerId> {
        let mut calendars: Vec<ContainerId> = Vec::new();
        for (_, calendar) in self.named_calendars().filter(|(_, calendar)| *calendar != CREATE) {
            if !calendars.iter().any(|known| known.as_str() == calendar) {
                calendars.push(ContainerId::new(calendar));
            }
        }
        calendars
    }

    /// True when the event's title says the record's title and nothing else that changes.
    pub(crate) fn tells_title(&self) -> bool {
        self.title.tells("title")
    }

    /// True when the event's text is the record's description.
    pub(crate) fn tells_description(&self) -> bool {
        self.text.tells("description")
    }

    fn may_conflict(&self, field: &FieldName) -> bool {
        match field.as_str() {
            "title" => self.tells_title(),
            "description" => self.tells_description(),
            name => name == "location" || WHEN.contains(&name),
        }
    }

    /// Changes when the same record would look different there.
    fn mapping_digest(&self) -> String {
        let mut hash = Hash::start();
        for text in [self.title.as_str(), self.text.as_str(), &self.cancelled_prefix, self.zone.as_deref().unwrap_or("")] {
            hash.text(text);
        }
        hash.text(&format!("{:?} {:?} {}", self.reminders, self.show_as, self.default_minutes));
        // What lies in another calendar than the settings say by now is moved.
        for (setting, calendar) in self.named_calendars() {
            hash.text(&setting);
            hash.text(calendar);
        }
        hash.finish().to_string()
    }

    /// The policies for the engine.
    pub(crate) fn rules(&self) -> Rules {
        let names = ["date", "start_time", "all_day", "end_date", "end_time", "duration", "zone", "location", "status"];
        let mut fields: FieldSet = names.into_iter().map(FieldName::from_static).collect();
        fields.extend(self.title.fields().chain(self.text.fields()).cloned());
        fields.extend(self.filter.iter().map(|filter| filter.field.clone()));
        fields.extend(self.calendars_by.iter().map(|by| by.field.clone()));
        let is_newest = |policy: &ConflictPolicy| *policy == ConflictPolicy::Newest;
        let needs_times = self.conflicts.values().any(is_newest) || is_newest(&self.on_match);
        let changed_at = needs_times.then(|| FieldName::from_static("changed_at"));
        fields.extend(changed_at.clone());
        // Each occurrence is an event of its own; the same change to several is one question.
        let series = (self.direction != Direction::Push).then(|| FieldName::from_static("series"));
        fields.extend(series.clone());
        let booked = FieldName::from_static("booked");
        let mut guards = Vec::new();
        if self.booked_moves == BookedMoves::Ask {
            fields.insert(booked.clone());
            let when = Filter { field: booked, test: FilterTest::MoreThan(rust_decimal::Decimal::ZERO) };
            guards.push(Guard { fields: WHEN.iter().copied().map(FieldName::from_static).collect(), when: Some(when) });
        }
        let owners = fields.iter().filter(|field| !self.may_conflict(field));
        let owners = owners.map(|field| (field.clone(), FieldOwner::Local)).collect();
        let mut rules = Rules::new(fields);
        rules.mapping = self.mapping_digest();
        rules.owners = owners;
        rules.filter.clone_from(&self.filter);
        rules.out_of_scope = self.out_of_scope;
        if self.cancelled == Cancelled::Delete {
            let test = FilterTest::NoneOf(vec!["cancelled".to_owned()]);
            rules.filter = Some(Filter { field: FieldName::from_static("status"), test });
            rules.out_of_scope = OutOfScope::Archive;
        }
        rules.conflicts = self.conflicts.iter().map(|(field, policy)| (field.clone(), *policy)).collect();
        rules.on_match = self.on_match;
        rules.on_remote_new = if self.foreign { self.on_remote_new } else { OnRemoteNew::Ignore };
        rules.on_remote_delete = self.on_remote_delete;
        rules.on_refusal = self.on_refusal;
        rules.direction = self.direction;
        rules.changed_at = changed_at;
        rules.series = series;
        rules.guards = guards;
        rules
    }
}

fn wrong(setting: &str, what: &str, remedy: &'static str) -> Error {
    wrong_setting("Google Calendar", setting, what, remedy)
}

#[cfg(test)]
mod tests;
