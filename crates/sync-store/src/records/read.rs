//! The reading side.

use std::collections::HashMap;

use async_trait::async_trait;
use sync_core::{
    Collection, Cursor, Error, ErrorKind, FieldSet, Local, LocalFrom, LocalId, LocalNext, LocalPage, LocalState,
    OrganizationId, PageToken, Record, Records, Result, Version,
};

use super::{EmbeddedRecords, subset::fields_of};
use crate::db::{Row, query};
use crate::{
    error::database,
    store::sql::{in_order, list, to_int},
};

/// Where a listing stands.
enum Place {
    /// All records, after an id. What changes meanwhile has a higher number than `since`, the highest when it began.
    All { since: i64, after: String },
    /// Changes, after a number.
    Changes { since: i64 },
}

impl Place {
    fn token(&self) -> PageToken {
        PageToken::new(match self {
            Self::All { since, after } => format!("all:{since}:{after}"),
            Self::Changes { since } => format!("changes:{since}"),
        })
    }

    fn of_token(token: &PageToken) -> Result<Self> {
        let place = match token.as_str().split_once(':') {
            Some(("all", rest)) => rest
                .split_once(':')
                .and_then(|(since, after)| Some(Self::All { since: since.parse().ok()?, after: after.to_owned() })),
            Some(("changes", since)) => since.parse().ok().map(|since| Self::Changes { since }),
            _ => None,
        };
        place.ok_or_else(|| Error::new(ErrorKind::Invalid, "this page token is not one of these records'"))
    }
}

fn local(row: &Row, fields: &FieldSet) -> Result<Local> {
    let state = if row.int(2)? == 0 { LocalState::Live(fields_of(row.text(3)?, fields)?) } else { LocalState::Deleted };
    Ok(Local { id: row.text(0)?.into(), version: Some(Version::new(row.int(1)?.to_string())), state })
}

impl EmbeddedRecords {
    async fn last_seq(&self, organization: &OrganizationId) -> Result<i64> {
        let query = query("select last from record_seq where org = $1").bind(organization.as_str());
        let row = query.fetch_optional(self.store.readers()).await.map_err(database)?;
        Ok(row.map(|row| row.int(0)).transpose()?.unwrap_or(0))
    }

    async fn place(&self, organization: &OrganizationId, from: LocalFrom<'_>) -> Result<Place> {
        match from {
            LocalFrom::Start => Ok(Place::All { since: self.last_seq(organization).await?, after: String::new() }),
            LocalFrom::Page(token) => Place::of_token(token),
            LocalFrom::Cursor(cursor) => {
                let since = cursor.as_str().parse::<i64>().ok();
                let last = self.last_seq(organization).await?;
                // A number beyond the last one comes from before a restored backup.
                let since = since
                    .filter(|since| (0..=last).contains(since))
                    .ok_or_else(|| Error::new(ErrorKind::CursorExpired, "this cursor is not one of these records'"))?;
                Ok(Place::Changes { since })
            }
        }
    }
}

#[async_trait]
impl Records for EmbeddedRecords {
    async fn changes(
        &self,
        organization: &OrganizationId,
        of: &Collection,
        fields: &FieldSet,
        from: LocalFrom<'_>,
        limit: usize,
    ) -> Result<LocalPage> {
        const ALL: &str = "select id, version, deleted, fields, seq from record where org = $1 and collection = $2 \
            and deleted = 0 and id > $3 order by id limit $4";
        const CHANGES: &str = "select id, version, deleted, fields, seq from record where org = $1 and collection = $2 \
            and seq > $3 order by seq limit $4";
        let limit = limit.max(1);
        let place = self.place(organization, from).await?;
        let query = match &place {
            Place::All { after, .. } => {
                query(ALL).bind(organization.as_str()).bind(of.as_str()).bind(after.as_str()).bind(to_int(limit))
            }
            Place::Changes { since } => {
                query(CHANGES).bind(organization.as_str()).bind(of.as_str()).bind(*since).bind(to_int(limit))
            }
        };
        let rows = query.fetch_all(self.store.readers()).await.map_err(database)?;
        let place = match (place, rows.last()) {
            (Place::All { since, .. }, Some(last)) => Place::All { since, after: last.text(0)?.to_owned() },
            (Place::Changes { .. }, Some(last)) => Place::Changes { since: last.int(4)? },
            (place, None) => place,
        };
        let next = match &place {
            _ if rows.len() == limit => LocalNext::More(place.token()),
            Place::All { since, .. } | Place::Changes { since } => LocalNext::Done(Some(Cursor::new(since.to_string()))),
        };
        Ok(LocalPage { items: rows.iter().map(|row| local(row, fields)).collect::<Result<_>>()?, next })
    }

    async fn read(
        &self,
        organization: &OrganizationId,
        of: &Collection,
        fields: &FieldSet,
        ids: &[LocalId],
    ) -> Result<Vec<Local>> {
        const READ: &str = "select id, version, deleted, fields from record where org = $1 and collection = $2 \
            and id in (select value from json_each($3))";
        let query = query(READ).bind(organization.as_str()).bind(of.as_str()).bind(list(ids));
        let mut found: HashMap<LocalId, Local> = HashMap::new();
        for row in query.fetch_all(self.store.readers()).await.map_err(database)? {
            let local = local(&row, fields)?;
            found.insert(local.id.clone(), local);
        }
        let missing = |id: &LocalId| Local { id: id.clone(), version: None, state: LocalState::Deleted };
        let found = in_order(ids.iter(), found).into_iter().zip(ids);
        Ok(found.map(|(local, id)| local.unwrap_or_else(|| missing(id))).collect())
    }

    async fn labels(&self, organization: &OrganizationId, of: &Collection, ids: &[LocalId]) -> Result<Vec<Option<String>>> {
        let fields = NAMES.into_iter().map(Into::into).collect();
        let records = self.read(organization, of, &fields, ids).await?;
        let label = |local: Local| match local.state {
            LocalState::Live(record) => name(&record).map(|name| format!("{name} ({})", local.id)),
            _ => None,
        };
        Ok(records.into_iter().map(label).collect())
    }
}

/// Fields that a record is called by.
const NAMES: [&str; 7] = ["name", "first_name", "last_name", "title", "number", "company", "email"];

fn name(record: &Record) -> Option<String> {
    let person = ["first_name", "last_name"].into_iter().filter_map(|field| record.text(field)).collect::<Vec<_>>();
    let first = |fields: &[&str]| fields.iter().find_map(|field| record.text(field)).map(str::to_owned);
    first(&["name"])
        .or_else(|| (!person.is_empty()).then(|| person.join(" ")))
        .or_else(|| first(&["title", "number", "company", "email"]))
}
