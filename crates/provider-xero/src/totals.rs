//! What a document will come to in Xero, computed as Xero does it: each line rounded to the cent, the tax of each line
//! rounded to the cent, then summed.
//! Source: <https://developer.xero.com/documentation/api/accounting/invoices> (read 2026-11-22), "tax is calculated per line".

use rust_decimal::Decimal;
use sync_core::{
    Error, ErrorKind, Result,
    model::{Currency, TaxMode},
};

use crate::{ledger::Ledger, model::Line};

/// What amounts of lines say about tax.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mode {
    Inclusive,
    Exclusive,
    NoTax,
}

impl Mode {
    /// Of a record's word; a word that nobody knows says nothing.
    pub(crate) fn of(mode: &TaxMode) -> Option<Self> {
        match mode {
            TaxMode::Inclusive => Some(Self::Inclusive),
            TaxMode::Exclusive => Some(Self::Exclusive),
            TaxMode::NoTax => Some(Self::NoTax),
            _ => None,
        }
    }

    /// The record's word.
    pub(crate) fn word(self) -> TaxMode {
        match self {
            Self::Inclusive => TaxMode::Inclusive,
            Self::Exclusive => TaxMode::Exclusive,
            Self::NoTax => TaxMode::NoTax,
        }
    }

    /// As Xero spells it.
    pub(crate) fn theirs(self) -> &'static str {
        match self {
            Self::Inclusive => "Inclusive",
            Self::Exclusive => "Exclusive",
            Self::NoTax => "NoTax",
        }
    }
}

/// The largest difference that is made up for, in the document's currency.
const MOST: Decimal = Decimal::from_parts(5, 0, 0, false, 2);

/// What a line comes to before its tax is added or taken out.
pub(crate) fn line_amount(line: &Line, currency: Currency) -> Result<Decimal> {
    let gross = line.quantity.unwrap_or(Decimal::ONE).checked_mul(line.unit_amount.unwrap_or_default());
    let share = Decimal::ONE_HUNDRED.checked_sub(line.discount_rate.unwrap_or_default());
    let amount = gross.zip(share).and_then(|(gross, share)| gross.checked_mul(share)?.checked_div(Decimal::ONE_HUNDRED));
    amount.map(|amount| currency.round(amount)).ok_or_else(too_large)
}

/// The tax of a line.
///
/// # Errors
/// [`ErrorKind::Invalid`] where the rate is not known.
pub(crate) fn line_tax(ledger: Ledger<'_>, line: &Line, mode: Mode, currency: Currency) -> Result<Decimal> {
    if mode == Mode::NoTax {
        return Ok(Decimal::ZERO);
    }
    if let Some(tax) = line.tax_amount {
        return Ok(tax);
    }
    let amount = line_amount(line, currency)?;
    let own = Some(line.tax_type.as_str()).filter(|tax_type| !tax_type.is_empty());
    let of_account = || ledger.account(&line.account_code).map(|account| account.tax).filter(|tax| !tax.is_empty());
    let rate = match own.map(str::to_owned).or_else(of_account) {
        Some(tax_type) => ledger.rate(&tax_type).ok_or_else(no_rate)?,
        None => return Err(no_rate()),
    };
    let whole = if mode == Mode::Inclusive { rate.checked_add(Decimal::ONE_HUNDRED) } else { Some(Decimal::ONE_HUNDRED) };
    let tax = amount.checked_mul(rate).zip(whole).and_then(|(tax, whole)| tax.checked_div(whole));
    tax.map(|tax| currency.round(tax)).ok_or_else(too_large)
}

/// What a document comes to.
///
/// # Errors
/// [`ErrorKind::Invalid`] where a rate is not known, and for what is too large to be written.
pub(crate) fn total(ledger: Ledger<'_>, lines: &[Line], mode: Mode, currency: Currency) -> Result<Decimal> {
    let mut sum = Decimal::ZERO;
    for line in lines {
        let tax = if mode == Mode::Exclusive { line_tax(ledger, line, mode, currency)? } else { Decimal::ZERO };
        let amount = line_amount(line, currency)?;
        sum = sum.checked_add(amount).and_then(|sum| sum.checked_add(tax)).ok_or_else(too_large)?;
    }
    Ok(sum)
}

/// Makes lines come to `wanted`, where they nearly do: by the tax of the largest line where tax comes on top, else by a
/// line on the account of rounding differences.
///
/// # Errors
/// [`ErrorKind::Invalid`] when they do not add up, or nothing may make up for it.
pub(crate) fn fit(
    ledger: Ledger<'_>,
    lines: &mut Vec<Line>,
    mode: Mode,
    currency: Currency,
    wanted: Decimal,
    rounding_account: Option<&str>,
) -> Result<()> {
    let off = wanted.checked_sub(total(ledger, lines, mode, currency)?).ok_or_else(too_large)?;
    if off.is_zero() {
        return Ok(());
    }
    if off.abs() > MOST {
        return Err(Error::new(ErrorKind::Invalid, "the lines of the document do not add up to its total").with_remedy(
            "Correct the lines or the total; where tax comes on top, look at the tax rates under Settings > Xero > Tax rates. \
             The document goes with the next sync.",
        ));
    }
    if mode == Mode::Exclusive {
        let mut largest: Option<(usize, Decimal)> = None;
        for (idx, line) in lines.iter().enumerate().filter(|(_, line)| line.tax_amount.is_none()) {
            let tax = line_tax(ledger, line, mode, currency)?;
            if !tax.is_zero() && largest.is_none_or(|(_, most)| tax.abs() > most.abs()) {
                largest = Some((idx, tax));
            }
        }
        if let Some((idx, tax)) = largest
            && let Some(line) = lines.get_mut(idx)
        {
            line.tax_amount = Some(tax + off);
            return Ok(());
        }
    }
    let account = rounding_account.ok_or_else(|| {
        Error::new(ErrorKind::Invalid, "the document's total differs from what Xero computes by a few cents").with_remedy(
            "Choose an account of rounding differences under Settings > Xero > Rounding, or correct the total. The document \
             goes with the next sync.",
        )
    })?;
    lines.push(Line {
        description: "Rounding".to_owned(),
        quantity: Some(Decimal::ONE),
        unit_amount: Some(off),
        account_code: account.to_owned(),
        // Rounding is no sale: no tax is on it.
        tax_type: if mode == Mode::NoTax { String::new() } else { "NONE".to_owned() },
        ..Line::default()
    });
    Ok(())
}

