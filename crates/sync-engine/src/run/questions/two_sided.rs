//! Questions that arise where both sides count: conflicts, guarded changes, refusals, records that are only there.

use std::collections::HashMap;

use sync_core::{LocalId, Outcome, OutcomeKind, Owner, QuestionId, Record, Remote, RemoteId, code};

use super::{
    super::{
        ask::ResourceAsk,
        halt::Halt,
        planner::Candidate,
        session::{Session, Settled as Settling},
    },
    answer, id, known_as, labels, option, series,
};
use crate::{
    AnswerOption, Change, Question, ReadyPart,
    plan::{Asked, Settle},
};

/// What a person said.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Settled {
    /// Leave it as it is on both sides.
    Leave,
    /// Go on by this.
    By(Settle),
}

/// The answer that a question has, if any.
pub(crate) async fn answer_of(s: &Session<'_>, id: &QuestionId) -> Result<Option<String>, Halt> {
    Ok(question(s, id).await?.and_then(|question| question.answer).map(|answer| answer.key))
}

async fn question(s: &Session<'_>, id: &QuestionId) -> Result<Option<Question>, Halt> {
    let found = s.engine.store.questions_by_id(&s.scope, std::slice::from_ref(id)).await.map_err(|error| s.halt(error))?;
    Ok(found.into_iter().next().flatten())
}

pub(super) fn code_of(asked: &Asked) -> &'static str {
    if asked.is_guarded { code::GUARDED } else { code::CONFLICT }
}

/// About these values on both sides: other values are another question.
fn id_of(s: &Session<'_>, ask: &ResourceAsk, local: &LocalId, asked: &Asked) -> QuestionId {
    let about = format!("{local}:{}:{}", asked.ours.hash(), asked.theirs.hash());
    id(s, ask, code_of(asked), &about)
}

/// What a person said about exactly this, of the record alone or of its series.
pub(crate) async fn settled(
    s: &Session<'_>,
    ask: &ResourceAsk,
    candidate: &Candidate,
    asked: &Asked,
) -> Result<Option<Settled>, Halt> {
    let mut answer = answer_of(s, &id_of(s, ask, &candidate.id, asked)).await?;
    if answer.is_none()
        && let Some(group) = series::group(s, ask, candidate, asked)
    {
        let of_series = question(s, &group).await?.filter(|question| series::covers(question, &candidate.id, asked));
        answer = of_series.and_then(|question| question.answer).map(|answer| answer.key);
    }
    Ok(answer.and_then(|answer| match answer.as_str() {
        answer::OURS => Some(Settled::By(Settle::LocalWins)),
        answer::THEIRS => Some(Settled::By(Settle::RemoteWins)),
        answer::ACCEPT => Some(Settled::By(Settle::Accept)),
        answer::PUT_BACK => Some(Settled::By(Settle::PutBack)),
        answer::LEAVE => Some(Settled::Leave),
        _ => None,
    }))
}

/// A conflict, or a change there that a person must agree to: with both sides' values. `open` holds the questions about
/// series that this run has asked so far.
pub(crate) async fn two_sided(
    s: &Session<'_>,
    ask: &ResourceAsk,
    candidate: &Candidate,
    asked: &Asked,
    open: &mut HashMap<QuestionId, Question>,
) -> Result<Vec<Change>, Halt> {
    let name = s.input.descriptor.name;
    let label = label(s, ask, &candidate.id).await;
    let fields = asked.fields.iter().map(|field| field.as_str()).collect::<Vec<_>>().join(", ");
    let (message, prompt, options) = if asked.is_guarded {
        (
            format!("{fields} changed in {name}, and a person must agree before it is changed here"),
            format!("{label}: {fields} changed in {name}. Change it here too?"),
            vec![
                option(answer::ACCEPT, "change it here too"),
                option(answer::PUT_BACK, format!("put {name} back as it is here")),
                option(answer::LEAVE, "leave both as they are"),
            ],
        )
    } else {
        (
            format!("{fields} changed both here and in {name}"),
            format!("{label}: {fields} changed both here and in {name}. Which counts?"),
            vec![
                option(answer::OURS, "what is here"),
                option(answer::THEIRS, format!("what is in {name}")),
                option(answer::LEAVE, "leave both as they are"),
            ],
        )
    };
    let evidence = serde_json::json!({
        "fields": asked.fields.iter().map(|field| serde_json::json!({
            "field": field,
            "here": asked.ours.value(field.as_str()),
            "there": asked.theirs.value(field.as_str()),
        })).collect::<Vec<_>>(),
    });
    let subject =
        Subject { code: code_of(asked), id: id_of(s, ask, &candidate.id, asked), message, prompt, options, evidence };
    let Some(group) = series::group(s, ask, candidate, asked) else { return Ok(put(s, ask, candidate, subject)) };
    let known = match open.get(&group) {
        Some(known) => Some(known.clone()),
        None => question(s, &group).await?,
    };
    let alone = Question { id: group.clone(), ..subject.question(s, ask, candidate) };
    let Some(joined) = series::joined(s, ask, candidate, asked, known, alone).await? else {
        return Ok(put(s, ask, candidate, subject));
    };
    open.insert(group, joined.clone());
    Ok(put_question(s, ask, candidate, subject.message, joined))
}

