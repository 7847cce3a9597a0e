//! A provider's double behind real HTTP on loopback.

use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::FutureExt as _;
use http::{Request, Response, Uri, uri::PathAndQuery};
use sync_core::{Transport, TransportError, TransportLimits};
use sync_http::{ReqwestTransport, TransportConfig};
use sync_sandbox::{Reply, Sandbox};
use wiremock::{Mock, MockServer, Respond, ResponseTemplate, matchers::any};

/// A way to this double through sockets. Whatever host a request names, it goes to a server on this machine, which ends
/// with the transport. The double has no latency and no faults of its own.
pub async fn over_http(sandbox: &Sandbox) -> Arc<dyn Transport> {
    let server = MockServer::start().await;
    Mock::given(any()).respond_with(Played(sandbox.clone())).mount(&server).await;
    let inner = ReqwestTransport::new(&TransportConfig::default()).expect("a client with its defaults");
    Arc::new(Diverted { inner, server })
}

/// Answers as the double does.
struct Played(Sandbox);

impl Respond for Played {
    fn respond(&self, request: &wiremock::Request) -> ResponseTemplate {
        let mut asked = Request::new(Bytes::copy_from_slice(&request.body));
        *asked.method_mut() = request.method.clone();
        *asked.uri_mut() = request.url.as_str().parse().expect("a URL is a URI");
        *asked.headers_mut() = request.headers.clone();
        // Without latency an answer is there at once.
        match self.0.handle(asked).now_or_never() {
            Some(Reply::Answer(answer)) => {
                let (parts, body) = answer.into_parts();
                let mut template = ResponseTemplate::new(parts.status.as_u16()).set_body_bytes(body);
                for (name, value) in &parts.headers {
                    template = template.insert_header(name.clone(), value.clone());
                }
                template
            }
            other => panic!("faults are injected elsewhere: {other:?}"),
        }
    }
}

/// Sends to a server on this machine what was meant for the provider.
struct Diverted {
    inner: ReqwestTransport,
    server: MockServer,
}

impl std::fmt::Debug for Diverted {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Diverted").field("to", &self.server.uri()).finish_non_exhaustive()
    }
}

#[async_trait]
impl Transport for Diverted {
    async fn send(&self, mut request: Request<Bytes>, limits: TransportLimits) -> Result<Response<Bytes>, TransportError> {
        let path = request.uri().path_and_query().map_or("/", PathAndQuery::as_str);
        let diverted: Uri = format!("{}{path}", self.server.uri()).parse().expect("a URI below another");
        *request.uri_mut() = diverted;
        self.inner.send(request, limits).await
    }
}
