//! Single events. Each test names the public source of its rule; G stands for
//! <https://developers.google.com/workspace/calendar/api/guides>, R for
//! <https://developers.google.com/workspace/calendar/api/v3/reference>.

#![allow(clippy::expect_used, reason = "helpers of tests")]

mod support;

use http::Method;
use serde_json::{Value, json};
use support::google::{CAPTAIN, ID, Lab, TRIPS, event, events, of, reason, seed, trip};
use sync_sandbox::{GoogleQuirks, Revival, SandboxOptions};

// R/events/insert, `id`.
#[test]
fn an_event_is_made_under_an_id_of_ours() {
    let lab = Lab::new();
    let (status, made) = lab.post(&events("?sendUpdates=none"), trip(ID));
    assert_eq!((status, made["id"].as_str(), made["status"].as_str()), (200, Some(ID), Some("confirmed")));
    assert_eq!(made["start"], json!({"dateTime": "2026-04-03T09:00:00+02:00", "timeZone": "Europe/Madrid"}));
    assert_eq!(made["organizer"]["email"], TRIPS);
    assert_eq!(lab.get(&event(ID)), (200, made));
    let (_, other) = lab.post(&events(""), {
        let mut without = trip(ID);
        without.as_object_mut().expect("an object").remove("id");
        without
    });
    assert!(other["id"].as_str().is_some_and(|id| id.len() >= 5 && id != ID), "the service chooses one");
}

// G/errors, 409 `duplicate`; GitHub googleapis/google-api-python-client issue 846: the id of a deleted event stays taken.
#[test]
fn an_id_is_taken_once_and_for_ever() {
    let lab = Lab::with(of(&[trip(ID)]), SandboxOptions::default());
    let taken = |lab: &Lab| {
        let (status, body) = lab.post(&events(""), trip(ID));
        assert_eq!((status, reason(&body)), (409, "duplicate"));
        assert_eq!(body["error"]["message"], "The requested identifier already exists.");
    };
    taken(&lab);
    lab.person("delete", ID);
    taken(&lab);
    lab.person("purge", ID);
    assert_eq!(lab.get(&event(ID)).0, 404);
    taken(&lab);
}

// R/events/insert, `id`: base32hex, 5 to 1024 characters.
#[test]
fn ids_of_other_characters_are_refused() {
    let lab = Lab::new();
    for id in ["abcd", "with-dash", "UPPER123", "wxyz12", "a_20260101"] {
        let (status, body) = lab.post(&events(""), trip(id));
        assert_eq!((status, reason(&body)), (400, "invalid"), "{id}");
    }
}

// G/version-resources: "If-Match", 412 and 304.
#[test]
fn a_write_with_an_old_etag_is_refused() {
    let lab = Lab::with(of(&[trip(ID)]), SandboxOptions::default());
    let (_, before) = lab.get(&event(ID));
    let etag = before["etag"].as_str().expect("an etag");
    assert!(etag.starts_with('"') && etag.ends_with('"'));
    let with =
        |method: Method, etag: &str, body: Option<Value>| lab.send_with(method, &event(ID), &[("if-match", etag)], body);
    let rename = || Some(json!({"summary": "Night dive"}));
    let (status, after) = with(Method::PATCH, etag, rename());
    assert_eq!((status, after["summary"].as_str()), (200, Some("Night dive")));
    assert_ne!(after["etag"], before["etag"]);
    for (method, body) in [(Method::PATCH, rename()), (Method::PUT, Some(trip(ID))), (Method::DELETE, None)] {
        let (status, body) = with(method.clone(), etag, body);
        assert_eq!((status, reason(&body)), (412, "conditionNotMet"), "{method}");
    }
    let now = after["etag"].as_str().expect("an etag");
    let seen = lab.send_with(Method::GET, &event(ID), &[("if-none-match", now)], None);
    assert_eq!(seen, (304, Value::Null));
    assert_eq!(with(Method::DELETE, now, None).0, 204);
}

// GitHub phw198/OutlookGoogleCalendarSync issues 1145 and 1593.
#[test]
fn the_service_may_touch_an_event_by_itself() {
    let lab = Lab::with(of(&[trip(ID)]), SandboxOptions::default());
    let (_, before) = lab.get(&event(ID));
    lab.person("touch", ID);
    let (_, after) = lab.get(&event(ID));
    assert_ne!(before["etag"], after["etag"]);
    assert_eq!((&before["summary"], &before["sequence"]), (&after["summary"], &after["sequence"]));
}

