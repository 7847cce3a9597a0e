//! What all calls share: limits, keys, listings, webhooks. L stands for
//! <https://developer.xero.com/documentation/guides/oauth2/limits/>, K for
//! <https://developer.xero.com/documentation/guides/idempotent-requests/idempotency/>, R for
//! <https://developer.xero.com/documentation/api/accounting/requests-and-responses>, W for
//! <https://developer.xero.com/documentation/guides/webhooks/overview/>.

#![allow(clippy::expect_used, reason = "helpers of tests")]

mod support;

use std::time::Duration;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use bytes::Bytes;
use hmac::{Hmac, KeyInit as _, Mac as _};
use http::{Method, Request, Response};
use serde_json::{Value, json};
use sha2::Sha256;
use support::xero::{CLIENT, Lab, SHOP, errors, escaped, read, sale, seed_of, shop};
use sync_core::Clock as _;
use sync_sandbox::{
    Fault, SandboxOptions, XeroClientSeed, XeroLimits, XeroQuirks, XeroSeed, XeroTenantSeed, XeroTier, XeroTokenSeed,
    XeroWebhookSeed,
};

fn header<'r>(response: &'r Response<Bytes>, name: &str) -> Option<&'r str> {
    response.headers().get(name).map(|value| value.to_str().expect("text"))
}

fn limited(seed: XeroSeed) -> Lab {
    Lab::with(seed, SandboxOptions::default().with_quotas())
}

fn ask(lab: &Lab) -> Response<Bytes> {
    lab.reply(lab.request(Method::GET, "Organisation", &[], None))
}

// L: 60 calls a minute; X-MinLimit-Remaining, X-Rate-Limit-Problem, Retry-After.
#[test]
fn a_minute_has_sixty_calls() {
    let lab = limited(seed_of(shop()));
    let first = ask(&lab);
    let left = |response: &Response<Bytes>| {
        ["x-minlimit-remaining", "x-daylimit-remaining", "x-appminlimit-remaining"]
            .map(|name| header(response, name).map(str::to_owned))
    };
    assert_eq!(left(&first), [Some("59".into()), Some("4999".into()), Some("9999".into())]);
    lab.clock.advance(Duration::from_secs(20));
    for _ in 0..59 {
        assert_eq!(ask(&lab).status(), 200);
    }
    let refused = ask(&lab);
    assert_eq!((refused.status().as_u16(), refused.body().is_empty()), (429, true));
    assert_eq!((header(&refused, "x-rate-limit-problem"), header(&refused, "retry-after")), (Some("minute"), Some("40")));
    assert_eq!(left(&refused)[0], Some("0".into()));
    lab.clock.advance(Duration::from_secs(40));
    assert_eq!(ask(&lab).status(), 200, "one call is free again");
    assert_eq!(header(&ask(&lab), "retry-after"), Some("20"), "and no more");
    assert_eq!(lab.count("over_quota"), 2);
    let quirks: XeroQuirks = serde_json::from_value(json!({"minute_is_fixed": true})).expect("quirks");
    let lab = limited(seed_of(shop()).with_quirks(quirks));
    lab.clock.advance(Duration::from_secs(59));
    for _ in 0..60 {
        ask(&lab);
    }
    assert_eq!(header(&ask(&lab), "retry-after"), Some("1"));
    lab.clock.advance(Duration::from_secs(1));
    assert_eq!(ask(&lab).status(), 200);
}

// L, the calls a day by tier; the window begins at an hour of the organisation's own.
#[test]
fn a_day_has_its_calls_by_tier_and_begins_when_it_likes() {
    let mut tenant = shop();
    tenant.day_begins_s = 13 * 3600;
    let mut seed = seed_of(tenant);
    seed.oauth_clients = vec![XeroClientSeed::new(CLIENT, "secret").with_tier(XeroTier::Starter)];
    let lab = limited(seed);
    assert_eq!(header(&ask(&lab), "x-daylimit-remaining"), Some("999"));
    lab.act(json!({"do": "spend-day", "calls": 999}));
    let refused = ask(&lab);
    assert_eq!((header(&refused, "x-rate-limit-problem"), header(&refused, "retry-after")), (Some("day"), Some("3600")));
    lab.clock.advance(Duration::from_secs(3600));
    assert_eq!(header(&ask(&lab), "x-daylimit-remaining"), Some("999"));
}

