//! What Mailchimp's answers mean.

use std::time::Duration;

use bytes::Bytes;
use http::{Response, StatusCode, header::CONTENT_TYPE};
use serde::de::DeserializeOwned;
use sync_core::{Effect, Error, ErrorKind, Owner, Result, Retry};

use crate::model::{MemberRefusal, Problem};

/// How long someone who "signed up to a lot of lists very recently" is left alone. Mailchimp names no time; clients
/// report days (<https://github.com/ibericode/mailchimp-for-wordpress/issues/506>).
const CROWDED_PAUSE: Duration = Duration::from_secs(3 * 24 * 60 * 60);

/// When an item is tried again by itself whose remedy lies in Mailchimp: nothing tells us that it was applied.
pub(crate) const LOOK_AGAIN_AFTER: Duration = Duration::from_secs(24 * 60 * 60);

/// Tells a call's meaning: the status first, then the body's own words.
/// Source: <https://mailchimp.com/developer/marketing/docs/errors/>.
pub(crate) fn classify(answer: &Response<Bytes>) -> Result<()> {
    let status = answer.status();
    if status.is_success() {
        return success(answer);
    }
    Err(failure(status, answer.body()).with_context("status", status.as_u16()))
}

/// Like [`classify`], for `DELETE` of a member: one that isn't there is gone, which is what was wanted.
pub(crate) fn classify_archive(answer: &Response<Bytes>) -> Result<()> {
    match answer.status() {
        StatusCode::NOT_FOUND if problem(answer.body()).is_some() => Ok(()),
        // "This list member cannot be removed": archived already, or held back by Mailchimp itself.
        StatusCode::METHOD_NOT_ALLOWED => {
            let problem = problem(answer.body()).unwrap_or_default();
            Err(Error::new(ErrorKind::Refused, "Mailchimp does not let this contact be archived")
                .with_provider(code(&problem.title), problem.detail)
                .with_retry(Retry::After(LOOK_AGAIN_AFTER))
                .with_remedy(
                    "Archive the contact in Mailchimp, or ask Mailchimp's support why it can't be. It is looked at again after \
                     a day.",
                )
                .with_context("status", 405))
        }
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
        Error::new(ErrorKind::BadAnswer, "the answer of Mailchimp can't be read")
            .with_retry(Retry::Backoff)
            .with_context("operation", operation)
            .with_context("line", error.line())
            .with_context("column", error.column())
    })
}

/// What became of one member that `POST /lists/{id}` did not take.
pub(crate) enum Refusal {
    /// It exists.
    Taken,
    /// It can't be.
    Refused(Error),
}

/// Reads one refusal of `POST /lists/{id}`. For `ERROR_GENERIC` the text is all there is.
pub(crate) fn refusal(refusal: MemberRefusal) -> Refusal {
    if refusal.error_code == "ERROR_CONTACT_EXISTS" || is_taken(&refusal.error) {
        return Refusal::Taken;
    }
    let error = if refusal.field.is_empty() { refused(&refusal.error) } else { value_refused(&refusal.field) };
    let code = if refusal.error_code.is_empty() { "ERROR_GENERIC".to_owned() } else { refusal.error_code };
    Refusal::Refused(error.with_provider(code, refusal.error))
}

/// One refused address of a segment call.
pub(crate) fn tag_refused(words: &str) -> Error {
    Error::new(ErrorKind::Refused, "Mailchimp did not change the tag of this contact")
        .with_provider("segment", words)
        .with_retry(Retry::After(LOOK_AGAIN_AFTER))
        .with_remedy("Look at the contact in Mailchimp. Its tags are tried again after a day.")
}

/// The audience that the settings name isn't there.
pub(crate) fn audience_gone(error: Error) -> Error {
    if error.kind() != ErrorKind::NotFound {
        return error;
    }
    let gone = Error::new(ErrorKind::Config, "the audience chosen for Mailchimp does not exist any more")
        .with_owner(Owner::EndUserData)
        .with_remedy("Choose another audience under Settings > Mailchimp > Audience. The contacts go with the next sync.");
    match (error.provider_code(), error.provider_message()) {
        (Some(code), Some(message)) => gone.with_provider(code, message),
        _ => gone,
    }
}

