//! PostgreSQL: what can be wrong with a server, a schema or a key; many processes on one database; connections that end.

#![cfg(feature = "postgres")]
#![allow(clippy::unwrap_used)]

use std::time::Duration;

use futures_util::future::join_all;
use sqlx::{PgPool, Row};
use sync_core::{Channel, ConsentState, Credentials, Error, ErrorKind, Grant, Grants, Scope, Swapped};
use sync_engine::{Acquired, Change, Lease, Link, LinkState, Store, Suppression};
use sync_store::{PostgresOptions, SqlStore, StoreKey};
use sync_testkit::PostgresServer;

const SECRET: &str = "a-very-secret-api-key-us6";
const ADDRESS: &str = "ada@example.com";

fn scope() -> Scope {
    Scope::new("blue-manta", "mailchimp")
}

fn grant(generation: u64) -> Grant {
    Grant {
        generation,
        credentials: Credentials::ApiKey(SECRET.to_owned().into()),
        vars: [("dc".to_owned(), "us6".to_owned())].into(),
        scopes: Vec::new(),
        account: None,
        dead_since: None,
    }
}

fn link(local: &str) -> Link {
    Link {
        account: "account".into(),
        resource: "contacts".into(),
        local: local.into(),
        role: sync_core::Role::MAIN,
        container: None,
        remote: None,
        state: LinkState::Open,
        key: Some(format!("{local}@example.com")),
        hash: None,
        base: None,
        call: None,
    }
}

/// A schema of a test's own, looked at from beside the store as well.
struct Place {
    server: &'static PostgresServer,
    schema: String,
    raw: PgPool,
}

impl Place {
    async fn new() -> Option<Self> {
        let server = PostgresServer::shared()?;
        Some(Self { server, schema: server.schema(), raw: PgPool::connect(&server.url()).await.unwrap() })
    }

    fn options(&self) -> PostgresOptions {
        PostgresOptions::url(self.server.url()).schema(&self.schema)
    }

    async fn open(&self, key: &StoreKey) -> Result<SqlStore, Error> {
        SqlStore::connect(self.options(), key.clone()).await
    }

    /// A statement beside the store; `{}` stands for the schema.
    async fn run(&self, sql: &str) -> Vec<sqlx::postgres::PgRow> {
        let sql = sqlx::AssertSqlSafe(sql.replace("{}", &format!("\"{}\"", self.schema)));
        sqlx::query(sql).fetch_all(&self.raw).await.unwrap()
    }

    /// Ends all connections of the server but those of this test's own pool.
    async fn end_connections(&self) {
        self.run("select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'integration-sync'").await;
    }
}

async fn lease(store: &SqlStore) -> Lease {
    let Acquired::Lease(lease) = store.acquire(&scope(), "test", 600_000).await.unwrap() else { panic!("it is held") };
    lease
}

async fn n_links(store: &SqlStore) -> u64 {
    let counts = store.link_counts(&scope(), &"account".into()).await.unwrap();
    counts.iter().map(|row| row.count).sum()
}

#[track_caller]
fn refused<T>(result: Result<T, Error>, kind: ErrorKind) -> Error {
    let Err(error) = result else { panic!("this should have been refused") };
    assert_eq!(error.kind(), kind, "{error}");
    assert!(error.remedy().is_some(), "no remedy: {error}");
    error
}

#[tokio::test]
async fn a_schema_opens_with_its_own_key_alone_and_sealed_grants_in_their_own_row() {
    let Some(place) = Place::new().await else { return };
    let (key, other) = (StoreKey::generate().unwrap(), StoreKey::generate().unwrap());
    let store = place.open(&key).await.unwrap();
    store.swap(&scope(), None, Some(grant(1))).await.unwrap();
    let theirs = Scope::new("other", "mailchimp");
    store.swap(&theirs, None, Some(grant(1))).await.unwrap();
    refused(place.open(&other).await, ErrorKind::WrongKey);

    let swap = "update {}.credential set api_key = (select api_key from {}.credential where org = 'blue-manta') \
        where org = 'other'";
    place.run(swap).await;
    refused(store.load(&theirs).await, ErrorKind::WrongKey);
    assert!(store.load(&scope()).await.unwrap().is_some());
    place.run("update {}.credential set access = api_key, api_key = null where org = 'blue-manta'").await;
    refused(store.load(&scope()).await, ErrorKind::WrongKey);
    place.run("update {}.credential set access = null, api_key = 'cut' where org = 'blue-manta'").await;
    refused(store.load(&scope()).await, ErrorKind::WrongKey);
}

