//! From a code to a grant: first token, metadata.

use std::{collections::BTreeMap, time::Duration};

use bytes::Bytes;
use http::{HeaderValue, Request, StatusCode, header};
use oauth2::{AuthorizationCode, PkceCodeVerifier, RedirectUrl, TokenResponse as _};
use secrecy::{ExposeSecret as _, SecretString};
use sync_core::{
    Credentials, Descriptor, Error, ErrorKind, Grant, Owner, Result, Retry, TransportError, TransportFault, TransportLimits,
};
use tracing::Instrument as _;

use super::{
    history,
    token::{MAX_SMALL_ANSWER_BYTES, TOKEN_TIMEOUT, no_token, refusal, server},
    way_back::WayBack,
};
use crate::{Client, telemetry};

/// How often a person who waits is served: attempts of a call that may be repeated.
const ATTEMPTS: u32 = 3;

impl Client {
    /// Ends a sign-in: exchanges the code and asks for the grant's variables. The grant's scopes are those that were
    /// granted: compare them with [`WayBack::asked`]. Store it with [`Client::connect`].
    ///
    /// # Errors
    /// [`ErrorKind::Forbidden`] when the person said no; [`ErrorKind::Config`] when the provider doesn't know the
    /// application as it is configured. Any of them asks to begin again, since a code works once.
    pub async fn finish(&self, descriptor: &'static Descriptor, way_back: WayBack) -> Result<Grant> {
        let server = server(descriptor)?;
        if way_back.scope.integration.as_str() != descriptor.id {
            return Err(Error::new(ErrorKind::Internal, "a sign-in was ended with another integration"));
        }
        let WayBack { scope, pending, brought, mut vars } = way_back;
        let code = brought.map_err(|(code, words)| no_consent(descriptor, code, words))?;
        let client = self.0.client_for(&scope, descriptor, Some(&pending.client)).await?;
        let redirect = RedirectUrl::from_url(pending.redirect_uri.clone());
        let flow = self.0.oauth_flow(descriptor, &client)?.set_redirect_uri(redirect);
        let span = telemetry::token_span(descriptor, "authorization_code");
        let answer = async {
            let mut attempt = 1;
            loop {
                let mut request = flow.exchange_code(AuthorizationCode::new(code.clone()));
                if let Some(verifier) = &pending.verifier {
                    request = request.set_pkce_verifier(PkceCodeVerifier::new(verifier.clone()));
                }
                let wire = self.0.wire();
                let result = request.request_async(&wire).await;
                match self.0.token_result(descriptor, &wire, result) {
                    Ok(answer) => break Ok(answer),
                    // A code works once: only what certainly wasn't sent goes out again.
                    Err(error) if is_unreachable(&error) && attempt < ATTEMPTS => {
                        attempt += 1;
                        self.0.clock.sleep(Duration::from_secs(1)).await;
                    }
                    Err(error) => break Err(error),
                }
            }
        }
        .instrument(span.clone())
        .await;
        span.record("outcome", answer.as_ref().map_or_else(|error| error.kind().as_str(), |_| "ok"));
        let answer = answer.map_err(|error| of_a_code(descriptor, &pending.redirect_uri, error))?;
        let credentials = self.0.credentials(server, &answer, None);
        if let Credentials::Token { access, .. } = &credentials {
            vars.extend(self.metadata(descriptor, access).await?);
        }
        let scopes = match answer.scopes() {
            Some(granted) => granted.iter().map(|scope| scope.to_string()).collect(),
            // Left out means: as asked (RFC 6749 section 5.1).
            None => pending.scopes,
        };
        let mut grant = Grant { generation: 1, credentials, vars, scopes, account: None, dead_since: None };
        history::began(&mut grant, client.id(), self.0.clock.now());
        Ok(grant)
    }

