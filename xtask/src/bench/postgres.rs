//! The same runs over PostgreSQL and over SQLite, on this machine: what a server of its own costs.

use std::time::Duration;

use sync_testkit::PostgresServer;

use super::{
    Scale,
    contacts::Contacts,
    report::{Figure, Limit},
    shop::{Double, Shop},
    site::expect,
};
use crate::Result;

pub(super) fn run(scale: Scale) -> Result<Vec<Figure>> {
    let contacts = Contacts::new(scale.n_contacts());
    // With each commit on disk before it counts, as on SQLite.
    let Some(server) = PostgresServer::durable() else { return Ok(Vec::new()) };
    let file = runs("postgres-sqlite", "bench.db", contacts)?;
    let server = runs("postgres-server", &server.url(), contacts)?;
    let mut figures = Vec::new();
    for ((name, file), (_, server)) in file.into_iter().zip(server) {
        let (file, server) = (file.as_secs_f64(), server.as_secs_f64());
        figures.push(Figure::new(format!("{name}: SQLite"), file, "s", Limit::None));
        figures.push(Figure::new(format!("{name}: PostgreSQL"), server, "s", Limit::None));
        figures.push(Figure::new(format!("{name}: PostgreSQL by SQLite"), server / file.max(1e-6), "×", Limit::None));
    }
    Ok(figures)
}

/// What each run takes from its start to its end.
fn runs(name: &str, database: &str, contacts: Contacts) -> Result<Vec<(&'static str, Duration)>> {
    let double = Double::start(Duration::ZERO, false)?;
    let shop = Shop::on(name, database, contacts, &double)?;
    let hash = shop.plan()?;
    let (push, result) = shop.sync(Some(&hash))?;
    expect(&result, contacts.n)?;
    let (echoes, _) = shop.sync(None)?;
    let (nothing, result) = shop.sync(None)?;
    expect(&result, 0)?;
    let import = shop.import(contacts.changed())?;
    let (changed, result) = shop.sync(None)?;
    expect(&result, contacts.n_changed())?;
    Ok(vec![
        ("first push", push.wall),
        ("run after the push", echoes.wall),
        ("nothing changed", nothing.wall),
        ("import of a list", import.wall),
        ("1 % changed", changed.wall),
    ])
}
