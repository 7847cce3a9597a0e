//! Connecting by a key that the user copied.

use std::collections::BTreeMap;

use secrecy::{ExposeSecret as _, SecretString};
use sync_core::{AuthScheme, Credentials, Descriptor, Error, ErrorKind, Grant, Owner, Result};

use crate::endpoint::is_label;

/// Makes a grant from a key; variables that lie in the key are taken out of it. Store it with
/// [`crate::Client::connect`].
///
/// # Errors
/// [`ErrorKind::Unsupported`] when the provider takes no keys, [`ErrorKind::Invalid`] when this can't be one. No error
/// holds a part of the key.
pub fn grant_from_key(descriptor: &Descriptor, key: &SecretString) -> Result<Grant> {
    let (fields, suffix) = descriptor
        .auth
        .iter()
        .find_map(|scheme| match scheme {
            AuthScheme::ApiKey { fields, var_from_suffix, .. } => Some((fields, *var_from_suffix)),
            _ => None,
        })
        .ok_or_else(|| {
            Error::new(ErrorKind::Unsupported, format!("{} can't be connected by a key", descriptor.name))
                .with_remedy(format!("Connect {} by signing in there.", descriptor.name))
        })?;
    let invalid = |fault: &str| {
        let help = fields.first().map_or(String::new(), |field| format!(" {}", field.help));
        Error::new(ErrorKind::Invalid, format!("this is no key of {}: it {fault}", descriptor.name))
            .with_owner(Owner::EndUserReconnect)
            .with_remedy(format!("Copy the key again.{help}"))
    };
    let key = key.expose_secret().trim();
    if key.is_empty() {
        return Err(invalid("is empty"));
    }
    if !key.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err(invalid("has spaces or characters that no key has"));
    }
    let mut vars = BTreeMap::new();
    if let Some((name, separator)) = suffix
        && let Some((_, value)) = key.rsplit_once(separator)
    {
        if !is_label(value) {
            return Err(invalid("ends in the wrong way"));
        }
        vars.insert(name.to_owned(), value.to_owned());
    }
    Ok(Grant {
        generation: 1,
        credentials: Credentials::ApiKey(SecretString::from(key)),
        vars,
        scopes: Vec::new(),
        account: None,
        dead_since: None,
    })
}
