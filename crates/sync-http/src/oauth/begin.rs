//! Out to the consent page.

use std::time::Duration;

use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD};
use oauth2::{CsrfToken, PkceCodeChallenge, PkceCodeVerifier, RedirectUrl, Scope as OAuthScope};
use secrecy::SecretString;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;
use sync_core::{Descriptor, Error, ErrorKind, PendingSignIn, Random, Result, Scope};
use url::Url;

use super::token::server;
use crate::{Client, time::later};

/// How long a person has to consent. Ours, as short as RFC 9700 section 4.7 asks for
/// (<https://www.rfc-editor.org/rfc/rfc9700#section-4.7>) and long enough to sign in.
const CONSENT_TIME: Duration = Duration::from_secs(600);

/// How long a sign-in that lapsed is remembered, so that who comes back late is told what happened.
const REMEMBERED: jiff::SignedDuration = jiff::SignedDuration::from_hours(24);

/// What a sign-in begins with.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub struct SignIn<'a> {
    /// Whose connection it will be.
    pub scope: &'a Scope,
    /// Where the person comes back to: the same text as it is registered with the provider.
    pub redirect_uri: &'a Url,
    /// Scopes to ask for; the descriptor's where empty.
    pub scopes: &'a [String],
    browser: &'a str,
}

impl<'a> SignIn<'a> {
    /// A sign-in for this connection. `browser` is a secret of the person's browser, such as a cookie: the way back counts
    /// in that browser alone.
    pub fn new(scope: &'a Scope, redirect_uri: &'a Url, browser: &'a str) -> Self {
        Self { scope, redirect_uri, scopes: &[], browser }
    }

    /// Asking for these scopes instead of the descriptor's.
    #[must_use]
    pub fn scopes(mut self, scopes: &'a [String]) -> Self {
        self.scopes = scopes;
        self
    }
}

/// What is kept until the person comes back. State and browser are kept as hashes.
#[derive(Serialize, Deserialize)]
pub(super) struct Pending {
    pub(super) redirect_uri: Url,
    pub(super) browser: String,
    pub(super) verifier: Option<String>,
    pub(super) scopes: Vec<String>,
    pub(super) client: String,
}

/// 256 random bits, as text for a URL.
fn token(random: &dyn Random) -> String {
    let mut bytes = [0; 32];
    random.fill(&mut bytes);
    BASE64_URL_SAFE_NO_PAD.encode(bytes)
}

pub(super) fn hash(text: &str) -> String {
    BASE64_URL_SAFE_NO_PAD.encode(Sha256::digest(text.as_bytes()))
}

/// Compares in constant time.
pub(super) fn is_hash_of(hashed: &str, text: &str) -> bool {
    hash(text).as_bytes().ct_eq(hashed.as_bytes()).into()
}

impl Client {
    /// Begins a sign-in: the consent page's URL. What is needed to end it is stored, sealed, for ten minutes and one use.
    ///
    /// # Errors
    /// [`ErrorKind::Config`] without an OAuth client, [`ErrorKind::Unsupported`] where there is no sign-in,
    /// [`ErrorKind::Invalid`] for a scope or a redirect address that can't be one.
    pub async fn authorize(&self, descriptor: &'static Descriptor, sign_in: &SignIn<'_>) -> Result<Url> {
        let server = server(descriptor)?;
        check_redirect(sign_in.redirect_uri)?;
        let client = self.0.client_for(sign_in.scope, descriptor, None).await?;
        let scopes: Vec<String> = match sign_in.scopes {
            [] => server.scopes.iter().map(|scope| (*scope).to_owned()).collect(),
            chosen => chosen.to_vec(),
        };
        if let Some(wrong) = scopes.iter().find(|scope| !is_scope(scope)) {
            return Err(Error::new(ErrorKind::Invalid, format!("{wrong:?} can't be a scope"))
                .with_remedy(format!("Use scopes as the documentation of {} spells them.", descriptor.name)));
        }
        let redirect = RedirectUrl::from_url(sign_in.redirect_uri.clone());
        let flow = self.0.oauth_flow(descriptor, &client)?.set_redirect_uri(redirect);
        let state = token(self.0.random.as_ref());
        let mut request = flow
            .authorize_url(|| CsrfToken::new(state.clone()))
            .add_scopes(scopes.iter().map(|scope| OAuthScope::new(scope.clone())));
        for (name, value) in server.authorize_params {
            request = request.add_extra_param(*name, *value);
        }
        let verifier = server.pkce.then(|| token(self.0.random.as_ref()));
        if let Some(verifier) = &verifier {
            let verifier = PkceCodeVerifier::new(verifier.clone());
            request = request.set_pkce_challenge(PkceCodeChallenge::from_code_verifier_sha256(&verifier));
        }
        let (url, _) = request.url();
        let body = Pending {
            redirect_uri: sign_in.redirect_uri.clone(),
            browser: hash(sign_in.browser),
            verifier,
            scopes,
            client: client.id,
        };
        let body = serde_json::to_string(&body)
            .map_err(|error| Error::new(ErrorKind::Internal, "a sign-in can't be written down").with_source(error))?;
        let now = self.0.clock.now();
        let pending = PendingSignIn {
            id: hash(&state),
            scope: sign_in.scope.clone(),
            expires_at: later(now, CONSENT_TIME),
            body: SecretString::from(body),
            is_used: false,
        };
        let forget_before = now.checked_sub(REMEMBERED).unwrap_or(jiff::Timestamp::MIN);
        self.0.sign_ins()?.put_sign_in(&pending, forget_before).await?;
        Ok(url)
    }
}

/// Scope characters by RFC 6749 section 3.3 (<https://www.rfc-editor.org/rfc/rfc6749#section-3.3>).
fn is_scope(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'"' && byte != b'\\')
}

/// No fragment (RFC 6749 section 3.1.2), and a code never goes over a readable way.
fn check_redirect(uri: &Url) -> Result<()> {
    let readable = uri.scheme() == "http" && !crate::endpoint::is_loopback(uri);
    if uri.fragment().is_none() && !uri.cannot_be_a_base() && !readable {
        return Ok(());
    }
    Err(Error::new(ErrorKind::Invalid, "nobody can come back from a sign-in to this address")
        .with_remedy("Use an https address without fragment, or http on this machine (127.0.0.1)."))
}
