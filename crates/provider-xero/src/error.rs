//! What Xero's answers mean.

use bytes::Bytes;
use http::{Response, StatusCode, header::CONTENT_TYPE};
use serde::de::DeserializeOwned;
use sync_core::{Effect, Error, ErrorKind, Owner, Result, Retry};

use crate::model::{Complaint, Exception};

/// The header that names the limit which was reached.
const LIMIT_PROBLEM: &str = "x-rate-limit-problem";

/// Tells a call's meaning: the status first, then what the body says of itself.
/// Source: <https://developer.xero.com/documentation/api/accounting/responsecodes> (read 2026-11-22).
pub(crate) fn classify(answer: &Response<Bytes>) -> Result<()> {
    let status = answer.status();
    if status.is_success() {
        return success(answer);
    }
    Err(failure(status, answer).with_context("status", status.as_u16()))
}

/// Like [`classify`], for removing: what isn't there is gone, which is what was wanted.
pub(crate) fn classify_gone(answer: &Response<Bytes>) -> Result<()> {
    match answer.status() {
        StatusCode::NOT_FOUND if !is_html(answer.body()) => Ok(()),
        _ => classify(answer),
    }
}

/// Reads an answer.
///
/// # Errors
/// [`ErrorKind::BadAnswer`] without the answer's content.
pub(crate) fn parse<T: DeserializeOwned>(answer: &Response<Bytes>, operation: &'static str) -> Result<T> {
    serde_json::from_slice(answer.body()).map_err(|error| {
        // The error's own words may quote the answer.
        bad_answer("the answer of Xero can't be read")
            .with_context("operation", operation)
            .with_context("line", error.line())
            .with_context("column", error.column())
    })
}

/// Reads the answer to a write.
///
/// # Errors
/// Like [`parse`]; what the write did is then unknown.
pub(crate) fn parse_written<T: DeserializeOwned>(answer: &Response<Bytes>, operation: &'static str) -> Result<T> {
    parse(answer, operation).map_err(|error| error.with_effect(Effect::Unknown))
}

/// An answer that makes no sense.
pub(crate) fn bad_answer(message: &'static str) -> Error {
    Error::new(ErrorKind::BadAnswer, message).with_retry(Retry::Backoff)
}

/// An answer that leaves a record out, or tells no id of it: what became of it is not known.
pub(crate) fn unanswered() -> Error {
    bad_answer("Xero's answer does not tell what became of this record").with_effect(Effect::Unknown)
}

/// A position in a feed that is none of ours.
pub(crate) fn expired() -> Error {
    Error::new(ErrorKind::CursorExpired, "the position in Xero's changes is none of ours: the records are read anew")
}

/// No organisation is chosen.
pub(crate) fn no_tenant() -> Error {
    Error::new(ErrorKind::Config, "no Xero organisation is chosen")
        .with_owner(Owner::EndUserData)
        .with_remedy("Choose the organisation of this connection.")
}

/// The same error for each record at fault, without its source.
pub(crate) fn copy(error: &Error) -> Error {
    let mut same = Error::new(error.kind(), error.message().to_owned())
        .with_owner(error.owner())
        .with_retry(error.retry())
        .with_effect(error.effect());
    if let Some(remedy) = error.remedy() {
        same = same.with_remedy(remedy.to_owned());
    }
    if let (Some(code), Some(words)) = (error.provider_code(), error.provider_message()) {
        same = same.with_provider(code, words);
    }
    same
}

/// What a refused element is about. The messages are all that there is: Xero gives no codes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Cause {
    /// The contact's name belongs to another active contact.
    NameTaken,
    /// The contact number belongs to another contact: ours, since it is our marker.
    NumberTaken,
    /// The document's number belongs to another document.
    DocumentNumberTaken,
    /// The date lies in a period that is locked.
    Locked,
    /// The account can't be used.
    Account,
    /// The tax rate can't be used.
    Tax,
    /// The currency is not switched on.
    Currency,
    /// More is paid than is open.
    TooMuch,
    /// The document's status does not allow it.
    Status,
    /// The contact is archived, or was erased.
    Contact,
    /// Anything else.
    Other,
}

