//! A mock server, and a way out to it.

use async_trait::async_trait;
use bytes::Bytes;
use http::Response;
use sync_core::{Call, Error, ErrorKind, Exchange, Result, Within};
use wiremock::{Mock, MockServer, Request, Respond, ResponseTemplate, matchers::any};

/// One request to the mock server: no retries, no sign-in. The endpoint's own path comes before the call's.
pub(super) struct ToServer {
    client: reqwest::Client,
    base: String,
    /// Endpoint and its path, such as `api` and `/3.0`.
    endpoints: Vec<(&'static str, String)>,
}

impl ToServer {
    pub(super) fn new(server: &MockServer, endpoints: Vec<(&'static str, String)>) -> Self {
        Self { client: reqwest::Client::new(), base: server.uri(), endpoints }
    }
}

#[async_trait]
impl Exchange for ToServer {
    async fn send(&self, call: Call, _: Within<'_>) -> Result<Response<Bytes>> {
        let known = self.endpoints.iter().find(|(name, _)| *name == call.endpoint);
        let (_, path) = known.unwrap_or_else(|| panic!("the descriptor has no endpoint {}", call.endpoint));
        let lost = |_| Error::new(ErrorKind::Unavailable, "the mock server can't be reached");
        let url = format!("{}{path}{}", self.base, call.path_and_query());
        let mut request = self.client.request(call.method.clone(), url).body(call.body.clone());
        for (name, value) in &call.headers {
            request = request.header(name, value);
        }
        let answer = request.send().await.map_err(lost)?;
        let mut response = Response::builder().status(answer.status());
        for (name, value) in answer.headers() {
            response = response.header(name, value);
        }
        let answer = response.body(answer.bytes().await.map_err(lost)?).expect("a copied answer is one");
        (call.classify)(&answer)?;
        Ok(answer)
    }
}

/// Shows the request that no other mock took.
struct Unexpected;

impl Respond for Unexpected {
    fn respond(&self, request: &Request) -> ResponseTemplate {
        eprintln!("unexpected: {} {} {}", request.method, request.url, String::from_utf8_lossy(&request.body));
        ResponseTemplate::new(501)
    }
}

/// A server whose last mock refuses, and shows, what no other took.
pub(super) async fn start() -> MockServer {
    let server = MockServer::start().await;
    Mock::given(any()).respond_with(Unexpected).with_priority(u8::MAX).mount(&server).await;
    server
}
