//! Tables of paths: which method and path call which operation.

use http::Method;
use percent_encoding::percent_decode_str;

/// One operation: its method, its path with `*` for an id, its name.
pub(crate) type Row = (&'static str, &'static [&'static str], &'static str);

/// What a path calls.
#[derive(Debug, PartialEq)]
pub(crate) enum Found {
    /// An operation, and the ids of its path, decoded.
    Operation {
        name: &'static str,
        ids: Vec<String>,
    },
    /// The path is known with another method.
    OtherMethod,
    Unknown,
}

/// Looks a path up by its segments below what all rows have in common.
pub(crate) fn find<'p>(rows: &[Row], method: &Method, segments: impl Iterator<Item = &'p str>) -> Found {
    let segments: Vec<&str> = segments.collect();
    let mut has_path = false;
    for (with, pattern, name) in rows {
        if !fits(pattern, &segments) {
            continue;
        }
        if *with != method.as_str() {
            has_path = true;
            continue;
        }
        let ids = pattern
            .iter()
            .zip(&segments)
            .filter(|(want, _)| **want == "*")
            .map(|(_, id)| percent_decode_str(id).decode_utf8_lossy().into_owned())
            .collect();
        return Found::Operation { name, ids };
    }
    if has_path { Found::OtherMethod } else { Found::Unknown }
}

fn fits(pattern: &[&str], segments: &[&str]) -> bool {
    pattern.len() == segments.len()
        && pattern.iter().zip(segments).all(|(want, have)| if *want == "*" { !have.is_empty() } else { want == have })
}
