//! Codes for tokens, refresh tokens for access tokens, and tokens taken back.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use bytes::Bytes;
use http::{Request, Response, StatusCode};
use jiff::Timestamp;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::{ACCESS_LIFE, IDLE_LIFE, MAX_REFRESH_TOKENS, OAuth, Refresh, TESTING_LIFE};
use crate::{
    answer,
    google::access::{Access, SCOPE},
    web::{Form, basic, form, of},
};

/// A refused call of the token endpoint.
struct Refusal {
    status: StatusCode,
    body: Value,
}

type Answer = Result<Value, Refusal>;

fn unknown_client(description: &str) -> Refusal {
    let body = json!({"error": "invalid_client", "error_description": description});
    Refusal { status: StatusCode::UNAUTHORIZED, body }
}

fn bad(error: &str, description: &str) -> Refusal {
    let body = json!({"error": error, "error_description": description});
    Refusal { status: StatusCode::BAD_REQUEST, body }
}

impl OAuth {
    /// `POST /token`.
    pub(in crate::google) fn token(&mut self, request: &Request<Bytes>, now: Timestamp) -> Response<Bytes> {
        let asked = form(request.body());
        let (id, secret) =
            basic(request).unwrap_or_else(|| (of(&asked, "client_id").to_owned(), of(&asked, "client_secret").to_owned()));
        let is_refresh = of(&asked, "grant_type") == "refresh_token";
        let answer = match self.client(&id) {
            None => Err(unknown_client("The OAuth client was not found.")),
            Some(client) if client.secret != secret => Err(unknown_client("The provided client secret is invalid.")),
            Some(_) => match of(&asked, "grant_type") {
                "authorization_code" => self.exchange(&id, &asked, now),
                "refresh_token" => self.renew(&id, &asked, now),
                other => Err(bad("unsupported_grant_type", &format!("Invalid grant_type: {other}"))),
            },
        };
        match (answer, is_refresh) {
            (Ok(tokens), is_refresh) => {
                *(if is_refresh { &mut self.counts.refreshes } else { &mut self.counts.exchanges }) += 1;
                answer::json(StatusCode::OK, &tokens)
            }
            (Err(refused), is_refresh) => {
                self.counts.failed_refreshes += u64::from(is_refresh);
                answer::json(refused.status, &refused.body)
            }
        }
    }

    fn exchange(&mut self, client: &str, asked: &Form, now: Timestamp) -> Answer {
        // A code is used up by its first exchange, whatever comes of it.
        let code = self.codes.remove(of(asked, "code")).ok_or_else(|| bad("invalid_grant", "Malformed auth code."))?;
        if code.client != client || code.expires <= now {
            return Err(bad("invalid_grant", "Bad Request"));
        }
        if code.redirect != of(asked, "redirect_uri") {
            return Err(bad("redirect_uri_mismatch", "Bad Request"));
        }
        let verifier = asked.get("code_verifier");
        let fits = match (&code.challenge, verifier) {
            (None, None) => true,
            (Some((challenge, true)), Some(verifier)) => {
                *challenge == URL_SAFE_NO_PAD.encode(Sha256::digest(verifier.as_bytes()))
            }
            (Some((challenge, false)), Some(verifier)) => challenge == verifier,
            (Some(_), None) => return Err(bad("invalid_grant", "Missing code verifier.")),
            (None, Some(_)) => return Err(bad("invalid_grant", "code_verifier or verifier is not needed.")),
        };
        if !fits {
            return Err(bad("invalid_grant", "Invalid code verifier."));
        }
        let mut tokens = self.give(Access {
            user: code.user.clone(),
            client: client.to_owned(),
            scopes: code.scopes.clone(),
            expires: now.checked_add(ACCESS_LIFE).ok(),
        });
        if code.is_offline {
            let token = self.fresh("refresh");
            tokens["refresh_token"] = json!(token);
            if self.client(client).is_some_and(|client| client.is_testing) {
                tokens["refresh_token_expires_in"] = json!(TESTING_LIFE.as_secs() - 1);
            }
            let refresh = Refresh {
                client: client.to_owned(),
                user: code.user,
                scopes: code.scopes,
                given: now,
                used: now,
                number: self.n_given,
            };
            self.keep(token, refresh);
        }
        Ok(tokens)
    }