// GitHub googleapis/google-api-java-client issue 1535, google-api-python-client issue 210; R/events, `status`.
#[test]
fn a_deleted_event_is_shown_as_cancelled_and_can_come_back() {
    let lab = Lab::with(of(&[trip(ID)]), SandboxOptions::default());
    assert_eq!(lab.delete(&event(ID)).0, 204);
    let (status, gone) = lab.get(&event(ID));
    assert_eq!((status, gone["status"].as_str(), gone["summary"].as_str()), (200, Some("cancelled"), Some("Wreck dive")));
    let (status, body) = lab.delete(&event(ID));
    assert_eq!((status, reason(&body)), (410, "deleted"));
    let (status, body) = lab.patch(&event(ID), json!({"summary": "Still there?"}));
    assert_eq!((status, body["status"].as_str()), (200, Some("cancelled")), "a patch without status revives nothing");
    let (status, back) = lab.patch(&event(ID), json!({"status": "confirmed"}));
    assert_eq!((status, back["status"].as_str()), (200, Some("confirmed")));
}

// GitHub googleapis/google-api-ruby-client issue 1811: an update of a deleted event may answer 403 `forbidden`.
#[test]
fn a_deleted_event_may_refuse_to_come_back() {
    for (revival, status, why) in [(Revival::Forbidden, 403, "forbidden"), (Revival::NotFound, 404, "notFound")] {
        let mut quirks = GoogleQuirks::default();
        quirks.revival = revival;
        let lab = Lab::with(of(&[trip(ID)]).with_quirks(quirks), SandboxOptions::default());
        lab.delete(&event(ID));
        for (method, body) in [(Method::PATCH, json!({"status": "confirmed"})), (Method::PUT, trip(ID))] {
            let (code, body) = lab.send(method, &event(ID), Some(body));
            assert_eq!((code, reason(&body)), (status, why));
        }
        assert_eq!(lab.get(&event(ID)).1["status"], "cancelled");
    }
}

// R/events/patch ("array fields, if specified, overwrite the existing arrays") and R/events/update (no patch semantics).
#[test]
fn a_patch_keeps_what_it_does_not_name_and_an_update_resets_it() {
    let mut rich = trip(ID);
    rich["description"] = json!("Bring a torch");
    rich["extendedProperties"] = json!({"private": {"a": "1", "b": "2"}});
    rich["reminders"] = json!({"useDefault": false, "overrides": [{"method": "popup", "minutes": 60}]});
    let lab = Lab::with(of(&[rich]), SandboxOptions::default());
    let (_, after) =
        lab.patch(&event(ID), json!({"summary": "x", "extendedProperties": {"private": {"b": null, "c": "3"}}}));
    assert_eq!(after["description"], "Bring a torch");
    assert_eq!(after["extendedProperties"]["private"], json!({"a": "1", "c": "3"}));
    assert_eq!(after["reminders"]["overrides"][0]["minutes"], 60);
    let (_, after) = lab.put(&event(ID), trip(ID));
    for name in ["description", "extendedProperties"] {
        assert_eq!(after.get(name), None, "{name}");
    }
    assert_eq!(after["reminders"], json!({"useDefault": true}));
    let (status, body) = lab.put(&event(ID), json!({"summary": "x"}));
    assert_eq!((status, reason(&body)), (400, "required"), "an update needs start and end");
}

// R/events, `start` and `end`; G/errors, `timeRangeEmpty`, `required`.
#[test]
fn times_that_make_no_sense_are_refused() {
    let lab = Lab::new();
    let at = |text: &str| json!({"dateTime": text});
    let utc = "2026-04-03T09:00:00Z";
    for (start, end, why) in [
        (at("2026-04-03T10:00:00Z"), at(utc), "timeRangeEmpty"),
        (json!({"date": "2026-04-03"}), json!({"date": "2026-04-03"}), "timeRangeEmpty"),
        (at(utc), Value::Null, "required"),
        (at("2026-04-03T09:00:00"), at("2026-04-03T10:00:00"), "required"),
        (json!({"dateTime": utc, "timeZone": "Europe/Atlantis"}), at("2026-04-03T10:00:00Z"), "invalid"),
        (at(utc), json!({"date": "2026-04-04"}), "invalid"),
    ] {
        let (status, body) = lab.post(&events(""), json!({"start": start, "end": end}));
        assert_eq!((status, reason(&body)), (400, why), "{start} {end}");
    }
    let (status, _) = lab.post(
        &events(""),
        json!({
            "start": {"dateTime": "2026-04-03T09:00:00", "timeZone": "Asia/Tokyo"},
            "end": {"dateTime": "2026-04-03T10:00:00", "timeZone": "Asia/Tokyo"},
        }),
    );
    assert_eq!(status, 200, "a zone stands for the offset");
}