#[tokio::test]
async fn neither_secrets_nor_suppressed_addresses_are_in_the_database() {
    let Some(place) = Place::new().await else { return };
    let store = place.open(&StoreKey::generate().unwrap()).await.unwrap();
    store.swap(&scope(), None, Some(grant(1))).await.unwrap();
    let lease = lease(&store).await;
    let suppression = Suppression { at: jiff::Timestamp::UNIX_EPOCH, state: ConsentState::Denied };
    let change = Change::Suppress { channel: Channel::Email, address: ADDRESS.into(), suppression };
    store.commit(&lease, vec![change]).await.unwrap();
    let asked = [ADDRESS.to_owned(), "bob@example.com".to_owned()];
    let known = store.suppressed(&scope().organization, Channel::Email, &asked).await.unwrap();
    assert_eq!((known[0].is_some(), known[1].is_some()), (true, false));
    let mut n_rows = 0;
    for table in ["credential", "suppression", "store_key", "meta", "run_lease"] {
        for row in place.run(&format!("select t::text from {{}}.{table} t")).await {
            // Bytes are printed in hexadecimal digits.
            let text: String = row.get(0);
            n_rows += 1;
            for needle in [SECRET, ADDRESS] {
                let digits: String = needle.bytes().map(|byte| format!("{byte:02x}")).collect();
                assert!(!text.contains(needle) && !text.contains(&digits), "{needle} can be read in {table}");
            }
        }
    }
    assert!(n_rows >= 5, "the tables are empty");
}

#[tokio::test]
async fn a_schema_of_a_newer_version_is_refused_and_left_alone() {
    let Some(place) = Place::new().await else { return };
    let key = StoreKey::generate().unwrap();
    place.open(&key).await.unwrap();
    place.run("insert into {}.schema_version (version, at_ms) values (999, 0)").await;
    refused(place.open(&key).await, ErrorKind::Config);
    assert_eq!(place.run("select max(version) from {}.schema_version").await[0].get::<i64, _>(0), 999);
}

#[tokio::test]
async fn several_that_open_a_new_schema_at_once_make_one_and_other_schemas_are_others() {
    let Some(place) = Place::new().await else { return };
    let key = StoreKey::generate().unwrap();
    let opened = join_all((0..6).map(|_| place.open(&key))).await;
    let stores: Vec<SqlStore> = opened.into_iter().map(Result::unwrap).collect();
    let first = stores[0].installation().await.unwrap();
    for store in &stores {
        assert_eq!(store.installation().await.unwrap(), first);
    }
    let beside = SqlStore::connect(place.options().schema("a \"quoted\" one"), key).await.unwrap();
    assert_ne!(beside.installation().await.unwrap(), first);
    lease(&stores[0]).await;
    lease(&beside).await;
    let clock = beside.database_clock().await.unwrap();
    assert!(jiff::Timestamp::now().duration_since(clock).as_secs().abs() < 60);
}

#[tokio::test]
async fn a_hosts_own_pool_serves_the_store_and_is_left_as_it_was() {
    let Some(place) = Place::new().await else { return };
    let key = StoreKey::generate().unwrap();
    let options = PostgresOptions::pool(place.raw.clone()).schema(&place.schema);
    let store = SqlStore::connect(options, key).await.unwrap();
    store.commit(&lease(&store).await, vec![Change::OpenLink(link("a"))]).await.unwrap();
    assert_eq!(n_links(&store).await, 1);
    store.close().await;
    assert!(!place.raw.is_closed(), "the pool is the host's to close");
    for row in place.run("select current_setting('search_path'), current_setting('lock_timeout')").await {
        assert_eq!((row.get::<&str, _>(0), row.get::<&str, _>(1)), ("\"$user\", public", "0"));
    }
}

