//! Webhooks and push channels.

use bytes::Bytes;
use http::Request;
use sync_core::{ErrorKind, Watch, WebhookKeys};

use crate::conformance::{Harness, Verdict, bench::Bench};

struct NoKeys;

impl WebhookKeys for NoKeys {
    fn keys(&self, _: &str) -> Vec<Bytes> {
        Vec::new()
    }
}

fn posted(body: &'static [u8]) -> Request<Bytes> {
    let mut request = Request::new(Bytes::from_static(body));
    *request.method_mut() = http::Method::POST;
    request
}

pub(super) async fn a_webhook_that_nobody_signed_is_refused(harness: &dyn Harness) -> Verdict {
    let expected = if harness.webhook().is_some() { ErrorKind::Forbidden } else { ErrorKind::Unsupported };
    for body in [&b""[..], b"{}", b"type=subscribe", b"\xff\xfe\x00", b"[[[[[[[["] {
        let error = harness.integration().inbound(&NoKeys, &posted(body)).expect_err("nobody signed it");
        assert_eq!(error.kind(), expected);
    }
    Verdict::Held
}

pub(super) async fn a_webhook_that_was_changed_is_refused(harness: &dyn Harness) -> Verdict {
    let Some(webhook) = harness.webhook() else { return Verdict::Spared("there are no webhooks") };
    let integration = harness.integration();
    let verify = |request: &Request<Bytes>| integration.inbound(&*webhook.keys, request);
    verify(&webhook.request).expect("it verifies");
    let body = webhook.request.body().clone();
    let mut longer = body.to_vec();
    longer.push(b' ');
    let swapped = webhook.other.body().clone();
    // Some providers prove who they are by a header alone, and say nothing.
    let forged = [body.slice(..body.len().saturating_sub(1)), longer.into(), Bytes::new(), swapped];
    for body in forged.into_iter().filter(|forged| *forged != body) {
        let mut forged = webhook.request.clone();
        *forged.body_mut() = body;
        assert_eq!(verify(&forged).expect_err("it was changed").kind(), ErrorKind::Forbidden);
    }
    let mut bare = webhook.request.clone();
    bare.headers_mut().clear();
    assert_eq!(verify(&bare).expect_err("nothing proves it").kind(), ErrorKind::Forbidden);
    let error = integration.inbound(&NoKeys, &webhook.request).expect_err("there is no key");
    assert_eq!(error.kind(), ErrorKind::Forbidden);
    Verdict::Held
}

pub(super) async fn a_webhook_that_comes_again_is_known_by_its_key(harness: &dyn Harness) -> Verdict {
    let Some(webhook) = harness.webhook() else { return Verdict::Spared("there are no webhooks") };
    let integration = harness.integration();
    let verify = |request: &Request<Bytes>| integration.inbound(&*webhook.keys, request).expect("it verifies");
    let first = verify(&webhook.request);
    assert_eq!(first.dedupe, verify(&webhook.request).dedupe);
    assert_ne!(first.dedupe, verify(&webhook.other).dedupe);
    assert!(first.reply.status().is_success() && !first.signals.is_empty());
    Verdict::Held
}

pub(super) async fn a_push_channel_starts_and_stops_or_is_said_to_be_unknown(harness: &dyn Harness) -> Verdict {
    let bench = Bench::new(harness).await;
    for feed in bench.descriptor().feeds {
        for container in bench.handler.containers(feed) {
            let watch =
                Watch::Start { feed, container: container.as_ref(), url: "https://host.example.com/hook", secret: "s3cret" };
            match bench.handler.watch(&bench.context(), watch).await {
                Ok(watching) => {
                    bench.handler.watch(&bench.context(), Watch::Stop(&watching)).await.expect("it stops");
                }
                Err(error) => {
                    assert_eq!(error.kind(), ErrorKind::Unsupported);
                    assert_eq!(bench.n_sent(), 0);
                }
            }
        }
    }
    Verdict::Held
}
