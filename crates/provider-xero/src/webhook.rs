//! Webhooks: verified over the raw bytes, then read. An event says which record changed and not what.
//!
//! When a webhook is set up, Xero sends well and wrongly signed bodies without events, and wants to be told which was which.
//! Source: <https://developer.xero.com/documentation/guides/webhooks/overview/> (read 2026-11-22).

use std::collections::{BTreeMap, BTreeSet};

use base64::{Engine as _, prelude::BASE64_STANDARD};
use bytes::Bytes;
use hmac::{Hmac, KeyInit as _, Mac as _};
use http::{Method, Request, Response};
use serde::Deserialize;
use sha2::Sha256;
use sync_core::{
    AccountId, DedupeKey, Error, ErrorKind, Hash, Inbound, RemoteId, ResourceName, Result, Signal, WebhookKeys,
};

use crate::{
    descriptor::{CONTACTS, INVOICES},
    mapping::invoice::document_id,
    model::real_id,
};

/// The name under which the host keeps the app's webhook key.
const KEY: &str = "xero";

/// The header of the signature.
const SIGNATURE: &str = "x-xero-signature";

/// One delivery.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Delivery {
    events: Vec<Event>,
    #[serde(default)]
    first_event_sequence: i64,
    #[serde(default)]
    last_event_sequence: i64,
    #[serde(default)]
    entropy: String,
}

/// One event: whose, which record.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[derive(Default)]
struct Event {
    resource_id: String,
    tenant_id: String,
    event_category: String,
    event_type: String,
    event_date_utc: String,
    data: Option<EventData>,
}

/// What events of credit notes say beside.
#[derive(Deserialize, Default)]
#[serde(rename_all = "PascalCase", default)]
struct EventData {
    #[serde(rename = "Type")]
    kind: String,
}

/// Takes a delivery.
pub(crate) fn inbound(keys: &dyn WebhookKeys, request: &Request<Bytes>) -> Result<Inbound> {
    let signature = request.headers().get(SIGNATURE).and_then(|value| value.to_str().ok());
    let signature = signature.and_then(|text| BASE64_STANDARD.decode(text.trim()).ok()).ok_or_else(forged)?;
    let fits = |key: &Bytes| {
        // A key of any length is one.
        Hmac::<Sha256>::new_from_slice(key)
            .is_ok_and(|mac| mac.chain_update(request.body()).verify_slice(&signature).is_ok())
    };
    if request.method() != Method::POST || !keys.keys(KEY).iter().any(fits) {
        return Err(forged());
    }
    let delivery: Delivery = serde_json::from_slice(request.body())
        .map_err(|_| Error::new(ErrorKind::Invalid, "the webhook of Xero can't be read"))?;
    // An empty body with 200 is what Xero wants, within five seconds.
    Ok(Inbound::new(Response::new(Bytes::new()), dedupe(&delivery), signals(&delivery)))
}

/// Events have no ids: what they are about stands for one.
fn dedupe(delivery: &Delivery) -> DedupeKey {
    let mut hash = Hash::start();
    if delivery.events.is_empty() {
        hash.text(&format!("{} {} {}", delivery.first_event_sequence, delivery.last_event_sequence, delivery.entropy));
    }
    for event in &delivery.events {
        for part in [&event.tenant_id, &event.resource_id, &event.event_category, &event.event_type, &event.event_date_utc] {
            hash.text(part);
        }
    }
    DedupeKey(hash.finish().to_string())
}

fn signals(delivery: &Delivery) -> Vec<(AccountId, Signal)> {
    let mut changed: BTreeMap<(&str, ResourceName), BTreeSet<RemoteId>> = BTreeMap::new();
    for event in &delivery.events {
        let Some(id) = real_id(&event.resource_id) else { continue };
        let (resource, id) = match event.event_category.to_uppercase().as_str() {
            "CONTACT" => (CONTACTS, RemoteId::new(id)),
            "INVOICE" => (INVOICES, document_id(false, id)),
            // A supplier's credit costs no call. Of invoices nothing tells: the feed's filter keeps bills out.
            "CREDITNOTE" if event.data.as_ref().is_some_and(|data| data.kind == "ACCPAYCREDIT") => continue,
            "CREDITNOTE" => (INVOICES, document_id(true, id)),
            _ => continue,
        };
        changed.entry((&event.tenant_id, resource)).or_default().insert(id);
    }
    // Payments have no events: what is paid shows in the document's.
    let documents: BTreeSet<&str> =
        changed.keys().filter(|(_, resource)| *resource == INVOICES).map(|(tenant, _)| *tenant).collect();
    let paid =
        documents.into_iter().map(|tenant| (AccountId::new(tenant), Signal::FeedMoved("payments"))).collect::<Vec<_>>();
    let signal = |((tenant, resource), ids): ((&str, ResourceName), BTreeSet<RemoteId>)| {
        (AccountId::new(tenant), Signal::Changed { resource, ids: ids.into_iter().collect() })
    };
    changed.into_iter().map(signal).chain(paid).collect()
}

