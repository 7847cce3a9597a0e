//! Sends what a provider sends by itself, over plain HTTP and to this machine only.

use std::{io, time::Duration};

use bytes::Bytes;
use futures_util::future::join_all;
use http::Request;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::{sleep, timeout},
};
use url::Url;

use crate::{Sandbox, web};

/// How often waiting requests are looked for: soon enough that nobody sees a delay.
const INTERVAL: Duration = Duration::from_millis(20);

/// Longest time for one attempt.
const TIMEOUT: Duration = Duration::from_secs(5);

/// Pauses between attempts, after 500, 502, 503 and 504 only.
/// Source: <https://developers.google.com/workspace/calendar/api/guides/push>, "Responding to notifications".
const PAUSES: [Duration; 2] = [Duration::from_millis(200), Duration::from_millis(800)];

/// Sends until it is dropped.
pub(crate) async fn run(sandbox: &Sandbox) {
    loop {
        round(sandbox).await;
        sleep(INTERVAL).await;
    }
}

/// Sends what waits now.
pub(crate) async fn round(sandbox: &Sandbox) {
    let waiting = sandbox.take_outbound();
    join_all(waiting.iter().map(|request| async {
        let is_delivered = attempts(request).await;
        sandbox.note_delivery(is_delivered);
    }))
    .await;
}

async fn attempts(request: &Request<Bytes>) -> bool {
    for pause in PAUSES {
        match timeout(TIMEOUT, post(request)).await {
            Ok(Ok(500 | 502 | 503 | 504)) => sleep(pause).await,
            other => return matches!(other, Ok(Ok(200..=299))),
        }
    }
    matches!(timeout(TIMEOUT, post(request)).await, Ok(Ok(200..=299)))
}

/// Sends one request; returns the status.
async fn post(request: &Request<Bytes>) -> io::Result<u16> {
    let wrong = |what: &str| io::Error::new(io::ErrorKind::InvalidInput, what.to_owned());
    let url = Url::parse(&request.uri().to_string()).map_err(|_| wrong("no address"))?;
    if url.scheme() != "http" || !web::is_loopback_url(&url) {
        return Err(wrong("the sandbox calls this machine only, without TLS"));
    }
    let host = url.host_str().unwrap_or_default();
    let port = url.port_or_known_default().unwrap_or(80);
    let mut stream = TcpStream::connect((host.trim_matches(['[', ']']), port)).await?;
    let target = url.query().map_or_else(|| url.path().to_owned(), |query| format!("{}?{query}", url.path()));
    let mut head = format!("{} {target} HTTP/1.1\r\nHost: {host}:{port}\r\nConnection: close\r\n", request.method());
    for (name, value) in request.headers() {
        head.push_str(&format!("{name}: {}\r\n", value.to_str().unwrap_or_default()));
    }
    head.push_str(&format!("Content-Length: {}\r\n\r\n", request.body().len()));
    stream.write_all(head.as_bytes()).await?;
    stream.write_all(request.body()).await?;
    // "HTTP/1.1 200": all that matters of the answer.
    let mut answer = [0; 12];
    stream.read_exact(&mut answer).await?;
    let status = std::str::from_utf8(&answer[9..]).ok().and_then(|text| text.parse().ok());
    status.ok_or_else(|| wrong("no HTTP"))
}
