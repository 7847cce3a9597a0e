//! Connectors that prepare and write wrongly.

use std::time::Duration;

use http::Method;
use sync_core::{
    Consent, ConsentState, Error, ErrorKind, FieldName, Found, Operation, Prepared, Receipt, Repeat, Result, Safety, Value,
    Verb,
};

use super::{
    super::{How, Member, Trick, connector::done},
    member, nth,
};

/// Understands that everybody agreed to everything.
fn raised(op: &mut Operation) {
    if op.fields.value("consent.email").is_some() {
        op.fields.set("consent.email", Value::Consent(Consent::new(ConsentState::Granted)));
        if op.verb == Verb::Update {
            op.changed.insert("consent.email".into());
        }
    }
}

/// Sees that everybody agreed to everything.
fn refusals_hidden(found: Result<Vec<Found>>) -> Result<Vec<Found>> {
    let mut found = found?;
    for found in &mut found {
        if let Found::One(remote) = found {
            remote.fields.set("consent.email", Value::Consent(Consent::new(ConsentState::Granted)));
        }
    }
    Ok(found)
}

/// Understands that all of a record changed.
fn all_changed(op: &mut Operation) {
    let fields: Vec<FieldName> = op.fields.iter().map(|(field, _)| field.clone()).collect();
    op.changed.extend(fields);
}

