//! Routing: which integration, which kind, which connection.

use std::{fmt, panic::AssertUnwindSafe, sync::Arc, time::Duration};

use futures_util::FutureExt as _;
use jiff::Timestamp;
use sync_core::{
    Capabilities, Clock, Details, Error, ErrorKind, HostRecords, Integration, IntegrationId, Kind, Notifier, Random, Scope,
    Stop, SyncRequest, SyncResult, WebhookKeys,
};
use sync_engine::{ConnectionRow, ConnectionStatus, Engine, EngineConfig, Retention, RunInput, RunOptions, Store};
use url::Url;

use crate::{
    builder::DispatcherBuilder,
    due::Memory,
    outbound::Outbound,
    registry::{Entry, IntegrationInfo, Registry, build_with},
    text::{line, refused},
};

/// Takes requests to the integrations. One per process; clones share everything.
#[derive(Clone)]
pub struct Dispatcher(pub(crate) Arc<Inner>);

pub(crate) struct Inner {
    pub(crate) registry: Registry,
    pub(crate) store: Arc<dyn Store>,
    pub(crate) records: HostRecords,
    pub(crate) notifier: Option<Arc<dyn Notifier>>,
    pub(crate) keys: Option<Arc<dyn WebhookKeys>>,
    pub(crate) webhooks: Option<Url>,
    pub(crate) poll_every: Option<Duration>,
    pub(crate) random: Arc<dyn Random>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) engine: Engine,
    pub(crate) config: EngineConfig,
    pub(crate) retention: Retention,
    pub(crate) outbound: Outbound,
    pub(crate) memory: Memory,
}

impl fmt::Debug for Dispatcher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Dispatcher").field("registry", &self.0.registry).finish_non_exhaustive()
    }
}

impl Dispatcher {
    /// Starts building one, over a store and the host's records.
    pub fn builder(store: Arc<dyn Store>, records: HostRecords) -> DispatcherBuilder {
        DispatcherBuilder::new(store, records)
    }

    /// Runs one sync, interactively and without grants. See [`Dispatcher::dispatch_with`].
    pub async fn dispatch(&self, request: SyncRequest) -> SyncResult {
        self.dispatch_with(request, RunOptions::new()).await
    }

    /// Runs one sync. Never errs and never panics out: whatever happens is told by the result.
    pub async fn dispatch_with(&self, request: SyncRequest, options: RunOptions) -> SyncResult {
        let result = match AssertUnwindSafe(self.route(&request, &options)).catch_unwind().await {
            Ok(result) => result,
            // The panic's words may hold record content: they go nowhere.
            Err(_) => {
                tracing::error!(scope = %request.scope(), "a run panicked");
                refused(
                    Stop::Fault,
                    format!(
                        "Internal error in the sync of {}: it stopped where it was, and what was done is recorded. \
                         Sync again once its lease is free; report it if it comes back",
                        self.0.registry.name(&request.integration_id)
                    ),
                )
            }
        };
        if let Some(at) = result.details.as_ref().filter(|it| goes_on(&request, it)).and_then(|it| it.resume_at) {
            self.resume_at(&request.scope(), at).await;
        }
        result
    }

    /// What an integration can do here.
    pub fn capabilities(&self, integration: &str) -> Capabilities {
        self.0.registry.capabilities(integration)
    }

    /// All integrations of the public contract, in its order, then the host's own.
    pub fn integrations(&self) -> Vec<IntegrationInfo> {
        self.0.registry.list()
    }

    /// The JSON schema of an integration's settings.
    ///
    /// # Errors
    /// When this process hasn't got the integration.
    pub fn settings_schema(&self, integration: &IntegrationId) -> sync_core::Result<serde_json::Value> {
        Ok(self.0.registry.built(integration)?.settings_schema())
    }

