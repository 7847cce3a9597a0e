//! What Google's answers mean.

use std::time::Duration;

use bytes::Bytes;
use http::{Response, StatusCode, header::CONTENT_TYPE};
use serde::de::DeserializeOwned;
use sync_core::{Effect, Error, ErrorKind, Owner, Result, Retry};

use crate::model::{Failure, Problem};

/// How long a calendar is left alone whose usage limit is reached: it "may be read-only for several hours".
/// Source: <https://support.google.com/a/answer/2905486>.
const LIMIT_PAUSE: Duration = Duration::from_secs(4 * 60 * 60);

/// Tells a call's meaning: the status first, then the reason in the body.
/// Source: <https://developers.google.com/workspace/calendar/api/guides/errors>.
pub(crate) fn classify(answer: &Response<Bytes>) -> Result<()> {
    let status = answer.status();
    if status.is_success() {
        return success(answer);
    }
    Err(failure(status, answer.body()).with_context("status", status.as_u16()))
}

/// Like [`classify`], for removing: what isn't there is gone, which is what was wanted.
pub(crate) fn classify_gone(answer: &Response<Bytes>) -> Result<()> {
    match answer.status() {
        StatusCode::NOT_FOUND | StatusCode::GONE if problem(answer.body()).is_some() => Ok(()),
        _ => classify(answer),
    }
}

/// Reads the answer to a write.
///
/// # Errors
/// Like [`parse`]; what the write did is then unknown.
pub(crate) fn parse_written<T: DeserializeOwned>(answer: &Response<Bytes>, operation: &'static str) -> Result<T> {
    parse(answer, operation).map_err(|error| error.with_effect(Effect::Unknown))
}

/// Reads an answer.
///
/// # Errors
/// [`ErrorKind::BadAnswer`] without the answer's content.
pub(crate) fn parse<T: DeserializeOwned>(answer: &Response<Bytes>, operation: &'static str) -> Result<T> {
    serde_json::from_slice(answer.body()).map_err(|error| {
        // The error's own words may quote the answer.
        bad_answer("the answer of Google Calendar can't be read")
            .with_context("operation", operation)
            .with_context("line", error.line())
            .with_context("column", error.column())
    })
}

/// An answer that makes no sense.
pub(crate) fn bad_answer(message: &'static str) -> Error {
    Error::new(ErrorKind::BadAnswer, message).with_retry(Retry::Backoff)
}

/// The calendar that the settings name isn't there, or isn't shared any more.
pub(crate) fn calendar_gone(error: &Error) -> Error {
    let gone =
        Error::new(ErrorKind::Config, "a calendar chosen for Google Calendar does not exist any more, or is not shared")
            .with_owner(Owner::EndUserData)
            .with_remedy(
                "Share the calendar again with the connected account, or choose another under Settings > Google Calendar. \
             Nothing was taken for deleted.",
            );
    like(gone, error)
}

/// With the provider's code and words of another error.
pub(crate) fn like(error: Error, other: &Error) -> Error {
    match (other.provider_code(), other.provider_message()) {
        (Some(code), Some(message)) => error.with_provider(code, message),
        _ => error,
    }
}

/// The same error once more, without its source.
pub(crate) fn copy(error: &Error) -> Error {
    let mut same = Error::new(error.kind(), error.message().to_owned())
        .with_owner(error.owner())
        .with_retry(error.retry())
        .with_effect(error.effect());
    if let Some(remedy) = error.remedy() {
        same = same.with_remedy(remedy.to_owned());
    }
    like(same, error)
}

fn success(answer: &Response<Bytes>) -> Result<()> {
    let content_type = answer.headers().get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    if content_type.contains("text/html") {
        return Err(bad_answer("something between here and Google answered with a web page")
            .with_effect(Effect::Unknown)
            .with_remedy("Check proxies and firewalls on the way to www.googleapis.com.")
            .with_context("status", answer.status().as_u16()));
    }
    if starts_with_error(answer.body())
        && let Some(problem) = problem(answer.body())
    {
        let code = problem.code.and_then(|code| StatusCode::from_u16(code).ok()).filter(|code| code.as_u16() >= 400);
        // What the call did cannot be told from an answer that contradicts itself.
        return Err(failure(code.unwrap_or(StatusCode::BAD_GATEWAY), answer.body())
            .with_effect(Effect::Unknown)
            .with_context("status", answer.status().as_u16()));
    }
    Ok(())
}

