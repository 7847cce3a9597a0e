//! The application's configuration.

use std::sync::Arc;

use serde::Deserialize;
use sync_core::{BuildIntegration, Descriptor, Error, ErrorKind, Integration, LeaveAccount, Result, SignInWords};

use crate::{
    check,
    descriptor::{DESCRIPTOR, SIGN_IN},
    handler::Xero,
};

/// Records in one page of a listing. Source: <https://developer.xero.com/documentation/best-practices/api-calling-efficiencies/paging>
/// (read 2026-11-22): `pageSize` 1 to 1,000, 100 without it.
const MAX_PAGE_SIZE: u32 = 1000;

/// Records in one write. Source: <https://developer.xero.com/documentation/best-practices/integration-health/rate-limits>
/// (read 2026-11-22): about 50 elements, and no more than 3.5 MB, are advised.
pub(crate) const MAX_BATCH_SIZE: usize = 50;

/// What one process decides for all its organizations. Every entry has a default.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
#[non_exhaustive]
pub struct XeroConfig {
    /// Records in one page of a listing, 1 to 1,000. Fewer mean less memory and more calls.
    pub page_size: u32,
    /// Records in one write, 1 to 50.
    pub batch_size: usize,
}

impl Default for XeroConfig {
    fn default() -> Self {
        Self { page_size: MAX_PAGE_SIZE, batch_size: MAX_BATCH_SIZE }
    }
}

impl BuildIntegration for XeroConfig {
    const DESCRIPTOR: &'static Descriptor = &DESCRIPTOR;
    const SIGN_IN: SignInWords = SIGN_IN;
    const LEAVES: Option<LeaveAccount> = Some(|cx, tenant| Box::pin(check::leave(cx, tenant)));

    fn build(self) -> Result<Arc<dyn Integration>> {
        let wrong = |entry: &str, most: usize| {
            Error::new(ErrorKind::Config, format!("{entry} of xero must be between 1 and {most}"))
                .with_remedy(format!("Correct {entry} in the configuration of xero and start again."))
        };
        if !(1..=MAX_PAGE_SIZE).contains(&self.page_size) {
            return Err(wrong("page_size", MAX_PAGE_SIZE as usize));
        }
        if !(1..=MAX_BATCH_SIZE).contains(&self.batch_size) {
            return Err(wrong("batch_size", MAX_BATCH_SIZE));
        }
        Ok(Arc::new(Xero::new(self)))
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
            (json!({"batch_size": 0}), "batch_size"),
            (json!({"batch_size": 51}), "batch_size"),
            (json!({"pagesize": 1}), "pagesize"),
        ] {
            let error = (REGISTRATION.build)(config).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Config);
            assert!(error.message().contains(word), "{error}");
        }
    }
}
