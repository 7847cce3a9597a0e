//! The configuration file, as it is written.

use std::{collections::BTreeMap, path::Path};

use serde::Deserialize;
use sync_core::{Error, ErrorKind, Result};
use sync_dispatch::Retention;

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct File {
    pub(super) database: Option<String>,
    pub(super) database_file: Option<String>,
    pub(super) schema: Option<String>,
    pub(super) key_file: Option<String>,
    pub(super) organization: Option<String>,
    #[serde(default)]
    pub(super) allow_plain_http: bool,
    pub(super) limits: Option<LimitsFile>,
    #[serde(default)]
    pub(super) engine: EngineFile,
    pub(super) retention: Option<Retention>,
    #[serde(default)]
    pub(super) providers: BTreeMap<String, ProviderFile>,
}

#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum LimitsFile {
    Published,
    Off,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct EngineFile {
    pub(super) page: Option<usize>,
    pub(super) lease_margin_s: Option<u64>,
    pub(super) call_timeout_s: Option<u64>,
    pub(super) settle_s: Option<u64>,
    pub(super) retry_after_s: Option<u64>,
    pub(super) breaker_share_percent: Option<u32>,
    pub(super) breaker_count: Option<u64>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ProviderFile {
    #[serde(default)]
    pub(super) endpoints: BTreeMap<String, String>,
    pub(super) oauth: Option<OAuthFile>,
    #[serde(default)]
    pub(super) settings: toml::Table,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct OAuthFile {
    pub(super) client_id: String,
    pub(super) client_secret_file: String,
}

impl File {
    /// Reads the text.
    pub(super) fn parse(path: &Path, text: &str) -> Result<Self> {
        toml::from_str(text).map_err(|error| {
            // The parser shows the line; a secret has no place in this file, but might stand in it all the same.
            let line = error.span().map(|span| text.get(..span.start).map_or(0, |before| before.matches('\n').count()) + 1);
            let place = line.map(|line| format!(", line {line}")).unwrap_or_default();
            Error::new(ErrorKind::Config, format!("{}{place}: {}", path.display(), error.message()))
                .with_remedy("Correct this entry; the README lists them all.")
        })
    }
}
