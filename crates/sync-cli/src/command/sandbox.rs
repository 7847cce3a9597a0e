//! `sandbox`: a double of a provider on this machine.

pub(super) mod google;
pub(super) mod xero;

use std::sync::Arc;

use serde::Serialize;
use sync_core::{Error, ErrorKind, Owner, Result};
use sync_dispatch::http::system_clock;
use sync_sandbox::{AudienceSeed, Double, Fault, Mailchimp, MailchimpSeed, Sandbox, SandboxOptions, serve};
use tokio::net::TcpListener;

use crate::{args::SandboxArgs, exit::Exit, output::Output, shop::Shop};

/// The key that opens the double. It opens nothing else: Mailchimp's own keys have 32 characters before the dash.
pub(super) const API_KEY: &str = "sandbox-us19";

/// Where a double can be reached.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Address {
    /// The URL of everything.
    pub(super) url: String,
    /// The URL of the endpoint `api`.
    pub(super) api: String,
    /// The URL of the endpoint `login`.
    pub(super) login: String,
    /// The key that opens it.
    pub(super) api_key: &'static str,
}

impl Address {
    pub(super) fn of(port: u16) -> Self {
        let url = format!("http://127.0.0.1:{port}");
        Self { api: format!("{url}/3.0"), login: url.clone(), url, api_key: API_KEY }
    }
}

/// Runs a double until it is stopped.
pub(super) async fn run(args: &SandboxArgs, out: Output) -> Result<Exit> {
    if args.provider == google::PROVIDER {
        return google::run(args, out).await;
    }
    if args.provider == xero::PROVIDER {
        return xero::run(args, out).await;
    }
    let double = Mailchimp::new(seed(args)?);
    let (listener, port) = listen_as_asked(args).await?;
    let address = Address::of(port);
    out.document(&address);
    out.say(format!("A double of Mailchimp listens on {}. Stop it with Ctrl-C.", address.url));
    out.say(format!("Its key is {API_KEY}. To use it:"));
    out.say(format!("  export SYNCCTL_MAILCHIMP_API_URL={} SYNCCTL_MAILCHIMP_LOGIN_URL={}", address.api, address.login));
    out.say(format!("  SYNCCTL_MAILCHIMP_API_KEY={API_KEY} syncctl connect mailchimp --org ORGANIZATION"));
    serve_until_stopped(double, args, listener, &address.url, out).await
}

async fn listen_as_asked(args: &SandboxArgs) -> Result<(TcpListener, u16)> {
    let listener = listen(args.port).await?;
    let port = listener.local_addr().map(|address| address.port()).unwrap_or(args.port);
    Ok((listener, port))
}

/// Serves a double with the faults, quotas and latency that were asked for.
async fn serve_until_stopped(
    double: impl Double + 'static,
    args: &SandboxArgs,
    listener: TcpListener,
    url: &str,
    out: Output,
) -> Result<Exit> {
    let sandbox = Sandbox::new(double, options(args)?, Arc::new(system_clock()));
    out.say(format!("What it holds: {url}/_sandbox/state?summary=true; what was asked of it: {url}/_sandbox/log"));
    serve(sandbox, listener, stopped())
        .await
        .map_err(|error| Error::new(ErrorKind::Unavailable, format!("the sandbox stopped: {error}")).with_source(error))?;
    Ok(Exit::Done)
}

fn options(args: &SandboxArgs) -> Result<SandboxOptions> {
    let mut options = SandboxOptions::default().with_seed(args.seed).with_latency(args.latency);
    if args.enforce_quotas {
        options = options.with_quotas();
    }
    if args.keep_bodies {
        options = options.with_bodies();
    }
    for text in &args.faults {
        let fault: Fault = text.parse().map_err(|error| {
            Error::new(ErrorKind::Config, format!("the fault {text} can't be read: {error}"))
                .with_owner(Owner::EndUserData)
                .with_remedy("Write it as reply-lost:0.3 or 429:nth=3:op=lists.batch.")
        })?;
        options = options.with_fault(fault);
    }
    Ok(options)
}

/// The document that was given to start with.
fn document(args: &SandboxArgs, members: &str) -> Result<Option<String>> {
    let Some(path) = &args.document else { return Ok(None) };
    std::fs::read_to_string(path).map(Some).map_err(|error| wrong_document(args, &error.to_string(), members))
}

fn wrong_document(args: &SandboxArgs, problem: &str, members: &str) -> Error {
    let path = args.document.as_deref().map(|path| path.display().to_string()).unwrap_or_default();
    Error::new(ErrorKind::Config, format!("{path} can't be used: {problem}"))
        .with_owner(Owner::EndUserData)
        .with_remedy(format!("Give a JSON document with {members}."))
}

fn seed(args: &SandboxArgs) -> Result<MailchimpSeed> {
    const MEMBERS: &str = "account, api_keys and audiences";
    if let Some(text) = document(args, MEMBERS)? {
        return MailchimpSeed::from_json(&text).map_err(|error| wrong_document(args, &error.to_string(), MEMBERS));
    }
    let shop = Shop::open()?;
    if args.empty {
        return Ok(MailchimpSeed::new(API_KEY).with_audience(AudienceSeed::new(shop.audience_id(), shop.audience_name())));
    }
    Ok(shop.mailchimp(API_KEY))
}

/// Listens on a port of this machine.
pub(super) async fn listen(port: u16) -> Result<TcpListener> {
    TcpListener::bind(("127.0.0.1", port)).await.map_err(|error| {
        Error::new(ErrorKind::Config, format!("port {port} of this machine can't be listened on: {error}"))
            .with_owner(Owner::EndUserData)
            .with_remedy("Choose another with --port; 0 takes any.")
    })
}

/// Ready when the program is asked to stop.
async fn stopped() {
    #[cfg(unix)]
    if let Ok(mut terminated) = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate()) {
        tokio::select! {
            _ = tokio::signal::ctrl_c() => {}
            _ = terminated.recv() => {}
        }
        return;
    }
    let _ = tokio::signal::ctrl_c().await;
}