fn failure(status: StatusCode, body: &Bytes) -> Error {
    let problem = problem(body);
    let reason = problem.as_ref().map(reason).unwrap_or_default();
    let error = match status.as_u16() {
        400 => bad_request(&reason),
        401 => unauthorized(&reason),
        403 => forbidden(&reason, problem.is_some(), body),
        // A web page is no proof that something is gone.
        404 | 410 if problem.is_none() => {
            Error::new(ErrorKind::Unavailable, "something between here and Google answered instead of the API")
        }
        404 => Error::new(ErrorKind::NotFound, "Google Calendar knows no such event or calendar"),
        408 => Error::new(ErrorKind::Timeout, "Google Calendar gave up on the request").with_effect(Effect::Unknown),
        409 if reason == "conflict" => Error::new(ErrorKind::Unavailable, "another write to the same event was under way"),
        409 => Error::new(ErrorKind::Taken, "an event of this id was there before, and may have been deleted")
            .with_remedy("Nothing needs to be done: it is looked at and taken over, brought back, or asked about."),
        410 if matches!(reason.as_str(), "fullSyncRequired" | "updatedMinTooLongAgo") => expired(),
        410 => Error::new(ErrorKind::NotFound, "the event was deleted in Google Calendar"),
        412 => Error::new(ErrorKind::Moved, "the event changed in Google Calendar since it was read"),
        429 if is_limit(&reason) => limit(),
        429 => too_fast(),
        500.. => Error::new(ErrorKind::Unavailable, "Google Calendar is out of order").with_effect(Effect::Unknown),
        300..=399 => Error::new(ErrorKind::BadAnswer, "Google Calendar redirects, which its API never does")
            .with_remedy("Check the base URL of google-calendar."),
        405..=499 => Error::new(ErrorKind::Internal, "the request was malformed"),
        _ => bad_answer("Google Calendar gave an answer that its documentation does not have"),
    };
    let Some(problem) = problem else { return error };
    let location = problem.errors.iter().find_map(|cause| cause.location.clone());
    let error = match location {
        Some(location) => error.with_context("location", location),
        None => error,
    };
    let code = if reason.is_empty() { "unnamed".to_owned() } else { reason };
    error.with_provider(code, problem.message.unwrap_or_default())
}

fn bad_request(reason: &str) -> Error {
    let (message, remedy) = match reason {
        "timeRangeEmpty" => (
            "Google Calendar refused the event: it does not end after it starts",
            "Correct the start or the end of the record. It goes with the next sync.",
        ),
        "required" => (
            "Google Calendar refused the event: something that it needs is missing",
            "Google's own words say what. A corrected record goes with the next sync.",
        ),
        "channelIdNotUnique" => {
            ("a push channel of this id exists", "Nothing needs to be done: the next one has another id.")
        }
        "webhookUrlNotHttps" => {
            ("Google calls back only over https", "Give the webhooks a public address that starts with https://.")
        }
        _ => (
            "Google Calendar refused what was sent",
            "Google's own words say why. A corrected record goes with the next sync.",
        ),
    };
    Error::new(ErrorKind::Refused, message).with_remedy(remedy)
}

fn unauthorized(reason: &str) -> Error {
    // Said about the address that channels call, not about the sign-in.
    if reason.starts_with("webhookUrl") {
        return Error::new(ErrorKind::Config, "Google does not accept the address that it should call back")
            .with_remedy("Give the webhooks a public https address with a valid certificate.");
    }
    Error::new(ErrorKind::AuthRevoked, "Google does not accept the sign-in any more")
        .with_remedy("Connect Google Calendar again.")
}

