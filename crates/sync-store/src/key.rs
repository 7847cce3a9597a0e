//! The store's keys: what credentials are sealed with and addresses are hashed with.

use std::{fmt, path::Path, sync::Arc};

use base64::{Engine, engine::general_purpose::STANDARD};
use hkdf::Hkdf;
use secrecy::{ExposeSecret, SecretBox};
use sha2::Sha256;
use sync_core::{Error, ErrorKind, Result};

/// Length of a key in bytes: XChaCha20-Poly1305 and HMAC-SHA-256 take 256 bits.
const KEY_BYTES: usize = 32;

/// One or several keys of 256 bits. The first seals; all unseal and look up, so that keys can be changed.
///
/// As text: one key a line, the newest first, hexadecimal (64 digits) or base64 (44 characters); lines that start with
/// `#` are comments.
///
/// ```
/// use sync_store::StoreKey;
///
/// let key = StoreKey::from_text("000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f")?;
/// assert_eq!(format!("{key:?}"), "StoreKey(1 key)");
/// # Ok::<(), sync_core::Error>(())
/// ```
#[derive(Clone)]
pub struct StoreKey(Arc<[OneKey]>);

struct OneKey {
    id: String,
    bytes: SecretBox<[u8; KEY_BYTES]>,
}

impl StoreKey {
    /// A new random key.
    ///
    /// # Errors
    /// [`ErrorKind::Internal`] when the system gives no randomness.
    pub fn generate() -> Result<Self> {
        let mut bytes = [0; KEY_BYTES];
        getrandom::fill(&mut bytes)
            .map_err(|error| Error::new(ErrorKind::Internal, "the system gives no randomness").with_source(error))?;
        Ok(Self(Arc::new([OneKey::new(bytes)?])))
    }

    /// Keys as text.
    ///
    /// # Errors
    /// [`ErrorKind::Config`] when a line is not a key, or there is none.
    pub fn from_text(text: &str) -> Result<Self> {
        let lines = text.lines().map(str::trim).enumerate();
        let lines = lines.filter(|(_, line)| !line.is_empty() && !line.starts_with('#'));
        let keys = lines.map(|(line_idx, line)| parse(line, line_idx)).collect::<Result<Vec<_>>>()?;
        if keys.is_empty() {
            return Err(Error::new(ErrorKind::Config, "there is no key").with_remedy(FORM));
        }
        Ok(Self(keys.into()))
    }

    /// Keys from an environment variable.
    ///
    /// # Errors
    /// [`ErrorKind::Config`] when it isn't set, or doesn't hold keys.
    pub fn from_env(variable: &str) -> Result<Self> {
        let text = std::env::var(variable).map_err(|_| {
            Error::new(ErrorKind::Config, "the environment variable with the store's key is not set")
                .with_context("variable", variable)
                .with_remedy(format!("Set {variable} to the key, or name a key file."))
        })?;
        Self::from_text(&text).map_err(|error| error.with_context("variable", variable))
    }

    /// Keys from a file.
    ///
    /// # Errors
    /// [`ErrorKind::Config`] when it can't be read, or doesn't hold keys.
    pub fn from_file(path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref();
        let text = std::fs::read_to_string(path).map_err(|error| {
            Error::new(ErrorKind::Config, "the key file can't be read")
                .with_context("path", path.display())
                .with_remedy("Check that the file is there and readable by this user, or restore it from its backup.")
                .with_source(error)
        })?;
        Self::from_text(&text).map_err(|error| error.with_context("path", path.display()))
    }

