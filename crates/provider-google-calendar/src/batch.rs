//! Several calls in one: `multipart/mixed` with a whole HTTP message in each part.
//! Source: <https://developers.google.com/workspace/calendar/api/guides/batch>.

use bytes::Bytes;
use http::{HeaderValue, Method, Response, StatusCode, header::CONTENT_TYPE};
use sync_core::{Call, Effect, Error, ErrorKind, Hash, Repeat, Result};

use crate::{
    descriptor::API,
    error::{bad_answer, classify},
};

/// What the name of a part starts with; its number follows.
const PART: &str = "part-";
/// What Google puts before it in the answer.
const RESPONSE: &str = "response-";

/// One call for all of these, at what they cost together. It may be repeated as the most careful of them.
///
/// # Errors
/// [`ErrorKind::Internal`] when a header can't be written.
pub(crate) fn batch(operation: &'static str, calls: &[Call]) -> Result<Call> {
    let mut body = Vec::new();
    // The same calls have the same bytes, and no content can hold its own digest.
    let mut hash = Hash::start();
    for call in calls {
        hash.text(&call.path_and_query());
        hash.bytes(&call.body);
    }
    let boundary = format!("batch-{}", hash.finish());
    for (idx, call) in calls.iter().enumerate() {
        let head = format!("--{boundary}\r\nContent-Type: application/http\r\nContent-ID: <{PART}{idx}>\r\n\r\n");
        body.extend_from_slice(head.as_bytes());
        body.extend_from_slice(format!("{} {}\r\n", call.method, call.path_and_query()).as_bytes());
        for (name, value) in &call.headers {
            body.extend_from_slice(name.as_str().as_bytes());
            body.extend_from_slice(b": ");
            body.extend_from_slice(value.as_bytes());
            body.extend_from_slice(b"\r\n");
        }
        if !call.body.is_empty() {
            body.extend_from_slice(format!("content-length: {}\r\n", call.body.len()).as_bytes());
        }
        body.extend_from_slice(b"\r\n");
        body.extend_from_slice(&call.body);
        body.extend_from_slice(b"\r\n");
    }
    body.extend_from_slice(format!("--{boundary}--\r\n").as_bytes());
    let content_type = HeaderValue::from_str(&format!("multipart/mixed; boundary={boundary}"))
        .map_err(|error| Error::new(ErrorKind::Internal, "a batch could not be written").with_source(error))?;
    let repeat = match calls.iter().all(|call| call.repeat == Repeat::Read) {
        true => Repeat::Read,
        false => Repeat::Answered,
    };
    let cost = calls.iter().map(|call| call.cost).sum();
    let mut call = Call::new(operation, API, Method::POST, classify_batch)
        .segments(["batch", "calendar", "v3"])
        .header(CONTENT_TYPE, content_type)
        .repeat(repeat)
        .budget("", cost);
    call.body = body.into();
    Ok(call)
}

/// The answers of a batch, one per call in order; `None` where it holds none for a call.
pub(crate) fn answers(answer: &Response<Bytes>, n_calls: usize) -> Vec<Option<Response<Bytes>>> {
    let mut found: Vec<Option<Response<Bytes>>> = (0..n_calls).map(|_| None).collect();
    for (idx, answer) in parts(answer).into_iter().flatten() {
        if let Some(slot) = found.get_mut(idx) {
            *slot = Some(answer);
        }
    }
    found
}

/// A batch is answered with 200 whatever became of its calls. Where all of them met the same trouble, the trouble is the
/// batch's: the one retry loop deals with it.
fn classify_batch(answer: &Response<Bytes>) -> Result<()> {
    classify(answer)?;
    let unknown = || bad_answer("the answer of Google Calendar is no batch").with_effect(Effect::Unknown);
    let parts = parts(answer).filter(|parts| !parts.is_empty()).ok_or_else(unknown)?;
    let mut first: Option<Error> = None;
    for (_, part) in &parts {
        let Err(error) = classify(part) else { return Ok(()) };
        let is_trouble = matches!(
            error.kind(),
            ErrorKind::AuthRevoked | ErrorKind::RateLimited | ErrorKind::QuotaExhausted | ErrorKind::Unavailable
        );
        if !is_trouble || first.as_ref().is_some_and(|first| first.kind() != error.kind()) {
            return Ok(());
        }
        first.get_or_insert(error);
    }
    first.map_or(Ok(()), Err)
}

