//! What a captain's calendar tells.

use std::sync::Arc;

use bytes::Bytes;
use http::Response;
use serde_json::json;
use sync_core::{Stop, Value};
use sync_testkit::{Fault, FaultRule, On, sim::Rig};

use super::{Broken, differs, meddling::Meddling, wrong};
use crate::{Harbour, ORG, harbour::CALENDAR};

/// A harbour with so many trips, all of them in the calendar.
fn at_rest(settings: serde_json::Value, n_trips: i64) -> Harbour {
    let harbour = Harbour::new(settings, 1);
    for n in 0..n_trips {
        harbour.put(&format!("t{n:03}"), harbour.trip(&format!("Trip {n}"), 1 + n));
    }
    harbour.agree();
    harbour.sync();
    harbour.wire.take_log();
    harbour
}

fn retitle(harbour: &Harbour, title: &str) {
    harbour.edit("t000", "title", Value::text(title));
}

fn titles(harbour: &Harbour) -> Vec<String> {
    harbour.events(CALENDAR).values().map(|event| event["summary"].as_str().unwrap_or_default().to_owned()).collect()
}

/// Titles that should be there, and are not.
fn missing(harbour: &Harbour, title: &str) -> Broken {
    wrong(!titles(harbour).iter().any(|one| one == title), format!("law 2: {title} is not there"))
}

pub(super) fn a_change_of_what_moved_there_arrives() -> Broken {
    let harbour = at_rest(json!({"direction": "push"}), 1);
    harbour.act(json!({"do": "touch", "calendar": CALENDAR, "event": harbour.id_of("Trip 0")}));
    retitle(&harbour, "Deep reef");
    harbour.sync();
    harbour.sync();
    missing(&harbour, "Deep reef")
}

pub(super) fn what_people_change_meanwhile_is_not_written_over() -> Broken {
    let harbour = at_rest(json!({}), 1);
    let (theirs, event) = (harbour.clone(), harbour.id_of("Trip 0"));
    let people = Meddling::default();
    people.next(move || {
        theirs.act(json!({"do": "edit", "calendar": CALENDAR, "event": event, "body": {"summary": "Theirs"}}));
    });
    let (store, shop, transport) =
        (harbour.rig.store().clone(), harbour.shop.clone(), people.around(Arc::new(harbour.wire.clone())));
    let rig = Rig::new(provider_google_calendar::REGISTRATION, harbour.clock.clone(), store, shop, transport).with_seed(9);
    retitle(&harbour, "Ours");
    harbour.clock.block_on(rig.sync(ORG));
    // Either it is there still, or somebody was asked.
    wrong(!titles(&harbour).contains(&"Theirs".to_owned()) && harbour.questions().is_empty(), "law 2: it was written over")
}

pub(super) fn a_conflict_that_is_settled_is_told() -> Broken {
    let harbour = at_rest(json!({"conflicts": {"location": "local-wins"}}), 1);
    let body = json!({"location": "Pier 9"});
    harbour.act(json!({"do": "edit", "calendar": CALENDAR, "event": harbour.id_of("Trip 0"), "body": body}));
    harbour.edit("t000", "location", Value::text("Pier 4"));
    harbour.sync();
    let trail = harbour.clock.block_on(harbour.rig.store().trail(&harbour.rig.scope(ORG), "t000", 100)).unwrap_or_default();
    let is_told = trail.iter().any(|(_, row)| row.outcome.code == sync_core::code::CONFLICT_SETTLED);
    wrong(!is_told, "law 2: what the captain wrote was replaced, and nobody was told")
}

/// The calendar's next full listing shows nothing.
fn show_nothing(harbour: &Harbour) {
    let body = json!({"kind": "calendar#events", "items": [], "nextSyncToken": "none"}).to_string();
    let mut answer = Response::new(Bytes::from(body));
    answer.headers_mut().insert(http::header::CONTENT_TYPE, http::HeaderValue::from_static("application/json"));
    harbour.act(json!({"do": "expire-sync-tokens", "calendar": CALENDAR}));
    // The first request is told that its token is too old.
    harbour.wire.add(FaultRule::once(Fault::Answer(Box::new(answer))).on(On::Reads).path("/events").skip(1));
}

pub(super) fn an_empty_listing_deletes_nothing() -> Broken {
    let harbour = at_rest(json!({}), 4);
    show_nothing(&harbour);
    harbour.sync();
    let mut broken = differs("listings that showed nothing", &harbour.wire.n_struck(), &1);
    broken.extend(differs("law 8: deletions that somebody was asked about", &harbour.questions().len(), &0));
    broken
}

pub(super) fn a_calendar_that_shows_nothing_is_not_believed() -> Broken {
    let harbour = at_rest(json!({}), 60);
    show_nothing(&harbour);
    let stopped = harbour.sync().details.and_then(|details| details.stopped);
    let mut broken = differs("listings that showed nothing", &harbour.wire.n_struck(), &1);
    broken.extend(differs("law 8: stopped", &stopped, &Some(Stop::Breaker)));
    broken
}

pub(super) fn nobody_is_told_by_mail() -> Broken {
    let harbour = Harbour::new(json!({}), 1);
    harbour.put("t000", harbour.trip("Trip 0", 1));
    harbour.agree();
    retitle(&harbour, "Deep reef");
    harbour.sync();
    let says_all = |sent: &sync_testkit::Sent| {
        sent.uri.to_string().contains("sendUpdates=all") || String::from_utf8_lossy(&sent.body).contains("sendUpdates=all")
    };
    let n_told = harbour.wire.take_log().iter().filter(|sent| says_all(sent)).count();
    differs("law 9: calls that send mails", &n_told, &0)
}
