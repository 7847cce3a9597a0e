//! Xero in the suite that all providers pass: over the sandbox in process, and over HTTP.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used)]

use std::{collections::BTreeMap, sync::Arc};

use async_trait::async_trait;
use base64::{Engine as _, prelude::BASE64_STANDARD};
use bytes::Bytes;
use futures_util::FutureExt as _;
use hmac::{Hmac, KeyInit as _, Mac as _};
use http::{HeaderValue, Request, Response, StatusCode, header::CONTENT_TYPE};
use jiff::ToSpan as _;
use provider_xero::REGISTRATION;
use serde_json::{Value as Json, json};
use sha2::Sha256;
use sync_core::{
    AccountId, Clock as _, Exchange, FieldName, Integration, LocalId, Marker, Record, Ref, RemoteId, Resource, Transport,
    TransportError, TransportLimits, Value, WebhookKeys,
};
use sync_http::{ReqwestTransport, TransportConfig};
use sync_sandbox::{InProcess, Reply, Sandbox, SandboxOptions, Xero, XeroSeed, XeroTenantSeed, XeroTokenSeed};
use sync_testkit::{
    SimClock,
    conformance::{Act, Harness, Profile, Webhook, zoo},
};
use url::Url;
use wiremock::{Mock, MockServer, Respond, ResponseTemplate, matchers::any};

const TOKEN: &str = "eyJ-c0nf0rmance-token-0123456789";
const COMPANY: &str = "Blue Manta Diving";
/// Whom documents are for.
const BUYER: &str = "Buyer of all things";

mod in_process {
    use super::*;

    sync_testkit::conformance_suite!(Bench::in_process());
}

mod over_http {
    use super::*;

    sync_testkit::conformance_suite!(Bench::over_http().await);
}

mod slow_and_limited {
    use super::*;

    sync_testkit::conformance_suite!(Bench::in_process(), Profile::SlowAndLimited);
}

mod broken_wire {
    use super::*;

    sync_testkit::conformance_suite!(Bench::in_process(), Profile::Broken);
}

#[test]
fn every_connector_that_is_broken_on_purpose_is_caught() {
    zoo::all_are_caught("xero", Bench::in_process);
}

struct Bench {
    clock: SimClock,
    sandbox: Sandbox,
    tenant: String,
    transport: Arc<dyn Transport>,
    /// Ends with the bench.
    _server: Option<MockServer>,
}

/// Answers as the sandbox does.
struct Played(Sandbox);

impl Respond for Played {
    fn respond(&self, request: &wiremock::Request) -> ResponseTemplate {
        let mut asked = http::Request::new(Bytes::copy_from_slice(&request.body));
        *asked.method_mut() = request.method.clone();
        *asked.uri_mut() = request.url.as_str().parse().unwrap();
        *asked.headers_mut() = request.headers.clone();
        // Without latency an answer is there at once.
        match self.0.handle(asked).now_or_never() {
            Some(Reply::Answer(answer)) => {
                let (parts, body) = answer.into_parts();
                let mut template = ResponseTemplate::new(parts.status.as_u16()).set_body_bytes(body);
                for (name, value) in &parts.headers {
                    template = template.insert_header(name.clone(), value.clone());
                }
                template
            }
            other => panic!("the suite injects its faults elsewhere: {other:?}"),
        }
    }
}

/// Sends to a server on this machine what was meant for Xero.
#[derive(Debug)]
struct Diverted {
    inner: ReqwestTransport,
    to: Url,
}

#[async_trait]
impl Transport for Diverted {
    async fn send(
        &self,
        mut request: http::Request<Bytes>,
        limits: TransportLimits,
    ) -> Result<Response<Bytes>, TransportError> {
        let below = request.uri().path_and_query().unwrap().to_string();
        *request.uri_mut() = format!("{}{below}", self.to.as_str().trim_end_matches('/')).parse().unwrap();
        self.inner.send(request, limits).await
    }
}

impl Bench {
    fn in_process() -> Self {
        let clock = SimClock::skipping();
        let company = XeroTenantSeed::new(COMPANY).with_contact(json!({"Name": BUYER}));
        let tenant = company.id();
        let seed = XeroSeed::new("ada@shop.example.com", company).with_token(XeroTokenSeed::new(TOKEN));
        let sandbox = Sandbox::new(Xero::new(seed), SandboxOptions::default(), Arc::new(clock.clone()));
        let transport = Arc::new(InProcess(sandbox.clone()));
        Self { clock, sandbox, tenant, transport, _server: None }
    }

