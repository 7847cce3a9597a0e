//! What every provider's configuration and settings are asked.

// A suite: what does not hold ends the test.
#![allow(clippy::expect_used, clippy::unwrap_used, clippy::missing_panics_doc)]

use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use sync_core::{ErrorKind, Registration};

/// A process that says nothing about the provider can use it.
///
/// # Panics
/// When it can't.
pub fn assert_no_configuration_is_enough(registration: &Registration) {
    (registration.build)(Value::Null).expect("every entry has a default");
    (registration.build)(json!({})).expect("every entry has a default");
}

/// Each of these values of the entry is refused, by the entry's name.
///
/// # Panics
/// When one is taken, or refused in other words.
pub fn assert_entry_is_named(registration: &Registration, entry: &str, wrong: impl IntoIterator<Item = Value>) {
    for value in wrong {
        let Err(error) = (registration.build)(json!({entry: value})) else { panic!("{entry} takes {value}") };
        assert_eq!(error.kind(), ErrorKind::Config);
        assert!(error.message().contains(entry), "{entry} = {value} is refused without its name: {error}");
    }
}

/// The schema lists every setting and no other, and each default is one that the settings take. `examples` has a value
/// for each property without a default.
///
/// # Panics
/// When schema and settings say different things.
pub fn assert_schema_fits<S: DeserializeOwned>(schema: &Value, examples: &Value) {
    let properties = schema["properties"].as_object().expect("a schema has properties");
    for (name, property) in properties {
        let value = examples.get(name).or_else(|| property.get("default"));
        let value = value.unwrap_or_else(|| panic!("{name} has neither a default nor an example"));
        if let Err(error) = serde_json::from_value::<S>(json!({name: value})) {
            panic!("{name} = {value} can't be read: {error}");
        }
    }
    // serde lists the settings that it knows when it meets one that it doesn't.
    let Err(error) = serde_json::from_value::<S>(json!({"?": 1})) else { panic!("an unknown setting is taken") };
    let error = error.to_string();
    let mut known: Vec<&str> = error.split('`').skip(3).step_by(2).collect();
    let mut listed: Vec<&str> = properties.keys().map(String::as_str).collect();
    known.sort_unstable();
    listed.sort_unstable();
    assert_eq!(listed, known, "left: the schema; right: the settings");
}

#[cfg(test)]
mod tests {
    use std::panic::catch_unwind;

    use serde::Deserialize;

    use super::*;

    #[derive(Deserialize)]
    #[serde(deny_unknown_fields, default)]
    #[allow(dead_code)]
    #[derive(Default)]
    struct Settings {
        place: String,
        n: u8,
    }

    fn fits(properties: Value) -> bool {
        catch_unwind(|| assert_schema_fits::<Settings>(&json!({"properties": properties}), &json!({"place": "x"}))).is_ok()
    }

    #[test]
    fn a_schema_that_lacks_a_setting_or_has_another_is_told() {
        let (place, n) = (json!({"type": "string"}), json!({"default": 1}));
        assert!(fits(json!({"place": place, "n": n})));
        assert!(!fits(json!({"place": place})));
        assert!(!fits(json!({"place": place, "n": n, "more": n})));
        assert!(!fits(json!({"place": place, "n": {"default": "one"}})));
    }
}
