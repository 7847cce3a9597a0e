//! Looking after a connection, and ending it.

use std::sync::Arc;

use jiff::Timestamp;
use serde::Serialize;
use sync_core::{AccountId, Check, Error, ErrorKind, Grant, Integration, LeaveAccount, Problem, Result, Scope, Swapped};
use sync_engine::{ConnectionRow, ConnectionStatus};

use crate::{Dispatcher, text::line};

/// How a connection is.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct Health {
    /// Where it stands.
    pub status: ConnectionStatus,
    /// The account.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub account: Option<AccountId>,
    /// What people call it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub account_name: Option<String>,
    /// What is wrong with its settings.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub problems: Vec<Problem>,
    /// Why the provider refuses it, where it does, and what to do.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// When the provider was last asked about it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub checked_at: Option<Timestamp>,
}

/// A connection that was ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct Disconnected {
    /// True when the provider was told to forget the sign-in; false where it can't be told, or where another connection
    /// uses the same account and would have died with it.
    pub revoked: bool,
}

impl Dispatcher {
    /// Asks the provider about a connection: account, settings, sign-in. A dead sign-in is a finding, and marks the
    /// connection; a look also keeps alive what dies of idleness.
    ///
    /// # Errors
    /// When the provider or the store can't be asked.
    pub async fn check(&self, scope: &Scope) -> Result<Health> {
        let row = self.connection(scope).await?;
        if matches!(row.status, ConnectionStatus::Disconnected { .. }) {
            return Ok(health(row, Vec::new(), None));
        }
        let now = self.0.clock.now();
        match self.look(&row, now).await {
            Ok(problems) => {
                let row = self
                    .update_connection(scope, |row| {
                        row.checked_at = Some(now);
                        if matches!(row.status, ConnectionStatus::Reconnect { .. }) {
                            row.status = connected(row);
                        }
                    })
                    .await?;
                Ok(health(row, problems, None))
            }
            Err(error) if matches!(error.kind(), ErrorKind::AuthRevoked | ErrorKind::NotConnected) => {
                let why = self.why_it_ended(scope).await;
                let reason = why.as_ref().map_or_else(|| error.message().to_owned(), |why| explained(error.message(), why));
                let row = self.mark_reconnect(scope, now, &reason).await?;
                let text = why.map_or_else(|| line(&error), |why| format!("{} {why}", line(&error)));
                Ok(health(row, Vec::new(), Some(text)))
            }
            // What a person corrects in the settings is a finding too.
            Err(error) if error.kind() == ErrorKind::Config => {
                let row = self.update_connection(scope, |row| row.checked_at = Some(now)).await?;
                Ok(health(row, Vec::new(), Some(line(&error))))
            }
            Err(error) => Err(error),
        }
    }

    async fn look(&self, row: &ConnectionRow, now: Timestamp) -> Result<Vec<Problem>> {
        let integration = self.0.registry.built(&row.scope.integration)?;
        let session = self.session(integration, row).await?;
        let what = if row.account.is_some() { Check::Settings } else { Check::Account };
        let checked = session.handler.check(&session.look(now), what).await?;
        let in_reach = |account| checked.accounts.iter().any(|(id, _)| id == account);
        if row.account.as_ref().is_some_and(|account| !checked.accounts.is_empty() && !in_reach(account)) {
            return Err(Error::new(ErrorKind::NotConnected, "the sign-in reaches another account than the connection's")
                .with_remedy(format!("Connect {} again with the right account", session.descriptor.name)));
        }
        Ok(checked.problems)
    }

    pub(crate) async fn mark_reconnect(&self, scope: &Scope, now: Timestamp, reason: &str) -> Result<ConnectionRow> {
        self.update_connection(scope, |row| {
            row.checked_at = Some(now);
            if !matches!(row.status, ConnectionStatus::Reconnect { .. } | ConnectionStatus::Disconnected { .. }) {
                row.status = ConnectionStatus::Reconnect { since: now, reason: reason.to_owned() };
            }
        })
        .await
    }

    /// Lets go of a connection's account at the provider; false where that could not be done.
    async fn left(
        &self,
        integration: &Arc<dyn Integration>,
        row: &ConnectionRow,
        grant: &Grant,
        leave: LeaveAccount,
    ) -> bool {
        let Some(account) = &row.account else { return false };
        let left = async {
            let session = self.session_with(integration, row, Some(grant), serde_json::Value::Null)?;
            leave(&session.look(self.0.clock.now()), account).await
        };
        match left.await {
            Ok(()) => true,
            // The connection ends here either way; there it can be ended by hand.
            Err(error) => {
                tracing::warn!(scope = %row.scope, %error, "the account could not be let go of");
                false
            }
        }
    }

    /// Ends a connection: its secrets are dropped, and the provider is told where no other connection of this store uses
    /// the same account. Links, history and suppressions stay, so that a reconnect adopts what is there.
    ///
    /// # Errors
    /// [`ErrorKind::LeaseHeld`] while a run is under way: cancel it first.
    pub async fn disconnect(&self, scope: &Scope) -> Result<Disconnected> {
        let row = self.connection(scope).await?;
        let now = self.0.clock.now();
        self.exclusively(scope, "disconnect", async {
            let integration = self.0.registry.built(&scope.integration)?;
            let descriptor = integration.descriptor();
            self.stop_watching(&row, now).await?;
            // A sign-in that can't be unsealed can neither be revoked nor used: it stays as it is, sealed.
            let grant = match self.0.store.load(scope).await {
                Err(error) if matches!(error.kind(), ErrorKind::WrongKey | ErrorKind::Corrupt) => None,
                grant => grant?,
            };
            let revoked = match &grant {
                Some(grant) if grant.dead_since.is_none() => {
                    let is_alone = !self.shares_grant(scope, row.account.as_ref(), grant).await?;
                    match self.0.registry.leaves(descriptor.id) {
                        // The sign-in may reach accounts of other connections: only this one is let go of.
                        Some(leave) => is_alone && self.left(integration, &row, grant, leave).await,
                        None => is_alone && self.0.outbound.revoke(scope, descriptor, grant).await,
                    }
                }
                _ => false,
            };
            if let Some(grant) = grant {
                let mut generation = grant.generation;
                while let Swapped::Lost(Some(newer)) = self.0.store.swap(scope, Some(generation), None).await? {
                    generation = newer.generation;
                }
            }
            self.update_connection(scope, |row| {
                row.status = ConnectionStatus::Disconnected { since: now };
                row.next_run_at = None;
            })
            .await?;
            tracing::info!(%scope, revoked, "disconnected");
            Ok(Disconnected { revoked })
        })
        .await
    }
}

/// What happened, and why.
pub(crate) fn explained(message: &str, why: &str) -> String {
    format!("{}. {why}", message.trim_end_matches('.'))
}

/// The status of a connection whose sign-in works.
fn connected(row: &ConnectionRow) -> ConnectionStatus {
    if row.approved.is_empty() { ConnectionStatus::Setup } else { ConnectionStatus::Active }
}

fn health(row: ConnectionRow, problems: Vec<Problem>, error: Option<String>) -> Health {
    Health {
        status: row.status,
        account: row.account,
        account_name: row.account_name,
        problems,
        error,
        checked_at: row.checked_at,
    }
}
