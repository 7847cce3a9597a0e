//! The page on which a person agrees.

use std::collections::BTreeSet;

use bytes::Bytes;
use http::{Response, StatusCode};
use jiff::Timestamp;
use url::Url;

use super::{CODE_LIFE, Code, OAuth};
use crate::{
    answer,
    google::{
        access::{OTHER_SCOPES, SCOPE, SCOPES},
        seed::ConsentSeed,
    },
    web::{Form, all, escape, form, hidden, is_loopback_url, of},
};

/// Parameters of the request. Source: the page's step "Set authorization parameters", with PKCE of
/// <https://developers.google.com/identity/protocols/oauth2/native-app>.
const PARAMETERS: &[&str] = &[
    "access_type",
    "client_id",
    "code_challenge",
    "code_challenge_method",
    "enable_granular_consent",
    "include_granted_scopes",
    "login_hint",
    "nonce",
    "prompt",
    "redirect_uri",
    "response_type",
    "scope",
    "state",
];

/// What the page itself sends, and what stands for a person in a test: `sandbox_approve` (an address), `sandbox_untick`.
const ANSWERS: &[&str] = &["allow", "granted", "sandbox_approve", "sandbox_untick", "user"];

/// A request that a person can be asked about.
struct Asked {
    back: Url,
    scopes: Vec<String>,
}

/// Why nobody is asked.
pub(in crate::google) struct Blocked {
    error: &'static str,
    pub(in crate::google) why: String,
}

impl Blocked {
    fn new(error: &'static str, why: impl Into<String>) -> Self {
        Self { error, why: why.into() }
    }

    pub(in crate::google) fn page(&self) -> Response<Bytes> {
        let (error, why) = (self.error, escape(&self.why));
        let page = format!(
            "<!doctype html><title>Error 400: {error}</title><h1>Access blocked</h1><p>Error 400: {error}</p><p>{why}</p>"
        );
        answer::html(StatusCode::BAD_REQUEST, page)
    }
}

/// The long name of a scope that tells only who signed in.
fn sign_in_scope(scope: &str) -> Option<String> {
    match scope {
        "email" => Some(format!("{SCOPE}userinfo.email")),
        "profile" => Some(format!("{SCOPE}userinfo.profile")),
        other => OTHER_SCOPES.contains(&other).then(|| other.to_owned()),
    }
}

impl OAuth {
    /// Why nobody can be asked (an error code and words); else what is asked.
    fn asked(&self, asked: &Form) -> Result<Asked, Blocked> {
        if let Some(name) =
            asked.keys().find(|name| !PARAMETERS.contains(&name.as_str()) && !ANSWERS.contains(&name.as_str()))
        {
            return Err(Blocked::new("invalid_request", format!("Sandbox: unknown parameter `{name}`")));
        }
        let client = self
            .client(of(asked, "client_id"))
            .ok_or_else(|| Blocked::new("invalid_client", "The OAuth client was not found."))?;
        let uri = of(asked, "redirect_uri");
        let back =
            Url::parse(uri).map_err(|_| Blocked::new("invalid_request", "Invalid parameter value for redirect_uri"))?;
        let is_known = if client.redirect_uris.is_empty() {
            is_loopback_url(&back)
        } else {
            client.redirect_uris.iter().any(|known| known == uri)
        };
        if !is_known {
            let why = "The redirect URI in the request does not match the ones authorized for the OAuth client.";
            return Err(Blocked::new("redirect_uri_mismatch", why));
        }
        if of(asked, "response_type") != "code" {
            return Err(Blocked::new("unsupported_response_type", "Sandbox: only the response type `code` is modelled"));
        }
        let scopes: Vec<String> = of(asked, "scope").split_whitespace().map(str::to_owned).collect();
        if scopes.is_empty() {
            return Err(Blocked::new("invalid_request", "Missing required parameter: scope"));
        }
        let is_scope = |scope: &str| {
            OTHER_SCOPES.contains(&scope)
                || scope.strip_prefix(SCOPE).is_some_and(|short| SCOPES.iter().any(|(known, _)| *known == short))
        };
        if let Some(unknown) = scopes.iter().find(|scope| !is_scope(scope)) {
            return Err(Blocked::new(
                "invalid_scope",
                format!("Some requested scopes were invalid. {{invalid=[{unknown}]}}"),
            ));
        }
        if !matches!(of(asked, "code_challenge_method"), "" | "S256" | "plain") {
            return Err(Blocked::new("invalid_request", "Invalid code_challenge_method"));
        }
        if !matches!(of(asked, "access_type"), "" | "online" | "offline") {
            return Err(Blocked::new("invalid_request", "Invalid access_type"));
        }
        Ok(Asked { back, scopes })
    }

    /// `GET /o/oauth2/v2/auth`. Answers whom the sandbox shows a page, and why it showed none, under `refused`.
    pub(in crate::google) fn page(&mut self, query: &str, now: Timestamp) -> Result<Response<Bytes>, Blocked> {
        let form = form(query.as_bytes());
        self.counts.pages += 1;
        let asked = self.asked(&form)?;
        let mut consent = self.consent.clone();
        if let Some(user) = form.get("sandbox_approve") {
            let untick = all(query.as_bytes(), "sandbox_untick");
            consent = Some(ConsentSeed { user: Some(user.clone()), untick, denies: false });
        }
        if let Some(consent) = consent {
            let user = consent.user.unwrap_or_else(|| self.hinted(&form));
            let granted = asked.scopes.iter().filter(|scope| !consent.untick.contains(scope)).cloned().collect();
            return Ok(self.decide(&form, asked, &user, granted, !consent.denies, now));
        }
        Ok(answer::html(StatusCode::OK, self.html(&form, &asked)))
    }

