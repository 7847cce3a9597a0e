//! What the service tells by itself.
//! Sources: <https://developer.xero.com/documentation/guides/webhooks/overview/>, the schema `WebhookEvent` of Xero's
//! description of webhooks.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use bytes::Bytes;
use hmac::{Hmac, KeyInit as _, Mac as _};
use http::{Method, Request};
use jiff::Timestamp;
use serde_json::{Value, json};
use sha2::Sha256;

use super::{World, document::Kind, id::Id, seed::XeroWebhookSeed};

/// What an event is about. There are none of payments.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Category {
    Contact,
    Invoice,
    CreditNote,
}

impl Category {
    pub(super) fn of(kind: Kind) -> Self {
        if kind.is_credit() { Self::CreditNote } else { Self::Invoice }
    }

    fn as_str(self) -> &'static str {
        match self {
            Self::Contact => "CONTACT",
            Self::Invoice => "INVOICE",
            Self::CreditNote => "CREDITNOTE",
        }
    }

    fn path(self) -> &'static str {
        match self {
            Self::Contact => "Contacts",
            Self::Invoice => "Invoices",
            Self::CreditNote => "CreditNotes",
        }
    }
}

/// One change.
#[derive(Debug, Clone)]
pub(super) struct Event {
    tenant: Id,
    pub(super) category: Category,
    pub(super) resource: Id,
    is_new: bool,
    at: Timestamp,
    /// `Type` and `Status`, of credit notes only.
    pub(super) data: Option<Value>,
}

/// Where events go.
#[derive(Debug, Clone, Default)]
pub(super) struct Hooks {
    pub(super) hook: Option<XeroWebhookSeed>,
    sequence: u64,
}

impl World {
    /// Notes a change; several of one record in one call are one event.
    pub(super) fn tell(&mut self, tenant: Id, category: Category, resource: Id, is_new: bool) {
        if !self.events.iter().any(|event| event.resource == resource) {
            self.events.push(Event { tenant, category, resource, is_new, at: self.now, data: None });
        }
    }
}

impl Hooks {
    /// Packs events for the webhook, signed.
    pub(super) fn pack(&mut self, events: Vec<Event>, entropy: &str) -> Option<Request<Bytes>> {
        let hook = self.hook.clone()?;
        let is_wanted =
            |event: &Event| hook.categories.is_empty() || hook.categories.iter().any(|one| one == event.category.as_str());
        let wanted: Vec<Value> = events.iter().filter(|event| is_wanted(event)).map(show).collect();
        if wanted.is_empty() {
            return None;
        }
        let first = self.sequence + 1;
        self.sequence += wanted.len() as u64;
        let body = json!({
            "events": wanted, "firstEventSequence": first, "lastEventSequence": self.sequence, "entropy": entropy,
        });
        request(&hook, &body, &hook.key)
    }

    /// "Intent to receive": empty deliveries, signed rightly and wrongly, that the app must tell apart.
    pub(super) fn intent(&self, entropy: &str) -> Vec<Request<Bytes>> {
        let Some(hook) = &self.hook else { return Vec::new() };
        let body = json!({"events": [], "firstEventSequence": 0, "lastEventSequence": 0, "entropy": entropy});
        let wrong = format!("{}?", hook.key);
        [&hook.key, &wrong, &wrong, &hook.key].into_iter().filter_map(|key| request(hook, &body, key)).collect()
    }
}

fn show(event: &Event) -> Value {
    let id = event.resource;
    let mut shown = json!({
        "resourceUrl": format!("https://api.xero.com/api.xro/2.0/{}/{id}", event.category.path()), "resourceId": id.json(),
        "tenantId": event.tenant.json(), "tenantType": "ORGANISATION", "eventCategory": event.category.as_str(),
        "eventType": if event.is_new { "CREATE" } else { "UPDATE" },
        // Without a zone, though it is UTC.
        "eventDateUtc": event.at.strftime("%Y-%m-%dT%H:%M:%S.%3f").to_string(),
    });
    if let Some(data) = &event.data {
        shown["data"] = data.clone();
    }
    shown
}

fn request(hook: &XeroWebhookSeed, body: &Value, key: &str) -> Option<Request<Bytes>> {
    let body = body.to_string();
    let mut mac = Hmac::<Sha256>::new_from_slice(key.as_bytes()).ok()?;
    mac.update(body.as_bytes());
    let signature = STANDARD.encode(mac.finalize().into_bytes());
    Request::builder()
        .method(Method::POST)
        .uri(&hook.url)
        .header("content-type", "application/json; charset=utf-8")
        .header("x-xero-signature", signature)
        .body(body.into())
        .ok()
}
