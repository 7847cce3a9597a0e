//! The provider's web service, behind the transport.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Mutex,
};

use async_trait::async_trait;
use bytes::Bytes;
use http::{Request, Response, StatusCode, header};
use serde_json::{Value, json};
use sync_core::{Transport, TransportError, TransportLimits};

/// What the service holds, and how it behaves.
#[derive(Debug)]
pub struct State {
    /// Secrets that sign in, each with the accounts that it reaches.
    pub keys: BTreeMap<String, Vec<(String, String)>>,
    /// Records by kind and id.
    pub records: BTreeMap<String, BTreeMap<String, Value>>,
    /// Ids that are refused.
    pub refused: BTreeSet<String>,
    /// Answers instead of the usual ones, by path.
    pub instead: BTreeMap<String, (u16, Option<&'static str>)>,
    /// The scopes that are granted; `None`: those that are asked for.
    pub granted: Option<String>,
    /// How long tokens live, in seconds; for ever when `None`.
    pub expires_in: Option<u64>,
    /// What is said with answers that are not the usual ones.
    pub error: Value,
    /// Method and path of each call.
    pub calls: Vec<String>,
}

#[derive(Debug)]
pub struct Service(Mutex<State>);

impl Default for Service {
    fn default() -> Self {
        let account = vec![("acc-1".to_owned(), "Blue Manta Books".to_owned())];
        let other = vec![("acc-2".to_owned(), "Old Books".to_owned())];
        let both = [account.clone(), other.clone()].concat();
        let keys = [
            ("good-key", account.clone()),
            ("other-key", other),
            ("two-key", both),
            ("token-1", account),
            ("no-key", vec![]),
        ];
        Self(Mutex::new(State {
            keys: keys.into_iter().map(|(key, accounts)| (key.to_owned(), accounts)).collect(),
            records: BTreeMap::new(),
            refused: BTreeSet::new(),
            instead: BTreeMap::new(),
            granted: None,
            expires_in: None,
            error: json!({"error": "told to"}),
            calls: Vec::new(),
        }))
    }
}

impl Service {
    pub fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.0.lock().unwrap()
    }

    pub fn n_records(&self, of: &str) -> usize {
        self.state().records.get(of).map_or(0, BTreeMap::len)
    }

    pub fn writes(&self) -> Vec<String> {
        self.state().calls.iter().filter(|call| call.starts_with("POST") && !call.contains("/oauth/")).cloned().collect()
    }

    fn answer(&self, request: &Request<Bytes>) -> (u16, Option<&'static str>, Value) {
        let mut state = self.state();
        let path = request.uri().path().to_owned();
        state.calls.push(format!("{} {path}", request.method()));
        if let Some((status, retry_after)) = state.instead.get(&path) {
            return (*status, *retry_after, state.error.clone());
        }
        match path.as_str() {
            "/oauth/token" => {
                let mut answer = json!({"access_token": "token-1", "token_type": "bearer", "refresh_token": "refresh-1"});
                if let Some(scopes) = &state.granted {
                    answer["scope"] = json!(scopes);
                }
                if let Some(seconds) = state.expires_in {
                    answer["expires_in"] = json!(seconds);
                }
                return (200, None, answer);
            }
            "/oauth/revoke" => return (200, None, json!({})),
            _ => {}
        }
        let sign_in = request.headers().get(header::AUTHORIZATION).and_then(|value| value.to_str().ok()).unwrap_or("");
        let Some(accounts) = state.keys.get(sign_in.trim_start_matches("Bearer ")).cloned() else {
            return (401, None, json!({"error": "wrong key"}));
        };
        match path.trim_start_matches('/') {
            "me" => (200, None, json!({"accounts": accounts})),
            "lists" => (200, None, json!(["main", "vip"])),
            of => {
                let items: Vec<Value> = serde_json::from_slice(request.body()).unwrap_or_default();
                let answers: Vec<Value> = items
                    .into_iter()
                    .map(|item| {
                        let id = item["id"].as_str().unwrap_or_default().to_owned();
                        if state.refused.contains(&id) {
                            return json!({"error": "the name is too short"});
                        }
                        state.records.entry(of.to_owned()).or_default().insert(id.clone(), item);
                        json!({"id": format!("r-{id}")})
                    })
                    .collect();
                (200, None, Value::Array(answers))
            }
        }
    }
}

#[async_trait]
impl Transport for Service {
    async fn send(&self, request: Request<Bytes>, _: TransportLimits) -> Result<Response<Bytes>, TransportError> {
        let (status, retry_after, body) = self.answer(&request);
        let mut response = Response::builder()
            .status(StatusCode::from_u16(status).unwrap())
            .header(header::CONTENT_TYPE, "application/json");
        if let Some(delay) = retry_after {
            response = response.header(header::RETRY_AFTER, delay);
        }
        Ok(response.body(Bytes::from(body.to_string())).unwrap())
    }
}