// L: 5 calls at once, 10,000 a minute of an app over all tenants; "Rapid Sync" of higher tiers.
#[test]
fn the_other_limits_name_themselves() {
    let limits: XeroLimits = serde_json::from_value(json!({"in_flight": 0})).expect("limits");
    let refused = ask(&limited(seed_of(shop()).with_limits(limits)));
    assert_eq!((header(&refused, "x-rate-limit-problem"), header(&refused, "retry-after")), (Some("concurrent"), None));
    let limits: XeroLimits = serde_json::from_value(json!({"app_per_minute": 2})).expect("limits");
    let lab = limited(seed_of(shop()).with_limits(limits));
    let statuses: Vec<u16> = (0..3).map(|_| ask(&lab).status().as_u16()).collect();
    assert_eq!(statuses, [200, 200, 429]);
    assert_eq!(header(&ask(&lab), "x-rate-limit-problem"), Some("appminute"));
    let mut seed = seed_of(shop());
    seed.oauth_clients = vec![XeroClientSeed::new(CLIENT, "secret").with_tier(XeroTier::Plus)];
    seed.created = "2026-03-01T11:45:00Z".parse().expect("a time");
    let lab = limited(seed);
    for _ in 0..100 {
        assert_eq!(ask(&lab).status(), 200, "the first half hour of a connection");
    }
    lab.clock.advance(Duration::from_secs(15 * 60));
    let statuses: Vec<u16> = (0..61).map(|_| ask(&lab).status().as_u16()).collect();
    assert_eq!(statuses.iter().filter(|status| **status == 429).count(), 1);
}

// K: the answer is kept for 6 minutes from the first call, errors too; the same key with another body is refused.
#[test]
fn a_key_gives_the_same_answer_for_six_minutes() {
    let lab = Lab::new();
    let keyed = |key: &str, body: &Value| lab.send_with(Method::PUT, "Contacts", &[("idempotency-key", key)], Some(body));
    let ada = json!({"Name": "Ada"});
    let first = keyed("k1", &ada);
    assert_eq!((first.0, keyed("k1", &ada)), (200, first.clone()), "word for word");
    assert_eq!((lab.counts("contacts"), lab.count("replays")), (2, 1));
    let (status, answer) = keyed("k1", &json!({"Name": "Eve"}));
    assert_eq!((status, errors(&answer)), (400, vec!["Idempotency Key: k1 is used with a different request."]));
    let (status, _) = lab.send_with(Method::POST, "Contacts", &[("idempotency-key", "k1")], Some(&ada));
    assert_eq!(status, 400, "another method");
    let refused = keyed("k2", &ada);
    lab.act(json!({"do": "archive-contact", "contact": "Ada"}));
    assert_eq!((refused.0, keyed("k2", &ada)), (400, refused), "errors are kept, too");
    lab.clock.advance(Duration::from_secs(359));
    assert_eq!(keyed("k1", &ada), first);
    lab.clock.advance(Duration::from_secs(1));
    let (status, again) = keyed("k1", &ada);
    assert!(status == 200 && again["Contacts"][0]["ContactID"] != first.1["Contacts"][0]["ContactID"], "a new one: {again}");
    assert_eq!(keyed(&"k".repeat(129), &ada).0, 400);
    let (status, _) = lab.send_with(Method::GET, "Contacts", &[("idempotency-key", "k1")], None);
    assert_eq!(status, 200, "reads ignore it");
}

// What a lost answer leaves behind: with its key the call is not done twice.
#[test]
fn a_lost_answer_is_found_again_by_its_key() {
    let fault: Fault = "reply-lost:nth=1:op=invoices.create".parse().expect("a fault");
    let lab = Lab::with(seed_of(shop()), SandboxOptions::default().with_fault(fault));
    let request = || lab.request(Method::PUT, "Invoices", &[("idempotency-key", "k")], Some(&sale("A-1")));
    let lost = lab.clock.run(lab.sandbox.handle(request()));
    assert!(matches!(lost, sync_sandbox::Reply::Cut { .. }), "{lost:?}");
    let (status, answer) = read(lab.reply(request()));
    assert_eq!((status, answer["Invoices"][0]["InvoiceNumber"].as_str()), (200, Some("A-1")));
    assert_eq!((lab.counts("invoices"), lab.count("replays")), (1, 1));
}

