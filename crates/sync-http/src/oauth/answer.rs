//! What token endpoints answer, read with more patience than the standard asks for.

use std::time::Duration;

use oauth2::{AccessToken, RefreshToken, Scope, TokenResponse, basic::BasicTokenType};
use serde::{Deserialize, Deserializer, Serialize};

/// A token answer. Mailchimp sends `expires_in: 0` and `scope: null`
/// (<https://github.com/requests/requests-oauthlib/issues/169>); others write numbers as text or leave `token_type` out.
#[derive(Debug, Deserialize, Serialize)]
pub(crate) struct TokenAnswer {
    access_token: AccessToken,
    #[serde(skip, default = "bearer")]
    token_type: BasicTokenType,
    #[serde(default, deserialize_with = "seconds")]
    expires_in: Option<u64>,
    #[serde(default)]
    refresh_token: Option<RefreshToken>,
    #[serde(default, rename = "scope", deserialize_with = "scopes")]
    scopes: Option<Vec<Scope>>,
}

fn bearer() -> BasicTokenType {
    BasicTokenType::Bearer
}

fn seconds<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<u64>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Seconds {
        Whole(u64),
        Text(String),
        Other(serde::de::IgnoredAny),
    }
    Ok(match Option::<Seconds>::deserialize(deserializer)? {
        Some(Seconds::Whole(seconds)) => Some(seconds),
        Some(Seconds::Text(text)) => text.trim().parse().ok(),
        _ => None,
    }
    .filter(|seconds| *seconds > 0))
}

fn scopes<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Vec<Scope>>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Scopes {
        Text(String),
        List(Vec<String>),
    }
    Ok(Option::<Scopes>::deserialize(deserializer)?.map(|scopes| match scopes {
        Scopes::Text(text) => text.split_whitespace().map(|scope| Scope::new(scope.to_owned())).collect(),
        Scopes::List(list) => list.into_iter().map(Scope::new).collect(),
    }))
}

impl TokenResponse for TokenAnswer {
    type TokenType = BasicTokenType;

    fn access_token(&self) -> &AccessToken {
        &self.access_token
    }

    fn token_type(&self) -> &BasicTokenType {
        &self.token_type
    }

    fn expires_in(&self) -> Option<Duration> {
        self.expires_in.map(Duration::from_secs)
    }

    fn refresh_token(&self) -> Option<&RefreshToken> {
        self.refresh_token.as_ref().filter(|token| !token.secret().is_empty())
    }

    fn scopes(&self) -> Option<&Vec<Scope>> {
        self.scopes.as_ref()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(json: &str) -> TokenAnswer {
        serde_json::from_str(json).unwrap()
    }

    #[test]
    fn mailchimps_zero_lifetime_and_null_scope_are_read_as_none() {
        let answer = read(r#"{"access_token":"abc","expires_in":0,"scope":null}"#);
        assert_eq!((answer.expires_in(), answer.scopes()), (None, None));
    }

    #[test]
    fn odd_spellings_are_read() {
        let answer =
            read(r#"{"access_token":"abc","token_type":"BEARER","expires_in":"3600","refresh_token":"","scope":["a","b"]}"#);
        assert_eq!(answer.expires_in(), Some(Duration::from_secs(3600)));
        assert!(answer.refresh_token().is_none());
        assert_eq!(answer.scopes().map(Vec::len), Some(2));
        assert_eq!(read(r#"{"access_token":"abc","expires_in":1.5}"#).expires_in(), None);
    }

    #[test]
    fn debug_shows_no_token() {
        let answer = read(r#"{"access_token":"s3cret-access","refresh_token":"s3cret-refresh"}"#);
        assert!(!format!("{answer:?}").contains("s3cret"));
    }
}
