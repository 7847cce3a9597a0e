//! The settings as a JSON schema, for pages and programs that ask for them.

use serde_json::{Value, json};
use sync_core::settings::schema;

/// The schema of [`crate::MailchimpSettings`].
pub(crate) fn settings_schema() -> Value {
    let properties = json!({
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
        "double_optin": schema::one_of(
            "Ask to confirm",
            "Whether new subscribers get a mail that asks them to confirm: when the audience says so, or always.",
            &["audience", "always"],
        ),
        "without_consent": schema::one_of(
            "Customers who were never asked",
            "Leave them out, or add them as transactional contacts, to whom no campaign is sent and who cost money all the same.",
            &["skip", "transactional"],
        ),
        "same_address": schema::one_of(
            "Customers who share an address",
            "Ask once for each group, send the one with the smallest id, or send that one with everybody's tags.",
            &["ask", "oldest", "union-of-tags"],
        ),
        "filter": schema::filter("Which customers go"),
        "out_of_scope": schema::out_of_scope(
            "Customers who leave the filter",
            "Keep their contacts as they are, or archive them.",
        ),
        "tags_in_create": {
            "type": "boolean",
            "title": "Tags with new contacts",
            "description": "Sends the tags of new contacts in the call that adds them, where automations are allowed. Saves calls; Mailchimp's reference does not have it.",
            "default": false,
        },
        "known_members": schema::one_of(
            "How known contacts are written",
            "500 in a call, or one in a call.",
            &["batch", "single"],
        ),
        "skip_merge_validation": {
            "type": "boolean",
            "title": "Send incomplete contacts",
            "description": "Sends contacts although they lack a merge field that the audience requires.",
            "default": false,
        },
    });
    schema::object("Mailchimp", &["audience"], [properties])
}

#[cfg(test)]
mod tests {
    use sync_testkit::settings::assert_schema_fits;

    use super::*;
    use crate::MailchimpSettings;

    #[test]
    fn the_schema_lists_what_the_settings_take() {
        let examples = json!({"audience": "a1b2c3d4e5", "filter": {"field": "tags", "any-of": ["x"]}});
        assert_schema_fits::<MailchimpSettings>(&settings_schema(), &examples);
    }
}