/// Of unknown reasons nothing is known that time would change: they are not tried again.
fn forbidden(reason: &str, has_problem: bool, body: &Bytes) -> Error {
    let no = |message: &'static str, remedy: &'static str| Error::new(ErrorKind::Forbidden, message).with_remedy(remedy);
    match reason {
        "rateLimitExceeded" | "userRateLimitExceeded" | "RATE_LIMIT_EXCEEDED" => too_fast(),
        _ if is_limit(reason) => limit(),
        "forbiddenForNonOrganizer" => Error::new(ErrorKind::Refused, "only the organizer of the event may change this")
            .with_remedy("Change it on the organizer's calendar, or take the event out of the sync."),
        "forbiddenForServiceAccounts" => no(
            "a service account may not invite people",
            "Connect by signing in as a person, or give the service account domain-wide delegation.",
        ),
        "insufficientPermissions" | "ACCESS_TOKEN_SCOPE_INSUFFICIENT" => no(
            "the sign-in does not allow this: a box was not ticked on Google's consent page",
            "Connect Google Calendar again and tick all boxes.",
        ),
        "requiredAccessLevel" => no(
            "the connected account may not write to this calendar",
            "Ask the calendar's owner for \"Make changes to events\", or choose another calendar.",
        ),
        "accessNotConfigured" | "SERVICE_DISABLED" => {
            no("the Google Calendar API is not switched on for this app", "Enable it in the app's Google Cloud project.")
                .with_owner(Owner::HostDeveloper)
        }
        "notACalendarUser" => no(
            "this Google account has no Google Calendar",
            "Open calendar.google.com once with this account, or ask the administrator to switch Calendar on.",
        ),
        _ if !has_problem && is_html(body) => {
            Error::new(ErrorKind::Unavailable, "the network in front of Google blocks this server's address")
                .with_owner(Owner::HostDeveloper)
                .with_remedy("It often passes by itself. If not, look at what the server sends to Google beside this.")
        }
        _ => no(
            "the connected account may not do this in Google Calendar",
            "Look at the calendar's sharing and at who owns the event, or connect as somebody who may.",
        ),
    }
}

fn is_limit(reason: &str) -> bool {
    matches!(reason, "quotaExceeded" | "dailyLimitExceeded" | "calendarUsageLimitsExceeded")
}

/// Source: <https://developers.google.com/workspace/calendar/api/guides/quota>: the same for 403 and 429.
fn too_fast() -> Error {
    Error::new(ErrorKind::RateLimited, "too many requests to Google Calendar at once")
}

fn limit() -> Error {
    Error::new(ErrorKind::QuotaExhausted, "the calendar usage limit of the Google account is reached")
        .with_retry(Retry::After(LIMIT_PAUSE))
        .with_remedy("Nothing needs to be done: it goes on in some hours. Other programs of this account count too.")
}

/// A position in the feed that is too old, or none of ours.
pub(crate) fn expired() -> Error {
    Error::new(ErrorKind::CursorExpired, "the position in Google Calendar's changes is too old: the events are read anew")
}

/// The reason: of the older layer, else of the newer one.
fn reason(problem: &Problem) -> String {
    let causes = || problem.errors.iter().chain(&problem.details);
    causes().find_map(|cause| cause.reason.clone()).or_else(|| problem.status.clone()).unwrap_or_default()
}

/// The body as an error, if it is one.
fn problem(body: &Bytes) -> Option<Problem> {
    serde_json::from_slice::<Failure>(body).ok()?.error
}

/// True for `{"error"`: a page of events is not read twice to find that out.
fn starts_with_error(body: &Bytes) -> bool {
    let inner = body.trim_ascii_start().strip_prefix(b"{").unwrap_or_default();
    inner.trim_ascii_start().starts_with(b"\"error\"")
}

