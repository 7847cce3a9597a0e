//! A shop with sales, and the double of Xero that it syncs with.

use std::{ops::Deref, time::Duration};

use serde_json::{Value, json};

use super::{
    super::{
        shop::Double,
        site::{Site, seed_file},
    },
    sales::Sales,
};
use crate::Result;

/// The organisation.
pub(super) const COMPANY: &str = "Blue Manta Diving";
/// A token for the bare loop; the shop signs in.
pub(super) const TOKEN: &str = "eyJ-bench-0123456789";
/// What every connection decides about its money.
pub(super) const SETTINGS: [&str; 3] =
    ["account=200", r#"accounts={"gear":"220"}"#, r#"payment_accounts={"card":"091","cash":"880"}"#];

const CLIENT: &str = "bench-client";
const SECRET: &str = "bench-secret";
const INTEGRATION: &str = "xero";

/// A double with one company, whose bookkeeper agrees to everything. Its own records are these members of a tenant.
pub(super) fn double(name: &str, company: Value, latency: Duration, keep_bodies: bool) -> Result<Double> {
    let mut tenant = json!({"name": COMPANY});
    for (member, value) in company.as_object().into_iter().flatten() {
        tenant[member] = value.clone();
    }
    let seed = json!({
        "users": ["bookkeeper@example.com"],
        "tenants": [tenant],
        "oauth_clients": [{"id": CLIENT, "secret": SECRET}],
        "tokens": [{"token": TOKEN}],
        "consent": {},
    });
    Double::with(&["--provider", INTEGRATION, "--document", &seed_file(name, &seed)?], latency, keep_bodies)
}

/// A shop with sales, and the site that it runs on.
#[derive(Debug)]
pub(super) struct Desk(Site);

impl Deref for Desk {
    type Target = Site;

    fn deref(&self) -> &Site {
        &self.0
    }
}

impl Desk {
    /// A shop with these sales over this database, connected to the double.
    pub(super) fn open(name: &str, database: &str, sales: Sales, double: &Double, settings: &[&str]) -> Result<Self> {
        let url = double.url();
        let endpoints = [("API_URL", url), ("LOGIN_URL", url), ("IDENTITY_URL", url)];
        let env = [&endpoints[..], &[("CLIENT_ID", CLIENT), ("CLIENT_SECRET", SECRET)]].concat();
        let site = Site::open(name, database, INTEGRATION, &env)?;
        if sales.n > 0 {
            site.import("customers", "customers.csv", &sales.customers(), &[])?;
            site.import("invoices", "invoices.jsonl", &sales.invoices(), &[])?;
            site.import("payments", "payments.jsonl", &sales.payments(), &[])?;
        }
        site.sign_in(&[&SETTINGS, settings].concat())?;
        Ok(Self(site))
    }
}
