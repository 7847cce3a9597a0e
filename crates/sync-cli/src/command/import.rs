//! `import`.

use std::{path::Path, time::Instant};

use serde::Serialize;
use sync_core::{Collection, Error, ErrorKind, LocalId, OrganizationId, Owner, Record, Result};
use sync_dispatch::store::EmbeddedRecords;

use crate::{
    app::{App, Make},
    args::ImportArgs,
    exit::Exit,
    import::{
        BadFile, Column, ColumnRules, ConsentRules, Encoding, Field, Format, ImportOptions, Schema, Source,
        look_like_consent,
    },
    output::{Bar, count, thousands},
};

/// Rows that are written in one transaction.
const BATCH: usize = 2_000;

/// What an import came to.
#[derive(Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Imported {
    /// Records that were not there.
    pub(super) added: u64,
    /// Records that differ from what was there.
    pub(super) changed: u64,
    /// Records that were there as they are.
    pub(super) unchanged: u64,
    /// Customers who agreed to marketing by e-mail.
    pub(super) consenting: u64,
    /// Lines that were left out.
    pub(super) bad: u64,
    /// Where those are.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) bad_file: Option<String>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Document<'a> {
    success: bool,
    file: String,
    format: Format,
    encoding: Encoding,
    columns: &'a [Column],
    consent_column: Option<&'a str>,
    dry_run: bool,
    #[serde(flatten)]
    imported: &'a Imported,
}

/// Imports a file.
pub(super) async fn run(app: &App, args: &ImportArgs) -> Result<Exit> {
    let organization = app.config.organization()?;
    let source = Source::open(&args.file, options(args)?)?;
    show(app, &source, args);
    let bar = Bar::new(app.out);
    let started = Instant::now();
    let imported = if args.dry_run {
        look(&source, args.skip_bad, &bar)?
    } else {
        if !args.skip_bad {
            // Nothing is imported unless everything can be: the file is read twice rather than held in memory.
            look(&source, false, &bar)?;
        }
        let bench = app.open(Make::Yes).await?;
        let imported = import(&source, &bench.records, &organization, args.skip_bad, &bar).await;
        bench.close().await;
        imported?
    };
    bar.finish();
    app.out.document(&Document {
        success: true,
        file: args.file.display().to_string(),
        format: source.format,
        encoding: source.encoding,
        columns: &source.columns,
        consent_column: args.consent_column.as_deref(),
        dry_run: args.dry_run,
        imported: &imported,
    });
    tell(app, args, &imported, started);
    Ok(Exit::Done)
}

fn options(args: &ImportArgs) -> Result<ImportOptions> {
    let schema = Schema::of(&args.collection);
    if schema.is_some() && args.consent_column.is_some() {
        return Err(Error::new(ErrorKind::Config, format!("{} agree to nothing", args.collection))
            .with_owner(Owner::EndUserData)
            .with_remedy("Leave out --consent-column: it is for customers."));
    }
    let map = args.map.iter().map(|(column, field)| Ok((column.clone(), Field::parse_of(schema, field)?)));
    let words =
        |words: &[String]| words.iter().map(|word| word.trim().to_lowercase()).filter(|word| !word.is_empty()).collect();
    Ok(ImportOptions {
        columns: ColumnRules {
            schema,
            id: args.id_column.clone(),
            map: map.collect::<Result<_>>()?,
            consent: args.consent_column.clone(),
            consent_date: args.consent_date_column.clone(),
            consent_source: args.consent_source_column.clone(),
        },
        consent: args.consent_column.is_some().then(|| {
            let mut rules = ConsentRules::new(jiff::Timestamp::now());
            rules.yes = words(&args.consent_yes);
            rules.no = words(&args.consent_no);
            rules.date_format.clone_from(&args.date_format);
            rules
        }),
        delimiter: args.delimiter,
        encoding: args.encoding,
    })
}

/// How the file is understood.
fn show(app: &App, source: &Source, args: &ImportArgs) {
    let form = match source.format {
        Format::JsonLines => "JSON Lines".to_owned(),
        Format::Table { delimiter: '\t' } => "cells separated by tabs".to_owned(),
        Format::Table { delimiter } => format!("cells separated by {delimiter}"),
    };
    app.out.say(format!("{}: {form}, {}", args.file.display(), source.encoding.name()));
    let rows = source.columns.iter().map(|column| vec![column.header.clone(), column.field.to_string()]);
    app.out.table(&["Column", "Becomes"], rows);
    if args.consent_column.is_none() && Schema::of(&args.collection).is_none() {
        app.out.say("No consent column is named (--consent-column): nobody is treated as having agreed to marketing.");
        let like = look_like_consent(&source.columns);
        if !like.is_empty() {
            app.out.say(format!("  These columns look like one: {}.", like.join(", ")));
        }
    }
}

