//! Google Calendar: trips and training sessions as events, two ways.
//!
//! An event's id is the record's marker, so that a second insert of one record is refused instead of making a twin. Updates
//! name what changed and carry the version that they were decided on; what a person added to an event stays. Times are
//! written and read on the clocks of the record's own zone. Nobody is invited and nobody is mailed. Events that others
//! made, and series, pass through unread unless the settings ask for them.
//!
//! A deleted event keeps its id for ever: it is revived, or, where Google does not let it, followed by the record's next
//! generation, whose number is part of the event's id.
//!
//! Reference: <https://developers.google.com/workspace/calendar/api/v3/reference>.

mod batch;
mod body;
mod calendars;
mod channel;
mod check;
mod client;
mod config;
mod descriptor;
mod error;
mod find;
mod handler;
mod id;
mod mapping;
mod model;
mod prepare;
mod pull;
mod push;
mod schema;
mod settings;
mod summary;
mod template;
mod window;

pub use calendars::{CREATE, create_calendar};
pub use config::GoogleCalendarConfig;
pub use settings::{BookedMoves, CalendarsBy, Cancelled, GoogleCalendarSettings, Kind, ShowAs};
pub use template::Template;

use sync_core::Registration;

/// Google Calendar, for the dispatcher's table.
pub const REGISTRATION: Registration = Registration::of::<GoogleCalendarConfig>();
