//! Files of customers: each line becomes a customer or is named as bad, whatever the bytes are.

#![no_main]

// The importer alone: what else the program needs takes ten times as long to build, and none of it reads the file.
#[allow(dead_code, unused_imports, reason = "the program uses the rest")]
#[path = "../../../crates/sync-cli/src/import/mod.rs"]
mod import;

use std::{collections::BTreeSet, fs, path::PathBuf, sync::LazyLock};

use sync_core::model::{Contact, Model as _};
use tempfile::TempDir;

use import::{ColumnRules, ConsentRules, ImportOptions, Source};

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
    let consent = (how & 2 != 0).then(|| "2026-06-01T00:00:00Z".parse().map(ConsentRules::new)).and_then(Result::ok);
    let columns = ColumnRules { consent: consent.is_some().then(|| "newsletter".to_owned()), ..ColumnRules::default() };
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
                assert!(!id.as_str().is_empty(), "a customer has an id");
                assert!(Contact::from_record(&record).is_ok(), "a customer is one");
                assert!(ids.insert(id), "a customer comes once");
            }
            Ok(Err(bad)) => assert!(!bad.to_string().is_empty(), "a bad line says why"),
            Err(error) => return sync_fuzz::sound_file(&error),
        }
    }
}
