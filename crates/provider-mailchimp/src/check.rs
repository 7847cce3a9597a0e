//! A look at the connection: account, settings against the audience, facts, and choices.

use serde_json::{Value, json};
use sync_core::{
    AccountId, Check, Checked, Choice, Choices, ContainerId, Context, Error, ErrorKind, Facts, Problem, Result,
    words::thousands,
};

use crate::{
    client,
    descriptor::AUTOMATION,
    error::{audience_gone, parse},
    handler::Handler,
    merge,
    model::{Audience, Audiences, Definitions, MergeField, MergeFields, Root, Segment, Segments},
    push_tags,
};

/// The member of the facts that holds the audience.
const FACT: &str = "audience";

/// Most pages of a listing of definitions: with 1,000 on a page, far above what an audience can have.
const MAX_PAGES: u64 = 100;

/// Accounts in reach, problems of settings, facts.
pub(crate) async fn check(handler: &Handler, cx: &Context<'_>, check: Check) -> Result<Checked> {
    let mut checked = Checked::default();
    if check == Check::Account || handler.account.is_none() {
        let root: Root = parse(&cx.send(client::root()).await?, "root.read")?;
        checked.accounts.push((AccountId::new(root.account_id), root.account_name));
    }
    if check == Check::Account {
        return Ok(checked);
    }
    let Some(audience) = &handler.settings.audience else {
        checked.problems.push(Problem {
            setting: "audience".to_owned(),
            message: "no audience is chosen".to_owned(),
            remedy: "Choose one under Settings > Mailchimp > Audience.".to_owned(),
        });
        return Ok(checked);
    };
    let read = match cx.send(client::audience(audience)).await {
        Ok(answer) => parse::<Audience>(&answer, "lists.read")?,
        Err(error) if error.kind() == ErrorKind::NotFound => {
            checked.problems.push(Problem {
                setting: "audience".to_owned(),
                message: format!("the audience {audience} does not exist in this Mailchimp account"),
                remedy: "Choose another one under Settings > Mailchimp > Audience.".to_owned(),
            });
            return Ok(checked);
        }
        Err(error) => return Err(error),
    };
    let definitions = definitions(handler, cx, audience).await?;
    problems(handler, &definitions, &mut checked.problems);
    checked.facts = Facts::of(
        FACT,
        json!({
            "id": read.id,
            "name": read.name,
            "members": read.stats.member_count,
            "double_optin": read.double_optin,
            "has_welcome": read.has_welcome,
        }),
    );
    checked.facts.learn(Facts::of(merge::FACT, json!(definitions)));
    // Without the grant tags go by member, and no id is needed; should one be, it is read then.
    if cx.grants.allow(AUTOMATION) {
        checked.facts.learn(push_tags::fact(handler, audience, segments(handler, cx, audience).await?));
    }
    Ok(checked)
}

/// What a setting may name.
pub(crate) async fn choices(handler: &Handler, cx: &Context<'_>, request: Choices<'_>) -> Result<Vec<Choice>> {
    let wanted = request.query.map(str::to_lowercase);
    let mut choices = match request.of {
        "audiences" => audiences(handler, cx).await?,
        "merge-fields" => {
            definitions(handler, cx, chosen(handler)?).await?.into_values().map(|field| field_choice(&field)).collect()
        }
        "tags" => {
            let segments = segments(handler, cx, chosen(handler)?).await?;
            segments.into_iter().map(|segment| choice(segment.name.clone(), segment.name)).collect()
        }
        other => {
            return Err(Error::new(ErrorKind::NotFound, format!("Mailchimp has no choices called {other}"))
                .with_remedy("Ask for audiences, merge-fields or tags."));
        }
    };
    choices.retain(|choice| wanted.as_ref().is_none_or(|wanted| choice.label.to_lowercase().contains(wanted)));
    Ok(choices)
}

/// True when the audience asks new subscribers to confirm.
pub(crate) fn double_optin(facts: &Facts) -> bool {
    audience_fact(facts, "double_optin").and_then(Value::as_bool).unwrap_or(false)
}

/// True when the audience has an automation that greets new subscribers.
pub(crate) fn has_welcome(facts: &Facts) -> bool {
    audience_fact(facts, "has_welcome").and_then(Value::as_bool).unwrap_or(false)
}

/// The audience's name.
pub(crate) fn audience_name(facts: &Facts) -> Option<&str> {
    audience_fact(facts, "name").and_then(Value::as_str).filter(|name| !name.is_empty())
}

/// How many members the audience has.
pub(crate) fn member_count(facts: &Facts) -> Option<u64> {
    audience_fact(facts, "members").and_then(Value::as_u64)
}

fn audience_fact<'a>(facts: &'a Facts, name: &str) -> Option<&'a Value> {
    facts.value(FACT)?.get(name)
}

fn chosen(handler: &Handler) -> Result<&ContainerId> {
    handler.settings.audience.as_ref().ok_or_else(crate::handler::no_audience)
}

