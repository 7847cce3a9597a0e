//! Amounts: decimal inside, JSON numbers outside.
//! Source: <https://developer.xero.com/documentation/guides/how-to-guides/rounding-in-xero/>.

use rust_decimal::{Decimal, RoundingStrategy, prelude::ToPrimitive as _};
use serde_json::Value;

/// Reads a number, or a text that is one.
pub(super) fn read(value: &Value) -> Option<Decimal> {
    match value {
        Value::Number(number) => {
            let text = number.to_string();
            text.parse().ok().or_else(|| Decimal::from_scientific(&text).ok())
        }
        Value::String(text) => text.trim().parse().ok(),
        _ => None,
    }
}

/// Rounds to so many places, halves away from zero.
pub(super) fn round(amount: Decimal, places: u32) -> Decimal {
    amount.round_dp_with_strategy(places, RoundingStrategy::MidpointAwayFromZero)
}

/// Rounds to cents.
pub(super) fn cents(amount: Decimal) -> Decimal {
    round(amount, 2)
}

/// As an answer has it. Amounts of up to ten digits and four places are exact in a double's fifteen.
pub(super) fn json(amount: Decimal) -> Value {
    amount.to_f64().map_or(Value::Null, Value::from)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn dec(text: &str) -> Decimal {
        text.parse().expect("a number")
    }

    #[test]
    fn amounts_go_in_and_out_unharmed() {
        for (value, text) in [(json!(0.1), "0.1"), (json!("19.99"), "19.99"), (json!(9_999_999_999.99), "9999999999.99")] {
            let amount = read(&value).expect("an amount");
            assert_eq!(amount, dec(text));
            assert_eq!(read(&json(amount)), Some(amount));
        }
        assert_eq!(read(&json!("ten")), None);
        assert_eq!(cents(dec("0.125")), dec("0.13"));
        assert_eq!(cents(dec("-0.125")), dec("-0.13"));
    }
}
