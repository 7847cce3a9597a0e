//! Files of records: each line becomes a record or is named as bad, whatever the bytes are.

#![no_main]

// The importer alone: what else the program needs takes ten times as long to build, and none of it reads the file.
#[allow(dead_code, unused_imports, reason = "the program uses the rest")]
#[path = "../../../crates/sync-cli/src/import/mod.rs"]
mod import;

use std::{collections::BTreeSet, fs, path::PathBuf, sync::LazyLock};

use sync_core::{
    Record,
    model::{Contact, Event, Invoice, Model as _, Payment},
};
use tempfile::TempDir;

use import::{ColumnRules, ConsentRules, ImportOptions, SCHEMAS, Source};

static FOLDER: LazyLock<Option<TempDir>> = LazyLock::new(|| tempfile::tempdir().ok());

// The first byte chooses the options; the file follows.
libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let (Some((how, content)), Some(folder)) = (data.split_first(), FOLDER.as_ref()) else { return };
    let path = folder.path().join(if how & 1 == 0 { "c.csv" } else { "c.jsonl" });
    if fs::write(&path, content).is_ok() {
        read(&path, options(*how), content);
    }
});

fn options(how: u8) -> ImportOptions {
    let schema = (how & 0x80 != 0).then(|| &SCHEMAS[usize::from(how >> 3) % SCHEMAS.len()]);
    let consent = (how & 2 != 0 && schema.is_none())
        .then(|| "2026-06-01T00:00:00Z".parse().map(ConsentRules::new))
        .and_then(Result::ok);
    let consent_column = consent.is_some().then(|| "newsletter".to_owned());
    let columns = ColumnRules { schema, consent: consent_column, ..ColumnRules::default() };
    ImportOptions { columns, consent, delimiter: (how & 4 != 0).then_some(';'), encoding: None }
}

fn read(path: &PathBuf, options: ImportOptions, content: &[u8]) {
    let source = match Source::open(path, options) {
        Ok(source) => source,
        Err(error) => return sync_fuzz::sound_file(&error),
    };
    let rows = match source.rows() {
        Ok(rows) => rows,
        Err(error) => return sync_fuzz::sound_file(&error),
    };
    let mut ids = BTreeSet::new();
    let mut n_rows = 0;
    for row in rows {
        n_rows += 1;
        assert!(n_rows <= content.len() + 1, "a file has no more rows than bytes");
        match row {
            Ok(Ok((id, record))) => {
                assert!(!id.as_str().is_empty(), "a record has an id");
                assert!(is_one(&source, &record), "a record is what it was imported as");
                assert!(ids.insert(id), "a record comes once");
            }
            Ok(Err(bad)) => assert!(!bad.to_string().is_empty(), "a bad line says why"),
            Err(error) => return sync_fuzz::sound_file(&error),
        }
    }
}

fn is_one(source: &Source, record: &Record) -> bool {
    match source.schema().map(|schema| schema.collection) {
        None => Contact::from_record(record).is_ok(),
        Some("invoices") => Invoice::from_record(record).is_ok(),
        Some("payments") => Payment::from_record(record).is_ok(),
        Some(_) => Event::from_record(record).is_ok(),
    }
}
