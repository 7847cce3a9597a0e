//! The one error of all crates: what happened, what the caller can do, who must act and how.

use std::{borrow::Cow, error::Error as StdError, fmt, time::Duration};

use serde::{Deserialize, Serialize};

/// `Result` with [`Error`].
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What the caller can do about it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum ErrorKind {
    /// The request or its data is wrong: correct it.
    Invalid,
    /// Configuration or settings are wrong: correct them.
    Config,
    /// What was named does not exist.
    NotFound,
    /// The provider or the build cannot do this.
    Unsupported,
    /// There is no active connection: connect.
    NotConnected,
    /// The grant is dead: reconnect.
    AuthRevoked,
    /// The grant lacks a right, or the account lacks a feature.
    Forbidden,
    /// The provider refused this item for what it contains.
    Refused,
    /// The record changed since it was read: read and decide again.
    Moved,
    /// The id, name or number is taken by another record.
    Taken,
    /// The cursor is too old or was never valid: read the feed from its start.
    CursorExpired,
    /// Too fast: wait, then go on.
    RateLimited,
    /// A long quota (day, month) is used up: come back later.
    QuotaExhausted,
    /// The other side cannot be reached or is out of order: try again later.
    Unavailable,
    /// No answer within the time: what happened there is unknown.
    Timeout,
    /// The answer makes no sense.
    BadAnswer,
    /// Somebody else holds the lease.
    LeaseHeld,
    /// The lease was lost in mid-run: nothing may be written any more.
    LeaseLost,
    /// The caller cancelled.
    Cancelled,
    /// Our store failed (locked, full, unreachable).
    Store,
    /// Stored data can't be read.
    Corrupt,
    /// The key does not fit the stored credentials.
    WrongKey,
    /// A person must approve first.
    ApprovalNeeded,
    /// A defect of ours.
    Internal,
}

impl ErrorKind {
    /// The name in results and stores.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Invalid => "invalid",
            Self::Config => "config",
            Self::NotFound => "not-found",
            Self::Unsupported => "unsupported",
            Self::NotConnected => "not-connected",
            Self::AuthRevoked => "auth-revoked",
            Self::Forbidden => "forbidden",
            Self::Refused => "refused",
            Self::Moved => "moved",
            Self::Taken => "taken",
            Self::CursorExpired => "cursor-expired",
            Self::RateLimited => "rate-limited",
            Self::QuotaExhausted => "quota-exhausted",
            Self::Unavailable => "unavailable",
            Self::Timeout => "timeout",
            Self::BadAnswer => "bad-answer",
            Self::LeaseHeld => "lease-held",
            Self::LeaseLost => "lease-lost",
            Self::Cancelled => "cancelled",
            Self::Store => "store",
            Self::Corrupt => "corrupt",
            Self::WrongKey => "wrong-key",
            Self::ApprovalNeeded => "approval-needed",
            Self::Internal => "internal",
        }
    }

    /// True when going on with other items is pointless: the whole run stops early.
    pub fn is_systemic(self) -> bool {
        matches!(
            self,
            Self::Config
                | Self::NotConnected
                | Self::AuthRevoked
                | Self::Forbidden
                | Self::RateLimited
                | Self::QuotaExhausted
                | Self::Unavailable
                | Self::LeaseHeld
                | Self::LeaseLost
                | Self::Cancelled
                | Self::Store
                | Self::Corrupt
                | Self::WrongKey
                | Self::Internal
        )
    }
}

/// Whether the same thing can be tried again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Retry {
    /// Not without a change.
    Never,
    /// Yes, after a growing pause.
    Backoff,
    /// Yes, not before this delay has passed.
    After(Duration),
}

/// What a failed write may have done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Effect {
    /// Certainly nothing.
    None,
    /// It may have happened.
    Unknown,
}

/// Who must act.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Owner {
    /// The end user, by connecting again.
    EndUserReconnect,
    /// The end user, by correcting data or settings.
    EndUserData,
    /// The developer of the host.
    HostDeveloper,
    /// The provider.
    Provider,
    /// Nobody: it passes by itself.
    Nobody,
}

