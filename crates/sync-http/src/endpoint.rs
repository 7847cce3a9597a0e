//! From an endpoint's name to an absolute URL.

use std::collections::BTreeMap;

use sync_core::{Descriptor, Error, ErrorKind, Owner, Result};
use url::{Host, Url};

/// The base URL of an endpoint: the override of the configuration, else the descriptor's with the grant's variables
/// filled in, else its fallback.
pub(crate) fn base(
    descriptor: &'static Descriptor,
    name: &str,
    over: Option<&Url>,
    vars: &BTreeMap<String, String>,
) -> Result<Url> {
    let endpoint = descriptor
        .endpoint(name)
        .ok_or_else(|| Error::new(ErrorKind::Internal, format!("{} declares no endpoint {name:?}", descriptor.name)))?;
    if let Some(over) = over {
        return Ok(over.clone());
    }
    let text = match (fill(endpoint.url, vars)?, endpoint.fallback) {
        (Ok(text), _) => text,
        (Err(_), Some(fallback)) => fallback.to_owned(),
        (Err(missing), None) => {
            return Err(Error::new(
                ErrorKind::NotConnected,
                format!("the connection to {} doesn't know its {missing}", descriptor.name),
            )
            .with_remedy(format!("Connect {} again.", descriptor.name)));
        }
    };
    Url::parse(&text).map_err(|error| {
        Error::new(ErrorKind::Internal, format!("the URL of endpoint {name:?} can't be read")).with_source(error)
    })
}

/// Fills `{name}`s in; `Ok(Err(name))` names a variable that isn't known.
fn fill(template: &'static str, vars: &BTreeMap<String, String>) -> Result<std::result::Result<String, &'static str>> {
    let mut text = String::with_capacity(template.len());
    let mut rest = template;
    while let Some((before, after)) = rest.split_once('{') {
        let Some((name, after)) = after.split_once('}') else { break };
        text.push_str(before);
        match vars.get(name) {
            None => return Ok(Err(name)),
            // Variables come from outside: one with a slash or a dot would send our secrets to a host of its choice.
            Some(value) if is_label(value) => text.push_str(value),
            Some(_) => {
                return Err(Error::new(ErrorKind::Invalid, format!("the connection's {name} can't be part of a URL"))
                    .with_owner(Owner::EndUserReconnect)
                    .with_remedy("Connect again."));
            }
        }
        rest = after;
    }
    text.push_str(rest);
    Ok(Ok(text))
}

/// True for what can stand in a host name or path as one label: ASCII letters, digits, `-` and `_`.
pub(crate) fn is_label(value: &str) -> bool {
    !value.is_empty()
        && value.len() <= 64
        && value.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
}

/// The URL of an escaped path and query below a base.
///
/// # Errors
/// [`ErrorKind::Invalid`] for a path that would leave the base: an id from outside may be `..`.
pub(crate) fn join(base: &Url, path_and_query: &str) -> Result<http::Uri> {
    let path = path_and_query.split_once('?').map_or(path_and_query, |(path, _)| path);
    let is_dots = |segment: &str| {
        let plain = segment.replace("%2e", ".").replace("%2E", ".");
        plain == "." || plain == ".."
    };
    if !(path.is_empty() || path.starts_with('/')) || path.split('/').any(is_dots) {
        return Err(Error::new(ErrorKind::Invalid, "an id can't be part of a URL"));
    }
    let mut text = base.as_str().trim_end_matches('/').to_owned();
    text.push_str(path_and_query);
    text.parse().map_err(|error: http::uri::InvalidUri| {
        Error::new(ErrorKind::Invalid, "a request's URL can't be written").with_source(error)
    })
}

/// True when nobody between can read along: the address is this machine's own.
pub(crate) fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => name == "localhost" || name.ends_with(".localhost"),
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn vars(value: &str) -> BTreeMap<String, String> {
        BTreeMap::from([("dc".to_owned(), value.to_owned())])
    }

    #[test]
    fn a_variable_is_filled_in_and_a_missing_one_is_named() {
        let template = "https://{dc}.api.example.com/3.0";
        assert_eq!(fill(template, &vars("us19")).unwrap(), Ok("https://us19.api.example.com/3.0".to_owned()));
        assert_eq!(fill(template, &BTreeMap::new()).unwrap(), Err("dc"));
    }

    #[test]
    fn a_variable_that_would_change_the_host_is_refused() {
        for evil in ["evil.example/", "evil.example#", "a.b", "", "a@b", "us19:8080"] {
            let error = fill("https://{dc}.api.example.com", &vars(evil)).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Invalid);
        }
    }

    #[test]
    fn a_path_stays_below_its_base() {
        let base = Url::parse("http://127.0.0.1:9/3.0/").unwrap();
        assert_eq!(join(&base, "/lists/a%2Fb?x=1").unwrap().to_string(), "http://127.0.0.1:9/3.0/lists/a%2Fb?x=1");
        for evil in ["/lists/../x", "/%2e%2E/x", "/.", "lists"] {
            assert_eq!(join(&base, evil).unwrap_err().kind(), ErrorKind::Invalid, "{evil}");
        }
    }

    #[test]
    fn only_this_machine_is_loopback() {
        for (url, expected) in [
            ("http://localhost:1/", true),
            ("http://127.8.9.1/", true),
            ("http://[::1]/", true),
            ("http://example.com/", false),
            ("http://localhost.example.com/", false),
        ] {
            assert_eq!(is_loopback(&Url::parse(url).unwrap()), expected, "{url}");
        }
    }
}
