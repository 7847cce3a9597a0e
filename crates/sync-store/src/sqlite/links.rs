//! Links: reads.

use std::collections::HashMap;

use sqlx::{Sqlite, query::Query, sqlite::SqliteArguments, sqlite::SqliteRow};
use sync_core::{AccountId, CallKey, ContainerId, LocalId, RemoteId, ResourceName, Result, Role, RunId, Scope};
use sync_engine::{Link, LinkCount, LinkHead, LinkState};

use super::{
    SqliteStore,
    sql::{Columns, from_int, from_json, in_order, list, run_id, to_int},
};
use crate::error::{corrupt, database};

macro_rules! link_columns {
    () => {
        "account, resource, role, local_id, container, remote_id, state, natural_key, hash, call_key, base"
    };
}

/// Links of one organization, integration, account and resource: the first four parameters.
macro_rules! of_resource {
    () => {
        "from link where org = $1 and integration = $2 and account = $3 and resource = $4 "
    };
}

/// A state as it is stored.
pub(super) fn state_number(state: LinkState) -> i64 {
    match state {
        LinkState::Open => 0,
        LinkState::Live => 1,
        LinkState::Gone => 2,
        LinkState::Removed => 3,
    }
}

fn state(number: i64) -> Result<LinkState> {
    let states = [LinkState::Open, LinkState::Live, LinkState::Gone, LinkState::Removed];
    states.into_iter().find(|state| state_number(*state) == number).ok_or_else(|| corrupt("link"))
}

fn hash(text: Option<&str>) -> Result<Option<sync_core::Hash>> {
    text.map(str::parse).transpose().map_err(|_| corrupt("hash"))
}

fn link(row: &SqliteRow) -> Result<Link> {
    Ok(Link {
        account: row.text(0)?.into(),
        resource: row.text(1)?.into(),
        role: row.text(2)?.into(),
        local: row.text(3)?.into(),
        container: row.opt_text(4)?.map(ContainerId::from),
        remote: row.opt_text(5)?.map(RemoteId::from),
        state: state(row.int(6)?)?,
        key: row.opt_text(7)?.map(str::to_owned),
        hash: hash(row.opt_text(8)?)?,
        call: row.opt_text(9)?.map(CallKey::from),
        base: row.opt_text(10)?.map(|base| from_json("base", base)).transpose()?,
    })
}

fn links(rows: &[SqliteRow]) -> Result<Vec<Link>> {
    rows.iter().map(link).collect()
}

fn of_resource<'a>(
    sql: &'static str,
    scope: &Scope,
    account: &AccountId,
    resource: &ResourceName,
) -> Query<'a, Sqlite, SqliteArguments> {
    sqlx::query(sql)
        .bind(scope.organization.to_string())
        .bind(scope.integration.to_string())
        .bind(account.to_string())
        .bind(resource.to_string())
}

impl SqliteStore {
    pub(super) async fn local_links(
        &self,
        (scope, account, resource): (&Scope, &AccountId, &ResourceName),
        role: &Role,
        ids: &[LocalId],
    ) -> Result<Vec<Option<Link>>> {
        const BY_LOCAL: &str = concat!(
            "select ",
            link_columns!(),
            " ",
            of_resource!(),
            "and role = $5 and local_id in (select value from json_each($6))"
        );
        let query = of_resource(BY_LOCAL, scope, account, resource).bind(role.as_str()).bind(list(ids)?);
        let found = links(&query.fetch_all(self.readers()).await.map_err(database)?)?;
        let found: HashMap<LocalId, Link> = found.into_iter().map(|link| (link.local.clone(), link)).collect();
        Ok(in_order(ids.iter(), &found))
    }

    pub(super) async fn remote_links(
        &self,
        (scope, account, resource): (&Scope, &AccountId, &ResourceName),
        ids: &[RemoteId],
    ) -> Result<Vec<Option<Link>>> {
        // The best comes last, so that it is the one that stays.
        const BY_REMOTE: &str = concat!(
            "select ",
            link_columns!(),
            " ",
            of_resource!(),
            "and remote_id in (select value from json_each($5)) order by state = 1, local_id desc, role desc"
        );
        let query = of_resource(BY_REMOTE, scope, account, resource).bind(list(ids)?);
        let mut found: HashMap<RemoteId, Link> = HashMap::new();
        for link in links(&query.fetch_all(self.readers()).await.map_err(database)?)? {
            if let Some(remote) = link.remote.clone() {
                found.insert(remote, link);
            }
        }
        Ok(in_order(ids.iter(), &found))
    }