fn is_html(body: &Bytes) -> bool {
    body.trim_ascii_start().first() == Some(&b'<')
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn answer(status: u16, content_type: &str, body: &str) -> Response<Bytes> {
        let answer = Response::builder().status(status).header(CONTENT_TYPE, content_type);
        answer.body(Bytes::copy_from_slice(body.as_bytes())).unwrap()
    }

    fn of(status: u16, reason: &str) -> Error {
        let body = json!({"error": {"code": status, "message": "Words of Google",
            "errors": [{"domain": "global", "reason": reason, "message": "x"}]}});
        classify(&answer(status, "application/json; charset=UTF-8", &body.to_string())).unwrap_err()
    }

    #[test]
    fn each_documented_answer_has_its_meaning_and_its_remedy() {
        use ErrorKind as K;
        for (status, reason, kind, goes_again) in [
            (400, "timeRangeEmpty", K::Refused, false),
            (400, "required", K::Refused, false),
            (400, "invalid", K::Refused, false),
            (400, "badRequest", K::Refused, false),
            (400, "channelIdNotUnique", K::Refused, false),
            (400, "webhookUrlNotHttps", K::Refused, false),
            (401, "authError", K::AuthRevoked, false),
            (401, "webhookUrlUnauthorized", K::Config, false),
            (403, "rateLimitExceeded", K::RateLimited, true),
            (403, "userRateLimitExceeded", K::RateLimited, true),
            (403, "quotaExceeded", K::QuotaExhausted, true),
            (403, "forbiddenForNonOrganizer", K::Refused, false),
            (403, "forbiddenForServiceAccounts", K::Forbidden, false),
            (403, "forbidden", K::Forbidden, false),
            (403, "insufficientPermissions", K::Forbidden, false),
            (403, "requiredAccessLevel", K::Forbidden, false),
            (403, "accessNotConfigured", K::Forbidden, false),
            (403, "notACalendarUser", K::Forbidden, false),
            (403, "somethingNew", K::Forbidden, false),
            (404, "notFound", K::NotFound, false),
            (409, "duplicate", K::Taken, false),
            (409, "conflict", K::Unavailable, true),
            (410, "deleted", K::NotFound, false),
            (410, "fullSyncRequired", K::CursorExpired, false),
            (410, "updatedMinTooLongAgo", K::CursorExpired, false),
            (412, "conditionNotMet", K::Moved, false),
            (429, "rateLimitExceeded", K::RateLimited, true),
            (500, "backendError", K::Unavailable, true),
            (503, "somethingNew", K::Unavailable, true),
        ] {
            let error = of(status, reason);
            assert_eq!(error.kind(), kind, "{status} {reason}");
            assert_eq!(error.retry() != Retry::Never, goes_again, "{status} {reason}");
            assert_eq!(error.provider_code(), Some(reason));
            assert_eq!(error.provider_message(), Some("Words of Google"));
            let needs_person = matches!(kind, K::Refused | K::AuthRevoked | K::Forbidden | K::Config);
            assert!(!needs_person || error.remedy().is_some(), "{status} {reason}");
        }
    }

    #[test]
    fn a_used_up_limit_pauses_for_hours_and_an_outage_is_of_unknown_effect() {
        assert_eq!(of(403, "quotaExceeded").retry(), Retry::After(LIMIT_PAUSE));
        assert_eq!((of(500, "x").effect(), of(403, "rateLimitExceeded").effect()), (Effect::Unknown, Effect::None));
    }

    #[test]
    fn the_newer_shape_tells_its_reason_in_details() {
        let body = json!({"error": {"code": 403, "message": "x", "status": "PERMISSION_DENIED",
            "details": [{"@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": "SERVICE_DISABLED"}]}});
        let error = classify(&answer(403, "application/json", &body.to_string())).unwrap_err();
        assert_eq!((error.provider_code(), error.owner()), (Some("SERVICE_DISABLED"), Owner::HostDeveloper));
    }

    #[test]
    fn web_pages_prove_nothing() {
        for (status, kind) in [
            (200, ErrorKind::BadAnswer),
            (403, ErrorKind::Unavailable),
            (404, ErrorKind::Unavailable),
            (410, ErrorKind::Unavailable),
            (502, ErrorKind::Unavailable),
        ] {
            let page = answer(status, "text/html", "<html>Not Found</html>");
            assert_eq!(classify(&page).unwrap_err().kind(), kind, "{status}");
            assert!(classify_gone(&page).is_err(), "{status}");
        }
    }

    #[test]
    fn a_success_that_carries_an_error_is_one() {
        let body = " {\n \"error\": {\"code\": 403, \"message\": \"x\", \"errors\": [{\"reason\": \"quotaExceeded\"}]}}";
        let error = classify(&answer(200, "application/json", body)).unwrap_err();
        assert_eq!((error.kind(), error.effect()), (ErrorKind::QuotaExhausted, Effect::Unknown));
        assert!(classify(&answer(200, "application/json", "{\"id\": \"error\"}")).is_ok());
        assert!(classify(&answer(204, "", "")).is_ok());
    }

    #[test]
    fn what_is_gone_already_is_removed() {
        for (status, reason) in [(404, "notFound"), (410, "deleted")] {
            let body = json!({"error": {"code": status, "errors": [{"reason": reason}]}}).to_string();
            assert!(classify_gone(&answer(status, "application/json", &body)).is_ok());
        }
    }

    #[test]
    fn bodies_of_no_shape_are_still_told_by_their_status() {
        for body in ["", "null", "[]", "{\"error\": \"invalid_grant\"}", "{\"error\": {\"errors\": null}}", "\u{fffd}"] {
            assert_eq!(
                classify(&answer(401, "application/json", body)).unwrap_err().kind(),
                ErrorKind::AuthRevoked,
                "{body}"
            );
        }
    }
}
