//! Bytes in life: reqwest.

use std::{error::Error as StdError, fmt, time::Duration};

use async_trait::async_trait;
use bytes::{Bytes, BytesMut};
use sync_core::{Error, ErrorKind, Result, Transport, TransportError, TransportFault, TransportLimits};
use url::Url;

use crate::endpoint::is_loopback;

/// Longest wait for a connection, TLS included. Ours: a connection that isn't there after it is better retried, since
/// certainly nothing was sent.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// How long an unused connection is kept. Ours: shorter than the 60 s after which common load balancers close.
const POOL_IDLE: Duration = Duration::from_secs(45);

/// How [`ReqwestTransport`] is built.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct TransportConfig {
    /// What the `User-Agent` header says.
    pub user_agent: String,
    /// True to send over plain HTTP to other machines too. Secrets can then be read on the way.
    pub allow_plain_http: bool,
    /// Longest wait for a connection.
    pub connect_timeout: Duration,
}

impl Default for TransportConfig {
    fn default() -> Self {
        Self {
            user_agent: concat!("integration-sync/", env!("CARGO_PKG_VERSION")).to_owned(),
            allow_plain_http: false,
            connect_timeout: CONNECT_TIMEOUT,
        }
    }
}

/// Sends with reqwest: connections are reused, redirects are not followed, nothing is retried, bodies are read to a limit.
pub struct ReqwestTransport {
    client: reqwest::Client,
    allow_plain_http: bool,
}

impl fmt::Debug for ReqwestTransport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ReqwestTransport").field("allow_plain_http", &self.allow_plain_http).finish_non_exhaustive()
    }
}

impl ReqwestTransport {
    /// Builds it.
    ///
    /// # Errors
    /// [`ErrorKind::Config`] when TLS or the user agent can't be set up.
    pub fn new(config: &TransportConfig) -> Result<Self> {
        let client = reqwest::Client::builder()
            .user_agent(&config.user_agent)
            .redirect(reqwest::redirect::Policy::none())
            .retry(reqwest::retry::never())
            .referer(false)
            .connect_timeout(config.connect_timeout)
            .pool_idle_timeout(POOL_IDLE)
            .tcp_nodelay(true)
            .build()
            .map_err(|error| Error::new(ErrorKind::Config, "the HTTP client can't be set up").with_source(error))?;
        Ok(Self { client, allow_plain_http: config.allow_plain_http })
    }
}

#[async_trait]
impl Transport for ReqwestTransport {
    async fn send(
        &self,
        request: http::Request<Bytes>,
        limits: TransportLimits,
    ) -> std::result::Result<http::Response<Bytes>, TransportError> {
        let url = Url::parse(&request.uri().to_string()).map_err(|_| unreachable("the URL can't be read"))?;
        if url.scheme() != "https" && !(url.scheme() == "http" && (self.allow_plain_http || is_loopback(&url))) {
            return Err(unreachable("refused to send secrets over plain HTTP to another machine"));
        }
        let (parts, body) = request.into_parts();
        let answer = self
            .client
            .request(parts.method, url)
            .headers(parts.headers)
            .body(body)
            .timeout(limits.timeout)
            .send()
            .await
            .map_err(fault)?;
        read(answer, limits.max_answer).await
    }
}

/// Reads the body, at most `max` bytes of it (counted after decompression).
async fn read(mut answer: reqwest::Response, max: usize) -> std::result::Result<http::Response<Bytes>, TransportError> {
    let too_large =
        || TransportError { fault: TransportFault::TooLarge, message: format!("the answer is larger than {max} bytes") };
    let announced = answer.content_length().and_then(|length| usize::try_from(length).ok());
    if announced.is_some_and(|length| length > max) {
        return Err(too_large());
    }
    let mut body = BytesMut::with_capacity(announced.unwrap_or(0));
    while let Some(chunk) = answer.chunk().await.map_err(fault)? {
        if body.len() + chunk.len() > max {
            return Err(too_large());
        }
        body.extend_from_slice(&chunk);
    }
    let mut response = http::Response::new(body.freeze());
    *response.status_mut() = answer.status();
    *response.headers_mut() = std::mem::take(answer.headers_mut());
    Ok(response)
}

fn unreachable(message: &str) -> TransportError {
    TransportError { fault: TransportFault::Unreachable, message: message.to_owned() }
}

/// What went wrong. Whatever isn't certainly before the first byte counts as after it.
fn fault(error: reqwest::Error) -> TransportError {
    let fault = if error.is_connect() || error.is_builder() {
        TransportFault::Unreachable
    } else if error.is_timeout() {
        TransportFault::TimedOut
    } else {
        TransportFault::CutOff
    };
    let mut message = match fault {
        TransportFault::Unreachable => "no connection",
        TransportFault::TimedOut => "no answer in time",
        _ => "the connection broke",
    }
    .to_owned();
    // reqwest's own line may hold the URL with its query; its causes don't.
    let mut source = error.source();
    while let Some(cause) = source {
        if cause.source().is_none() {
            message.push_str(": ");
            message.push_str(&cause.to_string());
        }
        source = cause.source();
    }
    TransportError { fault, message }
}
