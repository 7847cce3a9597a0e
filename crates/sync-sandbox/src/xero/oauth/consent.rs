//! The page on which a person agrees and chooses organisations.
//! Source: <https://developer.xero.com/documentation/guides/oauth2/auth-flow/>.

use std::collections::BTreeSet;

use bytes::Bytes;
use http::{Response, StatusCode};
use jiff::Timestamp;
use url::Url;

use super::{CODE_LIFE, Code, OAuth, max_connections, may_ask};
use crate::{
    answer,
    web::{Form, all, escape, form, hidden, of},
    xero::{access::SCOPES, id::Id, seed::XeroConsentSeed},
};

/// Parameters of the request.
const PARAMETERS: &[&str] = &[
    "acr_values",
    "client_id",
    "code_challenge",
    "code_challenge_method",
    "nonce",
    "prompt",
    "redirect_uri",
    "response_type",
    "scope",
    "state",
];

/// What the page itself sends, and what stands for a person in a test: `sandbox_approve` (an address), `sandbox_tenant`.
const ANSWERS: &[&str] = &["allow", "sandbox_approve", "sandbox_tenant", "tenant", "user"];

/// A request that a person can be asked about.
struct Asked {
    back: Url,
    scopes: BTreeSet<String>,
}

/// Why nobody is asked. One wrong scope fails the whole: GitHub XeroAPI/xero-node issue 370 and its neighbours.
pub(in crate::xero) struct Blocked {
    error: &'static str,
    pub(in crate::xero) why: String,
}

impl Blocked {
    fn new(error: &'static str, why: impl Into<String>) -> Self {
        Self { error, why: why.into() }
    }

    pub(in crate::xero) fn page(&self) -> Response<Bytes> {
        let (error, why) = (self.error, escape(&self.why));
        let page = format!(
            "<!doctype html><title>Error: {error}</title><h1>Sorry, something went wrong</h1><p>{error}</p><p>{why}</p>"
        );
        answer::html(StatusCode::BAD_REQUEST, page)
    }
}

/// "https, or http on localhost; 127.0.0.1 is not accepted".
fn may_go_back(url: &Url) -> bool {
    url.scheme() == "https" || (url.scheme() == "http" && url.host_str() == Some("localhost"))
}

impl OAuth {
    fn asked(&self, asked: &Form, now: Timestamp) -> Result<Asked, Blocked> {
        if let Some(name) =
            asked.keys().find(|name| !PARAMETERS.contains(&name.as_str()) && !ANSWERS.contains(&name.as_str()))
        {
            return Err(Blocked::new("invalid_request", format!("Sandbox: unknown parameter `{name}`")));
        }
        let client = self
            .client(of(asked, "client_id"))
            .ok_or_else(|| Blocked::new("unauthorized_client", "Unknown client or client not enabled"))?;
        let uri = of(asked, "redirect_uri");
        let back = Url::parse(uri).map_err(|_| Blocked::new("unauthorized_client", "Invalid redirect_uri"))?;
        let is_known = client.redirect_uris.is_empty() || client.redirect_uris.iter().any(|known| known == uri);
        if !is_known || !may_go_back(&back) {
            return Err(Blocked::new("unauthorized_client", "Invalid redirect_uri"));
        }
        if of(asked, "response_type") != "code" {
            return Err(Blocked::new("unsupported_response_type", "Response type not supported"));
        }
        let scopes: BTreeSet<String> = of(asked, "scope").split_whitespace().map(str::to_owned).collect();
        if scopes.is_empty() || scopes.iter().any(|scope| !may_ask(scope, client.scopes, now)) {
            return Err(Blocked::new("invalid_scope", "Invalid scope"));
        }
        if asked.contains_key("code_challenge") && of(asked, "code_challenge_method") != "S256" {
            return Err(Blocked::new("invalid_request", "Transform algorithm not supported"));
        }
        if client.secret.is_none() && !asked.contains_key("code_challenge") {
            return Err(Blocked::new("invalid_request", "code challenge required"));
        }
        Ok(Asked { back, scopes })
    }

    /// `GET /identity/connect/authorize`: the page, or at once what the person decides.
    pub(in crate::xero) fn page(&mut self, query: &str, now: Timestamp) -> Result<Response<Bytes>, Blocked> {
        let form = form(query.as_bytes());
        self.counts.pages += 1;
        let asked = self.asked(&form, now)?;
        let mut consent = self.consent.clone();
        if let Some(user) = form.get("sandbox_approve") {
            let tenants = all(query.as_bytes(), "sandbox_tenant");
            consent = Some(XeroConsentSeed { user: Some(user.clone()), tenants, denies: false });
        }
        match consent {
            Some(consent) => self.decide(&form, asked, &consent, now),
            None => Ok(answer::html(StatusCode::OK, self.html(&form, &asked))),
        }
    }

