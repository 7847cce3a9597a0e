//! What commands work with: the configuration, and the database with a dispatcher over it.

use std::{path::Path, sync::Arc};

use sync_core::{
    AuthScheme, Error, ErrorKind, HostRecords, IntegrationId, Notifier, OrganizationId, Owner, Result, RunId, Scope,
    Transport, WritableRecords,
};
use sync_dispatch::{
    ConnectionRow, Dispatcher, ENABLED, KNOWN, Store,
    http::{Archive, ReqwestTransport, TransportConfig, system_clock},
    store::{EmbeddedRecords, SqlStore},
};

use crate::{
    config::{Config, Database},
    output::Output,
    place::Place,
};

/// What every command gets.
#[derive(Debug)]
pub(crate) struct App {
    /// What it runs with.
    pub(crate) config: Config,
    /// Where it prints.
    pub(crate) out: Output,
}

/// The database, and a dispatcher over it.
#[derive(Debug)]
pub(crate) struct Workbench {
    /// The store.
    pub(crate) store: SqlStore,
    /// The records.
    pub(crate) records: EmbeddedRecords,
    /// The dispatcher.
    pub(crate) dispatcher: Dispatcher,
}

/// Whether a database that isn't there is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Make {
    /// It is.
    Yes,
    /// It must be there.
    No,
}

/// The providers of this build, with their endpoints.
pub(crate) fn known_providers() -> Vec<(&'static str, Vec<&'static str>)> {
    let endpoints = |registration: &sync_core::Registration| {
        registration.descriptor.endpoints.iter().map(|endpoint| endpoint.name).collect()
    };
    ENABLED.iter().map(|registration| (registration.descriptor.id, endpoints(registration))).collect()
}

impl App {
    /// Opens the database.
    ///
    /// # Errors
    /// [`ErrorKind::Config`] when it isn't there or can't be written, [`ErrorKind::WrongKey`], [`ErrorKind::Corrupt`],
    /// [`ErrorKind::Store`] when it is locked or the disk is full.
    pub(crate) async fn open(&self, make: Make) -> Result<Workbench> {
        self.open_with(make, None).await
    }

    /// The same, with the exchanges written to an archive.
    ///
    /// # Errors
    /// As [`App::open`], and when the archive can't be written.
    pub(crate) async fn open_with(&self, make: Make, har: Option<&Path>) -> Result<Workbench> {
        self.open_as(make, har, |records| Arc::new(records), None).await
    }

    /// The same, with somebody to tell what waits for people.
    ///
    /// # Errors
    /// As [`App::open`].
    pub(crate) async fn open_telling(&self, make: Make, notifier: Option<Arc<dyn Notifier>>) -> Result<Workbench> {
        self.open_as(make, None, |records| Arc::new(records), notifier).await
    }

    /// The same, with rules of the host's own around the records.
    ///
    /// # Errors
    /// As [`App::open_with`].
    pub(crate) async fn open_as(
        &self,
        make: Make,
        har: Option<&Path>,
        rules: impl FnOnce(EmbeddedRecords) -> Arc<dyn WritableRecords>,
        notifier: Option<Arc<dyn Notifier>>,
    ) -> Result<Workbench> {
        let store = self.store(make).await?;
        let records = store.records();
        let here = Place::here(&self.config.database, &store).await?;
        match Place::remembered(&records).await? {
            None => here.remember(&records).await?,
            Some(place) if place != here => {
                self.out.note("warning: this database was made elsewhere. See what to do: syncctl doctor");
            }
            Some(_) => {}
        }
        let dispatcher = self.dispatcher(&store, &records, rules(records.clone()), har, notifier)?;
        Ok(Workbench { store, records, dispatcher })
    }

    /// Opens the database alone.
    ///
    /// # Errors
    /// As [`App::open`].
    pub(crate) async fn store(&self, make: Make) -> Result<SqlStore> {
        let path = match &self.config.database {
            Database::File(path) => path,
            server => return self.connect(server, make).await,
        };
        // An empty file is what `touch` and temporary files leave: no database yet.
        let is_there = std::fs::metadata(path).is_ok_and(|metadata| metadata.len() > 0);
        if !is_there && make == Make::No {
            return Err(Error::new(ErrorKind::Config, format!("there is no database {}", path.display()))
                .with_owner(Owner::EndUserData)
                .with_remedy(
                    "Import customers or connect an integration first, or name the database with --database or in the configuration.",
                ));
        }
        let key = self.config.key.load(!is_there)?;
        SqlStore::open(path, key).await
    }

