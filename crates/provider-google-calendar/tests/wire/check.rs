//! A look at the connection, and choices.

use provider_google_calendar::{CREATE, create_calendar};
use serde_json::json;
use sync_core::{Check, ErrorKind, Value};
use sync_testkit::wire::Wire;
use wiremock::{
    Mock,
    matchers::{body_json, method, path, query_param},
};

use crate::support::{CALENDAR, EVENTS, connected, ok, problem};

const PRIMARY: &str = "/calendar/v3/calendars/primary";
const OWN: &str = "/calendar/v3/calendars/trips%40group.calendar.google.com";
const LIST: &str = "/calendar/v3/users/me/calendarList";

fn get(at: &str) -> wiremock::MockBuilder {
    Mock::given(method("GET")).and(path(at))
}

async fn account(shop: &Wire) -> (String, String) {
    let checked = shop.check(Check::Account).await.unwrap();
    assert!(checked.problems.is_empty());
    let (id, name) = checked.accounts.into_iter().next().unwrap();
    (id.to_string(), name)
}

#[tokio::test]
async fn the_account_is_the_primary_calendar() {
    let shop = connected(json!({})).await;
    shop.mount(get(PRIMARY).respond_with(ok(json!({"id": "ada@example.com", "summary": "Ada"}))).expect(1)).await;
    assert_eq!(account(&shop).await, ("ada@example.com".to_owned(), "Ada".to_owned()));
}

#[tokio::test]
async fn with_the_narrowest_scope_the_account_owns_the_calendar_that_we_made() {
    let shop = connected(json!({})).await;
    shop.mount(get(PRIMARY).respond_with(problem(403, "insufficientPermissions")).expect(1)).await;
    shop.mount(get(OWN).respond_with(ok(json!({"id": CALENDAR, "dataOwner": "ada@example.com"}))).expect(1)).await;
    assert_eq!(account(&shop).await.0, "ada@example.com");
}

#[tokio::test]
async fn before_there_is_a_calendar_the_sign_in_tells_the_account() {
    let shop = connected(json!({"calendar": CREATE})).await;
    shop.mount(get(PRIMARY).respond_with(problem(404, "notFound")).expect(1)).await;
    shop.mount(get("/oauth2/v2/userinfo").respond_with(ok(json!({"email": "ada@example.com"}))).expect(1)).await;
    assert_eq!(account(&shop).await.0, "ada@example.com");
}

#[tokio::test]
async fn a_sign_in_that_tells_no_account_says_what_to_do() {
    let shop = connected(json!({"calendar": CREATE})).await;
    shop.mount(get(PRIMARY).respond_with(problem(403, "insufficientPermissions"))).await;
    shop.mount(get("/oauth2/v2/userinfo").respond_with(problem(404, "notFound"))).await;
    let error = shop.check(Check::Account).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Forbidden);
    assert!(error.remedy().unwrap().contains("tick"));
}

#[tokio::test]
async fn an_account_without_calendar_is_told_at_once() {
    let shop = connected(json!({})).await;
    shop.mount(get(PRIMARY).respond_with(problem(403, "notACalendarUser")).expect(1)).await;
    let error = shop.check(Check::Account).await.unwrap_err();
    assert_eq!(error.provider_code(), Some("notACalendarUser"));
}

#[tokio::test]
async fn the_facts_are_window_zone_and_name() {
    let shop = connected(json!({"past_days": 1})).await;
    let look = ok(json!({"summary": "Trips", "timeZone": "Europe/Madrid", "accessRole": "owner"}));
    shop.mount(get(EVENTS).and(query_param("maxResults", "1")).respond_with(look).expect(1)).await;
    let checked = shop.check(Check::Settings).await.unwrap();
    assert_eq!(checked.problems, []);
    assert_eq!(checked.facts.value("window"), Some(&json!({"from": "2026-11-21", "until": "2028-05-22"})));
    assert_eq!(checked.facts.value("zones"), Some(&json!({CALENDAR: "Europe/Madrid"})));
    assert_eq!(checked.facts.value("names"), Some(&json!({CALENDAR: "Trips"})));
}

#[tokio::test]
async fn each_calendar_that_has_gone_or_may_not_be_written_to_is_one_problem() {
    let settings =
        json!({"training_calendar": "t", "calendars_by": {"field": "boat", "calendars": {"Manta": "m", "Ray": "m"}}});
    let shop = connected(settings).await;
    shop.mount(get(EVENTS).respond_with(ok(json!({"accessRole": "owner"}))).expect(1)).await;
    let training = get("/calendar/v3/calendars/t/events");
    shop.mount(training.respond_with(ok(json!({"accessRole": "reader"}))).expect(1)).await;
    shop.mount(get("/calendar/v3/calendars/m/events").respond_with(problem(404, "notFound")).expect(1)).await;
    let checked = shop.check(Check::Settings).await.unwrap();
    let settings: Vec<&str> = checked.problems.iter().map(|problem| problem.setting.as_str()).collect();
    assert_eq!(settings, ["training_calendar", "calendars_by.calendars.Manta"]);
    assert!(checked.problems.iter().all(|problem| !problem.remedy.is_empty()));
}

