//! The settings as a JSON schema, for pages and programs that ask for them.

use serde_json::{Value, json};

use crate::settings::{DONT_SEND, MAX_DUE_DAYS, MAX_PREFIX_CHARS, MAX_TRACKING};

/// The schema of [`crate::XeroSettings`].
pub(crate) fn settings_schema() -> Value {
    let mut properties = kinds();
    for more in [documents(), payments()] {
        if let (Value::Object(all), Value::Object(more)) = (&mut properties, more) {
            all.extend(more);
        }
    }
    json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Xero",
        "type": "object",
        "additionalProperties": false,
        "properties": properties,
    })
}

fn kinds() -> Value {
    let who_wins = ["local-wins", "remote-wins", "newest", "ask"];
    json!({
        "contacts": part("Contacts", "both"),
        "invoices": part("Invoices and credit notes", "push"),
        "payments": part("Payments", "push"),
        "shared_addresses": {
            "type": "array",
            "title": "Addresses that many give",
            "description": "With * for any text, such as walkin@* or your own domain. They say nothing about who is who.",
            "items": {"type": "string", "minLength": 1},
            "default": [],
        },
        "start": {
            "type": "string",
            "format": "date",
            "title": "First day",
            "description": "Documents and payments before it are not made in Xero, only linked where they are there.",
        },
        "conflicts": {
            "type": "object",
            "title": "Who wins where both changed a contact",
            "description": "By field: you, Xero, the newer, or ask. Ask where nothing is said.",
            "additionalProperties": {"type": "string", "enum": who_wins},
            "default": {},
        },
        "on_match": {
            "type": "string",
            "title": "Who wins where a new contact was there already",
            "enum": who_wins,
            "default": "ask",
        },
    })
}

fn part(title: &str, direction: &str) -> Value {
    json!({
        "type": "object",
        "title": title,
        "additionalProperties": false,
        "default": {},
        "properties": {
            "direction": {
                "type": "string",
                "title": "Direction",
                "description": "Push writes Xero, pull writes your records, both does both, off does neither.",
                "enum": ["off", "push", "pull", "both"],
                "default": direction,
            },
            "on_remote_new": {
                "type": "string",
                "title": "What is new in Xero",
                "enum": ["ignore", "ask", "create"],
                "default": "ignore",
            },
            "on_remote_delete": {
                "type": "string",
                "title": "What was deleted in Xero",
                "description": "Ask, let the record go its own way, cancel or delete the record, or make it in Xero again.",
                "enum": ["flag", "detach", "cancel", "recreate", "delete"],
                "default": "flag",
            },
            "filter": {
                "type": "object",
                "title": "Which records go",
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
            },
            "out_of_scope": {
                "type": "string",
                "title": "Records that leave the filter",
                "description": "Keep them in Xero as they are, or archive or void them there.",
                "enum": ["keep", "archive"],
                "default": "keep",
            },
        },
    })
}

