//! What a world of Google accounts starts with.

use std::{collections::BTreeMap, fmt};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::quirks::{GoogleQuirks, GoogleQuotas};

/// Google as a document: users, their calendars, and the apps that they may connect.
#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct GoogleSeed {
    /// Who has an account. The first one is meant where an action names nobody.
    pub users: Vec<GoogleUserSeed>,
    /// Secondary calendars, and events of primary ones (whose id is their user's address).
    #[serde(default)]
    pub calendars: Vec<CalendarSeed>,
    /// Apps that people can connect.
    #[serde(default)]
    pub oauth_clients: Vec<GoogleClientSeed>,
    /// Access tokens that are valid from the start and do not expire.
    #[serde(default)]
    pub tokens: Vec<GoogleTokenSeed>,
    /// What the person on the consent page does by himself; nothing: a page is shown.
    #[serde(default)]
    pub consent: Option<ConsentSeed>,
    /// How much is allowed, where quotas are enforced.
    #[serde(default)]
    pub quotas: GoogleQuotas,
    /// What the documentation leaves open.
    #[serde(default)]
    pub quirks: GoogleQuirks,
    /// When everything was made.
    #[serde(default = "default_created")]
    pub created: Timestamp,
}

/// 2025-01-01, before any test's clock.
fn default_created() -> Timestamp {
    Timestamp::from_second(1_735_689_600).unwrap_or(Timestamp::UNIX_EPOCH)
}

/// A person with a Google account.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct GoogleUserSeed {
    /// The address, which is also the id of the primary calendar.
    pub email: String,
    /// The name.
    #[serde(default)]
    pub name: String,
    /// Zone of the primary calendar.
    #[serde(default = "default_zone")]
    pub time_zone: String,
    /// False for an account without Google Calendar.
    #[serde(default = "yes")]
    pub has_calendar: bool,
}

fn default_zone() -> String {
    "Europe/Madrid".into()
}

fn yes() -> bool {
    true
}

impl GoogleUserSeed {
    /// A person in Madrid.
    pub fn new(email: impl Into<String>) -> Self {
        let email = email.into();
        let name = email.split('@').next().unwrap_or_default().to_owned();
        Self { email, name, time_zone: default_zone(), has_calendar: true }
    }

    /// With this zone.
    #[must_use]
    pub fn with_zone(mut self, zone: impl Into<String>) -> Self {
        self.time_zone = zone.into();
        self
    }
}

/// A calendar.
#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct CalendarSeed {
    /// Its id; the owner's address for the primary calendar.
    pub id: String,
    /// Its name.
    pub summary: String,
    /// Address of its owner.
    pub owner: String,
    /// Its zone; else the owner's.
    #[serde(default)]
    pub time_zone: Option<String>,
    /// Who else may do what: address -> `reader`, `writer` or `owner`.
    #[serde(default)]
    pub shared_with: BTreeMap<String, String>,
    /// The app that made it: what `calendar.app.created` reaches.
    #[serde(default)]
    pub made_by: Option<String>,
    /// Its events, as `events.insert` takes them. With `organizer` (`{"email": …}`) somebody else's invitation; with the
    /// status `cancelled` a deleted one.
    #[serde(default)]
    pub events: Vec<Map<String, Value>>,
}

impl CalendarSeed {
    /// A calendar without events.
    pub fn new(id: impl Into<String>, summary: impl Into<String>, owner: impl Into<String>) -> Self {
        Self {
            id: id.into(),
            summary: summary.into(),
            owner: owner.into(),
            time_zone: None,
            shared_with: BTreeMap::new(),
            made_by: None,
            events: Vec::new(),
        }
    }

    /// With one more event, a JSON object; anything else is left out.
    #[must_use]
    pub fn with_event(mut self, event: Value) -> Self {
        if let Value::Object(event) = event {
            self.events.push(event);
        }
        self
    }

    /// In this zone.
    #[must_use]
    pub fn with_zone(mut self, zone: impl Into<String>) -> Self {
        self.time_zone = Some(zone.into());
        self
    }

    /// Shared with this person, as `reader`, `writer` or `owner`.
    #[must_use]
    pub fn shared_with(mut self, email: impl Into<String>, role: impl Into<String>) -> Self {
        self.shared_with.insert(email.into(), role.into());
        self
    }

    /// Made by this app.
    #[must_use]
    pub fn made_by(mut self, client: impl Into<String>) -> Self {
        self.made_by = Some(client.into());
        self
    }
}

impl fmt::Debug for CalendarSeed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CalendarSeed").field("id", &self.id).field("n_events", &self.events.len()).finish_non_exhaustive()
    }
}