impl Cause {
    /// Reads the messages of an element.
    pub(crate) fn of(complaints: &[Complaint]) -> Self {
        let text = complaints.iter().map(|one| one.message.to_lowercase()).collect::<Vec<_>>().join(" | ");
        let has = |parts: &[&str]| parts.iter().all(|part| text.contains(part));
        // The first two are exact in the OpenAPI document's examples; the rest is what organisations report.
        if has(&["contact name", "already assigned"]) || has(&["contact name must be unique"]) {
            Self::NameTaken
        } else if has(&["contact number"]) || has(&["contactnumber"]) {
            Self::NumberTaken
        } else if has(&["must be unique"]) && (has(&["invoice #"]) || has(&["credit note #"]) || has(&["number"])) {
            Self::DocumentNumberTaken
        } else if has(&["lock date"]) || has(&["locked"]) || has(&["period", "closed"]) {
            Self::Locked
        } else if has(&["exceeds the amount outstanding"]) || has(&["exceeds", "outstanding"]) {
            Self::TooMuch
        } else if has(&["currency"]) {
            Self::Currency
        } else if has(&["tax"]) && !has(&["account"]) {
            Self::Tax
        } else if has(&["account"]) {
            Self::Account
        } else if has(&["archived"]) || has(&["contact", "could not be found"]) {
            Self::Contact
        } else if has(&["status"]) || has(&["cannot be edited"]) || has(&["authorised documents"]) {
            Self::Status
        } else {
            Self::Other
        }
    }
}

/// The error of one element that Xero refused.
pub(crate) fn refused(complaints: &[Complaint]) -> Error {
    let (message, remedy) = match Cause::of(complaints) {
        Cause::NameTaken => (
            "Xero has another contact of this name",
            "Give one of the two another name, here or in Xero. It goes with the next sync.",
        ),
        Cause::NumberTaken => (
            "Xero has another contact with this contact number",
            "Look for the contact in Xero, archived ones included. It is looked at again with the next sync.",
        ),
        Cause::DocumentNumberTaken => (
            "Xero has another document of this number",
            "Give one of the two another number, or set a prefix for numbers under Settings > Xero. It goes with the next sync.",
        ),
        Cause::Locked => (
            "the date lies in a period that is locked in Xero",
            "Move the lock date in Xero, or let such documents be dated on the first open day under Settings > Xero > Locked \
             periods. It goes with the sync after that.",
        ),
        Cause::Account => (
            "Xero does not take the account",
            "Choose another account under Settings > Xero > Accounts, or correct it in Xero. It goes with the next sync.",
        ),
        Cause::Tax => (
            "Xero does not take the tax rate",
            "Choose another tax rate under Settings > Xero > Tax rates. It goes with the next sync.",
        ),
        Cause::Currency => (
            "the currency is not switched on in Xero",
            "Add the currency in Xero (Settings > Currencies; it needs a plan with several currencies). It goes with the next \
             sync.",
        ),
        Cause::TooMuch => (
            "the payment is larger than what is open on its invoice in Xero",
            "Look at the invoice's payments in Xero: it may be recorded there already. Correct one of the two. It is tried \
             again when the payment changes.",
        ),
        Cause::Status => (
            "Xero does not allow this in the document's status",
            "Look at the document in Xero: paid, voided and deleted ones can't be changed.",
        ),
        Cause::Contact => (
            "the contact can't be used in Xero: it is archived, or was erased",
            "Restore the contact in Xero. It goes with the next sync.",
        ),
        Cause::Other => ("Xero refused the record", "Xero's own words say why. A corrected record goes with the next sync."),
    };
    let words = complaints.iter().map(|one| one.message.as_str()).collect::<Vec<_>>().join(" ");
    Error::new(ErrorKind::Refused, message).with_remedy(remedy).with_provider("ValidationException", words)
}

fn success(answer: &Response<Bytes>) -> Result<()> {
    let content_type = answer.headers().get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let status = answer.status().as_u16();
    if content_type.contains("text/html") || is_html(answer.body()) {
        return Err(bad_answer("something between here and Xero answered with a web page")
            .with_effect(Effect::Unknown)
            .with_remedy("Check proxies and firewalls on the way to api.xero.com.")
            .with_context("status", status));
    }
    if starts_like_an_error(answer.body())
        && let Some(exception) = exception(answer.body())
    {
        // What the call did cannot be told from an answer that contradicts itself.
        let code = exception.status.as_ref().and_then(serde_json::Value::as_u64).and_then(|code| u16::try_from(code).ok());
        let code = code.and_then(|code| StatusCode::from_u16(code).ok()).filter(|code| code.as_u16() >= 400);
        let code = code.unwrap_or(StatusCode::BAD_GATEWAY);
        return Err(failure(code, answer).with_effect(Effect::Unknown).with_context("status", status));
    }
    Ok(())
}