// R/events/list and R/events/get, `timeZone`: "The default is the time zone of the calendar."
#[test]
fn times_are_shown_in_the_calendars_zone_with_the_events_own_beside() {
    let lab = Lab::new();
    let mut tokyo = trip(ID);
    tokyo["start"] = json!({"dateTime": "2026-04-03T16:00:00+09:00", "timeZone": "Asia/Tokyo"});
    tokyo["end"] = json!({"dateTime": "2026-04-03T17:00:00+09:00", "timeZone": "Asia/Tokyo"});
    let (_, made) = lab.post(&events(""), tokyo);
    assert_eq!(made["start"], json!({"dateTime": "2026-04-03T09:00:00+02:00", "timeZone": "Asia/Tokyo"}));
    let (_, shown) = lab.get(&(event(ID) + "?timeZone=UTC"));
    assert_eq!(shown["start"]["dateTime"], "2026-04-03T07:00:00Z");
    lab.act(json!({"do": "set-zone", "calendar": TRIPS, "zone": "America/New_York"}));
    assert_eq!(lab.get(&event(ID)).1["start"]["dateTime"], "2026-04-03T03:00:00-04:00");
}

// A patch merges objects, so that the other member must be deleted: R/events/patch.
#[test]
fn a_timed_event_becomes_all_day_only_if_the_time_is_taken_away() {
    let lab = Lab::with(of(&[trip(ID)]), SandboxOptions::default());
    let days = json!({"start": {"date": "2026-04-03"}, "end": {"date": "2026-04-04"}});
    let (status, body) = lab.patch(&event(ID), days);
    assert_eq!((status, reason(&body)), (400, "invalid"));
    let (status, after) = lab.patch(
        &event(ID),
        json!({
            "start": {"date": "2026-04-03", "dateTime": null, "timeZone": null},
            "end": {"date": "2026-04-04", "dateTime": null, "timeZone": null},
        }),
    );
    assert_eq!(
        (status, &after["start"], &after["end"]["date"]),
        (200, &json!({"date": "2026-04-03"}), &json!("2026-04-04"))
    );
}

// R/events, `updated` ("Updating event reminders will not cause this to change") and `sequence`.
#[test]
fn reminders_move_the_etag_alone_and_times_move_the_sequence() {
    let lab = Lab::with(of(&[trip(ID)]), SandboxOptions::default());
    let (_, first) = lab.get(&event(ID));
    let overrides = json!({"reminders": {"useDefault": false, "overrides": [{"method": "popup", "minutes": 5}]}});
    let (_, second) = lab.patch(&event(ID), overrides);
    assert_eq!((&first["updated"], &first["sequence"]), (&second["updated"], &second["sequence"]));
    assert_ne!(first["etag"], second["etag"]);
    lab.act(json!({"do": "shift", "calendar": TRIPS, "event": ID, "minutes": 30}));
    let (_, third) = lab.get(&event(ID));
    assert_ne!(second["updated"], third["updated"]);
    assert_eq!(third["sequence"], 1);
    let (status, body) = lab.patch(&event(ID), json!({"summary": "x", "sequence": 0}));
    assert_eq!((status, reason(&body)), (400, "invalid"), "a stale sequence");
}

// R/events, `reminders`: at most 5 overrides, 0 to 40,320 minutes.
#[test]
fn reminders_have_limits() {
    let lab = Lab::new();
    let many: Vec<Value> = (0..6).map(|minutes| json!({"method": "popup", "minutes": minutes})).collect();
    for (reminders, why) in [
        (json!({"useDefault": false, "overrides": many}), "invalid"),
        (json!({"useDefault": false, "overrides": [{"method": "popup", "minutes": 40_321}]}), "invalid"),
        (json!({"useDefault": false, "overrides": [{"method": "sms", "minutes": 5}]}), "invalid"),
        (
            json!({"useDefault": true, "overrides": [{"method": "popup", "minutes": 5}]}),
            "cannotUseDefaultRemindersAndSpecifyOverride",
        ),
    ] {
        let mut body = trip(ID);
        body["reminders"] = reminders;
        let (status, body) = lab.post(&events(""), body);
        assert_eq!((status, reason(&body)), (400, why));
    }
}

// G/extended-properties: names over 44 characters are dropped, values over 1,024 cut; 300 properties and 32 kB at most.
#[test]
fn extended_properties_are_cut_in_silence() {
    let lab = Lab::new();
    let mut body = trip(ID);
    body["extendedProperties"] = json!({"private": {"k".repeat(45): "lost", "k".repeat(44): "v".repeat(2000)}});
    let (status, made) = lab.post(&events(""), body.clone());
    let kept = made["extendedProperties"]["private"].as_object().expect("properties");
    assert_eq!((status, kept.len()), (200, 1));
    assert_eq!(kept["k".repeat(44).as_str()].as_str().map(str::len), Some(1024));
    let many: serde_json::Map<String, Value> = (0..301).map(|n| (format!("k{n}"), json!("v"))).collect();
    let large: serde_json::Map<String, Value> = (0..40).map(|n| (format!("k{n}"), json!("v".repeat(1000)))).collect();
    for properties in [many, large] {
        let (status, _) = lab.patch(&event(ID), json!({"extendedProperties": {"private": properties}}));
        assert_eq!(status, 400);
    }
}

