//! `settings`, and what `connect` asks for.

use serde_json::{Map, Value};
use sync_core::{Choice, Error, ErrorKind, Owner, Result, Scope};
use sync_dispatch::Configured;

use super::prompt;
use crate::{
    app::{App, Make, Workbench, integration_name},
    args::SettingsArgs,
    exit::Exit,
};

/// Shows or changes settings.
pub(super) async fn run(app: &App, args: &SettingsArgs) -> Result<Exit> {
    let scope = app.scope(&args.integration)?;
    let bench = app.open(Make::No).await?;
    let done = run_in(app, &bench, &scope, args).await;
    bench.close().await;
    done
}

async fn run_in(app: &App, bench: &Workbench, scope: &Scope, args: &SettingsArgs) -> Result<Exit> {
    let row = bench.connection(scope).await?;
    if let Some(word) = &args.choices {
        let choices = bench.dispatcher.choices(scope, word, None).await?;
        app.out.document(&choices);
        app.out.table(
            &["Value", "Label", ""],
            choices.into_iter().map(|choice| vec![choice.value, choice.label, choice.unavailable.unwrap_or_default()]),
        );
        return Ok(Exit::Done);
    }
    let by = person();
    for effect in &args.allow {
        bench.dispatcher.grant_effect(scope, effect, &by).await?;
        app.out.say(format!("Allowed for good: {effect}. It does not apply to first syncs."));
    }
    for effect in &args.forbid {
        bench.dispatcher.revoke_effect(scope, effect).await?;
        app.out.say(format!("No longer allowed: {effect}."));
    }
    let mut settings = row.settings;
    if !args.set.is_empty() {
        settings = changed(app, bench, scope, settings, &args.set).await?;
        if let Some(exit) = store(app, bench, scope, &settings).await? {
            return Ok(exit);
        }
        app.out.say("Stored. What changes goes with the next sync.");
    }
    let row = bench.connection(scope).await?;
    app.out.document(&serde_json::json!({
        "success": true,
        "settings": settings,
        "status": row.status,
        "account": row.account,
        "accountName": row.account_name,
        "standingGrants": row.standing_grants,
    }));
    if args.set.is_empty() && args.allow.is_empty() && args.forbid.is_empty() {
        let schema = bench.dispatcher.settings_schema(&scope.integration)?;
        app.out.table(&["Setting", "Value", "What it does"], lines(&schema, &settings));
        for grant in &row.standing_grants {
            app.out.say(format!(
                "{} is allowed for good by {} since {}.",
                grant.effect,
                grant.by,
                grant.at.strftime("%Y-%m-%d")
            ));
        }
    }
    Ok(Exit::Done)
}

/// One line per setting of the schema.
fn lines(schema: &Value, settings: &Value) -> Vec<Vec<String>> {
    let Some(properties) = schema.get("properties").and_then(Value::as_object) else { return Vec::new() };
    let text = |schema: &Value, key: &str| schema.get(key).and_then(Value::as_str).unwrap_or_default().to_owned();
    properties
        .iter()
        .map(|(name, schema)| {
            let value = match (settings.get(name), schema.get("default")) {
                (Some(Value::String(text)), _) => text.clone(),
                (Some(value), _) => value.to_string(),
                (None, Some(Value::String(text))) if text.is_empty() => "–".to_owned(),
                (None, Some(Value::String(text))) => format!("{text} (default)"),
                (None, Some(value)) => format!("{value} (default)"),
                (None, None) => "–".to_owned(),
            };
            vec![name.clone(), value, text(schema, "description")]
        })
        .collect()
}

/// Who sits here, for allowances and answers.
pub(super) fn person() -> String {
    ["USER", "USERNAME", "LOGNAME"]
        .iter()
        .find_map(|name| crate::config::environment(name))
        .unwrap_or_else(|| "syncctl".to_owned())
}

/// Stores settings; the exit code when they are refused.
pub(super) async fn store(app: &App, bench: &Workbench, scope: &Scope, settings: &Value) -> Result<Option<Exit>> {
    match bench.dispatcher.configure(scope, settings.clone()).await? {
        Configured::Stored => Ok(None),
        Configured::Refused(problems) => {
            app.out.document(&serde_json::json!({
                "success": false,
                "problems": problems,
                "exitCode": Exit::NeedsPerson.code(),
            }));
            app.out.note("error: the settings were not stored");
            for problem in &problems {
                app.out.note(format!(
                    "  {}: {}. {}",
                    problem.setting,
                    problem.message.trim_end_matches('.'),
                    problem.remedy
                ));
            }
            let set = format!("syncctl settings {} --org {} --set NAME=VALUE", scope.integration, scope.organization);
            app.out.note(format!("  Change settings with: {set}"));
            Ok(Some(Exit::NeedsPerson))
        }
    }
}

