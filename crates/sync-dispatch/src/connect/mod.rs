//! Making a connection: sign in, verify the account, and only then replace what is stored.

mod oauth;
mod staged;

use std::{collections::BTreeMap, sync::Arc};

use secrecy::SecretString;
use serde::Serialize;
use sync_core::{
    AccountId, Check, Connection, Credentials, Error, ErrorKind, Grant, Integration, OrganizationId, Result, Retry, Scope,
    Swapped, SyncHandler,
};
use sync_engine::{ConnectionRow, ConnectionStatus};
use sync_http::{GrantHistory, grant_from_key};

use crate::{
    Dispatcher,
    session::{Session, open},
};
use staged::StagedGrants;

/// An account's id and name.
type Account = (AccountId, String);
type Accounts = Vec<Account>;

/// How many connections are read at once when all are looked through.
pub(crate) const PAGE: usize = 500;

/// How often a grant is stored against others who refresh it.
const MAX_ATTEMPTS: u32 = 8;

/// What a person chose when connecting.
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct ConnectOptions {
    /// The provider's settings; those that are stored stay when `None` and the account is the same.
    pub settings: Option<serde_json::Value>,
    /// The account, where the sign-in reaches several.
    pub account: Option<AccountId>,
    /// True to share the account with another organization of this store. Each then sees the other's records there.
    pub confirm_shared_account: bool,
}

impl ConnectOptions {
    /// Nothing chosen.
    pub fn new() -> Self {
        Self::default()
    }

    /// With these settings.
    #[must_use]
    pub fn settings(mut self, settings: serde_json::Value) -> Self {
        self.settings = Some(settings);
        self
    }

    /// With this account.
    #[must_use]
    pub fn account(mut self, account: impl Into<AccountId>) -> Self {
        self.account = Some(account.into());
        self
    }

    /// Sharing the account with another organization.
    #[must_use]
    pub fn confirm_shared_account(mut self) -> Self {
        self.confirm_shared_account = true;
        self
    }
}

/// A connection that was made.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct Connected {
    /// Whose connection it is, with which provider.
    pub scope: Scope,
    /// The account; `None` while one of `accounts` must be chosen with [`Dispatcher::choose_account`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub account: Option<AccountId>,
    /// What people call it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub account_name: Option<String>,
    /// All accounts in reach, as id and name.
    pub accounts: Vec<(AccountId, String)>,
    /// Where the connection stands: a new account is in setup until its first plan is approved.
    pub status: ConnectionStatus,
    /// True when the same account was connected before: its links and its approval were kept.
    pub same_account: bool,
}

impl Dispatcher {
    /// Connects by a key that the user copied. Nothing is stored before the key was seen to work; a key that doesn't
    /// leaves an older connection as it was.
    ///
    /// The same account again keeps settings, links and approval. Another account starts in setup; links of the old one
    /// sleep until it comes back.
    ///
    /// # Errors
    /// [`ErrorKind::Unsupported`] where the provider knows no keys, [`ErrorKind::AuthRevoked`] or another of the
    /// provider's refusals for a wrong key, [`ErrorKind::Taken`] when another organization uses the account and sharing
    /// was not confirmed, [`ErrorKind::LeaseHeld`] while a run is under way.
    pub async fn connect_with_key(&self, scope: &Scope, key: SecretString, options: ConnectOptions) -> Result<Connected> {
        let integration = self.0.registry.built(&scope.integration)?;
        let grant = grant_from_key(integration.descriptor(), &key)?;
        self.adopt(scope, integration, grant, options).await
    }

    /// Chooses one of several accounts that a sign-in reaches. The connection stays in setup.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`] lists the accounts in reach; the rest as [`Dispatcher::connect_with_key`].
    pub async fn choose_account(&self, scope: &Scope, options: ConnectOptions) -> Result<Connected> {
        let integration = self.0.registry.built(&scope.integration)?;
        let Some(grant) = self.grant(scope).await? else { return self.connect(scope, options).await };
        self.adopt(scope, integration, grant, options).await
    }

    /// Connects an integration of the host's own that needs no sign-in.
    ///
    /// # Errors
    /// [`ErrorKind::Unsupported`] where there is a sign-in; the rest as [`Dispatcher::connect_with_key`].
    pub async fn connect(&self, scope: &Scope, options: ConnectOptions) -> Result<Connected> {
        let integration = self.0.registry.built(&scope.integration)?;
        let descriptor = integration.descriptor();
        if !descriptor.auth.is_empty() {
            return Err(Error::new(
                ErrorKind::Unsupported,
                format!("{} is not connected without a sign-in", descriptor.name),
            )
            .with_remedy("Connect it by key or by OAuth."));
        }
        let handler = self.openable(scope, integration, &options, &Default::default()).await?;
        let exchange = self.0.outbound.exchange(scope, descriptor, None);
        let session = Session::new(descriptor, handler, exchange, self.0.config.call_timeout);
        let (accounts, account) = self.verify(scope, &session, &options).await?;
        let kept = self.exclusively(scope, "connect", self.keep_row(scope, account, options.settings)).await?;
        Ok(connected(scope, kept, accounts))
    }

