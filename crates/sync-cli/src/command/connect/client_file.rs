//! An OAuth client in the file that the provider gave.

use std::path::Path;

use secrecy::SecretString;
use serde::Deserialize;
use sync_core::{Error, ErrorKind, Owner, Result};

/// `{"client_id": …, "client_secret": …}`, by itself or, as Google gives it, under `installed` or `web`.
/// Source: <https://developers.google.com/identity/protocols/oauth2/native-app#creatingcred>.
#[derive(Deserialize)]
struct File {
    installed: Option<Client>,
    web: Option<Client>,
    #[serde(flatten)]
    plain: Option<Client>,
}

#[derive(Deserialize)]
struct Client {
    client_id: String,
    client_secret: String,
}

/// Id and secret.
pub(super) fn read(path: &Path) -> Result<(String, SecretString)> {
    // The cause may quote the secret.
    let unreadable = |why: &str| {
        Error::new(ErrorKind::Config, format!("{} is no OAuth client: {why}", path.display()))
            .with_owner(Owner::EndUserData)
            .with_remedy("Give the JSON file that the provider offers for download, with client_id and client_secret.")
    };
    let text = std::fs::read_to_string(path).map_err(|error| unreadable(&format!("it can't be read ({})", error.kind())))?;
    parse(&text).ok_or_else(|| unreadable("it holds no client_id and client_secret"))
}

fn parse(text: &str) -> Option<(String, SecretString)> {
    let file: File = serde_json::from_str(text).ok()?;
    let client = file.installed.or(file.web).or(file.plain)?;
    Some((client.client_id, SecretString::from(client.client_secret)))
}

#[cfg(test)]
mod tests {
    use secrecy::ExposeSecret as _;

    use super::*;

    #[test]
    fn googles_file_and_a_plain_one_are_read() {
        let inner = r#"{"client_id": "a.apps.example", "client_secret": "hush", "redirect_uris": ["http://localhost"]}"#;
        for text in [inner.to_owned(), format!(r#"{{"installed": {inner}}}"#), format!(r#"{{"web": {inner}}}"#)] {
            let (id, secret) = parse(&text).unwrap();
            assert_eq!((id.as_str(), secret.expose_secret()), ("a.apps.example", "hush"), "{text}");
        }
    }

    #[test]
    fn what_is_no_client_is_refused_without_a_word_of_it() {
        let path = std::env::temp_dir().join(format!("client-{}.json", std::process::id()));
        for text in ["", "[]", r#"{"client_secret": "canary"}"#, r#"{"installed": {"client_id": "canary"}}"#] {
            std::fs::write(&path, text).unwrap();
            let error = read(&path).unwrap_err();
            assert!(!format!("{error} {error:?}").contains("canary"), "{error}");
        }
        std::fs::remove_file(&path).unwrap();
        assert_eq!(read(&path).unwrap_err().kind(), ErrorKind::Config);
    }
}