    /// Asks what the grant reaches, where the descriptor names such a call.
    async fn metadata(&self, descriptor: &'static Descriptor, access: &SecretString) -> Result<BTreeMap<String, String>> {
        let server = server(descriptor)?;
        let Some((path, word, members)) = server.metadata else { return Ok(BTreeMap::new()) };
        let uri = self.0.oauth_url(descriptor, server.token_endpoint, path)?;
        let mut value = HeaderValue::try_from(format!("{word} {}", access.expose_secret()))
            .map_err(|_| Error::new(ErrorKind::BadAnswer, "the token has characters that none has"))?;
        value.set_sensitive(true);
        let mut attempt = 1;
        loop {
            let request = Request::get(&uri)
                .header(header::ACCEPT, "application/json")
                .header(header::AUTHORIZATION, value.clone())
                .body(Bytes::new())
                .map_err(|error| Error::new(ErrorKind::Internal, "a metadata call can't be written").with_source(error))?;
            let limits = TransportLimits { timeout: TOKEN_TIMEOUT, max_answer: MAX_SMALL_ANSWER_BYTES };
            let error = match self.0.transport.send(request, limits).await {
                Ok(answer) if answer.status() == StatusCode::OK => {
                    return read_metadata(descriptor, answer.body(), members);
                }
                Ok(answer) => refusal(descriptor, answer.status(), answer.body(), None),
                Err(fault) => no_token(descriptor, fault),
            };
            if attempt == ATTEMPTS || error.retry() == Retry::Never {
                return Err(error.with_remedy(format!("Connect {} again.", descriptor.name)));
            }
            attempt += 1;
            self.0.clock.sleep(Duration::from_secs(1)).await;
        }
    }
}

/// What the consent page said instead of a code, by RFC 6749 section 4.1.2.1
/// (<https://www.rfc-editor.org/rfc/rfc6749#section-4.1.2.1>).
fn no_consent(descriptor: &Descriptor, code: String, words: String) -> Error {
    let name = descriptor.name;
    let error = match code.as_str() {
        "access_denied" => Error::new(ErrorKind::Forbidden, format!("access to {name} was not allowed"))
            .with_owner(Owner::EndUserReconnect)
            .with_remedy(format!("Begin connecting {name} again, and allow access on the page.")),
        "admin_policy_enforced" | "org_internal" => Error::new(
            ErrorKind::Forbidden,
            format!("the administrator of this {name} account does not allow the application"),
        )
        .with_owner(Owner::EndUserReconnect)
        .with_remedy("Ask the account's administrator to allow it, or sign in as somebody else."),
        "temporarily_unavailable" | "server_error" => {
            Error::new(ErrorKind::Unavailable, format!("the sign-in server of {name} is out of order"))
                .with_retry(Retry::Never)
                .with_remedy(format!("Begin connecting {name} again in some minutes."))
        }
        _ => Error::new(ErrorKind::Config, format!("{name} refused to ask for consent"))
            .with_remedy("Check the application's registration there: client id, redirect address, scopes."),
    };
    if crate::endpoint::is_label(&code) { error.with_provider(code, words) } else { error }
}

/// Why a code was not exchanged. None of it can be repeated.
fn of_a_code(descriptor: &Descriptor, redirect_uri: &url::Url, error: Error) -> Error {
    let name = descriptor.name;
    let again = format!("Begin connecting {name} again.");
    let error = match error.provider_code() {
        Some("invalid_grant") => {
            let words = error.provider_message().unwrap_or_default().to_owned();
            Error::new(ErrorKind::AuthRevoked, format!("{name} no longer takes the code of this sign-in"))
                .with_provider("invalid_grant", words)
                .with_remedy(format!("A code works once and for some minutes. {again}"))
        }
        Some("redirect_uri_mismatch") => {
            error.with_remedy(format!("Register {redirect_uri} with {name} as a redirect address, exactly so. {again}"))
        }
        _ if error.kind() == ErrorKind::Config => error,
        _ => error.with_remedy(again),
    };
    error.with_retry(Retry::Never)
}

fn is_unreachable(error: &Error) -> bool {
    std::error::Error::source(error)
        .and_then(|source| source.downcast_ref::<TransportError>())
        .is_some_and(|fault| fault.fault == TransportFault::Unreachable)
}

fn read_metadata(
    descriptor: &Descriptor,
    body: &[u8],
    members: &[(&'static str, &'static str)],
) -> Result<BTreeMap<String, String>> {
    let bad = || {
        Error::new(ErrorKind::BadAnswer, format!("{} did not tell what the connection reaches", descriptor.name))
            .with_remedy(format!("Connect {} again.", descriptor.name))
    };
    let answer: serde_json::Map<String, serde_json::Value> = serde_json::from_slice(body).map_err(|_| bad())?;
    let vars: BTreeMap<String, String> = members
        .iter()
        .filter_map(|(name, member)| match answer.get(*member)? {
            serde_json::Value::String(text) if !text.is_empty() => Some(((*name).to_owned(), text.clone())),
            serde_json::Value::Number(number) => Some(((*name).to_owned(), number.to_string())),
            _ => None,
        })
        .collect();
    if vars.is_empty() && !members.is_empty() { Err(bad()) } else { Ok(vars) }
}