// G/errors, 403 `forbiddenForNonOrganizer`: "use PATCH instead of PUT" and only what is one's own.
#[test]
fn somebody_elses_event_takes_only_what_is_personal() {
    let mut foreign = trip(ID);
    foreign["organizer"] = json!({"email": "boss@example.org"});
    foreign["location"] = json!("Office");
    let lab = Lab::with(of(&[foreign]), SandboxOptions::default());
    assert_eq!(lab.get(&event(ID)).1["organizer"], json!({"email": "boss@example.org"}));
    for (method, body) in [(Method::PATCH, json!({"summary": "Mine now"})), (Method::PUT, trip(ID))] {
        let (status, body) = lab.send(method, &event(ID), Some(body));
        assert_eq!((status, reason(&body)), (403, "forbiddenForNonOrganizer"));
    }
    let own = json!({"extendedProperties": {"private": {"seen": "1"}}, "reminders": {"useDefault": false}});
    assert_eq!(lab.patch(&event(ID), own).0, 200);
    assert_eq!(lab.delete(&event(ID)).0, 204, "everybody may remove his own copy");
}

// R/events/insert, `sendUpdates`; GitHub inovex/CalendarSync issue 280: invitations count without a mail, too.
#[test]
fn mails_to_guests_are_counted_and_invitations_have_a_limit() {
    let mut seed = seed();
    seed.quotas.invitations = Some(2);
    let lab = Lab::with(seed, SandboxOptions::default());
    let with = |id: &str, guests: &[&str]| {
        let mut body = trip(id);
        body["attendees"] = guests.iter().map(|email| json!({"email": email})).collect();
        body
    };
    lab.post(&events("?sendUpdates=none"), with("quiet1", &["ada@example.org"]));
    assert_eq!((lab.count("mails_sent"), lab.count("invitations")), (0, 1));
    lab.post(&events("?sendUpdates=all"), with("loud1", &["bob@example.com", "cleo@example.org"]));
    assert_eq!((lab.count("mails_sent"), lab.count("invitations")), (2, 2));
    let (status, body) = lab.post(&events("?sendUpdates=none"), with("over1", &["dan@example.org"]));
    assert_eq!((status, reason(&body)), (403, "quotaExceeded"));
    assert_eq!(lab.delete(&(event("loud1") + "?sendUpdates=externalOnly")).0, 204);
    assert_eq!(lab.count("mails_sent"), 3);
}

// R/events/move.
#[test]
fn an_event_changes_its_calendar_and_leaves_a_cancelled_one_behind() {
    let lab = Lab::with(of(&[trip(ID)]), SandboxOptions::default());
    let (status, moved) = lab.send(Method::POST, &(event(ID) + "/move?destination=primary&sendUpdates=none"), None);
    assert_eq!((status, moved["organizer"]["email"].as_str()), (200, Some(CAPTAIN)));
    assert_eq!(lab.get(&event(ID)).1["status"], "cancelled");
    assert_eq!(lab.get(&format!("/calendar/v3/calendars/primary/events/{ID}")).1["status"], "confirmed");
}

#[test]
fn unknown_parameters_fields_paths_and_methods_are_refused_and_recorded() {
    let lab = Lab::with(of(&[trip(ID)]), SandboxOptions::default());
    let mut odd = trip("odd01");
    odd["colour"] = json!("red");
    let mut meet = trip("odd02");
    meet["conferenceData"] = json!({});
    for (method, path, body) in [
        (Method::GET, events("?sort=up"), None),
        (Method::POST, events(""), Some(odd)),
        (Method::POST, events(""), Some(meet)),
        (Method::POST, events("?conferenceDataVersion=1"), Some(trip("odd03"))),
        (Method::POST, events("/import"), Some(trip("odd04"))),
        (Method::PUT, events(""), None),
        (Method::GET, "/calendar/v3/colors".into(), None),
    ] {
        let n_before = lab.refused().len();
        let (status, body) = lab.send(method, &path, body);
        assert!(status >= 400, "{path}");
        assert!(body["error"]["message"].as_str().is_some_and(|text| text.starts_with("Sandbox:")), "{path}: {body}");
        assert_eq!(lab.refused().len(), n_before + 1, "{path}");
    }
}

#[test]
fn seeds_that_make_no_sense_are_left_out_and_show() {
    let lab = Lab::with(of(&[trip(ID), json!({"id": "notime"}), trip("Bad-Id")]), SandboxOptions::default());
    assert_eq!(lab.sandbox.summary()["calendars"][TRIPS]["counts"]["live"], 1);
    assert_eq!(lab.refused().len(), 2);
}
