//! Whole stories against the sandbox's Google.

use bytes::Bytes;
use provider_google_calendar::{REGISTRATION, create_calendar};
use serde_json::{Value as Json, json};
use sync_core::{
    Change, Check, Connection, ErrorKind, Find, FindBy, Found, Marker, Opened, Operation, Receipt, Record, Remote, RemoteId,
    RemoteState, Signal, Value, Watch, WebhookKeys, channel_id,
};
use sync_sandbox::{CalendarSeed, GoogleClientSeed, GoogleQuirks, GoogleSeed, GoogleTokenSeed, Revival};

use crate::{
    story::{ADA, Story, TOKEN},
    support::{CALENDAR, MARK, TRIPS, create, on, remove, trip, update},
};

/// A trip that the window of the sandbox's clock (2026-03-01) takes in.
fn soon() -> Record {
    on("2026-03-28")
}

fn mark(n: usize) -> String {
    format!("{n:032x}")
}

fn only(changes: &[Change]) -> &Remote {
    match changes {
        [Change::Upsert(remote)] => remote,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn what_the_captain_moves_comes_back_on_the_clocks_of_the_trip() {
    let story = Story::new(json!({})).await;
    let zone = soon().with("zone", Value::text("Atlantic/Canary"));
    let made = story.done(&create(MARK, zone)).await;
    assert_eq!(made.fields.text("start_time"), Some("09:00"));
    let (changes, cursor) = story.list(None).await.unwrap();
    assert_eq!(only(&changes).fields, made.fields);

    // Into the night in which clocks are changed.
    story.there(json!({"do": "shift", "calendar": CALENDAR, "event": MARK, "minutes": 15 * 60}));
    let (changes, cursor) = story.list(Some(cursor)).await.unwrap();
    let moved = only(&changes);
    assert_eq!((moved.fields.text("start_time"), moved.fields.text("end_time")), (Some("00:00"), Some("04:00")));
    assert_eq!(moved.fields.value("date"), Some(&Value::Date("2026-03-29".parse().unwrap())));
    // The service touches it: another version, and nothing else.
    story.there(json!({"do": "touch", "calendar": CALENDAR, "event": MARK}));
    let (changes, _) = story.list(Some(cursor)).await.unwrap();
    assert_eq!(only(&changes).fields, moved.fields);
    assert_ne!(only(&changes).version, moved.version);
}

#[tokio::test]
async fn night_dives_and_whole_days_come_back_as_they_are() {
    let story = Story::new(json!({})).await;
    let night = soon().with("start_time", Value::text("20:30")).with("end_time", Value::text("01:00"));
    let made = story.done(&create(&mark(1), night)).await;
    assert_eq!(made.fields.value("end_date"), Some(&Value::Date("2026-03-29".parse().unwrap())));
    assert_eq!(made.fields.text("end_time"), Some("01:00"));

    let mut safari = soon().with("end_date", Value::Date("2026-03-30".parse().unwrap()));
    safari.remove("start_time");
    safari.remove("end_time");
    let made = story.done(&create(&mark(2), safari.clone())).await;
    assert_eq!(made.fields.value("end_date"), safari.value("end_date"));
    assert_eq!(made.fields.value("all_day"), Some(&Value::Bool(true)));
    // Hours on one day again: the other form's members go.
    let hours = soon().with("all_day", Value::Bool(false));
    let back = story.done(&update(made, hours, &["all_day", "start_time", "end_time", "end_date"])).await;
    assert_eq!((back.fields.text("start_time"), back.fields.text("end_time")), (Some("09:00"), Some("12:00")));
}

#[tokio::test]
async fn what_was_called_off_stays_marked_and_comes_back() {
    let story = Story::new(json!({"reminders": [60]})).await;
    let made = story.done(&create(MARK, soon())).await;
    let off = story.done(&update(made, soon().with("status", Value::text("cancelled")), &["status"])).await;
    let shown = &story.events()[MARK];
    assert_eq!((&shown["summary"], &shown["transparency"]), (&json!("Cancelled: Reef trip"), &json!("transparent")));
    assert_eq!(shown["status"], json!("confirmed"));
    assert_eq!((off.fields.text("title"), off.fields.text("status")), (Some("Reef trip"), Some("cancelled")));
    let back = story.done(&update(off, soon().with("status", Value::text("scheduled")), &["status"])).await;
    assert_eq!(back.fields.text("status"), Some("scheduled"));
    assert_eq!(story.events()[MARK]["summary"], json!("Reef trip"));
}

#[tokio::test]
async fn a_deleted_trip_is_made_again_whatever_google_says_about_its_id() {
    for revival in [Revival::Works, Revival::Forbidden, Revival::NotFound] {
        let story = Story::of(json!({}), |seed| {
            let mut quirks = GoogleQuirks::default();
            quirks.revival = revival;
            seed.with_quirks(quirks)
        })
        .await;
        let mut ids = Vec::new();
        for _ in 0..3 {
            let made = story.done(&create(MARK, soon())).await;
            let found = story.find(FindBy::Markers(&[Marker::new(MARK)])).await.unwrap();
            assert!(matches!(&found, Found::One(one) if one.id == made.id && one.marker == Some(MARK.into())), "{found:?}");
            ids.push(made.id.to_string());
            story.there(json!({"do": "delete", "calendar": CALENDAR, "event": made.id}));
            assert_eq!(story.find(FindBy::Ids(std::slice::from_ref(&made.id))).await.unwrap(), Found::Gone);
            assert_eq!(story.find(FindBy::Markers(&[Marker::new(MARK)])).await.unwrap(), Found::Gone);
        }
        let expected = match revival {
            Revival::Works => vec![MARK.to_owned(); 3],
            _ => vec![MARK.to_owned(), format!("{MARK}g1"), format!("{MARK}g2")],
        };
        assert_eq!(ids, expected, "{revival:?}");
    }
}

#[tokio::test]
async fn fifty_trips_cost_one_call_and_pushing_them_again_makes_none() {
    let story = Story::new(json!({})).await;
    let ops: Vec<Operation> = (0..50).map(|n| create(&mark(n), soon())).collect();
    let receipts = story.push(&ops).await.unwrap();
    for (n, receipt) in receipts.iter().enumerate() {
        assert!(matches!(receipt, Receipt::Done { id, .. } if id.as_str() == mark(n)), "{n}: {receipt:?}");
    }
    assert_eq!(story.events().len(), 50);
    story.there(json!({"do": "shift", "calendar": CALENDAR, "event": mark(7), "minutes": 30}));
    for (n, receipt) in story.push(&ops).await.unwrap().iter().enumerate() {
        match receipt {
            Receipt::Done { id, .. } if n != 7 => assert_eq!(id.as_str(), mark(n)),
            Receipt::Taken(Some(id)) if n == 7 => assert_eq!(id.as_str(), mark(n)),
            other => panic!("{n}: {other:?}"),
        }
    }
    assert_eq!(story.events().len(), 50);
}

#[tokio::test]
async fn single_calls_of_a_batch_fail_alone() {
    let story = Story::new(json!({})).await;
    let trouble = json!({"do": "trouble", "operation": "events.insert", "status": 403, "reason": "userRateLimitExceeded",
        "after": 1, "times": 1});
    story.there(trouble);
    let ops: Vec<Operation> = (0..4).map(|n| create(&mark(n), soon())).collect();
    let receipts = story.push(&ops).await.unwrap();
    let n_done = receipts.iter().filter(|receipt| matches!(receipt, Receipt::Done { .. })).count();
    let n_open = receipts.iter().filter(|receipt| matches!(receipt, Receipt::Uncertain(_))).count();
    assert_eq!((n_done, n_open), (3, 1));
    assert_eq!(story.events().len(), 3);
}

#[tokio::test]
async fn old_tokens_ask_for_a_full_pass_in_both_of_googles_forms() {
    for with_400 in [false, true] {
        let story = Story::new(json!({})).await;
        story.done(&create(MARK, soon())).await;
        let (_, cursor) = story.list(None).await.unwrap();
        story.there(json!({"do": "expire-sync-tokens", "calendar": CALENDAR, "with_400": with_400}));
        assert_eq!(story.list(Some(cursor)).await.unwrap_err().kind(), ErrorKind::CursorExpired);
        story.there(json!({"do": "delete", "calendar": CALENDAR, "event": MARK}));
        let (changes, cursor) = story.list(None).await.unwrap();
        assert_eq!(changes, [], "a full pass has no word about deletions");
        story.list(Some(cursor)).await.unwrap();
    }
}

#[tokio::test]
async fn short_and_empty_pages_are_followed_to_the_end() {
    let story = Story::of(json!({}), |seed| {
        let mut quirks = GoogleQuirks::default();
        (quirks.page_cap, quirks.empty_page_every) = (Some(2), Some(2));
        seed.with_quirks(quirks)
    })
    .await;
    let ops: Vec<Operation> = (0..9).map(|n| create(&mark(n), soon())).collect();
    story.push(&ops).await.unwrap();
    assert_eq!(story.list(None).await.unwrap().0.len(), 9);
}

#[tokio::test]
async fn a_persons_series_and_copies_pass_through_unharmed() {
    let story = Story::new(json!({})).await;
    story.done(&create(MARK, soon())).await;
    let (_, cursor) = story.list(None).await.unwrap();
    let body = json!({"summary": "Yoga", "recurrence": ["RRULE:FREQ=WEEKLY;COUNT=4"],
        "start": {"dateTime": "2026-03-10T08:00:00+01:00", "timeZone": "Europe/Madrid"},
        "end": {"dateTime": "2026-03-10T09:00:00+01:00", "timeZone": "Europe/Madrid"}});
    let series = story.there(json!({"do": "create", "calendar": CALENDAR, "body": body}))["event"].clone();
    let occurrence = format!("{}_20260317T070000Z", series.as_str().unwrap());
    story.there(json!({"do": "shift", "calendar": CALENDAR, "event": occurrence, "minutes": 30}));
    let next = format!("{}_20260324T070000Z", series.as_str().unwrap());
    story.there(json!({"do": "delete", "calendar": CALENDAR, "event": next}));
    story.there(json!({"do": "copy", "calendar": CALENDAR, "event": MARK}));
    let before = story.events();
    assert_eq!(story.list(Some(cursor)).await.unwrap().0, []);
    assert_eq!(story.list(None).await.unwrap().0.len(), 1);
    assert_eq!(story.events(), before);
}

#[tokio::test]
async fn an_edit_between_reading_and_writing_is_noticed() {
    let story = Story::new(json!({})).await;
    let made = story.done(&create(MARK, soon())).await;
    let body = json!({"location": "Beach"});
    story.there(json!({"do": "edit", "calendar": CALENDAR, "event": MARK, "body": body}));
    let renamed = soon().with("title", Value::text("Night dive"));
    let stale = update(made.clone(), renamed.clone(), &["title"]);
    assert!(matches!(story.push(&[stale]).await.unwrap()[0], Receipt::Moved));
    assert!(matches!(story.push(&[remove(made)]).await.unwrap()[0], Receipt::Moved));
    let Found::One(fresh) = story.find(FindBy::Ids(&[MARK.into()])).await.unwrap() else { panic!("it is there") };
    let after = story.done(&update(*fresh, renamed, &["title"])).await;
    assert_eq!((after.fields.text("title"), after.fields.text("location")), (Some("Night dive"), Some("Beach")));
}

#[tokio::test]
async fn a_calendar_that_goes_away_takes_no_trip_with_it() {
    let story = Story::new(json!({})).await;
    let made = story.done(&create(MARK, soon())).await;
    let (_, cursor) = story.list(None).await.unwrap();
    story.there(json!({"do": "delete-calendar", "calendar": CALENDAR}));
    assert_eq!(story.list(Some(cursor)).await.unwrap_err().kind(), ErrorKind::Config);
    assert_eq!(story.find(FindBy::Ids(&[MARK.into()])).await.unwrap_err().kind(), ErrorKind::Config);
    assert_eq!(story.push(&[create(&mark(5), soon())]).await.unwrap_err().kind(), ErrorKind::Config);
    assert!(matches!(story.push(&[update(made, soon(), &["title"])]).await.unwrap()[0], Receipt::Moved));
    let checked = story.handler.check(&story.context(), Check::Settings).await.unwrap();
    assert_eq!(checked.problems.len(), 1);
}

#[tokio::test]
async fn what_we_removed_comes_back_with_its_record() {
    let story = Story::new(json!({})).await;
    let made = story.done(&create(MARK, soon())).await;
    assert!(matches!(story.push(&[remove(made.clone())]).await.unwrap()[0], Receipt::Done { .. }));
    let mut removed = Remote { version: None, ..made };
    removed.state = RemoteState::Archived;
    let back = story.done(&update(removed, soon(), &["title", "date", "start_time", "end_time", "location"])).await;
    assert_eq!((back.id.as_str(), back.fields.text("location")), (MARK, Some("Harbour")));
}

#[tokio::test]
async fn the_narrowest_scope_makes_a_calendar_and_syncs_it() {
    let scope = "https://www.googleapis.com/auth/calendar.app.created";
    let client = GoogleClientSeed::new("app", "secret");
    let email = "https://www.googleapis.com/auth/userinfo.email";
    let token = GoogleTokenSeed::new(TOKEN, ADA).with_scopes(&[scope, email]).of_client("app");
    let seed = GoogleSeed::new(ADA).with_oauth_client(client).with_token(token);
    let story = Story::in_world(json!({"calendar": "create"}), seed.clone()).await;
    let choices = story.handler.choices(&story.context(), sync_core::Choices::new("calendars", None)).await.unwrap();
    assert_eq!(choices.iter().map(|choice| choice.value.as_str()).collect::<Vec<_>>(), ["create"]);
    let account = story.handler.check(&story.context(), Check::Account).await.unwrap().accounts;
    assert_eq!(account.first().map(|(id, _)| id.as_str()), Some(ADA));
    let made = create_calendar(&story.context(), "Trips", Some("Europe/Madrid")).await.unwrap();

    let connection = Connection::new("shop".into(), json!({"calendar": made.value})).with_account(Some(ADA.into()));
    let Opened::Sync(handler) = (REGISTRATION.build)(Json::Null).unwrap().open(connection).unwrap() else { panic!("sync") };
    let story = Story { handler, ..story };
    let account = story.handler.check(&story.context(), Check::Account).await.unwrap().accounts;
    assert_eq!(account.first().map(|(id, _)| id.as_str()), Some(ADA));
    let checked = story.handler.check(&story.context(), Check::Settings).await.unwrap();
    assert_eq!(checked.problems, []);
    let story = Story { facts: checked.facts, ..story };
    let op = Operation { container: Some(made.value.as_str().into()), ..create(MARK, soon()) };
    assert_eq!(story.done(&op).await.id.as_str(), MARK);
}

#[tokio::test]
async fn a_channel_calls_when_something_changes() {
    struct Keys;
    impl WebhookKeys for Keys {
        fn keys(&self, scope: &str) -> Vec<Bytes> {
            if scope == channel_id("s3cret") { vec!["s3cret".into()] } else { Vec::new() }
        }
    }
    let story = Story::new(json!({})).await;
    let feed = REGISTRATION.descriptor.feed("events").unwrap();
    let container = CALENDAR.into();
    let url = "https://hooks.example.org/google-calendar";
    let start = Watch::Start { feed, container: Some(&container), url, secret: "s3cret" };
    let watching = story.handler.watch(&story.context(), start).await.unwrap();
    story.done(&create(MARK, soon())).await;
    let integration = (REGISTRATION.build)(Json::Null).unwrap();
    let messages = story.sandbox.take_outbound();
    let signals: Vec<Vec<Signal>> = messages
        .iter()
        .map(|message| {
            let inbound = integration.inbound(&Keys, message).unwrap();
            inbound.signals.into_iter().map(|(_, signal)| signal).collect()
        })
        .collect();
    assert_eq!(signals, [vec![], vec![Signal::Channel { channel: channel_id("s3cret") }]]);
    story.handler.watch(&story.context(), Watch::Stop(&watching)).await.unwrap();
    story.done(&create(&mark(3), soon())).await;
    assert!(story.sandbox.take_outbound().is_empty());
}

#[tokio::test]
async fn nobody_is_invited_and_a_change_costs_what_was_said() {
    let story = Story::new(json!({})).await;
    let before = story.sandbox.summary()["units"].as_u64().unwrap_or_default();
    let made = story.done(&create(MARK, trip().with("date", soon().value("date").cloned().unwrap()))).await;
    story.done(&update(made, soon().with("title", Value::text("Night dive")), &["title"])).await;
    let state = story.sandbox.summary();
    assert_eq!((&state["mails_sent"], &state["invitations"]), (&json!(0), &json!(0)));
    assert_eq!((story.operations("events.insert"), story.operations("events.patch")), (1, 1));
    // Counted only where the sandbox enforces quotas.
    let units = state["units"].as_u64().unwrap_or_default() - before;
    assert!(units == 0 || units == 4, "{units} units");
    assert_eq!(state["refused"], json!([]));
}

#[tokio::test]
async fn an_event_in_another_calendar_is_none_of_this_one() {
    let story =
        Story::of(json!({}), |seed| seed.with_calendar(CalendarSeed::new("b@group.calendar.google.com", "B", ADA))).await;
    story.done(&create(MARK, soon())).await;
    let other = "b@group.calendar.google.com".into();
    let ids = [RemoteId::from(MARK)];
    let found = story.handler.find(&story.context(), Find::new(&TRIPS, Some(&other), FindBy::Ids(&ids))).await.unwrap();
    assert_eq!(found, [Found::Absent]);
}
