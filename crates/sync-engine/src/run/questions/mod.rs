//! Questions: asked once, with the evidence, and remembered.

mod series;
mod two_sided;

use sync_core::{Hash, LocalId, Outcome, OutcomeKind, Owner, QuestionId, Record, Remote, Value, code};

use super::{
    ask::ResourceAsk,
    halt::Halt,
    session::{Session, Settled},
};
use crate::{AnswerOption, Change, Item, Question};

pub(crate) use self::two_sided::{
    Settled as SettledBy, amend, answer_of, merged_away, new_there, refused, refused_id, settled, two_sided, which_here,
};

/// Answers that the engine understands.
pub(crate) mod answer {
    /// Take this local record for the shared key: followed by its id.
    pub(crate) const USE: &str = "use:";
    /// One remote record with everybody's tags.
    pub(crate) const UNION: &str = "union";
    /// Link with this remote record: followed by its id.
    pub(crate) const LINK: &str = "link:";
    /// Make a new one.
    pub(crate) const CREATE: &str = "create";
    /// Leave it alone.
    pub(crate) const LEAVE: &str = "leave";
    /// The host's value counts.
    pub(crate) const OURS: &str = "ours";
    /// The provider's value counts.
    pub(crate) const THEIRS: &str = "theirs";
    /// Write here what was changed there.
    pub(crate) const ACCEPT: &str = "accept";
    /// Put back there what the host has.
    pub(crate) const PUT_BACK: &str = "put-back";
    /// Ask the host once more.
    pub(crate) const AGAIN: &str = "again";
    /// Cancel the host's record.
    pub(crate) const CANCEL: &str = "cancel-here";
    /// Let a further record make up for the change.
    pub(crate) const ADJUST: &str = "adjust";
    /// Delete the host's record.
    pub(crate) const DELETE: &str = "delete-here";
}

/// The id of a question: the same for the same question.
pub(crate) fn id(s: &Session<'_>, ask: &ResourceAsk, code: &str, about: &str) -> QuestionId {
    let mut hash = Hash::start();
    for part in [s.account.as_str(), ask.resource.name.as_str(), code, about] {
        hash.text(part);
    }
    QuestionId::new(hash.finish().to_string())
}

pub(super) fn option(key: impl Into<String>, label: impl Into<String>) -> AnswerOption {
    AnswerOption { key: key.into(), label: label.into() }
}

pub(super) async fn labels(s: &Session<'_>, ask: &ResourceAsk, ids: &[LocalId]) -> Vec<String> {
    let labels = s.engine.records.reading().labels(&s.scope.organization, &ask.collection, ids).await.unwrap_or_default();
    let mut labels = labels.into_iter();
    ids.iter().map(|id| labels.next().flatten().unwrap_or_else(|| format!("{} {id}", ask.resource.nouns.0))).collect()
}

/// A record there as people know it: its telling fields, and its id.
pub(super) fn known_as(ask: &ResourceAsk, remote: &Remote) -> String {
    let told = ask.resource.known_by.iter().filter_map(|field| match remote.fields.value(field)? {
        Value::Text(text) if !text.trim().is_empty() => Some(text.clone()),
        Value::Decimal(number) => Some(number.to_string()),
        Value::Date(date) => Some(date.to_string()),
        _ => None,
    });
    let told: Vec<String> = told.collect();
    if told.is_empty() { remote.id.to_string() } else { format!("{} ({})", told.join(", "), remote.id) }
}

/// The question that several local records raise which share one key, and the items that wait for it.
pub(crate) async fn shared_key(
    s: &Session<'_>,
    ask: &ResourceAsk,
    question: QuestionId,
    key: &str,
    members: &[(LocalId, Option<Hash>, Option<Item>)],
    can_pick: bool,
) -> Result<Vec<Change>, Halt> {
    let ids: Vec<LocalId> = members.iter().map(|(id, ..)| id.clone()).collect();
    let labels = labels(s, ask, &ids).await;
    let field = ask.rules.match_on.first().map_or("key", |field| field.as_str());
    let mut options = Vec::new();
    for (id, label) in ids.iter().zip(&labels) {
        if can_pick {
            options.push(option(format!("{}{id}", answer::USE), format!("{label} goes, the others are left out")));
        }
    }
    options.push(option(answer::UNION, "one record there, with everybody's tags and the lowest consent"));
    options.push(option(answer::LEAVE, "leave all as it is"));
    let mut changes = vec![Change::Ask(Question {
        id: question.clone(),
        resource: ask.resource.name.clone(),
        locals: ids,
        code: code::SHARED_KEY.to_owned(),
        prompt: format!(
            "{} {} share one {field}. Which of them goes to {}?",
            members.len(),
            ask.resource.nouns.1,
            s.input.descriptor.name
        ),
        evidence: serde_json::json!({ "field": field, "key": key, "records": labels }),
        options,
        asked_at: s.now(),
        answer: None,
    })];
    for (id, hash, standing) in members {
        let outcome = Outcome::new(
            OutcomeKind::Question,
            code::SHARED_KEY,
            format!(
                "shares its {field} with {} others, and {} knows it once",
                members.len().saturating_sub(1),
                s.input.descriptor.name
            ),
        )
        .remedy(Owner::EndUserData, "Answer the question; it goes with the next sync.");
        changes.extend(s.settle_item(Settled {
            key: Some(key.to_owned()),
            hash: *hash,
            standing: standing.as_ref(),
            question: Some(question.clone()),
            ..Settled::new(&ask.resource.name, id, outcome)
        }));
    }
    if s.is_dry() {
        changes.clear();
    }
    Ok(changes)
}

