//! Idempotency keys: the answer of a write is kept for a while.
//! Source: <https://developer.xero.com/documentation/guides/idempotent-requests/idempotency/>.

use std::collections::BTreeMap;

use bytes::Bytes;
use http::{Request, Response};
use jiff::{SignedDuration, Timestamp};

use super::{id::Id, problem::Problem};

/// "6 minutes from the first call".
const LIFE: SignedDuration = SignedDuration::from_mins(6);

/// Longest key, in characters. Source: the header `Idempotency-Key` of Xero's API description.
const MAX_KEY: usize = 128;

#[derive(Debug)]
struct Kept {
    request: Id,
    response: Response<Bytes>,
    at: Timestamp,
}

/// Keys by app.
#[derive(Debug, Default)]
pub(super) struct Keys {
    kept: BTreeMap<(String, String), Kept>,
    pub(super) n_replays: u64,
}

/// What is known of a key.
pub(super) enum Known {
    /// The answer of the first call.
    Replay(Response<Bytes>),
    /// The call is new; its answer is to be kept.
    New { key: (String, String), request: Id },
    /// There is no key.
    Without,
}

impl Keys {
    pub(super) fn look_up(&mut self, client: &str, request: &Request<Bytes>, now: Timestamp) -> Result<Known, Problem> {
        // "Ignored on other methods."
        if !matches!(request.method().as_str(), "PUT" | "POST" | "PATCH") {
            return Ok(Known::Without);
        }
        let Some(header) = request.headers().get("idempotency-key") else { return Ok(Known::Without) };
        let Some(key) = header.to_str().ok().filter(|key| !key.is_empty()) else { return Ok(Known::Without) };
        if key.chars().count() > MAX_KEY {
            return Err(Problem::invalid(format!("The Idempotency-Key must not be longer than {MAX_KEY} characters")));
        }
        self.kept.retain(|_, kept| now.duration_since(kept.at) < LIFE);
        let tenant = request.headers().get("xero-tenant-id").map(|value| value.as_bytes()).unwrap_or_default();
        let parts = [request.method().as_str().as_bytes(), request.uri().to_string().as_bytes(), tenant, request.body()]
            .join(&b'\n');
        let fingerprint = Id::of(&String::from_utf8_lossy(&parts));
        let id = (client.to_owned(), key.to_owned());
        match self.kept.get(&id) {
            None => Ok(Known::New { key: id, request: fingerprint }),
            Some(kept) if kept.request == fingerprint => {
                self.n_replays += 1;
                Ok(Known::Replay(kept.response.clone()))
            }
            Some(_) => Err(Problem::other_request(key)),
        }
    }

    /// Keeps an answer, errors too.
    pub(super) fn keep(&mut self, key: (String, String), request: Id, response: &Response<Bytes>, now: Timestamp) {
        self.kept.insert(key, Kept { request, response: response.clone(), at: now });
    }
}
