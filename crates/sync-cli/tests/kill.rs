//! The real thing: `syncctl sync` over HTTP and a database file, killed by the operating system at whatever it does.
//!
//! `SYNC_TEST_KILLS` says how many processes die. What is left is finished by processes that nobody kills; then the books must
//! say what the shop says, once.

#![cfg(unix)]
#![allow(clippy::unwrap_used, reason = "helpers of tests fail by panicking")]

mod support;

use std::{
    collections::BTreeMap,
    process::Stdio,
    sync::atomic::{AtomicU64, Ordering},
    thread::sleep,
    time::{Duration, Instant},
};

use jiff::{Timestamp, tz::TimeZone};
use serde_json::{Value as Json, json};
use support::{ORG, World};
use sync_core::{
    Collection, Credentials, Grant, Grants as _, LocalId, Record, Ref, Scope, Swapped, Value,
    model::{Invoice, InvoiceLine, Model, TaxMode},
};
use sync_engine::{ConnectionRow, ConnectionStatus, Store as _};
use sync_sandbox::{SandboxOptions, Xero, XeroSeed, XeroTenantSeed, XeroTokenSeed};
use sync_store::{SqlStore, StoreKey};
use sync_testkit::SeededRandom;

const COMPANY: &str = "Blue Manta Diving";
const TOKEN: &str = "eyJ-killed-0123456789";

/// Processes that die where nobody says how many.
const KILLS: u64 = 30;

/// How many shops are killed beside each other: most of the time a shop waits for the lease of who died.
const N_SHOPS: u64 = 5;

/// How long a call may take where processes die, in seconds: what they leave open settles soon.
const SHORT_S: u64 = 1;

/// How long it may take where they don't: longer than a busy machine needs.
const LONG_S: u64 = 10;

/// A lease outlives who held it by this: a short call's timeout and the margin of a second, and a little.
const LEASE: Duration = Duration::from_millis(1_000 * (SHORT_S + 1) + 100);

/// Most processes that nobody kills until everything is done. Calls settle within a second.
const MAX_LAST_RUNS: usize = 12;

/// A shop, its books, and what should be in them.
struct Shop {
    world: World,
    runtime: tokio::runtime::Runtime,
    n_sales: u64,
    names: BTreeMap<String, String>,
}

impl Shop {
    fn new() -> Self {
        let company = XeroTenantSeed::new(COMPANY);
        let tenant = company.id();
        let seed = XeroSeed::new("desk@shop.example.com", company).with_token(XeroTokenSeed::new(TOKEN));
        let options = SandboxOptions::default().with_latency(Duration::from_millis(8));
        let world = World::around(Xero::new(seed), options);
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let shop = Self { world, runtime, n_sales: 0, names: BTreeMap::new() };
        shop.configure(LONG_S);
        shop.with_store(async |store| {
            let scope = Scope::new(ORG, "xero");
            let grant = Grant {
                generation: 1,
                credentials: Credentials::Token { access: TOKEN.into(), refresh: None, expires_at: None },
                vars: BTreeMap::new(),
                scopes: Vec::new(),
                account: Some(tenant.as_str().into()),
                dead_since: None,
            };
            assert!(matches!(store.swap(&scope, None, Some(grant)).await.unwrap(), Swapped::Stored));
            let row = ConnectionRow {
                scope,
                revision: 1,
                status: ConnectionStatus::Setup,
                account: Some(tenant.as_str().into()),
                account_name: None,
                settings: json!({"account": "200", "payment_accounts": {"card": "091"}}),
                approved: Default::default(),
                standing_grants: Vec::new(),
                created_at: Timestamp::now(),
                checked_at: None,
                next_run_at: None,
            };
            assert!(store.put_connection(&row, None).await.unwrap());
        });
        shop
    }