    fn html(&self, form: &Form, asked: &Asked) -> String {
        let hidden = hidden(form);
        let users: String =
            self.users.iter().map(|user| format!("<option value=\"{0}\">{0}</option>", escape(user))).collect();
        let tenants: String = self
            .tenants
            .iter()
            .map(|(name, _)| {
                let name = escape(name);
                format!("<p><label><input type=\"checkbox\" name=\"tenant\" value=\"{name}\"> {name}</label></p>")
            })
            .collect();
        let wishes: String = SCOPES
            .iter()
            .filter(|(scope, ..)| asked.scopes.contains(*scope))
            .map(|(.., words)| format!("<li>{}</li>", escape(words)))
            .collect();
        let name = self.client(of(form, "client_id")).map(|client| client.name.clone()).unwrap_or_default();
        format!(
            "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><title>Connect to Xero (sandbox)</title>\
             <h1>{} wants access to</h1><form method=\"post\" action=\"/identity/connect/authorize\">{hidden}\
             <p><label>User <select name=\"user\">{users}</select></label></p>{tenants}<ul>{wishes}</ul>\
             <button name=\"allow\" value=\"no\">Cancel</button> <button name=\"allow\" value=\"yes\">Allow access</button>\
             </form></html>",
            escape(&name)
        )
    }

    /// `POST /identity/connect/authorize`: what the person said on the page.
    pub(in crate::xero) fn said(&mut self, body: &Bytes, now: Timestamp) -> Result<Response<Bytes>, Blocked> {
        let form = form(body);
        let asked = self.asked(&form, now)?;
        let said = XeroConsentSeed {
            user: form.get("user").cloned(),
            tenants: all(body, "tenant"),
            denies: of(&form, "allow") != "yes",
        };
        self.decide(&form, asked, &said, now)
    }

    /// Sends the person back with what he decided.
    fn decide(
        &mut self,
        form: &Form,
        asked: Asked,
        said: &XeroConsentSeed,
        now: Timestamp,
    ) -> Result<Response<Bytes>, Blocked> {
        let mut back = asked.back;
        let client = of(form, "client_id").to_owned();
        let user = said.user.clone().or_else(|| self.users.first().cloned()).unwrap_or_default();
        let first = self.tenants.first().map(|(_, id)| *id);
        let chosen: Vec<Id> = match said.tenants.is_empty() {
            true => first.into_iter().collect(),
            false => said.tenants.iter().filter_map(|name| self.tenant_named(name)).collect(),
        };
        let mut answer: Vec<(&str, String)> = Vec::new();
        if said.denies || !self.users.contains(&user) || chosen.is_empty() {
            answer.push(("error", "access_denied".into()));
        } else {
            // Who only signs in connects nothing.
            let is_tenanted = asked.scopes.iter().any(|scope| scope.starts_with("accounting."));
            let event = Id::of(&format!("event {}", self.fresh("event")));
            if is_tenanted {
                self.check_room(&client, &chosen)?;
                for tenant in chosen {
                    self.connect(&client, &user, tenant, event, now);
                }
            }
            let code = self.fresh("code");
            answer.push(("code", code.clone()));
            answer.push(("scope", asked.scopes.iter().cloned().collect::<Vec<_>>().join(" ")));
            self.counts.codes += 1;
            self.codes.insert(
                code,
                Code {
                    client,
                    redirect: of(form, "redirect_uri").to_owned(),
                    user,
                    scopes: asked.scopes,
                    challenge: form.get("code_challenge").cloned(),
                    event,
                    expires: now.checked_add(CODE_LIFE).unwrap_or(Timestamp::MAX),
                },
            );
        }
        if let Some(state) = form.get("state") {
            answer.push(("state", state.clone()));
        }
        back.query_pairs_mut().extend_pairs(answer);
        Ok(answer::redirect(&back))
    }

    /// Connections are capped by tier.
    fn check_room(&self, client: &str, chosen: &[Id]) -> Result<(), Blocked> {
        let tier = self.client(client).map(|client| client.tier).unwrap_or_default();
        let mut connected: BTreeSet<Id> =
            self.connections.iter().filter(|one| one.client == client).map(|one| one.tenant).collect();
        connected.extend(chosen);
        if connected.len() > max_connections(tier) {
            return Err(Blocked::new("access_denied", "This app has reached its maximum number of connections"));
        }
        Ok(())
    }
}
