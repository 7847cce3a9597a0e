//! Signing in: the consent page, the code exchange, the metadata.
//! Source: <https://mailchimp.com/developer/marketing/guides/access-user-data-oauth-2/>.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use http::{Request, Response, StatusCode, header};
use serde_json::json;
use url::Url;

use super::seed::{AccountSeed, OAuthClientSeed};
use crate::{
    answer,
    web::{Form, escape, form, hidden, host, is_loopback, is_loopback_url},
};

#[derive(Debug, Default)]
pub(super) struct OAuth {
    clients: Vec<OAuthClientSeed>,
    /// What each unused code was given for.
    codes: BTreeMap<String, (String, String)>,
    pub(super) tokens: BTreeSet<String>,
    n_given: u64,
}

impl OAuth {
    pub(super) fn new(clients: Vec<OAuthClientSeed>) -> Self {
        Self { clients, ..Self::default() }
    }

    /// Why the person cannot be asked; else the parsed address to send them back to.
    fn request(&self, form: &Form) -> Result<Url, String> {
        let of = |name: &str| form.get(name).map(String::as_str).unwrap_or_default();
        if of("response_type") != "code" {
            return Err("response_type must be code".into());
        }
        let client = self.clients.iter().find(|client| client.id == of("client_id")).ok_or("no app has this client_id")?;
        let back = Url::parse(of("redirect_uri")).map_err(|_| "redirect_uri is no address".to_owned())?;
        let is_known = if client.redirect_uris.is_empty() {
            is_loopback_url(&back)
        } else {
            client.redirect_uris.iter().any(|uri| uri == of("redirect_uri"))
        };
        if is_known { Ok(back) } else { Err("redirect_uri is not registered for this app".into()) }
    }

    /// `GET /oauth2/authorize`: the page on which a person agrees.
    pub(super) fn page(&self, query: &str, account: &AccountSeed) -> Response<Bytes> {
        let asked = form(query.as_bytes());
        if let Err(why) = self.request(&asked) {
            return answer::html(StatusCode::BAD_REQUEST, format!("<p>{}</p>", escape(&why)));
        }
        let hidden = hidden(&asked);
        answer::html(
            StatusCode::OK,
            format!(
                "<!doctype html><title>Connect (sandbox)</title><h1>Connect {}</h1><form method=\"post\" \
                 action=\"/oauth2/authorize\">{hidden}<button name=\"allow\" value=\"yes\">Allow</button> <button \
                 name=\"allow\" value=\"no\">Deny</button></form>",
                escape(&account.name)
            ),
        )
    }

    /// `POST /oauth2/authorize`: what the person said, sent back to the app.
    pub(super) fn decide(&mut self, body: &Bytes) -> Response<Bytes> {
        let said = form(body);
        let mut back = match self.request(&said) {
            Ok(back) => back,
            Err(why) => return answer::html(StatusCode::BAD_REQUEST, format!("<p>{}</p>", escape(&why))),
        };
        let of = |name: &str| said.get(name).cloned().unwrap_or_default();
        {
            let mut query = back.query_pairs_mut();
            if of("allow") == "yes" {
                let code = self.fresh("code");
                query.append_pair("code", &code);
                self.codes.insert(code, (of("client_id"), of("redirect_uri")));
            } else {
                query.append_pair("error", "access_denied");
            }
            if let Some(state) = said.get("state") {
                query.append_pair("state", state);
            }
        }
        answer::redirect(&back)
    }

    /// `POST /oauth2/token`. The answer's `expires_in: 0` and `scope: null` are the real one's.
    /// Source: GitHub requests/requests-oauthlib issues 169 and 509.
    pub(super) fn token(&mut self, body: &Bytes) -> Response<Bytes> {
        let asked = form(body);
        let of = |name: &str| asked.get(name).map(String::as_str).unwrap_or_default();
        let refuse = |status, error: &str| answer::json(status, &json!({"error": error}));
        if !self.clients.iter().any(|client| client.id == of("client_id") && client.secret == of("client_secret")) {
            return refuse(StatusCode::UNAUTHORIZED, "invalid_client");
        }
        if of("grant_type") != "authorization_code" {
            return refuse(StatusCode::BAD_REQUEST, "unsupported_grant_type");
        }
        // A code is used up by its first exchange, whatever comes of it.
        match self.codes.remove(of("code")) {
            Some((client, back)) if client == of("client_id") && back == of("redirect_uri") => {
                let token = self.fresh("token");
                self.tokens.insert(token.clone());
                answer::json(StatusCode::OK, &json!({"access_token": token, "expires_in": 0, "scope": null}))
            }
            _ => refuse(StatusCode::BAD_REQUEST, "invalid_grant"),
        }
    }

    /// `GET /oauth2/metadata` with `Authorization: OAuth TOKEN`.
    pub(super) fn metadata(&self, request: &Request<Bytes>, account: &AccountSeed) -> Response<Bytes> {
        let authorization = request.headers().get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
        let token = authorization.and_then(|value| value.split_once(' ')).filter(|(scheme, _)| *scheme == "OAuth");
        if !token.is_some_and(|(_, token)| self.tokens.contains(token)) {
            return answer::json(StatusCode::UNAUTHORIZED, &json!({"error": "invalid_token"}));
        }
        let data_center = &account.data_center;
        answer::json(
            StatusCode::OK,
            &json!({
                "dc": data_center, "role": account.role, "accountname": account.name, "user_id": 1,
                "login": {
                    "email": account.email, "avatar": null, "login_id": 1, "login_name": account.email,
                    "login_email": account.email,
                },
                "login_url": "https://login.mailchimp.com",
                "api_endpoint": loopback_origin(request)
                    .unwrap_or_else(|| format!("https://{data_center}.api.mailchimp.com")),
            }),
        )
    }

    fn fresh(&mut self, what: &str) -> String {
        self.n_given += 1;
        super::member::Key::of(format!("{what} {}", self.n_given).as_bytes()).to_string()
    }
}

/// `http://127.0.0.1:8080` where the sandbox is served on loopback, so that the API's address leads back to it.
fn loopback_origin(request: &Request<Bytes>) -> Option<String> {
    host(request).filter(|_| is_loopback(request)).map(|host| format!("http://{host}"))
}