/// Settings with changes, and with the choices that must be made.
pub(super) async fn complete(
    app: &App,
    bench: &Workbench,
    scope: &Scope,
    settings: Value,
    changes: &[(String, String)],
) -> Result<Value> {
    let mut settings = changed(app, bench, scope, settings, changes).await?;
    let schema = bench.dispatcher.settings_schema(&scope.integration)?;
    let required: Vec<&str> =
        schema.get("required").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str).collect();
    for name in required {
        if settings.get(name).is_some() {
            continue;
        }
        let property = schema.pointer(&format!("/properties/{name}"));
        let Some(word) = property.and_then(|property| property.get("x-choices")).and_then(Value::as_str) else { continue };
        let title = property.and_then(|property| property.get("title")).and_then(Value::as_str).unwrap_or(name);
        let choices = bench.dispatcher.choices(scope, word, None).await?;
        let choice = pick(app, scope, name, title, &choices)?;
        let choice = made(app, bench, scope, word, choice.clone(), None, &settings).await?;
        app.out.say(format!("{title}: {}", choice.label));
        members(&mut settings).insert(name.to_owned(), Value::String(choice.value));
    }
    Ok(settings)
}

/// A choice as it can be stored: one that stands for something new is made first, under a name that a person gives.
async fn made(
    app: &App,
    bench: &Workbench,
    scope: &Scope,
    word: &str,
    choice: Choice,
    name: Option<&str>,
    settings: &Value,
) -> Result<Choice> {
    let Some(makes) = bench.dispatcher.makes(&scope.integration).filter(|it| it.of == word && it.value == choice.value)
    else {
        return Ok(choice);
    };
    let asked = match name {
        None if prompt::can_ask() && !app.out.is_json() => prompt::line(&format!("Its name [{}]", makes.name))?,
        name => name.unwrap_or_default().to_owned(),
    };
    let name = if asked.trim().is_empty() { makes.name } else { asked.trim() };
    let choice = bench.dispatcher.make_choice(scope, name, settings).await?;
    app.out.say(format!("Made there: {} ({})", choice.label, choice.value));
    Ok(choice)
}

fn pick<'a>(app: &App, scope: &Scope, name: &str, title: &str, choices: &'a [Choice]) -> Result<&'a Choice> {
    let available: Vec<&Choice> = choices.iter().filter(|choice| choice.unavailable.is_none()).collect();
    match available.as_slice() {
        [] => Err(Error::new(
            ErrorKind::NotConnected,
            format!("{} has nothing to choose for {title}", integration_name(&scope.integration)),
        )
        .with_remedy("Make one there, then connect again.")),
        [only] => Ok(only),
        several if prompt::can_ask() && !app.out.is_json() => {
            prompt::choose(title, several, |choice| choice.label.clone()).copied()
        }
        several => {
            let list: Vec<String> = several.iter().map(|choice| format!("{} ({})", choice.value, choice.label)).collect();
            Err(Error::new(ErrorKind::NotConnected, format!("there are several to choose from for {title}"))
                .with_owner(Owner::EndUserData)
                .with_remedy(format!(
                    "Name one with --setting {name}=VALUE, or later with syncctl settings --set: {}.",
                    list.join(", ")
                )))
        }
    }
}

/// Settings with changes. `merge_fields.LANGUAGE=language` sets a member of an object; a value that has choices may be
/// given by its label.
async fn changed(
    app: &App,
    bench: &Workbench,
    scope: &Scope,
    settings: Value,
    changes: &[(String, String)],
) -> Result<Value> {
    let schema = bench.dispatcher.settings_schema(&scope.integration)?;
    let mut settings = settings;
    for (name, text) in changes {
        let (top, below) = match name.split_once('.') {
            Some((top, below)) => (top, Some(below)),
            None => (name.as_str(), None),
        };
        let Some(property) = schema.get("properties").and_then(|properties| properties.get(top)) else {
            let known: Vec<&str> = schema
                .get("properties")
                .and_then(Value::as_object)
                .into_iter()
                .flat_map(|properties| properties.keys())
                .map(String::as_str)
                .collect();
            return Err(Error::new(ErrorKind::Config, format!("{} has no setting {top}", scope.integration))
                .with_owner(Owner::EndUserData)
                .with_remedy(format!("Use one of: {}.", known.join(", "))));
        };
        let mut value = value_of(property, below.is_some(), text);
        if let (Some(word), Some(Value::String(text)), None) =
            (property.get("x-choices").and_then(Value::as_str), &value, below)
        {
            let new = bench.dispatcher.makes(&scope.integration).filter(|makes| makes.of == word);
            // `create`, or `create:NAME`.
            let named =
                new.and_then(|makes| text.strip_prefix(makes.value)).filter(|rest| rest.is_empty() || rest.starts_with(':'));
            if let (Some(makes), Some(name)) = (new, named) {
                let stands = Choice {
                    value: makes.value.to_owned(),
                    label: String::new(),
                    group: None,
                    unavailable: None,
                    default: false,
                };
                let name = name.strip_prefix(':');
                value = Some(Value::String(made(app, bench, scope, word, stands, name, &settings).await?.value));
            } else {
                // Asked for by name: there may be more than a list shows.
                let choices = bench.dispatcher.choices(scope, word, Some(text)).await?;
                if let Some(choice) = by_label(&choices, text) {
                    value = Some(Value::String(choice.value.clone()));
                }
            }
        }
        set(&mut settings, property, top, below, value);
    }
    Ok(settings)
}