    /// What the integrations of this process say about themselves.
    pub fn descriptors(&self) -> impl Iterator<Item = &'static sync_core::Descriptor> {
        self.0.registry.iter().map(|integration| integration.descriptor())
    }

    /// The store.
    pub fn store(&self) -> &Arc<dyn Store> {
        &self.0.store
    }

    async fn route(&self, request: &SyncRequest, options: &RunOptions) -> SyncResult {
        let id = &request.integration_id;
        let integration = match self.0.registry.entry(id.as_str()) {
            Entry::Built(integration) => integration,
            // What a real-time integration answers does not depend on its being there: there is nothing to sync.
            Entry::NotBuilt(known) => match known.kind {
                Kind::RealTime { message } => return SyncResult::nothing(message),
                _ => {
                    let text = format!("{}. {}", self.0.registry.not_implemented(id.as_str()), build_with(known));
                    return refused(Stop::Request, text);
                }
            },
            Entry::Unknown => return refused(Stop::Request, self.0.registry.not_implemented(id.as_str())),
        };
        match integration.descriptor().kind {
            Kind::RealTime { message } => SyncResult::nothing(message),
            Kind::Sync => match self.sync(integration, request, options).await {
                Ok(result) | Err(result) => result,
            },
            // `Outbox` is refused by the builder; a kind that is yet to come ends here too.
            _ => refused(Stop::Request, self.0.registry.not_implemented(id.as_str())),
        }
    }

    async fn sync(
        &self,
        integration: &Arc<dyn Integration>,
        request: &SyncRequest,
        options: &RunOptions,
    ) -> Result<SyncResult, SyncResult> {
        let descriptor = integration.descriptor();
        let scope = request.scope();
        let fault = |error: Error| {
            let stop = match error.kind() {
                ErrorKind::Config | ErrorKind::Invalid => Stop::Settings,
                ErrorKind::NotConnected | ErrorKind::AuthRevoked => Stop::Reconnect,
                _ => Stop::Fault,
            };
            refused(stop, format!("{} sync failed: {}", descriptor.name, line(&error)))
        };
        let row = self.0.store.connection(&scope).await.map_err(fault)?;
        let row = active(descriptor.name, row).map_err(|text| refused(Stop::Reconnect, text))?;
        let session = match self.session(integration, &row).await {
            Ok(session) => session,
            Err(error) if matches!(error.kind(), ErrorKind::NotConnected | ErrorKind::AuthRevoked) => {
                if error.kind() == ErrorKind::AuthRevoked {
                    self.found_dead(row, &error).await;
                }
                return Err(refused(Stop::Reconnect, not_active(descriptor.name, &line(&error))));
            }
            Err(error) => return Err(fault(error)),
        };
        let input = RunInput {
            descriptor,
            handler: &*session.handler,
            exchange: &session.exchange,
            connection: &row,
            request,
            options,
        };
        let mut result = self.0.engine.run(input).await;
        if result.details.as_ref().is_some_and(|details| details.stopped == Some(Stop::Reconnect)) {
            self.explain(&scope, &mut result).await;
        }
        Ok(result)
    }

    /// Marks a connection whose sign-in is dead, where the run that it died in ended before it could. Who has signed in again
    /// meanwhile has changed the row, and it stays. Best effort: the next run finds it dead too.
    async fn found_dead(&self, mut row: ConnectionRow, error: &Error) {
        let known = row.revision;
        row.status = ConnectionStatus::Reconnect { since: self.0.clock.now(), reason: error.message().to_owned() };
        if let Err(error) = self.put_connection(&mut row, Some(known)).await {
            tracing::warn!(scope = %row.scope, %error, "that the sign-in is dead could not be stored");
        }
    }

    /// Remembers when what is left shall go on. Best effort: calling again resumes anyway.
    async fn resume_at(&self, scope: &Scope, at: Timestamp) {
        let resumed = self
            .update_connection(scope, |row| {
                if row.status == ConnectionStatus::Active && row.next_run_at.is_none_or(|next| next > at) {
                    row.next_run_at = Some(at);
                }
            })
            .await;
        if let Err(error) = resumed {
            tracing::warn!(%scope, %error, "the time to resume could not be stored");
        }
    }
}

/// True when what is left of a request goes on by itself. A dry run leaves nothing; what met another run is that run's.
fn goes_on(request: &SyncRequest, details: &Details) -> bool {
    !request.dry_run && details.stopped != Some(Stop::LeaseHeld)
}

/// The text of a connection that can't be used.
pub(crate) fn not_active(name: &str, remedy: &str) -> String {
    format!("{name} integration not active: {remedy}")
}

/// The connection, where it can be used; else why not.
fn active(name: &str, row: Option<ConnectionRow>) -> Result<ConnectionRow, String> {
    let again = format!("Connect {name} again, then sync");
    let remedy = match row {
        None => format!("Connect {name}, then sync"),
        Some(row) => match &row.status {
            ConnectionStatus::Disconnected { since } => {
                format!("it was disconnected on {}. {again}", since.strftime("%Y-%m-%d"))
            }
            ConnectionStatus::Reconnect { reason, .. } => format!("{}. {again}", reason.trim_end_matches('.')),
            _ if row.account.is_none() => format!("no account was chosen. Choose the {name} account, then sync"),
            _ => return Ok(row),
        },
    };
    Err(not_active(name, &remedy))
}
