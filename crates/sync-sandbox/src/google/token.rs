//! Page tokens and sync tokens: opaque to clients, and with characters that must be escaped in a URL.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use jiff::Timestamp;
use md5::{Digest, Md5};
use serde::{Deserialize, Serialize, de::DeserializeOwned};

/// Where a listing goes on.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct PageToken {
    pub(super) calendar: String,
    /// Hash of the parameters that must stay the same.
    pub(super) asked: String,
    /// Changes after this one, of an incremental listing.
    pub(super) after: Option<u64>,
    /// The latest change when the listing began: what the sync token will stand for.
    pub(super) up_to: u64,
    /// Counted from 1.
    pub(super) page: usize,
    /// The last item so far.
    pub(super) at: String,
}

/// Where an incremental listing begins.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct SyncToken {
    pub(super) calendar: String,
    pub(super) epoch: u64,
    pub(super) asked: String,
    pub(super) after: u64,
    pub(super) issued: Timestamp,
}

pub(super) fn seal(kind: &str, token: &impl Serialize) -> String {
    let text = serde_json::to_string(token).unwrap_or_default();
    let sum = hash(&text);
    // The leading bytes make the base64 text hold `+` and `/`, as opaque tokens may.
    let mut bytes = vec![0xfb, 0xef, 0xbe, 0xff];
    bytes.extend_from_slice(format!("{kind}{}{text}", &sum[..8]).as_bytes());
    STANDARD.encode(bytes)
}

pub(super) fn open<T: DeserializeOwned>(kind: &str, token: &str) -> Option<T> {
    let bytes = STANDARD.decode(token).ok()?;
    let text = std::str::from_utf8(bytes.get(4..)?).ok()?.strip_prefix(kind)?;
    let (sum, text) = text.split_at_checked(8)?;
    if hash(text)[..8] != *sum {
        return None;
    }
    serde_json::from_str(text).ok()
}

/// 32 hexadecimal characters.
pub(super) fn hash(text: &str) -> String {
    Md5::digest(text.as_bytes()).iter().map(|byte| format!("{byte:02x}")).collect()
}
