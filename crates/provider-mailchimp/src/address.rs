//! E-mail addresses and the member ids made of them.

use std::fmt::Write as _;

use md5::{Digest, Md5};
use sync_core::RemoteId;

/// Where Mailchimp shows people whom it erased for good: such addresses are nobody's.
const FORGOTTEN_DOMAIN: &str = "@forgotten.mailchimp.com";

/// Longest address, in bytes. Source: RFC 5321, 4.5.3.1.3 (a path of 256 octets has two angle brackets).
const MAX_BYTES: usize = 254;

/// Longest part before the `@`, in bytes. Source: RFC 5321, 4.5.3.1.1.
const MAX_LOCAL_BYTES: usize = 64;

/// An e-mail address as it was written, trimmed. Has no `Debug`, since it is record content.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Address(String);

impl Address {
    /// An address that can be one: the check is loose, since Mailchimp has the last word.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let text = text.trim();
        let (local, domain) = text.rsplit_once('@')?;
        let sound = !local.is_empty()
            && local.len() <= MAX_LOCAL_BYTES
            && text.len() <= MAX_BYTES
            && !local.contains('@')
            && domain.contains('.')
            && domain.split('.').all(|label| !label.is_empty())
            && !text.contains(|c: char| c.is_whitespace() || c.is_control() || matches!(c, '<' | '>' | ',' | ';'));
        sound.then(|| Self(text.to_owned()))
    }

    /// As it was written.
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }

    /// The member's id.
    pub(crate) fn id(&self) -> RemoteId {
        member_id(&self.0)
    }

    /// True for someone whom Mailchimp erased.
    pub(crate) fn is_forgotten(&self) -> bool {
        is_forgotten(&self.0)
    }
}

/// The form in which addresses are compared, with Mailchimp's answers too: trimmed, lower case.
pub(crate) fn key(address: &str) -> String {
    address.trim().to_lowercase()
}

/// The id of the member with this address: the MD5 of its lower-case form, hexadecimal.
/// Source: <https://mailchimp.com/developer/marketing/docs/methods-parameters/>.
pub(crate) fn member_id(address: &str) -> RemoteId {
    let digest = Md5::digest(key(address).as_bytes());
    RemoteId::new(digest.iter().fold(String::with_capacity(32), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    }))
}

/// True for the address of someone whom Mailchimp erased.
pub(crate) fn is_forgotten(address: &str) -> bool {
    key(address).ends_with(FORGOTTEN_DOMAIN)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_id_is_the_md5_of_the_lower_case_address() {
        for (address, id) in [
            ("ada.lovelace@example.com", "2b9150605ac374d671a306b5fcee60a0"),
            (" Ada.Lovelace@Example.COM ", "2b9150605ac374d671a306b5fcee60a0"),
            ("jörg@example.com", "1020b8f7b35fa04503bbb1a6c0182ca9"),
            ("JÖRG@example.com", "1020b8f7b35fa04503bbb1a6c0182ca9"),
        ] {
            assert_eq!(member_id(address).as_str(), id);
        }
    }

    #[test]
    fn what_cannot_be_an_address_is_told_apart() {
        for good in ["a@example.com", " Ada+dive@sub.example.org ", "o'brien@example.net", "jörg@example.com"] {
            assert!(Address::parse(good).is_some(), "{good}");
        }
        let long = format!("{}@example.com", "a".repeat(65));
        for bad in ["", "ada", "@example.com", "ada@", "ada@example", "a b@example.com", "a@b@example.com", "a@x..y", &long]
        {
            assert!(Address::parse(bad).is_none(), "{bad}");
        }
    }

    #[test]
    fn erased_people_are_nobody() {
        assert!(is_forgotten("12ab@Forgotten.Mailchimp.com"));
        assert!(!is_forgotten("ada@example.com"));
    }
}
