//! `cargo xtask bench-peer BASE_URL BODIES N_AT_ONCE [HEADER=VALUE…]`: the bare reqwest loop that our push is held against.
//!
//! BODIES is a file with a call a line, `METHOD\tPATH\tTYPE\tBODY`: the body's content type, and the body as a JSON text. The
//! key goes in the environment, as `BENCH_KEY`; further headers go with each call.

use std::{
    fs,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Instant,
};

use crate::Result;

pub(crate) fn run(args: &[&str]) -> Result<()> {
    let [base, bodies, at_once, headers @ ..] = args else {
        return Err("usage: cargo xtask bench-peer BASE_URL BODIES N_AT_ONCE [HEADER=VALUE…]".to_owned());
    };
    let headers = headers.iter().filter_map(|header| header.split_once('='));
    let headers: Vec<_> = headers.map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
    let at_once = at_once.parse().map_err(|_| format!("`{at_once}` is no number of calls"))?;
    let text = fs::read_to_string(bodies).map_err(|error| format!("{bodies}: {error}"))?;
    let calls = parse(&text)?;
    let n_calls = calls.len();
    let key = std::env::var("BENCH_KEY").map_err(|_| "set BENCH_KEY to the key of the sandbox")?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().map_err(|error| error.to_string())?;
    let start = Instant::now();
    runtime.block_on(post_all(Peer { base: (*base).to_owned(), key, headers }, calls, at_once))?;
    println!("{}", serde_json::json!({"calls": n_calls, "seconds": start.elapsed().as_secs_f64()}));
    Ok(())
}

/// Whom it calls, and as whom.
struct Peer {
    base: String,
    key: String,
    headers: Vec<(String, String)>,
}

/// One call.
#[derive(Debug, Clone, PartialEq)]
struct Post {
    method: String,
    path: String,
    content_type: String,
    body: String,
}

/// A call as a line of the file.
pub(super) fn line(method: &str, path: &str, content_type: &str, body: &str) -> String {
    format!("{method}\t{path}\t{content_type}\t{}\n", serde_json::Value::from(body))
}

/// The calls of the file, in order.
fn parse(text: &str) -> Result<Vec<Post>> {
    let split = |(line_idx, line): (usize, &str)| {
        let wrong = || format!("line {}: no method, path, content type and body with tabs between them", line_idx + 1);
        let (method, rest) = line.split_once('\t').ok_or_else(wrong)?;
        let (path, rest) = rest.split_once('\t').ok_or_else(wrong)?;
        let (content_type, body) = rest.split_once('\t').ok_or_else(wrong)?;
        let body = serde_json::from_str(body).map_err(|_| wrong())?;
        Ok(Post { method: method.to_owned(), path: path.to_owned(), content_type: content_type.to_owned(), body })
    };
    text.lines().enumerate().map(split).collect()
}

async fn post_all(peer: Peer, calls: Vec<Post>, at_once: usize) -> Result<()> {
    let client = reqwest::Client::builder().no_proxy().build().map_err(|error| error.to_string())?;
    let shared = Arc::new((peer, calls, AtomicUsize::new(0)));
    let mut workers = tokio::task::JoinSet::new();
    for _ in 0..at_once {
        let (client, shared) = (client.clone(), Arc::clone(&shared));
        workers.spawn(async move {
            let (peer, calls, next) = &*shared;
            while let Some(call) = calls.get(next.fetch_add(1, Ordering::Relaxed)) {
                post(&client, peer, call).await?;
            }
            Ok::<(), String>(())
        });
    }
    while let Some(worker) = workers.join_next().await {
        worker.map_err(|error| error.to_string())??;
    }
    Ok(())
}

/// Sends a body and reads the whole answer.
async fn post(client: &reqwest::Client, peer: &Peer, call: &Post) -> Result<()> {
    let url = format!("{}{}", peer.base, call.path);
    let method = call.method.parse().map_err(|_| format!("`{}` is no method", call.method))?;
    let request = client.request(method, &url).bearer_auth(&peer.key).header("content-type", &call.content_type);
    let request = peer.headers.iter().fold(request, |request, (name, value)| request.header(name, value));
    let request = request.body(call.body.clone());
    let answer = request.send().await.map_err(|error| format!("{url}: {error}"))?;
    let status = answer.status();
    answer.bytes().await.map_err(|error| format!("{url}: {error}"))?;
    if status.is_success() { Ok(()) } else { Err(format!("{url}: {status}")) }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use tokio::{
        io::{AsyncReadExt, AsyncWriteExt},
        net::TcpListener,
    };

    use super::*;

    /// Answers each request of each connection with a status, and tells the bodies that it got.
    async fn listen(status: &'static str) -> (String, tokio::sync::mpsc::UnboundedReceiver<String>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let base = format!("http://{}", listener.local_addr().unwrap());
        let (tell, told) = tokio::sync::mpsc::unbounded_channel();
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let tell = tell.clone();
                tokio::spawn(async move {
                    let mut seen = String::new();
                    let mut bytes = [0; 4096];
                    while let Ok(n @ 1..) = stream.read(&mut bytes).await {
                        seen.push_str(&String::from_utf8_lossy(&bytes[..n]));
                        if let Some((_, body)) = seen.split_once("\r\n\r\n")
                            && body.ends_with('}')
                        {
                            tell.send(body.to_owned()).unwrap();
                            seen.clear();
                            let answer = format!("HTTP/1.1 {status}\r\ncontent-length: 2\r\n\r\n{{}}");
                            stream.write_all(answer.as_bytes()).await.unwrap();
                        }
                    }
                });
            }
        });
        (base, told)
    }

    fn peer(base: String) -> Peer {
        Peer { base, key: "key".into(), headers: Vec::new() }
    }

    fn call(body: &str) -> Post {
        Post { method: "POST".into(), path: "/x".into(), content_type: "application/json".into(), body: body.into() }
    }

    #[test]
    fn a_body_comes_out_of_its_line_as_it_went_in() {
        let text = line("POST", "/a", "text/plain", "{}") + &line("POST", "/x", "application/json", "--b\r\n\t\"x\"\r\n");
        assert_eq!(parse(&text).unwrap()[1], call("--b\r\n\t\"x\"\r\n"));
        assert!(parse("/a {}\n").unwrap_err().contains("line 1"));
        assert!(parse("/a\ttext/plain\t{\n").unwrap_err().contains("line 1"));
    }

    #[tokio::test]
    async fn every_body_is_posted_once() {
        let (base, mut told) = listen("200 OK").await;
        let calls: Vec<_> = (0..20).map(|i| call(&format!("{{\"n\":{i}}}"))).collect();
        let sent: BTreeSet<String> = calls.iter().map(|call| call.body.clone()).collect();
        post_all(peer(base), calls, 4).await.unwrap();
        let mut got = BTreeSet::new();
        while let Ok(body) = told.try_recv() {
            assert!(got.insert(body), "a body came twice");
        }
        assert_eq!(got, sent);
    }

    #[tokio::test]
    async fn a_refusal_ends_the_loop() {
        let (base, _told) = listen("429 Too Many Requests").await;
        let error = post_all(peer(base), vec![call("{}")], 2).await.unwrap_err();
        assert!(error.contains("429"), "{error}");
    }
}
