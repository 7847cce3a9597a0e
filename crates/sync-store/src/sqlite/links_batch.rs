//! Links: writes of a commit, gathered into few statements.

use std::{
    collections::{HashMap, HashSet},
    hash::{DefaultHasher, Hash, Hasher},
};

use sqlx::SqliteConnection;
use sync_core::{AccountId, CallKey, ContainerId, Error, ErrorKind, LocalId, RemoteId, ResourceName, Result, Role, Scope};
use sync_engine::Link;

use super::{
    links::state_number,
    sql::{Columns, Insert, Values, short_hash, to_json},
};
use crate::error::database;

macro_rules! put {
    () => {
        "insert into link (set_id, local_id, role, container, remote_id, remote_hash, state, natural_key, key_hash, hash, \
         call_key, has_base)"
    };
}
macro_rules! replace {
    () => {
        "on conflict (set_id, local_id, role) do update set container = excluded.container, \
         remote_id = excluded.remote_id, remote_hash = excluded.remote_hash, state = excluded.state, \
         natural_key = excluded.natural_key, key_hash = excluded.key_hash, hash = excluded.hash, \
         call_key = excluded.call_key, has_base = excluded.has_base"
    };
}

const N_VALUES: usize = 12;
const PUT: Insert = Insert { head: put!(), n_values: N_VALUES, tail: replace!() };
/// Replaces those that are gone or removed alone: 2 and 3.
const OPEN: Insert = Insert { head: put!(), n_values: N_VALUES, tail: concat!(replace!(), " where link.state in (2, 3)") };
const BASES: Insert = Insert {
    head: "insert into link_base (id, body) select l.id, v.column4 from (",
    n_values: 4,
    tail: ") v cross join link l where l.set_id = v.column1 and l.local_id = v.column2 and l.role = v.column3 \
        on conflict (id) do update set body = excluded.body",
};

/// Changes of links, none of which concerns the same link as another; so their order among themselves doesn't matter.
#[derive(Default)]
pub(super) struct Links {
    sets: HashMap<(AccountId, ResourceName), i64>,
    touched: HashSet<u64>,
    opened: Vec<(i64, Link)>,
    put: Vec<(i64, Link)>,
    dropped: Vec<(i64, LocalId, Role)>,
}

impl Links {
    pub(super) async fn open(&mut self, conn: &mut SqliteConnection, scope: &Scope, link: Link) -> Result<()> {
        let set = self.set(conn, scope, &link.account, &link.resource).await?;
        self.touch(conn, (set, &link.local, &link.role)).await?;
        self.opened.push((set, link));
        Ok(())
    }

    pub(super) async fn put(&mut self, conn: &mut SqliteConnection, scope: &Scope, link: Link) -> Result<()> {
        let set = self.set(conn, scope, &link.account, &link.resource).await?;
        self.touch(conn, (set, &link.local, &link.role)).await?;
        self.put.push((set, link));
        Ok(())
    }

    pub(super) async fn drop(
        &mut self,
        conn: &mut SqliteConnection,
        scope: &Scope,
        (account, resource, role, local): (AccountId, ResourceName, Role, LocalId),
    ) -> Result<()> {
        let set = self.set(conn, scope, &account, &resource).await?;
        self.touch(conn, (set, &local, &role)).await?;
        self.dropped.push((set, local, role));
        Ok(())
    }

    /// The number of what a link belongs to, which is given where it has none yet.
    async fn set(
        &mut self,
        conn: &mut SqliteConnection,
        scope: &Scope,
        account: &AccountId,
        resource: &ResourceName,
    ) -> Result<i64> {
        const NUMBER: &str = "insert into link_set (org, integration, account, resource) values ($1, $2, $3, $4) \
            on conflict (org, integration, account, resource) do update set account = excluded.account returning id";
        // Commits name few sets, mostly one: a look at all is cheaper than a key.
        let known = self.sets.iter().find(|((of, kind), _)| of == account && kind == resource);
        if let Some((_, set)) = known {
            return Ok(*set);
        }
        let query = sqlx::query(NUMBER)
            .bind(scope.organization.as_str())
            .bind(scope.integration.as_str())
            .bind(account.as_str())
            .bind(resource.as_str());
        let set = query.fetch_one(conn).await.map_err(database)?.int(0)?;
        self.sets.insert((account.clone(), resource.clone()), set);
        Ok(set)
    }

