//! Real processes over one database, all with a token that has just run out: one of them asks for a new one.

#![cfg(any(feature = "sqlite", feature = "postgres"))]
#![allow(clippy::expect_used, clippy::unwrap_used)]

mod support;

use std::{
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::{TcpListener, TcpStream},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use futures_util::future::join_all;
use secrecy::ExposeSecret as _;
use support::{ORG, REGISTRATION, Shop};
use sync_core::{Credentials, Grant, Grants as _, HostRecords, Scope};
use sync_dispatch::{
    ConnectionRow, ConnectionStatus, Dispatcher, Store as _,
    http::OAuthClient,
    store::{SqlStore, StoreKey},
};

const PROCESSES: usize = 4;
const TASKS: usize = 16;

/// Where a process of the race finds the store, and the server. Without it there is no race.
const PLACE: &str = "SYNC_RACE_PLACE";

/// The database that they share, where it is not a file in that place: its address, and the schema.
const DATABASE: [&str; 2] = ["SYNC_RACE_DATABASE", "SYNC_RACE_SCHEMA"];

/// How long an exchange takes: all processes find the token used up meanwhile.
const EXCHANGE: Duration = Duration::from_millis(400);

/// A sign-in server that rotates: a refresh token works once.
struct Server {
    url: String,
    exchanges: Arc<AtomicUsize>,
    refused: Arc<AtomicUsize>,
}

impl Server {
    fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let (exchanges, refused) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        let counts = (Arc::clone(&exchanges), Arc::clone(&refused));
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let counts = counts.clone();
                std::thread::spawn(move || answer(stream.unwrap(), &counts.0, &counts.1));
            }
        });
        Self { url, exchanges, refused }
    }
}