/// An error: one line for logs in `Display`, the rest in accessors. Holds no secret and no record content, save the
/// provider's own words in [`Error::provider_message`], which belong into the item's outcome and never into a log.
pub struct Error(Box<Inner>);

struct Inner {
    kind: ErrorKind,
    retry: Retry,
    effect: Effect,
    owner: Owner,
    message: Cow<'static, str>,
    remedy: Option<Cow<'static, str>>,
    provider_code: Option<String>,
    provider_message: Option<String>,
    context: Vec<(&'static str, String)>,
    source: Option<Box<dyn StdError + Send + Sync>>,
}

impl Error {
    /// An error of this kind, with the kind's usual retry, effect (none) and owner. The message is kept to one line: a provider's
    /// name in it may hold anything.
    pub fn new(kind: ErrorKind, message: impl Into<Cow<'static, str>>) -> Self {
        use ErrorKind as K;
        let retry = match kind {
            K::RateLimited | K::QuotaExhausted | K::Unavailable | K::Timeout | K::LeaseHeld | K::LeaseLost | K::Store => {
                Retry::Backoff
            }
            _ => Retry::Never,
        };
        let owner = match kind {
            K::NotConnected | K::AuthRevoked => Owner::EndUserReconnect,
            K::Invalid | K::Forbidden | K::Refused | K::Taken | K::ApprovalNeeded => Owner::EndUserData,
            K::Config | K::NotFound | K::Unsupported | K::Store | K::Corrupt | K::WrongKey | K::Internal => {
                Owner::HostDeveloper
            }
            K::BadAnswer => Owner::Provider,
            _ => Owner::Nobody,
        };
        Self(Box::new(Inner {
            kind,
            retry,
            effect: Effect::None,
            owner,
            message: one_line(message.into()),
            remedy: None,
            provider_code: None,
            provider_message: None,
            context: Vec::new(),
            source: None,
        }))
    }

    /// With another retry than the kind's usual one.
    #[must_use]
    pub fn with_retry(mut self, retry: Retry) -> Self {
        self.0.retry = retry;
        self
    }

    /// With what a failed write may have done.
    #[must_use]
    pub fn with_effect(mut self, effect: Effect) -> Self {
        self.0.effect = effect;
        self
    }

    /// With who must act.
    #[must_use]
    pub fn with_owner(mut self, owner: Owner) -> Self {
        self.0.owner = owner;
        self
    }

    /// With a sentence that says what to do.
    #[must_use]
    pub fn with_remedy(mut self, remedy: impl Into<Cow<'static, str>>) -> Self {
        self.0.remedy = Some(one_line(remedy.into()));
        self
    }

    /// With the provider's own code and words. A code goes to logs: what is none, since it is long, has an address in it or
    /// more than one line, is left out.
    #[must_use]
    pub fn with_provider(mut self, code: impl Into<String>, message: impl Into<String>) -> Self {
        let code = code.into();
        self.0.provider_code = Some(if is_code(&code) { code } else { UNREADABLE.to_owned() });
        self.0.provider_message = Some(message.into());
        self
    }

    /// With a detail for logs: ids, status, operation, attempt; never content. It is kept to one line, and short.
    #[must_use]
    pub fn with_context(mut self, key: &'static str, value: impl fmt::Display) -> Self {
        let line: String = value.to_string().chars().take(MAX_DETAIL_CHARS).collect();
        self.0.context.push((key, one_line(line.into()).into_owned()));
        self
    }

    /// With what caused it.
    #[must_use]
    pub fn with_source(mut self, source: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        self.0.source = Some(source.into());
        self
    }

    /// What the caller can do.
    pub fn kind(&self) -> ErrorKind {
        self.0.kind
    }

    /// Whether it can be tried again.
    pub fn retry(&self) -> Retry {
        self.0.retry
    }

    /// What a failed write may have done.
    pub fn effect(&self) -> Effect {
        self.0.effect
    }

    /// Who must act.
    pub fn owner(&self) -> Owner {
        self.0.owner
    }