pub(super) static MEMBERS: &[Member] = &[
    member!(
        "mailchimp",
        prepare::the_same_operation_is_always_made_of_the_same_parts,
        How::Part(|_, part| {
            part.group = format!("{}{}", part.group, nth()).into();
        })
    ),
    member!(
        "mailchimp",
        prepare::parts_are_ordered_and_complete,
        How::Prepared(|_, prepared| match prepared {
            Ok(Prepared::Parts(parts)) => Ok(Prepared::Parts([parts.clone(), parts].concat())),
            other => other,
        })
    ),
    member!(
        "mailchimp",
        prepare::budgets_and_effects_are_those_of_the_descriptor,
        How::Part(|_, part| part.budget = "no-such-budget")
    ),
    member!("mailchimp", prepare::without_a_grant_no_part_has_an_effect, How::Trick(Trick::IgnoresGrants)),
    member!(
        "mailchimp",
        prepare::a_skip_for_want_of_a_grant_names_one_that_helps,
        How::Prepared(|_, prepared| match prepared {
            Ok(Prepared::Skip(mut skip)) => {
                skip.needs_grant = skip.needs_grant.map(|_| "no-such-effect".into());
                Ok(Prepared::Skip(skip))
            }
            other => other,
        })
    ),
    member!("mailchimp", prepare::nothing_changed_is_nothing_written, How::Operation(all_changed)),
    member!(
        "mailchimp",
        prepare::equal_work_shares_a_call,
        How::Part(|op, part| part.group = format!("{}{}", part.group, op.id).into())
    ),
    member!(
        "mailchimp",
        prepare::a_create_is_never_held_for_repeatable,
        How::Part(|_, part| part.safety = Safety::Repeatable)
    ),
    member!(
        "mailchimp",
        prepare::a_record_without_what_identifies_it_is_left_out_in_words,
        How::Prepared(|_, prepared| match prepared {
            Ok(Prepared::Parts(parts)) => Ok(Prepared::Parts(parts)),
            _ => Ok(Prepared::Parts(Vec::new())),
        })
    ),
    member!(
        "mailchimp",
        prepare::a_value_of_the_wrong_type_is_refused_and_never_a_panic,
        How::Prepared(|_, prepared| {
            prepared.map_err(|error| Error::new(ErrorKind::Internal, error.message().to_owned()))
        })
    ),
    member!(
        "mailchimp",
        push::what_was_made_is_there_as_it_was_written,
        How::Operation(|op| {
            op.fields.remove("last_name");
        })
    ),
    member!(
        "mailchimp",
        push::what_exists_is_taken_and_nothing_is_doubled,
        How::Receipt(|part, receipt| match receipt {
            Receipt::Taken(_) => done(part),
            other => other,
        })
    ),
    member!(
        "mailchimp",
        push::a_taken_record_names_the_one_that_is_there,
        How::Receipt(|_, receipt| match receipt {
            Receipt::Taken(_) => Receipt::Taken(Some("another".into())),
            other => other,
        })
    ),
    member!(
        "mailchimp",
        push::receipts_come_one_per_part_in_order,
        How::Receipts(|receipts, n| {
            receipts.map(|mut receipts| {
                receipts.rotate_left(1.min(n));
                receipts
            })
        })
    ),
    member!("mailchimp", push::an_update_leaves_alone_what_people_changed_there, How::Operation(all_changed)),
    member!(
        "mailchimp",
        push::elements_of_others_stay_in_a_set,
        How::Operation(|op| {
            let Some(before) = &op.before else { return };
            for (field, value) in before.fields.iter() {
                let (Some(there), Some(wanted)) = (value.as_set(), op.fields.value(field.as_str()).and_then(Value::as_set))
                else {
                    continue;
                };
                op.sets.entry(field.clone()).or_default().remove = there.difference(wanted).cloned().collect();
            }
        })
    ),
    member!("mailchimp", push::what_was_removed_is_gone_or_archived, How::Trick(Trick::SaysItIsRemoved)),
    member!(
        "mailchimp",
        push::removing_what_people_deleted_is_done,
        How::Receipt(|part, receipt| match (part.op.verb, receipt) {
            (Verb::Remove, _) => Receipt::Moved,
            (_, receipt) => receipt,
        })
    ),
    member!(
        "mailchimp",
        push::changing_what_people_deleted_makes_nothing_and_is_no_success,
        How::Receipt(|part, receipt| match receipt {
            Receipt::Moved | Receipt::Refused(_) => done(part),
            other => other,
        })
    ),
    member!(
        "mailchimp",
        push::one_bad_item_stays_one_bad_item,
        How::Receipts(|receipts, _| match receipts {
            Ok(receipts) if receipts.iter().any(|receipt| matches!(receipt, Receipt::Refused(_) | Receipt::Skipped(_))) => {
                Ok(receipts.iter().map(|_| Receipt::Refused(Error::new(ErrorKind::Invalid, "one of them is bad"))).collect())
            }
            other => other,
        })
    ),
    member!("mailchimp", push::a_call_of_nothing_sends_nothing, How::Trick(Trick::LooksFirst)),
    member!("mailchimp", push::a_group_of_nobodys_is_refused_and_sends_nothing, How::Trick(Trick::LooksFirst)),
    member!(
        "mailchimp",
        push::what_an_answer_tells_is_what_a_look_up_finds,
        How::Receipt(|_, receipt| match receipt {
            Receipt::Done { id, version, after, facts } => {
                let after = after.map(|mut after| {
                    after.id = "another".into();
                    after
                });
                Receipt::Done { id, version, after, facts }
            }
            other => other,
        })
    ),
    member!("mailchimp", consent::nobody_is_made_with_more_than_was_agreed_to_here, How::Operation(raised)),
    member!("mailchimp", consent::who_said_no_there_stays_so_whatever_is_written, How::Find(refusals_hidden)),
    member!("mailchimp", consent::a_newer_opt_in_asks_and_never_subscribes_by_itself, How::Find(refusals_hidden)),
    member!(
        "mailchimp",
        consent::a_refusal_here_arrives_there,
        How::Operation(|op| {
            op.changed.remove("consent.email");
        })
    ),
    member!(
        "mailchimp",
        consent::what_waits_for_a_confirmation_sends_no_mail_without_a_grant,
        How::Trick(Trick::IgnoresGrants)
    ),
    member!(
        "mailchimp",
        consent::without_grants_nothing_reaches_people,
        How::Call(|call| {
            let asks = String::from_utf8_lossy(&call.body).replace("\"subscribed\"", "\"pending\"");
            call.body = asks.into();
        })
    ),
    member!(
        "mailchimp",
        consent::who_was_archived_after_a_refusal_does_not_come_back_subscribed,
        How::Find(refusals_hidden)
    ),
    member!(
        "mailchimp",
        safety::every_call_names_an_endpoint_a_budget_and_an_operation,
        How::Call(|call| call.operation = "No Such Name")
    ),
    member!(
        "mailchimp",
        safety::writes_are_never_described_as_reads,
        How::Call(|call| {
            if call.method != Method::POST {
                call.repeat = Repeat::Read;
            }
        })
    ),
    member!("mailchimp", safety::paths_and_queries_are_escaped, How::Call(|call| call.query.push_str("&q=a+b"))),
    member!("xero", safety::a_key_is_the_same_whenever_a_call_goes_again, How::Call(|call| call.key = None)),
    member!(
        "mailchimp",
        safety::an_id_that_we_choose_is_the_same_whenever_a_call_goes_again,
        How::Call(|call| {
            // As JSON has it, space after a value is no matter.
            if !call.body.is_empty() {
                call.body = [&call.body[..], &b" ".repeat(1 + nth() % 50)].concat().into();
            }
        })
    ),
    member!(
        "mailchimp",
        safety::what_is_said_to_be_repeatable_can_be_done_twice,
        How::Receipt(|_, receipt| match receipt {
            Receipt::Done { version, after, facts, .. } =>
                Receipt::Done { id: nth().to_string().into(), version, after, facts },
            other => other,
        })
    ),
    member!("mailchimp", safety::who_wants_to_stop_is_heard_before_anything_is_sent, How::Trick(Trick::HasAllTheTime)),
    member!("mailchimp", safety::nothing_starts_after_the_deadline, How::Trick(Trick::HasAllTheTime)),
    member!(
        "mailchimp",
        safety::a_call_takes_no_longer_than_was_declared,
        How::Call(|call| {
            call.timeout = Some(Duration::from_secs(24 * 60 * 60));
        })
    ),
];
