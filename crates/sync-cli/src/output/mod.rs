//! What the program prints: sentences and tables for people, or one JSON document.
//!
//! Results go to standard output, everything about how it goes to standard error. With `--json`, standard output holds
//! exactly one document, also when the command fails.

mod progress;

use std::io::{self, IsTerminal as _};

use comfy_table::{ContentArrangement, Table, presets::UTF8_HORIZONTAL_ONLY};
use serde::Serialize;
use sync_core::{Error, Retry};

use crate::exit::Exit;

pub(crate) use progress::Bar;
pub(crate) use sync_core::words::{count, thousands};

/// Where and how the program prints.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Output {
    json: bool,
    aside: bool,
}

impl Output {
    /// For people, or as JSON.
    pub(crate) fn new(json: bool) -> Self {
        Self { json, aside: false }
    }

    /// The same, with what it says to people on standard error: standard output holds something else.
    pub(crate) fn aside(self) -> Self {
        Self { aside: true, ..self }
    }

    /// True when one JSON document is printed.
    pub(crate) fn is_json(self) -> bool {
        self.json
    }

    /// True when a person watches and can be shown how it goes.
    pub(crate) fn is_watched(self) -> bool {
        !self.json && io::stderr().is_terminal()
    }

    /// A line for people.
    pub(crate) fn say(self, line: impl AsRef<str>) {
        match self {
            Self { json: true, .. } => {}
            Self { aside: true, .. } => print(&mut io::stderr(), line.as_ref()),
            _ => print(&mut io::stdout(), line.as_ref()),
        }
    }

    /// A line about how it goes, for people.
    pub(crate) fn note(self, line: impl AsRef<str>) {
        if !self.json {
            print(&mut io::stderr(), line.as_ref());
        }
    }

    /// A table for people.
    pub(crate) fn table(self, head: &[&str], rows: impl IntoIterator<Item = Vec<String>>) {
        if self.json {
            return;
        }
        let mut table = Table::new();
        table.load_style(UTF8_HORIZONTAL_ONLY).set_content_arrangement(ContentArrangement::Dynamic).set_header(head);
        if !io::stdout().is_terminal() {
            // In a file or pipe nobody's window limits a line.
            table.set_content_arrangement(ContentArrangement::Disabled);
        }
        for row in rows {
            table.add_row(row);
        }
        self.say(table.to_string());
    }

    /// The document of a command that prints JSON.
    pub(crate) fn document(self, document: &impl Serialize) {
        if self.json {
            match serde_json::to_string_pretty(document) {
                Ok(text) => print(&mut io::stdout(), &text),
                Err(error) => print(&mut io::stderr(), &format!("the document can't be written: {error}")),
            }
        }
    }

    /// One document of many, on a line of its own.
    pub(crate) fn line(self, document: &impl Serialize) {
        if self.json
            && let Ok(text) = serde_json::to_string(document)
        {
            print(&mut io::stdout(), &text);
        }
    }

    /// An error: what happened, what to do, and the exit code.
    pub(crate) fn error(self, error: &Error) -> Exit {
        let exit = Exit::of_error(error);
        if self.json {
            self.document(&ErrorDocument::of(error));
            return exit;
        }
        let mut text = format!("error: {error}");
        if let Some(words) = error.provider_message() {
            text.push_str(&format!("\n  it says: {words}"));
        }
        if let Some(remedy) = error.remedy() {
            text.push_str(&format!("\n  {remedy}"));
        }
        if let Retry::After(delay) = error.retry() {
            text.push_str(&format!("\n  Try again in {} s.", thousands(delay.as_secs().max(1))));
        }
        print(&mut io::stderr(), &text);
        exit
    }
}

/// A closed pipe (`syncctl runs | head`) is no error.
fn print(to: &mut impl io::Write, line: &str) {
    let _ = writeln!(to, "{line}");
    let _ = to.flush();
}

/// An error as JSON.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct ErrorDocument<'a> {
    success: bool,
    error: ErrorBody<'a>,
    exit_code: u8,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct ErrorBody<'a> {
    kind: &'static str,
    message: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    remedy: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    provider_code: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    provider_message: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    retry_after_s: Option<u64>,
}

impl<'a> ErrorDocument<'a> {
    fn of(error: &'a Error) -> Self {
        let retry_after_s = match error.retry() {
            Retry::After(delay) => Some(delay.as_secs()),
            _ => None,
        };
        Self {
            success: false,
            error: ErrorBody {
                kind: error.kind().as_str(),
                message: error.to_string(),
                remedy: error.remedy(),
                provider_code: error.provider_code(),
                provider_message: error.provider_message(),
                retry_after_s,
            },
            exit_code: Exit::of_error(error).code(),
        }
    }
}

#[cfg(test)]
mod tests {
    use sync_core::ErrorKind;

    use super::*;

    #[test]
    fn an_error_as_json_names_kind_remedy_and_exit_code() {
        let error = Error::new(ErrorKind::Config, "there is no key").with_remedy("Make one.");
        assert_eq!(
            serde_json::to_value(ErrorDocument::of(&error)).unwrap(),
            serde_json::json!({
                "success": false,
                "error": {"kind": "config", "message": "there is no key", "remedy": "Make one."},
                "exitCode": 2
            })
        );
    }
}
