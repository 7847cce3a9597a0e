//! Real bytes over loopback.

use std::{
    io::{Read as _, Write as _},
    net::TcpListener,
    sync::Arc,
    time::Duration,
};

use bytes::Bytes;
use http::Request;
use secrecy::SecretString;
use sync_core::{
    Cancel, Clock as _, Credentials, ErrorKind, Exchange as _, Grant, Lane, Transport as _, TransportFault, TransportLimits,
    Within,
};
use sync_http::{Client, ReqwestTransport, RetryPolicy, TransportConfig, system_clock};
use url::Url;
use wiremock::{
    Mock, MockServer, Request as Received, ResponseTemplate,
    matchers::{any, header, method, path, query_param},
};

use crate::{
    support::{ACME, KEY, MemoryCounters, MemoryGrants, key_grant, read, scope, write},
    telemetry::{Sink, trace_to},
};

const LIMITS: TransportLimits = TransportLimits { timeout: Duration::from_secs(20), max_answer: 64 << 10 };

fn transport() -> ReqwestTransport {
    ReqwestTransport::new(&TransportConfig::default()).unwrap()
}

fn get(url: &str) -> Request<Bytes> {
    Request::get(url).body(Bytes::new()).unwrap()
}

/// A server of one connection: reads the request's head, then does this.
fn raw_server(then: impl FnOnce(std::net::TcpStream) + Send + 'static) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut head = Vec::new();
        let mut byte = [0];
        while !head.ends_with(b"\r\n\r\n") && stream.read(&mut byte).unwrap() == 1 {
            head.push(byte[0]);
        }
        then(stream);
    });
    url
}

async fn client(server: &MockServer) -> Client {
    let grants = MemoryGrants::default();
    grants.put(&scope(), key_grant());
    Client::builder(Arc::new(grants), Arc::new(MemoryCounters::default()))
        .with_base_url(&"acme".into(), "api", Url::parse(&server.uri()).unwrap())
        .with_retry(RetryPolicy::default().pauses(Duration::ZERO, Duration::ZERO))
        .build()
        .unwrap()
}

fn within(cancel: &Cancel) -> Within<'_> {
    Within { deadline: system_clock().now() + jiff::SignedDuration::from_secs(60), cancel, lane: Lane::Interactive }
}

async fn catch_all(server: &MockServer) {
    let tell = |request: &Received| {
        ResponseTemplate::new(418).set_body_string(format!("unexpected {} {}", request.method, request.url))
    };
    Mock::given(any()).respond_with(tell).expect(0).with_priority(u8::MAX).mount(server).await;
}

#[tokio::test]
async fn a_call_arrives_as_it_was_described() {
    let server = MockServer::start().await;
    Mock::given(method("GET"))
        .and(path("/things/a%2Fb%20c"))
        .and(query_param("page", "x&#+ /"))
        .and(header("user-agent", concat!("integration-sync/", env!("CARGO_PKG_VERSION"))))
        .respond_with(ResponseTemplate::new(200).set_body_string("{\"ok\":true}"))
        .expect(1)
        .mount(&server)
        .await;
    catch_all(&server).await;
    let exchange = client(&server).await.exchange(&scope(), &ACME);
    let answer = exchange.send(read().segments(["a/b c"]).param("page", "x&#+ /"), within(&Cancel::new())).await.unwrap();
    assert_eq!(answer.body(), "{\"ok\":true}");
}

#[tokio::test]
async fn after_a_429_the_same_write_goes_out_again() {
    let server = MockServer::start().await;
    let slow_down = ResponseTemplate::new(429).insert_header("retry-after", "0");
    Mock::given(method("POST")).respond_with(slow_down).up_to_n_times(1).expect(1).with_priority(1).mount(&server).await;
    Mock::given(method("POST"))
        .respond_with(ResponseTemplate::new(200).set_body_string("{}"))
        .expect(1)
        .with_priority(2)
        .mount(&server)
        .await;
    catch_all(&server).await;
    let exchange = client(&server).await.exchange(&scope(), &ACME);
    exchange.send(write(), within(&Cancel::new())).await.unwrap();
}

