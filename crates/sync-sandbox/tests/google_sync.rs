//! Listing and following changes. G and R as in `google_events.rs`.

#![allow(clippy::expect_used, reason = "helpers of tests")]

mod support;

use std::{collections::BTreeSet, time::Duration};

use serde_json::{Value, json};
use support::google::{ID, Lab, TRIPS, escaped, event, events, ids, of, reason, trip};
use sync_sandbox::{GoogleQuirks, SandboxOptions};

fn many(n: usize) -> Vec<Value> {
    (0..n).map(|n| trip(&format!("trip{n:04}"))).collect()
}

fn lab(events: &[Value]) -> Lab {
    Lab::with(of(events), SandboxOptions::default())
}

fn quirky(events: &[Value], change: impl FnOnce(&mut GoogleQuirks)) -> Lab {
    let mut quirks = GoogleQuirks::default();
    change(&mut quirks);
    Lab::with(of(events).with_quirks(quirks), SandboxOptions::default())
}

// R/events/list, `maxResults` (250 unless asked, at most 2,500) and `nextSyncToken` (on the last page only).
#[test]
fn a_full_listing_is_paged_and_its_last_page_alone_has_a_sync_token() {
    let lab = lab(&many(251));
    let (_, first) = lab.get(&events(""));
    assert_eq!(first["items"].as_array().map(Vec::len), Some(250));
    assert!(first["nextPageToken"].is_string() && first.get("nextSyncToken").is_none());
    let (items, token, n_pages) = lab.pages("maxResults=100");
    assert_eq!((items.len(), n_pages, token.is_some()), (251, 3, true));
    assert_eq!(ids(&items).into_iter().collect::<BTreeSet<_>>().len(), 251, "each once");
    assert_eq!(lab.pages("maxResults=9999").2, 1);
    assert_eq!(lab.get(&events("?maxResults=0")).0, 400);
    assert_eq!(reason(&lab.get(&events("?pageToken=nonsense")).1), "invalid");
}

// R/events/list, `maxResults`: pages may be short or empty "even if there are more".
#[test]
fn pages_may_be_short_and_empty() {
    let lab = quirky(&many(10), |quirks| {
        quirks.page_cap = Some(3);
        quirks.empty_page_every = Some(2);
    });
    let (items, token, n_pages) = lab.pages("maxResults=250");
    assert_eq!((items.len(), n_pages), (10, 7));
    assert_eq!(lab.since(&token.expect("a token")).0, Vec::<Value>::new());
}

// G/sync: incremental sync, deletions with it, none in a full listing.
#[test]
fn changes_come_once_with_deletions_as_bare_ids() {
    let lab = lab(&many(3));
    let token = lab.pages("").1.expect("a token");
    assert_eq!(lab.since(&token).0, Vec::<Value>::new());
    lab.person("delete", "trip0000");
    lab.act(json!({"do": "edit", "calendar": TRIPS, "event": "trip0001", "body": {"summary": "Moved"}}));
    lab.act(json!({"do": "edit", "calendar": TRIPS, "event": "trip0001", "body": {"summary": "Moved again"}}));
    lab.post(&events(""), trip(ID));
    let (items, next) = lab.since(&token);
    assert_eq!(ids(&items), ["trip0000", "trip0001", ID]);
    let members: Vec<&String> = items[0].as_object().expect("an object").keys().collect();
    assert_eq!(members, ["etag", "id", "kind", "status"], "{}", items[0]);
    assert_eq!((items[0]["status"].as_str(), items[1]["summary"].as_str()), (Some("cancelled"), Some("Moved again")));
    assert_eq!(lab.since(&next).0, Vec::<Value>::new());
    assert_eq!(lab.since(&token).0.len(), 3, "an older token still gives what came after it");
    let (all, ..) = lab.pages("");
    assert_eq!(ids(&all), [ID, "trip0001", "trip0002"]);
    assert_eq!(lab.pages("showDeleted=true").0.len(), 4);
    assert_eq!(lab.since(&token).0.len(), 3);
    let (shown, ..) = lab.pages(&format!("syncToken={}&showDeleted=true", escaped(&token)));
    assert_eq!(shown[0]["summary"], "Wreck dive", "details of the deleted are shown where they are asked for");
}

