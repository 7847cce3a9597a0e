//! `sync-http` from outside: what is sent, what isn't, and what becomes of it.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a helper that can't go on fails its test")]

mod archive;
mod budget;
mod client;
mod connect;
mod live;
mod memory;
mod refresh;
mod retry;
mod support;
mod telemetry;