    /// Verifies a grant and makes it the connection's.
    async fn adopt(
        &self,
        scope: &Scope,
        integration: &Arc<dyn Integration>,
        mut grant: Grant,
        options: ConnectOptions,
    ) -> Result<Connected> {
        let descriptor = integration.descriptor();
        let handler = self.openable(scope, integration, &options, &grant.vars).await?;
        grant.account = None;
        grant.dead_since = None;
        let staged = Arc::new(StagedGrants::new(grant));
        let exchange = self.0.outbound.staged(staged.clone())?.exchange(scope, descriptor);
        let session = Session::new(descriptor, handler, exchange, self.0.config.call_timeout);
        let (accounts, account) = self.verify(scope, &session, &options).await?;
        // A token that was refreshed while it was verified is the one to keep.
        let grant = Grant { account: account.as_ref().map(|(id, _)| id.clone()), ..staged.grant() };
        let kept = self
            .exclusively(scope, "connect", async {
                self.keep_grant(scope, grant).await?;
                let kept = self.keep_row(scope, account, options.settings).await?;
                self.watch_anew(scope, kept.1).await?;
                Ok(kept)
            })
            .await?;
        Ok(connected(scope, kept, accounts))
    }

    /// A handler to sign in with. Settings of an older connection must not stand in the way: they can be corrected after.
    async fn openable(
        &self,
        scope: &Scope,
        integration: &Arc<dyn Integration>,
        options: &ConnectOptions,
        vars: &BTreeMap<String, String>,
    ) -> Result<Box<dyn SyncHandler>> {
        let with = |settings: serde_json::Value| {
            open(integration, Connection::new(scope.organization.clone(), settings).with_vars(vars.clone()))
        };
        if let Some(settings) = &options.settings {
            return with(settings.clone());
        }
        let stored = self.0.store.connection(scope).await?.map(|row| row.settings).unwrap_or_default();
        match with(stored) {
            Err(error) if error.kind() == ErrorKind::Config => with(serde_json::Value::Null),
            handler => handler,
        }
    }

    /// Asks which accounts are in reach, and chooses one that is free.
    async fn verify(
        &self,
        scope: &Scope,
        session: &Session,
        options: &ConnectOptions,
    ) -> Result<(Accounts, Option<Account>)> {
        let name = session.descriptor.name;
        let accounts = session.handler.check(&session.look(self.0.clock.now()), Check::Account).await?.accounts;
        let account = chosen(name, &accounts, options.account.as_ref())?;
        if let Some((id, _)) = &account
            && !options.confirm_shared_account
            && self.others_on(scope, id).await?.is_some()
        {
            return Err(Error::new(ErrorKind::Taken, format!("another organization uses this {name} account"))
                .with_remedy("Connect another account, or confirm that both organizations shall share this one."));
        }
        Ok((accounts, account))
    }

    /// Stores a new grant over whatever is there, with the next generation.
    async fn keep_grant(&self, scope: &Scope, grant: Grant) -> Result<()> {
        let mut stored = self.0.store.load(scope).await?.map(|grant| grant.generation);
        for _ in 0..MAX_ATTEMPTS {
            let grant = Grant { generation: stored.map_or(1, |generation| generation + 1), ..grant.clone() };
            match self.0.store.swap(scope, stored, Some(grant)).await? {
                Swapped::Stored => return Ok(()),
                Swapped::Lost(now) => stored = now.map(|grant| grant.generation),
            }
        }
        Err(Error::new(ErrorKind::Store, "the sign-in is being changed by others all the time").with_retry(Retry::Backoff))
    }