fn no_rate() -> Error {
    Error::new(ErrorKind::Invalid, "the tax rate of a line is not known, so that the total can't be checked").with_remedy(
        "Choose the tax rate under Settings > Xero > Tax rates, or give the account in Xero one. The document goes with the \
         next sync.",
    )
}

fn too_large() -> Error {
    Error::new(ErrorKind::Invalid, "an amount of the document is too large")
        .with_remedy("Correct quantity or price. The document goes with the next sync.")
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use sync_core::Facts;

    use super::*;

    fn facts() -> Facts {
        let account = |tax: &str| json!({"id": "a", "code": "200", "name": "Sales", "tax": tax, "currency": "", "takes_payments": false});
        let mut facts = Facts::of("accounts", json!({"200": account("OUTPUT"), "860": account("NONE"), "1": account("")}));
        facts.learn(Facts::of("rates", json!({"OUTPUT": "21", "TAX001": "10", "NONE": "0"})));
        facts
    }

    fn line(quantity: &str, unit: &str, tax: &str) -> Line {
        Line {
            quantity: quantity.parse().ok(),
            unit_amount: unit.parse().ok(),
            account_code: "200".into(),
            tax_type: tax.into(),
            ..Line::default()
        }
    }

    fn eur() -> Currency {
        Currency::parse("EUR").unwrap()
    }

    fn money(text: &str) -> Decimal {
        text.parse().unwrap()
    }

    #[test]
    fn tax_is_rounded_by_line_and_then_summed() {
        let facts = facts();
        let lines = vec![line("3", "0.35", ""), line("1", "0.35", "TAX001"), line("1", "0.35", "TAX001")];
        // 1.05 + 0.22, 0.35 + 0.04, 0.35 + 0.04
        assert_eq!(total(Ledger(&facts), &lines, Mode::Exclusive, eur()).unwrap(), money("2.05"));
        assert_eq!(total(Ledger(&facts), &lines, Mode::Inclusive, eur()).unwrap(), money("1.75"));
        assert_eq!(line_tax(Ledger(&facts), &lines[0], Mode::Inclusive, eur()).unwrap(), money("0.18"));
    }

    #[test]
    fn halves_are_rounded_up_and_discounts_come_off_first() {
        let facts = facts();
        let lines = [Line { discount_rate: Some(10.into()), ..line("1", "0.05", "NONE") }, line("1.5", "33.3333", "NONE")];
        assert_eq!(total(Ledger(&facts), &lines, Mode::NoTax, eur()).unwrap(), money("0.05") + money("50.00"));
    }

    #[test]
    fn a_few_cents_are_made_up_for_by_the_tax_or_by_a_line_and_more_is_refused() {
        let facts = facts();
        let fitted = |mode, wanted: &str, account: Option<&str>| {
            let mut lines = vec![line("1", "10", ""), line("1", "100", "")];
            fit(Ledger(&facts), &mut lines, mode, eur(), money(wanted), account).map(|()| lines)
        };
        let by_tax = fitted(Mode::Exclusive, "133.12", None).unwrap();
        assert_eq!((by_tax.len(), by_tax[1].tax_amount), (2, Some(money("21.02"))));
        assert_eq!(total(Ledger(&facts), &by_tax, Mode::Exclusive, eur()).unwrap(), money("133.12"));
        let by_line = fitted(Mode::Inclusive, "109.95", Some("860")).unwrap();
        assert_eq!((by_line.len(), by_line[2].unit_amount), (3, Some(money("-0.05"))));
        assert_eq!(total(Ledger(&facts), &by_line, Mode::Inclusive, eur()).unwrap(), money("109.95"));
        assert!(fitted(Mode::Inclusive, "109.95", None).err().unwrap().remedy().unwrap().contains("Rounding"));
        for (mode, wanted) in [(Mode::Inclusive, "110.06"), (Mode::Exclusive, "133.00"), (Mode::NoTax, "0")] {
            let error = fitted(mode, wanted, Some("860")).err().unwrap();
            assert_eq!((error.kind(), error.remedy().is_some()), (ErrorKind::Invalid, true));
        }
        assert!(fitted(Mode::Inclusive, "110", None).is_ok());
    }

    #[test]
    fn without_a_rate_nothing_is_guessed() {
        let facts = facts();
        let unknown = [line("1", "1", "GONE")];
        assert!(total(Ledger(&facts), &unknown, Mode::Exclusive, eur()).is_err());
        let no_default = [Line { account_code: "1".into(), ..line("1", "1", "") }];
        assert!(total(Ledger(&facts), &no_default, Mode::Exclusive, eur()).is_err());
        assert!(total(Ledger(&facts), &unknown, Mode::Inclusive, eur()).is_ok());
    }
}
