//! Connecting: consent page, way back, first token, metadata. And revoking.

use std::{collections::BTreeMap, fmt, time::Duration};

use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD};
use bytes::Bytes;
use http::{HeaderValue, Method, Request, StatusCode, header};
use jiff::Timestamp;
use oauth2::{
    AuthorizationCode, CsrfToken, PkceCodeChallenge, PkceCodeVerifier, RedirectUrl, Scope as OAuthScope, TokenResponse as _,
};
use secrecy::{ExposeSecret as _, SecretString};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;
use sync_core::{
    Credentials, Descriptor, Error, ErrorKind, Grant, OAuthClientAuth, Owner, Random, Result, Scope, TransportError,
    TransportFault, TransportLimits,
};
use tracing::Instrument as _;
use url::{Url, form_urlencoded};

use super::token::{TOKEN_TIMEOUT, no_token, refusal, server};
use crate::{Client, telemetry, time::later};

/// How long a person has to consent. Ours, as short as RFC 9700 section 4.7 asks for
/// (<https://www.rfc-editor.org/rfc/rfc9700#section-4.7>) and long enough to sign in.
const CONSENT_TIME: Duration = Duration::from_secs(600);

/// How often a person who waits is served: attempts of a call that may be repeated.
const ATTEMPTS: u32 = 3;

/// Largest metadata answer that is read, in bytes.
const MAX_METADATA_BYTES: usize = 64 << 10;

/// Parameters of the way back that are the protocol's own, and no variables of the grant.
const PROTOCOL_PARAMS: [&str; 9] =
    ["code", "state", "scope", "error", "error_description", "error_uri", "iss", "session_state", "authuser"];

/// A connect that waits for a person's consent. The caller keeps it, sealed (it holds the PKCE verifier), under the
/// browser's session, and hands it to [`Client::finish`] once: delete it first.
///
/// State and nonce are kept as hashes: who reads this can't forge the way back.
#[derive(Clone, Serialize, Deserialize)]
pub struct PendingConnect {
    scope: Scope,
    redirect_uri: Url,
    state: String,
    browser: String,
    verifier: Option<String>,
    expires_at: Timestamp,
}

impl PendingConnect {
    /// Whose connection it will be.
    pub fn scope(&self) -> &Scope {
        &self.scope
    }

    /// When it lapses.
    pub fn expires_at(&self) -> Timestamp {
        self.expires_at
    }
}

/// Prints no secret.
impl fmt::Debug for PendingConnect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PendingConnect")
            .field("scope", &self.scope)
            .field("expires_at", &self.expires_at)
            .finish_non_exhaustive()
    }
}

/// 256 random bits, as text for a URL.
fn token(random: &dyn Random) -> String {
    let mut bytes = [0; 32];
    random.fill(&mut bytes);
    BASE64_URL_SAFE_NO_PAD.encode(bytes)
}

fn hash(text: &str) -> String {
    BASE64_URL_SAFE_NO_PAD.encode(Sha256::digest(text.as_bytes()))
}

/// Compares in constant time.
fn is_hash_of(hashed: &str, text: &str) -> bool {
    hash(text).as_bytes().ct_eq(hashed.as_bytes()).into()
}