fn failure(status: StatusCode, answer: &Response<Bytes>) -> Error {
    let body = answer.body();
    let exception = exception(body);
    let kind = exception.as_ref().and_then(|exception| exception.kind.clone()).unwrap_or_default();
    let detail = exception.as_ref().and_then(|exception| exception.detail.clone()).unwrap_or_default();
    let error = match status.as_u16() {
        400 => bad_request(exception.as_ref(), &kind),
        401 if detail.to_lowercase().contains("scope") => {
            Error::new(ErrorKind::AuthRevoked, "the sign-in to Xero does not allow this")
                .with_remedy("Connect Xero again and allow all that it asks for.")
        }
        401 => Error::new(ErrorKind::AuthRevoked, "Xero does not accept the sign-in any more")
            .with_remedy("Connect Xero again."),
        // After a token that works: the organisation took the app off its list, or it never was on it.
        403 => Error::new(
            ErrorKind::Forbidden,
            "the organisation is not connected in Xero any more, or the sign-in may not do this",
        )
        .with_owner(Owner::EndUserReconnect)
        .with_remedy(
            "Connect Xero again and choose the organisation. In Xero, Settings > Connected apps shows who is connected. \
                 Nothing was taken for deleted.",
        ),
        // A web page is no proof that something is gone.
        404 if is_html(body) => {
            Error::new(ErrorKind::Unavailable, "something between here and Xero answered instead of the API")
        }
        404 => Error::new(ErrorKind::NotFound, "Xero knows no such record"),
        408 => Error::new(ErrorKind::Timeout, "Xero gave up on the request").with_effect(Effect::Unknown),
        412 => Error::new(ErrorKind::Refused, "Xero refused the request's conditions")
            .with_owner(Owner::HostDeveloper)
            .with_remedy(
                "Look at what stands between this server and api.xero.com: it may change headers or use an old TLS.",
            ),
        413 => Error::new(ErrorKind::Refused, "the call is larger than Xero takes")
            .with_owner(Owner::HostDeveloper)
            .with_remedy("Set a smaller batch_size in the configuration of xero."),
        429 => too_fast(answer),
        501 => Error::new(ErrorKind::Internal, "Xero does not know this call"),
        500.. => {
            Error::new(ErrorKind::Unavailable, "Xero is out of order, or the organisation is").with_effect(Effect::Unknown)
        }
        300..=399 => Error::new(ErrorKind::BadAnswer, "Xero redirects, which its API never does")
            .with_remedy("Check the base URL of xero."),
        402..=499 => Error::new(ErrorKind::Refused, "Xero refused the request")
            .with_remedy("Xero's own words say why. A corrected record goes with the next sync."),
        _ => bad_answer("Xero gave an answer that its documentation does not have"),
    };
    if error.provider_code().is_some() {
        return error;
    }
    let Some(exception) = exception else { return error };
    let number = exception.error_number.map(|number| format!("{number}")).unwrap_or_default();
    let code = [exception.kind, exception.title, Some(number)].into_iter().flatten().find(|code| !code.is_empty());
    let mut words = exception.message.or(exception.detail).unwrap_or_default();
    for complaint in exception.elements.iter().flat_map(|element| &element.validation_errors).take(20) {
        words.push(' ');
        words.push_str(&complaint.message);
    }
    error.with_provider(code.unwrap_or_else(|| "unnamed".to_owned()), words)
}

fn bad_request(exception: Option<&Exception>, kind: &str) -> Error {
    let words = exception.and_then(|exception| exception.message.clone()).unwrap_or_default().to_lowercase();
    if words.contains("idempotency") {
        return Error::new(ErrorKind::Refused, "Xero knows the key of this call from another one")
            .with_remedy("Nothing needs to be done: the next sync looks and goes under a new key.");
    }
    match kind {
        // A filter or a body that Xero can't read is a defect of ours, and one call's matter.
        "QueryParseException" | "PostDataInvalidException" => Error::new(ErrorKind::Refused, "Xero can't read the request")
            .with_owner(Owner::HostDeveloper)
            .with_remedy("Report this with Xero's own words. The record is tried again when it changes."),
        _ => Error::new(ErrorKind::Refused, "Xero refused what was sent")
            .with_remedy("Xero's own words say why. A corrected record goes with the next sync."),
    }
}

