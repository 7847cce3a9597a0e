//! `--har FILE`: a run's exchanges as HAR 1.2, for support.

use std::{
    fmt,
    fs::{File, OpenOptions},
    io::{Seek as _, SeekFrom, Write as _},
    path::Path,
    sync::{Arc, Mutex, PoisonError},
};

use async_trait::async_trait;
use bytes::Bytes;
use http::{HeaderMap, Request, Response, header::CONTENT_TYPE};
use jiff::Timestamp;
use serde_json::{Value, json};
use sync_core::{Clock, Error, ErrorKind, Result, Transport, TransportError, TransportLimits};

use crate::{
    redact::{Redactor, SECRET},
    telemetry,
    time::until,
};

/// Largest part of a body that is written down, in bytes.
const MAX_BODY_BYTES: usize = 256 << 10;

/// What closes the document. It is written after each entry and overwritten by the next, so that the file can be read
/// whenever the program ends.
const TAIL: &str = "\n]}}\n";

/// A [`Transport`] that writes down each exchange as HAR 1.2 (<http://www.softwareishard.com/blog/har-12-spec/>).
///
/// Left out: authorization, cookies, tokens, keys, codes, whatever goes to or comes from a token endpoint, and e-mail
/// addresses anywhere. **Kept: bodies**, cut at 256 KiB, with names, phone numbers and the like: treat the file as
/// personal data. Only its owner may read it (Unix).
pub struct Archive {
    inner: Arc<dyn Transport>,
    clock: Arc<dyn Clock>,
    file: Mutex<Open>,
}

struct Open {
    file: File,
    /// Where the tail begins.
    end: u64,
    is_first: bool,
}

impl fmt::Debug for Archive {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Archive").field("inner", &self.inner).finish_non_exhaustive()
    }
}

