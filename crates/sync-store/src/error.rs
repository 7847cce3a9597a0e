//! What a database's complaint means to the caller.

use sync_core::{Error, ErrorKind};

/// Primary result codes of SQLite. Source: <https://www.sqlite.org/rescode.html>.
mod sqlite {
    pub(super) const PERM: u32 = 3;
    pub(super) const BUSY: u32 = 5;
    pub(super) const LOCKED: u32 = 6;
    pub(super) const READONLY: u32 = 8;
    pub(super) const CORRUPT: u32 = 11;
    pub(super) const FULL: u32 = 13;
    pub(super) const CANTOPEN: u32 = 14;
    pub(super) const NOTADB: u32 = 26;
}

/// Sorts a failure of the database.
pub(crate) fn database(error: sqlx::Error) -> Error {
    let code = match &error {
        sqlx::Error::Database(error) => error.code().and_then(|code| code.parse::<u32>().ok()),
        _ => None,
    };
    // Extended codes hold the primary one in their lowest byte.
    let sorted = match code.map(|code| code & 0xff) {
        Some(sqlite::BUSY | sqlite::LOCKED) => Error::new(ErrorKind::Store, "the database is locked by another program")
            .with_remedy("Wait until the other program is done, or end it; then try again."),
        Some(sqlite::FULL) => Error::new(ErrorKind::Store, "the disk is full: nothing was written")
            .with_remedy("Free some space on the database's disk, then try again."),
        Some(sqlite::CORRUPT) => Error::new(ErrorKind::Corrupt, "the database is damaged")
            .with_remedy("Stop writing to it, keep a copy, and restore the last backup."),
        Some(sqlite::NOTADB) => Error::new(ErrorKind::Corrupt, "the file is not a database, or its start is damaged")
            .with_remedy("Check the path; if it is right, restore the last backup."),
        Some(sqlite::CANTOPEN | sqlite::READONLY | sqlite::PERM) => {
            Error::new(ErrorKind::Config, "the database can't be opened for writing")
                .with_remedy("Check that its directory exists and that this user may write to the directory and the file.")
        }
        Some(_) => Error::new(ErrorKind::Store, "the database failed"),
        None => match &error {
            sqlx::Error::PoolTimedOut => Error::new(ErrorKind::Store, "the database is busy: no connection became free"),
            sqlx::Error::ColumnDecode { .. } | sqlx::Error::Decode(_) => {
                Error::new(ErrorKind::Corrupt, "a stored row can't be read").with_remedy("Restore the last backup.")
            }
            sqlx::Error::Io(_) => Error::new(ErrorKind::Store, "the database's file can't be used"),
            _ => Error::new(ErrorKind::Store, "the database failed"),
        },
    };
    sorted.with_source(error)
}

/// A stored text that doesn't say what it should.
pub(crate) fn corrupt(what: &'static str) -> Error {
    Error::new(ErrorKind::Corrupt, "stored data can't be read")
        .with_context("what", what)
        .with_remedy("Restore the last backup; a newer version of the program may have written it.")
}
