use serde_json::{Value as Json, json};
use sync_core::{Connection, Value};

use super::*;

fn read(settings: Json) -> Result<GoogleCalendarSettings, String> {
    let settings: GoogleCalendarSettings =
        Connection::new("shop".into(), settings).settings().map_err(|error| error.to_string())?;
    settings.validate().map_err(|error| error.message().to_owned())?;
    Ok(settings)
}

fn names(rules: &Rules) -> Vec<&str> {
    rules.fields.iter().map(FieldName::as_str).collect()
}

fn owner(rules: &Rules, field: &str) -> FieldOwner {
    rules.owners.iter().find(|(name, _)| name.as_str() == field).map_or(FieldOwner::Both, |(_, owner)| *owner)
}

#[test]
fn no_settings_at_all_push_without_names_and_notes() {
    let rules = read(json!({})).unwrap().rules();
    assert_eq!(rules.direction, Direction::Push);
    assert_eq!((rules.on_remote_new, rules.on_remote_delete), (OnRemoteNew::Ignore, OnRemoteDelete::Flag));
    let fields = names(&rules);
    assert!(["title", "date", "zone", "booked", "boat"].iter().all(|field| fields.contains(field)), "{fields:?}");
    assert!(!fields.contains(&"instructor") && !fields.contains(&"description") && !fields.contains(&"changed_at"));
}

#[test]
fn a_field_is_either_sides_only_where_it_can_be_read_back() {
    let default = read(json!({})).unwrap().rules();
    for field in ["title", "location", "date", "end_time"] {
        assert_eq!(owner(&default, field), FieldOwner::Both, "{field}");
    }
    for field in ["boat", "booked", "status", "zone", "duration"] {
        assert_eq!(owner(&default, field), FieldOwner::Local, "{field}");
    }
    let mixed = read(json!({"title": "{title} ({boat})", "text": "{description}"})).unwrap().rules();
    assert_eq!((owner(&mixed, "title"), owner(&mixed, "description")), (FieldOwner::Local, FieldOwner::Both));
}

#[test]
fn a_move_of_an_event_with_bookings_is_asked_about() {
    let rules = read(json!({})).unwrap().rules();
    let [guard] = &rules.guards[..] else { panic!("one guard") };
    let record = |booked: i64| Record::new().with("booked", Value::Decimal(booked.into()));
    assert!(guard.when.as_ref().unwrap().admits(&record(1)) && !guard.when.as_ref().unwrap().admits(&record(0)));
    assert_eq!(guard.fields.len(), WHEN.len());
    assert!(read(json!({"booked_moves": "write"})).unwrap().rules().guards.is_empty());
}

#[test]
fn what_was_called_off_can_be_deleted_by_a_filter() {
    let rules = read(json!({"cancelled": "delete"})).unwrap().rules();
    let with = |status| Record::new().with("status", Value::text(status));
    let filter = rules.filter.unwrap();
    assert!(filter.admits(&with("scheduled")) && filter.admits(&Record::new()) && !filter.admits(&with("cancelled")));
    assert_eq!(rules.out_of_scope, OutOfScope::Archive);
}

#[test]
fn the_newest_counts_only_where_the_host_tells_times() {
    let rules = read(json!({"conflicts": {"location": "newest"}})).unwrap().rules();
    assert!(names(&rules).contains(&"changed_at"));
    assert_eq!(rules.changed_at, Some("changed_at".into()));
    assert_eq!(rules.conflicts, [("location".into(), ConflictPolicy::Newest)]);
}

#[test]
fn series_are_asked_for_where_people_may_move_events() {
    let both = read(json!({"direction": "both"})).unwrap().rules();
    assert_eq!((names(&both).contains(&"series"), both.series), (true, Some("series".into())));
    let push = read(json!({})).unwrap().rules();
    assert_eq!((names(&push).contains(&"series"), push.series), (false, None));
}

#[test]
fn boats_and_trainings_can_have_calendars_of_their_own() {
    let settings = read(json!({
        "calendar": "a@group.calendar.google.com",
        "training_calendar": "t",
        "calendars_by": {"field": "boat", "calendars": {"Manta": "m", "Barracuda": "a@group.calendar.google.com"}},
    }))
    .unwrap();
    let on = |boat: &str| Record::new().with("boat", Value::text(boat));
    let goes = |resource, boat: &str| settings.calendar_of(&resource, &on(boat)).unwrap().to_string();
    assert_eq!(goes(TRIPS, "Manta"), "m");
    assert_eq!(goes(TRIPS, "Nautilus"), "a@group.calendar.google.com");
    assert_eq!(goes(TRAINING_SESSIONS, ""), "t");
    assert_eq!(settings.calendars().len(), 3);
    assert!(names(&settings.rules()).contains(&"boat"));
}

#[test]
fn what_events_look_like_there_has_a_digest() {
    let digest = |settings| read(settings).unwrap().rules().mapping;
    let default = digest(json!({}));
    assert_eq!(default, digest(json!({"direction": "both", "past_days": 3})));
    for other in [
        json!({"calendar": "x"}),
        json!({"title": "Trip: {title}"}),
        json!({"text": ""}),
        json!({"reminders": [5]}),
        json!({"zone": "UTC"}),
    ] {
        assert_ne!(default, digest(other));
    }
}

#[test]
fn a_wrong_setting_is_named() {
    for (settings, word) in [
        (json!({"calendar": " "}), "calendar"),
        (json!({"calendar": "a\nb"}), "calendar"),
        (json!({"training_calendar": "create"}), "calendar"),
        (json!({"calendars_by": {"field": "", "calendars": {}}}), "calendars_by.field"),
        (json!({"calendars_by": {"field": "boat", "calendars": {"Manta": ""}}}), "calendars_by.calendars.Manta"),
        (json!({"zone": "Europe/Madird"}), "zone"),
        (json!({"title": ""}), "title"),
        (json!({"title": "{title}\n{boat}"}), "title"),
        (json!({"title": "{titel}"}), "title: there is no field {titel}"),
        (json!({"text": "{notes}"}), "{notes}"),
        (json!({"cancelled_prefix": " "}), "cancelled_prefix"),
        (json!({"cancelled": "delete", "filter": {"field": "boat", "any-of": ["Manta"]}}), "cancelled"),
        (json!({"default_minutes": 0}), "default_minutes"),
        (json!({"past_days": 4000}), "past_days"),
        (json!({"future_months": 0}), "future_months"),
        (json!({"reminders": [1, 2, 3, 4, 5, 6]}), "reminders"),
        (json!({"reminders": [40321]}), "reminders"),
        (json!({"conflicts": {"boat": "ask"}}), "conflicts.boat"),
        (json!({"direction": "sideways"}), "direction"),
        (json!({"calender": "x"}), "calender"),
    ] {
        let message = read(settings.clone()).unwrap_err();
        assert!(message.contains(word), "{settings}: {message}");
    }
}
