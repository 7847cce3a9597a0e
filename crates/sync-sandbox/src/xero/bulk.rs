//! Calls that write several elements: all or none, or each for itself.
//! Source: <https://developer.xero.com/documentation/api/accounting/requests-and-responses>, "summarizeErrors".

use serde_json::{Value, json};

use super::{
    World,
    company::Company,
    id::Id,
    input::{Element, Query},
    problem::Problem,
};

/// Why an element is not written.
pub(super) enum Refused {
    /// Its validation errors.
    Words(Vec<String>),
    /// The whole call is refused.
    Call(Problem),
}

impl From<Problem> for Refused {
    fn from(problem: Problem) -> Self {
        Self::Call(problem)
    }
}

impl From<&str> for Refused {
    fn from(word: &str) -> Self {
        Self::Words(vec![word.to_owned()])
    }
}

impl From<String> for Refused {
    fn from(word: String) -> Self {
        Self::Words(vec![word])
    }
}

/// How elements of a kind are called.
pub(super) struct Names {
    /// The member with the id.
    pub(super) id: &'static str,
    /// The member that says whether there are errors.
    pub(super) has_errors: &'static str,
    /// True when a refused element may be echoed with an id of nothing.
    pub(super) may_echo_id: bool,
    /// True when refused elements may lack `StatusAttributeString`.
    pub(super) may_lack_status: bool,
}

pub(super) const CONTACT: Names =
    Names { id: "ContactID", has_errors: "HasValidationErrors", may_echo_id: false, may_lack_status: false };
pub(super) const INVOICE: Names =
    Names { id: "InvoiceID", has_errors: "HasErrors", may_echo_id: true, may_lack_status: false };
pub(super) const CREDIT_NOTE: Names =
    Names { id: "CreditNoteID", has_errors: "HasErrors", may_echo_id: false, may_lack_status: false };
pub(super) const ALLOCATION: Names =
    Names { id: "AllocationID", has_errors: "HasErrors", may_echo_id: false, may_lack_status: false };
/// The schema `BatchPayment` has no `StatusAttributeString`.
pub(super) const BATCH: Names =
    Names { id: "BatchPaymentID", has_errors: "HasValidationErrors", may_echo_id: false, may_lack_status: true };
pub(super) const GROUP: Names =
    Names { id: "ContactGroupID", has_errors: "HasValidationErrors", may_echo_id: false, may_lack_status: false };
pub(super) const PAYMENT: Names =
    Names { id: "PaymentID", has_errors: "HasValidationErrors", may_echo_id: false, may_lack_status: true };

/// Writes elements one after the other; answers what they became.
///
/// The default of `summarizeErrors` is true, whatever the description says: GitHub XeroAPI/xero-php-oauth2 issue 179.
pub(super) fn write(
    company: &mut Company,
    world: &mut World,
    query: &Query,
    names: &Names,
    elements: &[Element],
    mut save: impl FnMut(&mut Company, &mut World, &Element) -> Result<Id, Refused>,
    show: impl Fn(&Company, Id) -> Value,
) -> Result<Vec<Value>, Problem> {
    let is_summarized = query.flag("summarizeErrors")?.unwrap_or(true);
    let before = (company.clone(), world.events.len());
    let mut answers = Vec::with_capacity(elements.len());
    let mut n_refused = 0;
    for element in elements {
        match save(company, world, element) {
            Ok(id) => answers.push(Ok(id)),
            Err(Refused::Words(words)) => {
                n_refused += 1;
                answers.push(Err(echo(world, element, names, &words, is_summarized)));
            }
            Err(Refused::Call(problem)) => {
                *company = before.0;
                world.events.truncate(before.1);
                return Err(problem);
            }
        }
    }
    if is_summarized && n_refused > 0 {
        *company = before.0;
        world.events.truncate(before.1);
        return Err(Problem::validation(answers.into_iter().filter_map(Result::err).collect()));
    }
    Ok(answers
        .into_iter()
        .map(|answer| match answer {
            Err(refused) => refused,
            Ok(id) => {
                let mut shown = show(company, id);
                if !is_summarized {
                    shown["StatusAttributeString"] = json!("OK");
                }
                shown
            }
        })
        .collect())
}

/// A refused element comes back with what is wrong.
fn echo(world: &mut World, element: &Element, names: &Names, words: &[String], is_summarized: bool) -> Value {
    let mut echoed = Value::Object(element.clone());
    if element.get(names.id).is_none() {
        let is_odd = names.may_echo_id && world.quirks.echoes_an_id;
        echoed[names.id] = if is_odd { world.fresh_id("echo").json() } else { Id::ZERO.json() };
    }
    echoed[names.has_errors] = json!(true);
    echoed["ValidationErrors"] = words.iter().map(|word| json!({"Message": word})).collect();
    let is_bare = names.may_lack_status && world.quirks.bare_payment_errors;
    if !is_summarized && !is_bare {
        echoed["StatusAttributeString"] = json!("ERROR");
    }
    echoed
}
pub(super) const ACCOUNT: Names =
    Names { id: "AccountID", has_errors: "HasValidationErrors", may_echo_id: false, may_lack_status: false };
