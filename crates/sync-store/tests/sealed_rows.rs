//! Whoever can write into the database can't make one organization's secret another's: in no sealed column does a
//! ciphertext open that was put there from another row, or from another column.
#![cfg(feature = "sqlite")]
#![allow(clippy::unwrap_used)]

use std::collections::BTreeSet;

use jiff::Timestamp;
use sqlx::{AssertSqlSafe, Connection, Row, SqliteConnection, sqlite::SqliteConnectOptions};
use sync_core::{Credentials, Error, ErrorKind, Grant, Grants, OwnClient, PendingSignIn, Scope, SignIns};
use sync_engine::{ChannelRow, PushChannels};
use sync_store::{SqlStore, StoreKey};
use tempfile::TempDir;

/// Every column that is sealed.
const SEALED: [(&str, &str); 6] = [
    ("credential", "access"),
    ("credential", "api_key"),
    ("credential", "refresh"),
    ("oauth_client", "secret"),
    ("pending_sign_in", "body"),
    ("push_channel", "secret"),
];

/// A hash of an address by the key of its organization: nothing to open.
const HASHED: (&str, &str) = ("suppression", "hash");

struct Rows {
    directory: TempDir,
    store: SqlStore,
}

fn by_key(organization: &str) -> Scope {
    Scope::new(organization, "mailchimp")
}

fn by_token(organization: &str) -> Scope {
    Scope::new(organization, "xero")
}

fn grant(credentials: Credentials) -> Grant {
    Grant { generation: 1, credentials, vars: Default::default(), scopes: Vec::new(), account: None, dead_since: None }
}

impl Rows {
    /// A store with secrets of all kinds of these organizations.
    async fn of(organizations: &[&str]) -> Self {
        let directory = TempDir::new().unwrap();
        let store = SqlStore::open(directory.path().join("sync.db"), StoreKey::generate().unwrap()).await.unwrap();
        for organization in organizations {
            let secret = |what: &str| format!("{what} of {organization}").into();
            store.swap(&by_key(organization), None, Some(grant(Credentials::ApiKey(secret("key"))))).await.unwrap();
            let token = Credentials::Token { access: secret("access"), refresh: Some(secret("refresh")), expires_at: None };
            let scope = by_token(organization);
            store.swap(&scope, None, Some(grant(token))).await.unwrap();
            let client = OwnClient { id: "client".to_owned(), secret: secret("client") };
            store.put_own_client(&scope, Some(&client)).await.unwrap();
            let pending = PendingSignIn {
                id: format!("sign-in of {organization}"),
                scope: scope.clone(),
                expires_at: "2036-01-01T00:00:00Z".parse().unwrap(),
                body: secret("body"),
                is_used: false,
            };
            store.put_sign_in(&pending, Timestamp::UNIX_EPOCH).await.unwrap();
            let channel = ChannelRow {
                id: format!("channel of {organization}"),
                scope,
                feed: "events".to_owned(),
                container: None,
                generation: 1,
                url: "https://host.example/hooks".to_owned(),
                secret: secret("channel"),
                watching: None,
                since: Timestamp::UNIX_EPOCH,
            };
            assert!(store.put_channel(&channel).await.unwrap());
        }
        Self { directory, store }
    }

    /// The database itself, as no part of the store opens it.
    async fn raw(&self) -> SqliteConnection {
        let file = self.directory.path().join("sync.db");
        SqliteConnection::connect_with(&SqliteConnectOptions::new().filename(file)).await.unwrap()
    }

    /// What the store says about a secret of an organization.
    async fn read(&self, (table, column): (&str, &str), organization: &str) -> Result<bool, Error> {
        let scope = by_token(organization);
        Ok(match table {
            "credential" if column == "api_key" => self.store.load(&by_key(organization)).await?.is_some(),
            "credential" => self.store.load(&scope).await?.is_some(),
            "oauth_client" => self.store.own_client(&scope).await?.is_some(),
            "pending_sign_in" => self.store.sign_in(&format!("sign-in of {organization}")).await?.is_some(),
            _ => !self.store.channels(&scope).await?.is_empty(),
        })
    }
}

fn refused(result: Result<bool, Error>, what: &str) {
    assert_eq!(result.err().map(|error| error.kind()), Some(ErrorKind::WrongKey), "{what}");
}

#[tokio::test]
async fn every_sealed_column_is_known_here() {
    let rows = Rows::of(&[]).await;
    // What is sealed lies beside the id of its key.
    let columns = "select t.name, c.name from sqlite_master t join pragma_table_info(t.name) c \
        where t.type = 'table' and lower(c.type) = 'blob' \
        and exists (select 1 from pragma_table_info(t.name) k where k.name = 'key_id')";
    let found = sqlx::query(columns).fetch_all(&mut rows.raw().await).await.unwrap();
    let found: BTreeSet<(String, String)> = found.iter().map(|row| (row.get(0), row.get(1))).collect();
    let known = SEALED.into_iter().chain([HASHED]).map(|(table, column)| (table.to_owned(), column.to_owned()));
    assert_eq!(found, known.collect());
}

#[tokio::test]
async fn a_ciphertext_of_another_row_is_refused_in_every_sealed_column() {
    for (table, column) in SEALED {
        let rows = Rows::of(&["blue-manta", "red-sea"]).await;
        for organization in ["blue-manta", "red-sea"] {
            assert!(rows.read((table, column), organization).await.unwrap(), "{table}.{column}");
        }
        let mut raw = rows.raw().await;
        let all = format!("select org, {column} from {table} where {column} is not null order by org");
        let sealed = sqlx::query(AssertSqlSafe(all)).fetch_all(&mut raw).await.unwrap();
        let sealed: Vec<(String, Vec<u8>)> = sealed.iter().map(|row| (row.get(0), row.get(1))).collect();
        let [(ours, our_secret), (theirs, their_secret)] = sealed.as_slice() else { panic!("{table}.{column}") };
        for (organization, secret) in [(ours, their_secret), (theirs, our_secret)] {
            let put = format!("update {table} set {column} = $1 where org = $2 and {column} is not null");
            let put = sqlx::query(AssertSqlSafe(put)).bind(secret).bind(organization);
            assert_eq!(put.execute(&mut raw).await.unwrap().rows_affected(), 1);
        }
        for organization in [ours, theirs] {
            refused(rows.read((table, column), organization).await, &format!("{table}.{column} of {organization}"));
        }
    }
}

#[tokio::test]
async fn a_ciphertext_of_another_column_is_refused() {
    let rows = Rows::of(&["blue-manta"]).await;
    let swap = "update credential set access = refresh, refresh = access where refresh is not null";
    sqlx::query(swap).execute(&mut rows.raw().await).await.unwrap();
    refused(rows.read(("credential", "access"), "blue-manta").await, "a refresh token for an access token");
}

#[tokio::test]
async fn a_row_that_is_said_to_be_another_organizations_does_not_open() {
    for table in ["credential", "oauth_client", "pending_sign_in", "push_channel"] {
        let rows = Rows::of(&["blue-manta"]).await;
        let rename = format!("update {table} set org = 'red-sea'");
        sqlx::query(AssertSqlSafe(rename)).execute(&mut rows.raw().await).await.unwrap();
        // A sign-in is found by its id alone, and says whose it is.
        let organization = if table == "pending_sign_in" { "blue-manta" } else { "red-sea" };
        let column = SEALED.iter().find(|(of, _)| *of == table).unwrap().1;
        refused(rows.read((table, column), organization).await, table);
    }
}
