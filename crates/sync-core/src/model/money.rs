//! Amounts of money: exact decimals, a currency, and one stated way of rounding.

use std::fmt;

use rust_decimal::{Decimal, RoundingStrategy};

use super::field::invalid;
use crate::Result;

/// How amounts are rounded: halves away from zero, as invoices are by hand, by Xero ("Tax is rounded per line") and by
/// QuickBooks Online ("half-up"). Never to even.
pub const ROUNDING: RoundingStrategy = RoundingStrategy::MidpointAwayFromZero;

/// Most decimals of a unit amount that every provider of ours keeps.
/// Source: Xero Accounting API, "unitdp" (<https://developer.xero.com/documentation/api/accounting/invoices>, read
/// 2026-11-22): 4 decimal places. QuickBooks Online keeps 7.
pub const UNIT_PLACES: u32 = 4;

/// An ISO 4217 code, upper case.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Currency([u8; 3]);

impl Currency {
    /// A code: three letters, in either case.
    ///
    /// # Errors
    /// [`crate::ErrorKind::Invalid`] when it isn't one.
    pub fn parse(code: &str) -> Result<Self> {
        let code = code.trim().as_bytes();
        match code {
            [a, b, c] if code.iter().all(u8::is_ascii_alphabetic) => {
                Ok(Self([a.to_ascii_uppercase(), b.to_ascii_uppercase(), c.to_ascii_uppercase()]))
            }
            _ => Err(invalid("a currency is a code of three letters", "Write it as in EUR or USD.")),
        }
    }

    /// The code.
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).unwrap_or("XXX")
    }

    /// How many decimals an amount has: 2 for most.
    /// Source: ISO 4217, list of currencies, "Minor unit" (<https://www.six-group.com/en/products-services/financial-information/data-standards.html>,
    /// read 2026-11-22).
    pub fn places(self) -> u32 {
        match &self.0 {
            b"BIF" | b"CLP" | b"DJF" | b"GNF" | b"ISK" | b"JPY" | b"KMF" | b"KRW" | b"PYG" | b"RWF" | b"UGX" | b"VND"
            | b"VUV" | b"XAF" | b"XOF" | b"XPF" => 0,
            b"BHD" | b"IQD" | b"JOD" | b"KWD" | b"LYD" | b"OMR" | b"TND" => 3,
            _ => 2,
        }
    }

    /// An amount rounded to what can be paid.
    pub fn round(self, amount: Decimal) -> Decimal {
        amount.round_dp_with_strategy(self.places(), ROUNDING)
    }

    /// True when an amount can be paid as it is.
    pub fn is_exact(self, amount: Decimal) -> bool {
        amount.normalize().scale() <= self.places()
    }
}

impl fmt::Display for Currency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for Currency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Currency({self})")
    }
}

/// An amount in a currency.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Money {
    /// How much.
    pub amount: Decimal,
    /// Of what.
    pub currency: Currency,
}

impl Money {
    /// So much of it.
    pub fn new(amount: Decimal, currency: Currency) -> Self {
        Self { amount, currency }
    }

    /// Rounded to what can be paid.
    #[must_use]
    pub fn rounded(self) -> Self {
        Self { amount: self.currency.round(self.amount), ..self }
    }

    /// The sum of two amounts of one currency.
    ///
    /// # Errors
    /// [`crate::ErrorKind::Invalid`] for two currencies, and for a sum that is too large to be written.
    pub fn plus(self, other: Self) -> Result<Self> {
        if self.currency != other.currency {
            return Err(invalid("amounts of two currencies do not add up", "Give both in one currency."));
        }
        let sum = self.amount.checked_add(other.amount);
        sum.map(|amount| Self { amount, ..self }).ok_or_else(|| invalid("the sum is too large", "Correct the amounts."))
    }
}

/// As in `EUR 180.00`: with as many decimals as the currency has, or more where the amount has more.
impl fmt::Display for Money {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut amount = self.amount.normalize();
        if amount.scale() < self.currency.places() {
            amount.rescale(self.currency.places());
        }
        write!(f, "{} {amount}", self.currency)
    }
}

/// Prints no amount.
impl fmt::Debug for Money {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Money({}: …)", self.currency)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn eur() -> Currency {
        Currency::parse("eur").unwrap()
    }

    fn amount(text: &str) -> Decimal {
        text.parse().unwrap()
    }

    #[test]
    fn halves_are_rounded_away_from_zero_to_what_the_currency_has() {
        for (code, given, rounded) in [
            ("EUR", "1.005", "1.01"),
            ("EUR", "-1.005", "-1.01"),
            ("EUR", "2.675", "2.68"),
            ("EUR", "1.0049999", "1.00"),
            ("JPY", "100.5", "101"),
            ("KWD", "1.0005", "1.001"),
        ] {
            let currency = Currency::parse(code).unwrap();
            assert_eq!(currency.round(amount(given)), amount(rounded), "{code} {given}");
            assert!(!currency.is_exact(amount(given)), "{code} {given}");
        }
        assert!(eur().is_exact(amount("1.100")));
    }

    #[test]
    fn money_is_shown_with_the_decimals_of_its_currency_and_hidden_from_debug() {
        let shown = |given: &str, code: &str| Money::new(amount(given), Currency::parse(code).unwrap()).to_string();
        assert_eq!(shown("180", "EUR"), "EUR 180.00");
        assert_eq!(shown("12.3456", "EUR"), "EUR 12.3456");
        assert_eq!(shown("500.0", "JPY"), "JPY 500");
        assert!(!format!("{:?}", Money::new(amount("180"), eur())).contains("180"));
    }

    #[test]
    fn only_one_currency_adds_up() {
        let one = Money::new(amount("0.1"), eur());
        assert_eq!(one.plus(Money::new(amount("0.2"), eur())).unwrap().amount, amount("0.3"));
        assert!(one.plus(Money::new(amount("0.2"), Currency::parse("USD").unwrap())).is_err());
        assert!(Money::new(Decimal::MAX, eur()).plus(Money::new(Decimal::MAX, eur())).is_err());
        assert!(Currency::parse("€").is_err() && Currency::parse("EURO").is_err());
    }
}
