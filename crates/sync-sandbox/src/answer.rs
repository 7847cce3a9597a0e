//! Building answers.

use bytes::Bytes;
use http::{HeaderValue, Response, StatusCode, header};
use serde::Serialize;
use url::Url;

pub(crate) fn with_type(status: StatusCode, content_type: &'static str, body: impl Into<Bytes>) -> Response<Bytes> {
    let mut response = Response::new(body.into());
    *response.status_mut() = status;
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
    response
}

pub(crate) fn json(status: StatusCode, body: &impl Serialize) -> Response<Bytes> {
    // Our own types have text keys only, which is the one thing that makes this fail.
    with_type(status, "application/json; charset=utf-8", serde_json::to_vec(body).unwrap_or_default())
}

pub(crate) fn empty(status: StatusCode) -> Response<Bytes> {
    let mut response = Response::new(Bytes::new());
    *response.status_mut() = status;
    response
}

pub(crate) fn html(status: StatusCode, body: impl Into<Bytes>) -> Response<Bytes> {
    with_type(status, "text/html; charset=utf-8", body)
}

/// Sends a person to another address.
pub(crate) fn redirect(to: &Url) -> Response<Bytes> {
    let mut response = empty(StatusCode::FOUND);
    if let Ok(location) = HeaderValue::from_str(to.as_str()) {
        response.headers_mut().insert(header::LOCATION, location);
    }
    response
}
