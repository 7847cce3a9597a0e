//! A look at the connection: account, settings against the calendars, facts.

use serde_json::{Map, Value, json};
use sync_core::{AccountId, Check, Checked, ContainerId, Context, Error, ErrorKind, Facts, Problem, Result};

use crate::{
    calendars::CREATE,
    client,
    error::{bad_answer, parse},
    handler::Handler,
    model::{Calendar, Events, UserInfo},
    prepare::no_zone,
    window::Window,
};

/// The members of the facts that hold each calendar's zone and name.
const ZONES: &str = "zones";
const NAMES: &str = "names";

/// Accounts in reach, problems of settings, facts.
pub(crate) async fn check(handler: &Handler, cx: &Context<'_>, check: Check) -> Result<Checked> {
    let mut checked = Checked::default();
    if check == Check::Account || handler.account.is_none() {
        checked.accounts.push(account(handler, cx).await?);
    }
    if check == Check::Account {
        return Ok(checked);
    }
    match handler.settings.calendar.as_deref() {
        None => checked.problems.push(problem(
            "calendar",
            "no calendar is chosen",
            "Choose one under Settings > Google Calendar > Calendar.",
        )),
        Some(CREATE) => checked.problems.push(problem(
            "calendar",
            "the new calendar is not made yet",
            "Make it, then choose it under Settings > Google Calendar > Calendar.",
        )),
        Some(_) => {}
    }
    let (mut zones, mut names) = (Map::new(), Map::new());
    for calendar in handler.settings.calendars() {
        let setting = setting_of(handler, &calendar);
        let looked = cx.send(client::calendar_look(&calendar)).await;
        let seen = match looked {
            Ok(answer) => parse::<Events>(&answer, "events.look")?,
            Err(error) if error.kind() == ErrorKind::NotFound => {
                checked.problems.push(gone(&setting));
                continue;
            }
            Err(error) => return Err(error),
        };
        // Where the role is not told, the first write tells.
        if seen.access_role.as_deref().is_some_and(|role| !may_write(role)) {
            checked.problems.push(problem(
                &setting,
                "the connected account may read this calendar and not write to it",
                "Ask its owner for \"Make changes to events\", or choose another calendar.",
            ));
        }
        zones.extend(seen.time_zone.map(|zone| (calendar.to_string(), json!(zone))));
        names.extend(seen.summary.map(|name| (calendar.to_string(), json!(name))));
    }
    checked.facts = Window::at(&handler.settings, cx.now).facts();
    checked.facts.learn(Facts::of(ZONES, Value::Object(zones)));
    checked.facts.learn(Facts::of(NAMES, Value::Object(names)));
    Ok(checked)
}

/// The zone of records that name none: the settings', else the calendar's, else that of any other calendar in use (links
/// stay in calendars that the settings don't name any more).
///
/// # Errors
/// [`ErrorKind::Config`] where nobody looked.
pub(crate) fn zone<'a>(handler: &'a Handler, facts: &'a Facts, calendar: &ContainerId) -> Result<&'a str> {
    if let Some(zone) = &handler.settings.zone {
        return Ok(zone);
    }
    let zones = facts.value(ZONES).and_then(Value::as_object).ok_or_else(no_zone)?;
    let zone = zones.get(calendar.as_str()).or_else(|| zones.values().next());
    zone.and_then(Value::as_str).ok_or_else(no_zone)
}

/// A calendar's name.
pub(crate) fn name<'a>(facts: &'a Facts, calendar: &ContainerId) -> Option<&'a str> {
    facts.value(NAMES)?.get(calendar.as_str())?.as_str().filter(|name| !name.is_empty())
}

/// Whose account it is: the id of the primary calendar, which is the account's address. The narrowest scope doesn't show
/// that calendar; the owner of a calendar that we made is the same address, and so is what the sign-in itself tells.
async fn account(handler: &Handler, cx: &Context<'_>) -> Result<(AccountId, String)> {
    let refused = match cx.send(client::calendar("primary")).await {
        Ok(answer) => {
            let primary: Calendar = parse(&answer, "calendars.get")?;
            let id = primary.id.filter(|id| !id.is_empty()).ok_or_else(|| bad_answer("Google's answer is no calendar"))?;
            let name = primary.summary.filter(|name| !name.is_empty()).unwrap_or_else(|| id.clone());
            return Ok((id.into(), name));
        }
        Err(error) if is_out_of_reach(&error) => error,
        Err(error) => return Err(error),
    };
    if let Some(calendar) = handler.settings.own_calendar() {
        match cx.send(client::calendar(calendar.as_str())).await {
            Ok(answer) => {
                if let Some(owner) =
                    parse::<Calendar>(&answer, "calendars.get")?.data_owner.filter(|owner| !owner.is_empty())
                {
                    return Ok((owner.clone().into(), owner));
                }
            }
            Err(error) if is_out_of_reach(&error) => {}
            Err(error) => return Err(error),
        }
    }
    match cx.send(client::user_info()).await {
        Ok(answer) => match parse::<UserInfo>(&answer, "userinfo.get")?.email.filter(|email| !email.is_empty()) {
            Some(email) => Ok((email.clone().into(), email)),
            None => Err(refused),
        },
        Err(error) if is_out_of_reach(&error) => Err(refused),
        Err(error) => Err(error),
    }
}

/// The sign-in does not show it; it may show other things.
fn is_out_of_reach(error: &Error) -> bool {
    let is_final = matches!(error.provider_code(), Some("notACalendarUser" | "accessNotConfigured" | "SERVICE_DISABLED"));
    matches!(error.kind(), ErrorKind::Forbidden | ErrorKind::NotFound) && !is_final
}

/// Source: <https://developers.google.com/workspace/calendar/api/v3/reference/events/list>, `accessRole`.
fn may_write(role: &str) -> bool {
    matches!(role, "writer" | "owner" | "writerWithoutPrivateAccess")
}

/// The first setting that names a calendar.
fn setting_of(handler: &Handler, calendar: &ContainerId) -> String {
    let mut named = handler.settings.named_calendars();
    named.find(|(_, id)| *id == calendar.as_str()).map_or_else(|| "calendar".to_owned(), |(setting, _)| setting)
}

fn gone(setting: &str) -> Problem {
    problem(
        setting,
        "the calendar does not exist any more, or is not shared with the connected account",
        "Share it again, or choose another one under Settings > Google Calendar. Nothing was taken for deleted.",
    )
}

fn problem(setting: &str, message: &str, remedy: &str) -> Problem {
    Problem { setting: setting.to_owned(), message: message.to_owned(), remedy: remedy.to_owned() }
}
