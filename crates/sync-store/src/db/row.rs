//! A row, read by place.

use std::borrow::Cow;

use sync_core::Result;

#[cfg(feature = "sqlite")]
use crate::error::database;
#[cfg(feature = "postgres")]
use crate::{db::postgres::Cell, error::corrupt};

pub(crate) enum Row {
    #[cfg(feature = "sqlite")]
    Sqlite(sqlx::sqlite::SqliteRow),
    /// Decoded already: some texts are not stored as they are.
    #[cfg(feature = "postgres")]
    Postgres(Vec<Cell>),
}

macro_rules! cell {
    ($self:ident, $i:ident, $($pattern:pat => $value:expr),+) => {
        match $self {
            #[cfg(feature = "sqlite")]
            Self::Sqlite(row) => sqlx::Row::try_get(row, $i).map_err(database),
            #[cfg(feature = "postgres")]
            Self::Postgres(cells) => match cells.get($i) {
                $(Some($pattern) => Ok($value),)+
                _ => Err(corrupt("row")),
            },
        }
    };
}

impl Row {
    pub(crate) fn text(&self, i: usize) -> Result<&str> {
        cell!(self, i, Cell::Text(text) => text)
    }

    pub(crate) fn opt_text(&self, i: usize) -> Result<Option<&str>> {
        cell!(self, i, Cell::Text(text) => Some(text), Cell::Null => None)
    }

    /// Rows that were packed into one text, as JSON.
    pub(crate) fn packed(&self, i: usize) -> Result<Option<Cow<'_, str>>> {
        Ok(self.opt_text(i)?.map(|text| match text.contains('\0') {
            // Not as PostgreSQL made it, which can't hold the character, but as JSON spells it.
            true => Cow::Owned(text.replace('\0', "\\u0000")),
            false => Cow::Borrowed(text),
        }))
    }

    pub(crate) fn int(&self, i: usize) -> Result<i64> {
        cell!(self, i, Cell::Int(number) => *number)
    }

    pub(crate) fn opt_int(&self, i: usize) -> Result<Option<i64>> {
        cell!(self, i, Cell::Int(number) => Some(*number), Cell::Null => None)
    }

    pub(crate) fn bytes(&self, i: usize) -> Result<&[u8]> {
        cell!(self, i, Cell::Bytes(bytes) => bytes)
    }

    pub(crate) fn opt_bytes(&self, i: usize) -> Result<Option<Vec<u8>>> {
        cell!(self, i, Cell::Bytes(bytes) => Some(bytes.clone()), Cell::Null => None)
    }
}
