//! Errors in Xero's shapes.
//! Sources: the schema `Error` of Xero's API description (<https://github.com/XeroAPI/Xero-OpenAPI>),
//! <https://developer.xero.com/documentation/api/accounting/responsecodes>.

use bytes::Bytes;
use http::{Response, StatusCode};
use serde_json::{Value, json};

use super::id::Id;
use crate::answer;

/// A refused call.
#[derive(Debug, Clone)]
pub(super) struct Problem {
    pub(super) status: u16,
    body: Body,
    pub(super) message: String,
    /// True when this double refuses what the real one may accept.
    pub(super) is_ours: bool,
}

#[derive(Debug, Clone)]
enum Body {
    /// `ErrorNumber`, `Type`, `Message` and perhaps `Elements`.
    Api {
        number: u16,
        kind: &'static str,
        elements: Vec<Value>,
    },
    /// `Type`, `Title`, `Status`, `Detail`, `Instance`, `Extensions`.
    Gate {
        title: &'static str,
    },
    Text,
    Nothing,
}

impl Problem {
    fn api(status: u16, number: u16, kind: &'static str, message: impl Into<String>) -> Self {
        let body = Body::Api { number, kind, elements: Vec::new() };
        Self { status, body, message: message.into(), is_ours: false }
    }

    /// What this double does not model.
    pub(super) fn ours(status: u16, detail: impl Into<String>) -> Self {
        let refused = Self::api(status, 0, "SandboxException", format!("Sandbox: {}", detail.into()));
        Self { is_ours: true, ..refused }
    }

    /// Elements that do not pass, each with its errors.
    pub(super) fn validation(elements: Vec<Value>) -> Self {
        let mut refused = Self::api(400, 10, "ValidationException", "A validation exception occurred");
        if let Body::Api { elements: inside, .. } = &mut refused.body {
            *inside = elements;
        }
        refused
    }

    /// One refusal that concerns no element.
    pub(super) fn invalid(message: impl Into<String>) -> Self {
        let message = message.into();
        Self::validation(vec![json!({"ValidationErrors": [{"Message": message}]})])
    }

    /// A body that can't be read. Source: GitHub freakboy3742/pyxero issue 117.
    pub(super) fn post_data(message: impl Into<String>) -> Self {
        Self::api(400, 14, "PostDataInvalidException", message)
    }

    /// A filter or an order that can't be read.
    pub(super) fn query(message: impl Into<String>) -> Self {
        Self::api(400, 16, "QueryParseException", message)
    }

    /// The key was used for something else.
    /// Source: <https://developer.xero.com/documentation/guides/idempotent-requests/idempotency/>.
    pub(super) fn other_request(key: &str) -> Self {
        Self::invalid(format!("Idempotency Key: {key} is used with a different request."))
    }

    pub(super) fn not_found() -> Self {
        let message = "The resource you're looking for cannot be found".into();
        Self { status: 404, body: Body::Text, message, is_ours: false }
    }

    pub(super) fn unauthorized(detail: impl Into<String>) -> Self {
        Self { status: 401, body: Body::Gate { title: "Unauthorized" }, message: detail.into(), is_ours: false }
    }

    /// The tenant is not connected to this app and user.
    pub(super) fn forbidden() -> Self {
        let message = "AuthenticationUnsuccessful".into();
        Self { status: 403, body: Body::Gate { title: "Forbidden" }, message, is_ours: false }
    }

    pub(super) fn limit() -> Self {
        Self { status: 429, body: Body::Nothing, message: String::new(), is_ours: false }
    }

    /// The usual error of a status.
    pub(super) fn of_status(status: StatusCode) -> Self {
        let text = |status, message: &str| Self { status, body: Body::Text, message: message.into(), is_ours: false };
        match status.as_u16() {
            400 => Self::invalid("A validation exception occurred"),
            401 => Self::unauthorized("TokenExpired: token expired at 01/01/2026 00:00:00"),
            403 => Self::forbidden(),
            404 => Self::not_found(),
            429 => Self::limit(),
            503 => text(503, "The Xero API is currently offline for maintenance"),
            code if code < 500 => text(code, "The request could not be understood"),
            code => text(code, "An unhandled error with the Xero API occurred"),
        }
    }

    pub(super) fn response(&self) -> Response<Bytes> {
        let status = StatusCode::from_u16(self.status).unwrap_or(StatusCode::BAD_REQUEST);
        match &self.body {
            Body::Nothing => answer::empty(status),
            Body::Text => answer::with_type(status, "text/plain; charset=utf-8", self.message.clone()),
            Body::Gate { title } => answer::json(
                status,
                &json!({
                    "Type": null, "Title": title, "Status": self.status, "Detail": self.message,
                    "Instance": Id::of(&self.message).json(), "Extensions": {},
                }),
            ),
            Body::Api { number, kind, elements } => {
                let mut body = json!({"ErrorNumber": number, "Type": kind, "Message": self.message});
                if !elements.is_empty() {
                    body["Elements"] = json!(elements);
                }
                answer::json(status, &body)
            }
        }
    }
}