/// The parts of an answer with their numbers; `None` where it has no parts at all.
fn parts(answer: &Response<Bytes>) -> Option<Vec<(usize, Response<Bytes>)>> {
    let content_type = answer.headers().get(CONTENT_TYPE)?.to_str().ok()?;
    if !content_type.trim_start().to_ascii_lowercase().starts_with("multipart/") {
        return None;
    }
    let boundary = content_type.split(';').skip(1).find_map(|parameter| {
        let (name, value) = parameter.split_once('=')?;
        name.trim().eq_ignore_ascii_case("boundary").then(|| value.trim().trim_matches('"'))
    })?;
    let delimiter = format!("--{boundary}");
    let body = answer.body();
    let mut parts = Vec::new();
    let mut starts = lines(body).filter(|(_, line)| line.starts_with(delimiter.as_bytes()));
    let mut from = starts.next()?;
    for next in starts {
        let start = from.0 + from.1.len();
        if let Some(part) = body.get(start..next.0).and_then(|part| read_part(body, part)) {
            parts.push(part);
        }
        from = next;
    }
    Some(parts)
}

/// The lines of a body with their offsets; each ends with its line feed.
fn lines(body: &[u8]) -> impl Iterator<Item = (usize, &[u8])> {
    let mut offset = 0;
    body.split_inclusive(|byte| *byte == b'\n').map(move |line| {
        let start = offset;
        offset += line.len();
        (start, line)
    })
}

/// One part: its own headers, a blank line, and a whole answer.
fn read_part(body: &Bytes, part: &[u8]) -> Option<(usize, Response<Bytes>)> {
    let (headers, message) = head(part);
    let id = header(&headers, "content-id")?.trim_start_matches('<').trim_end_matches('>');
    let idx = id.strip_prefix(RESPONSE).unwrap_or(id).strip_prefix(PART)?.parse().ok()?;
    let (inner, content) = head(message);
    let mut inner = inner.into_iter();
    let status = inner.next()?.split_whitespace().nth(1)?.parse::<u16>().ok()?;
    let mut answer = Response::new(body.slice_ref(content.trim_ascii()));
    *answer.status_mut() = StatusCode::from_u16(status).ok()?;
    let inner: Vec<String> = inner.collect();
    if let Some(content_type) = header(&inner, "content-type") {
        answer.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_str(content_type).ok()?);
    }
    Some((idx, answer))
}

/// Lines up to the first blank one, and what follows it. Blank lines before them don't count.
fn head(message: &[u8]) -> (Vec<String>, &[u8]) {
    let mut read = Vec::new();
    for (offset, line) in lines(message) {
        let text = String::from_utf8_lossy(line).trim().to_owned();
        match (text.is_empty(), read.is_empty()) {
            (true, true) => {}
            (true, false) => return (read, message.get(offset + line.len()..).unwrap_or_default()),
            (false, _) => read.push(text),
        }
    }
    (read, &[])
}

