//! A plan's totals, for an accountant.

use std::io::Write;

use sync_core::{
    Error, ErrorKind, Result, Total,
    model::{Currency, Money},
};

use crate::output::{Output, count};

/// Most totals that are told in words; the rest is in the CSV.
const MAX_TOLD: usize = 24;

/// As CSV, with a head.
pub(super) fn csv(totals: &[Total], to: impl Write) -> Result<()> {
    let mut writer = csv::Writer::from_writer(to);
    let cannot = |error: csv::Error| {
        Error::new(ErrorKind::Config, format!("the totals can't be written: {error}"))
            .with_remedy("Write them where there is room and you may write.")
    };
    writer.write_record(["what", "month", "account", "tax", "currency", "operations", "amount"]).map_err(cannot)?;
    for total in totals {
        let key = &total.tally.key;
        let (operations, amount) = (total.operations.to_string(), total.tally.amount.to_string());
        let row = [&key.what, key.month.as_str(), &key.account, &key.tax, &key.currency, &operations, &amount];
        writer.write_record(row).map_err(cannot)?;
    }
    writer.flush().map_err(|error| cannot(error.into()))
}

/// In words.
pub(super) fn tell(out: Output, totals: &[Total]) {
    for total in totals.iter().take(MAX_TOLD) {
        let key = &total.tally.key;
        let money = match Currency::parse(&key.currency) {
            Ok(currency) => Money::new(total.tally.amount, currency).to_string(),
            Err(_) => format!("{} {}", key.currency, total.tally.amount),
        };
        let of = |word: &str, text: &str| if text.is_empty() { String::new() } else { format!(", {word} {text}") };
        let month = if key.month.is_empty() { String::new() } else { format!(" {}", key.month) };
        let (account, tax) = (of("account", &key.account), of("tax", &key.tax));
        let operations = count(total.operations, "operation", "operations");
        out.say(format!("  {}{month}{account}{tax}: {money} ({operations})", key.what));
    }
    let rest = totals.len().saturating_sub(MAX_TOLD);
    if rest > 0 {
        out.say(format!("  … and {rest} more totals: see --csv"));
    }
}

#[cfg(test)]
mod tests {
    use sync_core::{Tally, TallyKey};

    use super::*;

    #[test]
    fn totals_are_exact_in_csv() {
        let key = TallyKey {
            what: "invoice".into(),
            month: "2026-11".into(),
            account: "200, sales".into(),
            tax: "OUTPUT2".into(),
            currency: "EUR".into(),
        };
        let total = Total { tally: Tally { key, amount: "180.10".parse().unwrap() }, operations: 3 };
        let mut text = Vec::new();
        csv(&[total], &mut text).unwrap();
        assert_eq!(
            String::from_utf8(text).unwrap(),
            "what,month,account,tax,currency,operations,amount\ninvoice,2026-11,\"200, sales\",OUTPUT2,EUR,3,180.10\n"
        );
    }
}
