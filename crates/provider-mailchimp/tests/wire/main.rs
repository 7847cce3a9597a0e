//! What is sent to Mailchimp, call by call, and what is made of the answers.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that can't be set up fails")]

mod check;
mod contract;
mod double;
mod prepare;
mod pull;
mod push;
mod support;
mod tags;
