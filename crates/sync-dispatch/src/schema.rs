//! The part of JSON Schema that settings use: names, types, enumerations. What it does not know it lets pass, since the
//! provider reads the settings itself; it is here so that each wrong setting is named, all at once.

use serde_json::Value;
use sync_core::Problem;

/// What is wrong with settings, by the integration's schema.
pub(crate) fn problems(schema: &Value, settings: &Value) -> Vec<Problem> {
    let mut problems = Vec::new();
    // No settings at all read as an empty table.
    let empty = Value::Object(serde_json::Map::new());
    check(schema, if settings.is_null() { &empty } else { settings }, "", &mut problems);
    problems
}

fn check(schema: &Value, value: &Value, path: &str, problems: &mut Vec<Problem>) {
    let mut problem = |path: &str, message: String, remedy: String| {
        let setting = if path.is_empty() { "settings".to_owned() } else { path.to_owned() };
        problems.push(Problem { setting, message, remedy });
    };
    let types = types(schema);
    if !types.is_empty() && !types.iter().any(|name| is(value, name)) {
        return problem(path, format!("it is {}", name_of(value)), format!("It must be {}.", types.join(" or ")));
    }
    if let Some(Value::Array(allowed)) = schema.get("enum")
        && !allowed.contains(value)
    {
        let words: Vec<_> = allowed.iter().map(word).collect();
        return problem(path, "it has an unknown value".to_owned(), format!("Use one of: {}.", words.join(", ")));
    }
    match value {
        Value::Object(members) => {
            let known = schema.get("properties").and_then(Value::as_object);
            let rest = schema.get("additionalProperties");
            let required = schema.get("required").and_then(Value::as_array);
            for name in required.into_iter().flatten().filter_map(Value::as_str) {
                if !members.contains_key(name) {
                    problem(&below(path, name), "it is missing".to_owned(), "Set it.".to_owned());
                }
            }
            for (name, value) in members {
                let path = below(path, name);
                match (known.and_then(|known| known.get(name)), rest) {
                    (Some(schema), _) => check(schema, value, &path, problems),
                    (None, Some(Value::Bool(false))) => {
                        let names: Vec<_> = known.into_iter().flatten().map(|(name, _)| name.as_str()).collect();
                        let remedy = format!("Remove it, or use one of: {}.", names.join(", "));
                        problems.push(Problem { setting: path, message: "there is no such setting".to_owned(), remedy });
                    }
                    (None, Some(schema @ Value::Object(_))) => check(schema, value, &path, problems),
                    _ => {}
                }
            }
        }
        Value::Array(items) => {
            if let Some(schema @ Value::Object(_)) = schema.get("items") {
                for (item_idx, item) in items.iter().enumerate() {
                    check(schema, item, &format!("{path}[{item_idx}]"), problems);
                }
            }
        }
        _ => {}
    }
}

fn below(path: &str, name: &str) -> String {
    if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") }
}

fn types(schema: &Value) -> Vec<&str> {
    match schema.get("type") {
        Some(Value::String(name)) => vec![name],
        Some(Value::Array(names)) => names.iter().filter_map(Value::as_str).collect(),
        _ => Vec::new(),
    }
}

fn is(value: &Value, name: &str) -> bool {
    match name {
        "null" => value.is_null(),
        "boolean" => value.is_boolean(),
        "integer" => value.is_i64() || value.is_u64(),
        "number" => value.is_number(),
        "string" => value.is_string(),
        "array" => value.is_array(),
        "object" => value.is_object(),
        _ => true,
    }
}

fn name_of(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(_) => "number",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    }
}

fn word(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn schema() -> Value {
        json!({
            "type": "object",
            "additionalProperties": false,
            "required": ["audience"],
            "properties": {
                "audience": {"type": "string"},
                "same_address": {"enum": ["ask", "oldest"]},
                "fields": {"type": "object", "additionalProperties": {"type": "string"}},
                "tags": {"type": ["array", "null"], "items": {"type": "string"}}
            }
        })
    }

    fn settings_at_fault(settings: Value) -> Vec<String> {
        problems(&schema(), &settings).into_iter().map(|problem| problem.setting).collect()
    }

    #[test]
    fn right_settings_have_no_problem() {
        let right = json!({"audience": "a1", "same_address": "ask", "fields": {"FNAME": "first_name"}, "tags": ["x"]});
        assert!(settings_at_fault(right).is_empty());
        assert!(settings_at_fault(json!({"audience": "a1", "tags": null})).is_empty());
    }

    #[test]
    fn each_wrong_setting_is_named_with_its_remedy() {
        let wrong = json!({"audiance": "a1", "same_address": "both", "fields": {"FNAME": 1}, "tags": ["x", 2]});
        assert_eq!(settings_at_fault(wrong.clone()), ["audience", "audiance", "fields.FNAME", "same_address", "tags[1]"]);
        let problems = problems(&schema(), &wrong);
        assert_eq!(problems[1].remedy, "Remove it, or use one of: audience, fields, same_address, tags.");
        assert_eq!(problems[3].remedy, "Use one of: ask, oldest.");
        assert_eq!(problems[4].remedy, "It must be string.");
    }

    #[test]
    fn no_settings_are_an_empty_table_and_a_list_is_none() {
        assert_eq!(settings_at_fault(Value::Null), ["audience"]);
        assert_eq!(settings_at_fault(json!([])), ["settings"]);
    }
}
