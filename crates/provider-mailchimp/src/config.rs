//! The application's configuration.

use std::sync::Arc;

use serde::Deserialize;
use sync_core::{BuildIntegration, Descriptor, Integration, Result, settings::entry_within};

use crate::{descriptor::DESCRIPTOR, handler::Mailchimp};

/// Members in one page of a listing. Source: <https://mailchimp.com/developer/marketing/api/list-members/>, `count`:
/// "Maximum value is 1000".
const MAX_PAGE_SIZE: u32 = 1000;

/// Members in one write. Source: <https://mailchimp.com/developer/marketing/api/lists/batch-subscribe-or-unsubscribe/>:
/// up to 500 members may be added or updated with each call; static segments take 500 each.
const MAX_MEMBERS_PER_CALL: usize = 500;

/// What one process decides for all its organizations. Every entry has a default.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
#[non_exhaustive]
pub struct MailchimpConfig {
    /// Members in one page of a listing, 1 to 1,000. Fewer mean less memory and more calls.
    pub page_size: u32,
    /// Members in one write, 1 to 500.
    pub members_per_call: usize,
}

impl Default for MailchimpConfig {
    fn default() -> Self {
        Self { page_size: MAX_PAGE_SIZE, members_per_call: MAX_MEMBERS_PER_CALL }
    }
}

impl BuildIntegration for MailchimpConfig {
    const DESCRIPTOR: &'static Descriptor = &DESCRIPTOR;

    fn build(self) -> Result<Arc<dyn Integration>> {
        entry_within(DESCRIPTOR.id, "page_size", self.page_size, 1..=MAX_PAGE_SIZE)?;
        entry_within(DESCRIPTOR.id, "members_per_call", self.members_per_call, 1..=MAX_MEMBERS_PER_CALL)?;
        Ok(Arc::new(Mailchimp::new(self)))
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
        assert_entry_is_named(&REGISTRATION, "page_size", [json!(0), json!(1001), json!("x")]);
        assert_entry_is_named(&REGISTRATION, "members_per_call", [json!(0), json!(501)]);
        assert_entry_is_named(&REGISTRATION, "pagesize", [json!(1)]);
    }
}