/// Whether a further record shall make up for a change that the record there does not take any more: the answer, or the
/// question.
pub(crate) async fn amend(
    s: &Session<'_>,
    ask: &ResourceAsk,
    candidate: &Candidate,
    amendment: &sync_core::Amendment,
) -> Result<Result<String, Vec<Change>>, Halt> {
    let about = format!("{}:{}", candidate.id, amendment.fields.hash());
    let question = id(s, ask, code::AMEND, &about);
    if let Some(answer) = answer_of(s, &question).await? {
        return Ok(Ok(answer));
    }
    let label = label(s, ask, &candidate.id).await;
    let subject = Subject {
        code: code::AMEND,
        id: question,
        message: amendment.words.clone(),
        prompt: format!("{label}: {}. Shall it be done so?", amendment.words),
        options: vec![option(answer::ADJUST, "yes"), option(answer::LEAVE, "no, leave it as it is there")],
        evidence: serde_json::json!({ "amendment": amendment.fields }),
    };
    Ok(Err(put(s, ask, candidate, subject)))
}

/// A record that is only there, and that by policy a person decides about.
pub(crate) async fn new_there(
    s: &Session<'_>,
    ask: &ResourceAsk,
    candidate: &Candidate,
    remote: &Remote,
) -> Result<Vec<Change>, Halt> {
    let (name, noun) = (s.input.descriptor.name, ask.resource.nouns.0);
    let subject = Subject {
        code: code::NEW_THERE,
        id: id(s, ask, code::NEW_THERE, candidate.id.as_str()),
        message: format!("it is new in {name}"),
        prompt: format!("There is a new {noun} in {name}: {}. Make it here too?", known_as(ask, remote)),
        options: vec![option(answer::CREATE, "make it here too"), option(answer::LEAVE, "leave it alone")],
        evidence: serde_json::json!({ "remote": [evidence(&remote.id, &remote.fields)] }),
    };
    Ok(put(s, ask, candidate, subject))
}

/// A record that is only there and that could be one of several here.
pub(crate) async fn which_here(
    s: &Session<'_>,
    ask: &ResourceAsk,
    candidate: &Candidate,
    remote: &Remote,
    here: &[LocalId],
) -> Result<Vec<Change>, Halt> {
    let (name, (noun, nouns)) = (s.input.descriptor.name, ask.resource.nouns);
    let labels = labels(s, ask, here).await;
    let mut options: Vec<AnswerOption> = here
        .iter()
        .zip(&labels)
        .map(|(id, label)| option(format!("{}{id}", answer::USE), format!("it is {label}")))
        .collect();
    options.push(option(answer::CREATE, format!("it is none of these: a new {noun}")));
    options.push(option(answer::LEAVE, "leave it alone"));
    let subject = Subject {
        code: code::AMBIGUOUS,
        id: id(s, ask, code::AMBIGUOUS, candidate.id.as_str()),
        message: format!("{} {nouns} here could be the same", here.len()),
        prompt: format!("Which of these {nouns} is {} in {name}?", known_as(ask, remote)),
        options,
        evidence: serde_json::json!({ "remote": [evidence(&remote.id, &remote.fields)], "records": labels }),
    };
    Ok(put(s, ask, candidate, subject))
}

/// A record whose counterpart was merged into one that another record has.
pub(crate) async fn merged_away(
    s: &Session<'_>,
    ask: &ResourceAsk,
    candidate: &Candidate,
    survivor: &RemoteId,
    holder: &LocalId,
) -> Result<Vec<Change>, Halt> {
    let name = s.input.descriptor.name;
    let both = labels(s, ask, &[candidate.id.clone(), holder.clone()]).await;
    let subject = Subject {
        code: code::AMBIGUOUS,
        id: id(s, ask, "merged-away", &format!("{}:{survivor}", candidate.id)),
        message: format!("its counterpart in {name} was merged into that of {holder}"),
        prompt: format!("{} were merged in {name}. Merge them here, or undo it there.", both.join(" and ")),
        options: vec![option(answer::LEAVE, "leave it alone")],
        evidence: serde_json::json!({ "survivor": survivor, "records": both }),
    };
    Ok(put(s, ask, candidate, subject))
}

