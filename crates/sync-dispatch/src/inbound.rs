//! Webhooks: verified, deduplicated, and turned into "look there soon".

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use jiff::Timestamp;
use sync_core::{AccountId, ErrorKind, Result, Scope, Signal, WebhookKeys};
use sync_engine::ConnectionStatus;

use crate::{Dispatcher, connect::PAGE};

/// Knows no key: every webhook is refused.
struct NoKeys;

impl WebhookKeys for NoKeys {
    fn keys(&self, _scope: &str) -> Vec<Bytes> {
        Vec::new()
    }
}

impl Dispatcher {
    /// Takes a webhook: verifies it, queues the connections that it is about, and returns the reply to give.
    ///
    /// A hint is never applied, only looked at with the next run that time asks for. So a delivery that comes twice
    /// costs at most a run that finds nothing; this process drops the copies that it remembers.
    ///
    /// The reply is 404 for an unknown integration, 401 for a signature that doesn't fit, 400 for what can't be read, and
    /// 503 when the store fails, so that the provider sends it again.
    pub async fn inbound(&self, integration: &str, request: &Request<Bytes>) -> Response<Bytes> {
        let id = integration.into();
        let Ok(built) = self.0.registry.built(&id) else { return empty(StatusCode::NOT_FOUND) };
        let keys: &dyn WebhookKeys = self.0.keys.as_deref().unwrap_or(&NoKeys);
        let inbound = match built.inbound(keys, request) {
            Ok(inbound) => inbound,
            Err(error) => {
                tracing::warn!(integration, %error, "a webhook was refused");
                return empty(match error.kind() {
                    ErrorKind::Forbidden => StatusCode::UNAUTHORIZED,
                    ErrorKind::Unsupported | ErrorKind::NotFound => StatusCode::NOT_FOUND,
                    _ => StatusCode::BAD_REQUEST,
                });
            }
        };
        if self.0.memory.has_seen(integration, &inbound.dedupe) {
            return inbound.reply;
        }
        match self.queue(&id, &inbound.signals).await {
            Ok(n_queued) => {
                tracing::debug!(integration, n_queued, "a webhook was taken");
                self.0.memory.saw(integration, inbound.dedupe);
                inbound.reply
            }
            Err(error) => {
                tracing::error!(integration, %error, "a webhook could not be queued");
                empty(StatusCode::SERVICE_UNAVAILABLE)
            }
        }
    }

    /// Queues the connections of the accounts; returns how many.
    async fn queue(&self, integration: &sync_core::IntegrationId, signals: &[(AccountId, Signal)]) -> Result<usize> {
        if signals.is_empty() {
            return Ok(0);
        }
        let now = self.0.clock.now();
        let mut n_queued = 0;
        let mut after: Option<Scope> = None;
        loop {
            let page = self.0.store.connections(None, after.as_ref(), PAGE).await?;
            for row in page.iter().filter(|row| row.scope.integration == *integration) {
                let mine = signals.iter().filter(|(account, _)| row.account.as_ref() == Some(account));
                let (revoked, news): (Vec<_>, Vec<_>) = mine.partition(|(_, signal)| *signal == Signal::Revoked);
                if revoked.is_empty() && news.is_empty() {
                    continue;
                }
                self.update_connection(&row.scope, |row| {
                    if !news.is_empty() && row.status == ConnectionStatus::Active {
                        row.next_run_at = Some(row.next_run_at.map_or(now, |next| next.min(now)));
                    }
                    // Anybody who knows an account can't end its connection: the provider is asked.
                    if !revoked.is_empty() {
                        row.checked_at = Some(Timestamp::UNIX_EPOCH);
                    }
                })
                .await?;
                n_queued += 1;
            }
            let n_rows = page.len();
            after = page.into_iter().next_back().map(|row| row.scope);
            if n_rows < PAGE {
                return Ok(n_queued);
            }
        }
    }
}

fn empty(status: StatusCode) -> Response<Bytes> {
    let mut reply = Response::new(Bytes::new());
    *reply.status_mut() = status;
    reply
}
