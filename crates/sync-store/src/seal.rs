//! Sealing of credentials, bound to their row, and hashing of addresses that must not be readable.

use chacha20poly1305::{
    XChaCha20Poly1305, XNonce,
    aead::{Aead, KeyInit, Payload},
};
use hmac::{Hmac, Mac};
use sha2::Sha256;
use sync_core::{
    Channel, Error, ErrorKind, NaturalKey, OrganizationId, Result, Scope,
    zoo::{self, Defect},
};

use crate::StoreKey;

/// Length of an XChaCha20 nonce in bytes. Source: <https://datatracker.ietf.org/doc/html/draft-irtf-cfrg-xchacha>.
const NONCE_BYTES: usize = 24;

/// Seals and unseals one field of one scope.
pub(crate) struct Sealer<'a> {
    keys: &'a StoreKey,
    scope: &'a Scope,
}

impl<'a> Sealer<'a> {
    pub(crate) fn new(keys: &'a StoreKey, scope: &'a Scope) -> Self {
        Self { keys, scope }
    }

    /// Seals a field with the newest key: a fresh nonce, then the ciphertext.
    pub(crate) fn seal(&self, field: &str, secret: &str) -> Result<Vec<u8>> {
        let mut sealed = vec![0; NONCE_BYTES];
        getrandom::fill(&mut sealed)
            .map_err(|error| Error::new(ErrorKind::Internal, "the system gives no randomness").with_source(error))?;
        let nonce = XNonce::try_from(sealed.as_slice()).map_err(|_| broken())?;
        let key = self.keys.derived(PURPOSE)?.into_iter().next().ok_or_else(broken)?.1;
        let payload = Payload { msg: secret.as_bytes(), aad: &self.bound_to(field) };
        sealed.extend(XChaCha20Poly1305::new(&key.into()).encrypt(&nonce, payload).map_err(|_| broken())?);
        Ok(sealed)
    }

    /// Unseals a field that was sealed with the key of this id.
    pub(crate) fn unseal(&self, field: &str, key_id: &str, sealed: &[u8]) -> Result<String> {
        let keys = self.keys.derived(PURPOSE)?;
        let key = keys.into_iter().find(|(id, _)| *id == key_id).ok_or_else(|| wrong_key(self.scope))?.1;
        let (nonce, ciphertext) = sealed.split_at_checked(NONCE_BYTES).ok_or_else(|| wrong_key(self.scope))?;
        let nonce = XNonce::try_from(nonce).map_err(|_| broken())?;
        let payload = Payload { msg: ciphertext, aad: &self.bound_to(field) };
        let secret = XChaCha20Poly1305::new(&key.into()).decrypt(&nonce, payload).map_err(|_| wrong_key(self.scope))?;
        String::from_utf8(secret).map_err(|_| wrong_key(self.scope))
    }

    /// Organization, integration and field, each with its length: a ciphertext of another row does not open.
    fn bound_to(&self, field: &str) -> Vec<u8> {
        let mut bytes = Vec::new();
        if zoo::is(Defect::SealsWithoutItsRow) {
            return bytes;
        }
        for part in [self.scope.organization.as_str(), self.scope.integration.as_str(), field] {
            bytes.extend((part.len() as u64).to_le_bytes());
            bytes.extend(part.as_bytes());
        }
        bytes
    }
}

/// What the sealing key is derived for.
const PURPOSE: &str = "integration-sync credentials";

fn broken() -> Error {
    Error::new(ErrorKind::Internal, "sealing failed")
}

fn wrong_key(scope: &Scope) -> Error {
    Error::new(ErrorKind::WrongKey, "stored credentials can't be unsealed with this key")
        .with_context("connection", scope)
        .with_remedy("Use the key that the store was made with, add it below the newer one, or connect again.")
}

/// Hashes addresses of one organization.
pub(crate) struct Addresses<'a> {
    keys: Vec<(&'a str, [u8; 32])>,
}

impl<'a> Addresses<'a> {
    pub(crate) fn new(keys: &'a StoreKey, organization: &OrganizationId) -> Result<Self> {
        Ok(Self { keys: keys.derived(&format!("integration-sync suppression of {organization}"))? })
    }

    /// What an address is kept as, by each key, the newest first. Empty for a blank address.
    pub(crate) fn hashes(&self, channel: Channel, address: &str) -> Result<Vec<(String, Vec<u8>)>> {
        let Some(address) = NaturalKey::of(channel.as_str(), address) else { return Ok(Vec::new()) };
        let hash = |(id, key): &(&str, [u8; 32])| {
            let mut mac = Hmac::<Sha256>::new_from_slice(key).map_err(|_| broken())?;
            mac.update(channel.as_str().as_bytes());
            mac.update(b":");
            mac.update(address.value().as_bytes());
            Ok(((*id).to_owned(), mac.finalize().into_bytes().to_vec()))
        };
        self.keys.iter().map(hash).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_sealed_opens_in_its_own_place_alone() {
        let keys = StoreKey::generate().unwrap();
        let id = keys.ids().next().unwrap().to_owned();
        let (ours, theirs) = (Scope::new("a", "mailchimp"), Scope::new("b", "mailchimp"));
        let sealed = Sealer::new(&keys, &ours).seal("access", "secret").unwrap();
        assert!(!String::from_utf8_lossy(&sealed).contains("secret"));
        assert_eq!(Sealer::new(&keys, &ours).unseal("access", &id, &sealed).unwrap(), "secret");
        let refused = [
            Sealer::new(&keys, &ours).unseal("refresh", &id, &sealed),
            Sealer::new(&keys, &theirs).unseal("access", &id, &sealed),
            Sealer::new(&keys, &ours).unseal("access", &id, &sealed[1..]),
            Sealer::new(&keys, &ours).unseal("access", &id, b"short"),
        ];
        assert!(refused.into_iter().all(|refused| refused.unwrap_err().kind() == ErrorKind::WrongKey));
    }

    #[test]
    fn the_same_secret_never_looks_the_same() {
        let (keys, scope) = (StoreKey::generate().unwrap(), Scope::new("a", "b"));
        let sealer = Sealer::new(&keys, &scope);
        assert_ne!(sealer.seal("access", "x").unwrap(), sealer.seal("access", "x").unwrap());
    }

    #[test]
    fn an_address_hashes_alike_whatever_its_case_and_differently_per_organization_and_channel() {
        let keys = StoreKey::generate().unwrap();
        let hash = |organization: &str, channel, address: &str| {
            Addresses::new(&keys, &organization.into()).unwrap().hashes(channel, address).unwrap()
        };
        assert_eq!(hash("a", Channel::Email, "Ada@Example.com "), hash("a", Channel::Email, "ada@example.com"));
        assert_ne!(hash("a", Channel::Email, "ada@example.com"), hash("b", Channel::Email, "ada@example.com"));
        assert_ne!(hash("a", Channel::Email, "+34 600"), hash("a", Channel::Sms, "+34 600"));
        assert!(hash("a", Channel::Email, " ").is_empty());
    }
}