/// True when a tag or segment of this name exists.
pub(crate) fn is_name_taken(error: &Error) -> bool {
    matches!(error.kind(), ErrorKind::Refused | ErrorKind::Invalid | ErrorKind::Taken)
        && error.provider_message().is_some_and(|words| words.to_lowercase().contains("already exist"))
}

/// Which members of a call a schema error names: `members.item:3.…` and `members.3.…`.
pub(crate) fn members_at_fault(error: &Error) -> Vec<usize> {
    let mut found: Vec<usize> = error
        .context()
        .iter()
        .filter(|(key, _)| *key == "field")
        .filter_map(|(_, field)| {
            let rest = field.strip_prefix("members.")?;
            let rest = rest.strip_prefix("item:").unwrap_or(rest);
            rest.split('.').next()?.parse().ok()
        })
        .collect();
    found.sort_unstable();
    found.dedup();
    found
}

fn success(answer: &Response<Bytes>) -> Result<()> {
    let content_type = answer.headers().get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    if content_type.contains("problem+json") {
        let problem = problem(answer.body()).unwrap_or_default();
        let status = StatusCode::from_u16(problem.status).ok().filter(|status| status.as_u16() >= 400);
        // What the call did cannot be told from an answer that contradicts itself.
        return Err(failure(status.unwrap_or(StatusCode::BAD_GATEWAY), answer.body())
            .with_effect(Effect::Unknown)
            .with_context("status", answer.status().as_u16()));
    }
    if content_type.contains("text/html") {
        return Err(Error::new(ErrorKind::BadAnswer, "something between here and Mailchimp answered with a web page")
            .with_retry(Retry::Backoff)
            .with_effect(Effect::Unknown)
            .with_remedy("Check proxies and firewalls on the way to Mailchimp.")
            .with_context("status", answer.status().as_u16()));
    }
    Ok(())
}

fn failure(status: StatusCode, body: &Bytes) -> Error {
    let problem = problem(body);
    let error = match (status.as_u16(), &problem) {
        (400, Some(problem)) => bad_request(problem),
        (401, _) => Error::new(ErrorKind::AuthRevoked, "Mailchimp does not accept the key or token any more")
            .with_remedy("Connect Mailchimp again with a valid API key or by signing in."),
        (403, Some(_)) => Error::new(ErrorKind::Forbidden, "the Mailchimp user may not do this")
            .with_remedy("Check the user's role and the account's plan in Mailchimp, or connect as another user."),
        // Without a JSON body it is the network in front of Mailchimp, not Mailchimp: see "Rate limits and timeouts" in
        // Mailchimp's docs, and <https://github.com/drewm/mailchimp-api/issues/327>.
        (403, None) if is_html(body) => {
            Error::new(ErrorKind::Unavailable, "the network in front of Mailchimp blocks this server's address")
                .with_owner(Owner::HostDeveloper)
                .with_remedy("It often passes by itself. If not, send Mailchimp's support the reference number of the page.")
        }
        (403, None) | (429, _) => Error::new(ErrorKind::RateLimited, "too many requests to Mailchimp at once"),
        // A web page is no proof that a record is gone.
        (404, None) if is_html(body) => {
            Error::new(ErrorKind::Unavailable, "something between here and Mailchimp answered with a web page")
        }
        (404, _) => Error::new(ErrorKind::NotFound, "Mailchimp knows no such record"),
        (405 | 414 | 422, _) => Error::new(ErrorKind::Internal, "the request was malformed"),
        (408, _) => Error::new(ErrorKind::Timeout, "Mailchimp gave up on the request").with_effect(Effect::Unknown),
        (426, _) => Error::new(ErrorKind::Config, "Mailchimp is reached without encryption")
            .with_remedy("Let the base URL of mailchimp start with https://."),
        (500.., _) => Error::new(ErrorKind::Unavailable, "Mailchimp is out of order").with_effect(Effect::Unknown),
        (300..=399, _) => Error::new(ErrorKind::BadAnswer, "Mailchimp redirects, which its API never does")
            .with_remedy("Check the base URL of mailchimp."),
        _ => Error::new(ErrorKind::BadAnswer, "Mailchimp gave an answer that its documentation does not have"),
    };
    match problem {
        Some(problem) if error.provider_code().is_none() => error.with_provider(code(&problem.title), words(&problem)),
        _ => error,
    }
}

