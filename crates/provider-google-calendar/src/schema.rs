//! The settings as a JSON schema, for pages and programs that ask for them.

use serde_json::{Value, json};

use crate::settings::{
    DEFAULT_FUTURE_MONTHS, DEFAULT_MINUTES, DEFAULT_PAST_DAYS, DEFAULT_PREFIX, DEFAULT_TEXT, DEFAULT_TITLE,
    MAX_FUTURE_MONTHS, MAX_MINUTES, MAX_PAST_DAYS, MAX_PREFIX_CHARS, MAX_REMINDER_MINUTES, MAX_REMINDERS,
};

/// The schema of [`crate::GoogleCalendarSettings`].
pub(crate) fn settings_schema() -> Value {
    let mut properties = calendars();
    for more in [looks(), two_ways()] {
        if let (Value::Object(all), Value::Object(more)) = (&mut properties, more) {
            all.extend(more);
        }
    }
    json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Google Calendar",
        "type": "object",
        "additionalProperties": false,
        "required": ["calendar"],
        "properties": properties,
    })
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
        "filter": {
            "type": "object",
            "title": "Which records go",
            "description": "A test on one field.",
            "required": ["field"],
            "properties": {
                "field": {"type": "string", "minLength": 1},
                "any-of": {"type": "array", "items": {"type": "string"}},
                "none-of": {"type": "array", "items": {"type": "string"}},
                "present": {"type": "boolean"},
                "more-than": {"type": "string"},
            },
            "additionalProperties": false,
            "minProperties": 2,
            "maxProperties": 2,
        },
        "out_of_scope": {
            "type": "string",
            "title": "Records that leave the filter",
            "description": "Keep their events as they are, or delete them.",
            "enum": ["keep", "archive"],
            "default": "keep",
        },
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
        "cancelled": {
            "type": "string",
            "title": "What was called off",
            "description": "Mark its event in the title, show it as free and without reminders; or delete the event.",
            "enum": ["mark", "delete"],
            "default": "mark",
        },
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
        "show_as": {
            "type": "string",
            "title": "Show the time as",
            "enum": ["busy", "free"],
            "default": "busy",
        },
    })
}

fn two_ways() -> Value {
    let who_wins = ["local-wins", "remote-wins", "newest", "ask"];
    json!({
        "direction": {
            "type": "string",
            "title": "Direction",
            "description": "Push writes the calendar, pull writes your records, both does both.",
            "enum": ["push", "pull", "both"],
            "default": "push",
        },
        "booked_moves": {
            "type": "string",
            "title": "Moves of what is booked",
            "description": "Whether a change of time made in the calendar waits for an answer where places are booked.",
            "enum": ["ask", "write"],
            "default": "ask",
        },
        "conflicts": {
            "type": "object",
            "title": "Who wins where both changed a field",
            "description": "By field: you, the calendar, the newer, or ask. Ask where nothing is said.",
            "additionalProperties": {"type": "string", "enum": who_wins},
            "default": {},
        },
        "on_match": {
            "type": "string",
            "title": "Who wins where a new record was there already",
            "enum": who_wins,
            "default": "ask",
        },
        "foreign": {
            "type": "boolean",
            "title": "Events that others made",
            "description": "Whether events count that were made in the calendar, and series.",
            "default": false,
        },
        "foreign_as": {
            "type": "string",
            "title": "As what they count",
            "enum": ["trips", "training-sessions"],
            "default": "trips",
        },
        "on_remote_new": {
            "type": "string",
            "title": "Events that are new in the calendar",
            "enum": ["ignore", "ask", "create"],
            "default": "ignore",
        },
        "on_remote_delete": {
            "type": "string",
            "title": "Events deleted in the calendar",
            "description": "Ask, let the record go its own way, cancel or delete the record, or make the event again.",
            "enum": ["flag", "detach", "cancel", "recreate", "delete"],
            "default": "flag",
        },
        "on_refusal": {
            "type": "string",
            "title": "Changes that your rules refuse",
            "description": "Ask, or put the event back.",
            "enum": ["ask", "put-back"],
            "default": "ask",
        },
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::GoogleCalendarSettings;

    #[test]
    fn every_property_of_the_schema_is_a_setting_and_its_default_can_be_read() {
        let schema = settings_schema();
        for (name, property) in schema["properties"].as_object().unwrap() {
            let value = match name.as_str() {
                "calendar" | "training_calendar" => json!("a@group.calendar.google.com"),
                "calendars_by" => json!({"field": "boat", "calendars": {"Manta": "m"}}),
                "zone" => json!("Europe/Madrid"),
                "filter" => json!({"field": "boat", "any-of": ["x"]}),
                "reminders" => json!([60]),
                _ => property["default"].clone(),
            };
            let settings = json!({name: value});
            serde_json::from_value::<GoogleCalendarSettings>(settings).unwrap_or_else(|error| panic!("{name}: {error}"));
        }
    }

    #[test]
    fn every_setting_is_in_the_schema() {
        // serde lists the settings that it knows when it meets one that it doesn't.
        let error = serde_json::from_value::<GoogleCalendarSettings>(json!({"?": 1})).unwrap_err().to_string();
        let known = error.split('`').skip(3).step_by(2).collect::<Vec<_>>();
        let schema = settings_schema();
        let properties = schema["properties"].as_object().unwrap();
        assert!(known.len() > 20, "{error}");
        assert!(known.iter().all(|name| properties.contains_key(*name)), "{known:?}");
        assert_eq!(known.len(), properties.len(), "{known:?}");
    }
}