fn documents() -> Value {
    json!({
        "account": {
            "type": "string",
            "title": "Sales account",
            "description": "The account of lines whose type names no other.",
            "minLength": 1,
            "x-choices": "accounts",
        },
        "accounts": {
            "type": "object",
            "title": "Accounts by type of line",
            "description": "Which account each type of line goes to, such as trips, courses and gear.",
            "additionalProperties": {"type": "string", "minLength": 1, "x-choices": "accounts"},
            "default": {},
        },
        "tax_rate": {
            "type": "string",
            "title": "Tax rate",
            "description": "Of lines that name no tax. Without it, the account's own.",
            "minLength": 1,
            "x-choices": "tax-rates",
        },
        "tax_rates": {
            "type": "object",
            "title": "Tax rates",
            "description": "Which of Xero's rates each of your taxes is.",
            "additionalProperties": {"type": "string", "minLength": 1, "x-choices": "tax-rates"},
            "default": {},
        },
        "tracking": {
            "type": "object",
            "title": "Tracking",
            "description": "An option for each tracking category that lines shall carry, two at most.",
            "propertyNames": {"x-choices": "tracking-categories"},
            "additionalProperties": {"type": "string", "minLength": 1, "x-choices": "tracking-options"},
            "maxProperties": MAX_TRACKING,
            "default": {},
        },
        "branding_theme": {
            "type": "string",
            "title": "Branding theme",
            "description": "How new documents look. Without it, Xero's default.",
            "minLength": 1,
            "x-choices": "branding-themes",
        },
        "number_prefix": {
            "type": "string",
            "title": "Prefix of numbers",
            "description": "What numbers start with in Xero, before your own. Keeps two shops in one company apart.",
            "maxLength": MAX_PREFIX_CHARS,
            "default": "",
        },
        "invoice_status": {
            "type": "string",
            "title": "Status of new documents",
            "description": "Draft and submitted ones wait for a person in Xero, and their payments with them.",
            "enum": ["draft", "submitted", "authorised"],
            "default": "authorised",
        },
        "due_days": {
            "type": "integer",
            "title": "Days until due",
            "description": "Of documents that name no due date.",
            "minimum": 0,
            "maximum": MAX_DUE_DAYS,
            "default": 0,
        },
        "amend": {
            "type": "string",
            "title": "Changes of documents that can't be changed",
            "description": "Make a further invoice or a credit note for the difference, or ask.",
            "enum": ["adjust", "ask"],
            "default": "adjust",
        },
        "locked": {
            "type": "string",
            "title": "Locked periods",
            "description": "Documents and payments in them wait, or are dated on the first open day.",
            "enum": ["hold", "date-first-open-day"],
            "default": "hold",
        },
        "rounding_account": {
            "type": "string",
            "title": "Account of rounding differences",
            "description": "Takes differences of up to 0.05. Without it, a document whose total would differ is not made.",
            "minLength": 1,
            "x-choices": "accounts",
        },
        "walk_in_contact": {
            "type": "string",
            "title": "Contact of sales without a customer",
            "description": "Without it, they are left out.",
            "minLength": 1,
            "x-choices": "contacts",
        },
    })
}

fn payments() -> Value {
    json!({
        "payment_accounts": {
            "type": "object",
            "title": "Payment accounts",
            "description": format!("Where money paid by each method arrives, or {DONT_SEND}. A method that isn't named is left out."),
            "additionalProperties": {"type": "string", "minLength": 1, "x-choices": "payment-accounts"},
            "default": {},
        },
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::XeroSettings;

    #[test]
    fn every_property_of_the_schema_is_a_setting_and_its_default_can_be_read() {
        let schema = settings_schema();
        for (name, property) in schema["properties"].as_object().unwrap() {
            let value = match name.as_str() {
                "start" => json!("2026-01-01"),
                _ if property.get("default").is_none() => json!("200"),
                _ => property["default"].clone(),
            };
            let settings = json!({name: value});
            serde_json::from_value::<XeroSettings>(settings).unwrap_or_else(|error| panic!("{name}: {error}"));
        }
        for (name, property) in schema["properties"]["contacts"]["properties"].as_object().unwrap() {
            let value =
                if name == "filter" { json!({"field": "email", "present": true}) } else { property["default"].clone() };
            let settings = json!({"contacts": {name: value}});
            serde_json::from_value::<XeroSettings>(settings).unwrap_or_else(|error| panic!("{name}: {error}"));
        }
    }

    #[test]
    fn every_setting_is_in_the_schema() {
        // serde lists the settings that it knows when it meets one that it doesn't.
        let known = |settings: Value| {
            let error = serde_json::from_value::<XeroSettings>(settings).unwrap_err().to_string();
            error.split('`').skip(3).step_by(2).map(str::to_owned).collect::<Vec<_>>()
        };
        let schema = settings_schema();
        for (known, properties, least) in [
            (known(json!({"?": 1})), &schema["properties"], 15),
            (known(json!({"contacts": {"?": 1}})), &schema["properties"]["contacts"]["properties"], 5),
        ] {
            let properties = properties.as_object().unwrap();
            assert!(known.len() >= least, "{known:?}");
            assert!(known.iter().all(|name| properties.contains_key(name)), "{known:?}");
            assert_eq!(known.len(), properties.len(), "{known:?}");
        }
    }
}
