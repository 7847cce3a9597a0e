//! JSON schemas of settings: the frame, and the properties that several providers have.
//!
//! What a property says of itself is for people and is the provider's; what it takes is what the types of
//! [`Rules`](crate::Rules) take, and is said once, here.

use serde_json::{Value, json};

/// A schema of settings that takes nothing unknown. `groups` are objects of properties, in the order of a page.
pub fn object(title: &str, required: &[&str], groups: impl IntoIterator<Item = Value>) -> Value {
    let mut properties = serde_json::Map::new();
    for group in groups {
        if let Value::Object(group) = group {
            properties.extend(group);
        }
    }
    json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": title,
        "type": "object",
        "additionalProperties": false,
        "required": required,
        "properties": properties,
    })
}

/// A setting with one of these values, the first of which is the default.
pub fn one_of(title: &str, description: &str, values: &[&str]) -> Value {
    let mut property = json!({"type": "string", "title": title, "enum": values, "default": values.first()});
    if !description.is_empty() {
        property["description"] = description.into();
    }
    property
}

/// A [`Filter`](crate::Filter).
pub fn filter(title: &str) -> Value {
    json!({
        "type": "object",
        "title": title,
        "description": "A test on one field.",
        "required": ["field"],
        "properties": {
            "field": {"type": "string", "minLength": 1},
            "any-of": {"type": "array", "items": {"type": "string"}},
            "none-of": {"type": "array", "items": {"type": "string"}},
            "present": {"type": "boolean"},
            "more-than": {"type": "string"},
        },
        "additionalProperties": false,
        "minProperties": 2,
        "maxProperties": 2,
    })
}

/// An [`OutOfScope`](crate::OutOfScope).
pub fn out_of_scope(title: &str, description: &str) -> Value {
    one_of(title, description, &["keep", "archive"])
}

/// A [`Direction`](crate::Direction) of a connection.
pub fn direction(description: &str) -> Value {
    one_of("Direction", description, &["push", "pull", "both"])
}

/// Conflict policies by field.
pub fn conflicts(title: &str, description: &str) -> Value {
    json!({
        "type": "object",
        "title": title,
        "description": description,
        "additionalProperties": {"type": "string", "enum": CONFLICT_POLICIES},
        "default": {},
    })
}

/// One [`ConflictPolicy`](crate::ConflictPolicy).
pub fn conflict_policy(title: &str, description: &str) -> Value {
    one_of(title, description, &CONFLICT_POLICIES)
}

const CONFLICT_POLICIES: [&str; 4] = ["ask", "local-wins", "remote-wins", "newest"];

/// An [`OnRemoteNew`](crate::OnRemoteNew).
pub fn on_remote_new(title: &str, description: &str) -> Value {
    one_of(title, description, &["ignore", "ask", "create"])
}

/// An [`OnRemoteDelete`](crate::OnRemoteDelete).
pub fn on_remote_delete(title: &str, description: &str) -> Value {
    one_of(title, description, &["flag", "detach", "cancel", "recreate", "delete"])
}

/// An [`OnRefusal`](crate::OnRefusal).
pub fn on_refusal(title: &str, description: &str) -> Value {
    one_of(title, description, &["ask", "put-back"])
}

#[cfg(test)]
mod tests {
    use serde::de::DeserializeOwned;

    use super::*;
    use crate::{ConflictPolicy, Direction, Filter, OnRefusal, OnRemoteDelete, OnRemoteNew, OutOfScope};

    fn takes<T: DeserializeOwned + Default + PartialEq + std::fmt::Debug>(property: &Value) {
        for value in property["enum"].as_array().unwrap() {
            serde_json::from_value::<T>(value.clone()).unwrap_or_else(|error| panic!("{value}: {error}"));
        }
        let wrong = serde_json::from_value::<T>(json!("?")).unwrap_err().to_string();
        let known = wrong.split('`').skip(3).step_by(2).count();
        assert_eq!(known, property["enum"].as_array().unwrap().len(), "{wrong}");
        assert_eq!(serde_json::from_value::<T>(property["default"].clone()).unwrap(), T::default());
    }

    #[test]
    fn what_a_property_takes_is_what_its_type_takes() {
        takes::<OutOfScope>(&out_of_scope("t", "d"));
        takes::<ConflictPolicy>(&conflict_policy("t", "d"));
        takes::<OnRemoteNew>(&on_remote_new("t", "d"));
        takes::<OnRemoteDelete>(&on_remote_delete("t", "d"));
        takes::<OnRefusal>(&on_refusal("t", "d"));
        for value in direction("d")["enum"].as_array().unwrap() {
            serde_json::from_value::<Direction>(value.clone()).unwrap();
        }
        for value in conflicts("t", "d")["additionalProperties"]["enum"].as_array().unwrap() {
            serde_json::from_value::<ConflictPolicy>(value.clone()).unwrap();
        }
    }

    #[test]
    fn a_filter_takes_each_test_that_the_schema_lists() {
        let schema = filter("t");
        for (name, property) in schema["properties"].as_object().unwrap().iter().filter(|(name, _)| *name != "field") {
            let value = match property["type"].as_str().unwrap() {
                "array" => json!(["x"]),
                "boolean" => json!(true),
                _ => json!("1.5"),
            };
            serde_json::from_value::<Filter>(json!({"field": "f", name: value})).unwrap_or_else(|e| panic!("{name}: {e}"));
        }
    }

    #[test]
    fn groups_are_one_object_in_their_order() {
        let schema = object("Somewhere", &["a"], [json!({"a": 1}), json!({"b": 2})]);
        assert_eq!(schema["properties"], json!({"a": 1, "b": 2}));
        assert_eq!(schema["additionalProperties"], json!(false));
    }
}