#[tokio::test]
async fn what_is_wrong_with_an_address_is_said_and_its_password_is_not() {
    let Some(place) = Place::new().await else { return };
    let key = StoreKey::generate().unwrap();
    let connect = async |url: String| {
        let options = PostgresOptions::url(url).schema(&place.schema).acquire_timeout(Duration::from_secs(3));
        assert!(!format!("{options:?}").contains("pass-word"));
        SqlStore::connect(options, key.clone()).await
    };
    let url = place.server.url();
    for (url, kind) in [
        ("postgres://user:pass-word@host:no-port/x".to_owned(), ErrorKind::Config),
        (format!("{url}&password=pass-word").replace("///postgres", "///nothing"), ErrorKind::Config),
        (format!("{url}&password=pass-word").replace("user=postgres", "user=nobody"), ErrorKind::Config),
        ("postgres://user:pass-word@127.0.0.1:1/x".to_owned(), ErrorKind::Store),
    ] {
        let error = refused(connect(url).await, kind);
        let chain = std::iter::successors(Some(&error as &dyn std::error::Error), |error| error.source());
        assert!(chain.map(|error| format!("{error} {error:?}")).all(|text| !text.contains("pass-word")), "{error}");
    }
    for schema in [String::new(), "s".repeat(64)] {
        refused(SqlStore::connect(place.options().schema(schema), key.clone()).await, ErrorKind::Config);
    }
}

#[tokio::test]
async fn texts_that_postgresql_can_not_hold_come_back_as_they_were() {
    let Some(place) = Place::new().await else { return };
    let store = place.open(&StoreKey::generate().unwrap()).await.unwrap();
    let odd = "a\0b \u{1F41F} 'quoted' \\u0000";
    store.commit(&lease(&store).await, vec![Change::OpenLink(link(odd))]).await.unwrap();
    let (account, resource, role) = ("account".into(), "contacts".into(), sync_core::Role::MAIN);
    let ids = [odd.into(), "ab".into()];
    let links = store.links_by_local(&scope(), &account, &resource, &role, &ids).await.unwrap();
    assert_eq!((links[0].as_ref(), links[1].is_some()), (Some(&link(odd)), false));
    let keys = [format!("{odd}@example.com")];
    assert_eq!(store.holders_of_keys(&scope(), &account, &resource, &role, &keys).await.unwrap(), [[odd.into()]]);
}

/// Two processes race for a scope: the one that took it over commits, the other one's commit is refused whole, however the
/// two meet.
#[tokio::test(flavor = "multi_thread")]
async fn a_commit_races_a_take_over_and_is_whole_or_refused() {
    let Some(place) = Place::new().await else { return };
    let key = StoreKey::generate().unwrap();
    let (old, new) = (place.open(&key).await.unwrap(), place.open(&key).await.unwrap());
    let (mut n_committed, mut n_refused) = (0, 0);
    for round in 0..40_u32 {
        let Acquired::Lease(lease) = old.acquire(&scope(), "old", 600_000).await.unwrap() else { panic!("it is held") };
        // Over from now on for whoever looks, unless its commit comes first.
        let many = (0..50).map(|i| Change::PutLink(link(&format!("{round}-{i}")))).collect();
        let commit = async {
            tokio::time::sleep(Duration::from_micros(u64::from(round % 8) * 300)).await;
            old.commit(&lease, many).await
        };
        let take_over = async {
            place.run("update {}.run_lease set expires_ms = 0").await;
            new.acquire(&scope(), "new", 600_000).await
        };
        // Once in either order for certain, and then as they happen to meet.
        let (committed, taken) = match round {
            0 => (commit.await, take_over.await),
            1 => {
                let taken = take_over.await;
                (commit.await, taken)
            }
            _ => tokio::join!(commit, take_over),
        };
        let Acquired::Lease(taken) = taken.unwrap() else { panic!("it was over") };
        assert_eq!(taken.epoch, lease.epoch + 1);
        let ids = [format!("{round}-0").into(), format!("{round}-49").into()];
        let (account, resource, role) = ("account".into(), "contacts".into(), sync_core::Role::MAIN);
        let there = new.links_by_local(&scope(), &account, &resource, &role, &ids).await.unwrap();
        assert_eq!(there[0].is_some(), there[1].is_some(), "half of a commit is there");
        assert_eq!(there[0].is_some(), committed.is_ok());
        match committed {
            Ok(()) => n_committed += 1,
            Err(error) => {
                assert_eq!(error.kind(), ErrorKind::LeaseLost, "{error}");
                n_refused += 1;
            }
        }
        refused(old.commit(&lease, vec![Change::PutLink(link("late"))]).await, ErrorKind::LeaseLost);
        new.commit(&taken, vec![Change::PutLink(link("early"))]).await.unwrap();
        new.release(&taken).await.unwrap();
    }
    assert!(n_committed > 0 && n_refused > 0, "{n_committed} committed, {n_refused} refused");
}

