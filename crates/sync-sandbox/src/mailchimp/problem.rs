//! Errors in Mailchimp's shape.

use bytes::Bytes;
use http::{Response, StatusCode};
use serde_json::{Value, json};

use crate::answer;

/// A refused call.
#[derive(Debug, Clone)]
pub(super) struct Problem {
    pub(super) status: u16,
    pub(super) title: &'static str,
    pub(super) detail: String,
    pub(super) errors: Vec<(String, String)>,
    /// True when this double refuses what the real one may accept.
    pub(super) is_ours: bool,
}

/// Where the errors are explained; sent as `type`.
const GLOSSARY: &str = "https://mailchimp.com/developer/marketing/docs/errors/";

impl Problem {
    pub(super) fn new(status: u16, title: &'static str, detail: impl Into<String>) -> Self {
        Self { status, title, detail: detail.into(), errors: Vec::new(), is_ours: false }
    }

    /// What this double does not model.
    pub(super) fn ours(status: u16, detail: impl Into<String>) -> Self {
        Self { is_ours: true, ..Self::new(status, "Sandbox: Not Modelled", detail) }
    }

    /// The body does not fit the schema.
    pub(super) fn schema(field: impl Into<String>, message: impl Into<String>) -> Self {
        Self {
            errors: vec![(field.into(), message.into())],
            ..Self::new(
                400,
                "Invalid Resource",
                "The resource submitted could not be validated. For field-specific details, see the 'errors' array.",
            )
        }
    }

    /// Merge values are missing or wrong.
    pub(super) fn merge(errors: Vec<(String, String)>) -> Self {
        Self { errors, ..Self::new(400, "Invalid Resource", "Your merge fields were invalid.") }
    }

    pub(super) fn bad_request(detail: impl Into<String>) -> Self {
        Self::new(400, "Bad Request", detail)
    }

    pub(super) fn not_found() -> Self {
        Self::new(404, "Resource Not Found", "The requested resource could not be found.")
    }

    pub(super) fn exists(email: &str) -> Self {
        Self::new(
            400,
            "Member Exists",
            format!("{email} is already a list member. Use PUT to insert or update list members."),
        )
    }

    pub(super) fn compliance(email: &str) -> Self {
        Self::new(
            400,
            "Member In Compliance State",
            format!(
                "{email} is in a compliance state due to unsubscribe, bounce, or compliance review and cannot be subscribed."
            ),
        )
    }

    pub(super) fn forgotten(email: &str) -> Self {
        Self::new(
            400,
            "Forgotten Email Not Subscribed",
            format!(
                "{email} was permanently deleted and cannot be re-imported. The contact must re-subscribe to get back on the list."
            ),
        )
    }

    pub(super) fn of_status(status: StatusCode) -> Self {
        let (title, detail) = match status.as_u16() {
            400 => ("Bad Request", "Your request could not be processed."),
            401 => ("API Key Invalid", "Your API key may be invalid, or you've attempted to access the wrong datacenter."),
            403 => ("Forbidden", "You are not permitted to access this resource."),
            404 => return Self::not_found(),
            405 => (
                "Method Not Allowed",
                "The requested method and resource are not compatible. See the Allow header for this resource's available methods.",
            ),
            426 => (
                "Upgrade Required",
                "Your request was made with the HTTP protocol. Please make your request via HTTPS rather than HTTP.",
            ),
            429 => ("TooManyRequests", "You have exceeded the limit of 10 simultaneous connections."),
            _ => (
                "InternalServerError",
                "A deep internal error has occurred during the processing of your request. Please contact support.",
            ),
        };
        Self::new(status.as_u16(), title, detail)
    }

    pub(super) fn response(&self, number: u64) -> Response<Bytes> {
        let mut body = json!({
            "type": GLOSSARY,
            "title": self.title,
            "status": self.status,
            "detail": self.detail,
            "instance": format!("3b4dcb40-0000-4000-8000-{number:012x}"),
        });
        if !self.errors.is_empty() {
            body["errors"] =
                self.errors.iter().map(|(field, message)| json!({"field": field, "message": message})).collect::<Value>();
        }
        let status = StatusCode::from_u16(self.status).unwrap_or(StatusCode::BAD_REQUEST);
        answer::with_type(status, "application/problem+json; charset=utf-8", body.to_string())
    }
}
