//! The way back: a port of this machine that answers one browser.

use std::{fmt::Write as _, time::Duration};

use sync_core::{Error, ErrorKind, Result};
use sync_dispatch::Connected;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
};

/// How long a browser has for sending its request.
const REQUEST: Duration = Duration::from_secs(10);
/// Largest request head, in bytes. Codes and states are far shorter.
const MAX_HEAD_BYTES: usize = 16 << 10;

/// Answers requests until one ends the sign-in. Whoever else calls is told so, and ends nothing.
pub(super) async fn serve<F: Future<Output = Result<Connected>>>(
    listener: &TcpListener,
    path: &str,
    finish: impl Fn(String) -> F,
) -> Result<Connected> {
    loop {
        let (mut stream, _) = listener
            .accept()
            .await
            .map_err(|error| Error::new(ErrorKind::Unavailable, "the browser could not come back").with_source(error))?;
        let Ok(Some(head)) = tokio::time::timeout(REQUEST, head(&mut stream)).await else { continue };
        let Some(query) = query_of(&head, path) else {
            reply(&mut stream, "404 Not Found", "There is nothing here.").await;
            continue;
        };
        let done = finish(query).await;
        match &done {
            Ok(connected) => {
                let account = connected.account_name.as_ref().map_or(String::new(), |name| format!(" to {name}"));
                let text = format!("Connected{account}. You can close this page and go back to the terminal.");
                reply(&mut stream, "200 OK", &text).await;
            }
            Err(error) => {
                let remedy = error.remedy().unwrap_or_default();
                let text = format!("Not connected: {}. {remedy} The terminal says more.", error.message());
                reply(&mut stream, "400 Bad Request", &text).await;
                // Somebody who knows nothing of this sign-in: it is still to be ended.
                if error.context().contains(&("sign-in", "unknown".to_owned())) {
                    continue;
                }
            }
        }
        return done;
    }
}

async fn head(stream: &mut TcpStream) -> Option<String> {
    let mut head = Vec::new();
    let mut buffer = [0_u8; 2_048];
    while !head.windows(4).any(|window| window == b"\r\n\r\n") && head.len() < MAX_HEAD_BYTES {
        match stream.read(&mut buffer).await.ok()? {
            0 => return None,
            n => head.extend_from_slice(buffer.get(..n)?),
        }
    }
    Some(String::from_utf8_lossy(&head).into_owned())
}

async fn reply(stream: &mut TcpStream, status: &str, text: &str) {
    let mut reply = format!("HTTP/1.1 {status}\r\nContent-Type: text/plain; charset=utf-8\r\nConnection: close\r\n");
    // The address has a code in it.
    let _ = write!(reply, "Referrer-Policy: no-referrer\r\nContent-Length: {}\r\n\r\n{text}", text.len());
    let _ = stream.write_all(reply.as_bytes()).await;
    let _ = stream.shutdown().await;
}

/// The query of a GET to the way back.
fn query_of(head: &str, path: &str) -> Option<String> {
    let target = head.lines().next()?.strip_prefix("GET ")?.split(' ').next()?;
    target.strip_prefix(path)?.strip_prefix('?').map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;

    const PATH: &str = "/callback";

    #[test]
    fn only_a_get_to_the_way_back_counts() {
        let query = query_of("GET /callback?code=a&state=b HTTP/1.1\r\nHost: x\r\n\r\n", PATH);
        assert_eq!(query.as_deref(), Some("code=a&state=b"));
        for other in ["GET /favicon.ico HTTP/1.1", "POST /callback?code=a HTTP/1.1", "GET /callback HTTP/1.1", ""] {
            assert_eq!(query_of(other, PATH), None, "{other}");
        }
    }

    #[tokio::test]
    async fn strangers_are_answered_and_waited_out_and_the_page_says_what_came_of_it() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let browser = async {
            let mut replies = Vec::new();
            for path in ["/favicon.ico", "/callback?code=x&state=stray", "/callback?code=a&state=b"] {
                let mut stream = TcpStream::connect(address).await.unwrap();
                stream.write_all(format!("GET {path} HTTP/1.1\r\nHost: x\r\n\r\n").as_bytes()).await.unwrap();
                let mut reply = String::new();
                stream.read_to_string(&mut reply).await.unwrap();
                replies.push(reply);
            }
            replies
        };
        let asked = Mutex::new(Vec::new());
        let finish = |query: String| {
            let error = match query.contains("stray") {
                true => Error::new(ErrorKind::NotFound, "it is no sign-in of ours").with_context("sign-in", "unknown"),
                false => Error::new(ErrorKind::Forbidden, "access was not allowed").with_remedy("Allow it."),
            };
            asked.lock().unwrap().push(query);
            std::future::ready(Err(error))
        };
        let (done, replies) = tokio::join!(serve(&listener, PATH, finish), browser);
        assert_eq!(done.unwrap_err().kind(), ErrorKind::Forbidden);
        assert_eq!(*asked.lock().unwrap(), ["code=x&state=stray", "code=a&state=b"]);
        let codes: Vec<_> = replies.iter().map(|reply| reply.split(' ').nth(1).unwrap()).collect();
        assert_eq!(codes, ["404", "400", "400"]);
        assert!(replies[2].ends_with("Not connected: access was not allowed. Allow it. The terminal says more."));
    }
}