/// Reads the whole file and writes nothing.
fn look(source: &Source, skip_bad: bool, bar: &Bar) -> Result<Imported> {
    let mut imported = Imported::default();
    for (n, row) in source.rows()?.enumerate() {
        match row? {
            Ok((_, record)) => {
                imported.added += 1;
                imported.consenting += u64::from(agreed(&record));
            }
            Err(_) if skip_bad => imported.bad += 1,
            Err(bad) => return Err(bad.into_error(source.path())),
        }
        if n % BATCH == 0 {
            bar.message(format!("checked {}", count(n as u64, "line", "lines")));
        }
    }
    Ok(imported)
}

/// Imports what can be imported.
pub(super) async fn import(
    source: &Source,
    records: &EmbeddedRecords,
    organization: &OrganizationId,
    skip_bad: bool,
    bar: &Bar,
) -> Result<Imported> {
    let mut imported = Imported::default();
    let mut bad_lines = BadFile::beside(source.path());
    let mut batch: Vec<(LocalId, Record)> = Vec::with_capacity(BATCH);
    let collection = source.schema().map_or(Collection::CUSTOMERS, |schema| Collection::from(schema.collection));
    for row in source.rows()? {
        match row? {
            Ok((id, record)) => {
                imported.consenting += u64::from(agreed(&record));
                batch.push((id, record));
            }
            Err(bad) if skip_bad => bad_lines.add(&bad).map_err(|error| unwritten(source.path(), error))?,
            Err(bad) => return Err(bad.into_error(source.path())),
        }
        if batch.len() == BATCH {
            write(records, organization, &collection, std::mem::take(&mut batch), &mut imported).await?;
            bar.message(format!("imported {}", thousands(imported.added + imported.changed + imported.unchanged)));
        }
    }
    write(records, organization, &collection, batch, &mut imported).await?;
    bad_lines.finish().map_err(|error| unwritten(source.path(), error))?;
    imported.bad = bad_lines.n_lines;
    imported.bad_file = bad_lines.path().map(|path| path.display().to_string());
    Ok(imported)
}

async fn write(
    records: &EmbeddedRecords,
    organization: &OrganizationId,
    collection: &Collection,
    batch: Vec<(LocalId, Record)>,
    imported: &mut Imported,
) -> Result<()> {
    let upserted = records.upsert(organization, collection, batch).await?;
    imported.added += upserted.added;
    imported.changed += upserted.changed;
    imported.unchanged += upserted.unchanged;
    Ok(())
}

fn agreed(record: &Record) -> bool {
    let consent = record.value("consent.email").and_then(sync_core::Value::as_consent);
    consent.is_some_and(|consent| consent.state == sync_core::ConsentState::Granted)
}

fn unwritten(imported: &Path, error: std::io::Error) -> Error {
    Error::new(ErrorKind::Config, format!("the bad lines of {} can't be written: {error}", imported.display()))
        .with_remedy("Put the file into a folder that can be written to.")
}

fn tell(app: &App, args: &ImportArgs, imported: &Imported, started: Instant) {
    let out = app.out;
    let all = imported.added + imported.changed + imported.unchanged;
    let (one, several) = Schema::of(&args.collection).map_or(("customer", "customers"), |schema| schema.nouns);
    if args.dry_run {
        out.say(format!("{} can be imported; nothing was.", count(all, one, several)));
    } else {
        out.say(format!(
            "{} imported in {:.1} s: {} new, {} changed, {} as they were.",
            count(all, one, several),
            started.elapsed().as_secs_f64(),
            thousands(imported.added),
            thousands(imported.changed),
            thousands(imported.unchanged),
        ));
    }
    if args.consent_column.is_some() {
        out.say(format!("{} agreed to marketing by e-mail.", thousands(imported.consenting)));
    }
    if imported.bad > 0 {
        let they_are = if imported.bad == 1 { "it is" } else { "they are" };
        let place = imported.bad_file.as_ref().map(|path| format!("; {they_are} in {path}")).unwrap_or_default();
        out.say(format!("{} left out{place}.", count(imported.bad, "bad line was", "bad lines were")));
    }
}