#[test]
fn what_changes_between_two_pages_comes_with_the_next_changes() {
    let lab = lab(&many(6));
    let (_, first) = lab.get(&events("?maxResults=3"));
    lab.act(json!({"do": "edit", "calendar": TRIPS, "event": "trip0000", "body": {"summary": "Late"}}));
    lab.person("delete", "trip0001");
    let page = escaped(first["nextPageToken"].as_str().expect("a token"));
    let (_, last) = lab.get(&events(&format!("?maxResults=3&pageToken={page}")));
    let (items, _) = lab.since(last["nextSyncToken"].as_str().expect("a token"));
    assert_eq!(ids(&items), ["trip0000", "trip0001"]);
}

#[test]
fn a_page_of_changes_is_not_disturbed_by_later_ones() {
    let lab = lab(&[]);
    let token = lab.pages("").1.expect("a token");
    for n in 0..5 {
        lab.post(&events(""), trip(&format!("trip{n:04}")));
    }
    let query = format!("?maxResults=2&syncToken={}", escaped(&token));
    let (_, first) = lab.get(&events(&query));
    lab.act(json!({"do": "edit", "calendar": TRIPS, "event": "trip0000", "body": {"summary": "Late"}}));
    let page = escaped(first["nextPageToken"].as_str().expect("a token"));
    let (_, second) = lab.get(&events(&format!("{query}&pageToken={page}")));
    let page = escaped(second["nextPageToken"].as_str().expect("a token"));
    let (_, third) = lab.get(&events(&format!("{query}&pageToken={page}")));
    assert_eq!(ids(third["items"].as_array().expect("items")), ["trip0004"]);
    assert_eq!(ids(&lab.since(third["nextSyncToken"].as_str().expect("a token")).0), ["trip0000"]);
}

// R/events/list, `syncToken`: 410 when it expires; G/sync. The 400 of a token that is not one: the Nylas guide
// <https://cli.nylas.com/guides>, and the errors of G/errors.
#[test]
fn sync_tokens_expire_in_both_ways() {
    let lab = lab(&many(1));
    let token = lab.pages("").1.expect("a token");
    let ask = |token: &str| lab.get(&events(&format!("?syncToken={}", escaped(token))));
    let (status, body) = ask("nonsense");
    assert_eq!((status, reason(&body)), (400, "invalid"));
    assert_eq!(body["error"]["errors"][0]["location"], "syncToken");
    lab.clock.advance(Duration::from_secs(29 * 24 * 3600));
    let (status, body) = ask(&token);
    assert_eq!((status, reason(&body)), (410, "fullSyncRequired"));
    let token = lab.pages("").1.expect("a token");
    lab.act(json!({"do": "expire-sync-tokens", "calendar": TRIPS, "with_400": true}));
    let (status, body) = ask(&token);
    assert_eq!((status, &body["error"]["errors"][0]["location"]), (400, &json!("syncToken")));
    let other = lab.get("/calendar/v3/calendars/primary/events").1["nextSyncToken"].as_str().expect("a token").to_owned();
    assert_eq!(ask(&other).0, 400, "a token of another calendar");
}

// R/events/list, `syncToken`: what it may not stand beside.
#[test]
fn a_sync_token_stands_beside_few_parameters() {
    let lab = lab(&many(1));
    let token = escaped(&lab.pages("").1.expect("a token"));
    for other in [
        "iCalUID=x",
        "orderBy=updated",
        "privateExtendedProperty=a%3Db",
        "q=dive",
        "sharedExtendedProperty=a%3Db",
        "timeMin=2026-01-01T00:00:00Z",
        "timeMax=2026-01-01T00:00:00Z",
        "updatedMin=2026-02-28T00:00:00Z",
        "showDeleted=false",
    ] {
        assert_eq!(lab.get(&events(&format!("?syncToken={token}&{other}"))).0, 400, "{other}");
    }
    assert_eq!(lab.refused(), Vec::<String>::new(), "all of these the real one refuses, too");
    assert_eq!(lab.get(&events(&format!("?syncToken={token}&maxResults=9"))).0, 200);
    assert_eq!(lab.get(&events(&format!("?syncToken={token}&singleEvents=true"))).0, 400);
    assert_eq!(lab.refused().len(), 1, "undefined behaviour there, refused here");
}