impl Client {
    /// Begins a connect: the consent page's URL, and what must be kept until the person comes back to `redirect_uri`.
    /// `browser_nonce` is a secret of the person's browser (a cookie): the way back counts in that browser alone.
    ///
    /// # Errors
    /// [`ErrorKind::Config`] without an OAuth client, [`ErrorKind::Unsupported`] where there is no sign-in.
    pub fn authorize(
        &self,
        scope: &Scope,
        descriptor: &'static Descriptor,
        redirect_uri: &Url,
        browser_nonce: &str,
    ) -> Result<(Url, PendingConnect)> {
        let server = server(descriptor)?;
        let flow = self.0.oauth_flow(descriptor)?.set_redirect_uri(RedirectUrl::from_url(redirect_uri.clone()));
        let state = token(self.0.random.as_ref());
        let mut request = flow
            .authorize_url(|| CsrfToken::new(state.clone()))
            .add_scopes(server.scopes.iter().map(|scope| OAuthScope::new((*scope).to_owned())));
        for (name, value) in server.authorize_params {
            request = request.add_extra_param(*name, *value);
        }
        let verifier = server.pkce.then(|| token(self.0.random.as_ref()));
        if let Some(verifier) = &verifier {
            let verifier = PkceCodeVerifier::new(verifier.clone());
            request = request.set_pkce_challenge(PkceCodeChallenge::from_code_verifier_sha256(&verifier));
        }
        let (url, _) = request.url();
        let pending = PendingConnect {
            scope: scope.clone(),
            redirect_uri: redirect_uri.clone(),
            state: hash(&state),
            browser: hash(browser_nonce),
            verifier,
            expires_at: later(self.0.clock.now(), CONSENT_TIME),
        };
        Ok((url, pending))
    }

    /// Ends a connect: verifies the way back, exchanges the code and asks for the grant's variables. Store the grant with
    /// [`Client::connect`].
    ///
    /// # Errors
    /// [`ErrorKind::Forbidden`] when the way back isn't this browser's or was refused by the person; any of them asks to
    /// begin again, since a code works once.
    pub async fn finish(
        &self,
        descriptor: &'static Descriptor,
        pending: PendingConnect,
        query: &str,
        browser_nonce: &str,
    ) -> Result<Grant> {
        let server = server(descriptor)?;
        let (code, mut vars) = self.check_way_back(descriptor, &pending, query, browser_nonce)?;
        let flow = self.0.oauth_flow(descriptor)?.set_redirect_uri(RedirectUrl::from_url(pending.redirect_uri.clone()));
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
        let answer = answer.map_err(|error| {
            let error = error.with_retry(sync_core::Retry::Never);
            if error.kind() == ErrorKind::Config {
                error
            } else {
                error.with_remedy(format!("Connect {} again.", descriptor.name))
            }
        })?;
        let credentials = self.0.credentials(server, &answer, None);
        if let Credentials::Token { access, .. } = &credentials {
            vars.extend(self.metadata(descriptor, access).await?);
        }
        let scopes = match answer.scopes() {
            Some(granted) => granted.iter().map(|scope| scope.to_string()).collect(),
            // Left out means: as asked (RFC 6749 section 5.1).
            None => server.scopes.iter().map(|scope| (*scope).to_owned()).collect(),
        };
        Ok(Grant { generation: 1, credentials, vars, scopes, account: None, dead_since: None })
    }

