//! A sandbox as the transport of `sync-http`.

use std::pin::pin;

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::future::{Either, select};
use http::{Request, Response};
use sync_core::{Transport, TransportError, TransportFault, TransportLimits};

use crate::{Reply, Sandbox};

/// A sandbox that is called in process, under its own clock. The host of the URL does not matter to the double, save where
/// the provider's rules speak of it.
#[derive(Debug, Clone)]
pub struct InProcess(pub Sandbox);

#[async_trait]
impl Transport for InProcess {
    async fn send(&self, request: Request<Bytes>, limits: TransportLimits) -> Result<Response<Bytes>, TransportError> {
        let handled = pin!(self.0.handle_within(request, limits.timeout));
        let reply = match select(handled, self.0.clock().sleep(limits.timeout)).await {
            Either::Left((reply, _)) => reply,
            Either::Right(((), _)) => return Err(error(TransportFault::TimedOut, "no answer within the time")),
        };
        match reply {
            Reply::Answer(response) if response.body().len() > limits.max_answer => {
                Err(error(TransportFault::TooLarge, "the answer is larger than allowed"))
            }
            Reply::Answer(response) => Ok(response),
            Reply::Cut { .. } => Err(error(TransportFault::CutOff, "the connection broke")),
            Reply::Unreachable => Err(error(TransportFault::Unreachable, "no connection")),
            Reply::Endless(_) => Err(error(TransportFault::TooLarge, "the answer is larger than allowed")),
        }
    }
}

fn error(fault: TransportFault, message: &str) -> TransportError {
    TransportError { fault, message: message.into() }
}
