//! What HTTP statuses mean by themselves.

use bytes::Bytes;
use http::{Response, header::CONTENT_TYPE};

use crate::{Effect, Error, ErrorKind, Result};

/// What is to be done about what passes.
const PASSES: &str = "Nothing needs to be done: it is tried again.";

/// Tells an answer's meaning by its status alone: a [`Classify`](crate::Classify) for services that keep to HTTP.
/// [`Error::with_provider`] adds what a service says in its body; where its words overrule a status, or a success may be none,
/// it needs a table of its own.
/// Source: RFC 9110, section 15 (<https://www.rfc-editor.org/rfc/rfc9110#section-15>); RFC 6585, section 4, for 429.
///
/// # Errors
/// What the status says.
pub fn by_status(answer: &Response<Bytes>) -> Result<()> {
    use ErrorKind as K;
    let content_type = answer.headers().get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let is_page = content_type.starts_with("text/html");
    let status = answer.status().as_u16();
    let (kind, effect, message, remedy) = match status {
        200..=299 if !is_page => return Ok(()),
        200..=299 => (
            K::BadAnswer,
            Effect::Unknown,
            "something on the way answered with a web page",
            "Check the endpoint's URL, and proxies and firewalls on the way there.",
        ),
        300..=399 => (K::BadAnswer, Effect::Unknown, "the answer points elsewhere", "Check the endpoint's URL."),
        401 => (K::AuthRevoked, Effect::None, "the sign-in is not accepted any more", "Connect again."),
        403 => (
            K::Forbidden,
            Effect::None,
            "the sign-in does not allow this",
            "Ask for the right to do it, or connect as somebody who has it.",
        ),
        // A web page is no proof that something is gone.
        404 | 410 if is_page => (K::Unavailable, Effect::None, "something on the way answered with a web page", PASSES),
        404 | 410 => (K::NotFound, Effect::None, "there is no such record or place", "Sync again."),
        408 => (K::Timeout, Effect::Unknown, "the service gave up on the request", PASSES),
        409 => (K::Taken, Effect::None, "the id, name or number is taken", "Look at the record there that has it."),
        412 => (K::Moved, Effect::None, "the record changed since it was read", PASSES),
        429 => (K::RateLimited, Effect::None, "too many calls at once", PASSES),
        400..=499 => (
            K::Refused,
            Effect::None,
            "the service refused what was sent",
            "The service's own words say why. A corrected record goes with the next sync.",
        ),
        500..=599 => (K::Unavailable, Effect::Unknown, "the service is out of order", PASSES),
        _ => (K::BadAnswer, Effect::Unknown, "the answer's status is none of HTTP's", "Report this to the service."),
    };
    Err(Error::new(kind, message).with_effect(effect).with_remedy(remedy).with_context("status", status))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Retry;

    fn of(status: u16, content_type: &str) -> Result<()> {
        by_status(&Response::builder().status(status).header(CONTENT_TYPE, content_type).body(Bytes::new()).unwrap())
    }

    #[test]
    fn each_status_says_what_it_is_whether_it_goes_again_and_what_may_have_happened() {
        use ErrorKind as K;
        for (status, kind, goes_again, effect) in [
            (302, K::BadAnswer, false, Effect::Unknown),
            (400, K::Refused, false, Effect::None),
            (401, K::AuthRevoked, false, Effect::None),
            (403, K::Forbidden, false, Effect::None),
            (404, K::NotFound, false, Effect::None),
            (408, K::Timeout, true, Effect::Unknown),
            (409, K::Taken, false, Effect::None),
            (410, K::NotFound, false, Effect::None),
            (412, K::Moved, false, Effect::None),
            (422, K::Refused, false, Effect::None),
            (429, K::RateLimited, true, Effect::None),
            (500, K::Unavailable, true, Effect::Unknown),
            (503, K::Unavailable, true, Effect::Unknown),
            (999, K::BadAnswer, false, Effect::Unknown),
        ] {
            let error = of(status, "application/json").unwrap_err();
            assert_eq!((error.kind(), error.effect()), (kind, effect), "{status}");
            assert_eq!(error.retry() != Retry::Never, goes_again, "{status}");
            assert!(error.remedy().is_some());
        }
        assert!(of(200, "application/json").is_ok() && of(204, "").is_ok());
    }

    #[test]
    fn a_web_page_is_no_success_and_no_proof_of_an_absence() {
        let error = of(200, "text/html; charset=utf-8").unwrap_err();
        assert_eq!((error.kind(), error.effect()), (ErrorKind::BadAnswer, Effect::Unknown));
        assert_eq!(of(404, "text/html").unwrap_err().kind(), ErrorKind::Unavailable);
        assert_eq!(of(410, "text/html").unwrap_err().kind(), ErrorKind::Unavailable);
    }
}
