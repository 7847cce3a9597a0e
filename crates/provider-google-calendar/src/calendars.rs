//! Calendars to choose from, and one that is made.

use jiff::tz;
use serde_json::{Map, json};
use sync_core::{Choice, Choices, Context, Error, ErrorKind, MakesChoice, Result};

use crate::{
    client,
    error::{parse, parse_written},
    handler::Handler,
    model::{Calendar, Calendars, Events},
};

/// Stands in the setting `calendar` for a calendar that is still to be made: [`create_calendar`] makes it, and its id takes
/// this one's place.
pub const CREATE: &str = "create";

/// A calendar of our own, in the zone that the settings name.
pub(crate) static MAKES: MakesChoice = MakesChoice {
    of: "calendars",
    value: CREATE,
    name: "Trips",
    make: |cx, name, settings| {
        let zone = settings.get("zone").and_then(serde_json::Value::as_str);
        Box::pin(create_calendar(cx, name, zone))
    },
};

/// Most pages of a person's list of calendars: with 250 on a page, far above what an account can have.
const MAX_PAGES: usize = 40;

/// Longest name of a new calendar, in characters. Ours.
const MAX_NAME_CHARS: usize = 200;

/// What a setting may name.
pub(crate) async fn choices(handler: &Handler, cx: &Context<'_>, request: Choices<'_>) -> Result<Vec<Choice>> {
    let wanted = request.query.map(str::to_lowercase);
    let mut choices = match request.of {
        "calendars" => calendars(handler, cx).await?,
        "time-zones" => zones(handler),
        other => {
            return Err(Error::new(ErrorKind::NotFound, format!("Google Calendar has no choices called {other}"))
                .with_remedy("Ask for calendars or time-zones."));
        }
    };
    choices.retain(|choice| wanted.as_ref().is_none_or(|wanted| choice.label.to_lowercase().contains(wanted)));
    Ok(choices)
}

/// Makes a calendar of our own, which the narrowest scope reaches, and returns it as a choice for the setting `calendar`.
/// Not safe to repeat: a second call makes a second calendar. The zone is an IANA name; Google's default without one.
///
/// # Errors
/// [`ErrorKind::Invalid`] for a name that is empty or too long; what Google says otherwise.
pub async fn create_calendar(cx: &Context<'_>, name: &str, zone: Option<&str>) -> Result<Choice> {
    let name = name.trim();
    if name.is_empty() || name.chars().count() > MAX_NAME_CHARS || name.chars().any(char::is_control) {
        return Err(Error::new(ErrorKind::Invalid, format!("a calendar's name has 1 to {MAX_NAME_CHARS} characters"))
            .with_remedy("Choose another name, such as Trips."));
    }
    let mut body = Map::new();
    body.insert("summary".to_owned(), json!(name));
    if let Some(zone) = zone {
        let zone = sync_core::model::time_zone(zone)?;
        body.insert("timeZone".to_owned(), json!(zone.iana_name()));
    }
    let made: Calendar = parse_written(&cx.send(client::insert_calendar(&body)?).await?, "calendars.insert")?;
    match made.id.filter(|id| !id.is_empty()) {
        Some(id) => Ok(choice(id, made.summary.unwrap_or_else(|| name.to_owned()))),
        None => Err(crate::error::bad_answer("Google's answer is no calendar").with_effect(sync_core::Effect::Unknown)),
    }
}

/// The calendars that may be written to, and a new one. Where the sign-in does not show the list, the ones in use.
async fn calendars(handler: &Handler, cx: &Context<'_>) -> Result<Vec<Choice>> {
    let mut choices = match listed(cx).await {
        Ok(choices) => choices,
        Err(error) if error.kind() == ErrorKind::Forbidden => Vec::new(),
        Err(error) => return Err(error),
    };
    for calendar in handler.settings.calendars() {
        if choices.iter().any(|choice| choice.value == calendar.as_str()) {
            continue;
        }
        match cx.send(client::calendar_look(&calendar)).await {
            Ok(answer) => {
                let name = parse::<Events>(&answer, "events.look")?.summary.filter(|name| !name.is_empty());
                choices.push(choice(calendar.to_string(), name.unwrap_or_else(|| calendar.to_string())));
            }
            Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::Forbidden) => {}
            Err(error) => return Err(error),
        }
    }
    let new = choice(CREATE.to_owned(), "A new calendar of its own".to_owned());
    choices.push(Choice { default: true, ..new });
    Ok(choices)
}

async fn listed(cx: &Context<'_>) -> Result<Vec<Choice>> {
    let mut choices = Vec::new();
    let mut token: Option<String> = None;
    for _ in 0..MAX_PAGES {
        let read: Calendars = parse(&cx.send(client::calendar_list(token.as_deref())).await?, "calendar_list.list")?;
        for calendar in read.items.unwrap_or_default() {
            let Some(id) = calendar.id.filter(|id| !id.is_empty()) else { continue };
            let name = calendar.summary_override.or(calendar.summary).filter(|name| !name.is_empty());
            let mut label = name.unwrap_or_else(|| id.clone());
            if calendar.primary == Some(true) {
                label.push_str(" (your own)");
            }
            let is_new = !choices.iter().any(|known: &Choice| known.value == id);
            let group = calendar.access_role.filter(|role| role != "owner").map(|_| "Shared with you".to_owned());
            if is_new {
                choices.push(Choice { group, ..choice(id, label) });
            }
        }
        token = read.next_page_token;
        if token.is_none() {
            break;
        }
    }
    Ok(choices)
}

fn zones(handler: &Handler) -> Vec<Choice> {
    let mut names: Vec<String> = tz::db().available().map(|name| name.to_string()).collect();
    names.sort();
    names.dedup();
    let chosen = handler.settings.zone.as_deref();
    let choice = |name: String| Choice { default: chosen == Some(name.as_str()), ..choice(name.clone(), name) };
    names.into_iter().filter(|name| sync_core::model::time_zone(name).is_ok()).map(choice).collect()
}

fn choice(value: String, label: String) -> Choice {
    Choice { value, label, group: None, unavailable: None, default: false }
}