    /// Refuses a schema that has a store already: a demo would write into it.
    ///
    /// # Errors
    /// [`ErrorKind::Config`] when there is one, or the server can't be reached.
    pub(crate) async fn must_be_new(&self) -> Result<()> {
        let Some(options) = self.config.database.postgres() else { return Ok(()) };
        if options.has_store().await? {
            return Err(Error::new(ErrorKind::Config, "there is a store in this schema of the database already")
                .with_owner(Owner::EndUserData)
                .with_remedy("Name a database without one: the demo fills it."));
        }
        Ok(())
    }

    /// Connects to a server, and makes the schema as a file would be made.
    async fn connect(&self, server: &Database, make: Make) -> Result<SqlStore> {
        let options = server.postgres().ok_or_else(|| Error::new(ErrorKind::Internal, "this database is on no server"))?;
        let is_there = options.has_store().await?;
        if !is_there && make == Make::No {
            return Err(Error::new(ErrorKind::Config, "there is no store in this schema of the database")
                .with_owner(Owner::EndUserData)
                .with_remedy(
                    "Import customers or connect an integration first, or name another schema in the configuration.",
                ));
        }
        SqlStore::connect(options, self.config.key.load(!is_there)?).await
    }

    fn dispatcher(
        &self,
        store: &SqlStore,
        records: &EmbeddedRecords,
        host: Arc<dyn WritableRecords>,
        har: Option<&Path>,
        notifier: Option<Arc<dyn Notifier>>,
    ) -> Result<Dispatcher> {
        let config = &self.config;
        let records = Arc::new(records.clone());
        let store: Arc<dyn Store> = Arc::new(store.clone());
        let mut builder = Dispatcher::builder(store, HostRecords::Writable(host))
            .consent(records)
            .engine(config.engine.clone())
            .limits(config.limits.clone())
            .retention(config.retention.clone())
            .allow_plain_http(config.allow_plain_http);
        for (id, provider) in &config.providers {
            builder = builder.config(id.clone(), provider.settings.clone());
            for (endpoint, url) in &provider.endpoints {
                builder = builder.base_url(id.as_str(), endpoint.clone(), url.clone());
            }
            if let Some(client) = &provider.oauth {
                builder = builder.oauth_client(id.as_str(), client.clone());
            }
        }
        if let Some(notifier) = notifier {
            builder = builder.notifier(notifier);
        }
        if let Some(path) = har {
            let archive = Archive::create(path, self.transport()?, Arc::new(system_clock()))?;
            builder = builder.transport(Arc::new(archive));
        }
        builder.build()
    }

    /// The way out without sign-in.
    ///
    /// # Errors
    /// When TLS can't be set up.
    pub(crate) fn transport(&self) -> Result<Arc<dyn Transport>> {
        let mut config = TransportConfig::default();
        config.allow_plain_http = self.config.allow_plain_http;
        Ok(Arc::new(ReqwestTransport::new(&config)?))
    }

    /// The scope of an integration that is named on the command line.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`] lists the integrations that there are; [`ErrorKind::Config`] without an organization.
    pub(crate) fn scope(&self, integration: &str) -> Result<Scope> {
        let organization = self.config.organization()?;
        integration_id(integration).map(|id| Scope::new(organization, id))
    }
}

/// The id of an integration.
///
/// # Errors
/// [`ErrorKind::NotFound`] lists the integrations that there are.
pub(crate) fn integration_id(name: &str) -> Result<IntegrationId> {
    if KNOWN.iter().any(|known| known.id == name) {
        return Ok(IntegrationId::new(name));
    }
    let ids: Vec<&str> = KNOWN.iter().map(|known| known.id).collect();
    Err(Error::new(ErrorKind::NotFound, format!("there is no integration {name}"))
        .with_owner(Owner::EndUserData)
        .with_remedy(format!("Use one of: {}.", ids.join(", "))))
}

/// The name that people read.
pub(crate) fn integration_name(id: &IntegrationId) -> &str {
    KNOWN.iter().find(|known| known.id == id.as_str()).map_or(id.as_str(), |known| known.name)
}

