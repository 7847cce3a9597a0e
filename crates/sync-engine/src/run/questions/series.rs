//! One question for several records of a series that were changed in the same way: "this and all following" moved.

use jiff::civil::Time;
use sync_core::{LocalId, QuestionId, Value};

use super::{super::planner::Candidate, id, labels, two_sided::code_of};
use crate::{
    Question,
    plan::{Asked, LocalSide},
    run::{ask::ResourceAsk, halt::Halt, session::Session},
};

/// Most records in one question: a person looks through them.
const MAX_RECORDS: usize = 200;

/// The member of the evidence that lists the records.
const RECORDS: &str = "records";

/// The question that a record of a series shares with the others that were changed as it was; `None` outside of one.
pub(super) fn group(s: &Session<'_>, ask: &ResourceAsk, candidate: &Candidate, asked: &Asked) -> Option<QuestionId> {
    let field = ask.rules.series.as_ref()?;
    let LocalSide::Live(record) = &candidate.side else { return None };
    let series = record.text(field.as_str()).filter(|series| !series.trim().is_empty())?;
    let mut about = format!("series:{series}");
    for field in &asked.fields {
        let shift = shift(asked.ours.value(field.as_str()), asked.theirs.value(field.as_str()));
        about.push_str(&format!("\u{1f}{field}\u{1f}{shift}"));
    }
    Some(id(s, ask, code_of(asked), &about))
}

/// True when a question is about exactly this of this record.
pub(super) fn covers(question: &Question, local: &LocalId, asked: &Asked) -> bool {
    let about = about(asked);
    let records = question.evidence.get(RECORDS).and_then(serde_json::Value::as_array);
    records.into_iter().flatten().any(|record| record["id"] == local.as_str() && record["about"] == about.as_str())
}

/// The question with this record in it, or a new one. `None` when it can't be joined: it was answered for others, or is
/// full.
pub(super) async fn joined(
    s: &Session<'_>,
    ask: &ResourceAsk,
    candidate: &Candidate,
    asked: &Asked,
    open: Option<Question>,
    alone: Question,
) -> Result<Option<Question>, Halt> {
    let mut question = match open {
        Some(question) if question.answer.is_some() => return Ok(None),
        Some(question) => question,
        None => Question { evidence: serde_json::json!({ RECORDS: [] }), locals: Vec::new(), ..alone.clone() },
    };
    question.locals.retain(|local| *local != candidate.id);
    question.locals.push(candidate.id.clone());
    question.locals.sort();
    if question.locals.len() > MAX_RECORDS {
        return Ok(None);
    }
    let Some(records) = question.evidence.get_mut(RECORDS).and_then(serde_json::Value::as_array_mut) else {
        return Ok(None);
    };
    records.retain(|record| record["id"] != candidate.id.as_str());
    records.push(serde_json::json!({
        "id": candidate.id, "about": about(asked), "fields": alone.evidence["fields"],
    }));
    records.sort_by(|a, b| a["id"].as_str().cmp(&b["id"].as_str()));
    let name = s.input.descriptor.name;
    let fields = asked.fields.iter().map(|field| field.as_str()).collect::<Vec<_>>().join(", ");
    question.prompt = match question.locals.as_slice() {
        [_] => alone.prompt,
        several => {
            let first = labels(s, ask, &several[..1]).await.pop().unwrap_or_default();
            let what = format!("{} {} of a series ({first} and others)", several.len(), ask.resource.nouns.1);
            match asked.is_guarded {
                true => format!("{what}: {fields} changed alike in {name}. Change all of them here too?"),
                false => format!("{what}: {fields} changed both here and, alike, in {name}. Which counts for all of them?"),
            }
        }
    };
    Ok(Some(question))
}

fn about(asked: &Asked) -> String {
    format!("{}:{}", asked.ours.hash(), asked.theirs.hash())
}

/// How far a value was moved, where it is a day or a time; else what it was changed to.
fn shift(ours: Option<&Value>, theirs: Option<&Value>) -> String {
    let clock = |value: &Value| value.as_text().and_then(|text| text.parse::<Time>().ok());
    match (ours, theirs) {
        (Some(Value::Date(ours)), Some(Value::Date(theirs))) => {
            format!("{} days", (*theirs - *ours).get_days())
        }
        (Some(Value::Time { at: ours, .. }), Some(Value::Time { at: theirs, .. })) => {
            format!("{} s", theirs.duration_since(*ours).as_secs())
        }
        (Some(ours), Some(theirs)) if clock(ours).is_some() && clock(theirs).is_some() => {
            let seconds = |value: &Value| clock(value).map_or(0, |at| at.duration_since(Time::midnight()).as_secs());
            format!("{} s", seconds(theirs) - seconds(ours))
        }
        (_, theirs) => {
            let mut hash = sync_core::Hash::start();
            hash.text(&serde_json::to_string(&theirs).unwrap_or_default());
            hash.finish().to_string()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_and_clocks_are_told_by_how_far_they_moved_and_others_by_what_they_are() {
        let date = |day| Value::Date(jiff::civil::date(2027, 5, day));
        let of = |ours: &Value, theirs: &Value| shift(Some(ours), Some(theirs));
        assert_eq!(of(&date(1), &date(2)), of(&date(8), &date(9)));
        assert_ne!(of(&date(1), &date(2)), of(&date(8), &date(10)));
        assert_eq!(of(&Value::text("09:00"), &Value::text("10:30")), of(&Value::text("14:00"), &Value::text("15:30")));
        assert_ne!(of(&Value::text("09:00"), &Value::text("10:30")), of(&Value::text("10:30"), &Value::text("09:00")));
        assert_eq!(of(&Value::text("Manta"), &Value::text("Dory")), of(&Value::text("Reef"), &Value::text("Dory")));
        assert_ne!(of(&Value::text("Manta"), &Value::text("Dory")), of(&Value::text("Manta"), &Value::text("Reef")));
        assert_ne!(shift(Some(&date(1)), None), of(&date(1), &date(1)));
    }
}
