//! What was asked for, against what was granted.

/// Words of OpenID Connect that ask for no right at a provider's API, and that servers leave out of their answers.
const NO_RIGHTS: [&str; 2] = ["openid", "offline_access"];

/// The scopes that were asked for and not granted: a person may untick them on the consent page.
///
/// A short scope counts as granted under its long name too: who asks for `email` may be answered
/// `https://www.googleapis.com/auth/userinfo.email`.
pub fn missing_scopes<'a>(asked: &'a [String], granted: &[String]) -> Vec<&'a str> {
    let is_granted = |asked: &str| {
        let is_long_name = |granted: &String| {
            !asked.contains([':', '/']) && granted.contains("://") && granted.rsplit(['/', '.']).next() == Some(asked)
        };
        granted.iter().any(|granted| granted == asked || is_long_name(granted))
    };
    asked.iter().map(String::as_str).filter(|asked| !NO_RIGHTS.contains(asked) && !is_granted(asked)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scopes(text: &str) -> Vec<String> {
        text.split_whitespace().map(str::to_owned).collect()
    }

    #[test]
    fn an_unticked_scope_is_missing_and_order_and_extras_do_not_matter() {
        let asked = scopes("openid email https://x.example/auth/events https://x.example/auth/lists.readonly");
        let granted = scopes("https://x.example/auth/lists.readonly https://x.example/auth/userinfo.email other");
        assert_eq!(missing_scopes(&asked, &granted), ["https://x.example/auth/events"]);
        assert!(missing_scopes(&asked[..2], &granted).is_empty());
        assert_eq!(missing_scopes(&scopes("read"), &[]), ["read"]);
    }

    #[test]
    fn a_scope_is_not_granted_by_a_narrower_one_of_a_similar_name() {
        let asked = scopes("https://x.example/auth/calendar");
        assert_eq!(missing_scopes(&asked, &scopes("https://x.example/auth/calendar.readonly")).len(), 1);
    }
}
