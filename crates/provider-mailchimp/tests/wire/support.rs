//! A connection before a mock server, and short forms for records and operations.

use provider_mailchimp::REGISTRATION;
use serde_json::{Value as Json, json};
use sync_core::{
    Consent, ConsentState, Facts, Operation, Record, Remote, RemoteId, ResourceName, Result, Role, SetChange, SyncHandler,
    Value,
};
use sync_testkit::wire::{self, Wire};
use wiremock::ResponseTemplate;

pub(crate) const AUDIENCE: &str = "a1b2c3d4e5";
pub(crate) const CONTACTS: ResourceName = ResourceName::from_static("contacts");
pub(crate) const ADA: &str = "ada.lovelace@example.com";
pub(crate) const ADA_ID: &str = "2b9150605ac374d671a306b5fcee60a0";

/// A connection with these settings beside the audience.
pub(crate) async fn connected(settings: Json) -> Wire {
    configured(Json::Null, settings).await
}

/// With this configuration, too.
pub(crate) async fn configured(config: Json, mut settings: Json) -> Wire {
    if settings.get("audience").is_none() {
        settings["audience"] = json!(AUDIENCE);
    }
    let shop = Wire::builder(&REGISTRATION).config(config).endpoint("api", "/3.0").container(AUDIENCE);
    shop.at("2026-03-01T12:00:00Z").open(settings).await
}

/// Opens a connection.
pub(crate) fn open(config: Json, settings: Json) -> Result<Box<dyn SyncHandler>> {
    wire::open(&REGISTRATION, config, None, settings)
}

/// A customer who agreed.
pub(crate) fn customer(email: &str) -> Record {
    Record::new()
        .with("email", Value::text(email))
        .with("first_name", Value::text("Ada"))
        .with("last_name", Value::text("Lovelace"))
        .with("consent.email", consent(ConsentState::Granted, Some("2026-01-01T00:00:00Z")))
}

pub(crate) fn consent(state: ConsentState, at: Option<&str>) -> Value {
    Value::Consent(Consent { state, source: None, at: at.map(|at| at.parse().unwrap()) })
}

/// A record as Mailchimp has it.
pub(crate) fn remote(email: &str, id: &str, state: ConsentState) -> Remote {
    let fields = customer(email).with("consent.email", consent(state, Some("2026-02-01T00:00:00Z")));
    let mut remote = Remote::live(CONTACTS, RemoteId::new(id), fields);
    remote.changed_at = Some("2026-02-01T00:00:00Z".parse().unwrap());
    remote
}

/// Adds a customer.
pub(crate) fn create(fields: Record) -> Operation {
    Operation { role: Role::new(AUDIENCE), container: Some(AUDIENCE.into()), ..wire::create(CONTACTS, "m", fields) }
}

/// Changes these fields of a customer.
pub(crate) fn update(before: Remote, fields: Record, changed: &[&str]) -> Operation {
    wire::update(create(fields), before, changed)
}

/// Takes a customer away.
pub(crate) fn remove(before: Remote) -> Operation {
    wire::remove(create(Record::new()), before)
}

/// With these tags added and removed.
pub(crate) fn tagging(mut op: Operation, add: &[&str], remove: &[&str]) -> Operation {
    let texts = |list: &[&str]| list.iter().map(|text| (*text).to_owned()).collect();
    op.sets.insert("tags".into(), SetChange { add: texts(add), remove: texts(remove) });
    op
}

/// A member as Mailchimp shows it.
pub(crate) fn member(email: &str, status: &str) -> Json {
    let id = provider_id(email);
    json!({
        "id": id, "email_address": email, "status": status, "merge_fields": {"FNAME": "Ada", "LNAME": "Lovelace"},
        "timestamp_signup": "", "timestamp_opt": "2026-01-01T00:00:00+00:00", "last_changed": "2026-02-01T00:00:00+00:00",
        "tags": [], "_links": [],
    })
}

/// The two ids that the tests need; anybody else's is made up.
fn provider_id(email: &str) -> String {
    match email.to_lowercase().as_str() {
        ADA => ADA_ID.to_owned(),
        "jörg@example.com" => "1020b8f7b35fa04503bbb1a6c0182ca9".to_owned(),
        other => format!("id-{other}"),
    }
}

/// The audience's facts, as `check` learns them.
pub(crate) fn audience_facts(double_optin: bool, has_welcome: bool) -> Facts {
    let audience = json!({"name": "Newsletter", "members": 9204, "double_optin": double_optin, "has_welcome": has_welcome});
    Facts::of("audience", audience)
}

/// The ids of the audience's tags, as they are known once all of them were read.
pub(crate) fn tag_facts(ids: Json) -> Facts {
    let mut facts = Facts::of("tags", ids);
    facts.learn(Facts::of("tags_read", json!({AUDIENCE: true})));
    facts
}

pub(crate) fn problem(status: u16, title: &str, detail: &str) -> ResponseTemplate {
    let body = json!({"type": "https://mailchimp.com/developer/marketing/docs/errors/", "title": title, "status": status,
        "detail": detail, "instance": "3b4dcb40-0000-4000-8000-000000000000"});
    ResponseTemplate::new(status).set_body_raw(body.to_string(), "application/problem+json; charset=utf-8")
}

pub(crate) fn ok(body: Json) -> ResponseTemplate {
    ResponseTemplate::new(200).set_body_json(body)
}

/// `POST /lists/{id}`'s answer.
pub(crate) fn written(new: &[Json], updated: &[Json], errors: &[Json]) -> ResponseTemplate {
    ok(json!({"new_members": new, "updated_members": updated, "errors": errors,
        "total_created": new.len(), "total_updated": updated.len(), "error_count": errors.len()}))
}
