//! What the company in Xero holds, and what became of it in a bookkeeper's words.

use std::collections::{BTreeMap, BTreeSet};

use rust_decimal::Decimal;
use serde::Serialize;
use serde_json::Value;
use sync_core::{
    Hash,
    model::{Currency, Money},
};
use sync_sandbox::Sandbox;

use crate::{
    output::{count, thousands},
    shop::{BY_HAND, RECODED_TO, Shop},
};

/// The company as the double has it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Ledger {
    /// Invoices and credit notes to customers that count.
    pub(super) documents: u64,
    /// What they come to, by currency: credits count against it.
    pub(super) total: BTreeMap<String, Decimal>,
    /// Payments that count.
    pub(super) payments: u64,
    /// Those that the bookkeeper entered by hand.
    pub(super) by_hand: u64,
    /// How many of these stand there a second time: another one of the same amount on the same document.
    pub(super) doubled: u64,
    /// Documents with a number that another one has.
    pub(super) same_number: u64,
    /// Lines on the account to which only the bookkeeper books.
    pub(super) recoded: u64,
    /// Documents of the period that was closed from the start.
    pub(super) closed: u64,
    /// Changes with any of them.
    closed_digest: String,
    /// Mails and reminders to customers.
    pub(super) mails: u64,
}

impl Ledger {
    pub(super) fn of(sandbox: &Sandbox, shop: &Shop) -> Self {
        let state = sandbox.state();
        let tenant = tenant(&state, shop);
        let mut ledger = Self::default();
        let (mut numbers, mut closed) = (BTreeSet::new(), BTreeSet::new());
        let closed_to = shop.locked_to().to_string();
        for document in all(&tenant, "documents") {
            let day = text(document, "DateString").get(..10).unwrap_or_default();
            let is_closed = day <= closed_to.as_str();
            if is_closed {
                ledger.closed += 1;
                let of = |name| text(document, name).to_owned();
                closed.insert((
                    number(document).to_owned(),
                    amount(document, "Total"),
                    of("Status"),
                    of("UpdatedDateUTCString"),
                ));
            }
            let sign = match text(document, "Type") {
                "ACCREC" => Decimal::ONE,
                "ACCRECCREDIT" => Decimal::NEGATIVE_ONE,
                _ => continue,
            };
            let lines = document.get("LineItems").and_then(Value::as_array).into_iter().flatten();
            ledger.recoded += lines.filter(|line| text(line, "AccountCode") == RECODED_TO).count() as u64;
            if matches!(text(document, "Status"), "VOIDED" | "DELETED") {
                continue;
            }
            ledger.documents += 1;
            ledger.same_number += u64::from(!numbers.insert(number(document).to_owned()));
            let currency = text(document, "CurrencyCode").to_owned();
            *ledger.total.entry(currency).or_default() += sign * amount(document, "Total");
        }
        ledger.closed_digest = Hash::of_text(&format!("{closed:?}")).to_string();
        let mut on: BTreeMap<(String, Decimal), (u64, u64)> = BTreeMap::new();
        for payment in all(&tenant, "payments").filter(|payment| text(payment, "Status") == "AUTHORISED") {
            ledger.payments += 1;
            let is_by_hand = text(payment, "Reference") == BY_HAND;
            ledger.by_hand += u64::from(is_by_hand);
            let document = payment.pointer("/Invoice/InvoiceID").or_else(|| payment.pointer("/CreditNote/CreditNoteID"));
            let document = document.and_then(Value::as_str).unwrap_or_default().to_owned();
            let (n, n_by_hand) = on.entry((document, amount(payment, "Amount"))).or_default();
            (*n, *n_by_hand) = (*n + 1, *n_by_hand + u64::from(is_by_hand));
        }
        ledger.doubled = on.values().map(|(n, n_by_hand)| (n - 1).min(*n_by_hand)).sum();
        let sent = |name: &str| state.get(name).and_then(Value::as_u64).unwrap_or_default();
        ledger.mails = sent("mails_sent") + sent("reminders_sent");
        ledger
    }
}

