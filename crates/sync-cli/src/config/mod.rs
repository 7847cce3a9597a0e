//! Configuration: a TOML file, then the environment, then the command line; the later wins.

mod database;
mod file;

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    time::Duration,
};

use secrecy::{ExposeSecret as _, SecretString};
use sync_core::{Error, ErrorKind, OrganizationId, Owner, Result};
use sync_dispatch::{
    Breaker, EngineConfig, Retention,
    http::{Limits, OAuthClient},
    store::StoreKey,
};
use url::Url;

pub(crate) use database::Database;
use database::Said;
use file::{EngineFile, File, LimitsFile, ProviderFile};

/// The name of the file that is read from the working directory when none is named.
pub(crate) const DEFAULT_FILE: &str = "syncctl.toml";
/// The name of the database when none is configured.
const DEFAULT_DATABASE: &str = "sync.db";
/// The name of the key file when none is configured.
const DEFAULT_KEY_FILE: &str = "sync.key";

/// What the command line says.
#[derive(Debug, Clone, Default)]
pub(crate) struct Flags {
    /// The configuration file.
    pub(crate) config: Option<PathBuf>,
    /// The database: a file, or an address.
    pub(crate) database: Option<String>,
    /// The key file.
    pub(crate) key_file: Option<PathBuf>,
    /// The organization.
    pub(crate) organization: Option<String>,
}

/// What the program runs with.
#[derive(Debug)]
pub(crate) struct Config {
    /// The database.
    pub(crate) database: Database,
    /// Where the key comes from.
    pub(crate) key: KeySource,
    organization: Option<OrganizationId>,
    /// How runs are carried out.
    pub(crate) engine: EngineConfig,
    /// How long what is kept.
    pub(crate) retention: Retention,
    /// Which limits are kept.
    pub(crate) limits: Limits,
    /// True to send over plain HTTP to other machines too.
    pub(crate) allow_plain_http: bool,
    /// The providers.
    pub(crate) providers: BTreeMap<String, Provider>,
}

/// Where the store's key comes from.
#[derive(Clone)]
pub(crate) enum KeySource {
    /// A file, which is made with the database.
    File(PathBuf),
    /// The environment variable `SYNCCTL_KEY`.
    Environment(SecretString),
}

/// Prints no secret.
impl std::fmt::Debug for KeySource {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::File(path) => f.debug_tuple("File").field(path).finish(),
            Self::Environment(_) => f.write_str("Environment(…)"),
        }
    }
}

impl KeySource {
    /// The key. A file that isn't there is made where `create` says so: a database without its key can't be opened, and a
    /// new key would not fit it.
    ///
    /// # Errors
    /// [`ErrorKind::Config`] when it isn't there, or is no key.
    pub(crate) fn load(&self, create: bool) -> Result<StoreKey> {
        match self {
            Self::Environment(text) => StoreKey::from_text(text.expose_secret()),
            Self::File(path) if create => StoreKey::from_file_or_create(path),
            Self::File(path) => StoreKey::from_file(path),
        }
    }
}

/// What is configured of one provider.
#[derive(Debug, Default)]
pub(crate) struct Provider {
    /// Its application-level configuration; null stands for the defaults.
    pub(crate) settings: serde_json::Value,
    /// Other URLs, by endpoint.
    pub(crate) endpoints: BTreeMap<String, Url>,
    /// The OAuth client.
    pub(crate) oauth: Option<OAuthClient>,
}

/// Looks an environment variable up.
pub(crate) type Lookup<'a> = &'a dyn Fn(&str) -> Option<String>;

/// Looks a variable up in the process's environment; an empty one counts as none.
pub(crate) fn environment(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.trim().is_empty())
}