/// `minute` and `day` were seen, others are told by their beginning; an unknown one passes within a minute.
/// Source: <https://developer.xero.com/documentation/guides/oauth2/limits/> (read 2026-11-22).
fn too_fast(answer: &Response<Bytes>) -> Error {
    let problem = answer.headers().get(LIMIT_PROBLEM).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let lower = problem.trim().to_lowercase();
    let error = if lower.starts_with("da") {
        Error::new(ErrorKind::QuotaExhausted, "the day's calls to this organisation are used up").with_remedy(
            "Nothing needs to be done: it goes on when Xero's day for this organisation starts anew. Other apps on it count too.",
        )
    } else {
        Error::new(ErrorKind::RateLimited, "too many calls to Xero at once")
    };
    if lower.is_empty() { error } else { error.with_provider(lower, "") }
}

/// The body as an error, if it is one.
fn exception(body: &Bytes) -> Option<Exception> {
    let exception: Exception = serde_json::from_slice(body).ok()?;
    let says = exception.error_number.is_some() || exception.message.is_some() || exception.title.is_some();
    (says || exception.detail.is_some()).then_some(exception)
}

/// True for a first member that no success starts with: a page of records is not read twice to find that out.
fn starts_like_an_error(body: &Bytes) -> bool {
    let inner = body.trim_ascii_start().strip_prefix(b"{").unwrap_or_default().trim_ascii_start();
    let starts = [&b"\"ErrorNumber\""[..], b"\"Type\"", b"\"Title\"", b"\"Message\"", b"\"Detail\"", b"\"Elements\""];
    starts.iter().any(|start| inner.starts_with(start))
}