/// An app registered with Google.
#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct GoogleClientSeed {
    /// `client_id`.
    pub id: String,
    /// `client_secret`.
    pub secret: String,
    /// Where people may be sent back to; any loopback address when empty.
    #[serde(default)]
    pub redirect_uris: Vec<String>,
    /// True while its consent screen is in testing: its refresh tokens die after 7 days.
    #[serde(default)]
    pub is_testing: bool,
}

impl GoogleClientSeed {
    /// A published app that sends people back to loopback addresses.
    pub fn new(id: impl Into<String>, secret: impl Into<String>) -> Self {
        Self { id: id.into(), secret: secret.into(), redirect_uris: Vec::new(), is_testing: false }
    }

    /// The same, in testing mode.
    #[must_use]
    pub fn testing(mut self) -> Self {
        self.is_testing = true;
        self
    }

    /// With one more address that people may be sent back to.
    #[must_use]
    pub fn with_redirect(mut self, uri: impl Into<String>) -> Self {
        self.redirect_uris.push(uri.into());
        self
    }
}

impl fmt::Debug for GoogleClientSeed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GoogleClientSeed").field("id", &self.id).finish_non_exhaustive()
    }
}

/// An access token that is valid from the start.
#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct GoogleTokenSeed {
    /// The token.
    pub token: String,
    /// Whose it is.
    pub user: String,
    /// The app that has it; else the first one of the seed.
    #[serde(default)]
    pub client: Option<String>,
    /// What it is for; everything in Calendar when empty.
    #[serde(default)]
    pub scopes: Vec<String>,
}

impl GoogleTokenSeed {
    /// A token for everything in Calendar.
    pub fn new(token: impl Into<String>, user: impl Into<String>) -> Self {
        Self { token: token.into(), user: user.into(), client: None, scopes: Vec::new() }
    }

    /// The same for these scopes only.
    #[must_use]
    pub fn with_scopes(mut self, scopes: &[&str]) -> Self {
        self.scopes = scopes.iter().map(|&scope| scope.to_owned()).collect();
        self
    }

    /// The same in the hands of this app.
    #[must_use]
    pub fn of_client(mut self, client: impl Into<String>) -> Self {
        self.client = Some(client.into());
        self
    }
}

impl fmt::Debug for GoogleTokenSeed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GoogleTokenSeed").field("user", &self.user).finish_non_exhaustive()
    }
}

/// What a person does on the consent page.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
#[non_exhaustive]
pub struct ConsentSeed {
    /// Who signs in; else the `login_hint`, else the first user.
    pub user: Option<String>,
    /// Scopes whose boxes the person unticks.
    pub untick: Vec<String>,
    /// True when the person says no.
    pub denies: bool,
}

impl GoogleSeed {
    /// A world with this one user and his primary calendar.
    pub fn new(email: impl Into<String>) -> Self {
        Self {
            users: vec![GoogleUserSeed::new(email)],
            calendars: Vec::new(),
            oauth_clients: Vec::new(),
            tokens: Vec::new(),
            consent: None,
            quotas: GoogleQuotas::default(),
            quirks: GoogleQuirks::default(),
            created: default_created(),
        }
    }

    /// Reads a seed document.
    ///
    /// # Errors
    /// It is no JSON, or has a member that is not known.
    pub fn from_json(text: &str) -> Result<Self, serde_json::Error> {
        serde_json::from_str(text)
    }

    /// With one more user.
    #[must_use]
    pub fn with_user(mut self, user: GoogleUserSeed) -> Self {
        self.users.push(user);
        self
    }

    /// With one more calendar.
    #[must_use]
    pub fn with_calendar(mut self, calendar: CalendarSeed) -> Self {
        self.calendars.push(calendar);
        self
    }

    /// With an app that people can connect.
    #[must_use]
    pub fn with_oauth_client(mut self, client: GoogleClientSeed) -> Self {
        self.oauth_clients.push(client);
        self
    }

    /// With an access token that does not expire.
    #[must_use]
    pub fn with_token(mut self, token: GoogleTokenSeed) -> Self {
        self.tokens.push(token);
        self
    }

    /// With a person who decides on the consent page by himself.
    #[must_use]
    pub fn with_consent(mut self, consent: ConsentSeed) -> Self {
        self.consent = Some(consent);
        self
    }

    /// With other quotas.
    #[must_use]
    pub fn with_quotas(mut self, quotas: GoogleQuotas) -> Self {
        self.quotas = quotas;
        self
    }

    /// With other answers to what the documentation leaves open.
    #[must_use]
    pub fn with_quirks(mut self, quirks: GoogleQuirks) -> Self {
        self.quirks = quirks;
        self
    }
}

impl fmt::Debug for GoogleSeed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GoogleSeed")
            .field("n_users", &self.users.len())
            .field("n_calendars", &self.calendars.len())
            .finish_non_exhaustive()
    }
}