    /// A new key in a new file that only this user can read.
    ///
    /// # Errors
    /// [`ErrorKind::Config`] when the file exists already or can't be written.
    pub fn create_file(path: impl AsRef<Path>) -> Result<Self> {
        use std::io::Write;

        let path = path.as_ref();
        let failed = |error: std::io::Error| {
            Error::new(ErrorKind::Config, "the key file can't be made")
                .with_context("path", path.display())
                .with_remedy("Choose a directory that this user can write to and a name that is not taken.")
                .with_source(error)
        };
        let key = Self::generate()?;
        let mut options = std::fs::OpenOptions::new();
        options.write(true).create_new(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let mut file = options.open(path).map_err(failed)?;
        let text = "# Seals the credentials of the sync store. Keep a backup apart from the database's.\n";
        let first = key.0.first().map(|key| hexadecimal(key.bytes.expose_secret())).unwrap_or_default();
        file.write_all(format!("{text}{first}\n").as_bytes()).and_then(|()| file.sync_all()).map_err(failed)?;
        Ok(key)
    }

    /// Keys from a file, which is made first where it isn't there.
    ///
    /// # Errors
    /// As [`StoreKey::from_file`] and [`StoreKey::create_file`].
    pub fn from_file_or_create(path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref();
        if path.exists() { Self::from_file(path) } else { Self::create_file(path) }
    }

    /// With further keys that are older: what they sealed is still read.
    #[must_use]
    pub fn with_older(self, older: &Self) -> Self {
        let clone =
            |key: &OneKey| OneKey { id: key.id.clone(), bytes: SecretBox::new(Box::new(*key.bytes.expose_secret())) };
        Self(self.0.iter().chain(older.0.iter()).map(clone).collect())
    }

    /// The names of the keys, the newest first: fingerprints from which nothing can be computed.
    pub fn ids(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(|key| key.id.as_str())
    }

    /// A key for one purpose, derived from each of ours: with its id, the newest first.
    pub(crate) fn derived(&self, purpose: &str) -> Result<Vec<(&str, [u8; KEY_BYTES])>> {
        self.0.iter().map(|key| Ok((key.id.as_str(), derive(key.bytes.expose_secret(), purpose)?))).collect()
    }
}

impl OneKey {
    fn new(bytes: [u8; KEY_BYTES]) -> Result<Self> {
        let fingerprint = derive(&bytes, "integration-sync key id")?;
        Ok(Self { id: hexadecimal(&fingerprint[..8]), bytes: SecretBox::new(Box::new(bytes)) })
    }
}

/// Says how many there are, and nothing else.
impl fmt::Debug for StoreKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "StoreKey({} key{})", self.0.len(), if self.0.len() == 1 { "" } else { "s" })
    }
}

/// What a key looks like.
const FORM: &str = "A key is 32 random bytes on one line, as 64 hexadecimal digits or as base64.";

fn parse(line: &str, line_idx: usize) -> Result<OneKey> {
    let bytes = if line.len() == 2 * KEY_BYTES && line.is_ascii() {
        (0..KEY_BYTES).map(|i| u8::from_str_radix(&line[2 * i..2 * i + 2], 16).ok()).collect()
    } else {
        STANDARD.decode(line).ok()
    };
    let bytes: Option<[u8; KEY_BYTES]> = bytes.and_then(|bytes| bytes.try_into().ok());
    let bytes = bytes.ok_or_else(|| {
        Error::new(ErrorKind::Config, "this is not a key").with_context("line", line_idx + 1).with_remedy(FORM)
    })?;
    OneKey::new(bytes)
}

fn derive(key: &[u8; KEY_BYTES], purpose: &str) -> Result<[u8; KEY_BYTES]> {
    let mut derived = [0; KEY_BYTES];
    Hkdf::<Sha256>::new(None, key)
        .expand(purpose.as_bytes(), &mut derived)
        .map_err(|error| Error::new(ErrorKind::Internal, "a key can't be derived").with_source(error))?;
    Ok(derived)
}

pub(crate) fn hexadecimal(bytes: &[u8]) -> String {
    use fmt::Write;
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_and_errors_show_nothing_of_a_key() {
        let secret = "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff";
        let key = StoreKey::from_text(secret).unwrap();
        assert_eq!(format!("{key:?}"), "StoreKey(1 key)");
        assert!(key.ids().all(|id| !secret.contains(id)));
        let error = StoreKey::from_text(&format!("{secret}zz")).unwrap_err();
        assert!(!format!("{error} {error:?}").contains("aabbcc"), "{error:?}");
    }

    #[test]
    fn hexadecimal_and_base64_name_the_same_key() {
        let bytes: Vec<u8> = (0..32).collect();
        let hex = StoreKey::from_text(&hexadecimal(&bytes)).unwrap();
        let base64 = StoreKey::from_text(&format!("# comment\n\n{}\n", STANDARD.encode(&bytes))).unwrap();
        assert!(hex.ids().eq(base64.ids()));
    }

    #[test]
    fn a_key_file_is_for_its_owner_alone_and_is_never_overwritten() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("store.key");
        let made = StoreKey::from_file_or_create(&path).unwrap();
        assert!(StoreKey::from_file_or_create(&path).unwrap().ids().eq(made.ids()));
        assert_eq!(StoreKey::create_file(&path).unwrap_err().kind(), ErrorKind::Config);
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        }
    }

    #[test]
    fn a_text_without_keys_is_refused() {
        for text in ["", "# nothing", "abc"] {
            assert_eq!(StoreKey::from_text(text).unwrap_err().kind(), ErrorKind::Config);
        }
    }
}