    /// Keeps a refresh token; the oldest of too many dies without a word.
    fn keep(&mut self, token: String, refresh: Refresh) {
        let is_sibling = |other: &Refresh| other.user == refresh.user && other.client == refresh.client;
        if self.refresh.values().filter(|other| is_sibling(other)).count() >= MAX_REFRESH_TOKENS {
            let siblings = self.refresh.iter().filter(|(_, other)| is_sibling(other));
            let oldest = siblings.min_by_key(|(_, other)| other.number).map(|(token, _)| token.clone());
            if let Some(oldest) = oldest {
                self.refresh.remove(&oldest);
            }
        }
        self.refresh.insert(token, refresh);
    }

    fn renew(&mut self, client: &str, asked: &Form, now: Timestamp) -> Answer {
        let is_testing = self.client(client).is_some_and(|client| client.is_testing);
        if let Some(denial) = &self.denial {
            let mut refusal = bad(&denial.error, "Bad Request");
            if let Some(subtype) = &denial.subtype {
                refusal.body["error_subtype"] = json!(subtype);
            }
            return Err(refusal);
        }
        let dead = || bad("invalid_grant", "Token has been expired or revoked.");
        let token = of(asked, "refresh_token");
        if token.is_empty() {
            return Err(bad("invalid_request", "Missing required parameter: refresh_token"));
        }
        let refresh = self.refresh.get_mut(token).filter(|refresh| refresh.client == client).ok_or_else(dead)?;
        let is_dead = now.duration_since(refresh.used) >= IDLE_LIFE
            || (is_testing && now.duration_since(refresh.given) >= TESTING_LIFE);
        if is_dead {
            self.refresh.remove(token);
            return Err(dead());
        }
        refresh.used = now;
        let mut scopes = refresh.scopes.clone();
        if let Some(narrower) = asked.get("scope") {
            let wanted: Vec<&str> = narrower.split_whitespace().collect();
            if wanted.iter().any(|scope| !scopes.contains(*scope)) {
                return Err(bad("invalid_scope", "Bad Request"));
            }
            scopes.retain(|scope| wanted.contains(&scope.as_str()));
        }
        let user = refresh.user.clone();
        Ok(self.give(Access { user, client: client.to_owned(), scopes, expires: now.checked_add(ACCESS_LIFE).ok() }))
    }

    /// A new access token. The ones before it stay valid.
    fn give(&mut self, access: Access) -> Value {
        let token = self.fresh("access");
        let mut given = json!({
            "access_token": token, "expires_in": ACCESS_LIFE.as_secs(), "token_type": "Bearer",
            "scope": access.scopes.iter().cloned().collect::<Vec<_>>().join(" "),
        });
        if access.scopes.contains("openid") {
            given["id_token"] = json!(id_token(&access));
        }
        self.access.insert(token, access);
        given
    }

    /// `POST /revoke`, with the token in the body or the query.
    pub(in crate::google) fn revoke(&mut self, request: &Request<Bytes>) -> Response<Bytes> {
        let mut asked = form(request.uri().query().unwrap_or_default().as_bytes());
        asked.extend(form(request.body()));
        let token = of(&asked, "token");
        let access = self.access.get(token).map(|access| (access.user.clone(), access.client.clone()));
        let refresh = self.refresh.get(token).map(|refresh| (refresh.user.clone(), refresh.client.clone()));
        match access.or(refresh) {
            Some((user, client)) => {
                self.forget(&user, Some(&client));
                self.counts.revocations += 1;
                answer::json(StatusCode::OK, &json!({}))
            }
            None => {
                let refused = bad("invalid_token", "Token expired or revoked");
                answer::json(refused.status, &refused.body)
            }
        }
    }
}

/// What stands for a person: 21 digits.
pub(super) fn subject(user: &str) -> String {
    crate::google::token::hash(user).bytes().map(|byte| char::from(b'0' + byte % 10)).take(21).collect()
}

/// Who signed in, without a signature that anybody could check: it came straight from the server.
fn id_token(access: &Access) -> String {
    let part = |value: Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let expires = access.expires.map(Timestamp::as_second);
    let mut claims =
        json!({"iss": "https://accounts.google.com", "aud": access.client, "sub": subject(&access.user), "exp": expires});
    if access.scopes.contains(&format!("{SCOPE}userinfo.email")) {
        claims["email"] = json!(access.user);
        claims["email_verified"] = json!(true);
    }
    format!("{}.{}.sandbox", part(json!({"alg": "none", "typ": "JWT"})), part(claims))
}