    async fn over_http() -> Self {
        let bench = Self::in_process();
        let server = MockServer::start().await;
        Mock::given(any()).respond_with(Played(bench.sandbox.clone())).mount(&server).await;
        let inner = ReqwestTransport::new(&TransportConfig::default()).unwrap();
        let transport = Arc::new(Diverted { inner, to: server.uri().parse().unwrap() });
        Self { transport, _server: Some(server), ..bench }
    }

    fn there(&self, action: Json) -> Json {
        self.sandbox.act(&action).unwrap_or_else(|why| panic!("{action}: {why}"))
    }

    fn company(&self) -> Json {
        self.sandbox.state()["tenants"][COMPANY].clone()
    }

    /// The id of what has this member.
    fn id_of(&self, of: &str, member: &str, value: &str) -> Option<String> {
        let company = self.company();
        let all = company[of].as_object().unwrap();
        all.iter().find(|(_, one)| one[member] == value).map(|(id, _)| id.clone())
    }

    /// The invoice that payment n pays.
    fn paid(&self, n: usize) -> String {
        let number = format!("PAID-{n}");
        if let Some(id) = self.id_of("documents", "InvoiceNumber", &number) {
            return id;
        }
        let body = json!({"Type": "ACCREC", "InvoiceNumber": number, "Contact": {"Name": BUYER}, "Status": "AUTHORISED",
            "Date": "2026-01-02", "DueDate": "2026-01-02", "LineAmountTypes": "Inclusive",
            "LineItems": [{"Description": "Much", "Quantity": 1, "UnitAmount": 100_000, "AccountCode": "200"}]});
        self.there(json!({"do": "create-invoice", "body": body}));
        self.id_of("documents", "InvoiceNumber", &number).unwrap()
    }
}

/// The number of a record, which one of its texts ends with.
fn number(record: &Record) -> usize {
    let text = record.text("last_name").or(record.text("reference")).unwrap();
    text.rsplit(' ').next().unwrap().parse().unwrap()
}

fn foreign(resource: &'static str, id: String) -> Value {
    Value::Ref(Ref::Foreign { resource: resource.into(), id: id.into() })
}

fn marker_of(resource: &Resource, n: usize) -> Marker {
    Marker::of(&"bench".into(), &"conformance".into(), &resource.collection, &LocalId::new(format!("local-{n:04}")))
}

#[async_trait]
impl Harness for Bench {
    fn integration(&self) -> Arc<dyn Integration> {
        (REGISTRATION.build)(json!({"page_size": self.page_size(), "batch_size": 4})).unwrap()
    }

    fn page_size(&self) -> usize {
        3
    }

    fn settings(&self) -> Json {
        let both = json!({"direction": "both"});
        json!({"account": "200", "payment_accounts": {"card terminal": "091"}, "contacts": both, "invoices": both,
            "payments": both})
    }

    fn account(&self) -> AccountId {
        self.tenant.as_str().into()
    }

    fn vars(&self) -> BTreeMap<String, String> {
        BTreeMap::new()
    }

    fn clock(&self) -> SimClock {
        self.clock.clone()
    }

    fn transport(&self) -> Arc<dyn Transport> {
        Arc::clone(&self.transport)
    }

    async fn exchange(&self, transport: Arc<dyn Transport>) -> Arc<dyn Exchange> {
        sync_testkit::sim::exchange_by_token(&REGISTRATION, TOKEN, self.account(), &self.clock, transport).await.unwrap()
    }

    fn secrets(&self) -> Vec<String> {
        vec![TOKEN.to_owned()]
    }

    fn failure(&self, status: StatusCode) -> Response<Bytes> {
        let words = "Penelope Cousteau 0 at penelope0@divers.example.com can't be written for Booking 0 and receipt 0";
        let body = match status.as_u16() {
            400 => json!({"ErrorNumber": 10, "Type": "ValidationException", "Message": words,
                "Elements": [{"ValidationErrors": [{"Message": words}]}]}),
            _ => json!({"Type": null, "Title": status.canonical_reason(), "Status": status.as_u16(), "Detail": words,
                "Instance": "a", "Extensions": {}}),
        };
        let mut answer = Response::new(Bytes::from(body.to_string()));
        *answer.status_mut() = status;
        answer.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json; charset=utf-8"));
        answer
    }

