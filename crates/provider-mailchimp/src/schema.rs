//! The settings as a JSON schema, for pages and programs that ask for them.

use serde_json::{Value, json};

/// The schema of [`crate::MailchimpSettings`].
pub(crate) fn settings_schema() -> Value {
    json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Mailchimp",
        "type": "object",
        "additionalProperties": false,
        "required": ["audience"],
        "properties": {
            "audience": {
                "type": "string",
                "title": "Audience",
                "description": "Where the contacts go.",
                "x-choices": "audiences",
            },
            "merge_fields": {
                "type": "object",
                "title": "Merge fields",
                "description": "Which of your fields each merge field holds.",
                "default": {"FNAME": "first_name", "LNAME": "last_name"},
                "propertyNames": {"pattern": "^[A-Z0-9_]+$", "x-choices": "merge-fields"},
                "additionalProperties": {"type": "string", "minLength": 1},
            },
            "tags": {
                "type": "boolean",
                "title": "Send tags",
                "description": "Whether your customers' tags go. Tags made in Mailchimp are never touched.",
                "default": true,
            },
            "tag_prefix": {
                "type": "string",
                "title": "Tag prefix",
                "description": "What your tags start with in Mailchimp, such as shop:.",
                "maxLength": 50,
                "default": "",
            },
            "tag_rules": {
                "type": "object",
                "title": "Tags from fields",
                "description": "Tags made of other fields: extra.level to level:{value}. Without {value}, the tag is there while the field is neither blank nor no.",
                "default": {},
                "additionalProperties": {"type": "string", "minLength": 1, "maxLength": 100, "x-choices": "tags"},
            },
            "double_optin": {
                "type": "string",
                "title": "Ask to confirm",
                "description": "Whether new subscribers get a mail that asks them to confirm: when the audience says so, or always.",
                "enum": ["audience", "always"],
                "default": "audience",
            },
            "without_consent": {
                "type": "string",
                "title": "Customers who were never asked",
                "description": "Leave them out, or add them as transactional contacts, to whom no campaign is sent and who cost money all the same.",
                "enum": ["skip", "transactional"],
                "default": "skip",
            },
            "same_address": {
                "type": "string",
                "title": "Customers who share an address",
                "description": "Ask once for each group, send the one with the smallest id, or send that one with everybody's tags.",
                "enum": ["ask", "oldest", "union-of-tags"],
                "default": "ask",
            },
            "filter": {
                "type": "object",
                "title": "Which customers go",
                "description": "A test on one field.",
                "required": ["field"],
                "properties": {
                    "field": {"type": "string", "minLength": 1},
                    "any-of": {"type": "array", "items": {"type": "string"}},
                    "none-of": {"type": "array", "items": {"type": "string"}},
                    "present": {"type": "boolean"},
                },
                "additionalProperties": false,
                "minProperties": 2,
                "maxProperties": 2,
            },
            "out_of_scope": {
                "type": "string",
                "title": "Customers who leave the filter",
                "description": "Keep their contacts as they are, or archive them.",
                "enum": ["keep", "archive"],
                "default": "keep",
            },
            "tags_in_create": {
                "type": "boolean",
                "title": "Tags with new contacts",
                "description": "Sends the tags of new contacts in the call that adds them, where automations are allowed. Saves calls; Mailchimp's reference does not have it.",
                "default": false,
            },
            "known_members": {
                "type": "string",
                "title": "How known contacts are written",
                "description": "500 in a call, or one in a call.",
                "enum": ["batch", "single"],
                "default": "batch",
            },
            "skip_merge_validation": {
                "type": "boolean",
                "title": "Send incomplete contacts",
                "description": "Sends contacts although they lack a merge field that the audience requires.",
                "default": false,
            },
        },
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::MailchimpSettings;

    #[test]
    fn every_property_of_the_schema_is_a_setting_and_its_default_can_be_read() {
        let schema = settings_schema();
        for (name, property) in schema["properties"].as_object().unwrap() {
            let value = match name.as_str() {
                "audience" => json!("a1b2c3d4e5"),
                "filter" => json!({"field": "tags", "any-of": ["x"]}),
                _ => property["default"].clone(),
            };
            let settings = json!({name: value});
            serde_json::from_value::<MailchimpSettings>(settings).unwrap_or_else(|error| panic!("{name}: {error}"));
        }
    }

    #[test]
    fn every_setting_is_in_the_schema() {
        // serde lists the settings that it knows when it meets one that it doesn't.
        let error = serde_json::from_value::<MailchimpSettings>(json!({"?": 1})).unwrap_err().to_string();
        let known = error.split('`').skip(3).step_by(2).collect::<Vec<_>>();
        let schema = settings_schema();
        let properties = schema["properties"].as_object().unwrap();
        assert!(known.len() > 5, "{error}");
        assert!(known.iter().all(|name| properties.contains_key(*name)), "{known:?}");
        assert_eq!(known.len(), properties.len(), "{known:?}");
    }
}
