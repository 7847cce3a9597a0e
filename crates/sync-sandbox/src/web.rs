//! Forms, pages and addresses, as sign-ins need them.

use std::collections::BTreeMap;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use bytes::Bytes;
use http::{HeaderMap, Request, header};
use url::{Host, Url, form_urlencoded};

pub(crate) type Form = BTreeMap<String, String>;

pub(crate) fn form(text: &[u8]) -> Form {
    form_urlencoded::parse(text).into_owned().collect()
}

/// A member of a form; nothing when it is not there.
pub(crate) fn of<'f>(form: &'f Form, name: &str) -> &'f str {
    form.get(name).map(String::as_str).unwrap_or_default()
}

/// All values of a name that may come several times.
pub(crate) fn all<C: FromIterator<String>>(text: &[u8], name: &str) -> C {
    form_urlencoded::parse(text).filter(|(known, _)| known == name).map(|(_, value)| value.into_owned()).collect()
}

/// A request that a page sends on with what a person says.
pub(crate) fn hidden(form: &Form) -> String {
    form.iter()
        .map(|(name, value)| format!("<input type=\"hidden\" name=\"{}\" value=\"{}\">", escape(name), escape(value)))
        .collect()
}

/// Client id and secret from HTTP Basic.
pub(crate) fn basic(request: &Request<Bytes>) -> Option<(String, String)> {
    let value = request.headers().get(header::AUTHORIZATION)?.to_str().ok()?;
    let text = String::from_utf8(STANDARD.decode(value.strip_prefix("Basic ")?).ok()?).ok()?;
    let (id, secret) = text.split_once(':')?;
    let decode = |text: &str| percent_encoding::percent_decode_str(text).decode_utf8_lossy().into_owned();
    Some((decode(id), decode(secret)))
}

/// The bearer token of a call.
pub(crate) fn bearer(headers: &HeaderMap) -> Option<&str> {
    let (scheme, token) = headers.get(header::AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
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
