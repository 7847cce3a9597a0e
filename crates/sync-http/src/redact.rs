//! Takes secrets and e-mail addresses out of what is written down for support.

use std::borrow::Cow;

use base64::{Engine as _, prelude::BASE64_STANDARD};
use http::{HeaderMap, HeaderName, HeaderValue, header::AUTHORIZATION};
use url::form_urlencoded;

/// What stands where a secret was.
pub(crate) const SECRET: &str = "[secret]";

/// What stands where an e-mail address was.
const EMAIL: &str = "[e-mail]";

/// Names of members, parameters and headers that hold secrets: lower case, without `-` and `_`.
const SECRET_NAMES: [&str; 17] = [
    "accesstoken",
    "apikey",
    "assertion",
    "authorization",
    "clientsecret",
    "codeverifier",
    "cookie",
    "idtoken",
    "password",
    "privatekey",
    "proxyauthorization",
    "refreshtoken",
    "secret",
    "setcookie",
    "sig",
    "signature",
    "token",
];

/// Names that hold secrets in URLs and forms only.
const SECRET_PARAMS: [&str; 3] = ["code", "key", "state"];

/// A secret shorter than this is too likely to be part of something else.
const SHORTEST_SECRET: usize = 8;

fn is_secret_name(name: &str) -> bool {
    let plain: String = name.chars().filter(|c| !matches!(c, '-' | '_')).flat_map(char::to_lowercase).collect();
    SECRET_NAMES.contains(&plain.as_str())
}

fn is_secret_param(name: &str) -> bool {
    is_secret_name(name) || SECRET_PARAMS.contains(&name.to_ascii_lowercase().as_str())
}

/// Redacts one exchange; knows the secrets that its request was signed with, and finds them wherever they come back.
#[derive(Default)]
pub(crate) struct Redactor {
    known: Vec<String>,
}

impl Redactor {
    pub(crate) fn of(headers: &HeaderMap) -> Self {
        let mut known = Vec::new();
        if let Some((scheme, word)) = headers.get(AUTHORIZATION).and_then(|value| value.to_str().ok()?.split_once(' ')) {
            known.push(word.to_owned());
            let plain = BASE64_STANDARD.decode(word).ok().and_then(|bytes| String::from_utf8(bytes).ok());
            if scheme.eq_ignore_ascii_case("basic")
                && let Some((_, password)) = plain.as_deref().and_then(|pair| pair.split_once(':'))
            {
                known.push(password.to_owned());
            }
        }
        known.retain(|secret| secret.len() >= SHORTEST_SECRET);
        Self { known }
    }

    /// A header's value.
    pub(crate) fn header(&self, name: &HeaderName, value: &HeaderValue) -> String {
        match value.to_str() {
            _ if is_secret_name(name.as_str()) || name.as_str().contains("api-key") || value.is_sensitive() => {
                SECRET.to_owned()
            }
            Ok(text) if text.contains('?') && text.contains('=') => self.url(text),
            Ok(text) => self.text(text),
            Err(_) => "[binary]".to_owned(),
        }
    }

    /// A URL: parameters with secrets, and addresses anywhere.
    pub(crate) fn url(&self, url: &str) -> String {
        match url.split_once('?') {
            Some((path, query)) => format!("{}?{}", self.text(path), self.form(query)),
            None => self.text(url),
        }
    }

    /// A query's or form's parameters, escaped as they were.
    fn form(&self, form: &str) -> String {
        let part = |part: &str| match part.split_once('=') {
            Some((name, _)) if is_secret_param(name) => format!("{name}={SECRET}"),
            _ => self.text(part),
        };
        form.split('&').map(part).collect::<Vec<_>>().join("&")
    }

    /// The same, taken apart.
    pub(crate) fn params(&self, query: &str) -> Vec<(String, String)> {
        form_urlencoded::parse(query.as_bytes())
            .map(|(name, value)| {
                let value = if is_secret_param(&name) { SECRET.to_owned() } else { self.text(&value) };
                (name.into_owned(), value)
            })
            .collect()
    }

    /// A body, by its content type.
    pub(crate) fn body(&self, content_type: &str, text: &str) -> String {
        if content_type.starts_with("application/x-www-form-urlencoded") {
            self.form(text)
        } else if text.trim_start().starts_with(['{', '[']) {
            self.json(text)
        } else {
            self.text(text)
        }
    }