#[tokio::test]
async fn a_calendar_that_is_still_to_be_made_is_a_problem() {
    let shop = connected(json!({"calendar": CREATE})).await;
    let checked = shop.check(Check::Settings).await.unwrap();
    assert_eq!(checked.problems.len(), 1);
    assert!(checked.problems[0].message.contains("not made yet"));
    let feed = provider_google_calendar::REGISTRATION.descriptor.feed("events").unwrap();
    assert!(shop.handler.containers(feed).is_empty());
    let op =
        sync_core::Operation { container: None, ..crate::support::create(crate::support::MARK, crate::support::trip()) };
    assert_eq!(shop.prepare(&op).unwrap_err().kind(), ErrorKind::Config);
}

#[tokio::test]
async fn calendars_are_listed_in_pages_and_a_new_one_is_offered() {
    let shop = connected(json!({})).await;
    let first = json!({"items": [
        {"id": "ada@example.com", "summary": "ada@example.com", "summaryOverride": "Ada", "primary": true, "accessRole": "owner"},
        {"id": "team", "summary": "Team", "accessRole": "writer"}], "nextPageToken": "p&2"});
    let second = json!({"items": [{"id": CALENDAR, "summary": "Trips", "accessRole": "owner"}]});
    shop.mount(get(LIST).and(query_param("pageToken", "p&2")).respond_with(ok(second)).expect(1)).await;
    let page = get(LIST).and(query_param("minAccessRole", "writer")).respond_with(ok(first));
    shop.mount(page.with_priority(9).expect(1)).await;
    let choices = shop.choices("calendars", None).await.unwrap();
    let shown: Vec<(&str, &str)> = choices.iter().map(|choice| (choice.value.as_str(), choice.label.as_str())).collect();
    let expected = [
        ("ada@example.com", "Ada (your own)"),
        ("team", "Team"),
        (CALENDAR, "Trips"),
        (CREATE, "A new calendar of its own"),
    ];
    assert_eq!(shown, expected);
    assert_eq!(
        choices.iter().filter(|choice| choice.default).map(|choice| choice.value.as_str()).collect::<Vec<_>>(),
        [CREATE]
    );
    assert_eq!(choices[1].group.as_deref(), Some("Shared with you"));
}

#[tokio::test]
async fn without_the_right_to_list_the_calendars_in_use_are_offered() {
    let shop = connected(json!({})).await;
    shop.mount(get(LIST).respond_with(problem(403, "insufficientPermissions")).expect(1)).await;
    shop.mount(get(EVENTS).respond_with(ok(json!({"summary": "Trips"}))).expect(1)).await;
    let choices = shop.choices("calendars", Some("trip")).await.unwrap();
    assert_eq!(choices.iter().map(|choice| choice.value.as_str()).collect::<Vec<_>>(), [CALENDAR]);
}

#[tokio::test]
async fn zones_are_offered_without_a_call() {
    let shop = connected(json!({"zone": "Europe/Madrid"})).await;
    let choices = shop.choices("time-zones", None).await.unwrap();
    assert!(choices.len() > 300, "{}", choices.len());
    assert!(choices.iter().any(|choice| choice.value == "Europe/Madrid" && choice.default));
    assert_eq!(shop.choices("boats", None).await.unwrap_err().kind(), ErrorKind::NotFound);
    assert!(shop.sent().await.is_empty());
}

#[tokio::test]
async fn a_calendar_is_made_with_a_name_and_a_zone() {
    let shop = connected(json!({})).await;
    let made = Mock::given(method("POST"))
        .and(path("/calendar/v3/calendars"))
        .and(body_json(json!({"summary": "Trips", "timeZone": "Europe/Madrid"})));
    shop.mount(made.respond_with(ok(json!({"id": "new@group", "summary": "Trips"}))).expect(1)).await;
    let choice = create_calendar(&shop.context(), " Trips ", Some("europe/madrid")).await.unwrap();
    assert_eq!((choice.value.as_str(), choice.label.as_str()), ("new@group", "Trips"));
    for (name, zone) in [("", None), ("x\ny", Some("UTC")), ("Trips", Some("Europe/Madird"))] {
        assert_eq!(create_calendar(&shop.context(), name, zone).await.unwrap_err().kind(), ErrorKind::Invalid, "{name:?}");
    }
}

#[tokio::test]
async fn boats_go_to_their_calendars_under_one_role() {
    let shop = connected(json!({"calendars_by": {"field": "boat", "calendars": {"Manta": "m"}}})).await;
    let manta = crate::support::trip().with("boat", Value::text("Manta"));
    let target = shop.handler.target(&crate::support::TRIPS, &manta);
    let other = shop.handler.target(&crate::support::TRIPS, &crate::support::trip());
    assert_eq!((target.container, other.container), (Some("m".into()), Some(CALENDAR.into())));
    assert_eq!(target.role, other.role);
}
