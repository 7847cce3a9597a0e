//! A double of Xero and of its sign-in.

use serde::Serialize;
use sync_core::Result;
use sync_sandbox::{Xero, XeroClientSeed, XeroSeed, XeroTenantSeed};

use super::{document, listen_as_asked, serve_until_stopped, wrong_document};
use crate::{
    args::SandboxArgs,
    exit::Exit,
    output::Output,
    shop::{BOOKKEEPER, Shop},
};

/// As the user names it.
pub(super) const PROVIDER: &str = "xero";

/// The app that the double knows. Xero's own ids are 32 hexadecimal digits.
pub(in crate::command) const CLIENT_ID: &str = "sandbox-client";
pub(in crate::command) const CLIENT_SECRET: &str = "sandbox-secret";

/// Where the double can be reached.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Address {
    /// The URL of everything, and of the endpoints `api`, `login` and `identity`.
    url: String,
    api: String,
    login: String,
    identity: String,
    client_id: String,
    client_secret: String,
}

/// Runs the double until it is stopped.
pub(super) async fn run(args: &SandboxArgs, out: Output) -> Result<Exit> {
    let seed = seed(args)?;
    let client = seed.oauth_clients.first();
    let client_id = client.map_or_else(|| CLIENT_ID.to_owned(), |client| client.id.clone());
    let client_secret = client.and_then(|client| client.secret.clone()).unwrap_or_else(|| CLIENT_SECRET.to_owned());
    let (listener, port) = listen_as_asked(args).await?;
    let url = format!("http://127.0.0.1:{port}");
    let address =
        Address { api: url.clone(), login: url.clone(), identity: url.clone(), url: url.clone(), client_id, client_secret };
    out.document(&address);
    out.say(format!("A double of Xero listens on {url}. Stop it with Ctrl-C."));
    out.say("To use it:");
    for endpoint in ["API", "LOGIN", "IDENTITY"] {
        out.say(format!("  export SYNCCTL_XERO_{endpoint}_URL={url}"));
    }
    out.say(format!(
        "  export SYNCCTL_XERO_CLIENT_ID={} SYNCCTL_XERO_CLIENT_SECRET={}",
        address.client_id, address.client_secret
    ));
    out.say("To do what a bookkeeper does:");
    out.say(format!("  curl {url}/_sandbox/act -d '{{\"do\": \"record-payment\", \"invoice\": \"NUMBER\"}}'"));
    serve_until_stopped(Xero::new(seed), args, listener, &url, out).await
}

fn seed(args: &SandboxArgs) -> Result<XeroSeed> {
    const MEMBERS: &str = "users, tenants and oauth_clients";
    if let Some(text) = document(args, MEMBERS)? {
        return XeroSeed::from_json(&text).map_err(|error| wrong_document(args, &error.to_string(), MEMBERS));
    }
    let shop = Shop::open()?;
    let seed = if args.empty { XeroSeed::new(BOOKKEEPER, XeroTenantSeed::new(&shop.name)) } else { shop.xero() };
    Ok(seed.with_oauth_client(XeroClientSeed::new(CLIENT_ID, CLIENT_SECRET)))
}
