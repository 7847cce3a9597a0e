//! What is sent to Google Calendar, call by call, and what is made of the answers.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that can't be set up fails")]

mod batch;
mod channel;
mod check;
mod contract;
mod double;
mod find;
mod moving;
mod prepare;
mod pull;
mod push;
mod story;
mod support;
