//! Values of a statement.

use sync_core::Result;

use crate::store::sql::to_json;

/// A value, or a list of values that a statement reads with `json_each`.
#[derive(Debug, Clone)]
pub(crate) enum Value {
    Text(Option<String>),
    Int(Option<i64>),
    Bytes(Option<Vec<u8>>),
    Texts(Option<Vec<String>>),
    Ints(Vec<i64>),
    Pairs(Vec<[String; 2]>),
}

impl Value {
    /// A list as JSON.
    pub(crate) fn json(&self) -> Result<Option<String>> {
        match self {
            Self::Texts(texts) => texts.as_ref().map(to_json).transpose(),
            Self::Ints(numbers) => to_json(numbers).map(Some),
            Self::Pairs(pairs) => to_json(pairs).map(Some),
            Self::Text(_) | Self::Int(_) | Self::Bytes(_) => Ok(None),
        }
    }
}

macro_rules! from {
    ($($from:ty: $value:ident => $into:expr),+ $(,)?) => {
        $(impl From<$from> for Value {
            fn from($value: $from) -> Self {
                $into
            }
        })+
    };
}

from! {
    &str: text => Self::Text(Some(text.to_owned())),
    String: text => Self::Text(Some(text)),
    Option<&str>: text => Self::Text(text.map(str::to_owned)),
    Option<String>: text => Self::Text(text),
    i64: number => Self::Int(Some(number)),
    i32: number => Self::Int(Some(number.into())),
    u32: number => Self::Int(Some(number.into())),
    u8: number => Self::Int(Some(number.into())),
    bool: flag => Self::Int(Some(flag.into())),
    Option<i64>: number => Self::Int(number),
    Vec<u8>: bytes => Self::Bytes(Some(bytes)),
    Option<Vec<u8>>: bytes => Self::Bytes(bytes),
    Option<Value>: list => list.unwrap_or(Self::Texts(None)),
}

/// Collects the values of a statement in order.
#[derive(Default)]
pub(crate) struct Values(pub(super) Vec<Value>);

impl Values {
    pub(crate) fn text(&mut self, text: impl Into<String>) -> &mut Self {
        self.add(Value::Text(Some(text.into())))
    }

    pub(crate) fn opt_text(&mut self, text: Option<impl Into<String>>) -> &mut Self {
        self.add(Value::Text(text.map(Into::into)))
    }

    pub(crate) fn int(&mut self, number: i64) -> &mut Self {
        self.add(Value::Int(Some(number)))
    }

    pub(crate) fn opt_int(&mut self, number: Option<i64>) -> &mut Self {
        self.add(Value::Int(number))
    }

    pub(crate) fn bytes(&mut self, bytes: Vec<u8>) -> &mut Self {
        self.add(Value::Bytes(Some(bytes)))
    }

    fn add(&mut self, value: Value) -> &mut Self {
        self.0.push(value);
        self
    }
}