    /// The user whom the app expects, else the first one.
    fn hinted(&self, form: &Form) -> String {
        let hint = of(form, "login_hint");
        let user = self.users.iter().find(|user| user.email == hint).or(self.users.first());
        user.map(|user| user.email.clone()).unwrap_or_default()
    }

    fn html(&self, form: &Form, asked: &Asked) -> String {
        let hidden = hidden(form);
        let expected = self.hinted(form);
        let users: String = self
            .users
            .iter()
            .map(|user| {
                let selected = if user.email == expected { " selected" } else { "" };
                format!("<option value=\"{0}\"{selected}>{1} ({0})</option>", escape(&user.email), escape(&user.name))
            })
            .collect();
        let boxes: String = asked
            .scopes
            .iter()
            .filter(|scope| sign_in_scope(scope).is_none())
            .map(|scope| {
                let short = scope.strip_prefix(SCOPE).unwrap_or(scope);
                let words = SCOPES.iter().find(|(known, _)| *known == short).map_or(short, |(_, words)| words);
                format!(
                    "<p><label><input type=\"checkbox\" name=\"granted\" value=\"{}\" checked> {}.</label></p>",
                    escape(scope),
                    escape(words)
                )
            })
            .collect();
        format!(
            "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><title>Sign in with Google (sandbox)</title>\
             <h1>{} wants access to your Google Account</h1><form method=\"post\" action=\"/o/oauth2/v2/auth\">{hidden}\
             <p><label>Account <select name=\"user\">{users}</select></label></p>{boxes}\
             <button name=\"allow\" value=\"no\">Cancel</button> <button name=\"allow\" value=\"yes\">Continue</button>\
             </form></html>",
            escape(of(form, "client_id"))
        )
    }

    /// `POST /o/oauth2/v2/auth`: what the person said on the page.
    pub(in crate::google) fn said(&mut self, body: &Bytes, now: Timestamp) -> Result<Response<Bytes>, Blocked> {
        let form = form(body);
        let asked = self.asked(&form)?;
        let ticked: BTreeSet<String> = all(body, "granted");
        let granted = asked.scopes.iter().filter(|scope| ticked.contains(*scope)).cloned().collect();
        let user = form.get("user").cloned().unwrap_or_else(|| self.hinted(&form));
        let allows = of(&form, "allow") == "yes";
        Ok(self.decide(&form, asked, &user, granted, allows, now))
    }

    /// Sends the person back with what he decided.
    fn decide(
        &mut self,
        form: &Form,
        asked: Asked,
        user: &str,
        mut granted: BTreeSet<String>,
        allows: bool,
        now: Timestamp,
    ) -> Response<Bytes> {
        let mut back = asked.back;
        let client = of(form, "client_id").to_owned();
        let is_user = self.users.iter().any(|known| known.email == user);
        let state = form.get("state");
        let mut answer: Vec<(&str, String)> = state.map(|state| ("state", state.clone())).into_iter().collect();
        // What tells only who signed in has no box, and comes back under its long name, with `openid` beside it.
        // Source: <https://developers.google.com/identity/protocols/oauth2/resources/granular-permissions>, GitHub
        // requests/requests-oauthlib issue 387.
        let signing_in: Vec<String> = asked.scopes.iter().filter_map(|scope| sign_in_scope(scope)).collect();
        granted.retain(|scope| sign_in_scope(scope).is_none());
        if !signing_in.is_empty() {
            granted.insert("openid".into());
            granted.extend(signing_in);
        }
        // Somebody who unticks everything has said no.
        if !allows || !is_user || granted.is_empty() {
            answer.insert(0, ("error", "access_denied".into()));
        } else {
            let key = (user.to_owned(), client.clone());
            if of(form, "include_granted_scopes") == "true" {
                granted.extend(self.allowed.get(&key).into_iter().flatten().cloned());
            }
            // A refresh token comes with the first consent, and again when the app asks for the consent again.
            let is_first = !self.allowed.contains_key(&key);
            let is_asked_again = of(form, "prompt").split_whitespace().any(|prompt| prompt == "consent");
            self.allowed.entry(key).or_default().extend(granted.iter().cloned());
            let challenge =
                form.get("code_challenge").map(|text| (text.clone(), of(form, "code_challenge_method") == "S256"));
            let code = self.fresh("code");
            answer.push(("code", code.clone()));
            answer.push(("scope", granted.iter().cloned().collect::<Vec<_>>().join(" ")));
            self.counts.codes += 1;
            self.codes.insert(
                code,
                Code {
                    client,
                    redirect: of(form, "redirect_uri").to_owned(),
                    user: user.to_owned(),
                    scopes: granted,
                    challenge,
                    is_offline: of(form, "access_type") == "offline" && (is_first || is_asked_again),
                    expires: now.checked_add(CODE_LIFE).unwrap_or(Timestamp::MAX),
                },
            );
        }
        back.query_pairs_mut().extend_pairs(answer);
        answer::redirect(&back)
    }
}
