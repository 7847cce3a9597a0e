//! Back from the consent page: who comes, whether they may, and what they bring.

use std::{collections::BTreeMap, fmt};

use secrecy::ExposeSecret as _;
use sync_core::{Error, ErrorKind, Owner, Result, Scope};
use url::form_urlencoded;

use super::begin::{Pending, hash, is_hash_of};
use crate::Client;

/// Parameters of the way back that are the protocol's own, and no variables of the grant.
const PROTOCOL_PARAMS: [&str; 11] = [
    "code",
    "state",
    "scope",
    "error",
    "error_description",
    "error_uri",
    "error_subtype",
    "iss",
    "session_state",
    "authuser",
    "prompt",
];

/// A way back that was verified: it belongs to a sign-in that was begun here, in this browser, minutes ago, and comes the
/// first time. Hand it to [`Client::finish`].
pub struct WayBack {
    pub(super) scope: Scope,
    pub(super) pending: Pending,
    /// The code, or the consent page's refusal: its code and words.
    pub(super) brought: std::result::Result<String, (String, String)>,
    pub(super) vars: BTreeMap<String, String>,
}

impl WayBack {
    /// Whose connection it will be.
    pub fn scope(&self) -> &Scope {
        &self.scope
    }

    /// The scopes that were asked for.
    pub fn asked(&self) -> &[String] {
        &self.pending.scopes
    }
}

/// Prints no secret.
impl fmt::Debug for WayBack {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WayBack").field("scope", &self.scope).finish_non_exhaustive()
    }
}

impl Client {
    /// Verifies the query with which a person came back. A sign-in is used up by it, whatever it brings.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`], with the context `sign-in: unknown`, when it belongs to no sign-in that was begun here:
    /// whoever it is, no sign-in is used up.
    /// [`ErrorKind::Forbidden`] when it belongs to another browser's, to one that lapsed or that was ended already. Nothing
    /// was exchanged then; the way out is to begin again.
    pub async fn way_back(&self, query: &str, browser: &str) -> Result<WayBack> {
        let forbidden = |message: &'static str| {
            Error::new(ErrorKind::Forbidden, message)
                .with_owner(Owner::EndUserReconnect)
                .with_remedy("Begin connecting again, and end it in the same browser.")
        };
        let mut params: BTreeMap<String, String> =
            form_urlencoded::parse(query.trim_start_matches('?').as_bytes()).into_owned().collect();
        let state = params.get("state").filter(|state| !state.is_empty());
        let stray = |message: &'static str| {
            Error::new(ErrorKind::NotFound, message)
                .with_owner(Owner::EndUserReconnect)
                .with_remedy("Begin connecting again, and end it in the same browser.")
                .with_context("sign-in", "unknown")
        };
        let id = hash(state.ok_or_else(|| stray("the way back from the consent page names no sign-in"))?);
        let sign_ins = self.0.sign_ins()?;
        let Some(stored) = sign_ins.sign_in(&id).await? else {
            return Err(stray("the way back from the consent page belongs to no sign-in that was begun here"));
        };
        let pending: Pending = serde_json::from_str(stored.body.expose_secret())
            .map_err(|_| Error::new(ErrorKind::Corrupt, "a stored sign-in can't be read"))?;
        // Before anything else is said: a stranger learns nothing about it, and can't use it up.
        if !is_hash_of(&pending.browser, browser) {
            return Err(forbidden("the sign-in was begun in another browser"));
        }
        if stored.is_used {
            return Err(forbidden("this sign-in was ended already: each works once"));
        }
        if self.0.clock.now() >= stored.expires_at {
            return Err(forbidden("too much time passed on the consent page: a sign-in lasts 10 minutes"));
        }
        if !sign_ins.use_sign_in(&stored.scope, &id).await? {
            return Err(forbidden("this sign-in was ended already: each works once"));
        }
        let brought = match (params.remove("error"), params.remove("code").filter(|code| !code.is_empty())) {
            (Some(error), _) => Err((error, params.remove("error_description").unwrap_or_default())),
            (None, Some(code)) => Ok(code),
            (None, None) => return Err(forbidden("the way back from the consent page brought no code")),
        };
        params.retain(|name, value| !PROTOCOL_PARAMS.contains(&name.as_str()) && crate::endpoint::is_label(value));
        Ok(WayBack { scope: stored.scope, pending, brought, vars: params })
    }
}
