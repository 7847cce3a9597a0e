//! The providers, each with a connection and a record.

use serde_json::{Value as Json, json};
use sync_core::{
    Connection, Consent, ConsentState, ContainerId, Facts, Feed, KeysOf, NaturalKey, Opened, Record, Ref, Refs,
    Registration, RemoteId, ResourceName, Role, SyncHandler, Value,
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
    /// Where they lie, where the provider has such places.
    pub container: Option<ContainerId>,
    /// Which counterparts they are.
    pub role: Role,
    /// One of them.
    pub record: Record,
    /// The same, changed.
    pub changed: Record,
    /// Its id there.
    pub remote: RemoteId,
    /// What it is found by beside its id.
    pub keys: Vec<NaturalKey>,
    /// What was learned before.
    pub facts: Facts,
    /// The digest of the settings that stands in its cursors, where they have one.
    pub digest: String,
    /// The words of what can be chosen.
    pub choices: &'static [&'static str],
}

impl Place {
    /// The feed in which they come.
    pub(crate) fn feed(&self) -> Option<&'static Feed> {
        self.registration.descriptor.feeds.iter().find(|feed| feed.covers.contains(&self.resource))
    }
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
        container: Some(AUDIENCE.into()),
        role: Role::new(AUDIENCE),
        record,
        changed,
        // The MD5 of the address, as Mailchimp's ids are.
        remote: RemoteId::from_static("3e3417df7a4b0ecd0d0e8a2ac4ff6b42"),
        keys: key("email", "ada@example.com"),
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
        container: Some(CALENDAR.into()),
        role: Role::MAIN,
        record,
        changed,
        remote: RemoteId::from_static("0123456789abcdef0123456789abcdef"),
        keys: key("title", "reef trip"),
        facts,
        digest: String::new(),
        choices: &["calendars", "time-zones"],
    };
    place.digest = crate::ask::digest(&place);
    place
}

/// A customer, an invoice and a payment in a company's books.
pub fn xero() -> [Place; 3] {
    static REGISTRATION: Registration = provider_xero::REGISTRATION;
    const ID: &str = "bd2270c3-8706-4c11-9cfb-000b551c3f51";
    let amount = |text: &str| Value::Decimal(text.parse().unwrap_or_default());
    let there = |resource, id: &str| Value::Ref(Ref::Foreign { resource, id: RemoteId::new(id) });
    let contact = Record::new()
        .with("name", Value::text("Ada Lovelace"))
        .with("first_name", Value::text("Ada"))
        .with("last_name", Value::text("Lovelace"))
        .with("email", Value::text("ada@example.com"))
        .with("tax_number", Value::text("MT-1"))
        .with("phones", Value::Json(json!([{"number": "+356 1"}])))
        .with("addresses", Value::Json(json!([{"kind": "billing", "lines": ["1 Quay"], "city": "Gozo", "country": "MT"}])));
    let line = |price| {
        let line = Record::new().with("description", Value::text("Two dives"));
        Value::List(vec![line.with("quantity", amount("2")).with("unit_amount", amount(price))])
    };
    let invoice = Record::new()
        .with("number", Value::text("D-1042"))
        .with("kind", Value::text("sale"))
        .with("customer", there("contacts".into(), ID))
        .with("date", Value::Date(date("2026-10-17")))
        .with("currency", Value::text("EUR"))
        .with("amounts", Value::text("inclusive"))
        .with("lines", line("90.00"))
        .with("total", amount("180.00"));
    let allocation =
        |sum| Value::List(vec![Record::new().with("invoice", there("invoices".into(), ID)).with("amount", amount(sum))]);
    let payment = Record::new()
        .with("kind", Value::text("received"))
        .with("date", Value::Date(date("2026-10-17")))
        .with("currency", Value::text("EUR"))
        .with("amount", amount("180.00"))
        .with("allocations", allocation("180.00"))
        .with("method", Value::text("card"));
    let changed = [
        contact
            .clone()
            .with("email", Value::text("ada.lovelace@example.com"))
            .with("name", Value::text("Ada Mary Lovelace")),
        invoice.clone().with("lines", line("95.50")).with("total", amount("191.00")),
        payment.clone().with("amount", amount("90.00")).with("allocations", allocation("90.00")),
    ];
    let account =
        |code: &str| json!({"id": ID, "code": code, "name": "", "tax": "OUTPUT", "currency": "EUR", "takes_payments": true});
    let mut facts = Facts::of("accounts", json!({"200": account("200"), "091": account("091"), "860": account("860")}));
    facts.learn(Facts::of("rates", json!({"OUTPUT": "18"})));
    facts.learn(Facts::of("currencies", json!(["EUR"])));
    let locked = json!({"name": "Shop", "currency": "EUR", "locked_until": "2025-12-31", "today": "2026-11-22"});
    facts.learn(Facts::of("organisation", locked));
    let both = json!({"direction": "both"});
    let settings = json!({
        "account": "200", "rounding_account": "860", "payment_accounts": {"card": "091"}, "contacts": both, "invoices": both,
        "payments": both,
    });
    let mut changed = changed.into_iter();
    [("contacts", contact), ("invoices", invoice), ("payments", payment)].map(|(name, record)| {
        let (resource, handler) = (ResourceName::new(name), open(&REGISTRATION, settings.clone(), Some(ID)));
        Place {
            registration: &REGISTRATION,
            keys: handler.keys(KeysOf::new(&resource, &record, &Refs::new())),
            handler,
            resource,
            container: None,
            role: Role::MAIN,
            changed: changed.next().unwrap_or_default(),
            record,
            remote: RemoteId::from_static(ID),
            facts: facts.clone(),
            digest: name.to_owned(),
            choices: &[
                "accounts",
                "payment-accounts",
                "tax-rates",
                "tracking-categories",
                "tracking-options",
                "branding-themes",
                "contacts",
                "tenants",
            ],
        }
    })
}

fn key(field: &'static str, value: &str) -> Vec<NaturalKey> {
    NaturalKey::of(field, value).into_iter().collect()
}

fn date(text: &str) -> jiff::civil::Date {
    text.parse().unwrap_or_default()
}
