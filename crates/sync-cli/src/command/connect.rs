//! `connect` and `disconnect`.

mod client_file;
mod redirect;

use secrecy::SecretString;
use serde::Serialize;
use sync_core::{AuthScheme, Error, ErrorKind, Owner, Result, Scope};
use sync_dispatch::{ConnectOptions, Connected, ConnectionStatus, ENABLED};

use super::{prompt, settings};
use crate::{
    app::{App, Make, Workbench, can_sign_in, integration_name},
    args::ConnectArgs,
    config::{environment, variable},
    exit::Exit,
};

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Document<'a> {
    success: bool,
    #[serde(flatten)]
    connected: &'a Connected,
    settings: &'a serde_json::Value,
}

/// Connects.
pub(super) async fn connect(app: &App, args: &ConnectArgs) -> Result<Exit> {
    let scope = app.scope(&args.integration)?;
    let bench = app.open(Make::Yes).await?;
    let done = connect_in(app, &bench, &scope, args).await;
    bench.close().await;
    done
}

async fn connect_in(app: &App, bench: &Workbench, scope: &Scope, args: &ConnectArgs) -> Result<Exit> {
    let name = integration_name(&scope.integration);
    let mut options = ConnectOptions::new();
    if let Some(account) = &args.account {
        options = options.account(account.as_str());
    }
    if args.share_account {
        options = options.confirm_shared_account();
    }
    if let Some(path) = &args.sign_in.client_file {
        let client = client_file::read(path)?;
        bench.dispatcher.set_oauth_client(scope, Some(client)).await?;
    }
    let by_browser = args.oauth || args.sign_in.open || args.sign_in.paste || !takes_key(scope);
    let mut connected = if by_browser && can_sign_in(&scope.integration) {
        redirect::sign_in(app, bench, scope, &args.sign_in, options.clone()).await?
    } else if by_browser && takes_key(scope) {
        return Err(Error::new(ErrorKind::Unsupported, format!("{name} is not signed in to with a browser"))
            .with_owner(Owner::EndUserData)
            .with_remedy("Connect it by key: leave --oauth, --open and --paste out."));
    } else {
        let key = key(scope, args)?;
        bench.dispatcher.connect_with_key(scope, key, options.clone()).await?
    };
    if connected.account.is_none() {
        if !prompt::can_ask() || app.out.is_json() {
            let ids: Vec<&str> = connected.accounts.iter().map(|(id, _)| id.as_str()).collect();
            return Err(Error::new(ErrorKind::NotConnected, format!("the sign-in reaches several {name} accounts"))
                .with_remedy(format!("Choose one with --account: {}.", ids.join(", "))));
        }
        let (id, _) = prompt::choose("Which account", &connected.accounts, |(id, name)| format!("{name} ({id})"))?;
        connected = bench.dispatcher.choose_account(scope, options.account(id.clone())).await?;
    }
    let account = connected.account_name.clone().unwrap_or_default();
    app.out.say(format!("Connected {} to {name}, account {account}.", scope.organization));

    // A reconnect to the same account keeps its settings; a new account starts with none.
    let row = bench.connection(scope).await?;
    let settings = settings::complete(app, bench, scope, row.settings, &args.settings).await?;
    if let Some(exit) = settings::store(app, bench, scope, &settings).await? {
        return Ok(exit);
    }
    app.out.document(&Document { success: true, connected: &connected, settings: &settings });
    if connected.status == ConnectionStatus::Setup {
        app.out
            .say(format!("See what a first sync would do: syncctl plan {} --org {}", scope.integration, scope.organization));
    }
    Ok(Exit::Done)
}

/// True where an integration of this build is connected by a key. One that isn't there says so when it is connected.
fn takes_key(scope: &Scope) -> bool {
    let registration = ENABLED.iter().find(|known| known.descriptor.id == scope.integration.as_str());
    registration.is_none_or(|known| known.descriptor.auth.iter().any(|scheme| matches!(scheme, AuthScheme::ApiKey { .. })))
}

/// The key, from a file, the environment, or a person.
fn key(scope: &Scope, args: &ConnectArgs) -> Result<SecretString> {
    let integration = scope.integration.as_str();
    let name = integration_name(&scope.integration);
    let variable = variable(integration, "API_KEY");
    if let Some(path) = &args.api_key_file {
        let text = std::fs::read_to_string(path).map_err(|error| {
            Error::new(ErrorKind::Config, format!("{} can't be read: {error}", path.display()))
                .with_remedy("Put the key, and nothing else, into this file.")
        })?;
        return Ok(SecretString::from(text.trim().to_owned()));
    }
    if let Some(text) = environment(&variable) {
        return Ok(SecretString::from(text.trim().to_owned()));
    }
    let fields = ENABLED.iter().filter(|known| known.descriptor.id == integration).find_map(|known| {
        known.descriptor.auth.iter().find_map(|scheme| match scheme {
            AuthScheme::ApiKey { fields, .. } => fields.first(),
            _ => None,
        })
    });
    if !prompt::can_ask() {
        let sign_in = if can_sign_in(&scope.integration) { ", or sign in with --oauth" } else { "" };
        return Err(Error::new(ErrorKind::Config, format!("no key for {name} is given"))
            .with_owner(Owner::EndUserData)
            .with_remedy(format!("Put it into a file and name that with --api-key-file, or set {variable}{sign_in}.")));
    }
    let (label, help) = fields.map_or(("Key", ""), |field| (field.label, field.help));
    if !help.is_empty() {
        eprintln!("{help}");
    }
    prompt::secret(label)
}

/// Disconnects.
pub(super) async fn disconnect(app: &App, integration: &str) -> Result<Exit> {
    let scope = app.scope(integration)?;
    let bench = app.open(Make::No).await?;
    let done = disconnect_in(app, &bench, &scope).await;
    bench.close().await;
    done
}

async fn disconnect_in(app: &App, bench: &Workbench, scope: &Scope) -> Result<Exit> {
    bench.connection(scope).await?;
    let disconnected = bench.dispatcher.disconnect(scope).await?;
    let name = integration_name(&scope.integration);
    app.out.document(&serde_json::json!({"success": true, "revoked": disconnected.revoked}));
    app.out.say(format!(
        "Disconnected {} from {name}. Links and history stay: connecting again goes on from here.",
        scope.organization
    ));
    if !disconnected.revoked {
        app.out.say(format!("{name} was not told; delete the key or the app's access there if nothing else uses it."));
    }
    Ok(Exit::Done)
}