impl Archive {
    /// Writes the exchanges of `inner` to a file, which is made, or emptied.
    ///
    /// # Errors
    /// [`ErrorKind::Config`] when the file can't be written.
    pub fn create(path: &Path, inner: Arc<dyn Transport>, clock: Arc<dyn Clock>) -> Result<Self> {
        let failed = |error: std::io::Error| {
            Error::new(ErrorKind::Config, format!("the archive {} can't be written", path.display()))
                .with_remedy("Name a file in a folder that can be written to.")
                .with_source(error)
        };
        let mut options = OpenOptions::new();
        options.write(true).create(true).truncate(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let mut file = options.open(path).map_err(failed)?;
        let creator = json!({ "name": "integration-sync", "version": env!("CARGO_PKG_VERSION") });
        let head = format!("{{\"log\":{{\"version\":\"1.2\",\"creator\":{creator},\"entries\":[");
        file.write_all(format!("{head}{TAIL}").as_bytes()).map_err(failed)?;
        let end = u64::try_from(head.len()).unwrap_or(u64::MAX);
        Ok(Self { inner, clock, file: Mutex::new(Open { file, end, is_first: true }) })
    }

    fn write(&self, entry: &Value) {
        let mut open = self.file.lock().unwrap_or_else(PoisonError::into_inner);
        let text = format!("{}\n{entry}", if open.is_first { "" } else { "," });
        let end = open.end;
        let written = open
            .file
            .seek(SeekFrom::Start(end))
            .and_then(|_| open.file.write_all(format!("{text}{TAIL}").as_bytes()))
            .and_then(|()| open.file.flush());
        match written {
            Ok(()) => {
                open.end += u64::try_from(text.len()).unwrap_or(0);
                open.is_first = false;
            }
            // An archive that can't be written is no reason to fail a sync.
            Err(error) => tracing::warn!(%error, "an exchange could not be archived"),
        }
    }
}

#[async_trait]
impl Transport for Archive {
    async fn send(
        &self,
        request: Request<Bytes>,
        limits: TransportLimits,
    ) -> std::result::Result<Response<Bytes>, TransportError> {
        let began = self.clock.now();
        let redactor = Redactor::of(request.headers());
        let (shown, is_token_call) = show_request(&redactor, &request);
        let result = self.inner.send(request, limits).await;
        let response = match &result {
            Ok(answer) => show_response(&redactor, answer, is_token_call),
            Err(fault) => no_response(telemetry::fault(fault.fault)),
        };
        self.write(&entry(began, self.clock.now(), shown, response));
        result
    }
}

fn entry(began: Timestamp, ended: Timestamp, request: Value, response: Value) -> Value {
    let took_ms = u64::try_from(until(began, ended).as_millis()).unwrap_or(u64::MAX);
    json!({
        "startedDateTime": began.to_string(),
        "time": took_ms,
        "request": request,
        "response": response,
        "cache": {},
        "timings": { "send": 0, "wait": took_ms, "receive": 0 },
    })
}

/// The request, and whether it went to a token endpoint.
fn show_request(redactor: &Redactor, request: &Request<Bytes>) -> (Value, bool) {
    let mime = mime(request.headers());
    let is_token_call = mime.starts_with("application/x-www-form-urlencoded")
        && url::form_urlencoded::parse(request.body())
            .any(|(name, _)| matches!(&*name, "grant_type" | "token" | "client_secret"));
    let query = request.uri().query().unwrap_or_default();
    let params: Vec<_> =
        redactor.params(query).into_iter().map(|(name, value)| json!({ "name": name, "value": value })).collect();
    let mut shown = json!({
        "method": request.method().as_str(),
        "url": redactor.url(&request.uri().to_string()),
        "httpVersion": "HTTP/1.1",
        "cookies": [],
        "headers": headers(redactor, request.headers()),
        "queryString": params,
        "headersSize": -1,
        "bodySize": request.body().len(),
    });
    if !request.body().is_empty()
        && let Some(object) = shown.as_object_mut()
    {
        object.insert(
            "postData".to_owned(),
            json!({ "mimeType": mime, "text": body(redactor, &mime, request.body(), is_token_call) }),
        );
    }
    (shown, is_token_call)
}

fn show_response(redactor: &Redactor, answer: &Response<Bytes>, is_token_call: bool) -> Value {
    let mime = mime(answer.headers());
    let location = answer.headers().get(http::header::LOCATION).and_then(|value| value.to_str().ok()).unwrap_or_default();
    json!({
        "status": answer.status().as_u16(),
        "statusText": answer.status().canonical_reason().unwrap_or_default(),
        "httpVersion": "HTTP/1.1",
        "cookies": [],
        "headers": headers(redactor, answer.headers()),
        "content": {
            "size": answer.body().len(),
            "mimeType": mime,
            "text": body(redactor, &mime, answer.body(), is_token_call),
        },
        "redirectURL": redactor.url(location),
        "headersSize": -1,
        "bodySize": answer.body().len(),
    })
}

fn no_response(fault: &str) -> Value {
    json!({
        "status": 0,
        "statusText": "",
        "httpVersion": "",
        "cookies": [],
        "headers": [],
        "content": { "size": 0, "mimeType": "x-unknown" },
        "redirectURL": "",
        "headersSize": -1,
        "bodySize": -1,
        "comment": format!("no whole answer: {fault}"),
    })
}

fn headers(redactor: &Redactor, headers: &HeaderMap) -> Vec<Value> {
    headers.iter().map(|(name, value)| json!({ "name": name.as_str(), "value": redactor.header(name, value) })).collect()
}

fn mime(headers: &HeaderMap) -> String {
    headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or("x-unknown").to_ascii_lowercase()
}

fn body(redactor: &Redactor, mime: &str, body: &[u8], is_token_call: bool) -> String {
    if body.is_empty() {
        return String::new();
    }
    if is_token_call {
        return SECRET.to_owned();
    }
    let Ok(text) = std::str::from_utf8(body) else { return "[binary]".to_owned() };
    // Redacted whole and cut then: a cut through an address would leave half of it.
    let shown = redactor.body(mime, text);
    match shown.char_indices().map(|(idx, _)| idx).take_while(|idx| *idx <= MAX_BODY_BYTES).last() {
        Some(cut) if shown.len() > MAX_BODY_BYTES => format!("{}… [cut]", shown.get(..cut).unwrap_or_default()),
        _ => shown,
    }
}
