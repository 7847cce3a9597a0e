//! One opened connection: its handler and its way out, and the rows behind it.

use std::{sync::Arc, time::Duration};

use jiff::Timestamp;
use sync_core::{
    Cancel, Connection, Context, Descriptor, EffectGrants, Error, ErrorKind, Grant, Integration, Lane, Opened, Result,
    Retry, Scope, SyncHandler,
};
use sync_engine::{Acquired, ConnectionRow};
use sync_http::AuthorizedExchange;

use crate::Dispatcher;

/// What a look at a connection may take beyond its longest call: waiting for budgets and a second attempt.
const LOOK_MARGIN: Duration = Duration::from_secs(30);

/// How long a change of a connection may take; its lease is given back as soon as it is done.
const CHANGE_LEASE_MS: i64 = 60_000;

/// How often a change of a row is tried against others who change it.
const MAX_ATTEMPTS: u32 = 8;

/// One opened connection.
pub(crate) struct Session {
    pub(crate) descriptor: &'static Descriptor,
    pub(crate) handler: Box<dyn SyncHandler>,
    pub(crate) exchange: AuthorizedExchange,
    cancel: Cancel,
    grants: EffectGrants,
    call_timeout: Duration,
}

impl Session {
    pub(crate) fn new(
        descriptor: &'static Descriptor,
        handler: Box<dyn SyncHandler>,
        exchange: AuthorizedExchange,
        call_timeout: Option<Duration>,
    ) -> Self {
        let call_timeout = call_timeout.unwrap_or(descriptor.call_timeout);
        Self { descriptor, handler, exchange, cancel: Cancel::new(), grants: EffectGrants::none(), call_timeout }
    }

    /// The bounds of a look at the connection: a person waits, nothing may be set off.
    pub(crate) fn look(&self, now: Timestamp) -> Context<'_> {
        let deadline = now.saturating_add(self.call_timeout + LOOK_MARGIN).unwrap_or(Timestamp::MAX);
        Context::new(&self.exchange, now, deadline, &self.cancel, Lane::Interactive, &self.grants)
    }

    /// The bounds of a call that nobody waits for.
    pub(crate) fn background(&self, now: Timestamp) -> Context<'_> {
        let deadline = now.saturating_add(self.call_timeout + LOOK_MARGIN).unwrap_or(Timestamp::MAX);
        Context::new(&self.exchange, now, deadline, &self.cancel, Lane::Scheduled, &self.grants)
    }
}

/// Opens a handler for records.
pub(crate) fn open(integration: &Arc<dyn Integration>, connection: Connection) -> Result<Box<dyn SyncHandler>> {
    match integration.open(connection)? {
        Opened::Sync(handler) => Ok(handler),
        _ => Err(Error::new(
            ErrorKind::Internal,
            format!("{} opened a connection of another kind than it declares", integration.descriptor().id),
        )),
    }
}

impl Dispatcher {
    /// Opens a connection as it is stored.
    pub(crate) async fn session(&self, integration: &Arc<dyn Integration>, row: &ConnectionRow) -> Result<Session> {
        let grant = self.grant(&row.scope).await?;
        self.session_with(integration, row, grant.as_ref(), row.settings.clone())
    }

    /// Opens a connection with other settings than the stored ones.
    pub(crate) fn session_with(
        &self,
        integration: &Arc<dyn Integration>,
        row: &ConnectionRow,
        grant: Option<&Grant>,
        settings: serde_json::Value,
    ) -> Result<Session> {
        let descriptor = integration.descriptor();
        // A connect that was cut off between its two rows: neither account may be written to.
        if grant.is_some_and(|grant| grant.account != row.account) {
            return Err(Error::new(ErrorKind::NotConnected, "the sign-in was not finished")
                .with_remedy(format!("Connect {} again, then sync", descriptor.name)));
        }
        let connection = Connection::new(row.scope.organization.clone(), settings)
            .with_account(row.account.clone())
            .with_vars(grant.map(|grant| grant.vars.clone()).unwrap_or_default());
        let handler = open(integration, connection)?;
        let exchange = self.0.outbound.exchange(&row.scope, descriptor, grant);
        Ok(Session::new(descriptor, handler, exchange, self.0.config.call_timeout))
    }

    /// The grant of a connection, if it is alive; `None` where the integration has no sign-in.
    pub(crate) async fn grant(&self, scope: &Scope) -> Result<Option<Grant>> {
        if self.0.registry.built(&scope.integration)?.descriptor().auth.is_empty() {
            return Ok(None);
        }
        let again = || format!("Connect {} again, then sync", self.0.registry.name(&scope.integration));
        match self.0.store.load(scope).await? {
            None => Err(Error::new(ErrorKind::NotConnected, "nobody has signed in").with_remedy(again())),
            Some(grant) if grant.dead_since.is_some() => {
                Err(Error::new(ErrorKind::AuthRevoked, "the sign-in was withdrawn or has expired").with_remedy(again()))
            }
            Some(grant) => Ok(Some(grant)),
        }
    }

    /// The connection, or why there is none.
    pub(crate) async fn connection(&self, scope: &Scope) -> Result<ConnectionRow> {
        self.0.registry.built(&scope.integration)?;
        match self.0.store.connection(scope).await? {
            Some(row) => Ok(row),
            None => {
                let name = self.0.registry.name(&scope.integration);
                Err(Error::new(ErrorKind::NotConnected, format!("{name} is not connected"))
                    .with_remedy(format!("Connect {name} first.")))
            }
        }
    }

    /// Changes a connection's row against others who may change it too. The change is asked again with each new reading.
    pub(crate) async fn update_connection(
        &self,
        scope: &Scope,
        change: impl Fn(&mut ConnectionRow),
    ) -> Result<ConnectionRow> {
        for _ in 0..MAX_ATTEMPTS {
            let row = self.connection(scope).await?;
            let mut changed = row.clone();
            change(&mut changed);
            if changed == row || self.put_connection(&mut changed, Some(row.revision)).await? {
                return Ok(changed);
            }
        }
        Err(Error::new(ErrorKind::Store, "the connection is being changed by others all the time")
            .with_retry(Retry::Backoff))
    }

    /// Stores a row if the stored revision is still `expected`.
    pub(crate) async fn put_connection(&self, row: &mut ConnectionRow, expected: Option<u64>) -> Result<bool> {
        row.revision = expected.map_or(1, |revision| revision + 1);
        self.0.store.put_connection(row, expected).await
    }

    /// Does something while no run of the connection is under way: a run's last commit would overwrite the connection.
    pub(crate) async fn exclusively<T>(
        &self,
        scope: &Scope,
        owner: &'static str,
        work: impl Future<Output = Result<T>>,
    ) -> Result<T> {
        let lease = match self.0.store.acquire(scope, owner, CHANGE_LEASE_MS).await? {
            Acquired::Lease(lease) => lease,
            Acquired::Held(held) => {
                let free_in = held.expires_at.duration_since(held.now);
                return Err(Error::new(
                    ErrorKind::LeaseHeld,
                    format!("a run by {} is under way since {}", held.owner, held.since.strftime("%Y-%m-%d %H:%M:%SZ")),
                )
                .with_retry(Retry::After(Duration::try_from(free_in).unwrap_or_default()))
                .with_remedy(format!(
                    "Cancel the run or wait until it ends, then try again. If it was killed, its lease is free at {}.",
                    held.expires_at.strftime("%Y-%m-%d %H:%M:%SZ")
                )));
            }
        };
        let done = work.await;
        let released = self.0.store.release(&lease).await;
        let done = done?;
        released?;
        Ok(done)
    }
}
