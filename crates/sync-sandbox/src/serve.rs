//! A sandbox over HTTP.

use std::{
    convert::Infallible,
    future::{Future, IntoFuture},
    io,
    pin::pin,
};

use axum::{
    Router,
    body::{Body, to_bytes},
    extract::{Request, State},
    http::{HeaderValue, Response, StatusCode, header},
    serve::ListenerExt,
};
use bytes::Bytes;
use futures_util::{
    future::{Either, select},
    stream,
};
use tokio::{net::TcpListener, task::yield_now};

use crate::{Reply, Sandbox, deliver};

/// Largest request body that is read: 64 MiB, far above every provider's own limit.
const MAX_REQUEST_BYTES: usize = 64 << 20;

/// Serves a sandbox until `shutdown` is ready and the running calls have ended. Faults are real: broken connections break,
/// endless bodies do not end. What the provider sends by itself goes to addresses on loopback; other addresses get nothing.
///
/// # Errors
/// The listener failed.
pub async fn serve(
    sandbox: Sandbox,
    listener: TcpListener,
    shutdown: impl Future<Output = ()> + Send + 'static,
) -> io::Result<()> {
    let router = Router::new().fallback(handle).with_state(sandbox.clone());
    let listener = listener.tap_io(|stream| {
        // Without it small answers wait for the client's acknowledgement; a stream that refuses it works all the same.
        let _ = stream.set_nodelay(true);
    });
    let server = axum::serve(listener, router).with_graceful_shutdown(shutdown).into_future();
    let ended = match select(pin!(server), pin!(deliver::run(&sandbox))).await {
        Either::Left((ended, _)) => ended,
        Either::Right(((), server)) => server.await,
    };
    deliver::round(&sandbox).await;
    ended
}

async fn handle(State(sandbox): State<Sandbox>, request: Request) -> Response<Body> {
    let (parts, body) = request.into_parts();
    let Ok(body) = to_bytes(body, MAX_REQUEST_BYTES).await else {
        let mut response = Response::new(Body::empty());
        *response.status_mut() = StatusCode::PAYLOAD_TOO_LARGE;
        return response;
    };
    match sandbox.handle(Request::from_parts(parts, body)).await {
        Reply::Answer(response) => response.map(Body::from),
        Reply::Cut { begun: None } | Reply::Unreachable => Response::new(breaking(Bytes::new())),
        Reply::Cut { begun: Some((response, n_sent)) } => {
            let (mut parts, body) = response.into_parts();
            parts.headers.insert(header::CONTENT_LENGTH, HeaderValue::from(body.len()));
            Response::from_parts(parts, breaking(body.slice(..n_sent.min(body.len()))))
        }
        Reply::Endless(response) => {
            response.map(|body| Body::from_stream(stream::repeat_with(move || Ok::<_, Infallible>(body.clone()))))
        }
    }
}

/// A body that sends these bytes and then breaks the connection. Without bytes not even the head is sent: hyper writes
/// nothing before the body's first poll.
fn breaking(first: Bytes) -> Body {
    Body::from_stream(stream::unfold(Some(first), |first| async move {
        match first {
            Some(bytes) if !bytes.is_empty() => Some((Ok(bytes), None)),
            Some(_) => Some((Err(io::Error::from(io::ErrorKind::ConnectionReset)), None)),
            None => {
                // Lets the connection flush what it has.
                yield_now().await;
                Some((Err(io::Error::from(io::ErrorKind::ConnectionReset)), None))
            }
        }
    }))
}
