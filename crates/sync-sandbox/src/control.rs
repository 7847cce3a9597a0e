//! The sandbox's own paths.

use bytes::Bytes;
use http::{Method, Request, Response, StatusCode};
use serde_json::{Value, json};
use url::form_urlencoded;

use crate::{Fault, Sandbox, answer};

/// Start of every path of the control interface.
pub(crate) const PREFIX: &str = "/_sandbox/";

pub(crate) fn handle(sandbox: &Sandbox, request: &Request<Bytes>) -> Response<Bytes> {
    let path = request.uri().path();
    let query = request.uri().query().unwrap_or_default();
    let asked = |name: &str, value: &str| form_urlencoded::parse(query.as_bytes()).any(|(n, v)| n == name && v == value);
    match (request.method(), path.strip_prefix(PREFIX).unwrap_or_default()) {
        (&Method::GET, "state") if asked("summary", "true") => done(&sandbox.summary()),
        (&Method::GET, "state") => done(&sandbox.state()),
        (&Method::GET, "log") => done(&sandbox.log(!asked("entries", "false"))),
        (&Method::POST, "reset") => {
            sandbox.reset();
            done(&json!({"reset": true}))
        }
        (&Method::POST, "act") => match serde_json::from_slice::<Value>(request.body()) {
            Ok(action) => match sandbox.act(&action) {
                Ok(result) => done(&result),
                Err(why) => wrong(&why),
            },
            Err(error) => wrong(&format!("the body is no JSON: {error}")),
        },
        (&Method::POST, "faults") => match serde_json::from_slice::<Vec<String>>(request.body()) {
            Ok(texts) => match texts.iter().map(|text| text.parse()).collect::<Result<Vec<Fault>, _>>() {
                Ok(faults) => {
                    sandbox.set_faults(faults);
                    done(&json!({"faults": texts}))
                }
                Err(error) => wrong(&error.to_string()),
            },
            Err(error) => wrong(&format!("the body is no JSON array of texts: {error}")),
        },
        _ => answer::json(
            StatusCode::NOT_FOUND,
            &json!({"error": "there are GET state, POST act, GET log, POST reset, POST faults"}),
        ),
    }
}

fn done(body: &Value) -> Response<Bytes> {
    answer::json(StatusCode::OK, body)
}

fn wrong(why: &str) -> Response<Bytes> {
    answer::json(StatusCode::BAD_REQUEST, &json!({"error": why}))
}