impl Config {
    /// Reads the file, then the environment, then the flags. `known` are the providers that there are, with their
    /// endpoints.
    ///
    /// # Errors
    /// [`ErrorKind::Config`] names the file and the entry at fault.
    pub(crate) fn load(flags: Flags, env: Lookup<'_>, known: &[(&str, Vec<&str>)]) -> Result<Self> {
        let named = flags.config.or_else(|| env("SYNCCTL_CONFIG").map(PathBuf::from));
        let path = named.clone().unwrap_or_else(|| PathBuf::from(DEFAULT_FILE));
        let file = match std::fs::read_to_string(&path) {
            Ok(text) => Some(File::parse(&path, &text)?),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound && named.is_none() => None,
            Err(error) => {
                return Err(Error::new(ErrorKind::Config, format!("{} can't be read: {error}", path.display()))
                    .with_remedy("Check the name given with --config and your right to read the file."));
            }
        };
        let file = file.unwrap_or_default();
        // Names in the file are meant from where the file is.
        let beside = path.parent().map(Path::to_path_buf).unwrap_or_default();
        let schema = env("SYNCCTL_SCHEMA").or(file.schema);
        let schema = schema.as_deref();
        let database = match (flags.database, env("SYNCCTL_DATABASE"), file.database_file, file.database) {
            (Some(text), ..) => Database::parse(&text, Said::Flag, schema)?,
            (None, Some(text), ..) => Database::parse(&text, Said::Secret, schema)?,
            (None, None, Some(name), _) => {
                let text = std::fs::read_to_string(beside.join(&name)).map_err(|error| {
                    Error::new(ErrorKind::Config, format!("{}: database_file can't be read: {error}", path.display()))
                        .with_remedy("Put the database's address, and nothing else, into this file.")
                })?;
                Database::parse(&text, Said::Secret, schema)?
            }
            (None, None, None, Some(text)) => match Database::parse(&text, Said::File(&path), schema)? {
                Database::File(database) => Database::File(beside.join(database)),
                server => server,
            },
            (None, None, None, None) => Database::File(DEFAULT_DATABASE.into()),
        };
        let key = match (flags.key_file, env("SYNCCTL_KEY"), env("SYNCCTL_KEY_FILE"), file.key_file) {
            (Some(path), ..) => KeySource::File(path),
            (None, Some(text), ..) => KeySource::Environment(SecretString::from(text)),
            (None, None, Some(path), _) => KeySource::File(path.into()),
            (None, None, None, Some(path)) => KeySource::File(beside.join(path)),
            // Beside the database, wherever that is; beside the configuration, where the database is on a server.
            (None, None, None, None) => KeySource::File(match &database {
                Database::File(database) => database.with_file_name(DEFAULT_KEY_FILE),
                Database::Postgres { .. } => beside.join(DEFAULT_KEY_FILE),
            }),
        };
        let organization = flags.organization.or_else(|| env("SYNCCTL_ORG")).or(file.organization);
        let mut providers = BTreeMap::new();
        for (id, provider) in &file.providers {
            if !known.iter().any(|(known, _)| known == id) {
                let ids: Vec<_> = known.iter().map(|(id, _)| *id).collect();
                return Err(Error::new(ErrorKind::Config, format!("{}: there is no provider {id}", path.display()))
                    .with_remedy(format!("Use one of: {}.", ids.join(", "))));
            }
            providers.insert(id.clone(), provider.read(&path, &beside, id)?);
        }
        for (id, endpoints) in known {
            from_environment(&mut providers, id, endpoints, env)?;
        }
        Ok(Self {
            database,
            key,
            organization: organization.map(OrganizationId::new),
            engine: file.engine.read(),
            retention: file.retention.unwrap_or_default(),
            limits: match file.limits {
                Some(LimitsFile::Off) => Limits::Off,
                Some(LimitsFile::Published) | None => Limits::Published,
            },
            allow_plain_http: file.allow_plain_http,
            providers,
        })
    }

    /// The organization.
    ///
    /// # Errors
    /// [`ErrorKind::Config`] when none is named.
    pub(crate) fn organization(&self) -> Result<OrganizationId> {
        self.organization.clone().ok_or_else(|| {
            Error::new(ErrorKind::Config, "no organization is named")
                .with_owner(Owner::EndUserData)
                .with_remedy("Name it with --org, SYNCCTL_ORG, or organization = \"…\" in the configuration.")
        })
    }
}