    fn record(&self, resource: &Resource, n: usize) -> Record {
        let day = jiff::civil::date(2026, 3, 2).saturating_add(i64::try_from(n).unwrap().days());
        let text = |text: String| Value::text(text);
        let amount = |text: &str| Value::Decimal(text.parse().unwrap());
        match resource.name.as_str() {
            "contacts" => Record::new()
                .with("name", text(format!("Reef adventurers, club {n}")))
                .with("first_name", text(format!("Penelope {n}")))
                .with("last_name", text(format!("Cousteau {n}")))
                .with("email", text(format!("penelope{n}@divers.example.com")))
                .with("tax_number", text(format!("ES-B-00000{n}")))
                .with("phones", Value::Json(json!([{"number": format!("971 000 {n}")}, {"kind": "mobile", "number": format!("+34 600 000 {n}")}])))
                .with("addresses", Value::Json(json!([{"kind": "billing", "lines": [format!("Quay {n}")], "city": "Palma", "country": "ES"}]))),
            "invoices" => Record::new()
                .with("number", text(format!("DIVING-{n}")))
                .with("kind", text("sale".into()))
                .with("customer", foreign("contacts", self.id_of("contacts", "Name", BUYER).unwrap()))
                .with("date", Value::Date(day))
                .with("due_date", Value::Date(day.saturating_add(14.days())))
                .with("currency", text("EUR".into()))
                .with("amounts", text("inclusive".into()))
                .with("lines", Value::List(vec![Record::new()
                    .with("description", text(format!("Two dives, trip {n}")))
                    .with("quantity", amount("2"))
                    .with("unit_amount", amount("45.125"))]))
                .with("total", amount("90.25"))
                .with("reference", text(format!("Booking {n}"))),
            _ => {
                let amount = Value::Decimal((10 + n).into());
                let on = foreign("invoices", self.paid(n));
                Record::new()
                    .with("kind", text("received".into()))
                    .with("date", Value::Date(day))
                    .with("currency", text("EUR".into()))
                    .with("amount", amount.clone())
                    .with("allocations", Value::List(vec![Record::new().with("invoice", on).with("amount", amount)]))
                    .with("method", text("card terminal".into()))
                    .with("reference", text(format!("receipt {n}")))
            }
        }
    }

    fn edit(&self, resource: &Resource, record: &Record) -> (Record, Vec<FieldName>) {
        let n = number(record);
        match resource.name.as_str() {
            "contacts" => {
                let edited = record.clone().with("first_name", Value::text(format!("Marguerite {n}")));
                (edited, vec!["first_name".into()])
            }
            "invoices" => {
                let day = jiff::civil::date(2026, 2, 1).saturating_add(i64::try_from(n).unwrap().days());
                (record.clone().with("date", Value::Date(day)), vec!["date".into()])
            }
            _ => {
                let day = jiff::civil::date(2026, 2, 1).saturating_add(i64::try_from(n).unwrap().days());
                (record.clone().with("date", Value::Date(day)), vec!["date".into()])
            }
        }
    }

