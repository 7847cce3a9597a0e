//! Errors in Google's shape.
//! Source: <https://developers.google.com/workspace/calendar/api/guides/errors>.

use std::borrow::Cow;

use bytes::Bytes;
use http::{HeaderValue, Response, StatusCode, header};
use serde_json::json;

use crate::answer;

/// A refused call.
#[derive(Debug, Clone)]
pub(super) struct Problem {
    pub(super) status: u16,
    domain: &'static str,
    pub(super) reason: Cow<'static, str>,
    pub(super) message: String,
    /// Where it is: `parameter` or `header`, and its name.
    location: Option<(&'static str, String)>,
    /// True when this double refuses what the real one may accept.
    pub(super) is_ours: bool,
}

impl Problem {
    pub(super) fn new(status: u16, reason: impl Into<Cow<'static, str>>, message: impl Into<String>) -> Self {
        Self { status, domain: "global", reason: reason.into(), message: message.into(), location: None, is_ours: false }
    }

    /// What this double does not model.
    pub(super) fn ours(status: u16, detail: impl Into<String>) -> Self {
        Self { is_ours: true, ..Self::new(status, "notModelled", format!("Sandbox: {}", detail.into())) }
    }

    pub(super) fn invalid(message: impl Into<String>) -> Self {
        Self::new(400, "invalid", message)
    }

    pub(super) fn bad_request() -> Self {
        Self::new(400, "badRequest", "Bad Request")
    }

    pub(super) fn bad_request_saying(message: impl Into<String>) -> Self {
        Self::new(400, "badRequest", message)
    }

    pub(super) fn required(message: impl Into<String>) -> Self {
        Self::new(400, "required", message)
    }

    pub(super) fn not_found() -> Self {
        Self::new(404, "notFound", "Not Found")
    }

    pub(super) fn empty_range() -> Self {
        Self::new(400, "timeRangeEmpty", "The specified time range is empty.").of_calendar()
    }

    pub(super) fn duplicate() -> Self {
        Self::new(409, "duplicate", "The requested identifier already exists.")
    }

    pub(super) fn deleted() -> Self {
        Self::new(410, "deleted", "Resource has been deleted")
    }

    pub(super) fn full_sync() -> Self {
        Self::new(410, "fullSyncRequired", "Sync token is no longer valid, a full sync is required.")
            .of_calendar()
            .at("parameter", "syncToken")
    }

    pub(super) fn not_met() -> Self {
        Self::new(412, "conditionNotMet", "Precondition Failed").at("header", "If-Match")
    }

    pub(super) fn unauthorized() -> Self {
        Self::new(401, "authError", "Invalid Credentials").at("header", "Authorization")
    }

    pub(super) fn scope() -> Self {
        Self::new(403, "insufficientPermissions", "Request had insufficient authentication scopes.")
    }

    pub(super) fn role(needed: &str) -> Self {
        let message = format!("You need to have {needed} access to this calendar.");
        Self::new(403, "requiredAccessLevel", message).of_calendar()
    }

    pub(super) fn limit(status: u16, reason: &'static str, message: &str) -> Self {
        Self::new(status, reason, message).of_limits()
    }

    /// An error of Calendar's own domain.
    pub(super) fn of_calendar(mut self) -> Self {
        self.domain = "calendar";
        self
    }

    /// An error of the domain of limits.
    pub(super) fn of_limits(mut self) -> Self {
        self.domain = "usageLimits";
        self
    }

    pub(super) fn at(mut self, kind: &'static str, name: impl Into<String>) -> Self {
        self.location = Some((kind, name.into()));
        self
    }

    /// The usual error of a status.
    pub(super) fn of_status(status: StatusCode) -> Self {
        match status.as_u16() {
            400 => Self::bad_request(),
            401 => Self::unauthorized(),
            403 => Self::new(403, "forbidden", "Forbidden"),
            404 => Self::not_found(),
            409 => Self::new(409, "conflict", "Conflict"),
            410 => Self::full_sync(),
            412 => Self::not_met(),
            429 => Self::limit(429, "rateLimitExceeded", "Rate Limit Exceeded"),
            code if code < 500 => Self::new(code, "badRequest", "Bad Request"),
            503 => Self::new(503, "backendError", "Service Unavailable"),
            code => Self::new(code, "backendError", "Backend Error"),
        }
    }

    pub(super) fn response(&self) -> Response<Bytes> {
        let mut inner = json!({"domain": self.domain, "reason": self.reason, "message": self.message});
        if let Some((kind, name)) = &self.location {
            inner["locationType"] = json!(kind);
            inner["location"] = json!(name);
        }
        let mut error = json!({"code": self.status, "message": self.message, "errors": [inner]});
        // Only errors of the newer front end carry a status.
        match (self.status, self.reason.as_ref()) {
            (401, _) => error["status"] = json!("UNAUTHENTICATED"),
            (403, "insufficientPermissions") => {
                error["status"] = json!("PERMISSION_DENIED");
                error["details"] = json!([{
                    "@type": "type.googleapis.com/google.rpc.ErrorInfo",
                    "reason": "ACCESS_TOKEN_SCOPE_INSUFFICIENT", "domain": "googleapis.com",
                }]);
            }
            _ => {}
        }
        let mut response =
            answer::json(StatusCode::from_u16(self.status).unwrap_or(StatusCode::BAD_REQUEST), &json!({"error": error}));
        if self.status == 401 {
            response.headers_mut().insert(
                header::WWW_AUTHENTICATE,
                HeaderValue::from_static("Bearer realm=\"https://accounts.google.com/\", error=\"invalid_token\""),
            );
        }
        response
    }
}