// R, "Modified After", "Paging", "Ordering".
#[test]
fn pages_follow_an_order_and_a_watermark() {
    let lab = Lab::new();
    for n in 1..=5 {
        lab.invoice(&sale(&format!("A-{n}")));
        lab.clock.advance(Duration::from_secs(10));
    }
    let numbers = |path: &str, since: Option<&str>| -> Vec<String> {
        let headers: Vec<(&str, &str)> = since.map(|since| ("if-modified-since", since)).into_iter().collect();
        let (status, answer) = lab.send_with(Method::GET, path, &headers, None);
        assert_eq!(status, 200, "{path}: {answer}");
        let all = answer["Invoices"].as_array().expect("a list").iter();
        all.map(|one| one["InvoiceNumber"].as_str().expect("a number").to_owned()).collect()
    };
    let order = "order=UpdatedDateUTC%20ASC";
    assert_eq!(numbers(&format!("Invoices?page=1&pageSize=2&{order}"), None), ["A-1", "A-2"]);
    assert_eq!(numbers(&format!("Invoices?page=3&pageSize=2&{order}"), None), ["A-5"]);
    assert_eq!(numbers(&format!("Invoices?page=9&pageSize=2&{order}"), None), Vec::<String>::new());
    assert_eq!(numbers(&format!("Invoices?page=1&{order}"), Some("2026-03-01T12:00:30")), ["A-4", "A-5"]);
    // A watermark in the wrong format counts for nothing: all rows come back.
    assert_eq!(numbers(&format!("Invoices?page=1&{order}"), Some("2026-03-01")).len(), 5);
    assert_eq!(numbers("Invoices?page=1&order=InvoiceNumber%20DESC", None)[0], "A-5");
    assert_eq!(numbers(&format!("Invoices?InvoiceNumbers=A-2,A-4&{order}"), None), ["A-2", "A-4"]);
    assert_eq!(numbers(&format!("Invoices?Statuses=DRAFT,PAID&{order}"), None), Vec::<String>::new());
    assert_eq!(
        numbers(&format!("Invoices?where={}&{order}", escaped("InvoiceNumber==\"A-3\" AND AmountDue>0")), None),
        ["A-3"]
    );
    assert_eq!(numbers("Invoices?createdByMyApp=true", None).len(), 5);
    lab.act(json!({"do": "create-invoice", "body": sale("B-1")}));
    assert_eq!(numbers("Invoices?createdByMyApp=true", None).len(), 5, "the bookkeeper's is not ours");
    let (_, page) = lab.get("Invoices?page=1&pageSize=5000");
    assert_eq!(
        page["pagination"],
        json!({"page": 1, "pageSize": 1000, "pageCount": 1, "itemCount": 6}),
        "pages are clamped"
    );
    assert_eq!(page["Status"], "OK");
    assert!(page["DateTimeUTC"].as_str().expect("a time").starts_with("/Date("));
}

// R: without a page lines are missing; with summaryOnly much more.
#[test]
fn a_listing_without_pages_lacks_lines() {
    let lab = Lab::new();
    lab.invoice(&sale("A-1"));
    let lines = |path: &str| lab.get(path).1["Invoices"][0]["LineItems"].as_array().map(Vec::len);
    assert_eq!((lines("Invoices"), lines("Invoices?page=1"), lines("Invoices?summaryOnly=true")), (Some(0), Some(1), None));
    assert!(lab.get("Invoices").1.get("pagination").is_none());
    assert!(lab.get("Invoices?summaryOnly=true").1.get("pagination").is_some(), "a summary has pages");
}