// R/events/list, `timeMin` bounds the end, `timeMax` the start, both exclusive; G/sync: a window of the first listing does
// not bound later changes.
#[test]
fn a_window_bounds_the_first_listing_and_not_the_changes() {
    let mut early = trip("first1");
    early["start"] = json!({"date": "2026-01-01"});
    early["end"] = json!({"date": "2026-01-02"});
    let lab = lab(&[early, trip(ID)]);
    let window = "timeMin=2026-04-03T09:59:59Z&timeMax=2026-05-01T00:00:00Z";
    let (items, token, _) = lab.pages(window);
    assert_eq!(ids(&items), [ID]);
    assert_eq!(lab.pages("timeMin=2026-04-03T10:00:00Z").0.len(), 0, "it ends at 10:00 UTC");
    assert_eq!(lab.pages("timeMax=2026-04-03T07:00:00Z&timeMin=2026-02-01T00:00:00Z").0.len(), 0, "it starts at 7:00 UTC");
    lab.act(json!({"do": "edit", "calendar": TRIPS, "event": "first1", "body": {"summary": "x"}}));
    assert_eq!(ids(&lab.since(&token.expect("a token")).0), ["first1"]);
    assert_eq!(lab.get(&events("?timeMin=2026-01-01T00:00:00")).0, 400, "an offset is required");
    assert_eq!(reason(&lab.get(&events("?timeMin=2026-02-01T00:00:00Z&timeMax=2026-01-01T00:00:00Z")).1), "timeRangeEmpty");
}

// R/events/list, `privateExtendedProperty`, `q`, `iCalUID`, `updatedMin`, `orderBy`.
#[test]
fn listings_are_narrowed_and_then_have_no_sync_token() {
    let mut marked = trip(ID);
    marked["extendedProperties"] = json!({"private": {"sync-marker": ID}});
    let lab = lab(&[marked, trip("plain1")]);
    lab.person("delete", "plain1");
    for (query, expected) in [
        (format!("privateExtendedProperty=sync-marker%3D{ID}"), vec![ID]),
        ("privateExtendedProperty=sync-marker%3Dother".into(), vec![]),
        ("q=WRECK".into(), vec![ID]),
        (format!("iCalUID={ID}%40google.com"), vec![ID]),
        ("updatedMin=2026-02-28T00:00:00Z".into(), vec!["plain1"]),
        ("singleEvents=true&orderBy=startTime".into(), vec![ID]),
    ] {
        let (items, token, _) = lab.pages(&query);
        assert_eq!((ids(&items), token), (expected, None), "{query}");
    }
    assert_eq!(lab.get(&events("?orderBy=startTime")).0, 400);
    let (status, body) = lab.get(&events("?updatedMin=2026-01-01T00:00:00Z"));
    assert_eq!((status, reason(&body)), (410, "updatedMinTooLongAgo"));
    assert_eq!(lab.get(&events("?privateExtendedProperty=a%3Db&privateExtendedProperty=c%3Dd")).0, 400);
}

// G/performance, "Partial response".
#[test]
fn partial_answers_leave_out_the_rest() {
    let lab = lab(&[trip(ID)]);
    let (_, body) = lab.get(&events("?fields=items(id,start/dateTime),nextPageToken"));
    assert_eq!(body, json!({"items": [{"id": ID, "start": {"dateTime": "2026-04-03T09:00:00+02:00"}}]}));
    assert_eq!(lab.get(&events("?fields=timeZone")).1, json!({"timeZone": "Europe/Madrid"}));
    assert_eq!(lab.get(&(event(ID) + "?fields=id")).1, json!({"id": ID}));
}

#[test]
fn a_large_calendar_stays_fast() {
    let lab = lab(&many(5_000));
    let (items, token, n_pages) = lab.pages("maxResults=2500");
    assert_eq!((items.len(), n_pages), (5_000, 2));
    let mut token = token.expect("a token");
    for n in 0..500 {
        lab.act(json!({"do": "shift", "calendar": TRIPS, "event": format!("trip{n:04}"), "minutes": 30}));
        let (changed, next) = lab.since(&token);
        assert_eq!(changed.len(), 1);
        token = next;
    }
}
