//! What a double of a provider is.

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use jiff::Timestamp;
use serde_json::Value;

/// One account at one provider, as a state machine over HTTP messages.
///
/// A double never waits and never reads a clock. It refuses visibly what it does not model: with an error whose title
/// starts with `Sandbox:`, recorded under `refused` in its state, so that a test can assert that there was none.
pub trait Double: Send {
    /// The stable name of the operation that a request calls, such as `lists.batch`; `unknown` for others.
    fn operation(&self, request: &Request<Bytes>) -> &'static str;

    /// Handles one request at this time.
    fn handle(&mut self, request: &Request<Bytes>, now: Timestamp) -> Response<Bytes>;

    /// Refuses a request for its quota, where quotas are enforced. `in_flight` counts the calls still running.
    fn over_quota(&mut self, request: &Request<Bytes>, in_flight: usize, now: Timestamp) -> Option<Response<Bytes>>;

    /// An answer with this status in the provider's own error shape, for injected faults.
    fn failure(&self, status: StatusCode) -> Response<Bytes>;

    /// Takes what the provider itself wants to send, such as notifications to channels.
    fn outbound(&mut self) -> Vec<Request<Bytes>>;

    /// Everything it holds.
    fn state(&self) -> Value;

    /// What it holds, without records: counts, effects, refusals.
    fn summary(&self) -> Value;

    /// Does what a person on the other side would do.
    ///
    /// # Errors
    /// The action is unknown or cannot be done, in words.
    fn act(&mut self, action: &Value, now: Timestamp) -> Result<Value, String>;

    /// Forgets everything that happened since it was made.
    fn reset(&mut self);
}