/// The question which of several remote records is the counterpart, with both sides' fields and how alike they are.
#[allow(clippy::too_many_arguments)]
pub(crate) async fn ambiguous(
    s: &Session<'_>,
    ask: &ResourceAsk,
    local: &LocalId,
    record: Option<&Record>,
    hash: Option<Hash>,
    key: Option<String>,
    found: &[Remote],
    standing: Option<&Item>,
) -> Result<Vec<Change>, Halt> {
    let question = id(s, ask, code::AMBIGUOUS, local.as_str());
    let label = labels(s, ask, std::slice::from_ref(local)).await.pop().unwrap_or_default();
    let mut options: Vec<_> = found
        .iter()
        .map(|remote| option(format!("{}{}", answer::LINK, remote.id), format!("it is {}", known_as(ask, remote))))
        .collect();
    options.push(option(answer::CREATE, "it is none of these: make a new one"));
    options.push(option(answer::LEAVE, "leave it alone"));
    let outcome = Outcome::new(
        OutcomeKind::Question,
        code::AMBIGUOUS,
        format!(
            "{} there could be the same",
            if found.len() == 1 { "one record".to_owned() } else { format!("{} records", found.len()) }
        ),
    )
    .remedy(Owner::EndUserData, "Answer the question; it goes with the next sync.");
    let mut changes = s.settle_item(Settled {
        key,
        hash,
        standing,
        question: Some(question.clone()),
        ..Settled::new(&ask.resource.name, local, outcome)
    });
    if !s.is_dry() {
        changes.push(Change::Ask(Question {
            id: question,
            resource: ask.resource.name.clone(),
            locals: vec![local.clone()],
            code: code::AMBIGUOUS.to_owned(),
            prompt: format!("Is {label} one of these in {}?", s.input.descriptor.name),
            evidence: serde_json::json!({
                "here": record,
                "remote": found.iter().map(|remote| serde_json::json!({
                    "id": remote.id,
                    "fields": remote.fields,
                    "score": record.map(|record| score(record, &remote.fields)),
                })).collect::<Vec<_>>(),
            }),
            options,
            asked_at: s.now(),
            answer: None,
        }));
    }
    Ok(changes)
}

/// How alike two records are: the share of fields which both have that say the same, in percent.
fn score(here: &Record, there: &Record) -> u32 {
    let filled = here.iter().filter(|(_, value)| !value.is_blank());
    let pairs =
        filled.filter_map(|(field, ours)| Some((ours, there.value(field.as_str()).filter(|value| !value.is_blank())?)));
    let (mut n_both, mut n_same) = (0_u32, 0_u32);
    for (ours, theirs) in pairs {
        n_both += 1;
        n_same += u32::from(crate::plan::same(Some(ours), Some(theirs)));
    }
    (n_same * 100).checked_div(n_both).unwrap_or(0)
}

/// The question what to do about a record whose counterpart was deleted there.
///
/// `is_answered`: the question that stands was answered, and it is gone all the same; that is another question.
pub(crate) async fn gone_there(
    s: &Session<'_>,
    ask: &ResourceAsk,
    local: &LocalId,
    is_answered: bool,
) -> Result<Vec<Change>, Halt> {
    let label = labels(s, ask, std::slice::from_ref(local)).await.pop().unwrap_or_default();
    let standing = s
        .engine
        .store
        .items_by_local(&s.scope, &ask.resource.name, std::slice::from_ref(local))
        .await
        .map_err(|error| s.halt(error))?
        .pop()
        .flatten();
    let open = standing
        .as_ref()
        .filter(|item| !is_answered && item.outcome.code == code::GONE_THERE)
        .and_then(|item| item.question.clone());
    // A new one each time: an answer given before was about another deletion.
    let question = open.unwrap_or_else(|| id(s, ask, code::GONE_THERE, &format!("{local}:{}", s.run)));
    let outcome =
        Outcome::new(OutcomeKind::Question, code::GONE_THERE, format!("it was deleted in {}", s.input.descriptor.name))
            .remedy(Owner::EndUserData, "Answer the question; until then nothing is written for it.");
    let mut changes = s.settle_item(Settled {
        standing: standing.as_ref(),
        question: Some(question.clone()),
        ..Settled::new(&ask.resource.name, local, outcome)
    });
    if !s.is_dry() {
        changes.push(Change::Ask(Question {
            id: question,
            resource: ask.resource.name.clone(),
            locals: vec![local.clone()],
            code: code::GONE_THERE.to_owned(),
            prompt: format!("{label} was deleted in {}. What now?", s.input.descriptor.name),
            evidence: serde_json::Value::Null,
            options: gone_options(s, ask),
            asked_at: s.now(),
            answer: None,
        }));
    }
    Ok(changes)
}

fn gone_options(s: &Session<'_>, ask: &ResourceAsk) -> Vec<AnswerOption> {
    let mut options = Vec::new();
    if ask.direction != sync_core::Direction::Pull {
        options.push(option(answer::CREATE, "make it there again"));
    }
    if ask.direction != sync_core::Direction::Push
        && let Some(records) = s.engine.records.writing()
    {
        for (verb, key, label) in [
            (sync_core::LocalVerb::Cancel, answer::CANCEL, "cancel it here too"),
            (sync_core::LocalVerb::Delete, answer::DELETE, "delete it here too"),
        ] {
            if records.can(&ask.collection, verb) {
                options.push(option(key, label));
            }
        }
    }
    options.push(option(answer::LEAVE, "leave it deleted there"));
    options
}
