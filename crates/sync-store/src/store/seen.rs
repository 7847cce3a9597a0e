//! What a feed showed in a run.

use std::collections::{HashMap, HashSet};

use sync_core::{ContainerId, Remote, RemoteId, ResourceName, Result, RunId, Scope};
use sync_engine::{Lease, Mark, Seen};

use super::{
    MAX_SEQ, SqlStore,
    as_agreed::{self, Bits},
    number_run,
    plan::{of_run, run_number},
    plan_id,
    sql::{from_json, in_order, list, run_id, short_hash, short_hashes, to_int, to_json},
};
use crate::db::{Insert, Row, Values, query};
use crate::error::database;

/// Later rows replace earlier ones of the same record in the same container, whatever they say. No body: it is gone.
const PUT: Insert = Insert {
    head: "insert into seen (run_id, resource, remote_id, container, natural_key, key_hash, body)",
    n_values: 7,
    tail: "on conflict (run_id, resource, remote_id, container) do update set natural_key = excluded.natural_key, \
        key_hash = excluded.key_hash, body = excluded.body",
};

const BY_KEY: &str = concat!(
    "select natural_key, body from seen n where run_id = ",
    run_id!(),
    " and resource = $4 and container = $5 and key_hash in (select value from json_each($7)) ",
    "and natural_key in (select value from json_each($6)) order by natural_key, remote_id"
);

const BY_REMOTE: &str = concat!(
    "select remote_id, body from seen n where run_id = ",
    run_id!(),
    " and resource = $4 and remote_id in (select value from json_each($6)) and container = $5 and body is not null"
);

const GONE: &str = concat!(
    "select remote_id, container from seen n where run_id = ",
    run_id!(),
    " and resource = $4 and body is null and (remote_id, container) > ($5, $6) order by remote_id, container limit $7"
);

/// Statements of every page of a run, each with the index that must answer it.
#[cfg(test)]
pub(super) const HOT: [(&str, &str); 3] =
    [(BY_KEY, "seen_key"), (BY_REMOTE, "sqlite_autoindex_seen_1"), (GONE, "seen_gone")];

/// A container as it is stored.
pub(super) fn of_container(container: Option<&ContainerId>) -> &str {
    container.map_or("", ContainerId::as_str)
}

impl SqlStore {
    pub(super) async fn add_seen(&self, lease: &Lease, run: &RunId, rows: &[Seen]) -> Result<()> {
        let mut tx = self.begin_leased(lease).await?;
        let number = number_run(&mut tx, &lease.scope, run).await?;
        // One row for each record in one statement: the last one said.
        let mut known = HashSet::new();
        let last = rows.iter().rev();
        let mut last: Vec<&Seen> =
            last.filter(|row| known.insert((&row.remote.resource, &row.remote.id, row.remote.container.as_ref()))).collect();
        last.reverse();
        let bind = |row: &&Seen, values: &mut Values| {
            values
                .int(number)
                .text(row.remote.resource.as_str())
                .text(row.remote.id.as_str())
                .text(of_container(row.remote.container.as_ref()))
                .opt_text(row.key.as_deref())
                .opt_int(row.key.as_deref().map(short_hash))
                .text(to_json(&row.remote)?);
            Ok(())
        };
        PUT.rows(&mut tx, &last, bind).await?;
        tx.commit().await
    }

    pub(super) async fn add_marks(
        &self,
        lease: &Lease,
        run: &RunId,
        (resource, container): (&ResourceName, Option<&ContainerId>),
        ids: &[RemoteId],
        mark: Mark,
    ) -> Result<()> {
        const FORGET: &str = "delete from seen where run_id = $1 and resource = $2 and container = $3 \
            and remote_id in (select value from json_each($4))";
        let mut tx = self.begin_leased(lease).await?;
        let number = number_run(&mut tx, &lease.scope, run).await?;
        let mut ids: Vec<&RemoteId> = ids.iter().collect();
        ids.sort_unstable();
        ids.dedup();
        let links = as_agreed::links_at(&mut tx, &lease.scope, (resource, container), &ids).await?;
        let mut bits = Bits::of(&mut tx, number, &links).await?;
        match mark {
            Mark::AsAgreed => links.into_iter().try_for_each(|link| bits.set(link))?,
            Mark::Gone => links.into_iter().try_for_each(|link| bits.clear(link))?,
        }
        bits.write(&mut tx).await?;
        if mark == Mark::AsAgreed {
            let query = query(FORGET).bind(number).bind(resource.as_str()).bind(of_container(container));
            query.bind(list(&ids)).execute(&mut tx).await.map_err(database)?;
        } else {
            let bind = |id: &&RemoteId, values: &mut Values| {
                values.int(number).text(resource.as_str()).text(id.as_str()).text(of_container(container));
                values.opt_text(None::<&str>).opt_int(None).opt_text(None::<&str>);
                Ok(())
            };
            PUT.rows(&mut tx, &ids, bind).await?;
        }
        tx.commit().await
    }

