//! Stateful doubles of the provider APIs, in process or over HTTP.
