//! Mailchimp: contacts and tags to one audience.
//!
//! Consent is a one-way ratchet. Nobody enters the audience with more than the host's consent allows, members who are
//! there already are written without a status, and whoever unsubscribed stays unsubscribed. Consent given or withdrawn at
//! Mailchimp flows back through the feed `members`. Tags that a marketer made are never named in a call.
//!
//! Reference: <https://mailchimp.com/developer/marketing/api/>.

mod address;
mod check;
mod client;
mod config;
mod consent;
mod descriptor;
mod error;
mod handler;
mod mapping;
mod merge;
mod model;
mod prepare;
mod pull;
mod push;
mod push_tags;
mod schema;
mod settings;
mod step;
mod summary;
mod tag_change;
mod tags;

pub use config::MailchimpConfig;
pub use descriptor::{AUTOMATION, CONFIRMATION_MAIL, PERMANENT_DELETION};
pub use settings::{DoubleOptin, KnownMembers, MailchimpSettings, MergeTag, TagTemplate, WithoutConsent};

use sync_core::Registration;

/// Mailchimp, for the dispatcher's table.
pub const REGISTRATION: Registration = Registration::of::<MailchimpConfig>();