    async fn keep_row(
        &self,
        scope: &Scope,
        account: Option<Account>,
        settings: Option<serde_json::Value>,
    ) -> Result<(ConnectionRow, bool)> {
        let now = self.0.clock.now();
        let (id, name) = account.unzip();
        for _ in 0..MAX_ATTEMPTS {
            let before = self.0.store.connection(scope).await?;
            let expected = before.as_ref().map(|row| row.revision);
            let same_account = before.as_ref().is_some_and(|row| id.is_some() && row.account == id);
            let mut row = match before {
                Some(row) if same_account || (row.account.is_none() && id.is_some()) => row,
                before => ConnectionRow {
                    scope: scope.clone(),
                    revision: 0,
                    status: ConnectionStatus::Setup,
                    account: None,
                    account_name: None,
                    settings: serde_json::Value::Null,
                    approved: Default::default(),
                    standing_grants: Vec::new(),
                    created_at: before.map_or(now, |row| row.created_at),
                    checked_at: None,
                    next_run_at: None,
                },
            };
            row.status = if row.approved.is_empty() { ConnectionStatus::Setup } else { ConnectionStatus::Active };
            row.account.clone_from(&id);
            row.account_name.clone_from(&name);
            row.checked_at = Some(now);
            if let Some(settings) = &settings {
                row.settings = settings.clone();
            }
            if self.put_connection(&mut row, expected).await? {
                return Ok((row, same_account));
            }
        }
        Err(Error::new(ErrorKind::Store, "the connection is being changed by others all the time")
            .with_retry(Retry::Backoff))
    }

    /// True when another connection of this store lives by the same grant: the same remote account, and the same OAuth
    /// client. Where that can't be told, it is taken to be so: a grant that is revoked can't be had back.
    pub(crate) async fn shares_grant(&self, scope: &Scope, account: Option<&AccountId>, grant: &Grant) -> Result<bool> {
        let client = GrantHistory::of(grant).client;
        let mut after: Option<Scope> = None;
        loop {
            let page = self.0.store.connections(None, after.as_ref(), PAGE).await?;
            for row in &page {
                let is_other = row.scope.integration == scope.integration && row.scope != *scope;
                let may_be_same = account.is_none() || row.account.is_none() || row.account.as_ref() == account;
                if !is_other || !may_be_same || matches!(row.status, ConnectionStatus::Disconnected { .. }) {
                    continue;
                }
                let theirs = match self.0.store.load(&row.scope).await {
                    Ok(None) => continue,
                    Ok(Some(theirs)) if !matches!(theirs.credentials, Credentials::Token { .. }) => continue,
                    Ok(Some(theirs)) => GrantHistory::of(&theirs).client,
                    Err(error) if matches!(error.kind(), ErrorKind::WrongKey | ErrorKind::Corrupt) => None,
                    Err(error) => return Err(error),
                };
                if client.is_none() || theirs.is_none() || theirs == client {
                    return Ok(true);
                }
            }
            let n_rows = page.len();
            after = page.into_iter().next_back().map(|row| row.scope);
            if n_rows < PAGE {
                return Ok(false);
            }
        }
    }

    /// Another connection of this store to the same account, unless it was disconnected.
    pub(crate) async fn others_on(&self, scope: &Scope, account: &AccountId) -> Result<Option<OrganizationId>> {
        let mut after: Option<Scope> = None;
        loop {
            let page = self.0.store.connections(None, after.as_ref(), PAGE).await?;
            let n_rows = page.len();
            let other = page.iter().find(|row| {
                row.scope.integration == scope.integration
                    && row.scope != *scope
                    && row.account.as_ref() == Some(account)
                    && !matches!(row.status, ConnectionStatus::Disconnected { .. })
            });
            if let Some(row) = other {
                return Ok(Some(row.scope.organization.clone()));
            }
            after = page.into_iter().next_back().map(|row| row.scope);
            if n_rows < PAGE {
                return Ok(None);
            }
        }
    }
}

fn connected(scope: &Scope, (row, same_account): (ConnectionRow, bool), accounts: Accounts) -> Connected {
    tracing::info!(%scope, same_account, "connected");
    Connected {
        scope: scope.clone(),
        account: row.account,
        account_name: row.account_name,
        accounts,
        status: row.status,
        same_account,
    }
}

/// The account to use: the chosen one, or the only one.
fn chosen(name: &str, accounts: &[Account], wanted: Option<&AccountId>) -> Result<Option<Account>> {
    match (wanted, accounts) {
        (_, []) => Err(Error::new(ErrorKind::Forbidden, format!("the sign-in reaches no {name} account"))
            .with_remedy(format!("Sign in as somebody who may use an account of {name}."))),
        (None, [only]) => Ok(Some(only.clone())),
        (None, _) => Ok(None),
        (Some(id), _) => match accounts.iter().find(|(account, _)| account == id) {
            Some(account) => Ok(Some(account.clone())),
            None => {
                let ids: Vec<_> = accounts.iter().map(|(id, _)| id.as_str()).collect();
                Err(Error::new(ErrorKind::NotFound, format!("the sign-in does not reach this {name} account"))
                    .with_remedy(format!("Choose one of: {}.", ids.join(", "))))
            }
        },
    }
}
