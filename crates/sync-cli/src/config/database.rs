//! Where the database is: a file, or a schema on a PostgreSQL server.

use std::path::{Path, PathBuf};

use secrecy::{ExposeSecret as _, SecretString};
use sync_core::{Error, ErrorKind, Result};
use sync_dispatch::store::PostgresOptions;
use url::Url;

/// The database.
#[derive(Debug, Clone)]
pub(crate) enum Database {
    /// A SQLite file.
    File(PathBuf),
    /// A schema on a PostgreSQL server. The address may hold a password, and is never printed.
    Postgres { url: SecretString, schema: Option<String> },
}

/// Where a database's name was found, which decides whether a password may stand in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Said<'a> {
    /// The command line, which others on the machine can read.
    Flag,
    /// The environment, or a file that holds the address and nothing else.
    Secret,
    /// The configuration file of this name, which is shown around and stored with other files.
    File(&'a Path),
}

impl Database {
    pub(super) fn parse(text: &str, from: Said<'_>, schema: Option<&str>) -> Result<Self> {
        let text = text.trim();
        if !text.starts_with("postgres://") && !text.starts_with("postgresql://") {
            return Ok(Self::File(text.into()));
        }
        let has_password = |url: &Url| url.password().is_some() || url.query_pairs().any(|(name, _)| name == "password");
        // What can't be read as a URL is the store's to refuse, without a word of it.
        if from != Said::Secret && Url::parse(text).is_ok_and(|url| has_password(&url)) {
            let place = match from {
                Said::File(path) => path.display().to_string(),
                _ => "the command line".to_owned(),
            };
            return Err(Error::new(ErrorKind::Config, format!("{place}: the database's address holds a password"))
                .with_remedy(
                    "Take it out, and give it in PGPASSWORD or ~/.pgpass; or give the whole address in SYNCCTL_DATABASE or in \
                     a file of its own, named as database_file.",
                ));
        }
        Ok(Self::Postgres { url: SecretString::from(text), schema: schema.map(str::to_owned) })
    }

    /// How to connect, where it is on a server.
    pub(crate) fn postgres(&self) -> Option<PostgresOptions> {
        let Self::Postgres { url, schema } = self else { return None };
        let options = PostgresOptions::url(url.expose_secret().to_owned());
        Some(match schema {
            Some(schema) => options.schema(schema),
            None => options,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_stands_in_no_file_that_is_shown_around_and_on_no_command_line() {
        let url = "postgres://shop:hush@db.example.com/shop";
        for from in [Said::Flag, Said::File(Path::new("syncctl.toml"))] {
            for url in [url, "postgresql://db.example.com/shop?user=shop&password=hush"] {
                let error = Database::parse(url, from, None).unwrap_err();
                assert!(error.remedy().unwrap().contains("PGPASSWORD") && !format!("{error:?}").contains("hush"), "{error}");
            }
        }
        let database = Database::parse(url, Said::Secret, Some("mine")).unwrap();
        assert!(!format!("{database:?} {:?}", database.postgres()).contains("hush"));
        assert!(matches!(database, Database::Postgres { schema: Some(schema), .. } if schema == "mine"));
        let plain = Database::parse("postgres://shop@db.example.com/shop", Said::Flag, None).unwrap();
        assert!(matches!(plain, Database::Postgres { .. }));
        assert!(
            matches!(Database::parse("shop.db", Said::Flag, None).unwrap(), Database::File(path) if path == Path::new("shop.db"))
        );
    }
}