    /// Contacts and documents as we would have made them, but for one thing: what is there is told as taken.
    async fn plant(&self, resource: &Resource, records: &[Record]) -> Vec<RemoteId> {
        let mut ids = Vec::new();
        for record in records {
            let n = number(record);
            let text = |field: &str| record.text(field).map(str::to_owned);
            let date = |field: &str| match record.value(field) {
                Some(Value::Date(day)) => day.to_string(),
                _ => panic!("no {field}"),
            };
            let id = match resource.name.as_str() {
                "contacts" => {
                    let marker = marker_of(resource, n);
                    if self.id_of("contacts", "ContactNumber", marker.as_str()).is_none() {
                        let body = json!({"Name": text("name"), "FirstName": text("first_name"), "LastName": text("last_name"),
                            "EmailAddress": text("email"), "ContactNumber": marker,
                            "Phones": [{"PhoneType": "DEFAULT", "PhoneNumber": format!("971 000 {n}")}]});
                        self.there(json!({"do": "create-contact", "body": body}));
                    }
                    self.id_of("contacts", "ContactNumber", marker.as_str())
                }
                "invoices" => {
                    let number = text("number").unwrap();
                    if self.id_of("documents", "InvoiceNumber", &number).is_none() {
                        let body = json!({"Type": "ACCREC", "InvoiceNumber": number, "Contact": {"Name": BUYER},
                            "Status": "AUTHORISED", "Date": date("date"), "DueDate": date("due_date"), "LineAmountTypes": "Inclusive",
                            "Reference": text("reference"), "LineItems": [{"Description": format!("Two dives, trip {n}"),
                                "Quantity": 3, "UnitAmount": 45.125, "AccountCode": "200"}]});
                        self.there(json!({"do": "create-invoice", "body": body}));
                    }
                    self.id_of("documents", "InvoiceNumber", &number)
                }
                _ => {
                    let reference = text("reference").unwrap();
                    if self.id_of("payments", "Reference", &reference).is_none() {
                        self.there(
                            json!({"do": "record-payment", "invoice": self.paid(n), "amount": 10 + n, "date": date("date"),
                            "account": "091", "reference": reference}),
                        );
                    }
                    self.id_of("payments", "Reference", &reference)
                }
            };
            ids.push(id.unwrap().into());
        }
        ids
    }

    async fn act(&self, resource: &Resource, id: &RemoteId, act: Act) -> bool {
        let now = self.clock.now().as_nanosecond();
        match (resource.name.as_str(), act) {
            ("contacts", Act::Edit) => {
                let body = json!({"EmailAddress": format!("changed{now}@there.example.com")});
                self.there(json!({"do": "edit-contact", "contact": id, "body": body}));
                true
            }
            ("contacts", Act::Archive) => {
                self.there(json!({"do": "archive-contact", "contact": id}));
                true
            }
            ("invoices", Act::Edit) => {
                let body = json!({"Reference": format!("Changed there at {now}")});
                self.there(json!({"do": "edit-invoice", "invoice": id, "body": body}));
                true
            }
            // Xero deletes nothing, and payments can't be changed there either.
            _ => false,
        }
    }

    async fn withdraw_choice(&self) -> bool {
        self.there(json!({"do": "archive-account", "account": "200"}));
        true
    }

    async fn count(&self, resource: &Resource) -> usize {
        let counts = self.company()["counts"].clone();
        let names: &[&str] = match resource.name.as_str() {
            "contacts" => &["contacts", "archived_contacts"],
            "invoices" => &["invoices", "credit_notes"],
            _ => &["payments", "deleted_payments"],
        };
        usize::try_from(names.iter().map(|name| counts[*name].as_u64().unwrap()).sum::<u64>()).unwrap()
    }

    async fn n_surprises(&self) -> u64 {
        let state = self.sandbox.summary();
        state["mails_sent"].as_u64().unwrap() + state["reminders_sent"].as_u64().unwrap()
    }

    fn webhook(&self) -> Option<Webhook> {
        let message = |id: &str| {
            let body = json!({"events": [{"resourceUrl": "x", "resourceId": id, "tenantId": self.tenant,
                "tenantType": "ORGANISATION", "eventCategory": "INVOICE", "eventType": "UPDATE",
                "eventDateUtc": "2026-11-22T06:00:00.000"}], "firstEventSequence": 7, "lastEventSequence": 7, "entropy": "ABC"});
            let body = body.to_string();
            let mac = Hmac::<Sha256>::new_from_slice(b"s3cret of the hook").unwrap().chain_update(&body).finalize();
            Request::post("https://hooks.shop.example.com/xero")
                .header("x-xero-signature", BASE64_STANDARD.encode(mac.into_bytes()))
                .body(Bytes::from(body))
                .unwrap()
        };
        let ids = ["bd2270c3-8706-4c11-9cfb-000b551c3f51", "bd2270c3-8706-4c11-9cfb-000b551c3f52"];
        Some(Webhook { keys: Arc::new(Keys), request: message(ids[0]), other: message(ids[1]) })
    }
}

struct Keys;

impl WebhookKeys for Keys {
    fn keys(&self, scope: &str) -> Vec<Bytes> {
        if scope == "xero" { vec!["s3cret of the hook".into()] } else { Vec::new() }
    }
}
