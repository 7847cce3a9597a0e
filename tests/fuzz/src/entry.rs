//! The webhook entry of a host, without a connection behind it.

use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::FutureExt as _;
use http::{HeaderName, HeaderValue, Method, Request};
use sync_core::{
    Collection, Error, ErrorKind, FieldSet, HostRecords, Local, LocalFrom, LocalId, LocalPage, OrganizationId, Records,
    Result, WebhookKeys,
};
use sync_dispatch::{Dispatcher, MemoryStore, http::system_clock};

/// The channel that is known, and its secret.
const CHANNEL: &str = "channel-1";
const SECRET: &str = "s3cret";

struct Keys;

impl WebhookKeys for Keys {
    fn keys(&self, scope: &str) -> Vec<Bytes> {
        if scope == CHANNEL { vec![Bytes::from_static(SECRET.as_bytes())] } else { Vec::new() }
    }
}

struct NoRecords;

fn none<T>() -> Result<T> {
    Err(Error::new(ErrorKind::Unsupported, "a webhook reads no records"))
}

#[async_trait]
impl Records for NoRecords {
    async fn changes(
        &self,
        _: &OrganizationId,
        _: &Collection,
        _: &FieldSet,
        _: LocalFrom<'_>,
        _: usize,
    ) -> Result<LocalPage> {
        none()
    }

    async fn read(&self, _: &OrganizationId, _: &Collection, _: &FieldSet, _: &[LocalId]) -> Result<Vec<Local>> {
        none()
    }

    async fn labels(&self, _: &OrganizationId, _: &Collection, _: &[LocalId]) -> Result<Vec<Option<String>>> {
        none()
    }
}

/// The entry.
#[derive(Debug)]
pub struct Entry(Dispatcher);

impl Default for Entry {
    fn default() -> Self {
        Self::new()
    }
}

impl Entry {
    /// With all providers that have webhooks, and one channel.
    ///
    /// # Panics
    /// When no dispatcher can be built.
    pub fn new() -> Self {
        let store = Arc::new(MemoryStore::new(Arc::new(system_clock())));
        let dispatcher = Dispatcher::builder(store, HostRecords::ReadOnly(Arc::new(NoRecords)))
            .without_consent_sink()
            .webhook_keys(Arc::new(Keys))
            .integration(provider_google_calendar::REGISTRATION, serde_json::Value::Null)
            .integration(provider_mailchimp::REGISTRATION, serde_json::Value::Null)
            .integration(provider_xero::REGISTRATION, serde_json::Value::Null)
            .build();
        Self(dispatcher.unwrap_or_else(|error| panic!("{error}")))
    }

    /// Takes a message: a line `INTEGRATION METHOD`, lines `NAME: VALUE`, a blank line, the body.
    ///
    /// # Panics
    /// When something is taken that doesn't show its secret, or is answered by nothing that a provider understands.
    pub fn take(&self, data: &[u8]) {
        let mut rest = data;
        let mut line = || {
            let end = rest.iter().position(|byte| *byte == b'\n').unwrap_or(rest.len());
            let (line, more) = rest.split_at(end);
            rest = more.get(1..).unwrap_or_default();
            line
        };
        let first = String::from_utf8_lossy(line()).into_owned();
        let (integration, method) = first.split_once(' ').unwrap_or((&first, "POST"));
        let mut request = Request::new(Bytes::new());
        *request.method_mut() = Method::from_bytes(method.as_bytes()).unwrap_or(Method::POST);
        loop {
            let header = line();
            let Some(colon) = header.iter().position(|byte| *byte == b':') else { break };
            let (name, value) = header.split_at(colon);
            if let (Ok(name), Ok(value)) =
                (HeaderName::from_bytes(name), HeaderValue::from_bytes(value.get(1..).unwrap_or_default().trim_ascii()))
            {
                request.headers_mut().append(name, value);
            }
        }
        *request.body_mut() = Bytes::copy_from_slice(rest);
        let reply = self.0.inbound(integration, &request).now_or_never().unwrap_or_else(|| panic!("the entry waits"));
        let shows = |name: &str, value: &str| request.headers().get(name).is_some_and(|shown| shown == value);
        let is_verified = shows("x-goog-channel-id", CHANNEL) && shows("x-goog-channel-token", SECRET);
        assert!(is_verified || !reply.status().is_success(), "taken without its secret: {}", reply.status());
        assert!(!reply.status().is_server_error(), "what comes from outside is no trouble of ours: {}", reply.status());
    }
}