#[test]
fn filters_and_orders_that_can_not_be_read_are_refused() {
    let lab = Lab::new();
    for query in [
        "where=Colour%3D%3D%22red%22",
        "where=Status%3D",
        "order=Colour",
        "order=Date%20SIDEWAYS",
        "page=one",
        "IDs=7",
        "Statuses=OPEN",
    ] {
        let (status, answer) = lab.get(&format!("Invoices?{query}"));
        assert_eq!((status, answer["Type"].as_str()), (400, Some("QueryParseException")), "{query}: {answer}");
    }
    assert_eq!(lab.get("Invoices?unitdp=3").0, 400);
    assert_eq!(lab.refused().len(), 1, "unitdp");
}

// The settings that a connection chooses from.
#[test]
fn an_organisation_tells_its_settings() {
    let lab = Lab::of(shop().with_tracking("Boat", &["Manta", "Nemo"]));
    let (_, answer) = lab.get("Organisation");
    let organisation = &answer["Organisations"][0];
    assert_eq!((&organisation["Name"], &organisation["BaseCurrency"]), (&json!(SHOP), &json!("EUR")));
    assert_eq!(organisation["DefaultSalesTax"], "Tax Inclusive");
    let names = |path: &str, plural: &str, name: &str| -> Vec<Value> {
        lab.get(path).1[plural].as_array().expect("a list").iter().map(|one| one[name].clone()).collect()
    };
    assert_eq!(names("Currencies", "Currencies", "Code"), ["EUR", "USD"]);
    let banks = format!("Accounts?where={}", escaped("Type==\"BANK\" AND Status==\"ACTIVE\""));
    assert_eq!(names(&banks, "Accounts", "Code"), ["090", "091", "092"]);
    assert_eq!(names("TaxRates", "TaxRates", "TaxType"), ["OUTPUT", "INPUT", "TAX001", "NONE"]);
    assert_eq!(names("TrackingCategories", "TrackingCategories", "Name"), ["Boat"]);
    assert_eq!(names("BrandingThemes", "BrandingThemes", "Name"), ["Standard"]);
    let (_, answer) = lab.get("Organisation/Actions");
    let action = answer["Actions"].as_array().expect("a list").iter().find(|one| one["Name"] == "UseMulticurrency");
    assert_eq!(action.expect("one")["Status"], "ALLOWED");
    // An account of one's own; one at a time: GitHub XeroAPI/Xero-Net issue 285.
    let account = |code: &str, name: &str| json!({"Code": code, "Name": name, "Type": "REVENUE", "TaxType": "OUTPUT"});
    let both = json!({"Accounts": [account("230", "Nitrox"), account("240", "Photos")]});
    assert_eq!(lab.put("Accounts", &both).1["Accounts"].as_array().map(Vec::len), Some(1));
    assert_eq!(lab.put("Accounts", &account("230", "Other")).0, 400);
    assert_eq!(errors(&lab.put("Accounts", &account("250", "Sales")).1), ["Please enter a unique Name."]);
    assert_eq!(lab.put("Currencies", &json!({"Code": "GBP"})).0, 200);
    assert_eq!(names("Currencies", "Currencies", "Code"), ["EUR", "GBP", "USD"]);
    assert_eq!(lab.refused(), Vec::<String>::new());
}

// <https://developer.xero.com/documentation/api/accounting/contactgroups>.
#[test]
fn contacts_join_groups_and_leave_them() {
    let lab = Lab::new();
    let (_, answer) = lab.put("ContactGroups", &json!({"Name": "Divers"}));
    let path = format!("ContactGroups/{}", answer["ContactGroups"][0]["ContactGroupID"].as_str().expect("an id"));
    assert_eq!(lab.put("ContactGroups", &json!({"Name": "divers"})).0, 400);
    let maria = lab.get("Contacts/C-1").1["Contacts"][0]["ContactID"].clone();
    assert_eq!(lab.put(&format!("{path}/Contacts"), &json!({"Contacts": [{"ContactID": maria}]})).0, 200);
    assert_eq!(lab.get("Contacts/C-1").1["Contacts"][0]["ContactGroups"][0]["Name"], "Divers");
    assert_eq!(lab.get(&path).1["ContactGroups"][0]["Contacts"][0]["ContactID"], maria);
    let member = format!("{path}/Contacts/{}", maria.as_str().expect("an id"));
    assert_eq!(lab.send_with(Method::DELETE, &member, &[], None).0, 204);
    assert_eq!(lab.get(&path).1["ContactGroups"][0]["Contacts"], json!([]));
    assert_eq!(lab.post(&path, &json!({"Status": "DELETED"})).0, 200);
    assert_eq!(lab.get("ContactGroups").1["ContactGroups"], json!([]));
}

