//! Forms, pages and addresses, as sign-ins need them.

use std::collections::BTreeMap;

use bytes::Bytes;
use http::{Request, header};
use url::{Host, Url, form_urlencoded};

pub(crate) type Form = BTreeMap<String, String>;

pub(crate) fn form(text: &[u8]) -> Form {
    form_urlencoded::parse(text).into_owned().collect()
}

pub(crate) fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

/// The host that was asked.
pub(crate) fn host(request: &Request<Bytes>) -> Option<&str> {
    let named = request.headers().get(header::HOST).and_then(|value| value.to_str().ok());
    request.uri().authority().map(http::uri::Authority::as_str).or(named)
}

/// Whether the sandbox is served on loopback.
pub(crate) fn is_loopback(request: &Request<Bytes>) -> bool {
    let host = host(request).unwrap_or_default();
    ["localhost", "127.", "[::1]"].iter().any(|start| host.starts_with(start))
}

/// Whether an address leads to this machine.
pub(crate) fn is_loopback_url(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => name == "localhost",
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    }
}