/// What became of the company. Every figure is counted there, not promised here.
pub(super) fn story(before: &Ledger, after: &Ledger) -> Vec<String> {
    let mut story = Vec::new();
    let new: Vec<String> = after
        .total
        .iter()
        .map(|(currency, total)| {
            let amount = *total - before.total.get(currency).copied().unwrap_or_default();
            Currency::parse(currency)
                .map_or_else(|_| format!("{currency} {amount}"), |it| Money::new(amount, it).to_string())
        })
        .collect();
    story.push(format!(
        "{} more than before, of {}; {}.",
        count(after.documents.saturating_sub(before.documents), "document", "documents"),
        new.join(" and "),
        match after.same_number {
            0 => "no number stands there twice".to_owned(),
            n => format!("{} there twice", count(n, "number stands", "numbers stand")),
        }
    ));
    story.push(format!(
        "{} were there already, entered by hand: {} doubled.",
        count(after.by_hand, "payment", "payments"),
        thousands(after.doubled)
    ));
    story.push(if after.recoded == before.recoded {
        format!("The {} that the bookkeeper put on another account untouched.", count(after.recoded, "line", "lines"))
    } else {
        format!("Lines on the bookkeeper's other account: {} before, {} now.", before.recoded, after.recoded)
    });
    story.push(if (after.closed, &after.closed_digest) == (before.closed, &before.closed_digest) {
        format!("The closed quarter, and the {} up to its end, untouched.", count(after.closed, "document", "documents"))
    } else {
        "Something changed in the closed quarter.".to_owned()
    });
    story.push(format!(
        "Nothing sent to customers: {}.",
        count(after.mails - before.mails.min(after.mails), "mail", "mails")
    ));
    story
}

fn tenant(state: &Value, shop: &Shop) -> Value {
    state.get("tenants").and_then(|tenants| tenants.get(&shop.name)).cloned().unwrap_or_default()
}

fn all<'a>(tenant: &'a Value, of: &str) -> impl Iterator<Item = &'a Value> {
    tenant.get(of).and_then(Value::as_object).into_iter().flat_map(|all| all.values())
}

fn text<'a>(of: &'a Value, name: &str) -> &'a str {
    of.get(name).and_then(Value::as_str).unwrap_or_default()
}

/// The double writes amounts as JSON numbers of at most four places, whose text is exact.
fn amount(of: &Value, name: &str) -> Decimal {
    of.get(name).and_then(|value| value.to_string().parse().ok()).unwrap_or_default()
}

fn number(document: &Value) -> &str {
    let number = text(document, "InvoiceNumber");
    if number.is_empty() { text(document, "CreditNoteNumber") } else { number }
}

/// The numbers of all sales that the company has.
pub(super) fn numbers(sandbox: &Sandbox, shop: &Shop) -> BTreeSet<String> {
    all(&tenant(&sandbox.state(), shop), "documents").map(|one| number(one).to_owned()).collect()
}

/// Who a document is for there.
pub(super) fn contact_of(sandbox: &Sandbox, shop: &Shop, wanted: &str) -> Option<String> {
    let tenant = tenant(&sandbox.state(), shop);
    let document = all(&tenant, "documents").find(|one| number(one) == wanted)?;
    let name = document.get("Contact")?.get("Name")?.as_str()?;
    Some(name.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ledger(documents: u64, total: i64, doubled: u64, digest: &str) -> Ledger {
        let total = [("EUR".to_owned(), Decimal::from(total))].into();
        let closed_digest = digest.to_owned();
        Ledger { documents, total, by_hand: 30, doubled, recoded: 20, closed: 9, closed_digest, ..Ledger::default() }
    }

    #[test]
    fn the_story_says_what_was_counted_and_not_what_was_hoped() {
        let good = story(&ledger(10, 100, 0, "a"), &ledger(15, 350, 0, "a"));
        assert_eq!(
            good,
            [
                "5 documents more than before, of EUR 250.00; no number stands there twice.",
                "30 payments were there already, entered by hand: 0 doubled.",
                "The 20 lines that the bookkeeper put on another account untouched.",
                "The closed quarter, and the 9 documents up to its end, untouched.",
                "Nothing sent to customers: 0 mails."
            ]
        );
        let mut after = ledger(15, 350, 2, "b");
        (after.recoded, after.mails, after.same_number) = (19, 1, 1);
        let bad = story(&ledger(10, 100, 0, "a"), &after);
        for (line, words) in
            bad.iter().zip(["1 number stands there twice", "2 doubled", "20 before, 19 now", "Something", "1 mail"])
        {
            assert!(line.contains(words), "{line}");
        }
    }
}