fn header<'h>(headers: &'h [String], name: &str) -> Option<&'h str> {
    headers.iter().find_map(|line| {
        let (known, value) = line.split_once(':')?;
        known.trim().eq_ignore_ascii_case(name).then(|| value.trim())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn calls() -> Vec<Call> {
        let insert = Call::new("events.insert", API, Method::POST, classify)
            .repeat(Repeat::Answered)
            .segments(["calendar", "v3", "calendars", "a b", "events"])
            .param("sendUpdates", "none")
            .body_of("application/json", "{\"id\":\"1\"}");
        let delete = Call::new("events.delete", API, Method::DELETE, classify)
            .segments(["calendar", "v3", "calendars", "x", "events", "1"])
            .header(http::header::IF_MATCH, HeaderValue::from_static("\"7\""));
        vec![insert, delete.budget("", 3)]
    }

    fn answered(parts: &[(&str, &str)]) -> Response<Bytes> {
        let body: String = parts
            .iter()
            .map(|(id, message)| {
                format!("--b_1\r\nContent-Type: application/http\r\nContent-ID: <{id}>\r\n\r\n{message}\r\n")
            })
            .collect();
        let answer = Response::builder().status(200).header(CONTENT_TYPE, "multipart/mixed; boundary=b_1");
        answer.body(Bytes::from(format!("{body}--b_1--\r\n"))).unwrap()
    }

    const OK: &str =
        "HTTP/1.1 200 OK\r\nContent-Type: application/json; charset=UTF-8\r\nETag: \"9\"\r\n\r\n{\"id\": \"1\"}\r\n";

    fn failed(status: u16, reason: &str) -> String {
        let body = serde_json::json!({"error": {"code": status, "message": "x", "errors": [{"reason": reason}]}});
        format!("HTTP/1.1 {status} X\r\nContent-Type: application/json\r\n\r\n{body}")
    }

    #[test]
    fn a_batch_holds_whole_messages_and_costs_what_they_cost() {
        let call = batch("events.batch", &calls()).unwrap();
        let body = String::from_utf8(call.body.to_vec()).unwrap();
        assert!(body.contains("Content-ID: <part-0>\r\n\r\nPOST /calendar/v3/calendars/a%20b/events?sendUpdates=none\r\n"));
        assert!(body.contains("\r\n\r\n{\"id\":\"1\"}\r\n--batch-"));
        assert!(body.contains("DELETE /calendar/v3/calendars/x/events/1\r\nif-match: \"7\"\r\n\r\n"));
        assert_eq!((call.cost, call.repeat, call.path.as_str()), (4, Repeat::Answered, "/batch/calendar/v3"));
        assert_eq!(call.body, batch("events.batch", &calls()).unwrap().body);
        assert_eq!(batch("events.find", &[Call::get("x", API, classify)]).unwrap().repeat, Repeat::Read);
    }

    #[test]
    fn answers_are_matched_by_name_whatever_their_order() {
        let answer = answered(&[("response-part-1", &failed(412, "conditionNotMet")), ("response-part-0", OK)]);
        let answers = answers(&answer, 3);
        let shown: Vec<_> = answers.iter().map(|answer| answer.as_ref().map(|answer| answer.status().as_u16())).collect();
        assert_eq!(shown, [Some(200), Some(412), None]);
        assert_eq!(answers[0].as_ref().unwrap().body().as_ref(), b"{\"id\": \"1\"}");
        assert!(classify_batch(&answer).is_ok());
    }

    #[test]
    fn answers_with_bare_line_feeds_and_quoted_boundaries_are_read_too() {
        let body = "preamble\n--b 1\nContent-ID: response-part-0\n\nHTTP/1.1 204 No Content\n\n\n--b 1--\n";
        let answer = Response::builder().header(CONTENT_TYPE, "multipart/mixed; charset=x; boundary=\"b 1\"");
        let answer = answer.body(Bytes::from_static(body.as_bytes())).unwrap();
        assert_eq!(answers(&answer, 1)[0].as_ref().unwrap().status(), 204);
    }

    #[test]
    fn trouble_that_all_parts_met_is_the_batchs() {
        for (status, reason, kind) in [
            (401, "authError", ErrorKind::AuthRevoked),
            (403, "userRateLimitExceeded", ErrorKind::RateLimited),
            (403, "quotaExceeded", ErrorKind::QuotaExhausted),
            (503, "backendError", ErrorKind::Unavailable),
        ] {
            let part = failed(status, reason);
            let all = answered(&[("response-part-0", &part), ("response-part-1", &part)]);
            assert_eq!(classify_batch(&all).unwrap_err().kind(), kind);
            let some = answered(&[("response-part-0", &part), ("response-part-1", OK)]);
            assert!(classify_batch(&some).is_ok(), "{reason}");
        }
        let refused = failed(400, "timeRangeEmpty");
        assert!(classify_batch(&answered(&[("response-part-0", &refused)])).is_ok());
    }

    #[test]
    fn an_answer_without_parts_is_of_unknown_effect() {
        let json = Response::builder().header(CONTENT_TYPE, "application/json").body(Bytes::from_static(b"{}")).unwrap();
        let empty = answered(&[]);
        let cut = Response::builder().header(CONTENT_TYPE, "multipart/mixed; boundary=b_1");
        let cut = cut.body(Bytes::from_static(b"--b_1\r\nContent-ID: <response-part-0>\r\n\r\nHTTP/1.1 200 OK")).unwrap();
        for answer in [json, empty, cut] {
            let error = classify_batch(&answer).unwrap_err();
            assert_eq!((error.kind(), error.effect()), (ErrorKind::BadAnswer, Effect::Unknown));
        }
    }
}