/// The question about a refusal of exactly these values.
pub(crate) fn refused_id(s: &Session<'_>, ask: &ResourceAsk, local: &LocalId, fields: &Record) -> QuestionId {
    id(s, ask, code::REFUSED_HERE, &format!("{local}:{}", fields.hash()))
}

/// A change made there that the host refused, in the host's words.
pub(crate) async fn refused(
    s: &Session<'_>,
    ask: &ResourceAsk,
    part: &ReadyPart,
    reason: &str,
    remedy: &str,
) -> Result<Vec<Change>, Halt> {
    let operation = &part.operation;
    let local = &operation.local;
    let name = s.input.descriptor.name;
    let standing = s
        .engine
        .store
        .items_by_local(&s.scope, &operation.resource, std::slice::from_ref(local))
        .await
        .map_err(|error| s.halt(error))?
        .pop()
        .flatten();
    let empty = Record::new();
    let (before, fields) = operation.here.as_ref().map_or((&empty, &empty), |here| (&here.before, &here.fields));
    let question = refused_id(s, ask, local, fields);
    let label = label(s, ask, local).await;
    let outcome =
        Outcome::new(OutcomeKind::Question, code::REFUSED_HERE, format!("changed in {name}, refused here: {reason}"))
            .remedy(Owner::EndUserData, remedy.to_owned());
    let mut changes = s.settle_item(Settling {
        remote: operation.before.as_ref().map(|before| &before.id),
        standing: standing.as_ref(),
        question: Some(question.clone()),
        ..Settling::new(&operation.resource, local, outcome)
    });
    let mut options = vec![option(answer::AGAIN, "try once more")];
    if local.as_remote().is_none() && ask.direction != sync_core::Direction::Pull {
        options.push(option(answer::PUT_BACK, format!("put {name} back as it is here")));
    }
    options.push(option(answer::LEAVE, "leave both as they are"));
    changes.push(Change::Ask(Question {
        id: question,
        resource: operation.resource.clone(),
        locals: vec![local.clone()],
        code: code::REFUSED_HERE.to_owned(),
        prompt: format!("{label} was changed in {name}, and that was refused here: {reason}. {remedy} What now?"),
        evidence: serde_json::json!({
            "fields": fields.iter().map(|(field, there)| serde_json::json!({
                "field": field, "here": before.value(field.as_str()), "there": there,
            })).collect::<Vec<_>>(),
        }),
        options,
        asked_at: s.now(),
        answer: None,
    }));
    Ok(changes)
}

struct Subject {
    code: &'static str,
    id: QuestionId,
    message: String,
    prompt: String,
    options: Vec<AnswerOption>,
    evidence: serde_json::Value,
}

impl Subject {
    fn question(&self, s: &Session<'_>, ask: &ResourceAsk, candidate: &Candidate) -> Question {
        Question {
            id: self.id.clone(),
            resource: ask.resource.name.clone(),
            locals: vec![candidate.id.clone()],
            code: self.code.to_owned(),
            prompt: self.prompt.clone(),
            evidence: self.evidence.clone(),
            options: self.options.clone(),
            asked_at: s.now(),
            answer: None,
        }
    }
}

fn put(s: &Session<'_>, ask: &ResourceAsk, candidate: &Candidate, subject: Subject) -> Vec<Change> {
    let question = subject.question(s, ask, candidate);
    put_question(s, ask, candidate, subject.message, question)
}

fn put_question(
    s: &Session<'_>,
    ask: &ResourceAsk,
    candidate: &Candidate,
    message: String,
    question: Question,
) -> Vec<Change> {
    let outcome = Outcome::new(OutcomeKind::Question, question.code.clone(), message)
        .remedy(Owner::EndUserData, "Answer the question; it goes with the next sync.");
    let mut changes = s.settle_item(Settling {
        hash: candidate.hash,
        standing: candidate.item.as_ref(),
        question: Some(question.id.clone()),
        ..Settling::new(&ask.resource.name, &candidate.id, outcome)
    });
    if !s.is_dry() {
        changes.push(Change::Ask(question));
    }
    changes
}

async fn label(s: &Session<'_>, ask: &ResourceAsk, local: &LocalId) -> String {
    labels(s, ask, std::slice::from_ref(local)).await.pop().unwrap_or_default()
}

fn evidence(id: &RemoteId, fields: &Record) -> serde_json::Value {
    serde_json::json!({ "id": id, "fields": fields })
}