    /// JSON, whole or cut off: strings are replaced in place, all else stays as it was sent. Of what has a secret's name,
    /// all is replaced: a text, a number, and every text and number in a list or table.
    fn json(&self, text: &str) -> String {
        let mut out = String::with_capacity(text.len());
        let mut rest = text;
        let mut place = Place::default();
        while let Some(start) = rest.find('"') {
            let (before, from) = rest.split_at(start);
            self.between(&mut place, before, &mut out);
            let Some(len) = string_len(from) else {
                rest = from;
                break;
            };
            let (raw, after) = from.split_at(len);
            let value: String = serde_json::from_str(raw).unwrap_or_else(|_| raw.trim_matches('"').to_owned());
            let is_name = after.trim_start().starts_with(':');
            let shown = if place.is_secret() && !is_name { Cow::Borrowed(SECRET) } else { Cow::Owned(self.text(&value)) };
            if *shown == *value {
                out.push_str(raw);
            } else {
                out.push_str(&serde_json::Value::from(shown.into_owned()).to_string());
            }
            if is_name && is_secret_name(&value) {
                place.enter();
            }
            rest = after;
        }
        if rest.starts_with('"') && place.is_secret() {
            out.push_str(SECRET);
        } else {
            self.between(&mut place, rest, &mut out);
        }
        out
    }

    /// What stands between strings: numbers and signs; words only in what isn't JSON.
    fn between(&self, place: &mut Place, text: &str, out: &mut String) {
        let is_sign = |c: char| c.is_whitespace() || "[]{},:".contains(c);
        let mut rest = text;
        while !rest.is_empty() {
            let end = rest.find(is_sign).unwrap_or(rest.len());
            let (scalar, after) = rest.split_at(end);
            if place.is_secret() && !scalar.is_empty() {
                out.push_str(&format!("\"{SECRET}\""));
            } else {
                // An address may have signs in it: up to where a secret's value ends, it is looked at whole.
                let end = if place.is_secret() { end } else { rest.len() };
                out.push_str(&self.text(rest.get(..end).unwrap_or_default()));
                if end == rest.len() {
                    rest.chars().for_each(|sign| place.pass(sign));
                    return;
                }
            }
            let Some(sign) = after.chars().next() else { return };
            place.pass(sign);
            out.push(sign);
            rest = after.get(sign.len_utf8()..).unwrap_or_default();
        }
    }

    /// Any text: known secrets, bearer and basic words, e-mail addresses.
    pub(crate) fn text(&self, text: &str) -> String {
        let mut text = text.to_owned();
        for secret in &self.known {
            if text.contains(secret) {
                text = text.replace(secret, SECRET);
            }
        }
        for word in ["Bearer ", "Basic "] {
            text = mask_after(&text, word);
        }
        mask_addresses(&text)
    }
}

/// How deep in lists and tables we are, and at which depth a value began that is secret as a whole.
#[derive(Default)]
struct Place {
    depth: usize,
    secret_at: Option<usize>,
}

impl Place {
    fn is_secret(&self) -> bool {
        self.secret_at.is_some()
    }

    /// A secret's name was read.
    fn enter(&mut self) {
        self.secret_at.get_or_insert(self.depth);
    }

    fn pass(&mut self, sign: char) {
        match sign {
            '[' | '{' => self.depth += 1,
            ']' | '}' => self.depth = self.depth.saturating_sub(1),
            _ => {}
        }
        let is_over = |at: usize| self.depth < at || (sign == ',' && self.depth == at);
        if self.secret_at.is_some_and(is_over) {
            self.secret_at = None;
        }
    }
}

/// Length of the JSON string at the start of `text`, quotes included; `None` when it isn't closed.
fn string_len(text: &str) -> Option<usize> {
    let mut is_escaped = false;
    text.bytes().enumerate().skip(1).find_map(|(idx, byte)| {
        let ends = byte == b'"' && !is_escaped;
        is_escaped = byte == b'\\' && !is_escaped;
        ends.then_some(idx + 1)
    })
}

/// Masks the word that follows each `intro`, where it is long enough to be a secret.
fn mask_after(text: &str, intro: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find(intro) {
        let (before, after) = rest.split_at(at + intro.len());
        out.push_str(before);
        let end = after.find(|c: char| c.is_whitespace() || matches!(c, '"' | '\'' | ',' | ';')).unwrap_or(after.len());
        let (word, after) = after.split_at(end);
        out.push_str(if word.len() >= SHORTEST_SECRET { SECRET } else { word });
        rest = after;
    }
    out.push_str(rest);
    out
}

