//! What a database's complaint means to the caller.

use sync_core::{Error, ErrorKind};

/// Sorts a failure of the database.
pub(crate) fn database(error: sqlx::Error) -> Error {
    match error {
        #[cfg(feature = "postgres")]
        sqlx::Error::Database(error) if error.try_downcast_ref::<sqlx::postgres::PgDatabaseError>().is_some() => {
            postgres::failure(&*error)
        }
        #[cfg(feature = "sqlite")]
        sqlx::Error::Database(ref failure) => sqlite::failure(&**failure).with_source(error),
        sqlx::Error::PoolTimedOut => Error::new(ErrorKind::Store, "the database is busy: no connection became free")
            .with_remedy("Try again; if it stays so, allow more connections or run fewer processes."),
        sqlx::Error::ColumnDecode { .. } | sqlx::Error::Decode(_) => {
            Error::new(ErrorKind::Corrupt, "a stored row can't be read").with_remedy("Restore the last backup.")
        }
        // On SQLite a file's, on PostgreSQL a connection's.
        sqlx::Error::Io(_) | sqlx::Error::WorkerCrashed => {
            Error::new(ErrorKind::Store, "the database can't be reached: whether the last write was made is not known")
                .with_remedy(
                    "Nothing is lost: try again when the database is back. The next run goes on from what is stored.",
                )
                .with_source(error)
        }
        sqlx::Error::Tls(_) => Error::new(ErrorKind::Config, "no safe connection to the database can be made")
            .with_remedy("Check sslmode and the server's certificate; the features `rustls` and `native-tls` bring TLS.")
            .with_source(error),
        _ => Error::new(ErrorKind::Store, "the database failed").with_source(error),
    }
}

#[cfg(feature = "sqlite")]
mod sqlite {
    use sqlx::error::DatabaseError;
    use sync_core::{Error, ErrorKind};

    // Primary result codes. Source: <https://www.sqlite.org/rescode.html>.
    const PERM: u32 = 3;
    const BUSY: u32 = 5;
    const LOCKED: u32 = 6;
    const READONLY: u32 = 8;
    const CORRUPT: u32 = 11;
    const FULL: u32 = 13;
    const CANTOPEN: u32 = 14;
    const NOTADB: u32 = 26;

    pub(super) fn failure(error: &dyn DatabaseError) -> Error {
        let code = error.code().and_then(|code| code.parse::<u32>().ok());
        // Extended codes hold the primary one in their lowest byte.
        match code.map(|code| code & 0xff) {
            Some(BUSY | LOCKED) => Error::new(ErrorKind::Store, "the database is locked by another program")
                .with_remedy("Wait until the other program is done, or end it; then try again."),
            Some(FULL) => Error::new(ErrorKind::Store, "the disk is full: nothing was written")
                .with_remedy("Free some space on the database's disk, then try again."),
            Some(CORRUPT) => Error::new(ErrorKind::Corrupt, "the database is damaged")
                .with_remedy("Stop writing to it, keep a copy, and restore the last backup."),
            Some(NOTADB) => Error::new(ErrorKind::Corrupt, "the file is not a database, or its start is damaged")
                .with_remedy("Check the path; if it is right, restore the last backup."),
            Some(CANTOPEN | READONLY | PERM) => Error::new(ErrorKind::Config, "the database can't be opened for writing")
                .with_remedy("Check that its directory exists and that this user may write to the directory and the file."),
            _ => Error::new(ErrorKind::Store, "the database failed"),
        }
    }
}

#[cfg(feature = "postgres")]
mod postgres {
    use sqlx::error::DatabaseError;
    use sync_core::{Error, ErrorKind};

    /// Sorts by class and code. Source: <https://www.postgresql.org/docs/current/errcodes-appendix.html>. The server's own
    /// words are left out: they quote values.
    pub(super) fn failure(error: &dyn DatabaseError) -> Error {
        let code = error.code().unwrap_or_default().into_owned();
        let sorted = match code.as_str() {
            "40001" | "40P01" => Error::new(ErrorKind::Store, "the database gave way to another write: nothing was written")
                .with_remedy("Try again."),
            "55P03" | "57014" => {
                Error::new(ErrorKind::Store, "the database is locked by another program: nothing was written")
                    .with_remedy("Try again; if it stays so, look for a transaction that does not end.")
            }
            "53100" | "53200" => Error::new(ErrorKind::Store, "the database's disk or memory is full: nothing was written")
                .with_remedy("Free some space on the database's server, then try again."),
            "53300" => Error::new(ErrorKind::Store, "the database has no connection left")
                .with_remedy("Allow more connections on the server, fewer for each process, or run fewer processes."),
            "25006" | "42501" => Error::new(ErrorKind::Config, "the database can't be written to by this user").with_remedy(
                "Grant the user the right to create and to use the schema and its tables, on the primary server.",
            ),
            "3D000" => Error::new(ErrorKind::Config, "there is no such database")
                .with_remedy("Check the address, or create the database first."),
            code if code.starts_with("28") => Error::new(ErrorKind::Config, "the database refused the sign-in")
                .with_remedy("Check user, password and the server's pg_hba.conf."),
            code if code.starts_with("57P") || code.starts_with("08") => Error::new(
                ErrorKind::Store,
                "the database ended the connection: whether the last write was made is not known",
            )
            .with_remedy("Nothing is lost: try again. The next run goes on from what is stored."),
            code if code.starts_with("XX") => Error::new(ErrorKind::Corrupt, "the database is damaged")
                .with_remedy("Stop writing to it, keep a copy, and restore the last backup."),
            _ => Error::new(ErrorKind::Store, "the database failed"),
        };
        let sorted = sorted.with_context("sqlstate", code);
        match error.constraint() {
            Some(constraint) => sorted.with_context("constraint", constraint),
            None => sorted,
        }
    }
}

/// A stored text that doesn't say what it should.
pub(crate) fn corrupt(what: &'static str) -> Error {
    Error::new(ErrorKind::Corrupt, "stored data can't be read")
        .with_context("what", what)
        .with_remedy("Restore the last backup; a newer version of the program may have written it.")
}
