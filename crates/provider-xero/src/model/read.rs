//! How members are read and written that Xero spells in several ways.

use std::{fmt, marker::PhantomData};

use rust_decimal::Decimal;
use serde::{
    Deserialize, Deserializer, Serializer,
    de::{self, IgnoredAny, MapAccess, SeqAccess, Visitor},
};
use serde_json::Value;

/// Reads `null` as the default: one odd record must not spoil a page.
pub(super) fn or_default<'de, D: Deserializer<'de>, T: Deserialize<'de> + Default>(deserializer: D) -> Result<T, D::Error> {
    Ok(Option::<T>::deserialize(deserializer)?.unwrap_or_default())
}

/// Reads an object where Xero may give null, or an empty list that stands for nothing.
pub(super) fn object<'de, D: Deserializer<'de>, T: Deserialize<'de> + Default>(deserializer: D) -> Result<T, D::Error> {
    struct Either<T>(PhantomData<T>);

    impl<'de, T: Deserialize<'de> + Default> Visitor<'de> for Either<T> {
        type Value = T;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("an object, or nothing")
        }

        fn visit_unit<E: de::Error>(self) -> Result<T, E> {
            Ok(T::default())
        }

        fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<T, A::Error> {
            while list.next_element::<IgnoredAny>()?.is_some() {}
            Ok(T::default())
        }

        fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<T, A::Error> {
            T::deserialize(de::value::MapAccessDeserializer::new(map))
        }
    }

    deserializer.deserialize_any(Either(PhantomData))
}

/// Reads an exact number: of a JSON number the shortest decimal that means it, or a text.
pub(super) fn decimal<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Decimal, D::Error> {
    Ok(maybe_decimal(deserializer)?.unwrap_or_default())
}

/// Reads an exact number that may be missing.
pub(super) fn maybe_decimal<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Decimal>, D::Error> {
    struct Number;

    impl Visitor<'_> for Number {
        type Value = Option<Decimal>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a number")
        }

        fn visit_unit<E: de::Error>(self) -> Result<Self::Value, E> {
            Ok(None)
        }

        fn visit_u64<E: de::Error>(self, number: u64) -> Result<Self::Value, E> {
            Ok(Some(number.into()))
        }

        fn visit_i64<E: de::Error>(self, number: i64) -> Result<Self::Value, E> {
            Ok(Some(number.into()))
        }

        fn visit_f64<E: de::Error>(self, number: f64) -> Result<Self::Value, E> {
            // What it prints is the shortest text that means it: up to 15 digits that is what was sent.
            self.visit_str(&number.to_string())
        }

        fn visit_str<E: de::Error>(self, text: &str) -> Result<Self::Value, E> {
            let text = text.trim();
            if text.is_empty() {
                return Ok(None);
            }
            text.parse().map(Some).map_err(|_| E::custom("no number"))
        }
    }

    deserializer.deserialize_any(Number)
}

/// Writes an exact number as a JSON number.
pub(super) fn number<S: Serializer>(number: &Decimal, serializer: S) -> Result<S::Ok, S::Error> {
    use rust_decimal::prelude::ToPrimitive as _;
    let lossy = number.to_f64().filter(|lossy| lossy.to_string().parse::<Decimal>().is_ok_and(|back| back == *number));
    match (number.fract().is_zero().then(|| number.to_i64()).flatten(), lossy) {
        (Some(whole), _) => serializer.serialize_i64(whole),
        (None, Some(lossy)) => serializer.serialize_f64(lossy),
        (None, None) => Err(serde::ser::Error::custom("a number has more digits than Xero reads")),
    }
}

/// Writes an exact number that may be missing.
pub(super) fn maybe_number<S: Serializer>(value: &Option<Decimal>, serializer: S) -> Result<S::Ok, S::Error> {
    match value {
        Some(value) => number(value, serializer),
        None => serializer.serialize_none(),
    }
}

/// Reads yes or no, spelled in whatever way.
pub(super) fn truth<'de, D: Deserializer<'de>>(deserializer: D) -> Result<bool, D::Error> {
    Ok(maybe_truth(deserializer)?.unwrap_or(false))
}

pub(super) fn maybe_truth<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<bool>, D::Error> {
    Ok(match Option::<Value>::deserialize(deserializer)? {
        Some(Value::Bool(yes)) => Some(yes),
        Some(Value::String(text)) => Some(text.eq_ignore_ascii_case("true")),
        _ => None,
    })
}
