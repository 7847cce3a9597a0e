//! A provider whose answers were written beforehand.

use std::sync::atomic::{AtomicUsize, Ordering};

use async_trait::async_trait;
use bytes::Bytes;
use http::{HeaderName, HeaderValue, Response, StatusCode};
use sync_core::{Call, Error, ErrorKind, Exchange, Result, Within};

/// Stands between two answers, as a line.
const BETWEEN: &[u8] = b"\n%%\n";

/// Answers in order; once they are used up, nobody answers.
///
/// An answer is a line `STATUS NAME:VALUE NAME:VALUE`, then its body. What is no such line is a plain 200.
#[derive(Debug)]
pub struct Script {
    answers: Vec<Response<Bytes>>,
    asked: AtomicUsize,
}

impl Script {
    /// Reads the answers.
    pub fn read(text: &[u8]) -> Self {
        let mut answers = Vec::new();
        let mut rest = text;
        loop {
            let end = rest.windows(BETWEEN.len()).position(|window| window == BETWEEN);
            answers.push(answer(end.and_then(|end| rest.get(..end)).unwrap_or(rest)));
            match end.and_then(|end| rest.get(end + BETWEEN.len()..)) {
                Some(more) => rest = more,
                None => return Self { answers, asked: AtomicUsize::new(0) },
            }
        }
    }

    /// How many requests came.
    pub fn asked(&self) -> usize {
        self.asked.load(Ordering::Relaxed)
    }
}

fn answer(text: &[u8]) -> Response<Bytes> {
    let (line, body) = match text.iter().position(|byte| *byte == b'\n') {
        Some(at) => (&text[..at], &text[at + 1..]),
        None => (text, &[][..]),
    };
    let mut words = std::str::from_utf8(line).unwrap_or_default().split(' ');
    let status = words.next().and_then(|word| word.parse().ok()).and_then(|code: u16| StatusCode::from_u16(code).ok());
    let Some(status) = status else { return Response::new(Bytes::copy_from_slice(text)) };
    let mut answer = Response::new(Bytes::copy_from_slice(body));
    *answer.status_mut() = status;
    for (name, value) in words.filter_map(|word| word.split_once(':')) {
        // A value with a space is written with `_`: dates have them.
        if let (Ok(name), Ok(value)) = (HeaderName::try_from(name), HeaderValue::try_from(value.replace('_', " "))) {
            answer.headers_mut().insert(name, value);
        }
    }
    answer
}

#[async_trait]
impl Exchange for Script {
    async fn send(&self, call: Call, _: Within<'_>) -> Result<Response<Bytes>> {
        let n = self.asked.fetch_add(1, Ordering::Relaxed);
        let lost = || Error::new(ErrorKind::Unavailable, "nobody answers");
        let answer = self.answers.get(n).cloned().ok_or_else(lost)?;
        (call.classify)(&answer)?;
        Ok(answer)
    }
}
