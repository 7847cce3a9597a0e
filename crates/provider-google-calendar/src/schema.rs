//! The settings as a JSON schema, for pages and programs that ask for them.

use serde_json::{Value, json};
use sync_core::settings::schema;

use crate::settings::{
    DEFAULT_FUTURE_MONTHS, DEFAULT_MINUTES, DEFAULT_PAST_DAYS, DEFAULT_PREFIX, DEFAULT_TEXT, DEFAULT_TITLE,
    MAX_FUTURE_MONTHS, MAX_MINUTES, MAX_PAST_DAYS, MAX_PREFIX_CHARS, MAX_REMINDER_MINUTES, MAX_REMINDERS,
};

/// The schema of [`crate::GoogleCalendarSettings`].
pub(crate) fn settings_schema() -> Value {
    schema::object("Google Calendar", &["calendar"], [calendars(), looks(), two_ways()])
}

fn calendars() -> Value {
    json!({
        "calendar": {
            "type": "string",
            "title": "Calendar",
            "description": "Where trips and training sessions go. A calendar of its own keeps your private ones out of reach.",
            "minLength": 1,
            "x-choices": "calendars",
        },
        "training_calendar": {
            "type": "string",
            "title": "Calendar for training sessions",
            "description": "Only where they don't go with the trips.",
            "minLength": 1,
            "x-choices": "calendars",
        },
        "calendars_by": {
            "type": "object",
            "title": "Calendars by a field",
            "description": "A calendar for each boat, instructor or the like; what has none goes to the calendar above.",
            "required": ["field", "calendars"],
            "properties": {
                "field": {"type": "string", "minLength": 1},
                "calendars": {
                    "type": "object",
                    "additionalProperties": {"type": "string", "minLength": 1, "x-choices": "calendars"},
                },
            },
            "additionalProperties": false,
        },
        "zone": {
            "type": "string",
            "title": "Time zone",
            "description": "The zone of records that name none. Without it, the calendar's.",
            "x-choices": "time-zones",
        },
        "filter": schema::filter("Which records go"),
        "out_of_scope": schema::out_of_scope("Records that leave the filter", "Keep their events as they are, or delete them."),
        "past_days": {
            "type": "integer",
            "title": "Days back",
            "description": "What ended earlier is neither written nor deleted.",
            "minimum": 0,
            "maximum": MAX_PAST_DAYS,
            "default": DEFAULT_PAST_DAYS,
        },
        "future_months": {
            "type": "integer",
            "title": "Months ahead",
            "description": "What starts later waits until it comes closer.",
            "minimum": 1,
            "maximum": MAX_FUTURE_MONTHS,
            "default": DEFAULT_FUTURE_MONTHS,
        },
    })
}

fn looks() -> Value {
    json!({
        "title": {
            "type": "string",
            "title": "Title of events",
            "description": "With fields in braces: {title} ({boat}). Only {title} alone, or between fixed words, can be changed in the calendar too.",
            "minLength": 1,
            "default": DEFAULT_TITLE,
        },
        "text": {
            "type": "string",
            "title": "Text of events",
            "description": "With fields in braces; a line with an empty field is left out. Empty: no text is written.",
            "default": DEFAULT_TEXT,
        },
        "cancelled": schema::one_of(
            "What was called off",
            "Mark its event in the title, show it as free and without reminders; or delete the event.",
            &["mark", "delete"],
        ),
        "cancelled_prefix": {
            "type": "string",
            "title": "Mark of what was called off",
            "description": "What its title starts with.",
            "minLength": 1,
            "maxLength": MAX_PREFIX_CHARS,
            "default": DEFAULT_PREFIX,
        },
        "default_minutes": {
            "type": "integer",
            "title": "Usual length in minutes",
            "description": "Of records that say neither an end nor a duration.",
            "minimum": 1,
            "maximum": MAX_MINUTES,
            "default": DEFAULT_MINUTES,
        },
        "reminders": {
            "type": "array",
            "title": "Reminders",
            "description": "Minutes before the start. Without it, as the calendar does it; an empty list: none.",
            "items": {"type": "integer", "minimum": 0, "maximum": MAX_REMINDER_MINUTES},
            "maxItems": MAX_REMINDERS,
        },
        "show_as": schema::one_of("Show the time as", "", &["busy", "free"]),
    })
}

fn two_ways() -> Value {
    json!({
        "direction": schema::direction("Push writes the calendar, pull writes your records, both does both."),
        "booked_moves": schema::one_of(
            "Moves of what is booked",
            "Whether a change of time made in the calendar waits for an answer where places are booked.",
            &["ask", "write"],
        ),
        "conflicts": schema::conflicts(
            "Who wins where both changed a field",
            "By field: you, the calendar, the newer, or ask. Ask where nothing is said.",
        ),
        "on_match": schema::conflict_policy("Who wins where a new record was there already", ""),
        "foreign": {
            "type": "boolean",
            "title": "Events that others made",
            "description": "Whether events count that were made in the calendar, and series.",
            "default": false,
        },
        "foreign_as": schema::one_of("As what they count", "", &["trips", "training-sessions"]),
        "on_remote_new": schema::on_remote_new("Events that are new in the calendar", ""),
        "on_remote_delete": schema::on_remote_delete(
            "Events deleted in the calendar",
            "Ask, let the record go its own way, cancel or delete the record, or make the event again.",
        ),
        "on_refusal": schema::on_refusal("Changes that your rules refuse", "Ask, or put the event back."),
    })
}

#[cfg(test)]
mod tests {
    use sync_testkit::settings::assert_schema_fits;

    use super::*;
    use crate::GoogleCalendarSettings;

    #[test]
    fn the_schema_lists_what_the_settings_take() {
        assert_schema_fits::<GoogleCalendarSettings>(
            &settings_schema(),
            &json!({
                "calendar": "a@group.calendar.google.com",
                "training_calendar": "a@group.calendar.google.com",
                "calendars_by": {"field": "boat", "calendars": {"Manta": "m"}},
                "zone": "Europe/Madrid",
                "filter": {"field": "boat", "any-of": ["x"]},
                "reminders": [60],
            }),
        );
    }
}
