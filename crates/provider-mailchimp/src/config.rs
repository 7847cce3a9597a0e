//! The application's configuration.

use std::sync::Arc;

use serde::Deserialize;
use sync_core::{BuildIntegration, Descriptor, Error, ErrorKind, Integration, Result};

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
        let wrong = |entry: &str, most: usize| {
            Error::new(ErrorKind::Config, format!("{entry} of mailchimp must be between 1 and {most}"))
                .with_remedy(format!("Correct {entry} in the configuration of mailchimp and start again."))
        };
        if !(1..=MAX_PAGE_SIZE).contains(&self.page_size) {
            return Err(wrong("page_size", MAX_PAGE_SIZE as usize));
        }
        if !(1..=MAX_MEMBERS_PER_CALL).contains(&self.members_per_call) {
            return Err(wrong("members_per_call", MAX_MEMBERS_PER_CALL));
        }
        Ok(Arc::new(Mailchimp::new(self)))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::REGISTRATION;

    #[test]
    fn no_configuration_at_all_is_enough() {
        assert!((REGISTRATION.build)(serde_json::Value::Null).is_ok());
    }

    #[test]
    fn a_wrong_entry_is_named() {
        for (config, word) in [
            (json!({"page_size": 1001}), "page_size"),
            (json!({"members_per_call": 0}), "members_per_call"),
            (json!({"pagesize": 1}), "pagesize"),
        ] {
            let error = (REGISTRATION.build)(config).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Config);
            assert!(error.message().contains(word), "{error}");
        }
    }
}
