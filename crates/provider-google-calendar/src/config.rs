//! The application's configuration.

use std::sync::Arc;

use serde::Deserialize;
use sync_core::{BuildIntegration, Descriptor, Integration, MakesChoice, Result, SignInWords, settings::entry_within};

use crate::{
    calendars::MAKES,
    descriptor::{DESCRIPTOR, SIGN_IN},
    handler::GoogleCalendar,
};

/// Events in one page of a listing. Source:
/// <https://developers.google.com/workspace/calendar/api/v3/reference/events/list>, `maxResults`: at most 2500.
const MAX_PAGE_SIZE: u32 = 2500;

/// Calls in one batch, at most. Source: <https://developers.google.com/workspace/calendar/api/guides/batch>: 1000 calls.
const MAX_BATCH_SIZE: usize = 1000;

/// Calls in one batch unless the configuration says otherwise. The guide said 50 for years, and clients that send more
/// report refusals of single calls (<https://github.com/googleapis/google-api-dotnet-client/issues/1621>).
const DEFAULT_BATCH_SIZE: usize = 50;

/// What one process decides for all its organizations. Every entry has a default.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
#[non_exhaustive]
pub struct GoogleCalendarConfig {
    /// Events in one page of a listing, 1 to 2,500. Fewer mean less memory and more calls.
    pub page_size: u32,
    /// Calls in one batch, 1 to 1,000. A batch never costs more of the quota for a minute than there is, so beyond 180 a
    /// larger number changes nothing.
    pub batch_size: usize,
}

impl Default for GoogleCalendarConfig {
    fn default() -> Self {
        Self { page_size: MAX_PAGE_SIZE, batch_size: DEFAULT_BATCH_SIZE }
    }
}

impl BuildIntegration for GoogleCalendarConfig {
    const DESCRIPTOR: &'static Descriptor = &DESCRIPTOR;
    const SIGN_IN: SignInWords = SIGN_IN;
    const MAKES: Option<&'static MakesChoice> = Some(&MAKES);

    fn build(self) -> Result<Arc<dyn Integration>> {
        entry_within(DESCRIPTOR.id, "page_size", self.page_size, 1..=MAX_PAGE_SIZE)?;
        entry_within(DESCRIPTOR.id, "batch_size", self.batch_size, 1..=MAX_BATCH_SIZE)?;
        Ok(Arc::new(GoogleCalendar::new(self)))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use sync_testkit::settings::{assert_entry_is_named, assert_no_configuration_is_enough};

    use crate::REGISTRATION;

    #[test]
    fn no_configuration_at_all_is_enough() {
        assert_no_configuration_is_enough(&REGISTRATION);
    }

    #[test]
    fn a_wrong_entry_is_named() {
        assert_entry_is_named(&REGISTRATION, "page_size", [json!(0), json!(2501), json!("x")]);
        assert_entry_is_named(&REGISTRATION, "batch_size", [json!(0), json!(1001)]);
        assert_entry_is_named(&REGISTRATION, "pagesize", [json!(1)]);
    }
}