fn answer(stream: TcpStream, exchanges: &AtomicUsize, refused: &AtomicUsize) {
    let mut reader = BufReader::new(stream);
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        if reader.read_line(&mut head).unwrap_or(0) == 0 {
            return;
        }
    }
    let head = head.to_lowercase();
    let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")).map_or(0, |n| n.parse().unwrap());
    let mut body = vec![0; length];
    reader.read_exact(&mut body).unwrap();
    let body = String::from_utf8(body).unwrap();
    let (status, text) = if head.starts_with("post /oauth/token") {
        let n = exchanges.fetch_add(1, Ordering::SeqCst);
        std::thread::sleep(EXCHANGE);
        if body.contains(&format!("refresh_token=refresh-{n}&")) || body.ends_with(&format!("refresh_token=refresh-{n}")) {
            let n = n + 1;
            let tokens = format!(r#"{{"access_token":"access-{n}","refresh_token":"refresh-{n}","expires_in":3600}}"#);
            ("200 OK", tokens)
        } else {
            ("400 Bad Request", r#"{"error":"invalid_grant"}"#.to_owned())
        }
    } else if head.contains("authorization: bearer access-1\r\n") {
        ("200 OK", r#"["main"]"#.to_owned())
    } else {
        refused.fetch_add(1, Ordering::SeqCst);
        ("401 Unauthorized", "{}".to_owned())
    };
    let reply = format!(
        "HTTP/1.1 {status}\r\ncontent-type: application/json\r\nconnection: close\r\ncontent-length: {}\r\n\r\n{text}",
        text.len()
    );
    let _ = reader.into_inner().write_all(reply.as_bytes());
}

fn scope() -> Scope {
    Scope::new(ORG, "ledger")
}

/// An address, and a schema.
type Database = [String; 2];

async fn open(place: &Path, database: Option<&Database>) -> SqlStore {
    let key = StoreKey::from_file_or_create(place.join("sync.key")).unwrap();
    match database {
        #[cfg(feature = "postgres")]
        Some([url, schema]) => {
            let options = sync_dispatch::store::PostgresOptions::url(url.as_str()).schema(schema);
            SqlStore::connect(options, key).await.unwrap()
        }
        #[cfg(feature = "sqlite")]
        None => SqlStore::open(place.join("sync.db"), key).await.unwrap(),
        #[cfg(not(all(feature = "sqlite", feature = "postgres")))]
        _ => panic!("this build has no such store"),
    }
}

/// A connection whose token runs out now.
async fn expired(store: &SqlStore) {
    let now = jiff::Timestamp::now();
    let row = ConnectionRow {
        scope: scope(),
        revision: 0,
        status: ConnectionStatus::Active,
        account: Some("acc-1".into()),
        account_name: None,
        settings: serde_json::Value::Null,
        approved: [String::new()].into(),
        standing_grants: Vec::new(),
        created_at: now,
        checked_at: Some(now),
        next_run_at: None,
    };
    assert!(store.put_connection(&row, None).await.unwrap());
    let credentials = Credentials::Token {
        access: "access-0".to_owned().into(),
        refresh: Some("refresh-0".to_owned().into()),
        expires_at: Some(now),
    };
    let grant = Grant {
        generation: 1,
        credentials,
        vars: Default::default(),
        scopes: Vec::new(),
        account: Some("acc-1".into()),
        dead_since: None,
    };
    store.swap(&scope(), None, Some(grant)).await.unwrap();
}

fn start(place: &Path, url: &str, database: Option<&Database>) -> Child {
    Command::new(std::env::current_exe().unwrap())
        .envs(DATABASE.into_iter().zip(database.into_iter().flatten()))
        .args(["--exact", "a_process_of_the_race", "--nocapture"])
        .env(PLACE, place)
        .env("SYNC_RACE_URL", url)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap()
}

/// Reads until a line that ends in this text; the test runner prints lines of its own.
fn wait_for(lines: &mut BufReader<impl std::io::Read>, text: &str) {
    let mut line = String::new();
    while !line.trim_end().ends_with(text) {
        line.clear();
        assert!(lines.read_line(&mut line).unwrap() > 0, "a process ended without {text:?}");
    }
}

#[cfg(feature = "sqlite")]
#[tokio::test(flavor = "multi_thread")]
async fn four_processes_with_sixteen_tasks_each_make_one_exchange() {
    race(None).await;
}

#[cfg(feature = "postgres")]
#[tokio::test(flavor = "multi_thread")]
async fn four_processes_with_sixteen_tasks_each_make_one_exchange_on_postgresql() {
    let Some(server) = sync_testkit::PostgresServer::shared() else { return };
    race(Some([server.url(), server.schema()])).await;
}

async fn race(database: Option<Database>) {
    let place = tempfile::tempdir().unwrap();
    let server = Server::start();
    let store = open(place.path(), database.as_ref()).await;
    expired(&store).await;

    let mut processes: Vec<Child> = (0..PROCESSES).map(|_| start(place.path(), &server.url, database.as_ref())).collect();
    let mut told: Vec<_> = processes.iter_mut().map(|process| BufReader::new(process.stdout.take().unwrap())).collect();
    told.iter_mut().for_each(|lines| wait_for(lines, "ready"));
    for process in &mut processes {
        process.stdin.as_mut().unwrap().write_all(b"go\n").unwrap();
    }
    told.iter_mut().for_each(|lines| wait_for(lines, &format!("{TASKS} went through")));
    for mut process in processes {
        assert!(process.wait().unwrap().success());
    }
    assert_eq!(server.exchanges.load(Ordering::SeqCst), 1, "a token was exchanged more than once");
    assert_eq!(server.refused.load(Ordering::SeqCst), 0, "the token that had run out was used");
    let grant = store.load(&scope()).await.unwrap().unwrap();
    let Credentials::Token { refresh: Some(refresh), .. } = &grant.credentials else { panic!("{grant:?}") };
    assert_eq!((refresh.expose_secret(), grant.dead_since), ("refresh-1", None));
}

/// One process: no test of its own.
#[tokio::test(flavor = "multi_thread")]
async fn a_process_of_the_race() {
    let (Some(place), Ok(url)) = (std::env::var_os(PLACE).map(PathBuf::from), std::env::var("SYNC_RACE_URL")) else {
        return;
    };
    let records = HostRecords::ReadOnly(Arc::new(Shop::default()));
    let database = DATABASE.map(|name| std::env::var(name).ok());
    let database = if let [Some(url), Some(schema)] = database { Some([url, schema]) } else { None };
    let dispatcher = Dispatcher::builder(Arc::new(open(&place, database.as_ref()).await), records)
        .without_consent_sink()
        .integration(REGISTRATION, serde_json::Value::Null)
        .base_url("ledger", "api", url.parse().unwrap())
        .oauth_client("ledger", OAuthClient::new("client-1", "client-secret".to_owned()))
        .build()
        .unwrap();
    println!("ready");
    std::io::stdin().read_line(&mut String::new()).unwrap();
    let scope = scope();
    let asked = join_all((0..TASKS).map(|_| dispatcher.choices(&scope, "lists", None))).await;
    let failed: Vec<_> = asked.iter().filter_map(|choices| choices.as_ref().err()).collect();
    assert!(failed.is_empty(), "{failed:?}");
    println!("{} went through", asked.len());
}
