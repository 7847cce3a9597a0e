//! Links: writes of a commit, gathered into few statements.

use std::{
    collections::HashSet,
    hash::{DefaultHasher, Hash, Hasher},
};

use sqlx::SqliteConnection;
use sync_core::{AccountId, CallKey, ContainerId, Error, ErrorKind, LocalId, RemoteId, ResourceName, Result, Role, Scope};
use sync_engine::Link;

use super::{
    links::state_number,
    sql::{Columns, Insert, Values, to_json},
};
use crate::error::database;

macro_rules! put {
    () => {
        "insert into link (org, integration, account, resource, role, local_id, container, remote_id, state, natural_key, \
         hash, call_key, base)"
    };
}
macro_rules! replace {
    () => {
        "on conflict (org, integration, account, resource, local_id, role) do update set container = excluded.container, \
         remote_id = excluded.remote_id, state = excluded.state, natural_key = excluded.natural_key, hash = excluded.hash, \
         call_key = excluded.call_key, base = excluded.base"
    };
}

const N_VALUES: usize = 13;
const PUT: Insert = Insert { head: put!(), n_values: N_VALUES, tail: replace!() };
/// Replaces those that are gone or removed alone: 2 and 3.
const OPEN: Insert = Insert { head: put!(), n_values: N_VALUES, tail: concat!(replace!(), " where link.state in (2, 3)") };

/// Changes of links, none of which concerns the same link as another; so their order among themselves doesn't matter.
#[derive(Default)]
pub(super) struct Links {
    touched: HashSet<u64>,
    opened: Vec<Link>,
    put: Vec<Link>,
    dropped: Vec<[String; 4]>,
}

impl Links {
    pub(super) async fn open(&mut self, conn: &mut SqliteConnection, scope: &Scope, link: Link) -> Result<()> {
        self.touch(conn, scope, (&link.account, &link.resource, &link.role, &link.local)).await?;
        self.opened.push(link);
        Ok(())
    }

    pub(super) async fn put(&mut self, conn: &mut SqliteConnection, scope: &Scope, link: Link) -> Result<()> {
        self.touch(conn, scope, (&link.account, &link.resource, &link.role, &link.local)).await?;
        self.put.push(link);
        Ok(())
    }

    pub(super) async fn drop(
        &mut self,
        conn: &mut SqliteConnection,
        scope: &Scope,
        key: (AccountId, ResourceName, Role, LocalId),
    ) -> Result<()> {
        self.touch(conn, scope, (&key.0, &key.1, &key.2, &key.3)).await?;
        self.dropped.push([key.0.to_string(), key.1.to_string(), key.2.to_string(), key.3.to_string()]);
        Ok(())
    }

    /// Writes what was gathered before a second change of one link joins it. Two links with one hash cost a flush too many.
    async fn touch(&mut self, conn: &mut SqliteConnection, scope: &Scope, key: impl Hash) -> Result<()> {
        let mut hasher = DefaultHasher::new();
        key.hash(&mut hasher);
        let hash = hasher.finish();
        if !self.touched.insert(hash) {
            self.flush(conn, scope).await?;
            self.touched.insert(hash);
        }
        Ok(())
    }

    pub(super) async fn flush(&mut self, conn: &mut SqliteConnection, scope: &Scope) -> Result<()> {
        const DROP: &str = "delete from link where org = $1 and integration = $2 and (account, resource, role, local_id) in \
            (select value ->> 0, value ->> 1, value ->> 2, value ->> 3 from json_each($3))";
        let batch = std::mem::take(self);
        let bind = |link: &Link, values: &mut Values| bind(scope, link, values);
        if OPEN.rows(&mut *conn, &batch.opened, bind).await? != batch.opened.len() as u64 {
            return Err(taken(conn, scope, &batch.opened).await?);
        }
        PUT.rows(&mut *conn, &batch.put, bind).await?;
        if !batch.dropped.is_empty() {
            let query = sqlx::query(DROP).bind(scope.organization.as_str()).bind(scope.integration.as_str());
            query.bind(to_json(&batch.dropped)?).execute(conn).await.map_err(database)?;
        }
        Ok(())
    }
}

fn bind(scope: &Scope, link: &Link, values: &mut Values) -> Result<()> {
    let base = link.base.as_ref().map(to_json).transpose()?;
    values
        .text(scope.organization.as_str())
        .text(scope.integration.as_str())
        .text(link.account.as_str())
        .text(link.resource.as_str())
        .text(link.role.as_str())
        .text(link.local.as_str())
        .opt_text(link.container.as_ref().map(ContainerId::as_str))
        .opt_text(link.remote.as_ref().map(RemoteId::as_str))
        .int(state_number(link.state))
        .opt_text(link.key.as_deref())
        .opt_text(link.hash.map(|hash| hash.to_string()))
        .opt_text(link.call.as_ref().map(CallKey::as_str))
        .opt_text(base);
    Ok(())
}

/// Names the first link that was there already. The batch's own rows are in place by now, and carry its call keys.
async fn taken(conn: &mut SqliteConnection, scope: &Scope, opened: &[Link]) -> Result<Error> {
    const STORED: &str = "select state, call_key, remote_id from link where org = $1 and integration = $2 \
        and account = $3 and resource = $4 and role = $5 and local_id = $6";
    let error = Error::new(ErrorKind::Taken, "this record has a counterpart already, or a create on its way");
    for link in opened {
        let row = sqlx::query(STORED)
            .bind(scope.organization.as_str())
            .bind(scope.integration.as_str())
            .bind(link.account.as_str())
            .bind(link.resource.as_str())
            .bind(link.role.as_str())
            .bind(link.local.as_str())
            .fetch_one(&mut *conn)
            .await
            .map_err(database)?;
        let ours = row.int(0)? == state_number(link.state)
            && row.opt_text(1)? == link.call.as_ref().map(CallKey::as_str)
            && row.opt_text(2)? == link.remote.as_ref().map(RemoteId::as_str);
        if !ours {
            return Ok(error.with_context("resource", &link.resource).with_context("local", &link.local));
        }
    }
    Ok(error)
}