    /// What happened, one line.
    pub fn message(&self) -> &str {
        &self.0.message
    }

    /// What to do about it.
    pub fn remedy(&self) -> Option<&str> {
        self.0.remedy.as_deref()
    }

    /// The provider's own code.
    pub fn provider_code(&self) -> Option<&str> {
        self.0.provider_code.as_deref()
    }

    /// The provider's own words. May hold record content: for the item's outcome, never for a log.
    pub fn provider_message(&self) -> Option<&str> {
        self.0.provider_message.as_deref()
    }

    /// The details for logs.
    pub fn context(&self) -> &[(&'static str, String)] {
        &self.0.context
    }
}

/// Longest code of a provider, in characters: far above Mailchimp's titles, the longest there are.
const MAX_CODE_CHARS: usize = 64;

/// Longest detail, in characters.
const MAX_DETAIL_CHARS: usize = 256;

/// Stands where a provider's code can't be one.
const UNREADABLE: &str = "unreadable";

fn one_line(text: Cow<'static, str>) -> Cow<'static, str> {
    if text.contains(char::is_control) { text.replace(char::is_control, " ").into() } else { text }
}

/// Codes come from outside, and a log is no place for whatever stands there.
fn is_code(text: &str) -> bool {
    // What opens, closes or quotes is of a structure, and no word.
    let is_of_word = |byte: u8| (byte.is_ascii_graphic() || byte == b' ') && !b"@\"'\\`<>{}[]".contains(&byte);
    text.len() <= MAX_CODE_CHARS && text.bytes().all(is_of_word)
}

/// One line, without the source and without the provider's words.
impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.message)?;
        if let Some(code) = &self.0.provider_code {
            write!(f, " [{code}]")?;
        }
        for (i, (key, value)) in self.0.context.iter().enumerate() {
            write!(f, "{}{key}: {value}", if i == 0 { " (" } else { ", " })?;
        }
        if !self.0.context.is_empty() {
            f.write_str(")")?;
        }
        Ok(())
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Error")
            .field("kind", &self.0.kind)
            .field("message", &self.0.message)
            .field("retry", &self.0.retry)
            .field("effect", &self.0.effect)
            .field("owner", &self.0.owner)
            .field("provider_code", &self.0.provider_code)
            .field("context", &self.0.context)
            .field("source", &self.0.source)
            .finish_non_exhaustive()
    }
}

impl StdError for Error {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.0.source.as_deref().map(|source| source as _)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_comes_as_a_code_or_detail_makes_no_second_line_and_brings_no_address() {
        for code in ["x\nERROR forged line", "ada@example.com", &"x".repeat(65), "caf\u{e9}", "\u{1b}[31m", "a\":\"Ada\""] {
            let error = Error::new(ErrorKind::Refused, "refused").with_provider(code, "words");
            assert_eq!(error.to_string(), "refused [unreadable]");
        }
        for code in ["ERROR_GENERIC", "Member In Compliance State", "6240", "rateLimitExceeded", ""] {
            assert_eq!(Error::new(ErrorKind::Refused, "refused").with_provider(code, "").provider_code(), Some(code));
        }
        let field = "a\u{7f}b\nc";
        assert_eq!(Error::new(ErrorKind::Invalid, format!("bad {field}")).to_string(), "bad a b c");
        let error = Error::new(ErrorKind::Refused, "refused").with_context("field", format!("a\r\nb{}", "x".repeat(999)));
        assert!(error.to_string().starts_with("refused (field: a  bxx") && error.to_string().len() < 300, "{error}");
    }

    #[test]
    fn display_is_one_line_and_debug_hides_the_providers_words() {
        let error = Error::new(ErrorKind::Refused, "the member was refused")
            .with_provider("ERROR_GENERIC", "ada@example.com looks fake")
            .with_context("status", 400);
        assert_eq!(error.to_string(), "the member was refused [ERROR_GENERIC] (status: 400)");
        assert!(!format!("{error:?}").contains("ada@"));
        assert_eq!(error.provider_message(), Some("ada@example.com looks fake"));
    }
}