#[tokio::test(flavor = "multi_thread")]
async fn of_many_that_store_a_first_grant_one_wins_and_numbers_are_never_given_twice() {
    let Some(place) = Place::new().await else { return };
    let key = StoreKey::generate().unwrap();
    let stores = [place.open(&key).await.unwrap(), place.open(&key).await.unwrap()];
    let swaps = join_all((0..16).map(|i| {
        let store = stores[i % 2].clone();
        tokio::spawn(async move { store.swap(&scope(), None, Some(grant(1))).await.unwrap() })
    }));
    let n_won = swaps.await.into_iter().filter(|swap| matches!(swap.as_ref().unwrap(), Swapped::Stored)).count();
    assert_eq!(n_won, 1);

    // Scopes of one organization, each with its own lease, that also write to the list that they share.
    let commits = join_all((0..6).map(|i| {
        let (store, scope) = (stores[i % 2].clone(), Scope::new("blue-manta", format!("integration-{i}")));
        tokio::spawn(async move {
            let Acquired::Lease(lease) = store.acquire(&scope, "test", 600_000).await.unwrap() else { panic!("it is held") };
            for round in 0..10 {
                let suppress = |n: usize| Change::Suppress {
                    channel: Channel::Email,
                    address: format!("{}@example.com", (n * (i + 1)) % 23),
                    suppression: Suppression { at: jiff::Timestamp::now(), state: ConsentState::Denied },
                };
                let links = (0..20).map(|n| Change::OpenLink(link(&format!("{round}-{n}"))));
                store.commit(&lease, (1..23).map(suppress).chain(links).collect()).await.unwrap();
            }
            let counts = store.link_counts(&scope, &"account".into()).await.unwrap();
            counts.iter().map(|row| row.count).sum::<u64>()
        })
    }));
    for n_links in commits.await {
        assert_eq!(n_links.unwrap(), 200);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_that_ends_in_mid_commit_loses_nothing_and_the_store_goes_on() {
    let Some(place) = Place::new().await else { return };
    let store = place.open(&StoreKey::generate().unwrap()).await.unwrap();
    let lease = lease(&store).await;
    let (mut n_ended, mut n_kept) = (0, 0);
    for round in 0..12_u64 {
        let many: Vec<Change> = (0..3_000).map(|i| Change::OpenLink(link(&format!("{round}-{i:04}")))).collect();
        let before = n_links(&store).await;
        let end = async {
            tokio::time::sleep(Duration::from_millis(round * 8)).await;
            place.end_connections().await;
        };
        let (committed, ()) = tokio::join!(store.commit(&lease, many.clone()), end);
        // Idle connections were ended as well: the first question may be told so, not the next ones.
        let mut after = None;
        for _ in 0..10 {
            if let Ok(counts) = store.link_counts(&scope(), &"account".into()).await {
                after = Some(counts.iter().map(|row| row.count).sum::<u64>());
                break;
            }
        }
        let after = after.expect("the store does not come back");
        match committed {
            Ok(()) => {
                assert_eq!(after, before + 3_000);
                n_kept += 1;
            }
            Err(error) => {
                assert_eq!((error.kind(), error.remedy().is_some()), (ErrorKind::Store, true), "{error}");
                assert!(after == before || after == before + 3_000, "half of a commit is there");
                n_ended += 1;
                if after == before {
                    store.commit(&lease, many).await.unwrap();
                }
            }
        }
    }
    assert!(n_ended > 0, "no commit was ended; {n_kept} went through");
    assert_eq!(n_links(&store).await, 36_000);
}