/// The choice with this label, with or without what stands in brackets behind it, unless the text is a value itself.
fn by_label<'a>(choices: &'a [Choice], text: &str) -> Option<&'a Choice> {
    if choices.iter().any(|choice| choice.value == text) {
        return None;
    }
    let text = text.to_lowercase();
    choices.iter().find(|choice| {
        let label = choice.label.to_lowercase();
        label == text || label.rsplit_once(" (").is_some_and(|(name, _)| name == text)
    })
}

/// A value as the schema wants it: text stays text, everything else is JSON; nothing takes the setting away.
fn value_of(property: &Value, is_member: bool, text: &str) -> Option<Value> {
    if text.is_empty() {
        return None;
    }
    let schema = if is_member { property.get("additionalProperties").unwrap_or(property) } else { property };
    if schema.get("type").and_then(Value::as_str) == Some("string") {
        return Some(Value::String(text.to_owned()));
    }
    Some(serde_json::from_str(text).unwrap_or_else(|_| Value::String(text.to_owned())))
}

fn set(settings: &mut Value, property: &Value, top: &str, below: Option<&str>, value: Option<Value>) {
    let settings = members(settings);
    match (below, value) {
        (None, Some(value)) => {
            settings.insert(top.to_owned(), value);
        }
        (None, None) => {
            settings.remove(top);
        }
        (Some(below), value) => {
            // What the provider would use by itself stays when something is added to it.
            let usual = property.get("default").cloned().unwrap_or_else(|| Value::Object(Map::new()));
            let object = members(settings.entry(top).or_insert(usual));
            match value {
                Some(value) => object.insert(below.to_owned(), value),
                None => object.remove(below),
            };
        }
    }
}

/// The members of an object; what is none becomes an empty one.
fn members(value: &mut Value) -> &mut Map<String, Value> {
    match value {
        Value::Object(members) => members,
        other => {
            *other = Value::Object(Map::new());
            members(other)
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn apply(settings: Value, property: Value, name: &str, text: &str) -> Value {
        let mut settings = settings;
        let (top, below) = name.split_once('.').map_or((name, None), |(top, below)| (top, Some(below)));
        let value = value_of(&property, below.is_some(), text);
        set(&mut settings, &property, top, below, value);
        settings
    }

    #[test]
    fn a_member_is_added_to_what_the_provider_would_use() {
        let property =
            json!({"type": "object", "default": {"FNAME": "first_name"}, "additionalProperties": {"type": "string"}});
        let settings = apply(Value::Null, property.clone(), "merge_fields.LANG", "language");
        assert_eq!(settings, json!({"merge_fields": {"FNAME": "first_name", "LANG": "language"}}));
        let settings = apply(settings, property, "merge_fields.FNAME", "");
        assert_eq!(settings, json!({"merge_fields": {"LANG": "language"}}));
    }

    #[test]
    fn a_field_with_a_dot_is_one_member() {
        let property = json!({"type": "object", "default": {}, "additionalProperties": {"type": "string"}});
        let settings = apply(Value::Null, property, "tag_rules.extra.level", "level:{value}");
        assert_eq!(settings, json!({"tag_rules": {"extra.level": "level:{value}"}}));
    }

    #[test]
    fn texts_stay_texts_and_the_rest_is_json() {
        assert_eq!(value_of(&json!({"type": "string"}), false, "123"), Some(json!("123")));
        assert_eq!(value_of(&json!({"type": "boolean"}), false, "true"), Some(json!(true)));
        assert_eq!(value_of(&json!({"type": "object"}), false, r#"{"field":"tags"}"#), Some(json!({"field": "tags"})));
        assert_eq!(apply(json!({"tags": true}), json!({"type": "boolean"}), "tags", ""), json!({}));
    }

    #[test]
    fn a_choice_is_found_by_its_label_unless_the_text_is_a_value() {
        let choice = |value: &str, label: &str| Choice {
            value: value.into(),
            label: label.into(),
            group: None,
            unavailable: None,
            default: false,
        };
        let choices = [choice("a1", "Newsletter (3,100 contacts)"), choice("b2", "a1")];
        assert_eq!(by_label(&choices, "newsletter").map(|choice| choice.value.as_str()), Some("a1"));
        assert_eq!(by_label(&choices, "a1"), None);
    }
}