    pub(super) async fn drop_scratch(&self, lease: &Lease, run: &RunId, plan: bool) -> Result<()> {
        const SEEN: &str = concat!("delete from seen where run_id = ", run_id!());
        const PLAN: [&str; 2] = [
            concat!("delete from plan_group where run_id = ", run_id!()),
            concat!("delete from plan_spec where run_id = ", run_id!()),
        ];
        const AS_AGREED: &str = "delete from as_agreed where id between $1 and $2";
        const NUMBERED: [&str; 3] = [
            "delete from plan_states where id between $1 and $2",
            "delete from plan_body where id between $1 and $2",
            "delete from plan_op where id between $1 and $2",
        ];
        let mut tx = self.begin_leased(lease).await?;
        for sql in std::iter::once(SEEN).chain(PLAN.into_iter().filter(|_| plan)) {
            of_run(sql, &lease.scope, run).execute(&mut tx).await.map_err(database)?;
        }
        if let Some(run) = run_number(&mut tx, &lease.scope, run).await? {
            for sql in std::iter::once(AS_AGREED).chain(NUMBERED.into_iter().filter(|_| plan)) {
                let query = query(sql).bind(plan_id(run, 0)).bind(plan_id(run, MAX_SEQ));
                query.execute(&mut tx).await.map_err(database)?;
            }
        }
        tx.commit().await
    }

    pub(super) async fn seen_with_keys(
        &self,
        (scope, run): (&Scope, &RunId),
        resource: &ResourceName,
        container: Option<&ContainerId>,
        keys: &[String],
    ) -> Result<Vec<Vec<Remote>>> {
        let query = of_run(BY_KEY, scope, run)
            .bind(resource.as_str())
            .bind(of_container(container).to_owned())
            .bind(list(keys))
            .bind(short_hashes(keys));
        let mut found: HashMap<String, Vec<Remote>> = HashMap::new();
        for row in query.fetch_all(self.readers()).await.map_err(database)? {
            found.entry(row.text(0)?.to_owned()).or_default().push(from_json("seen", row.text(1)?)?);
        }
        Ok(in_order(keys.iter(), found).into_iter().map(Option::unwrap_or_default).collect())
    }

    pub(super) async fn seen_with_ids(
        &self,
        (scope, run): (&Scope, &RunId),
        resource: &ResourceName,
        container: Option<&ContainerId>,
        ids: &[RemoteId],
    ) -> Result<Vec<Option<Remote>>> {
        let query = of_run(BY_REMOTE, scope, run).bind(resource.as_str()).bind(of_container(container)).bind(list(ids));
        let mut found: HashMap<RemoteId, Remote> = HashMap::with_capacity(ids.len());
        for row in query.fetch_all(self.readers()).await.map_err(database)? {
            found.insert(row.text(0)?.into(), from_json("seen", row.text(1)?)?);
        }
        Ok(in_order(ids.iter(), found))
    }

    pub(super) async fn page_of_gone(
        &self,
        (scope, run): (&Scope, &RunId),
        resource: &ResourceName,
        after: Option<(&RemoteId, Option<&ContainerId>)>,
        limit: usize,
    ) -> Result<Vec<(RemoteId, Option<ContainerId>)>> {
        let (id, container) = after.map_or(("", ""), |(id, container)| (id.as_str(), of_container(container)));
        let query = of_run(GONE, scope, run).bind(resource.as_str()).bind(id).bind(container).bind(to_int(limit));
        let gone = |row: &Row| {
            let container = row.text(1)?;
            Ok((row.text(0)?.into(), (!container.is_empty()).then(|| container.into())))
        };
        query.fetch_all(self.readers()).await.map_err(database)?.iter().map(gone).collect()
    }

    pub(super) async fn page_of_seen(
        &self,
        scope: &Scope,
        run: &RunId,
        after: Option<(&ResourceName, &RemoteId)>,
        limit: usize,
    ) -> Result<Vec<Remote>> {
        // All containers of the last id belong to the page, since the next one starts after the id.
        const PAGE: &str = concat!(
            "with page as (select resource, remote_id from seen where run_id = ",
            run_id!(),
            " and body is not null and (resource, remote_id) > ($4, $5) order by resource, remote_id limit $6) ",
            "select body from seen where run_id = ",
            run_id!(),
            " and body is not null and (resource, remote_id) in (select resource, remote_id from page) ",
            "order by resource, remote_id, container"
        );
        let (resource, id) = after.map_or(("", ""), |(resource, id)| (resource.as_str(), id.as_str()));
        let query = of_run(PAGE, scope, run).bind(resource).bind(id).bind(to_int(limit));
        let rows = query.fetch_all(self.readers()).await.map_err(database)?;
        rows.iter().map(|row| from_json("seen", row.text(0)?)).collect()
    }
}
