//! Standing items: reads, and what makes them due.

use std::collections::HashMap;

use jiff::Timestamp;
use sync_core::{LocalId, OutcomeKind, QuestionId, ResourceName, Result, RunId, Scope};
use sync_engine::{Due, Item, ItemCount};

use super::{
    SqlStore,
    lease::lock_scope,
    sql::{from_int, from_json, in_order, list, run_id, timestamp, to_int},
};
use crate::db::{Row, query};
use crate::error::{corrupt, database};

macro_rules! select_items {
    () => {
        "select resource, local_id, outcome, natural_key, hash, run, since_ms, attempts, due_ms, needs_grant, question \
         from item where org = $1 and integration = $2 "
    };
}

fn item(row: &Row) -> Result<Item> {
    Ok(Item {
        resource: row.text(0)?.into(),
        local: row.text(1)?.into(),
        outcome: from_json("outcome", row.text(2)?)?,
        key: row.opt_text(3)?.map(str::to_owned),
        hash: row.opt_text(4)?.map(str::parse).transpose().map_err(|_| corrupt("hash"))?,
        run: row.text(5)?.into(),
        since: timestamp(row.int(6)?)?,
        attempts: from_int("item", row.int(7)?)?,
        due: row.opt_int(8)?.map(timestamp).transpose()?,
        needs_grant: row.opt_text(9)?.map(str::to_owned),
        question: row.opt_text(10)?.map(QuestionId::from),
    })
}

/// Each side of the union has an index of its own, which holds all that it asks for; most items are neither due nor wait for
/// anything that came.
const DUE: &str = concat!(
    select_items!(),
    "and resource = $4 and local_id > $5 and local_id in (select local_id from item where org = $1 ",
    "and integration = $2 and resource = $4 and due_ms <= $6 union select local_id from item where org = $1 ",
    "and integration = $2 and resource = $4 and needs_grant in (select value from json_each($7)) ",
    "union select local_id from item where $8 <> 0 and org = $1 and integration = $2 and resource = $4 ",
    "and kind = 'blocked' union select local_id from item where org = $1 and integration = $2 and resource = $4 ",
    "and natural_key in (select natural_key from seen n where n.run_id = ",
    run_id!(),
    " and n.resource = $4 and n.key_hash is not null)) and (run <> $3 or due_ms <= $6 ",
    "or needs_grant in (select value from json_each($7))) order by local_id limit $9"
);

/// Statements of every run, each with the index that must answer it.
#[cfg(test)]
pub(super) const HOT: [(&str, &str); 3] = [(DUE, "item_due"), (DUE, "item_grant"), (DUE, "item_key")];

impl SqlStore {
    pub(super) async fn local_items(
        &self,
        scope: &Scope,
        resource: &ResourceName,
        ids: &[LocalId],
    ) -> Result<Vec<Option<Item>>> {
        const BY_LOCAL: &str =
            concat!(select_items!(), "and resource = $3 and local_id in (select value from json_each($4))");
        let query = query(BY_LOCAL)
            .bind(scope.organization.as_str())
            .bind(scope.integration.as_str())
            .bind(resource.as_str())
            .bind(list(ids));
        let mut found: HashMap<LocalId, Item> = HashMap::new();
        for row in query.fetch_all(self.readers()).await.map_err(database)? {
            let item = item(&row)?;
            found.insert(item.local.clone(), item);
        }
        Ok(in_order(ids.iter(), found))
    }

    pub(super) async fn due_items(
        &self,
        (scope, resource): (&Scope, &ResourceName),
        due: &Due<'_>,
        after: Option<&LocalId>,
        limit: usize,
    ) -> Result<Vec<Item>> {
        let query = query(DUE)
            .bind(scope.organization.as_str())
            .bind(scope.integration.as_str())
            .bind(due.run.as_str())
            .bind(resource.as_str())
            .bind(after.map_or("", LocalId::as_str))
            .bind(due.now.as_millisecond())
            .bind(list(due.grants))
            .bind(i64::from(due.blocked))
            .bind(to_int(limit));
        query.fetch_all(self.readers()).await.map_err(database)?.iter().map(item).collect()
    }

    pub(super) async fn page_of_items(
        &self,
        scope: &Scope,
        after: Option<(&ResourceName, &LocalId)>,
        limit: usize,
    ) -> Result<Vec<Item>> {
        const PAGE: &str =
            concat!(select_items!(), "and (resource, local_id) > ($3, $4) order by resource, local_id limit $5");
        let (resource, local) = after.map_or(("", ""), |(resource, local)| (resource.as_str(), local.as_str()));
        let query = query(PAGE)
            .bind(scope.organization.as_str())
            .bind(scope.integration.as_str())
            .bind(resource)
            .bind(local)
            .bind(to_int(limit));
        query.fetch_all(self.readers()).await.map_err(database)?.iter().map(item).collect()
    }

    pub(super) async fn counts_of_items(&self, scope: &Scope, since_run: Option<&RunId>) -> Result<Vec<ItemCount>> {
        const COUNTS: &str = "select kind, code, count(*) from item where org = $1 and integration = $2 \
            and ($3 is null or run = $3) group by kind, code";
        let query = query(COUNTS)
            .bind(scope.organization.as_str())
            .bind(scope.integration.as_str())
            .bind(since_run.map(RunId::as_str));
        let count = |row: &Row| {
            Ok(ItemCount {
                kind: OutcomeKind::parse(row.text(0)?).ok_or_else(|| corrupt("item"))?,
                code: row.text(1)?.to_owned(),
                count: from_int("count", row.int(2)?)?,
            })
        };
        let rows = query.fetch_all(self.readers()).await.map_err(database)?;
        let mut counts = rows.iter().map(count).collect::<Result<Vec<_>>>()?;
        counts.sort_by(|a, b| (a.kind, &a.code).cmp(&(b.kind, &b.code)));
        Ok(counts)
    }

    pub(super) async fn retry_failed(&self, scope: &Scope, ids: Option<&[LocalId]>, now: Timestamp) -> Result<u64> {
        const RETRY: &str = "update item set due_ms = $3 where org = $1 and integration = $2 \
            and case when $4 is null then kind = 'failed' else kind in ('failed', 'skipped', 'blocked') \
            and local_id in (select value from json_each($4)) end";
        let mut tx = self.begin().await?;
        lock_scope(&mut tx, scope).await?;
        let query = query(RETRY)
            .bind(scope.organization.as_str())
            .bind(scope.integration.as_str())
            .bind(now.as_millisecond())
            .bind(ids.map(list));
        let n_items = query.execute(&mut tx).await.map_err(database)?;
        tx.commit().await?;
        Ok(n_items)
    }
}