/// Masks whatever looks like an e-mail address; `%40` counts as `@`.
fn mask_addresses(text: &str) -> String {
    let is_local = |c: char| c.is_alphanumeric() || !c.is_ascii() || "._%+-'!#$*^`{|}~".contains(c);
    let is_domain = |c: char| c.is_alphanumeric() || !c.is_ascii() || matches!(c, '.' | '-');
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((at, len)) = [("@", 1), ("%40", 3)].iter().filter_map(|(sign, len)| Some((rest.find(sign)?, *len))).min()
    {
        let (before, after) = rest.split_at(at);
        let after = after.get(len..).unwrap_or_default();
        let local = before.char_indices().rev().take_while(|(_, c)| is_local(*c)).last().map_or(at, |(idx, _)| idx);
        let end = after.find(|c: char| !is_domain(c)).unwrap_or(after.len());
        let domain = after.get(..end).unwrap_or_default().trim_end_matches(['.', '-']);
        if local < at && domain.trim_start_matches('.').contains('.') {
            out.push_str(before.get(..local).unwrap_or_default());
            out.push_str(EMAIL);
            rest = after.get(domain.len()..).unwrap_or_default();
        } else {
            out.push_str(rest.get(..at + len).unwrap_or_default());
            rest = after;
        }
    }
    out.push_str(rest);
    out
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn redactor() -> Redactor {
        // user:0123456789abcdef-us19
        let value = HeaderValue::from_static("Basic dXNlcjowMTIzNDU2Nzg5YWJjZGVmLXVzMTk=");
        Redactor::of(&HeaderMap::from_iter([(AUTHORIZATION, value)]))
    }

    #[test]
    fn addresses_are_masked_wherever_they_stand() {
        for (text, expected) in [
            ("ada@example.com", "[e-mail]"),
            ("<ada.l+x@mail.example.co.uk>, bob", "<[e-mail]>, bob"),
            ("/calendars/ada%40example.com/events", "/calendars/[e-mail]/events"),
            ("josé@exämple.org.", "[e-mail]."),
            ("a @ b, 5@6, @home, me@localhost", "a @ b, 5@6, @home, me@localhost"),
        ] {
            assert_eq!(mask_addresses(text), expected);
        }
    }

    #[test]
    fn json_keeps_its_spelling_but_for_secrets_and_addresses() {
        let text = r#"{ "id": 1.10, "email_address":"ada\u0040example.com", "access_token" : "abc\"def", "note":"x" }"#;
        let expected = r#"{ "id": 1.10, "email_address":"[e-mail]", "access_token" : "[secret]", "note":"x" }"#;
        assert_eq!(redactor().body("application/json", text), expected);
    }

    #[test]
    fn json_that_is_cut_off_in_a_secret_shows_none_of_it() {
        let shown = redactor().body("application/json", r#"{"refresh_token":"s3cret-refr"#);
        assert!(!shown.contains("s3cret"), "{shown}");
    }

    #[test]
    fn all_of_a_value_with_a_secrets_name_is_masked() {
        for (text, expected) in [
            (r#"{"token":["s3cret-1","s3cret-2"],"a":"x"}"#, r#"{"token":["[secret]","[secret]"],"a":"x"}"#),
            (
                r#"{"token":{"value":"s3cret","n":[4711]},"a":[1,"x"]}"#,
                r#"{"token":{"value":"[secret]","n":["[secret]"]},"a":[1,"x"]}"#,
            ),
            (r#"[{"secret": 4711}, {"a": 2}]"#, r#"[{"secret": "[secret]"}, {"a": 2}]"#),
            (r#"{"token":"s3cret" , "a":"x","password":null}"#, r#"{"token":"[secret]" , "a":"x","password":"[secret]"}"#),
            (r#"{"a":{"secret":"s3cret"},"b":["x"]}"#, r#"{"a":{"secret":"[secret]"},"b":["x"]}"#),
        ] {
            assert_eq!(redactor().body("application/json", text), expected);
        }
    }

    #[test]
    fn secrets_in_urls_forms_and_batches_are_masked() {
        let redactor = redactor();
        assert_eq!(redactor.url("/x?key=abc&page=2&q=ada%40example.com"), "/x?key=[secret]&page=2&q=[e-mail]");
        let form = redactor.body("application/x-www-form-urlencoded", "grant_type=x&code=abc&client_secret=def");
        assert_eq!(form, "grant_type=x&code=[secret]&client_secret=[secret]");
        assert_eq!(redactor.text("Authorization: Bearer abcdefghij\r\n"), "Authorization: Bearer [secret]\r\n");
    }

    #[test]
    fn a_key_that_comes_back_in_an_answer_is_found() {
        assert_eq!(redactor().text("bad key 0123456789abcdef-us19!"), "bad key [secret]!");
    }

    proptest! {
        #[test]
        fn any_text_survives_and_no_address_does(before in ".{0,40}", after in ".{0,40}") {
            let text = format!("{before} canary@example.com {after}");
            prop_assert!(!redactor().text(&text).contains("canary@"));
            let broken_json = redactor().body("application/json", &["{", &text].concat());
            prop_assert!(!broken_json.contains("canary@"));
        }
    }
}