    /// From now on a call may take so long.
    fn configure(&self, call_timeout_s: u64) {
        let url = format!("http://127.0.0.1:{}", self.world.port);
        let config = format!(
            "organization = \"{ORG}\"\nlimits = \"off\"\n[engine]\nlease_margin_s = 1\ncall_timeout_s = {call_timeout_s}\n\
             settle_s = 1\nretry_after_s = 1\nbreaker_count = 100000\n[providers.xero.endpoints]\napi = \"{url}\"\n\
             login = \"{url}\"\nidentity = \"{url}\"\n"
        );
        self.world.write("syncctl.toml", config);
    }

    fn with_store(&self, work: impl AsyncFnOnce(&SqlStore)) {
        let key = StoreKey::from_file_or_create(self.world.path("sync.key")).unwrap();
        self.runtime.block_on(async {
            let store = SqlStore::open(self.world.path("sync.db"), key).await.unwrap();
            work(&store).await;
            store.close().await;
        });
    }

    /// A customer buys and pays, and one who bought before changes the name.
    fn sell(&mut self, draw: &SeededRandom) {
        let mut customers = Vec::new();
        if self.n_sales > 0 {
            let id = format!("c{}", draw.below(self.n_sales));
            let name = format!("Diver {id} again {}", draw.below(1_000_000));
            customers.push((LocalId::new(id.clone()), customer(&id, &name)));
            self.names.insert(id, name);
        }
        let n = self.n_sales;
        self.n_sales += 1;
        let (id, name) = (format!("c{n}"), format!("Diver {n}"));
        customers.push((LocalId::new(id.clone()), customer(&id, &name)));
        self.names.insert(id, name);
        let (invoice, payment) = sale(n);
        self.with_store(async |store| {
            let records = store.records();
            records.upsert(&ORG.into(), &Collection::CUSTOMERS, customers).await.unwrap();
            records.upsert(&ORG.into(), &Collection::INVOICES, vec![(format!("i{n}").into(), invoice)]).await.unwrap();
            records.upsert(&ORG.into(), &Collection::PAYMENTS, vec![(format!("p{n}").into(), payment)]).await.unwrap();
        });
    }

    /// Syncs until it ends by itself or this time is over. True when it was killed.
    fn sync_for(&self, time: Duration) -> bool {
        let mut command = self.world.command(&["sync", "xero", "--json"]);
        let mut child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        let until = Instant::now() + time;
        while Instant::now() < until {
            if child.try_wait().unwrap().is_some() {
                return false;
            }
            sleep(Duration::from_millis(1));
        }
        child.kill().unwrap();
        std::os::unix::process::ExitStatusExt::signal(&child.wait().unwrap()).is_some()
    }

    fn finish(&self) {
        self.configure(LONG_S);
        for _ in 0..MAX_LAST_RUNS {
            sleep(LEASE);
            let ran = self.world.run(&["sync", "xero", "--json", "--wait"]);
            if ran.code == 0 && ran.json()["synced"] == 0 {
                return;
            }
        }
        panic!("it does not come to rest: {:?}", self.world.run(&["sync", "xero", "--json"]));
    }

    /// Everything is there once, and says what the shop says.
    fn check(&self) {
        let state = self.world.sandbox.state();
        let company = &state["tenants"][COMPANY];
        let all = |of: &str| company[of].as_object().unwrap().values().cloned().collect::<Vec<Json>>();
        let mut names: Vec<_> = all("contacts").iter().map(|one| one["Name"].as_str().unwrap().to_owned()).collect();
        let mut wanted: Vec<String> = self.names.values().cloned().collect();
        names.sort();
        wanted.sort();
        assert_eq!(names, wanted, "one contact for each customer");
        let mut numbers: Vec<_> =
            all("documents").iter().map(|one| one["InvoiceNumber"].as_str().unwrap().to_owned()).collect();
        let mut wanted: Vec<String> = (0..self.n_sales).map(|n| format!("D-{n}")).collect();
        numbers.sort();
        wanted.sort();
        assert_eq!(numbers, wanted, "one document for each invoice");
        let paid = all("payments").iter().filter(|one| one["Status"] == "AUTHORISED").count() as u64;
        assert_eq!(paid, self.n_sales, "one payment for each payment");
        assert!(all("documents").iter().all(|one| one["Status"] == "PAID" && one["AmountDue"] == 0.0), "all are paid");
        assert_eq!((&state["mails_sent"], &state["reminders_sent"]), (&json!(0), &json!(0)));
        self.world.nothing_was_refused();
    }
}

