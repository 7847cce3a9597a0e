//! Telling the provider that a grant is no longer used.

use base64::Engine as _;
use bytes::Bytes;
use http::{HeaderValue, Method, Request, header};
use secrecy::ExposeSecret as _;
use sync_core::{Credentials, Descriptor, Error, ErrorKind, Grant, OAuthClientAuth, Result, Scope, TransportLimits};
use url::form_urlencoded;

use super::{
    client_id,
    token::{MAX_SMALL_ANSWER_BYTES, TOKEN_TIMEOUT, no_token, refusal, server},
};
use crate::Client;

impl Client {
    /// Tells the provider that the grant is no longer used. Does nothing where the provider has no such call, or the grant
    /// is a key. The caller makes sure that no other connection uses the same grant: revoking one token can end others.
    ///
    /// # Errors
    /// When the provider can't be told; the stored grant may be deleted all the same.
    pub async fn revoke(&self, scope: &Scope, descriptor: &'static Descriptor, grant: &Grant) -> Result<()> {
        let Credentials::Token { access, refresh, .. } = &grant.credentials else { return Ok(()) };
        let server = server(descriptor)?;
        let Some(path) = server.revoke_path else { return Ok(()) };
        let client = self.0.client_for(scope, descriptor, client_id(grant)).await?;
        let mut form = form_urlencoded::Serializer::new(String::new());
        form.append_pair("token", refresh.as_ref().unwrap_or(access).expose_secret());
        let mut request = Request::builder()
            .method(Method::POST)
            .uri(self.0.oauth_url(descriptor, server.token_endpoint, path)?)
            .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded");
        match server.client_auth {
            OAuthClientAuth::Basic => {
                let encode = |text: &str| form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>();
                let pair = format!("{}:{}", encode(client.id()), encode(client.secret.expose_secret()));
                let word = format!("Basic {}", base64::prelude::BASE64_STANDARD.encode(pair));
                let mut value = HeaderValue::try_from(word)
                    .map_err(|_| Error::new(ErrorKind::Config, "the OAuth client can't be written as a header"))?;
                value.set_sensitive(true);
                request = request.header(header::AUTHORIZATION, value);
            }
            OAuthClientAuth::Form => {
                form.append_pair("client_id", client.id());
                form.append_pair("client_secret", client.secret.expose_secret());
            }
        }
        let request = request
            .body(Bytes::from(form.finish()))
            .map_err(|error| Error::new(ErrorKind::Internal, "a revoke call can't be written").with_source(error))?;
        let limits = TransportLimits { timeout: TOKEN_TIMEOUT, max_answer: MAX_SMALL_ANSWER_BYTES };
        let answer = self.0.transport.send(request, limits).await.map_err(|fault| no_token(descriptor, fault))?;
        let refused = (!answer.status().is_success()).then(|| refusal(descriptor, answer.status(), answer.body(), None));
        match refused {
            // A token that is dead already is as good as revoked (RFC 7009 section 2.2); Google says `invalid_token`.
            Some(error) if error.kind() != ErrorKind::AuthRevoked && error.provider_code() != Some("invalid_token") => {
                Err(error)
            }
            _ => Ok(()),
        }
    }
}