fn signature(key: &str, body: &[u8]) -> String {
    let mut mac = Hmac::<Sha256>::new_from_slice(key.as_bytes()).expect("a key");
    mac.update(body);
    STANDARD.encode(mac.finalize().into_bytes())
}

fn signed(request: &Request<Bytes>) -> &str {
    request.headers()["x-xero-signature"].to_str().expect("text")
}

// W: thin events, signed with HMAC-SHA256 in base64; none of payments.
#[test]
fn changes_are_told_and_signed() {
    let lab = Lab::with(
        seed_of(shop()).with_webhook(XeroWebhookSeed::new("https://hooks.example.org/xero", "s3cret")),
        SandboxOptions::default(),
    );
    let invoice = lab.invoice(&sale("A-1"));
    lab.pay(&invoice, 21.0);
    lab.act(json!({"do": "record-payment", "invoice": "A-1"}));
    lab.get("Invoices");
    let sent = lab.sandbox.take_outbound();
    assert_eq!(sent.len(), 3, "the payments are told as changes of the invoice");
    let bodies: Vec<Value> = sent.iter().map(|one| serde_json::from_slice(one.body()).expect("JSON")).collect();
    let event = &bodies[0]["events"][0];
    assert_eq!(event["resourceId"], invoice["InvoiceID"]);
    assert_eq!((&event["eventCategory"], &event["eventType"]), (&json!("INVOICE"), &json!("CREATE")));
    assert_eq!(event["eventDateUtc"], "2026-03-01T12:00:00.000", "without a zone");
    assert!(event.get("data").is_none(), "only credit notes have it");
    assert_eq!((&bodies[2]["firstEventSequence"], &bodies[2]["lastEventSequence"]), (&json!(3), &json!(3)));
    assert_eq!(bodies[1]["events"][0]["eventType"], "UPDATE");
    for one in &sent {
        assert_eq!(signed(one), signature("s3cret", one.body()));
    }
    let credit = json!({
        "Type": "ACCRECCREDIT", "Contact": {"ContactNumber": "C-1"}, "Status": "DRAFT",
        "LineItems": [{"Description": "Refund", "UnitAmount": 5, "AccountCode": "200"}],
    });
    lab.put("CreditNotes", &credit);
    lab.put("Contacts", &json!({"Contacts": [{"Name": "Ada"}, {"Name": "Ben"}]}));
    lab.put("Contacts", &json!({"Contacts": [{"Name": "Eve"}, {"Name": " odd"}]}));
    let sent = lab.sandbox.take_outbound();
    let bodies: Vec<Value> = sent.iter().map(|one| serde_json::from_slice(one.body()).expect("JSON")).collect();
    assert_eq!(bodies[0]["events"][0]["data"], json!({"Type": "ACCRECCREDIT", "Status": "DRAFT"}));
    assert_eq!(
        bodies.iter().map(|one| one["events"].as_array().map_or(0, Vec::len)).collect::<Vec<_>>(),
        [1, 2],
        "what failed is not told"
    );
}

// W, "Intent to receive": deliveries that are signed rightly and wrongly, which the app must tell apart.
#[test]
fn a_new_webhook_is_asked_whether_it_can_tell_signatures() {
    let lab = Lab::new();
    lab.act(json!({"do": "webhook", "url": "https://hooks.example.org/xero", "key": "s3cret", "categories": ["CONTACT"]}));
    let sent = lab.sandbox.take_outbound();
    let is_right: Vec<bool> = sent.iter().map(|one| signed(one) == signature("s3cret", one.body())).collect();
    assert_eq!(is_right, [true, false, false, true]);
    assert!(sent.iter().all(|one| serde_json::from_slice::<Value>(one.body()).expect("JSON")["events"] == json!([])));
    lab.invoice(&sale("A-1"));
    assert_eq!(lab.sandbox.take_outbound().len(), 0, "not its category");
    lab.act(json!({"do": "edit-contact", "contact": "C-1", "body": {"FirstName": "M"}}));
    assert_eq!(lab.sandbox.take_outbound().len(), 1);
    lab.act(json!({"do": "no-webhook"}));
    lab.act(json!({"do": "edit-contact", "contact": "C-1", "body": {"FirstName": "N"}}));
    assert_eq!(lab.sandbox.take_outbound().len(), 0);
}