fn forged() -> Error {
    Error::new(ErrorKind::Forbidden, "nobody who knows the webhook key of the Xero app has signed this message")
}

#[cfg(test)]
pub(crate) mod tests {
    use serde_json::json;

    use super::*;

    pub(crate) struct Keys;

    impl WebhookKeys for Keys {
        fn keys(&self, scope: &str) -> Vec<Bytes> {
            if scope == KEY { vec!["older key".into(), "s3cret of the hook".into()] } else { Vec::new() }
        }
    }

    fn signed(body: &str, key: &str) -> Request<Bytes> {
        let mac = Hmac::<Sha256>::new_from_slice(key.as_bytes()).unwrap().chain_update(body).finalize().into_bytes();
        Request::post("https://hooks.shop.example.com/xero")
            .header(SIGNATURE, BASE64_STANDARD.encode(mac))
            .body(Bytes::from(body.to_owned()))
            .unwrap()
    }

    fn event(category: &str, id: &str) -> serde_json::Value {
        json!({"resourceUrl": "x", "resourceId": id, "tenantId": "t1", "tenantType": "ORGANISATION",
            "eventCategory": category, "eventType": "UPDATE", "eventDateUtc": "2026-11-22T06:00:00.000"})
    }

    fn credit(id: &str, kind: &str) -> serde_json::Value {
        let mut event = event("CREDITNOTE", id);
        event["data"] = json!({"Type": kind, "Status": "AUTHORISED"});
        event
    }

    #[test]
    fn the_intent_to_receive_is_answered_in_the_right_places() {
        let body = r#"{"events":[],"firstEventSequence":0,"lastEventSequence":0,"entropy":"ABC"}"#;
        let taken = inbound(&Keys, &signed(body, "s3cret of the hook")).unwrap();
        assert_eq!((taken.reply.status().as_u16(), taken.reply.body().len(), taken.signals.len()), (200, 0, 0));
        assert!(inbound(&Keys, &signed(body, "older key")).is_ok());
        assert_eq!(inbound(&Keys, &signed(body, "wrong")).unwrap_err().kind(), ErrorKind::Forbidden);
    }

    #[test]
    fn nothing_is_read_before_the_signature_fits() {
        let good = signed("no json", "s3cret of the hook");
        assert_eq!(inbound(&Keys, &good).unwrap_err().kind(), ErrorKind::Invalid);
        let mut unsigned = signed("no json", "s3cret of the hook");
        unsigned.headers_mut().remove(SIGNATURE);
        let mut changed = signed(r#"{"events":[]}"#, "s3cret of the hook");
        *changed.body_mut() = r#"{"events":[] }"#.into();
        let mut strange = signed("{}", "s3cret of the hook");
        strange.headers_mut().insert(SIGNATURE, "no base64!".parse().unwrap());
        for request in [unsigned, changed, strange] {
            assert_eq!(inbound(&Keys, &request).unwrap_err().kind(), ErrorKind::Forbidden);
        }
    }

    #[test]
    fn events_are_hints_by_tenant_and_what_nobody_syncs_is_dropped() {
        let body = json!({"events": [event("CONTACT", "c1"), event("CONTACT", "c1"), event("SUBSCRIPTION", "s1"),
            event("CONTACT", "00000000-0000-0000-0000-000000000000"), event("INVOICE", "i1"), credit("n1", "ACCRECCREDIT"),
            credit("n2", "ACCPAYCREDIT")]});
        let taken = inbound(&Keys, &signed(&body.to_string(), "s3cret of the hook")).unwrap();
        let contacts = Signal::Changed { resource: CONTACTS, ids: vec!["c1".into()] };
        let documents = Signal::Changed { resource: INVOICES, ids: vec!["credit-note:n1".into(), "i1".into()] };
        let expected =
            [contacts, documents, Signal::FeedMoved("payments")].map(|signal| (AccountId::from_static("t1"), signal));
        assert_eq!(taken.signals, expected);
    }

    #[test]
    fn the_same_events_are_known_whatever_else_differs() {
        let key = |entropy: &str, id: &str| {
            let body = json!({"events": [event("CONTACT", id)], "entropy": entropy}).to_string();
            inbound(&Keys, &signed(&body, "s3cret of the hook")).unwrap().dedupe
        };
        assert_eq!(key("a", "c1"), key("b", "c1"));
        assert_ne!(key("a", "c1"), key("a", "c2"));
    }
}