/// The titles are the only machine-readable part of the 400 family; inside "Invalid Resource" it is the text.
fn bad_request(problem: &Problem) -> Error {
    let error = match problem.title.as_str() {
        COMPLIANCE => compliance(),
        "Forgotten Email Not Subscribed" => forgotten(),
        "Member Exists" => Error::new(ErrorKind::Taken, "the address belongs to another member of the audience"),
        "JSON Parse Exception" => Error::new(ErrorKind::Internal, "the request was malformed"),
        _ if is_taken(&problem.detail) => {
            Error::new(ErrorKind::Taken, "the address belongs to another member of the audience")
        }
        _ => match problem.errors.first() {
            Some(first) => value_refused(&first.field),
            None => refused(&problem.detail),
        },
    };
    // Names of fields are no record content; they tell the members at fault.
    problem.errors.iter().take(20).fold(error, |error, at| error.with_context("field", &at.field))
}

/// Reads the text of a refusal without any further sign.
fn refused(words: &str) -> Error {
    let lower = words.to_lowercase();
    let has = |parts: &[&str]| parts.iter().any(|part| lower.contains(part));
    if has(&["compliance state", "has unsubscribed", "was unsubscribed", "has bounced", "is under review"]) {
        compliance()
    } else if has(&["permanently deleted", "forgotten"]) {
        forgotten()
    } else if has(&["signed up to a lot of lists"]) {
        Error::new(ErrorKind::Refused, "Mailchimp holds this address back: it joined many audiences very recently")
            .with_retry(Retry::After(CROWDED_PAUSE))
            .with_owner(Owner::Nobody)
            .with_remedy("Nothing to do: it is tried again in a few days.")
    } else if has(&["fake or invalid", "valid email", "invalid email", "domain portion"]) {
        Error::new(ErrorKind::Refused, "Mailchimp takes the e-mail address for a fake or invalid one")
            .with_remedy("Correct the customer's e-mail address. The contact goes with the next sync.")
    } else {
        Error::new(ErrorKind::Refused, "Mailchimp refused the contact").with_remedy(
            "Mailchimp's own words say why. A corrected customer goes with the next sync; where something was changed in \
                 Mailchimp instead, retry the contact.",
        )
    }
}

fn value_refused(field: &str) -> Error {
    // Schema errors name a path, value errors the merge tag.
    let tag = field.rsplit('.').next().unwrap_or(field);
    Error::new(ErrorKind::Invalid, format!("the audience does not accept the value of the merge field {tag}"))
        .with_retry(Retry::After(LOOK_AGAIN_AFTER))
        .with_remedy(format!(
            "Correct the customer's value, the mapping of {tag} under Settings > Mailchimp > Merge fields, or {tag} itself in \
             Mailchimp. It is tried again after a day, and with the next sync after a correction here."
        ))
}

/// The title of Mailchimp's answer where it keeps somebody out: they left, or can't be reached.
pub(crate) const COMPLIANCE: &str = "Member In Compliance State";

fn compliance() -> Error {
    Error::new(ErrorKind::Refused, "Mailchimp does not let this address be subscribed: the person left, or mail bounced")
        .with_remedy("Only the person can undo this, by signing up again with a form of Mailchimp.")
}

fn forgotten() -> Error {
    Error::new(ErrorKind::Refused, "this person was deleted for good in Mailchimp and can't be added by a program")
        .with_remedy("Only the person can undo this, by signing up again with a form of Mailchimp.")
}

fn is_taken(words: &str) -> bool {
    let lower = words.to_lowercase();
    lower.contains("already a list member") || lower.contains("already in use by another")
}

/// The body as a problem, if it is one; `type` is missing in some real bodies.
fn problem(body: &Bytes) -> Option<Problem> {
    serde_json::from_slice(body).ok()
}

