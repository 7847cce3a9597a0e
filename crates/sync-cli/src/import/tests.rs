use std::fs;

use sync_core::model::{Contact, Model as _};
use tempfile::TempDir;

use super::*;

fn file(name: &str, content: &[u8]) -> (TempDir, PathBuf) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join(name);
    fs::write(&path, content).unwrap();
    (dir, path)
}

fn with_consent(column: &str) -> ImportOptions {
    ImportOptions {
        columns: ColumnRules { consent: Some(column.into()), ..ColumnRules::default() },
        consent: Some(ConsentRules::new("2026-06-01T00:00:00Z".parse().unwrap())),
        ..ImportOptions::default()
    }
}

type Row = std::result::Result<(String, Contact), (Place, BadReason)>;

fn rows(source: &Source) -> Vec<Row> {
    source
        .rows()
        .unwrap()
        .map(|row| match row.unwrap() {
            Ok((id, record)) => Ok((id.as_str().to_owned(), Contact::from_record(&record).unwrap())),
            Err(bad) => Err((bad.place, bad.reason)),
        })
        .collect()
}

fn read(name: &str, content: &[u8]) -> Vec<Row> {
    let (_dir, path) = file(name, content);
    rows(&Source::open(&path, ImportOptions::default()).unwrap())
}

#[test]
fn commas_semicolons_and_tabs_are_told_apart() {
    for (delimiter, content) in [
        (',', "id,name,\"a;b;c\"\n1,\"Garcia; Maria\",x\n"),
        (';', "id;name;a\n1;\"Garcia, Maria\";x\n"),
        ('\t', "id\tname\ta\n1\tGarcia\tx\n"),
        (';', "sep=;\nid;name\n1;Garcia\n"),
    ] {
        let (_dir, path) = file("c.csv", content.as_bytes());
        let source = Source::open(&path, ImportOptions::default()).unwrap();
        assert_eq!(source.format, Format::Table { delimiter });
        let rows = rows(&source);
        assert_eq!(rows.len(), 1, "{content}");
        assert!(rows[0].as_ref().unwrap().1.name.as_deref().unwrap().starts_with("Garcia"));
    }
}

#[test]
fn windows_1252_utf8_with_mark_and_utf16_give_the_same_customers() {
    let text = "id;Vorname;Ort\n1;José;Köln\n";
    let mut with_mark = vec![0xEF, 0xBB, 0xBF];
    with_mark.extend_from_slice(text.as_bytes());
    let utf16: Vec<u8> = format!("\u{feff}{text}").encode_utf16().flat_map(u16::to_le_bytes).collect();
    let windows: Vec<u8> = text.chars().map(|c| u8::try_from(u32::from(c)).unwrap()).collect();
    for content in [text.as_bytes().to_vec(), with_mark, utf16, windows] {
        let rows = read("c.csv", &content);
        let (id, contact) = rows[0].as_ref().unwrap();
        assert_eq!((id.as_str(), contact.first_name.as_deref()), ("1", Some("José")));
        assert_eq!(contact.addresses[0].city.as_deref(), Some("Köln"));
    }
}

#[test]
fn bad_encoding_is_told_with_line_and_column() {
    let mut content = "id,name\n1,José\n2,Ünal\n3,Jos".as_bytes().to_vec();
    content.extend_from_slice(b"\xe9\n4,Ada\n");
    let rows = read("c.csv", &content);
    assert_eq!(rows[2], Err((Place { line: 4, column: 6 }, BadReason::NotText { encoding: "UTF-8" })));
    assert!(rows[3].is_ok());
}

#[test]
fn too_many_and_too_few_cells_are_told_where_they_begin() {
    let rows = read("c.csv", b"id,name\n1,Ada,x,y\n2\n3,Bob\n");
    assert_eq!(rows[0], Err((Place { line: 2, column: 7 }, BadReason::CellCount { expected: 2, found: 4 })));
    assert_eq!(rows[1], Err((Place { line: 3, column: 2 }, BadReason::CellCount { expected: 2, found: 1 })));
    assert!(rows[2].is_ok());
}

#[test]
fn a_missing_id_and_a_second_one_are_told() {
    let rows = read("c.csv", b"name,id\nAda,1\nBob,\nCid,1\nDan,1\n");
    assert_eq!(rows[1], Err((Place { line: 3, column: 5 }, BadReason::NoId)));
    assert_eq!(rows[2], Err((Place { line: 4, column: 1 }, BadReason::DuplicateId { first_line: 2 })));
    assert_eq!(rows[3], Err((Place { line: 5, column: 1 }, BadReason::DuplicateId { first_line: 2 })));
}

#[test]
fn a_bad_consent_date_is_told_at_its_cell() {
    let (_dir, path) = file("c.csv", b"id,ok,opt-in date\n1,yes,2024-01-01\n2,yes,13/13/13\n3,no,rubbish\n");
    let rows = rows(&Source::open(&path, with_consent("ok")).unwrap());
    assert!(rows[0].is_ok());
    assert_eq!(rows[1], Err((Place { line: 3, column: 7 }, BadReason::NotADate)));
    assert!(rows[2].is_ok(), "the date of a consent that was not given is not looked at");
}

