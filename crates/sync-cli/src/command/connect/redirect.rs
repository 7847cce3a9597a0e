//! Signing in with the browser: the way back ends at a port of this machine, or is pasted.

mod browser;
mod way_back;

use std::time::Duration;

use sync_core::{AuthScheme, Error, ErrorKind, Owner, Random as _, Result, Scope};
use sync_dispatch::{ConnectOptions, Connected, http::system_random};
use tokio::net::TcpListener;
use url::Url;

use super::super::prompt;
use crate::{
    app::{App, Workbench, integration_name},
    args::SignInArgs,
};

/// The path of the way back.
const PATH: &str = "/callback";

/// Signs in and connects.
pub(super) async fn sign_in(
    app: &App,
    bench: &Workbench,
    scope: &Scope,
    args: &SignInArgs,
    options: ConnectOptions,
) -> Result<Connected> {
    let port = args.redirect_port;
    let listener = TcpListener::bind(("127.0.0.1", port)).await.map_err(|error| {
        Error::new(ErrorKind::Config, format!("port {port} of this machine can't be listened on: {error}"))
            .with_owner(Owner::EndUserData)
            .with_remedy("Choose another with --redirect-port.")
    })?;
    let port = listener.local_addr().map(|address| address.port()).unwrap_or(port);
    let host = loopback_host(bench, scope);
    let redirect: Url = format!("http://{host}:{port}{PATH}")
        .parse()
        .map_err(|error: url::ParseError| Error::new(ErrorKind::Internal, "the way back has no URL").with_source(error))?;
    // Only this process knows it: the way back counts here alone.
    let browser = system_random().id();
    let consent = bench.dispatcher.begin_connect(scope, &redirect, &browser, &args.scopes).await?;
    let finish = |query: String| {
        let (dispatcher, browser, options) = (&bench.dispatcher, &browser, options.clone());
        async move { dispatcher.finish_connect(&query, browser, options).await }
    };
    let name = integration_name(&scope.integration);
    let mismatch = format!(
        "If {name} does not know the address {redirect}, register it there, or take one that is with --redirect-port."
    );
    if args.paste {
        // On standard error also with --json: without it nobody can go on.
        eprintln!("Open this page in a browser and sign in:\n\n  {consent}\n");
        eprintln!("The browser ends on a page that can't be shown. Copy its address from the address bar.\n{mismatch}");
        return finish(pasted(&prompt::line("Address")?)?).await;
    }
    eprintln!("Open this page in a browser on this machine and sign in:\n\n  {consent}\n");
    if args.open
        && let Err(error) = browser::open(&consent)
    {
        app.out.note(format!("The browser could not be opened: {error}"));
    }
    app.out.note("Waiting for the browser to come back …");
    let patience = Duration::from_secs(args.wait_s);
    tokio::time::timeout(patience, way_back::serve(&listener, PATH, finish)).await.unwrap_or_else(|_| {
        Err(Error::new(ErrorKind::Config, format!("nobody signed in within {}", minutes(args.wait_s)))
            .with_owner(Owner::EndUserData)
            .with_remedy(format!("Start again. {mismatch} Without a browser on this machine, use --paste.")))
    })
}

/// The name of this machine that the provider sends people back to.
fn loopback_host(bench: &Workbench, scope: &Scope) -> &'static str {
    let descriptor = bench.dispatcher.descriptors().find(|descriptor| descriptor.id == scope.integration.as_str());
    let mut schemes = descriptor.into_iter().flat_map(|descriptor| descriptor.auth);
    let host = schemes.find_map(|scheme| match scheme {
        AuthScheme::OAuth(server) => Some(server.loopback_host),
        _ => None,
    });
    host.unwrap_or("127.0.0.1")
}

fn minutes(seconds: u64) -> String {
    match (seconds / 60, seconds % 60) {
        (0, 1) => "a second".to_owned(),
        (1, 0) => "a minute".to_owned(),
        (minutes, 0) => format!("{minutes} minutes"),
        _ => format!("{seconds} seconds"),
    }
}

/// The query of what somebody pasted: an address, or its end.
fn pasted(text: &str) -> Result<String> {
    let text = text.trim().trim_matches(['"', '\'']);
    let query = text.split_once('?').map_or(text, |(_, query)| query);
    let query = query.split_once('#').map_or(query, |(query, _)| query);
    if query.contains("state=") {
        return Ok(query.to_owned());
    }
    Err(Error::new(ErrorKind::Invalid, "this is not the address on which a sign-in ends")
        .with_remedy("Start again, and copy the whole address: it has code= and state= in it."))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_or_its_end_can_be_pasted() {
        for text in [
            "http://127.0.0.1:4000/callback?code=a%2Fb&state=c",
            " \"http://127.0.0.1:4000/callback?code=a%2Fb&state=c#\"\n",
            "?code=a%2Fb&state=c",
            "code=a%2Fb&state=c",
        ] {
            assert_eq!(pasted(text).unwrap(), "code=a%2Fb&state=c", "{text}");
        }
        for text in ["", "4/0AbCd", "https://accounts.example/o/oauth2/v2/auth"] {
            assert_eq!(pasted(text).unwrap_err().kind(), ErrorKind::Invalid, "{text}");
        }
    }

    #[test]
    fn a_wait_is_told_in_minutes_where_it_can_be() {
        assert_eq!([60, 600, 90, 1].map(minutes), ["a minute", "10 minutes", "90 seconds", "a second"]);
    }
}