fn customer(id: &str, name: &str) -> Record {
    let (first, last) = name.split_once(' ').unwrap();
    Record::new()
        .with("first_name", Value::text(first))
        .with("last_name", Value::text(last))
        .with("email", Value::text(format!("{id}@example.com")))
}

fn sale(n: u64) -> (Record, Record) {
    let day = Timestamp::now().to_zoned(TimeZone::UTC).date();
    let amount = i64::try_from(20 + n).unwrap();
    let line = InvoiceLine {
        key: Some("1".into()),
        description: Some("Two dives".into()),
        quantity: Some(1.into()),
        unit_amount: Some(amount.into()),
        ..InvoiceLine::default()
    };
    let invoice = Invoice {
        number: Some(format!("D-{n}")),
        customer: Some(Ref::Local { collection: Collection::CUSTOMERS, id: format!("c{n}").into() }),
        date: Some(day),
        currency: Some("EUR".into()),
        amounts: Some(TaxMode::Inclusive),
        lines: vec![line],
        total: Some(amount.into()),
        ..Invoice::default()
    };
    let amount = Value::Decimal(amount.into());
    let on = Value::Ref(Ref::Local { collection: Collection::INVOICES, id: format!("i{n}").into() });
    let payment = Record::new()
        .with("date", Value::Date(day))
        .with("currency", Value::text("EUR"))
        .with("amount", amount.clone())
        .with("allocations", Value::List(vec![Record::new().with("invoice", on).with("amount", amount)]))
        .with("method", Value::text("card"))
        .with("reference", Value::text(format!("ch_{n}")));
    (invoice.into_record(), payment)
}

/// Kills so many processes of one shop; how many were started.
fn kill(seed: u64, n_kills: u64, killed: &AtomicU64) -> u64 {
    let draw = SeededRandom::new(seed);
    let mut shop = Shop::new();
    shop.sell(&draw);
    let plan = shop.world.run(&["sync", "xero", "--json"]).exits(5).json();
    let hash = plan["details"]["planHash"].as_str().unwrap().to_owned();
    let began = Instant::now();
    shop.world.run(&["sync", "xero", "--json", "--approve", &hash]).exits(0);
    // What a run with something to do takes here and now.
    let whole = u64::try_from(began.elapsed().as_millis()).unwrap();
    shop.configure(SHORT_S);
    let (mut n_killed, mut n_rounds) = (0, 0);
    while n_killed < n_kills {
        n_rounds += 1;
        assert!(n_rounds < 10 * n_kills + 20, "processes end before they can be killed");
        if draw.chance(0.7) {
            shop.sell(&draw);
        }
        if shop.sync_for(Duration::from_millis(whole * (10 + draw.below(90)) / 100)) {
            n_killed += 1;
            killed.fetch_add(1, Ordering::Relaxed);
            sleep(LEASE);
        }
    }
    shop.finish();
    shop.check();
    n_rounds
}

#[test]
fn killed_at_any_moment_it_leaves_every_record_there_once() {
    let n_kills = std::env::var("SYNC_TEST_KILLS").ok().and_then(|n| n.parse::<u64>().ok()).unwrap_or(KILLS);
    let killed = AtomicU64::new(0);
    let n_rounds: u64 = std::thread::scope(|scope| {
        let share = |shop: u64| n_kills / N_SHOPS + u64::from(shop < n_kills % N_SHOPS);
        let killed = &killed;
        let shops: Vec<_> = (0..N_SHOPS).map(|shop| scope.spawn(move || kill(shop, share(shop), killed))).collect();
        shops.into_iter().map(|shop| shop.join().unwrap()).sum()
    });
    println!("{} of {n_rounds} processes were killed, and all was there once", killed.into_inner());
}
