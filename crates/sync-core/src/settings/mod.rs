//! What providers' configurations and settings have in common: how a wrong entry is told, and what a setting that all
//! have looks like in a schema.

pub mod schema;

use std::{fmt, ops::RangeInclusive};

use crate::{Error, ErrorKind, Owner, Result};

/// Refuses a number of an application's configuration that lies outside its range, by its name.
///
/// # Errors
/// [`ErrorKind::Config`].
pub fn entry_within<T>(integration: &str, entry: &str, value: T, range: RangeInclusive<T>) -> Result<()>
where
    T: PartialOrd + fmt::Display,
{
    if range.contains(&value) {
        return Ok(());
    }
    let message = format!("{entry} of {integration} must be between {} and {}", range.start(), range.end());
    Err(Error::new(ErrorKind::Config, message)
        .with_remedy(format!("Correct {entry} in the configuration of {integration} and start again.")))
}

/// What a setting of a connection that can't be taken comes to. `provider` is the provider's name as people know it.
pub fn wrong_setting(provider: &str, setting: &str, what: &str, remedy: &'static str) -> Error {
    Error::new(ErrorKind::Config, format!("the {provider} setting {setting} {what}"))
        .with_owner(Owner::EndUserData)
        .with_remedy(remedy)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_outside_its_range_is_named_with_the_range() {
        assert!(entry_within("somewhere", "page_size", 1, 1..=10).is_ok());
        let error = entry_within("somewhere", "page_size", 11, 1..=10).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Config);
        assert_eq!(error.message(), "page_size of somewhere must be between 1 and 10");
        assert!(error.remedy().is_some_and(|remedy| remedy.contains("page_size")));
    }

    #[test]
    fn a_wrong_setting_is_the_users_to_correct() {
        let error = wrong_setting("Somewhere", "place", "is no place", "Choose one.");
        assert_eq!((error.kind(), error.owner()), (ErrorKind::Config, Owner::EndUserData));
        assert_eq!(error.message(), "the Somewhere setting place is no place");
    }
}