    pub(super) async fn key_holders(
        &self,
        (scope, account, resource): (&Scope, &AccountId, &ResourceName),
        role: &Role,
        keys: &[String],
    ) -> Result<Vec<Vec<LocalId>>> {
        const HOLDERS: &str = concat!(
            "select natural_key, local_id ",
            of_resource!(),
            "and role = $5 and state in (0, 1) and natural_key in (select value from json_each($6)) ",
            "union select natural_key, local_id from item where org = $1 and integration = $2 and resource = $4 ",
            "and natural_key in (select value from json_each($6)) and (kind = 'question' or code = 'shared-key') ",
            "order by 1, 2"
        );
        let query = of_resource(HOLDERS, scope, account, resource).bind(role.as_str()).bind(list(keys)?);
        let mut found: HashMap<String, Vec<LocalId>> = HashMap::new();
        for row in query.fetch_all(self.readers()).await.map_err(database)? {
            found.entry(row.text(0)?.to_owned()).or_default().push(row.text(1)?.into());
        }
        Ok(in_order(keys.iter(), &found).into_iter().map(Option::unwrap_or_default).collect())
    }

    pub(super) async fn heads(
        &self,
        (scope, account, resource): (&Scope, &AccountId, &ResourceName),
        role: &Role,
        after: Option<&LocalId>,
        limit: usize,
    ) -> Result<Vec<LinkHead>> {
        const HEADS: &str = concat!(
            "select local_id, remote_id, state, hash ",
            of_resource!(),
            "and local_id > $5 and role = $6 order by local_id limit $7"
        );
        // No id is empty, so the empty text comes before all.
        let query = of_resource(HEADS, scope, account, resource)
            .bind(after.map_or("", LocalId::as_str))
            .bind(role.as_str())
            .bind(to_int(limit));
        let head = |row: &SqliteRow| {
            Ok(LinkHead {
                local: row.text(0)?.into(),
                remote: row.opt_text(1)?.map(RemoteId::from),
                state: state(row.int(2)?)?,
                hash: hash(row.opt_text(3)?)?,
            })
        };
        query.fetch_all(self.readers()).await.map_err(database)?.iter().map(head).collect()
    }

    pub(super) async fn counts_of_links(&self, scope: &Scope, account: &AccountId) -> Result<Vec<LinkCount>> {
        const COUNTS: &str = "select resource, role, container, state, count(*) from link \
            where org = $1 and integration = $2 and account = $3 \
            group by resource, role, container, state order by resource, role, container nulls first, state";
        let query =
            sqlx::query(COUNTS).bind(scope.organization.as_str()).bind(scope.integration.as_str()).bind(account.as_str());
        let count = |row: &SqliteRow| {
            Ok(LinkCount {
                resource: row.text(0)?.into(),
                role: row.text(1)?.into(),
                container: row.opt_text(2)?.map(ContainerId::from),
                state: state(row.int(3)?)?,
                count: from_int("count", row.int(4)?)?,
            })
        };
        query.fetch_all(self.readers()).await.map_err(database)?.iter().map(count).collect()
    }

    pub(super) async fn page_of_unseen_links(
        &self,
        (scope, account, resource): (&Scope, &AccountId, &ResourceName),
        run: &RunId,
        container: Option<&ContainerId>,
        after: Option<&LocalId>,
        limit: usize,
    ) -> Result<Vec<Link>> {
        // A record's roles stay together, since the next page starts after its id: all that are not beyond the last id.
        const UNSEEN: &str = concat!(
            "with unseen as (select * from link l where org = $1 and integration = $2 and account = $5 and resource = $6 ",
            "and state = 1 and remote_id is not null and container is not distinct from $7 and local_id > $8 ",
            "and not exists (select 1 from seen s where s.run_id = ",
            run_id!(),
            " and s.resource = l.resource and s.remote_id = l.remote_id)) select ",
            link_columns!(),
            " from unseen where local_id <= coalesce((select local_id from unseen order by local_id, role limit 1 offset $4), ",
            "local_id) order by local_id, role"
        );
        if limit == 0 {
            return Ok(Vec::new());
        }
        let query = sqlx::query(UNSEEN)
            .bind(scope.organization.as_str())
            .bind(scope.integration.as_str())
            .bind(run.as_str())
            .bind(to_int(limit) - 1)
            .bind(account.as_str())
            .bind(resource.as_str())
            .bind(container.map(ContainerId::as_str))
            .bind(after.map_or("", LocalId::as_str));
        links(&query.fetch_all(self.readers()).await.map_err(database)?)
    }

    pub(super) async fn all_links_of(&self, scope: &Scope, id: &str) -> Result<Vec<Link>> {
        const OF: &str = concat!(
            "select ",
            link_columns!(),
            " from link where org = $1 and integration = $2 and (local_id = $3 or remote_id = $3) ",
            "order by account, resource, role, local_id"
        );
        let query = sqlx::query(OF).bind(scope.organization.as_str()).bind(scope.integration.as_str()).bind(id);
        links(&query.fetch_all(self.readers()).await.map_err(database)?)
    }
}
