//! The providers, each with a connection and a record.

use serde_json::{Value as Json, json};
use sync_core::{
    Connection, Consent, ConsentState, ContainerId, Facts, Opened, Record, Registration, RemoteId, ResourceName, Role,
    SyncHandler, Value,
};

/// What is needed to ask a provider for everything it can do.
#[derive(Debug)]
pub struct Place {
    /// The provider.
    pub registration: &'static Registration,
    /// A connection.
    pub handler: Box<dyn SyncHandler>,
    /// A kind of record.
    pub resource: ResourceName,
    /// Where they lie.
    pub container: ContainerId,
    /// Which counterparts they are.
    pub role: Role,
    /// One of them.
    pub record: Record,
    /// The same, changed.
    pub changed: Record,
    /// Its id there.
    pub remote: RemoteId,
    /// A value by which it is found.
    pub key: (&'static str, &'static str),
    /// What was learned before.
    pub facts: Facts,
    /// The digest of the settings that stands in its cursors, where they have one.
    pub digest: String,
    /// The words of what can be chosen.
    pub choices: &'static [&'static str],
}

fn open(registration: &'static Registration, settings: Json, account: Option<&'static str>) -> Box<dyn SyncHandler> {
    let connection = Connection::new("shop".into(), settings).with_account(account.map(Into::into));
    match (registration.build)(Json::Null).and_then(|integration| integration.open(connection)) {
        Ok(Opened::Sync(handler)) => handler,
        other => panic!("the connection does not open: {other:?}"),
    }
}

/// A customer in an audience, with fields, tags and consent.
pub fn mailchimp() -> Place {
    static REGISTRATION: Registration = provider_mailchimp::REGISTRATION;
    const AUDIENCE: &str = "a1b2c3d4e5";
    let consent = |state, at: &str| Value::Consent(Consent { state, source: None, at: at.parse().ok() });
    let record = Record::new()
        .with("email", Value::text("ada@example.com"))
        .with("first_name", Value::text("Ada"))
        .with("last_name", Value::text("Lovelace"))
        .with("tags", Value::Set(["diver".to_owned(), "boat".to_owned()].into()))
        .with("consent.email", consent(ConsentState::Granted, "2026-01-01T00:00:00Z"));
    let changed = record
        .clone()
        .with("first_name", Value::text("Ada Mary"))
        .with("email", Value::text("ada.lovelace@example.com"))
        .with("consent.email", consent(ConsentState::Denied, "2026-03-01T00:00:00Z"));
    let mut facts =
        Facts::of("audience", json!({"name": "News", "members": 9, "double_optin": false, "has_welcome": false}));
    facts.learn(Facts::of("tags", json!({AUDIENCE: {"diver": 11}})));
    Place {
        registration: &REGISTRATION,
        handler: open(&REGISTRATION, json!({"audience": AUDIENCE}), None),
        resource: ResourceName::from_static("contacts"),
        container: AUDIENCE.into(),
        role: Role::new(AUDIENCE),
        record,
        changed,
        // The MD5 of the address, as Mailchimp's ids are.
        remote: RemoteId::from_static("3e3417df7a4b0ecd0d0e8a2ac4ff6b42"),
        key: ("email", "ada@example.com"),
        facts,
        digest: String::new(),
        choices: &["audiences", "merge-fields", "tags"],
    }
}

/// A trip in a calendar.
pub fn google_calendar() -> Place {
    static REGISTRATION: Registration = provider_google_calendar::REGISTRATION;
    const CALENDAR: &str = "trips@example.com";
    let record = Record::new()
        .with("title", Value::text("Reef trip"))
        .with("date", Value::Date(date("2026-12-03")))
        .with("start_time", Value::text("09:00"))
        .with("end_time", Value::text("12:00"))
        .with("location", Value::text("Harbour"));
    let changed = record.clone().with("start_time", Value::text("10:00")).with("title", Value::text("Wreck trip"));
    let mut facts = Facts::of("zones", json!({CALENDAR: "Europe/Madrid"}));
    facts.learn(Facts::of("names", json!({CALENDAR: "Trips"})));
    facts.learn(Facts::of("window", json!({"from": "2026-10-23", "until": "2028-05-22"})));
    let settings = json!({"calendar": CALENDAR, "foreign": true, "direction": "both", "text": "{description}"});
    let mut place = Place {
        registration: &REGISTRATION,
        handler: open(&REGISTRATION, settings, Some("ada@example.com")),
        resource: ResourceName::from_static("trips"),
        container: CALENDAR.into(),
        role: Role::MAIN,
        record,
        changed,
        remote: RemoteId::from_static("0123456789abcdef0123456789abcdef"),
        key: ("title", "reef trip"),
        facts,
        digest: String::new(),
        choices: &["calendars", "time-zones"],
    };
    place.digest = crate::ask::digest(&place);
    place
}

fn date(text: &str) -> jiff::civil::Date {
    text.parse().unwrap_or_default()
}
