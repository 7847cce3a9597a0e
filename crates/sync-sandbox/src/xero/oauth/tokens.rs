//! Codes for tokens, refresh tokens that rotate, and grants taken back.
//! Source: <https://developer.xero.com/documentation/guides/oauth2/auth-flow/>.

use std::collections::BTreeSet;

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use bytes::Bytes;
use http::{Request, Response, StatusCode};
use jiff::Timestamp;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::{ACCESS_LIFE, GRACE, Grant, OAuth, REFRESH_LIFE, has_broad};
use crate::{
    answer,
    web::{Form, basic, form, of},
    xero::{access::Access, id::Id},
};

type Answer = Result<Value, &'static str>;

impl OAuth {
    /// Which app asks: by HTTP Basic, or of one without a secret by its id alone.
    fn who(&self, request: &Request<Bytes>, asked: &Form) -> Result<String, &'static str> {
        let named = basic(request);
        let (id, secret) = match &named {
            Some((id, secret)) => (id.as_str(), Some(secret.as_str())),
            None => (of(asked, "client_id"), asked.get("client_secret").map(String::as_str)),
        };
        if id.is_empty() {
            return Err("unauthorized_client");
        }
        let client = self.client(id).ok_or("invalid_client")?;
        if client.secret.as_deref() == secret { Ok(id.to_owned()) } else { Err("invalid_client") }
    }

    /// `POST /connect/token`.
    pub(in crate::xero) fn token(&mut self, request: &Request<Bytes>, now: Timestamp) -> Response<Bytes> {
        let asked = form(request.body());
        let is_refresh = of(&asked, "grant_type") == "refresh_token";
        let answer = self.who(request, &asked).and_then(|client| match of(&asked, "grant_type") {
            "authorization_code" => self.exchange(&client, &asked, now),
            "refresh_token" => self.renew(&client, &asked, now),
            _ => Err("unsupported_grant_type"),
        });
        match answer {
            Ok(tokens) => {
                *(if is_refresh { &mut self.counts.refreshes } else { &mut self.counts.exchanges }) += 1;
                answer::json(StatusCode::OK, &tokens)
            }
            Err(error) => {
                self.counts.failed_refreshes += u64::from(is_refresh);
                // Without a description: GitHub XeroAPI/xero-node issue 370.
                answer::json(StatusCode::BAD_REQUEST, &json!({"error": error}))
            }
        }
    }

    fn exchange(&mut self, client: &str, asked: &Form, now: Timestamp) -> Answer {
        // A code is used up by its first exchange, whatever comes of it.
        let code = self.codes.remove(of(asked, "code")).ok_or("invalid_grant")?;
        let fits = match (&code.challenge, asked.get("code_verifier")) {
            (None, None) => true,
            (Some(challenge), Some(verifier)) => {
                (43..=128).contains(&verifier.len())
                    && *challenge == URL_SAFE_NO_PAD.encode(Sha256::digest(verifier.as_bytes()))
            }
            _ => false,
        };
        if code.client != client || code.expires <= now || code.redirect != of(asked, "redirect_uri") || !fits {
            return Err("invalid_grant");
        }
        let mut tokens = self.give(client, &code.user, &code.scopes, code.event, now);
        if code.scopes.contains("offline_access") {
            let current = self.fresh("refresh");
            tokens["refresh_token"] = json!(current);
            self.grants.push(Grant {
                client: client.to_owned(),
                user: code.user,
                scopes: code.scopes,
                event: code.event,
                current,
                before: None,
                used: now,
            });
        }
        Ok(tokens)
    }

    /// Each refresh gives a new pair. The token before may be tried again for a while, for answers that were lost.
    fn renew(&mut self, client: &str, asked: &Form, now: Timestamp) -> Answer {
        if let Some(error) = &self.denial {
            return Err(match error.as_str() {
                "invalid_client" => "invalid_client",
                "unauthorized_client" => "unauthorized_client",
                _ => "invalid_grant",
            });
        }
        let token = of(asked, "refresh_token");
        let is_meant = |grant: &&mut Grant| {
            grant.client == client
                && (grant.current == token
                    || grant.before.as_ref().is_some_and(|(before, until)| before == token && now < *until))
        };
        let next = self.fresh("refresh");
        let grant = self.grants.iter_mut().find(is_meant).ok_or("invalid_grant")?;
        if now.duration_since(grant.used) >= REFRESH_LIFE {
            return Err("invalid_grant");
        }
        if grant.current == token {
            grant.before = now.checked_add(GRACE).ok().map(|until| (grant.current.clone(), until));
        }
        grant.current.clone_from(&next);
        grant.used = now;
        let mut scopes = grant.scopes.clone();
        if !has_broad(now) {
            scopes.retain(|scope| !scope.starts_with("accounting.transactions"));
        }
        let (user, event) = (grant.user.clone(), grant.event);
        let mut tokens = self.give(client, &user, &scopes, event, now);
        tokens["refresh_token"] = json!(next);
        Ok(tokens)
    }

    /// A new access token. The ones before it stay valid.
    fn give(&mut self, client: &str, user: &str, scopes: &BTreeSet<String>, event: Id, now: Timestamp) -> Value {
        let expires = now.checked_add(ACCESS_LIFE).ok();
        let number = self.fresh("access");
        let user_id = Id::of(user).json();
        let token = jwt(&json!({
            "iss": "https://identity.xero.com", "aud": "https://identity.xero.com/resources", "client_id": client,
            "nbf": now.as_second(), "exp": expires.map(Timestamp::as_second), "sub": Id::of(user).to_string().replace('-', ""),
            "xero_userid": user_id, "authentication_event_id": event.json(), "jti": number,
            "scope": scopes.iter().collect::<Vec<_>>(),
        }));
        let mut given = json!({
            "access_token": token, "expires_in": ACCESS_LIFE.as_secs(), "token_type": "Bearer",
            "scope": scopes.iter().cloned().collect::<Vec<_>>().join(" "),
        });
        if scopes.contains("openid") {
            let mut claims = json!({
                "iss": "https://identity.xero.com", "aud": client, "sub": Id::of(user).to_string().replace('-', ""),
                "xero_userid": user_id, "exp": now.as_second() + 300,
            });
            if scopes.contains("email") {
                claims["email"] = json!(user);
            }
            given["id_token"] = json!(jwt(&claims));
        }
        let access = Access { user: user.to_owned(), client: client.to_owned(), scopes: scopes.clone(), expires };
        self.access.insert(token, access);
        given
    }

    /// `POST /connect/revocation`: all that the person gave this app is gone, its connections too.
    pub(in crate::xero) fn revoke(&mut self, request: &Request<Bytes>) -> Response<Bytes> {
        let asked = form(request.body());
        let client = match self.who(request, &asked) {
            Ok(client) => client,
            Err(error) => return answer::json(StatusCode::BAD_REQUEST, &json!({"error": error})),
        };
        let token = of(&asked, "token");
        let is_meant = |grant: &Grant| grant.client == client && grant.current == token;
        // A token that means nothing is fine, too: <https://www.rfc-editor.org/rfc/rfc7009#section-2.2>.
        if let Some(user) = self.grants.iter().find(|grant| is_meant(grant)).map(|grant| grant.user.clone()) {
            self.forget(&user, &client);
            self.counts.revocations += 1;
        }
        answer::empty(StatusCode::OK)
    }

    /// Takes everything back that a person gave an app.
    pub(in crate::xero) fn forget(&mut self, user: &str, client: &str) {
        self.access.retain(|_, access| access.user != user || access.client != client);
        self.grants.retain(|grant| grant.user != user || grant.client != client);
        self.codes.retain(|_, code| code.user != user || code.client != client);
        self.connections.retain(|one| one.user != user || one.client != client);
    }
}

/// Claims without a signature that anybody could check: they came straight from the server.
fn jwt(claims: &Value) -> String {
    let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    format!("{}.{}.sandbox", part(&json!({"alg": "none", "typ": "JWT"})), part(claims))
}