    /// Verifies the redirect; returns the code and the provider's own parameters (`realmId`).
    fn check_way_back(
        &self,
        descriptor: &Descriptor,
        pending: &PendingConnect,
        query: &str,
        browser_nonce: &str,
    ) -> Result<(String, BTreeMap<String, String>)> {
        let again = format!("Begin connecting {} again.", descriptor.name);
        let forbidden = |message: String| {
            Error::new(ErrorKind::Forbidden, message).with_owner(Owner::EndUserReconnect).with_remedy(again.clone())
        };
        if pending.scope.integration.as_str() != descriptor.id {
            return Err(Error::new(ErrorKind::Internal, "a pending connect was finished with another integration"));
        }
        let mut params: BTreeMap<String, String> =
            form_urlencoded::parse(query.trim_start_matches('?').as_bytes()).into_owned().collect();
        let is_state = is_hash_of(&pending.state, params.get("state").map_or("", String::as_str));
        let is_browser = is_hash_of(&pending.browser, browser_nonce);
        if !(is_state & is_browser) {
            return Err(forbidden("the way back from the consent page does not belong to this connect".to_owned()));
        }
        if self.0.clock.now() >= pending.expires_at {
            return Err(forbidden("too much time passed on the consent page".to_owned()));
        }
        if let Some(code) = params.get("error") {
            let error = if code == "access_denied" {
                forbidden(format!("access to {} was not allowed", descriptor.name))
            } else {
                Error::new(ErrorKind::Config, format!("{} refused to ask for consent", descriptor.name))
                    .with_remedy("Check the application's registration there: client id, redirect address, scopes.")
            };
            let words = params.get("error_description").cloned().unwrap_or_default();
            return Err(if crate::endpoint::is_label(code) { error.with_provider(code.clone(), words) } else { error });
        }
        let code = params
            .remove("code")
            .filter(|code| !code.is_empty())
            .ok_or_else(|| forbidden("the way back from the consent page brought no code".to_owned()))?;
        params.retain(|name, value| !PROTOCOL_PARAMS.contains(&name.as_str()) && crate::endpoint::is_label(value));
        Ok((code, params))
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
            let limits = TransportLimits { timeout: TOKEN_TIMEOUT, max_answer: MAX_METADATA_BYTES };
            let error = match self.0.transport.send(request, limits).await {
                Ok(answer) if answer.status() == StatusCode::OK => {
                    return read_metadata(descriptor, answer.body(), members);
                }
                Ok(answer) => refusal(descriptor, answer.status(), answer.body(), None),
                Err(fault) => no_token(descriptor, fault),
            };
            if attempt == ATTEMPTS || error.retry() == sync_core::Retry::Never {
                return Err(error.with_remedy(format!("Connect {} again.", descriptor.name)));
            }
            attempt += 1;
            self.0.clock.sleep(Duration::from_secs(1)).await;
        }
    }

    /// Tells the provider that the grant is no longer used. Does nothing where the provider has no such call, or the grant
    /// is a key. The caller makes sure that no other connection uses the same grant: revoking one token can end others.
    ///
    /// # Errors
    /// When the provider can't be told; the stored grant may be deleted all the same.
    pub async fn revoke(&self, descriptor: &'static Descriptor, grant: &Grant) -> Result<()> {
        let Credentials::Token { access, refresh, .. } = &grant.credentials else { return Ok(()) };
        let server = server(descriptor)?;
        let (Some(path), Some(client)) = (server.revoke_path, self.0.oauth_client(descriptor)) else { return Ok(()) };
        let mut form = form_urlencoded::Serializer::new(String::new());
        form.append_pair("token", refresh.as_ref().unwrap_or(access).expose_secret());
        let mut request = Request::builder()
            .method(Method::POST)
            .uri(self.0.oauth_url(descriptor, server.token_endpoint, path)?)
            .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded");
        match server.client_auth {
            OAuthClientAuth::Basic => {
                let encode = |text: &str| form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>();
                let pair = format!("{}:{}", encode(&client.id), encode(client.secret.expose_secret()));
                let word = format!("Basic {}", base64::prelude::BASE64_STANDARD.encode(pair));
                let mut value = HeaderValue::try_from(word)
                    .map_err(|_| Error::new(ErrorKind::Config, "the OAuth client can't be written as a header"))?;
                value.set_sensitive(true);
                request = request.header(header::AUTHORIZATION, value);
            }
            OAuthClientAuth::Form => {
                form.append_pair("client_id", &client.id);
                form.append_pair("client_secret", client.secret.expose_secret());
            }
        }
        let request = request
            .body(Bytes::from(form.finish()))
            .map_err(|error| Error::new(ErrorKind::Internal, "a revoke call can't be written").with_source(error))?;
        let limits = TransportLimits { timeout: TOKEN_TIMEOUT, max_answer: MAX_METADATA_BYTES };
        let answer = self.0.transport.send(request, limits).await.map_err(|fault| no_token(descriptor, fault))?;
        let refused = (!answer.status().is_success()).then(|| refusal(descriptor, answer.status(), answer.body(), None));
        match refused {
            // A token that is dead already is as good as revoked (RFC 7009 section 2.2).
            Some(error) if error.kind() != ErrorKind::AuthRevoked => Err(error),
            _ => Ok(()),
        }
    }
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
