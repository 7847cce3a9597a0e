//! People who act in the middle of a run.

use std::{
    fmt,
    sync::{Arc, Mutex},
};

use async_trait::async_trait;
use bytes::Bytes;
use http::{Request, Response};
use sync_core::{Transport, TransportError, TransportLimits};

use crate::sim::with;

type Act = Box<dyn FnOnce() + Send>;

/// What people do just before the next write comes. Clones share it.
#[derive(Clone, Default)]
pub(super) struct Meddling(Arc<Mutex<Option<Act>>>);

impl Meddling {
    /// This is done next.
    pub(super) fn next(&self, act: impl FnOnce() + Send + 'static) {
        with(&self.0, |slot| *slot = Some(Box::new(act)));
    }

    /// Between a client and this.
    pub(super) fn around(&self, inner: Arc<dyn Transport>) -> Arc<dyn Transport> {
        Arc::new(Between { inner, people: self.clone() })
    }
}

struct Between {
    inner: Arc<dyn Transport>,
    people: Meddling,
}

impl fmt::Debug for Between {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Between").field("inner", &self.inner).finish_non_exhaustive()
    }
}

#[async_trait]
impl Transport for Between {
    async fn send(&self, request: Request<Bytes>, limits: TransportLimits) -> Result<Response<Bytes>, TransportError> {
        let is_write = request.method() != http::Method::GET;
        if let Some(act) = is_write.then(|| with(&self.people.0, Option::take)).flatten() {
            act();
        }
        self.inner.send(request, limits).await
    }
}
