//! What a grant remembers about itself, among its variables: which client it belongs to, when it was made and renewed, and
//! how it ended.

use jiff::Timestamp;
use sync_core::{Error, Grant};

/// The client that the grant belongs to.
const CLIENT: &str = "sync-http.client";
/// When a person consented.
const CONNECTED_AT: &str = "sync-http.connected-at";
/// When it was last renewed.
const REFRESHED_AT: &str = "sync-http.refreshed-at";
/// The code by which the sign-in server refused it for good.
const END: &str = "sync-http.end";

/// What is known about a grant's life.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct GrantHistory {
    /// The id of the OAuth client that it was made with.
    pub client: Option<String>,
    /// When a person consented.
    pub connected_at: Option<Timestamp>,
    /// When its token was last renewed.
    pub refreshed_at: Option<Timestamp>,
    /// The sign-in server's code, or its subtype, when it refused the grant for good.
    pub end: Option<String>,
}

impl GrantHistory {
    /// Reads it off a grant.
    pub fn of(grant: &Grant) -> Self {
        let time = |name: &str| grant.vars.get(name)?.parse().ok();
        Self {
            client: grant.vars.get(CLIENT).cloned(),
            connected_at: time(CONNECTED_AT),
            refreshed_at: time(REFRESHED_AT),
            end: grant.vars.get(END).cloned(),
        }
    }
}

/// The client that a grant belongs to.
pub(crate) fn client_id(grant: &Grant) -> Option<&str> {
    grant.vars.get(CLIENT).map(String::as_str)
}

pub(super) fn began(grant: &mut Grant, client: &str, now: Timestamp) {
    grant.vars.insert(CLIENT.to_owned(), client.to_owned());
    grant.vars.insert(CONNECTED_AT.to_owned(), now.to_string());
}

/// Notes a refresh that worked with this client. A grant that was made before clients were noted belongs to it.
pub(super) fn refreshed(grant: &mut Grant, client: &str, now: Timestamp) {
    grant.vars.insert(CLIENT.to_owned(), client.to_owned());
    grant.vars.insert(REFRESHED_AT.to_owned(), now.to_string());
    grant.vars.remove(END);
}

pub(super) fn ended(grant: &mut Grant, error: &Error) {
    let subtype = error.context().iter().find(|(key, _)| *key == "subtype").map(|(_, subtype)| subtype.clone());
    if let Some(code) = subtype.or_else(|| error.provider_code().map(str::to_owned)) {
        grant.vars.insert(END.to_owned(), code);
    }
}