fn is_html(body: &Bytes) -> bool {
    body.iter().find(|byte| !byte.is_ascii_whitespace()) == Some(&b'<')
}

fn code(title: &str) -> String {
    if title.is_empty() { "untitled".to_owned() } else { title.to_owned() }
}

fn words(problem: &Problem) -> String {
    problem.errors.iter().fold(problem.detail.clone(), |words, at| format!("{words} {}: {}", at.field, at.message))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Members, Root};

    fn answer(status: u16, content_type: &str, body: &str) -> Response<Bytes> {
        Response::builder()
            .status(status)
            .header(CONTENT_TYPE, content_type)
            .body(Bytes::copy_from_slice(body.as_bytes()))
            .unwrap()
    }

    fn of(status: u16, body: &str) -> Error {
        let content_type = if body.starts_with('<') { "text/html" } else { "application/problem+json; charset=utf-8" };
        classify(&answer(status, content_type, body)).unwrap_err()
    }

    fn problem_of(status: u16, title: &str, detail: &str) -> Error {
        of(status, &serde_json::json!({"title": title, "status": status, "detail": detail, "instance": ""}).to_string())
    }

    #[test]
    fn each_documented_answer_has_its_meaning() {
        use ErrorKind as K;
        for (status, title, detail, kind) in [
            (400, "Member In Compliance State", "x", K::Refused),
            (400, "Forgotten Email Not Subscribed", "x", K::Refused),
            (400, "Invalid Resource", "x@example.com looks fake or invalid, please enter a real email address.", K::Refused),
            (400, "Invalid Resource", "x@example.com has signed up to a lot of lists very recently", K::Refused),
            (400, "Member Exists", "x@example.com is already a list member. Use PUT", K::Taken),
            (400, "Bad Request", "Sorry, that tag already exists.", K::Refused),
            (400, "JSON Parse Exception", "x", K::Internal),
            (401, "API Key Invalid", "x", K::AuthRevoked),
            (403, "Forbidden", "x", K::Forbidden),
            (403, "User Disabled", "x", K::Forbidden),
            (404, "Resource Not Found", "x", K::NotFound),
            (405, "Method Not Allowed", "x", K::Internal),
            (414, "Resource Nesting Too Deep", "x", K::Internal),
            (422, "InvalidMethodOverride", "x", K::Internal),
            (426, "", "x", K::Config),
            (429, "TooManyRequests", "x", K::RateLimited),
            (500, "InternalServerError", "x", K::Unavailable),
            (503, "x", "x", K::Unavailable),
        ] {
            let error = problem_of(status, title, detail);
            assert_eq!(error.kind(), kind, "{status} {title} {detail}");
            assert_eq!(error.provider_message(), Some(detail), "{status} {title}");
        }
    }

    #[test]
    fn answers_without_json_are_told_by_their_status() {
        assert_eq!(of(403, "").kind(), ErrorKind::RateLimited);
        assert_eq!(of(429, "").kind(), ErrorKind::RateLimited);
        assert_eq!(of(403, "<html>Request Blocked. Reference #18").kind(), ErrorKind::Unavailable);
        assert_eq!(of(502, "<html>CDN").kind(), ErrorKind::Unavailable);
        assert_eq!(of(404, "<html>").kind(), ErrorKind::Unavailable, "a page on the way is no proof");
        assert_eq!(of(302, "").kind(), ErrorKind::BadAnswer);
    }

    #[test]
    fn only_answers_that_leave_room_for_doubt_have_an_unknown_effect() {
        assert_eq!(of(500, "").effect(), Effect::Unknown);
        assert_eq!(of(504, "<html>").effect(), Effect::Unknown);
        for status in [400, 401, 403, 404, 429] {
            assert_eq!(problem_of(status, "x", "y").effect(), Effect::None, "{status}");
        }
    }

    #[test]
    fn a_success_that_carries_an_error_is_an_error() {
        let error = problem_of(200, "", "");
        assert_eq!((error.kind(), error.effect()), (ErrorKind::Unavailable, Effect::Unknown));
        let error = classify(&answer(200, "application/problem+json", r#"{"title":"API Key Invalid","status":401}"#));
        assert_eq!(error.unwrap_err().kind(), ErrorKind::AuthRevoked);
        assert_eq!(of(200, "<html>portal").kind(), ErrorKind::BadAnswer);
        assert!(classify(&answer(200, "application/json", "{}")).is_ok());
        assert!(classify(&answer(204, "", "")).is_ok());
    }

    #[test]
    fn archiving_what_is_not_there_is_done() {
        let body = r#"{"title":"Resource Not Found","status":404}"#;
        assert!(classify_archive(&answer(404, "application/problem+json", body)).is_ok());
        assert!(classify_archive(&answer(404, "text/html", "<html>")).is_err(), "a page on the way is no proof");
        let held = classify_archive(&answer(405, "application/problem+json", "{}")).unwrap_err();
        assert_eq!((held.kind(), held.retry()), (ErrorKind::Refused, Retry::After(LOOK_AGAIN_AFTER)));
    }

    #[test]
    fn the_text_of_a_refused_member_tells_what_can_be_done() {
        let refused = |error: &str, code: &str, field: &str| {
            refusal(MemberRefusal {
                email_address: "x@example.com".into(),
                error: error.into(),
                error_code: code.into(),
                field: field.into(),
            })
        };
        assert!(matches!(refused("x@example.com exists", "ERROR_CONTACT_EXISTS", ""), Refusal::Taken));
        assert!(matches!(refused("x@example.com is already a list member", "ERROR_GENERIC", ""), Refusal::Taken));
        let Refusal::Refused(late) = refused("x has signed up to a lot of lists very recently", "ERROR_GENERIC", "") else {
            panic!("not refused");
        };
        assert_eq!(late.retry(), Retry::After(CROWDED_PAUSE));
        let Refusal::Refused(field) = refused("Please enter a value", "ERROR_GENERIC", "LNAME") else {
            panic!("not refused");
        };
        assert_eq!((field.kind(), field.retry()), (ErrorKind::Invalid, Retry::After(LOOK_AGAIN_AFTER)));
        assert!(field.message().contains("LNAME"));
        assert_eq!(tag_refused("x").retry(), Retry::After(LOOK_AGAIN_AFTER));
        let Refusal::Refused(fake) = refused("x@example.com looks fake or invalid", "ERROR_GENERIC", "") else {
            panic!("not refused");
        };
        assert_eq!((fake.kind(), fake.retry()), (ErrorKind::Refused, Retry::Never));
        assert!(!fake.to_string().contains("x@example.com") && !format!("{fake:?}").contains("x@example.com"));
    }

    #[test]
    fn members_at_fault_are_found_in_schema_errors() {
        let body = serde_json::json!({
            "title": "Invalid Resource", "status": 400, "detail": "schema",
            "errors": [
                {"field": "members.item:3.email_address", "message": "x"},
                {"field": "members.item:3.merge_fields.ADDRESS", "message": "x"},
                {"field": "members.7.status", "message": "x"},
            ],
        });
        assert_eq!(members_at_fault(&of(400, &body.to_string())), [3, 7]);
        assert_eq!(members_at_fault(&problem_of(400, "x", "y")), [0_usize; 0]);
    }

    #[test]
    fn an_answer_without_its_subject_is_no_empty_one() {
        for body in ["{}", "[]", "null"] {
            assert!(parse::<Members>(&answer(200, "application/json", body), "x").is_err(), "{body}");
        }
    }

    #[test]
    fn an_unreadable_answer_is_not_quoted() {
        let answer = answer(200, "application/json", r#"{"account_id":["ada@example.com"]}"#);
        for (read, effect) in [(parse::<Root>(&answer, "x"), Effect::None), (parse_written(&answer, "x"), Effect::Unknown)] {
            let error = read.err().unwrap();
            assert_eq!((error.kind(), error.effect()), (ErrorKind::BadAnswer, effect));
            assert!(!format!("{error} {error:?}").contains("ada@"));
        }
    }
}