fn is_html(body: &Bytes) -> bool {
    body.trim_ascii_start().first() == Some(&b'<')
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn answer(status: u16, headers: &[(&str, &str)], body: &str) -> Response<Bytes> {
        let mut answer = Response::builder().status(status);
        for (name, value) in headers {
            answer = answer.header(*name, *value);
        }
        answer.body(Bytes::copy_from_slice(body.as_bytes())).unwrap()
    }

    fn of(status: u16, body: &str) -> Error {
        classify(&answer(status, &[], body)).unwrap_err()
    }

    #[test]
    fn every_shape_of_a_refusal_has_its_meaning_and_its_remedy() {
        use ErrorKind as K;
        let validation = r#"{"ErrorNumber":10,"Type":"ValidationException","Message":"A validation exception occurred",
            "Elements":[{"ValidationErrors":[{"Message":"Account code '999' is not a valid code"}]}]}"#;
        let post = r#"{"ErrorNumber":14,"Type":"PostDataInvalidException","Message":"JSON for post data was invalid"}"#;
        let query = r#"{"ErrorNumber":16,"Type":"QueryParseException","Message":"No property or field 'X'"}"#;
        let key = r#"{"ErrorNumber":0,"Type":"x","Message":"Idempotency-Key was used with a different request"}"#;
        let expired = r#"{"Type":null,"Title":"Unauthorized","Status":401,"Detail":"TokenExpired: token expired at 1","Instance":"a","Extensions":{}}"#;
        let gone = r#"{"Type":null,"Title":"Forbidden","Status":403,"Detail":"AuthenticationUnsuccessful","Instance":"a","Extensions":{}}"#;
        for (status, body, kind, goes_again) in [
            (400, validation, K::Refused, false),
            (400, post, K::Refused, false),
            (400, query, K::Refused, false),
            (400, key, K::Refused, false),
            (400, "", K::Refused, false),
            (401, expired, K::AuthRevoked, false),
            (401, "", K::AuthRevoked, false),
            (403, gone, K::Forbidden, false),
            (404, "The resource you're looking for cannot be found", K::NotFound, false),
            (404, "<html>", K::Unavailable, true),
            (409, "", K::Refused, false),
            (412, "", K::Refused, false),
            (413, "", K::Refused, false),
            (429, "", K::RateLimited, true),
            (500, "An unhandled error", K::Unavailable, true),
            (501, "", K::Internal, false),
            (503, "The Xero API is currently offline for maintenance", K::Unavailable, true),
            (302, "", K::BadAnswer, false),
        ] {
            let error = of(status, body);
            assert_eq!(error.kind(), kind, "{status} {body}");
            assert_eq!(error.retry() != Retry::Never, goes_again, "{status} {body}");
            let needs_person = matches!(kind, K::Refused | K::AuthRevoked | K::Forbidden);
            assert!(!needs_person || error.remedy().is_some(), "{status} {body}");
        }
        let error = of(400, validation);
        assert_eq!(error.provider_code(), Some("ValidationException"));
        assert!(error.provider_message().unwrap().contains("'999'") && !error.to_string().contains("999"));
        assert_eq!(of(403, gone).owner(), Owner::EndUserReconnect);
    }

    #[test]
    fn a_limit_is_told_by_its_header_and_by_its_beginning() {
        for (problem, kind) in [
            ("minute", ErrorKind::RateLimited),
            ("Day", ErrorKind::QuotaExhausted),
            ("daily", ErrorKind::QuotaExhausted),
            ("concurrent", ErrorKind::RateLimited),
            ("appminute", ErrorKind::RateLimited),
            ("something new", ErrorKind::RateLimited),
        ] {
            let error = classify(&answer(429, &[("X-Rate-Limit-Problem", problem)], "")).unwrap_err();
            assert_eq!((error.kind(), error.effect()), (kind, Effect::None), "{problem}");
            assert_ne!(error.retry(), Retry::Never);
        }
    }

    #[test]
    fn a_success_that_carries_an_error_is_one_and_a_page_of_records_is_none() {
        let error = classify(&answer(200, &[], r#" {"ErrorNumber":10,"Message":"x"}"#)).unwrap_err();
        assert_eq!((error.kind(), error.effect()), (ErrorKind::Unavailable, Effect::Unknown));
        let error = classify(&answer(200, &[], r#"{"Type":null,"Title":"Unauthorized","Status":401}"#)).unwrap_err();
        assert_eq!((error.kind(), error.effect()), (ErrorKind::AuthRevoked, Effect::Unknown));
        let page = json!({"Id": "a", "Status": "OK", "Contacts": [{"ValidationErrors": [{"Message": "x"}]}]}).to_string();
        assert!(classify(&answer(200, &[], &page)).is_ok() && classify(&answer(200, &[], "[]")).is_ok());
        let html = classify(&answer(200, &[("content-type", "text/html")], "<html>")).unwrap_err();
        assert_eq!((html.kind(), html.effect()), (ErrorKind::BadAnswer, Effect::Unknown));
    }

    #[test]
    fn what_an_element_complains_about_is_told_with_a_remedy_and_without_its_words_in_the_log() {
        use Cause as C;
        for (message, cause) in [
            (
                "The contact name Maria is already assigned to another contact. The contact name must be unique across all active contacts.",
                C::NameTaken,
            ),
            ("Contact number abc already exists", C::NumberTaken),
            ("Invoice # must be unique.", C::DocumentNumberTaken),
            ("Credit note # must be unique.", C::DocumentNumberTaken),
            ("The document date cannot be before the end of year lock date, currently set at 31 December 2025", C::Locked),
            ("Account code '999' is not a valid code for this document.", C::Account),
            ("The TaxType code 'X' does not exist or cannot be used for this type of transaction.", C::Tax),
            ("Organisation is not subscribed to currency EUR", C::Currency),
            ("Payment amount exceeds the amount outstanding on this document", C::TooMuch),
            ("Invoice not of valid status for modification", C::Status),
            ("This document cannot be edited as it has a payment or credit note allocated to it.", C::Status),
            ("Payments can only be made against Authorised documents", C::Status),
            ("The contact is archived and cannot be used in transactions", C::Contact),
            ("Something else", C::Other),
        ] {
            let complaints = [Complaint { message: message.to_owned() }];
            assert_eq!(Cause::of(&complaints), cause, "{message}");
            let error = refused(&complaints);
            assert!(
                error.remedy().is_some()
                    && error.provider_message() == Some(message)
                    && !error.to_string().contains("Maria")
            );
        }
    }
}
