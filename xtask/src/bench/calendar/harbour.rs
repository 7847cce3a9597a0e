//! A shop with trips, and the double of Google Calendar that it syncs with.

use std::{ops::Deref, time::Duration};

use serde_json::json;
use sync_core::{Collection, Marker, OrganizationId};
use sync_dispatch::{
    Store as _,
    store::{SqlStore, StoreKey},
};

use super::{
    super::{
        shop::Double,
        site::{self, Site, seed_file},
    },
    trips::{Trips, ZONE},
};
use crate::Result;

/// The calendar.
pub(super) const CALENDAR: &str = "trips@group.calendar.google.com";
/// A token for the bare loop; the shop signs in.
pub(super) const TOKEN: &str = "ya29.bench-0123456789";

const CAPTAIN: &str = "captain@example.com";
const CLIENT: &str = "bench-client";
const SECRET: &str = "bench-secret";
const INTEGRATION: &str = "google-calendar";

/// Records that are stored at once.
const CHUNK: usize = 10_000;

/// A double with one empty calendar, whose owner agrees to everything.
pub(super) fn double(name: &str, latency: Duration, keep_bodies: bool) -> Result<Double> {
    let seed = json!({
        "users": [{"email": CAPTAIN, "time_zone": ZONE}],
        "calendars": [
            {"id": CALENDAR, "summary": "Trips", "owner": CAPTAIN, "time_zone": ZONE, "made_by": CLIENT},
        ],
        "oauth_clients": [{"id": CLIENT, "secret": SECRET}],
        "tokens": [{"token": TOKEN, "user": CAPTAIN}],
        "consent": {},
    });
    Double::with(&["--provider", INTEGRATION, "--document", &seed_file(name, &seed)?], latency, keep_bodies)
}

/// A shop with trips, and the site that it runs on.
#[derive(Debug)]
pub(super) struct Harbour {
    site: Site,
    runtime: tokio::runtime::Runtime,
}

impl Deref for Harbour {
    type Target = Site;

    fn deref(&self) -> &Site {
        &self.site
    }
}

impl Harbour {
    /// A shop with these trips, connected to the double both ways.
    pub(super) fn open(name: &str, trips: Trips, double: &Double) -> Result<Self> {
        let url = double.url();
        let endpoints = [("API_URL", url), ("ACCOUNTS_URL", url), ("TOKEN_URL", url)];
        let env = [&endpoints[..], &[("CLIENT_ID", CLIENT), ("CLIENT_SECRET", SECRET)]].concat();
        let site = Site::open(name, site::DATABASE, INTEGRATION, &env)?;
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().map_err(|error| error.to_string())?;
        let harbour = Self { site, runtime };
        harbour.put((0..trips.n).map(|i| (i, trips.record(i))))?;
        harbour.sign_in(&[&format!("calendar={CALENDAR}"), "direction=both"])?;
        Ok(harbour)
    }

    /// Stores records under the ids of these trips.
    pub(super) fn put(&self, rows: impl Iterator<Item = (usize, sync_core::Record)>) -> Result<()> {
        let mut rows = rows.map(|(i, record)| (Trips::id(i), record));
        self.with_store(async |store| {
            let records = store.records();
            loop {
                let chunk: Vec<_> = rows.by_ref().take(CHUNK).collect();
                if chunk.is_empty() {
                    return Ok(());
                }
                records.upsert(&OrganizationId::new(site::ORGANIZATION), &Collection::TRIPS, chunk).await?;
            }
        })
    }

    /// The ids of the events of these trips.
    pub(super) fn event_ids(&self, trips: impl Iterator<Item = usize>) -> Result<Vec<String>> {
        let installation = self.with_store(async |store| store.installation().await)?;
        let organization = OrganizationId::new(site::ORGANIZATION);
        let id = |i| Marker::of(&installation, &organization, &Collection::TRIPS, &Trips::id(i)).to_string();
        Ok(trips.map(id).collect())
    }

    fn with_store<T>(&self, work: impl AsyncFnOnce(&SqlStore) -> sync_core::Result<T>) -> Result<T> {
        let done = self.runtime.block_on(async {
            let key = StoreKey::from_file_or_create(self.path(site::KEY))?;
            let store = SqlStore::open(self.path(site::DATABASE), key).await?;
            let done = work(&store).await;
            store.close().await;
            done
        });
        done.map_err(|error| format!("the shop's database: {error:?}"))
    }
}
