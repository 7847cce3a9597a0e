//! One exchange at a token endpoint.

use std::{
    collections::BTreeMap,
    future::Future,
    pin::Pin,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use bytes::Bytes;
use http::{Response, StatusCode, header::CONTENT_TYPE};
use oauth2::{
    AuthType, AuthUrl, Client as OAuth, ClientId, ClientSecret, EndpointNotSet, EndpointSet, HttpRequest, HttpResponse,
    StandardRevocableToken, TokenResponse as _, TokenUrl,
    basic::{BasicErrorResponse, BasicRevocationErrorResponse, BasicTokenIntrospectionResponse},
};
use secrecy::SecretString;
use sync_core::{
    AuthScheme, Credentials, Descriptor, Error, ErrorKind, OAuthClientAuth, OAuthServer, Owner, Result, Retry, Transport,
    TransportError, TransportFault, TransportLimits,
};

use super::answer::TokenAnswer;
use crate::{
    client::Inner,
    endpoint,
    retry::told,
    time::{later, until},
};

/// The `oauth2` crate's client with our token answer.
pub(crate) type OAuthFlow = OAuth<
    BasicErrorResponse,
    TokenAnswer,
    BasicTokenIntrospectionResponse,
    StandardRevocableToken,
    BasicRevocationErrorResponse,
    EndpointSet,
    EndpointNotSet,
    EndpointNotSet,
    EndpointNotSet,
    EndpointSet,
>;

/// Longest wait for a token endpoint's answer. Ours: sign-in servers answer within a second or not at all.
pub(crate) const TOKEN_TIMEOUT: Duration = Duration::from_secs(10);

/// Largest token answer that is read, in bytes. Xero's tokens are JWTs of a few kilobytes.
const MAX_TOKEN_ANSWER_BYTES: usize = 1 << 20;

/// Largest answer of a metadata or revoke call that is read, in bytes.
pub(crate) const MAX_SMALL_ANSWER_BYTES: usize = 64 << 10;

/// The OAuth server of a descriptor.
pub(crate) fn server(descriptor: &'static Descriptor) -> Result<&'static OAuthServer> {
    descriptor
        .auth
        .iter()
        .find_map(|scheme| match scheme {
            AuthScheme::OAuth(server) => Some(server),
            _ => None,
        })
        .ok_or_else(|| {
            Error::new(ErrorKind::Unsupported, format!("{} can't be connected by signing in there", descriptor.name))
                .with_remedy(format!("Connect {} by a key.", descriptor.name))
        })
}

/// Moves one message of the `oauth2` crate over our transport, and keeps the answer for our own judgement.
pub(crate) struct Wire {
    transport: Arc<dyn Transport>,
    answer: Arc<Mutex<Option<Response<Bytes>>>>,
}

type Moved = Pin<Box<dyn Future<Output = std::result::Result<HttpResponse, TransportError>> + Send>>;

impl<'c> oauth2::AsyncHttpClient<'c> for Wire {
    type Error = TransportError;
    type Future = Moved;

    fn call(&'c self, request: HttpRequest) -> Moved {
        let (transport, kept) = (Arc::clone(&self.transport), Arc::clone(&self.answer));
        Box::pin(async move {
            let limits = TransportLimits { timeout: TOKEN_TIMEOUT, max_answer: MAX_TOKEN_ANSWER_BYTES };
            let answer = transport.send(request.map(Bytes::from), limits).await?;
            *kept.lock().unwrap_or_else(PoisonError::into_inner) = Some(answer.clone());
            let mut plain = answer.map(|body| body.to_vec());
            // The crate takes 200 and application/json alone; others send 201, or JSON as text/plain.
            if plain.status().is_success() {
                *plain.status_mut() = StatusCode::OK;
                plain.headers_mut().remove(CONTENT_TYPE);
            }
            Ok(plain)
        })
    }
}

/// The flow of a descriptor's server with a client, by its id and secret.
pub(super) fn flow(
    descriptor: &'static Descriptor,
    (id, secret): (&str, &str),
    url: impl Fn(&str, &str) -> Result<String>,
) -> Result<OAuthFlow> {
    let server = server(descriptor)?;
    let auth = url(server.endpoint, server.authorize_path)?;
    let token = url(server.token_endpoint, server.token_path)?;
    let internal = |_| Error::new(ErrorKind::Internal, "a URL of the OAuth server can't be read");
    Ok(OAuth::new(ClientId::new(id.to_owned()))
        .set_client_secret(ClientSecret::new(secret.to_owned()))
        .set_auth_type(match server.client_auth {
            OAuthClientAuth::Basic => AuthType::BasicAuth,
            OAuthClientAuth::Form => AuthType::RequestBody,
        })
        .set_auth_uri(AuthUrl::new(auth).map_err(internal)?)
        .set_token_uri(TokenUrl::new(token).map_err(internal)?))
}

impl Inner {
    pub(crate) fn wire(&self) -> Wire {
        Wire { transport: Arc::clone(&self.transport), answer: Arc::default() }
    }

    pub(crate) fn oauth_url(&self, descriptor: &'static Descriptor, endpoint: &str, path: &str) -> Result<String> {
        let base = self.base(descriptor, endpoint, &BTreeMap::new())?;
        Ok(endpoint::join(&base, path)?.to_string())
    }

    /// What came of a token exchange: the answer, or why there is none.
    pub(crate) fn token_result<E: oauth2::ErrorResponse + 'static>(
        &self,
        descriptor: &'static Descriptor,
        wire: &Wire,
        result: std::result::Result<TokenAnswer, oauth2::RequestTokenError<TransportError, E>>,
    ) -> Result<TokenAnswer> {
        match result {
            Ok(answer) => Ok(answer),
            Err(oauth2::RequestTokenError::Request(fault)) => Err(no_token(descriptor, fault)),
            // The crate's own errors carry the raw body, which may hold tokens: only status and code are taken over.
            Err(_) => {
                let answer = wire.answer.lock().unwrap_or_else(PoisonError::into_inner).take();
                let answer = answer.unwrap_or_default();
                let told = told(answer.headers(), self.clock.now());
                Err(refusal(descriptor, answer.status(), answer.body(), told))
            }
        }
    }

    /// The credentials of a token answer. A server that rotates nothing sends no new refresh token: the old one stays.
    pub(crate) fn credentials(&self, server: &OAuthServer, answer: &TokenAnswer, old: Option<SecretString>) -> Credentials {
        let fresh = answer.refresh_token().map(|token| SecretString::from(token.secret().as_str()));
        Credentials::Token {
            access: SecretString::from(answer.access_token().secret().as_str()),
            refresh: if server.expires { fresh.or(old) } else { None },
            expires_at: answer.expires_in().filter(|_| server.expires).map(|lives| later(self.clock.now(), lives)),
        }
    }
}

/// Lifetime left of an access token; `None` when it never expires.
pub(crate) fn left(credentials: &Credentials, now: jiff::Timestamp) -> Option<Duration> {
    match credentials {
        Credentials::Token { expires_at, .. } => expires_at.map(|at| until(now, at)),
        _ => None,
    }
}

pub(crate) fn no_token(descriptor: &Descriptor, fault: TransportError) -> Error {
    let kind = if fault.fault == TransportFault::TimedOut { ErrorKind::Timeout } else { ErrorKind::Unavailable };
    Error::new(kind, format!("the sign-in server of {} gave no answer", descriptor.name)).with_source(fault)
}

/// Why a token endpoint refused, by RFC 6749 section 5.2 (<https://www.rfc-editor.org/rfc/rfc6749#section-5.2>).
pub(crate) fn refusal(descriptor: &Descriptor, status: StatusCode, body: &[u8], told: Option<Duration>) -> Error {
    #[derive(serde::Deserialize)]
    struct Refusal {
        error: String,
        #[serde(default)]
        error_description: Option<String>,
        /// Google's: `invalid_rapt` where a session policy asks for a fresh sign-in.
        #[serde(default)]
        error_subtype: Option<String>,
    }
    let name = descriptor.name;
    let refusal = serde_json::from_slice::<Refusal>(body).ok().filter(|_| !status.is_success());
    let code = refusal.as_ref().map(|refusal| refusal.error.as_str());
    let error = match code {
        Some("invalid_grant") => Error::new(ErrorKind::AuthRevoked, format!("{name} no longer accepts what was agreed"))
            .with_remedy(format!("Connect {name} again.")),
        Some("admin_policy_enforced") => {
            Error::new(ErrorKind::AuthRevoked, format!("the administrator of this {name} account stopped the application"))
                .with_remedy(format!("Ask the account's administrator to allow it, then connect {name} again."))
        }
        Some("redirect_uri_mismatch") => {
            Error::new(ErrorKind::Config, format!("{name} does not know the address that people come back to"))
                .with_remedy(format!("Register the redirect address with {name}."))
        }
        Some("deleted_client" | "disabled_client") => {
            Error::new(ErrorKind::Config, format!("{name} has deleted or disabled the application's OAuth client"))
                .with_remedy("Restore it there, or register another one and put it into the configuration.")
        }
        Some("invalid_client" | "unauthorized_client") => {
            Error::new(ErrorKind::Config, format!("{name} does not accept the application's OAuth client"))
                .with_remedy("Check client id and secret in the configuration.")
        }
        Some("invalid_scope" | "invalid_request" | "unsupported_grant_type") => {
            Error::new(ErrorKind::Config, format!("{name} does not accept how the application asks for tokens"))
                .with_remedy("Check scopes and redirect address with the provider.")
        }
        _ if status == StatusCode::TOO_MANY_REQUESTS => {
            Error::new(ErrorKind::RateLimited, format!("the sign-in server of {name} asks us to wait"))
        }
        _ if status.is_server_error() => {
            Error::new(ErrorKind::Unavailable, format!("the sign-in server of {name} is out of order"))
        }
        _ if status == StatusCode::UNAUTHORIZED => {
            Error::new(ErrorKind::Config, format!("{name} does not accept the application's OAuth client"))
                .with_remedy("Check client id and secret in the configuration.")
        }
        _ => Error::new(ErrorKind::BadAnswer, format!("the sign-in server of {name} gave an answer that makes no sense"))
            .with_owner(Owner::Provider)
            .with_retry(Retry::Backoff),
    };
    let error = match told {
        Some(delay) if error.retry() != Retry::Never => error.with_retry(Retry::After(delay)),
        _ => error,
    };
    let error = error.with_context("status", status.as_u16());
    match refusal {
        // A code is a word; whatever else stands there is not ours to print.
        Some(Refusal { error: code, error_description, error_subtype }) if endpoint::is_label(&code) => {
            let error = match error_subtype.filter(|subtype| endpoint::is_label(subtype)) {
                Some(subtype) => error.with_context("subtype", subtype),
                None => error,
            };
            error.with_provider(code, error_description.unwrap_or_default())
        }
        _ => error,
    }
}
