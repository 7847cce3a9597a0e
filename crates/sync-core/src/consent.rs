//! Consent: what a person has agreed to receive, and the facts an integration reports about it.

use std::fmt;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::LocalId;

/// The way a message would reach a person.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Channel {
    /// E-mail.
    Email,
    /// Text message.
    Sms,
    /// WhatsApp.
    Whatsapp,
}

impl Channel {
    /// The name in fields (`consent.email`) and stores.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Email => "email",
            Self::Sms => "sms",
            Self::Whatsapp => "whatsapp",
        }
    }
}

impl fmt::Display for Channel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// How far consent goes, lowest first: the order is the ratchet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ConsentState {
    /// The address cannot be reached any more: bounced, or erased at the provider. Lower than a refusal, since a new
    /// opt-in for it is worth nothing.
    Undeliverable,
    /// The person said no.
    Denied,
    /// Nobody asked.
    Unknown,
    /// Asked to confirm, and not answered yet.
    Pending,
    /// The person said yes.
    Granted,
}

impl ConsentState {
    /// The name in JSON and stores.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Undeliverable => "undeliverable",
            Self::Denied => "denied",
            Self::Unknown => "unknown",
            Self::Pending => "pending",
            Self::Granted => "granted",
        }
    }
}

/// Consent on one channel, with where and when it was given.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Consent {
    /// How far it goes.
    pub state: ConsentState,
    /// Where it was given, in the host's words ("web form", "paper 2024").
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<String>,
    /// When it was given or withdrawn. A local opt-in without a time never lifts a suppression.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at: Option<Timestamp>,
}

impl Consent {
    /// Consent of this state, without source and time.
    pub fn new(state: ConsentState) -> Self {
        Self { state, source: None, at: None }
    }

    /// With the time it was given or withdrawn.
    #[must_use]
    pub fn at(mut self, at: Timestamp) -> Self {
        self.at = Some(at);
        self
    }

    /// With where it was given.
    #[must_use]
    pub fn from_source(mut self, source: impl Into<String>) -> Self {
        self.source = Some(source.into());
        self
    }
}

/// What an integration learned about a person's consent, handed to [`crate::ConsentSink`] until it is taken.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ConsentFact {
    /// The same for the same fact: recording it twice does nothing.
    pub id: String,
    /// The channel.
    pub channel: Channel,
    /// The e-mail address or number.
    pub address: String,
    /// What the person now agrees to there.
    pub state: ConsentState,
    /// Integration, account and container, such as `mailchimp:8d3a3db4d9:a1b2c3d4e5`.
    pub source: String,
    /// When it happened, as far as the provider says.
    pub at: Timestamp,
    /// The host's record, where one is linked.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub record: Option<LocalId>,
}

/// Prints no address.
impl fmt::Debug for ConsentFact {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ConsentFact")
            .field("id", &self.id)
            .field("channel", &self.channel)
            .field("state", &self.state)
            .field("source", &self.source)
            .field("at", &self.at)
            .field("record", &self.record)
            .finish_non_exhaustive()
    }
}
