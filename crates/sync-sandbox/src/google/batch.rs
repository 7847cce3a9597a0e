//! Many calls in one.
//! Source: <https://developers.google.com/workspace/calendar/api/guides/batch>.

use std::collections::BTreeSet;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Response, StatusCode, header};

use super::{
    Google,
    problem::Problem,
    quota,
    routes::{Route, route},
};
use crate::answer;

/// A call inside a batch.
struct Part {
    content_id: Option<String>,
    request: Request<Bytes>,
}

/// The boundary of `multipart/mixed; boundary=…`.
fn boundary(headers: &HeaderMap) -> Option<String> {
    let value = headers.get(header::CONTENT_TYPE)?.to_str().ok()?;
    let (kind, parameters) = value.split_once(';')?;
    if !kind.trim().eq_ignore_ascii_case("multipart/mixed") {
        return None;
    }
    let boundary = parameters.split(';').find_map(|one| one.trim().strip_prefix("boundary="))?;
    Some(boundary.trim_matches('"').to_owned()).filter(|boundary| !boundary.is_empty())
}

/// Reads header lines up to the empty one; returns the rest.
fn head(text: &str) -> Option<(Vec<&str>, &str)> {
    let mut lines = Vec::new();
    let mut rest = text;
    loop {
        let (line, after) = match rest.split_once('\n') {
            Some((line, after)) => (line.trim_end_matches('\r'), after),
            None => (rest, ""),
        };
        if line.is_empty() {
            return Some((lines, after));
        }
        lines.push(line);
        if after.is_empty() && !rest.ends_with('\n') {
            return Some((lines, ""));
        }
        rest = after;
    }
}

fn value<'t>(lines: &[&'t str], name: &str) -> Option<&'t str> {
    lines.iter().find_map(|line| {
        let (known, value) = line.split_once(':')?;
        known.trim().eq_ignore_ascii_case(name).then(|| value.trim())
    })
}

fn part(text: &str, outer: &HeaderMap) -> Option<Part> {
    let (lines, inner) = head(text)?;
    if !value(&lines, "content-type")?.starts_with("application/http") {
        return None;
    }
    let content_id = value(&lines, "content-id").map(|id| id.trim_matches(['<', '>']).to_owned());
    let (lines, body) = head(inner)?;
    let (first, lines) = lines.split_first()?;
    let mut words = first.split_whitespace();
    let (method, target) = (words.next()?, words.next()?);
    let mut request = Request::builder().method(Method::from_bytes(method.as_bytes()).ok()?).uri(target);
    let headers = request.headers_mut()?;
    for line in lines {
        let (name, value) = line.split_once(':')?;
        headers.insert(HeaderName::try_from(name.trim()).ok()?, HeaderValue::try_from(value.trim()).ok()?);
    }
    // What the outer call says holds for each inner one that does not say otherwise.
    if !headers.contains_key(header::AUTHORIZATION)
        && let Some(authorization) = outer.get(header::AUTHORIZATION)
    {
        headers.insert(header::AUTHORIZATION, authorization.clone());
    }
    let request = request.body(Bytes::copy_from_slice(body.trim_end_matches(['\r', '\n']).as_bytes())).ok()?;
    Some(Part { content_id, request })
}

/// The parts of a batch.
fn parts(request: &Request<Bytes>) -> Result<Vec<Part>, Problem> {
    let wrong = |why: &str| Problem::bad_request_saying(format!("Failed to parse batch request, error: {why}"));
    let boundary = boundary(request.headers()).ok_or_else(|| wrong("no multipart/mixed with a boundary"))?;
    let text = std::str::from_utf8(request.body()).map_err(|_| wrong("not UTF-8"))?;
    let (inner, _) = text.split_once(&format!("--{boundary}--")).ok_or_else(|| wrong("no closing boundary"))?;
    let opening = format!("--{boundary}");
    let parts: Option<Vec<Part>> = inner
        .split(opening.as_str())
        .skip(1)
        .map(|one| part(one.strip_prefix("\r\n").or_else(|| one.strip_prefix('\n')).unwrap_or(one), request.headers()))
        .collect();
    parts.filter(|parts| !parts.is_empty()).ok_or_else(|| wrong("a part is no application/http request"))
}

impl Google {
    /// `POST /batch/calendar/v3`.
    pub(super) fn batch(&mut self, request: &Request<Bytes>) -> Result<Response<Bytes>, Problem> {
        let parts = parts(request)?;
        if parts.len() > self.world.quirks.max_batch {
            let limit = self.world.quirks.max_batch;
            return Err(Problem::bad_request_saying(format!("The batch request may not contain more than {limit} calls.")));
        }
        let mut written = BTreeSet::new();
        let mut answers: Vec<(Option<String>, Response<Bytes>)> = Vec::new();
        for Part { content_id, request } in parts {
            let response = self.inner(&request, &mut written);
            answers.push((content_id, response));
        }
        // "The server may perform your calls in any order": a client that counts instead of comparing ids fails here.
        if !self.world.quirks.batch_in_order {
            answers.reverse();
        }
        Ok(mixed(&answers, &format!("batch_{}", self.world.fresh_id("batch"))))
    }

    fn inner(&mut self, request: &Request<Bytes>, written: &mut BTreeSet<String>) -> Response<Bytes> {
        let Route::Api { name, ids } = route(request.method(), request.uri().path()) else {
            return self.refuse(Problem::ours(404, format!("no call for a batch: {}", request.uri().path())));
        };
        if self.meter.is_on
            && let Some(refused) = self.over(request.headers(), request.uri().query(), quota::units(name))
        {
            return refused.response();
        }
        // Two writes of one event in one batch. Source: the errors page, 409 `conflict`.
        let is_write = request.method() != Method::GET;
        if is_write && name != "events.insert" && !written.insert(ids.join("/")) {
            return Problem::new(409, "conflict", "Conflict").response();
        }
        self.api(request, name, &ids).unwrap_or_else(|problem| self.refuse(problem))
    }
}

fn mixed(answers: &[(Option<String>, Response<Bytes>)], boundary: &str) -> Response<Bytes> {
    let mut body = Vec::new();
    for (content_id, response) in answers {
        body.extend_from_slice(format!("--{boundary}\r\nContent-Type: application/http\r\n").as_bytes());
        if let Some(id) = content_id {
            body.extend_from_slice(format!("Content-ID: <response-{id}>\r\n").as_bytes());
        }
        let status = response.status();
        let reason = status.canonical_reason().unwrap_or_default();
        body.extend_from_slice(format!("\r\nHTTP/1.1 {} {reason}\r\n", status.as_u16()).as_bytes());
        for (name, value) in response.headers() {
            body.extend_from_slice(format!("{name}: ").as_bytes());
            body.extend_from_slice(value.as_bytes());
            body.extend_from_slice(b"\r\n");
        }
        body.extend_from_slice(format!("Content-Length: {}\r\n\r\n", response.body().len()).as_bytes());
        body.extend_from_slice(response.body());
        body.extend_from_slice(b"\r\n");
    }
    body.extend_from_slice(format!("--{boundary}--\r\n").as_bytes());
    let mut response = answer::empty(StatusCode::OK);
    *response.body_mut() = body.into();
    if let Ok(kind) = HeaderValue::try_from(format!("multipart/mixed; boundary={boundary}")) {
        response.headers_mut().insert(header::CONTENT_TYPE, kind);
    }
    response
}