/// The OAuth sign-in of an integration of this build, where it has one.
pub(crate) fn can_sign_in(id: &IntegrationId) -> bool {
    let descriptor = ENABLED.iter().map(|registration| registration.descriptor).find(|known| known.id == id.as_str());
    descriptor.is_some_and(|descriptor| descriptor.auth.iter().any(|scheme| matches!(scheme, AuthScheme::OAuth(_))))
}

impl Workbench {
    /// Closes the database.
    pub(crate) async fn close(self) {
        self.store.close().await;
    }

    /// The connection of a scope.
    ///
    /// # Errors
    /// [`ErrorKind::NotConnected`] lists the organizations or integrations that are connected.
    pub(crate) async fn connection(&self, scope: &Scope) -> Result<ConnectionRow> {
        match self.store.connection(scope).await? {
            Some(row) => Ok(row),
            None => Err(self.not_connected(scope).await?),
        }
    }

    /// Refuses a run that there is none of.
    ///
    /// # Errors
    /// [`ErrorKind::NotConnected`] without a connection, [`ErrorKind::NotFound`] without the run.
    pub(crate) async fn known_run(&self, scope: &Scope, run: &RunId) -> Result<()> {
        self.connection(scope).await?;
        if self.store.run(scope, run).await?.is_some() {
            return Ok(());
        }
        let message =
            format!("there is no run {run} of {} with {}", scope.organization, integration_name(&scope.integration));
        Err(Error::new(ErrorKind::NotFound, message)
            .with_owner(Owner::EndUserData)
            .with_remedy(format!("List the runs: syncctl runs {} --org {}.", scope.integration, scope.organization)))
    }

    async fn not_connected(&self, scope: &Scope) -> Result<Error> {
        let of_this = self.dispatcher.connections(&scope.organization).await?;
        let name = integration_name(&scope.integration);
        let connect = format!("Connect it: syncctl connect {} --org {}.", scope.integration, scope.organization);
        if !of_this.is_empty() {
            let ids: Vec<&str> = of_this.iter().map(|row| row.scope.integration.as_str()).collect();
            return Ok(Error::new(ErrorKind::NotConnected, format!("{} is not connected to {name}", scope.organization))
                .with_remedy(format!("{connect} It is connected to: {}.", ids.join(", "))));
        }
        let others = self.organizations().await?;
        let remedy = match others.is_empty() {
            true => connect,
            false => format!("{connect} Organizations with connections: {}.", others.join(", ")),
        };
        Ok(Error::new(ErrorKind::NotConnected, format!("{} has no connection", scope.organization)).with_remedy(remedy))
    }

    /// All connections of the database.
    ///
    /// # Errors
    /// When the store fails.
    pub(crate) async fn all_connections(&self) -> Result<Vec<ConnectionRow>> {
        const PAGE: usize = 500;
        let mut rows: Vec<ConnectionRow> = Vec::new();
        loop {
            let after = rows.last().map(|row| row.scope.clone());
            let page = self.store.connections(None, after.as_ref(), PAGE).await?;
            let n_rows = page.len();
            rows.extend(page);
            if n_rows < PAGE {
                return Ok(rows);
            }
        }
    }

    async fn organizations(&self) -> Result<Vec<String>> {
        let mut names: Vec<String> =
            self.all_connections().await?.into_iter().map(|row| row.scope.organization.as_str().to_owned()).collect();
        names.dedup();
        Ok(names)
    }

    /// The scopes to look at: the named integration's, or those of all connections of the organization.
    ///
    /// # Errors
    /// As [`Workbench::connection`].
    pub(crate) async fn scopes(&self, organization: &OrganizationId, integration: Option<&str>) -> Result<Vec<Scope>> {
        match integration {
            Some(name) => {
                let scope = Scope::new(organization.clone(), integration_id(name)?);
                self.connection(&scope).await?;
                Ok(vec![scope])
            }
            None => {
                let rows = self.dispatcher.connections(organization).await?;
                if rows.is_empty() {
                    let any = Scope::new(organization.clone(), KNOWN.first().map_or("", |known| known.id));
                    return Err(self.not_connected(&any).await?);
                }
                Ok(rows.into_iter().map(|row| row.scope).collect())
            }
        }
    }
}