    /// Writes what was gathered before a second change of one link joins it. Two links with one hash cost a flush too many.
    async fn touch(&mut self, conn: &mut SqliteConnection, key: impl Hash) -> Result<()> {
        let mut hasher = DefaultHasher::new();
        key.hash(&mut hasher);
        let hash = hasher.finish();
        if !self.touched.insert(hash) {
            self.flush(conn).await?;
            self.touched.insert(hash);
        }
        Ok(())
    }

    pub(super) async fn flush(&mut self, conn: &mut SqliteConnection) -> Result<()> {
        const DROP: [&str; 2] = [
            "delete from link_base where id in (select l.id from json_each($1) e cross join link l \
             where l.set_id = e.value ->> 0 and l.local_id = e.value ->> 1 and l.role = e.value ->> 2)",
            "delete from link where (set_id, local_id, role) in \
             (select value ->> 0, value ->> 1, value ->> 2 from json_each($1))",
        ];
        self.touched.clear();
        let opened = std::mem::take(&mut self.opened);
        if OPEN.rows(&mut *conn, &opened, bind).await? != opened.len() as u64 {
            return Err(taken(conn, &opened).await?);
        }
        let put = std::mem::take(&mut self.put);
        PUT.rows(&mut *conn, &put, bind).await?;
        let based: Vec<&(i64, Link)> = opened.iter().chain(&put).filter(|(_, link)| link.base.is_some()).collect();
        let bind = |(set, link): &&(i64, Link), values: &mut Values| {
            let base = link.base.as_ref().map(to_json).transpose()?;
            values.int(*set).text(link.local.as_str()).text(link.role.as_str()).opt_text(base);
            Ok(())
        };
        BASES.rows(&mut *conn, &based, bind).await?;
        let dropped = std::mem::take(&mut self.dropped);
        for sql in DROP.into_iter().filter(|_| !dropped.is_empty()) {
            sqlx::query(sql).bind(to_json(&dropped)?).execute(&mut *conn).await.map_err(database)?;
        }
        Ok(())
    }
}

fn bind((set, link): &(i64, Link), values: &mut Values) -> Result<()> {
    let (remote, key) = (link.remote.as_ref().map(RemoteId::as_str), link.key.as_deref());
    values
        .int(*set)
        .text(link.local.as_str())
        .text(link.role.as_str())
        .opt_text(link.container.as_ref().map(ContainerId::as_str))
        .opt_text(remote)
        .opt_int(remote.map(short_hash))
        .int(state_number(link.state))
        .opt_text(key)
        .opt_int(key.map(short_hash))
        .opt_text(link.hash.map(|hash| hash.to_string()))
        .opt_text(link.call.as_ref().map(CallKey::as_str))
        .int(i64::from(link.base.is_some()));
    Ok(())
}

/// Names the first link that was there already. The batch's own rows are in place by now, and carry its call keys.
async fn taken(conn: &mut SqliteConnection, opened: &[(i64, Link)]) -> Result<Error> {
    const STORED: &str = "select state, call_key, remote_id from link where set_id = $1 and local_id = $2 and role = $3";
    let error = Error::new(ErrorKind::Taken, "this record has a counterpart already, or a create on its way");
    for (set, link) in opened {
        let query = sqlx::query(STORED).bind(set).bind(link.local.as_str()).bind(link.role.as_str());
        let row = query.fetch_one(&mut *conn).await.map_err(database)?;
        let ours = row.int(0)? == state_number(link.state)
            && row.opt_text(1)? == link.call.as_ref().map(CallKey::as_str)
            && row.opt_text(2)? == link.remote.as_ref().map(RemoteId::as_str);
        if !ours {
            return Ok(error.with_context("resource", &link.resource).with_context("local", &link.local));
        }
    }
    Ok(error)
}