#[test]
fn json_lines_give_the_same_customers() {
    let content = br#"{"id": 7, "email": "ada@example.com", "tags": ["diver"], "level": "rescue", "phones": null}
{"id": "8", "first name": "Bob", "dives": 12}

[1]
{"id": "9", "email": }
{"email": "x@example.com"}
{"id": 7}
"#;
    let rows = read("c.jsonl", content);
    let (id, contact) = rows[0].as_ref().unwrap();
    assert_eq!((id.as_str(), contact.email.as_deref()), ("7", Some("ada@example.com")));
    assert_eq!(contact.extra["level"], sync_core::Value::text("rescue"));
    assert_eq!(rows[1].as_ref().unwrap().1.first_name.as_deref(), Some("Bob"));
    assert_eq!(rows[2], Err((Place { line: 4, column: 1 }, BadReason::NotAnObject)));
    assert!(matches!(rows[3], Err((Place { line: 5, column: 22 }, BadReason::NotJson { .. }))), "{:?}", rows[3]);
    assert_eq!(rows[4], Err((Place { line: 6, column: 1 }, BadReason::NoId)));
    assert_eq!(rows[5], Err((Place { line: 7, column: 1 }, BadReason::DuplicateId { first_line: 1 })));
}

#[test]
fn a_file_without_headers_says_so() {
    for content in ["", "\n\n", "1,ada@example.com,Ada\n2,bob@example.com,Bob\n"] {
        let (_dir, path) = file("c.csv", content.as_bytes());
        let error = Source::open(&path, ImportOptions::default()).unwrap_err();
        assert!(error.message().contains("no line of headers"), "{content:?}: {error}");
    }
}

#[test]
fn a_file_that_is_not_there_and_a_folder_are_told() {
    let dir = tempfile::tempdir().unwrap();
    for path in [dir.path().join("none.csv"), dir.path().to_owned()] {
        let error = Source::open(&path, ImportOptions::default()).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::NotFound);
        assert!(error.remedy().is_some());
    }
}

#[test]
fn bad_lines_are_kept_with_place_and_reason() {
    let (dir, path) = file("c.csv", b"id,name\n1,\"open\n2,Bob\n");
    let source = Source::open(&path, ImportOptions::default()).unwrap();
    let mut bad_file = BadFile::beside(&path);
    let mut n_good = 0;
    for row in source.rows().unwrap() {
        match row.unwrap() {
            Ok(_) => n_good += 1,
            Err(bad) => bad_file.add(&bad).unwrap(),
        }
    }
    bad_file.finish().unwrap();
    assert_eq!((n_good, bad_file.n_lines), (1, 1));
    assert_eq!(bad_file.path().unwrap(), dir.path().join("c.bad.csv"));
    assert_eq!(
        fs::read_to_string(dir.path().join("c.bad.csv")).unwrap(),
        "line,column,code,reason,text\n2,3,open-quote,a quote opens here and never closes,\"1,\"\"open\"\n"
    );
}

#[test]
fn an_error_shows_no_record_content() {
    let (_dir, path) = file("c.csv", b"id,name,email\n1,\"Ada,ada@example.com\n");
    let source = Source::open(&path, ImportOptions::default()).unwrap();
    let bad = source.rows().unwrap().next().unwrap().unwrap().unwrap_err();
    assert!(!format!("{bad:?}").contains("ada@"));
    let error = bad.into_error(&path);
    assert!(!format!("{error}{error:?}").contains("ada@"));
    assert!(error.message().contains("line 2, column 3"));
}

fn of_schema(collection: &str) -> ImportOptions {
    let columns = ColumnRules { schema: Schema::of(collection), ..ColumnRules::default() };
    ImportOptions { columns, ..ImportOptions::default() }
}

#[test]
fn payments_come_as_cells_under_the_models_names() {
    let content = b"Id,Invoice,Date,Currency,Amount,Method,Deposit,Till\nP-1,B-1,2026-05-17,EUR,40.10,card,yes,2\n\
        P-2,B-1,17.05.2026,EUR,1,card,,\nP-3,B-1,2026-05-17,EUR,\"1,5\",card,,\n";
    let (_dir, path) = file("p.csv", content);
    let source = Source::open(&path, of_schema("payments")).unwrap();
    let rows: Vec<_> = source.rows().unwrap().map(std::result::Result::unwrap).collect();
    let (id, record) = rows[0].as_ref().unwrap();
    let payment = sync_core::model::Payment::from_record(record).unwrap();
    assert_eq!((id.as_str(), payment.amount.unwrap().to_string().as_str(), payment.deposit), ("P-1", "40.10", Some(true)));
    assert_eq!((payment.allocations.len(), &payment.extra["till"]), (1, &sync_core::Value::text("2")));
    for (row, header, place) in [(&rows[1], "Date", (3, 9)), (&rows[2], "Amount", (4, 24))] {
        let bad = row.as_ref().unwrap_err();
        assert_eq!((bad.header.as_deref(), (bad.place.line, bad.place.column)), (Some(header), place));
    }
}

#[test]
fn other_records_come_as_json_lines_and_invoices_as_nothing_else() {
    let content = br#"{"id": "T-1", "title": "Reef", "date": "2026-05-17", "start_time": "09:00"}
{"id": "T-2", "date": "tomorrow"}
{"id": "T-1"}
"#;
    let (_dir, path) = file("t.jsonl", content);
    let source = Source::open(&path, of_schema("trips")).unwrap();
    let rows: Vec<_> = source.rows().unwrap().map(std::result::Result::unwrap).collect();
    assert!(rows[0].is_ok());
    let bad = rows[1].as_ref().unwrap_err();
    assert_eq!((bad.place.line, bad.to_string().as_str()), (2, "line 2, column 1 (date): not a day such as 2026-05-17"));
    assert_eq!(rows[2].as_ref().unwrap_err().reason, BadReason::DuplicateId { first_line: 1 });
    let (_dir, path) = file("i.csv", b"id,number\n1,D-1\n");
    assert!(Source::open(&path, of_schema("invoices")).unwrap_err().remedy().unwrap().contains("JSON Lines"));
}
