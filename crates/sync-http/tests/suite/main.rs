//! `sync-http` from outside: what is sent, what isn't, and what becomes of it.

mod archive;
mod budget;
mod client;
mod connect;
mod live;
mod refresh;
mod retry;
mod support;
mod telemetry;
