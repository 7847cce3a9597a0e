//! Stateful doubles of the provider APIs, in process or over HTTP.
//!
//! A [`Double`] is a state machine over HTTP messages: it knows one provider's rules, holds one account, and does no I/O.
//! A [`Sandbox`] puts the world around it: latency, quotas, seeded [`Fault`]s, a request log and a control interface.
//! Tests and the simulator reach it in process through [`InProcess`]; people and benchmarks over loopback through [`serve`].
//!
//! ```
//! use std::str::FromStr;
//! use sync_sandbox::{AudienceSeed, Fault, Mailchimp, MailchimpSeed, MemberSeed, SandboxOptions};
//!
//! let seed = MailchimpSeed::new("0123456789abcdef-us19").with_audience(
//!     AudienceSeed::new("a1b2c3d4e5", "Newsletter").with_member(MemberSeed::new("ada@example.com", "subscribed")),
//! );
//! let double = Mailchimp::new(seed);
//! let options = SandboxOptions::default().with_seed(7).with_fault(Fault::from_str("429:nth=3:op=lists.batch")?);
//! # let _ = (double, options);
//! # Ok::<(), sync_sandbox::FaultError>(())
//! ```
//!
//! Each double has all paths of its provider at the root, whatever the host: base URLs on loopback are those of
//! `serve`'s address. Mailchimp: `api` = `http://127.0.0.1:PORT/3.0`, `login` = `http://127.0.0.1:PORT`. Google Calendar:
//! `api`, `accounts` and `token` are all `http://127.0.0.1:PORT` (paths `/calendar/v3/…`, `/batch/calendar/v3`,
//! `/o/oauth2/v2/auth`, `/token`, `/revoke`). Xero: `api`, `login` and `identity` are all `http://127.0.0.1:PORT` (paths
//! `/api.xro/2.0/…`, `/connections`, `/identity/connect/authorize`, `/connect/token`, `/connect/revocation`).
//!
//! What a provider sends by itself (notifications to channels) waits in [`Sandbox::take_outbound`] for a test to deliver;
//! [`serve`] delivers it over HTTP, to addresses on loopback only.
//!
//! # Control interface
//!
//! Paths under `/_sandbox/` are the sandbox's own. They need no key, have no latency, meet no fault and are not logged.
//!
//! | call | answer |
//! | --- | --- |
//! | `GET /_sandbox/state` | everything the double holds; `?summary=true` leaves out records |
//! | `POST /_sandbox/act` | does what a person on the other side would do; the body is one action of the double |
//! | `GET /_sandbox/log` | calls by operation and status, and the latest requests; `?entries=false` leaves those out |
//! | `POST /_sandbox/reset` | the double as it was seeded, an empty log, the faults from their start |
//! | `POST /_sandbox/faults` | replaces the faults by those of the body, an array of texts as [`Fault`] parses them |

mod answer;
mod clock;
mod control;
mod deliver;
mod double;
mod fault;
mod google;
mod in_process;
mod log;
mod mailchimp;
mod mask;
mod rng;
mod routes;
mod sandbox;
mod serve;
mod web;
mod xero;

pub use double::Double;
pub use fault::{Fault, FaultError, FaultKind, RetryAfter};
pub use google::{
    CalendarSeed, ConsentSeed, Google, GoogleClientSeed, GoogleQuirks, GoogleQuotas, GoogleSeed, GoogleTokenSeed,
    GoogleUserSeed, Revival,
};
pub use in_process::InProcess;
pub use mailchimp::{
    AccountSeed, AudienceSeed, BatchTags, Mailchimp, MailchimpSeed, MemberSeed, MergeFieldSeed, OAuthClientSeed, Quirks,
    RefusalSeed,
};
pub use sandbox::{Reply, Sandbox, SandboxOptions};
pub use serve::serve;
pub use xero::{
    CurrencySeed, TrackingSeed, Xero, XeroClientSeed, XeroConsentSeed, XeroLimits, XeroQuirks, XeroScopes, XeroSeed,
    XeroTenantSeed, XeroTier, XeroTokenSeed, XeroWebhookSeed,
};