#[tokio::test]
async fn a_body_without_end_is_cut_at_the_limit() {
    let url = raw_server(|mut stream| {
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-type: text/html\r\n\r\n");
        while stream.write_all(&[b'x'; 4096]).is_ok() {}
    });
    let error = transport().send(get(&url), LIMITS).await.unwrap_err();
    assert_eq!(error.fault, TransportFault::TooLarge);
}

#[tokio::test]
async fn an_announced_body_that_is_too_large_is_not_read() {
    let url = raw_server(|mut stream| {
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 999999999\r\n\r\n");
        let _ = stream.read(&mut [0]);
    });
    assert_eq!(transport().send(get(&url), LIMITS).await.unwrap_err().fault, TransportFault::TooLarge);
}

#[tokio::test]
async fn a_connection_that_breaks_after_the_request_is_cut_off() {
    for head in ["", "HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nhalf"] {
        let url = raw_server(move |mut stream| {
            let _ = stream.write_all(head.as_bytes());
        });
        assert_eq!(transport().send(get(&url), LIMITS).await.unwrap_err().fault, TransportFault::CutOff);
    }
}

#[tokio::test]
async fn silence_is_a_timeout() {
    let (end, wait) = std::sync::mpsc::channel::<()>();
    let url = raw_server(move |_stream| {
        let _ = wait.recv();
    });
    let limits = TransportLimits { timeout: Duration::from_millis(50), ..LIMITS };
    assert_eq!(transport().send(get(&url), limits).await.unwrap_err().fault, TransportFault::TimedOut);
    drop(end);
}

#[tokio::test]
async fn nobody_listening_is_unreachable() {
    let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let error = transport().send(get(&format!("http://{address}/?q=s3cret")), LIMITS).await.unwrap_err();
    assert_eq!(error.fault, TransportFault::Unreachable);
    assert!(!format!("{error} {error:?}").contains("s3cret"));
}

#[tokio::test]
async fn a_redirect_is_an_answer_and_is_not_followed() {
    let server = MockServer::start().await;
    let to = format!("{}/elsewhere", server.uri());
    Mock::given(path("/"))
        .respond_with(ResponseTemplate::new(302).insert_header("location", to))
        .expect(1)
        .mount(&server)
        .await;
    catch_all(&server).await;
    assert_eq!(transport().send(get(&server.uri()), LIMITS).await.unwrap().status(), 302);
}

#[tokio::test]
async fn plain_http_to_another_machine_is_refused_before_anything_leaves() {
    let error = transport().send(get("http://sync.example.com/"), LIMITS).await.unwrap_err();
    assert_eq!(error.fault, TransportFault::Unreachable);
    assert!(error.message.contains("plain HTTP"));
}

#[tokio::test]
async fn the_whole_stack_logs_no_secret_at_its_finest_level() {
    let server = MockServer::start().await;
    Mock::given(any()).respond_with(ResponseTemplate::new(400).set_body_string("ada@example.com")).mount(&server).await;
    let sink = Sink::default();
    let guard = tracing::subscriber::set_default(trace_to(&sink));
    let client = client(&server).await;
    for credentials in [
        Credentials::ApiKey(SecretString::from(KEY)),
        Credentials::Token { access: SecretString::from("t0ken-s3cret"), refresh: None, expires_at: None },
    ] {
        let grant = Grant { credentials, ..key_grant() };
        client.connect(&scope(), grant).await.unwrap();
        let call = read().param("query", "ada@example.com").body_of("application/json", "{\"m\":\"ada@example.com\"}");
        let error = client.exchange(&scope(), &ACME).send(call, within(&Cancel::new())).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Refused);
    }
    drop(guard);
    let text = sink.text();
    assert!(text.contains("sync_http.call"));
    for secret in [KEY, "t0ken-s3cret", "ada@", "ada%40", "Basic "] {
        assert!(!text.contains(secret), "{secret} is in {text}");
    }
}