// responsecodes page: the shapes of 401, 403, 404, 429, 500 and 503.
#[test]
fn failures_have_the_shapes_of_the_service() {
    for (status, is_json) in [(400, true), (401, true), (403, true), (404, false), (429, false), (500, false), (503, false)]
    {
        let fault: Fault = format!("{status}:nth=1").parse().expect("a fault");
        let lab = Lab::with(seed_of(shop()), SandboxOptions::default().with_fault(fault));
        let response = ask(&lab);
        assert_eq!(response.status(), status);
        assert_eq!(serde_json::from_slice::<Value>(response.body()).is_ok(), is_json, "{status}");
    }
    let lab = Lab::new();
    lab.act(json!({"do": "trouble", "operation": "organisation.get", "status": 503, "after": 1, "times": 1}));
    let statuses: Vec<u16> = (0..3).map(|_| ask(&lab).status().as_u16()).collect();
    assert_eq!(statuses, [200, 503, 200]);
}

#[test]
fn a_reset_brings_back_the_seed() {
    let lab = Lab::new();
    let before = lab.sandbox.state();
    lab.invoice(&sale("A-1"));
    lab.act(json!({"do": "lock", "date": "2026-03-31"}));
    lab.sandbox.reset();
    assert_eq!(lab.sandbox.state(), before);
    assert!(lab.clock.now() > jiff::Timestamp::UNIX_EPOCH);
}

// Books of two organisations are apart, and so are their limits.
#[test]
fn organisations_share_nothing() {
    let mut seed = seed_of(shop()).with_tenant(XeroTenantSeed::new("Gear"));
    seed.tokens = vec![XeroTokenSeed::new(support::xero::TOKEN)];
    let gear = seed.tenants[1].id();
    let lab = limited(seed);
    for _ in 0..60 {
        ask(&lab);
    }
    assert_eq!(ask(&lab).status(), 429);
    let other = lab.reply(lab.request(Method::GET, "Contacts", &[("xero-tenant-id", &gear)], None));
    assert_eq!((other.status().as_u16(), header(&other, "x-minlimit-remaining")), (200, Some("59")));
    assert_eq!(read(other).1["Contacts"], json!([]));
}

// A seed is written on its own days, and what people did since comes last.
#[test]
fn a_seed_has_a_past() {
    let credit = json!({
        "Type": "ACCRECCREDIT", "CreditNoteNumber": "CN-1", "Contact": {"ContactNumber": "C-1"}, "Date": "2025-05-01",
        "Status": "AUTHORISED", "LineItems": [{"Description": "Refund", "UnitAmount": 5, "AccountCode": "200"}],
    });
    let mut old = sale("A-1");
    (old["Date"], old["DueDate"]) = (json!("2025-03-01"), json!("2025-04-01"));
    let mut young = sale("A-2");
    young["Date"] = json!("2025-06-01");
    let act = json!({"do": "recode-line", "invoice": "A-1", "account": "210"});
    let lab = Lab::of(shop().with_invoice(old).with_invoice(young).with_credit_note(credit).with_act(act));
    let updated = |path: &str, plural: &str| lab.get(path).1[plural][0]["UpdatedDateUTCString"].clone();
    assert_eq!(updated("Invoices/A-2", "Invoices"), "2025-06-01T12:00:00Z");
    assert_eq!(updated("Invoices/A-1", "Invoices"), "2025-06-01T12:00:00Z", "recoded last");
    assert_eq!(updated("CreditNotes/CN-1", "CreditNotes"), "2025-05-01T12:00:00Z");
    assert_eq!(lab.refused(), Vec::<String>::new());
}
