//! As much of YAML as API descriptions are written in: blocks, plain and quoted texts, empty and short flow lists.

use serde_json::{Map, Value};

struct Line<'t> {
    indent: usize,
    text: &'t str,
}

/// Reads a document; texts stay texts, save for `true`, `false`, `null` and whole numbers.
pub(crate) fn read(text: &str) -> Value {
    let lines: Vec<Line<'_>> = text
        .lines()
        .map(|line| Line { indent: line.len() - line.trim_start().len(), text: line.trim() })
        .filter(|line| !line.text.is_empty() && !line.text.starts_with('#') && line.text != "---")
        .collect();
    block(&lines, &mut 0)
}

/// A block that begins at this line, with all lines that belong to it.
fn block(lines: &[Line<'_>], at: &mut usize) -> Value {
    let Some(first) = lines.get(*at) else { return Value::Null };
    if first.text.starts_with("- ") || first.text == "-" {
        list(lines, at, first.indent)
    } else {
        map(lines, at, first.indent)
    }
}

fn list(lines: &[Line<'_>], at: &mut usize, indent: usize) -> Value {
    let mut items = Vec::new();
    while let Some(line) = lines.get(*at).filter(|line| line.indent == indent && line.text.starts_with('-')) {
        let rest = line.text[1..].trim_start();
        let inner = indent + line.text.len() - rest.len();
        if key_of(rest).is_some() {
            // The item is a map whose first line stands behind the dash.
            let end = (*at + 1..lines.len()).find(|n| lines[*n].indent <= indent).unwrap_or(lines.len());
            let mut part = vec![Line { indent: inner, text: rest }];
            part.extend(lines[*at + 1..end].iter().map(|line| Line { indent: line.indent, text: line.text }));
            items.push(block(&part, &mut 0));
            *at = end;
        } else {
            *at += 1;
            items.push(scalar(rest, lines, at, indent));
        }
    }
    Value::Array(items)
}

fn map(lines: &[Line<'_>], at: &mut usize, indent: usize) -> Value {
    let mut members = Map::new();
    while let Some(line) = lines.get(*at).filter(|line| line.indent == indent && !line.text.starts_with("- ")) {
        let Some((key, rest)) = key_of(line.text) else { panic!("no member: {}", line.text) };
        *at += 1;
        let value = if rest.is_empty() {
            let is_inner = lines
                .get(*at)
                .is_some_and(|next| next.indent > indent || (next.indent == indent && next.text.starts_with("- ")));
            if is_inner { block(lines, at) } else { Value::Null }
        } else {
            scalar(rest, lines, at, indent)
        };
        members.insert(key.to_owned(), value);
    }
    Value::Object(members)
}

/// `key: rest`, with the key in quotes or not.
fn key_of(text: &str) -> Option<(&str, &str)> {
    if text.starts_with(['"', '\'']) {
        let end = text[1..].find(&text[..1])? + 1;
        return Some((&text[1..end], text[end + 1..].strip_prefix(':')?.trim()));
    }
    if text.starts_with(['{', '[']) {
        return None;
    }
    match text.split_once(": ") {
        Some((key, rest)) => Some((key, rest.trim())),
        None => text.strip_suffix(':').map(|key| (key, "")),
    }
}

/// A text, with the lines that go on with it.
fn scalar(first: &str, lines: &[Line<'_>], at: &mut usize, indent: usize) -> Value {
    let mut whole = first.to_owned();
    while let Some(next) = lines.get(*at).filter(|next| next.indent > indent) {
        whole.push(' ');
        whole.push_str(next.text);
        *at += 1;
    }
    match whole.as_str() {
        "true" => Value::Bool(true),
        "false" => Value::Bool(false),
        "null" => Value::Null,
        "[]" => Value::Array(Vec::new()),
        "{}" => Value::Object(Map::new()),
        text => match text.parse::<i64>() {
            Ok(number) => Value::from(number),
            Err(_) => Value::String(text.trim_matches(['"', '\'']).to_owned()),
        },
    }
}
