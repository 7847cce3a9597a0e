//! `where`: comparisons, joined by AND and OR.
//! Source: <https://developer.xero.com/documentation/api/accounting/requests-and-responses>, "Filtering with where".

use std::cmp::Ordering;

use jiff::{Timestamp, civil::Date, tz::TimeZone};
use rust_decimal::Decimal;

use super::{id::Id, problem::Problem};

/// A member that can be compared.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Field {
    Text(String),
    Number(Decimal),
    Time(Timestamp),
    Guid(Id),
    Flag(bool),
    Null,
}

impl From<Date> for Field {
    fn from(day: Date) -> Self {
        day.to_zoned(TimeZone::UTC).map_or(Self::Null, |zoned| Self::Time(zoned.timestamp()))
    }
}

impl From<Option<Date>> for Field {
    fn from(day: Option<Date>) -> Self {
        day.map_or(Self::Null, Self::from)
    }
}

impl From<&str> for Field {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl Field {
    /// Order among members of one type; texts without case.
    pub(super) fn compare(&self, other: &Self) -> Option<Ordering> {
        match (self, other) {
            (Self::Text(one), Self::Text(other)) => Some(one.to_lowercase().cmp(&other.to_lowercase())),
            (Self::Number(one), Self::Number(other)) => Some(one.cmp(other)),
            (Self::Time(one), Self::Time(other)) => Some(one.cmp(other)),
            (Self::Guid(one), Self::Guid(other)) => Some(one.cmp(other)),
            (Self::Flag(one), Self::Flag(other)) => Some(one.cmp(other)),
            (Self::Null, Self::Null) => Some(Ordering::Equal),
            _ => None,
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Test {
    Equal,
    NotEqual,
    Less,
    AtMost,
    More,
    AtLeast,
    Contains,
    StartsWith,
    EndsWith,
}

/// A filter.
#[derive(Debug, Clone)]
pub(super) enum Filter {
    All(Vec<Self>),
    Any(Vec<Self>),
    One { path: String, test: TestOf, value: Field },
}

/// How a member is compared.
#[derive(Debug, Clone, Copy)]
pub(super) struct TestOf(Test);

impl Filter {
    /// Reads a filter over these members.
    pub(super) fn parse(text: &str, known: &[&str]) -> Result<Self, Problem> {
        let tokens = tokens(text).ok_or_else(|| wrong(text))?;
        let mut parser = Parser { tokens: &tokens, at: 0, known, text };
        let filter = parser.any()?;
        if parser.at == tokens.len() { Ok(filter) } else { Err(wrong(text)) }
    }

    /// Whether a record passes, of which members are asked by name.
    pub(super) fn passes(&self, member: &impl Fn(&str) -> Field) -> bool {
        match self {
            Self::All(parts) => parts.iter().all(|part| part.passes(member)),
            Self::Any(parts) => parts.iter().any(|part| part.passes(member)),
            Self::One { path, test, value } => test.0.passes(&member(path), value),
        }
    }
}

impl Test {
    fn passes(self, member: &Field, value: &Field) -> bool {
        let order = member.compare(value);
        match self {
            Self::Equal => order == Some(Ordering::Equal),
            Self::NotEqual => order != Some(Ordering::Equal),
            Self::Less => order == Some(Ordering::Less),
            Self::AtMost => matches!(order, Some(Ordering::Less | Ordering::Equal)),
            Self::More => order == Some(Ordering::Greater),
            Self::AtLeast => matches!(order, Some(Ordering::Greater | Ordering::Equal)),
            Self::Contains | Self::StartsWith | Self::EndsWith => match (member, value) {
                (Field::Text(text), Field::Text(part)) => {
                    let (text, part) = (text.to_lowercase(), part.to_lowercase());
                    match self {
                        Self::Contains => text.contains(&part),
                        Self::StartsWith => text.starts_with(&part),
                        _ => text.ends_with(&part),
                    }
                }
                _ => false,
            },
        }
    }
}

fn wrong(text: &str) -> Problem {
    Problem::query(format!("The where clause could not be parsed: {text}"))
}

#[derive(Debug, Clone, PartialEq)]
enum Token {
    Name(String),
    Text(String),
    Number(Decimal),
    Sign(&'static str),
}

const SIGNS: &[&str] = &["==", "!=", "<>", ">=", "<=", "&&", "||", "=", ">", "<", "(", ")", ","];

fn tokens(text: &str) -> Option<Vec<Token>> {
    let mut rest = text.trim_start();
    let mut found = Vec::new();
    while let Some(first) = rest.chars().next() {
        let taken = if first == '"' {
            let end = rest[1..].find('"')? + 1;
            found.push(Token::Text(rest[1..end].to_owned()));
            end + 1
        } else if let Some(sign) = SIGNS.iter().find(|sign| rest.starts_with(**sign)) {
            found.push(Token::Sign(sign));
            sign.len()
        } else {
            let is_part = |c: char| c.is_alphanumeric() || matches!(c, '.' | '_' | '-');
            let end = rest.find(|c| !is_part(c)).unwrap_or(rest.len());
            let word = rest.get(..end).filter(|word| !word.is_empty())?;
            found.push(word.parse().map_or_else(|_| Token::Name(word.to_owned()), Token::Number));
            end
        };
        rest = rest[taken..].trim_start();
    }
    Some(found)
}

struct Parser<'t> {
    tokens: &'t [Token],
    at: usize,
    known: &'t [&'t str],
    text: &'t str,
}

impl Parser<'_> {
    fn next(&mut self) -> Option<Token> {
        self.at += 1;
        self.tokens.get(self.at - 1).cloned()
    }

    fn takes(&mut self, words: [&str; 2]) -> bool {
        let is_it = match self.tokens.get(self.at) {
            Some(Token::Sign(sign)) => *sign == words[0],
            Some(Token::Name(name)) => name.eq_ignore_ascii_case(words[1]),
            _ => false,
        };
        self.at += usize::from(is_it);
        is_it
    }

    fn any(&mut self) -> Result<Filter, Problem> {
        let mut parts = vec![self.all()?];
        while self.takes(["||", "OR"]) {
            parts.push(self.all()?);
        }
        Ok(Filter::Any(parts))
    }

    fn all(&mut self) -> Result<Filter, Problem> {
        let mut parts = vec![self.one()?];
        while self.takes(["&&", "AND"]) {
            parts.push(self.one()?);
        }
        Ok(Filter::All(parts))
    }

    fn sign(&mut self, wanted: &str) -> Result<(), Problem> {
        match self.next() {
            Some(Token::Sign(sign)) if sign == wanted => Ok(()),
            _ => Err(wrong(self.text)),
        }
    }

    fn one(&mut self) -> Result<Filter, Problem> {
        if self.takes(["(", "("]) {
            let inner = self.any()?;
            self.sign(")")?;
            return Ok(inner);
        }
        let Some(Token::Name(name)) = self.next() else { return Err(wrong(self.text)) };
        for (end, test) in [(".Contains", Test::Contains), (".StartsWith", Test::StartsWith), (".EndsWith", Test::EndsWith)]
        {
            if let Some(path) = name.strip_suffix(end) {
                let path = self.path(path)?;
                self.sign("(")?;
                let value = self.value()?;
                self.sign(")")?;
                return Ok(Filter::One { path, test: TestOf(test), value });
            }
        }
        let path = self.path(&name)?;
        let test = match self.next() {
            Some(Token::Sign("==" | "=")) => Test::Equal,
            Some(Token::Sign("!=" | "<>")) => Test::NotEqual,
            Some(Token::Sign("<")) => Test::Less,
            Some(Token::Sign("<=")) => Test::AtMost,
            Some(Token::Sign(">")) => Test::More,
            Some(Token::Sign(">=")) => Test::AtLeast,
            _ => return Err(wrong(self.text)),
        };
        Ok(Filter::One { path, test: TestOf(test), value: self.value()? })
    }

    fn path(&self, name: &str) -> Result<String, Problem> {
        match self.known.iter().find(|known| known.eq_ignore_ascii_case(name)) {
            Some(known) => Ok((*known).to_owned()),
            None => Err(Problem::query(format!("No property or field '{name}' exists"))),
        }
    }

    fn value(&mut self) -> Result<Field, Problem> {
        match self.next() {
            Some(Token::Text(text)) => Ok(Field::Text(text)),
            Some(Token::Number(number)) => Ok(Field::Number(number)),
            Some(Token::Name(name)) => match name.to_ascii_lowercase().as_str() {
                "true" => Ok(Field::Flag(true)),
                "false" => Ok(Field::Flag(false)),
                "null" => Ok(Field::Null),
                "guid" => {
                    self.sign("(")?;
                    let Some(Token::Text(text)) = self.next() else { return Err(wrong(self.text)) };
                    self.sign(")")?;
                    Id::parse(&text).map(Field::Guid).ok_or_else(|| wrong(self.text))
                }
                "datetime" => self.time(),
                _ => Err(wrong(self.text)),
            },
            _ => Err(wrong(self.text)),
        }
    }

    /// `DateTime(2026, 01, 31)`, with hours, minutes and seconds or without.
    fn time(&mut self) -> Result<Field, Problem> {
        self.sign("(")?;
        let mut parts = Vec::new();
        loop {
            let Some(Token::Number(number)) = self.next() else { return Err(wrong(self.text)) };
            parts.push(i16::try_from(number).map_err(|_| wrong(self.text))?);
            match self.next() {
                Some(Token::Sign(",")) => {}
                Some(Token::Sign(")")) => break,
                _ => return Err(wrong(self.text)),
            }
        }
        let small = |n: usize| parts.get(n).map_or(Ok(0), |part| i8::try_from(*part)).map_err(|_| wrong(self.text));
        let (Some(year), true) = (parts.first(), matches!(parts.len(), 3 | 6)) else { return Err(wrong(self.text)) };
        let day = Date::new(*year, small(1)?, small(2)?).map_err(|_| wrong(self.text))?;
        let time = jiff::civil::Time::new(small(3)?, small(4)?, small(5)?, 0).map_err(|_| wrong(self.text))?;
        let zoned = day.to_datetime(time).to_zoned(TimeZone::UTC).map_err(|_| wrong(self.text))?;
        Ok(Field::Time(zoned.timestamp()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KNOWN: &[&str] = &["Status", "Contact.ContactID", "Date", "AmountDue", "Name"];

    fn member(name: &str) -> Field {
        match name {
            "Status" => "AUTHORISED".into(),
            "Contact.ContactID" => Field::Guid(Id::of("a")),
            "Date" => jiff::civil::date(2026, 1, 31).into(),
            "AmountDue" => Field::Number(Decimal::from(20)),
            _ => "Maria \u{e1} Garcia".into(),
        }
    }

    #[test]
    fn filters_compare_and_join() {
        let id = Id::of("a");
        for (text, passes) in [
            ("Status==\"AUTHORISED\"", true),
            ("Status==\"PAID\" OR AmountDue>=20", true),
            ("Status==\"PAID\" OR AmountDue>20", false),
            ("(Status==\"PAID\" || AmountDue == 20) && Date == DateTime(2026,01,31)", true),
            ("Date > DateTime(2026, 02, 01) AND AmountDue > 0", false),
            ("Name.Contains(\"garcia\")", true),
            ("Name.StartsWith(\"Garcia\")", false),
            ("Name != null", true),
            (&format!("Contact.ContactID == Guid(\"{id}\")"), true),
        ] {
            assert_eq!(Filter::parse(text, KNOWN).expect("a filter").passes(&member), passes, "{text}");
        }
        for text in [
            "Status=",
            "Status==AUTHORISED",
            "Colour==\"red\"",
            "Status==\"PAID",
            "Date==DateTime(2026)",
            "",
            "(Status==\"A\"",
        ] {
            assert!(Filter::parse(text, KNOWN).is_err(), "{text}");
        }
    }
}
