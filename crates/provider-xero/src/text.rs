//! Texts as Xero takes them.

use sync_core::{Error, ErrorKind, LocalId, Result};

/// Longest name of a contact, in characters. Source: the field's description in Xero's OpenAPI document
/// (<https://github.com/XeroAPI/Xero-OpenAPI>, read 2026-11-22): max length 255.
const MAX_NAME: usize = 255;

/// Longest local id that is shown behind a name that is taken, in characters.
const MAX_SHOWN_ID: usize = 40;

/// A name without the white space that Xero refuses: before, after, and doubled.
///
/// # Errors
/// [`ErrorKind::Invalid`] for what can't be a name there.
/// Source: <https://developer.xero.com/documentation/api/accounting/contacts> (read 2026-11-22).
pub(crate) fn name(text: &str) -> Result<String> {
    let name = folded(text);
    let wrong = |what: &str, remedy: &'static str| Err(Error::new(ErrorKind::Invalid, what.to_owned()).with_remedy(remedy));
    if name.is_empty() {
        return wrong("the customer has no name", "Give the customer a name. The contact goes with the next sync.");
    }
    if name.contains(['<', '>']) || name.chars().any(char::is_control) {
        return wrong(
            "the customer's name has a character that Xero does not take: <, > or one that can't be seen",
            "Take it out of the customer's name. The contact goes with the next sync.",
        );
    }
    if name.chars().count() > MAX_NAME {
        return wrong(
            "the customer's name has more than 255 characters",
            "Shorten the customer's name. The contact goes with the next sync.",
        );
    }
    Ok(name)
}

/// A name that tells this customer from another of the same name: `Maria Garcia (D-1042)`.
pub(crate) fn told_apart(name: &str, id: &LocalId) -> String {
    let id: String = folded(id.as_str()).replace(['<', '>'], "").chars().take(MAX_SHOWN_ID).collect();
    let room = MAX_NAME - id.chars().count() - 3;
    let name: String = name.chars().take(room).collect();
    format!("{} ({id})", name.trim_end())
}

/// Without white space before, after, and doubled.
pub(crate) fn folded(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// At most so many characters.
///
/// # Errors
/// [`ErrorKind::Invalid`] names the field.
pub(crate) fn at_most<'t>(text: &'t str, most: usize, field: &str) -> Result<&'t str> {
    if text.chars().count() > most || text.contains('\u{0}') {
        return Err(Error::new(
            ErrorKind::Invalid,
            format!("the field {field} has more than {most} characters, or one that is none"),
        )
        .with_remedy(format!("Shorten {field}. It goes with the next sync.")));
    }
    Ok(text)
}

/// A text inside a `where`; `None` for one that would end it.
pub(crate) fn quoted(text: &str) -> Option<String> {
    let is_plain = !text.contains(['"', '\\']) && !text.chars().any(char::is_control);
    is_plain.then(|| format!("\"{text}\""))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn white_space_is_folded_and_what_xero_refuses_is_refused_in_words() {
        assert_eq!(name("  Maria \t Garcia ").unwrap(), "Maria Garcia");
        for text in ["", "  ", "a > b", "<b>", "a\u{7}b"] {
            let error = name(text).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Invalid);
            assert!(error.remedy().is_some(), "{text:?}");
        }
        assert!(name(&"é".repeat(255)).is_ok() && name(&"é".repeat(256)).is_err());
    }

    #[test]
    fn two_of_one_name_are_told_apart_within_the_length() {
        assert_eq!(told_apart("Maria Garcia", &"D-1042".into()), "Maria Garcia (D-1042)");
        let long = told_apart(&"x".repeat(255), &"D-1042".into());
        assert_eq!((long.chars().count(), long.ends_with(" (D-1042)")), (255, true));
    }

    proptest! {
        #[test]
        fn what_is_told_apart_is_a_name(text in "\\PC{1,300}", id in "\\PC{1,80}") {
            if let Ok(name) = name(&text) {
                let apart = told_apart(&name, &id.as_str().into());
                prop_assert!(apart.chars().count() <= MAX_NAME && !apart.contains("  "));
            }
        }

        #[test]
        fn a_quoted_text_can_not_end_the_filter(text in "\\PC{0,40}") {
            if let Some(quoted) = quoted(&text) {
                prop_assert_eq!(quoted.matches('"').count(), 2);
            }
        }
    }
}