async fn audiences(handler: &Handler, cx: &Context<'_>) -> Result<Vec<Choice>> {
    let count = handler.config.page_size;
    let mut choices = Vec::new();
    for page in 0..MAX_PAGES {
        let call = client::audiences(count, page * u64::from(count));
        let read: Audiences = parse(&cx.send(call).await?, "lists.list")?;
        let n_read = read.lists.len();
        choices.extend(read.lists.into_iter().map(|audience| {
            let label = format!("{} ({} contacts)", audience.name, thousands(audience.stats.member_count));
            choice(audience.id, label)
        }));
        if is_last(page, count, n_read, read.total_items) {
            break;
        }
    }
    if let [only] = choices.as_mut_slice() {
        only.default = true;
    }
    Ok(choices)
}

async fn definitions(handler: &Handler, cx: &Context<'_>, audience: &ContainerId) -> Result<Definitions> {
    let count = handler.config.page_size;
    let mut definitions = Definitions::new();
    for page in 0..MAX_PAGES {
        let call = client::merge_fields(audience, count, page * u64::from(count));
        let read: MergeFields = parse(&cx.send(call).await.map_err(audience_gone)?, "lists.merge_fields.list")?;
        let n_read = read.merge_fields.len();
        definitions.extend(read.merge_fields.into_iter().map(|field| (field.tag.clone(), field)));
        if is_last(page, count, n_read, read.total_items) {
            break;
        }
    }
    Ok(definitions)
}

/// The audience's tags, all of them.
pub(crate) async fn segments(handler: &Handler, cx: &Context<'_>, audience: &ContainerId) -> Result<Vec<Segment>> {
    let count = handler.config.page_size;
    let mut segments = Vec::new();
    for page in 0..MAX_PAGES {
        let call = client::static_segments(audience, count, page * u64::from(count));
        let read: Segments = parse(&cx.send(call).await.map_err(audience_gone)?, "lists.segments.list")?;
        let n_read = read.segments.len();
        segments.extend(read.segments);
        if is_last(page, count, n_read, read.total_items) {
            break;
        }
    }
    Ok(segments)
}

fn is_last(page: u64, count: u32, n_read: usize, total: Option<u64>) -> bool {
    let read = page * u64::from(count) + n_read as u64;
    n_read == 0 || total.map_or(n_read < count as usize, |total| read >= total)
}

/// What the mapping asks of the audience and doesn't get, and the other way round.
fn problems(handler: &Handler, definitions: &Definitions, problems: &mut Vec<Problem>) {
    let settings = &handler.settings;
    for (tag, field) in settings.mapping() {
        let setting = format!("merge_fields.{tag}");
        match definitions.get(tag) {
            // Nobody chose the defaults: where the audience has lost one, it is left out.
            None if settings.has_default_mapping() => {}
            None => problems.push(Problem {
                setting,
                message: format!("the audience has no merge field {tag} (it has {})", listed(definitions)),
                remedy: format!("Make {tag} in Mailchimp, or take it out under Settings > Mailchimp > Merge fields."),
            }),
            Some(definition) => {
                if let Some(wanted) = mismatch(&definition.kind, field) {
                    problems.push(Problem {
                        setting,
                        message: format!("the merge field {tag} is of the type {}, which {field} never is", definition.kind),
                        remedy: format!("Map {tag} to {wanted} under Settings > Mailchimp > Merge fields."),
                    });
                }
            }
        }
    }
    if settings.skip_merge_validation {
        return;
    }
    for definition in definitions.values().filter(|definition| definition.required && definition.tag != "EMAIL") {
        if !settings.mapping().any(|(tag, _)| tag == definition.tag) {
            problems.push(Problem {
                setting: format!("merge_fields.{}", definition.tag),
                message: format!(
                    "the audience requires the merge field {}, and none of your fields fills it",
                    definition.tag
                ),
                remedy: "Map a field to it, make it optional in Mailchimp, or let incomplete contacts go.".to_owned(),
            });
        }
    }
}

/// What a merge field of this type should hold instead of one of the contact's own fields, whose types are known.
fn mismatch(kind: &str, field: &str) -> Option<&'static str> {
    let texts = matches!(field, "first_name" | "last_name" | "name" | "company" | "language" | "tax_number");
    match kind {
        "address" if texts || field == "phones" => Some("addresses"),
        "phone" if field == "addresses" => Some("phones"),
        "number" | "date" | "birthday" if matches!(field, "phones" | "addresses") => Some("a field of your own"),
        "number" | "date" | "birthday" | "url" | "imageurl" if texts && field != "tax_number" => Some("a field of your own"),
        _ => None,
    }
}

fn listed(definitions: &Definitions) -> String {
    if definitions.is_empty() { "none".to_owned() } else { definitions.keys().cloned().collect::<Vec<_>>().join(", ") }
}

fn field_choice(field: &MergeField) -> Choice {
    let required = if field.required { ", required" } else { "" };
    choice(field.tag.clone(), format!("{} ({}{required})", field.name, field.kind))
}

fn choice(value: String, label: String) -> Choice {
    Choice { value, label, group: None, unavailable: None, default: false }
}
