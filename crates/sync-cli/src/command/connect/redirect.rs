//! Signing in with the browser: the way back ends at a port of this machine.

use std::{fmt::Write as _, time::Duration};

use sync_core::{Error, ErrorKind, Owner, Random as _, Result, Scope};
use sync_dispatch::{ConnectOptions, Connected, http::system_random};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
};
use url::Url;

use crate::app::{App, Workbench};

/// How long a person has for signing in: as long as the pending connect lives.
const PATIENCE: Duration = Duration::from_secs(600);
/// How long a browser has for sending its request.
const REQUEST: Duration = Duration::from_secs(10);
/// Largest request head, in bytes. Codes and states are far shorter.
const MAX_HEAD_BYTES: usize = 16 << 10;
/// The path of the way back.
const PATH: &str = "/callback";

/// Signs in and connects.
pub(super) async fn sign_in(
    app: &App,
    bench: &Workbench,
    scope: &Scope,
    port: u16,
    options: ConnectOptions,
) -> Result<Connected> {
    let listener = TcpListener::bind(("127.0.0.1", port)).await.map_err(|error| {
        Error::new(ErrorKind::Config, format!("port {port} of this machine can't be listened on: {error}"))
            .with_remedy("Choose another with --redirect-port.")
    })?;
    let port = listener.local_addr().map(|address| address.port()).unwrap_or(port);
    // 127.0.0.1 rather than localhost: RFC 8252, section 8.3 (<https://www.rfc-editor.org/rfc/rfc8252#section-8.3>).
    let redirect: Url = format!("http://127.0.0.1:{port}{PATH}")
        .parse()
        .map_err(|error: url::ParseError| Error::new(ErrorKind::Internal, "the way back has no URL").with_source(error))?;
    let nonce = system_random().id();
    let consent = bench.dispatcher.begin_connect(scope, &redirect, &nonce, &[]).await?;
    // On standard error also with --json: without it nobody can go on.
    eprintln!("Open this page in a browser on this machine and sign in:\n\n  {consent}\n");
    app.out.note("Waiting for the browser to come back …");
    let query = tokio::time::timeout(PATIENCE, way_back(&listener)).await.map_err(|_| {
        Error::new(ErrorKind::Config, "nobody signed in within 10 minutes")
            .with_owner(Owner::EndUserData)
            .with_remedy("Start again.")
    })??;
    bench.dispatcher.finish_connect(&query, &nonce, options).await
}

/// Answers requests until one comes to the path of the way back; its query.
async fn way_back(listener: &TcpListener) -> Result<String> {
    loop {
        let (stream, _) = listener
            .accept()
            .await
            .map_err(|error| Error::new(ErrorKind::Unavailable, "the browser could not come back").with_source(error))?;
        if let Ok(Some(query)) = tokio::time::timeout(REQUEST, answer(stream)).await {
            return Ok(query);
        }
    }
}

async fn answer(mut stream: TcpStream) -> Option<String> {
    let mut head = Vec::new();
    let mut buffer = [0_u8; 2_048];
    while !head.windows(4).any(|window| window == b"\r\n\r\n") && head.len() < MAX_HEAD_BYTES {
        match stream.read(&mut buffer).await.ok()? {
            0 => return None,
            n => head.extend_from_slice(buffer.get(..n)?),
        }
    }
    let query = query_of(&String::from_utf8_lossy(&head));
    let (status, text) = match &query {
        Some(_) => ("200 OK", "You can close this page and go back to the terminal."),
        None => ("404 Not Found", "There is nothing here."),
    };
    let mut reply = format!("HTTP/1.1 {status}\r\nContent-Type: text/plain; charset=utf-8\r\nConnection: close\r\n");
    let _ = write!(reply, "Content-Length: {}\r\n\r\n{text}", text.len());
    let _ = stream.write_all(reply.as_bytes()).await;
    let _ = stream.shutdown().await;
    query
}

/// The query of a GET to the way back.
fn query_of(head: &str) -> Option<String> {
    let target = head.lines().next()?.strip_prefix("GET ")?.split(' ').next()?;
    target.strip_prefix(PATH)?.strip_prefix('?').map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_get_to_the_way_back_counts() {
        assert_eq!(query_of("GET /callback?code=a&state=b HTTP/1.1\r\nHost: x\r\n\r\n").as_deref(), Some("code=a&state=b"));
        for other in ["GET /favicon.ico HTTP/1.1", "POST /callback?code=a HTTP/1.1", "GET /callback HTTP/1.1", ""] {
            assert_eq!(query_of(other), None, "{other}");
        }
    }

    #[tokio::test]
    async fn other_requests_are_answered_and_waited_out() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let browser = async {
            let mut status = Vec::new();
            for path in ["/favicon.ico", "/callback?code=a&state=b"] {
                let mut stream = TcpStream::connect(address).await.unwrap();
                stream.write_all(format!("GET {path} HTTP/1.1\r\nHost: x\r\n\r\n").as_bytes()).await.unwrap();
                let mut reply = String::new();
                stream.read_to_string(&mut reply).await.unwrap();
                status.push(reply.split(' ').nth(1).unwrap().to_owned());
            }
            status
        };
        let (query, status) = tokio::join!(way_back(&listener), browser);
        assert_eq!(query.unwrap(), "code=a&state=b");
        assert_eq!(status, ["404", "200"]);
    }
}