/// Adds what the environment says about a provider: `SYNCCTL_MAILCHIMP_API_URL`, `…_CLIENT_ID`, `…_CLIENT_SECRET`.
fn from_environment(
    providers: &mut BTreeMap<String, Provider>,
    id: &str,
    endpoints: &[&str],
    env: Lookup<'_>,
) -> Result<()> {
    let variable = |rest: &str| variable(id, rest);
    for endpoint in endpoints {
        let name = variable(&format!("{endpoint}_URL"));
        if let Some(text) = env(&name) {
            let url = text.parse().map_err(|error| not_a_url(&name, error))?;
            providers.entry(id.to_owned()).or_default().endpoints.insert((*endpoint).to_owned(), url);
        }
    }
    match (env(&variable("CLIENT_ID")), env(&variable("CLIENT_SECRET"))) {
        (Some(client), Some(secret)) => {
            providers.entry(id.to_owned()).or_default().oauth = Some(OAuthClient::new(client, secret));
        }
        (Some(_), None) | (None, Some(_)) => {
            return Err(Error::new(
                ErrorKind::Config,
                format!("only one of {} and {} is set", variable("CLIENT_ID"), variable("CLIENT_SECRET")),
            )
            .with_remedy("Set both, or neither."));
        }
        (None, None) => {}
    }
    Ok(())
}

/// The environment variable of something of a provider, such as `SYNCCTL_GOOGLE_CALENDAR_API_KEY`.
pub(crate) fn variable(provider: &str, rest: &str) -> String {
    format!("SYNCCTL_{provider}_{rest}").to_uppercase().replace('-', "_")
}

fn not_a_url(entry: &str, error: impl std::fmt::Display) -> Error {
    Error::new(ErrorKind::Config, format!("{entry} is not a URL: {error}"))
        .with_remedy("Write it in full, such as http://127.0.0.1:9100/3.0")
}

impl ProviderFile {
    fn read(&self, path: &Path, beside: &Path, id: &str) -> Result<Provider> {
        let entry = |name: &str| format!("{}: providers.{id}.{name}", path.display());
        let mut endpoints = BTreeMap::new();
        for (endpoint, text) in &self.endpoints {
            let url = text.parse().map_err(|error| not_a_url(&entry(&format!("endpoints.{endpoint}")), error))?;
            endpoints.insert(endpoint.clone(), url);
        }
        let oauth = match &self.oauth {
            None => None,
            Some(oauth) => {
                let secret = std::fs::read_to_string(beside.join(&oauth.client_secret_file)).map_err(|error| {
                    Error::new(ErrorKind::Config, format!("{} can't be read: {error}", entry("oauth.client_secret_file")))
                        .with_remedy("Put the client's secret, and nothing else, into this file.")
                })?;
                Some(OAuthClient::new(oauth.client_id.clone(), secret.trim().to_owned()))
            }
        };
        let settings = serde_json::to_value(&self.settings)
            .map_err(|error| Error::new(ErrorKind::Config, format!("{} can't be read: {error}", entry("settings"))))?;
        Ok(Provider { settings, endpoints, oauth })
    }
}

impl EngineFile {
    fn read(&self) -> EngineConfig {
        let mut config = EngineConfig::default();
        let seconds = Duration::from_secs;
        if let Some(page) = self.page {
            config.page = page.max(1);
        }
        if let Some(s) = self.lease_margin_s {
            config.lease_margin = seconds(s);
        }
        config.call_timeout = self.call_timeout_s.map(seconds);
        config.settle = self.settle_s.map(seconds);
        if let Some(s) = self.retry_after_s {
            config.retry_after = seconds(s);
        }
        let usual = Breaker::default();
        config.breaker = Breaker {
            share_percent: self.breaker_share_percent.unwrap_or(usual.share_percent),
            count: self.breaker_count.unwrap_or(usual.count),
        };
        config
    }
}

#[cfg(test)]
mod tests;
