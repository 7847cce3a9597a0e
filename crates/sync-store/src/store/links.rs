//! Links: reads.

use std::collections::HashMap;

use serde::Deserialize;
use sync_core::{AccountId, CallKey, ContainerId, LocalId, RemoteId, ResourceName, Result, Role, Scope};
use sync_engine::{Link, LinkCount, LinkHead, LinkState};

use super::{
    SqlStore,
    sql::{from_int, from_json, in_order, list, packed_rows, short_hash, short_hashes, to_int, unpack_rows},
};
use crate::db::{Query, Row, query};
use crate::error::{corrupt, database};

macro_rules! select_links {
    () => {
        concat!(
            "select ",
            packed_rows!(
                "json_array(s.account, s.resource, l.role, l.local_id, l.container, l.remote_id, l.state, l.natural_key, l.hash, \
                 l.call_key)",
                "coalesce(case l.has_base when 1 then b.body end, '')"
            ),
            " "
        )
    };
}
/// Links with their sets and bases. `cross join` keeps SQLite in this order.
macro_rules! from_links {
    () => {
        "from link_set s cross join link l left join link_base b on b.id = l.id where l.set_id = s.id "
    };
}
/// The set that the first four parameters name.
macro_rules! set_id {
    () => {
        "(select id from link_set where org = $1 and integration = $2 and account = $3 and resource = $4)"
    };
}

pub(super) use {from_links, select_links, set_id};

const BY_LOCAL: &str = concat!(
    select_links!(),
    from_links!(),
    "and s.id = ",
    set_id!(),
    " and l.role = $5 and l.local_id in (select value from json_each($6))"
);

const BY_REMOTE: &str = concat!(
    select_links!(),
    from_links!(),
    "and s.id = ",
    set_id!(),
    " and l.remote_hash in (select value from json_each($5)) and l.remote_id in (select value from json_each($6))"
);

const HOLDERS: &str = concat!(
    "select natural_key, local_id from link where set_id = ",
    set_id!(),
    " and key_hash in (select value from json_each($7)) and natural_key in (select value from json_each($6)) ",
    "and role = $5 and state in (0, 1) ",
    "union select natural_key, local_id from item where org = $1 and integration = $2 and resource = $4 ",
    "and natural_key in (select value from json_each($6)) and (kind = 'question' or code = 'shared-key') ",
    "order by 1, 2"
);

// In one row: a row for each would take longer to hand over than to find.
const HEADS: &str = concat!(
    "select group_concat(json_array(local_id, remote_id, state, hash) || '', char(10)) from (select local_id, remote_id, ",
    "state, hash from link where set_id = ",
    set_id!(),
    " and local_id > $5 and role = $6 order by local_id limit $7) h"
);

/// Statements of every page of a run, each with the index that must answer it.
#[cfg(test)]
pub(super) const HOT: [(&str, &str); 5] = [
    (BY_LOCAL, "link_local"),
    (BY_REMOTE, "link_remote"),
    (HOLDERS, "link_key"),
    (HOLDERS, "item_key"),
    (HEADS, "link_local"),
];

/// A state as it is stored.
pub(super) fn state_number(state: LinkState) -> i64 {
    match state {
        LinkState::Open => 0,
        LinkState::Live => 1,
        LinkState::Gone => 2,
        LinkState::Removed => 3,
        LinkState::Detached => 4,
    }
}

pub(super) fn state(number: i64) -> Result<LinkState> {
    let states = [LinkState::Open, LinkState::Live, LinkState::Gone, LinkState::Removed, LinkState::Detached];
    states.into_iter().find(|state| state_number(*state) == number).ok_or_else(|| corrupt("link"))
}

fn hash(text: Option<&str>) -> Result<Option<sync_core::Hash>> {
    text.map(str::parse).transpose().map_err(|_| corrupt("hash"))
}

/// A link's columns but for its base.
#[derive(Deserialize)]
struct Head(
    AccountId,
    ResourceName,
    Role,
    LocalId,
    Option<ContainerId>,
    Option<RemoteId>,
    i64,
    Option<String>,
    Option<String>,
    Option<CallKey>,
);

/// The links of a packed row, in any order.
pub(super) fn links(row: &Row) -> Result<Vec<Link>> {
    let link = |(head, base): (&str, &str)| {
        let Head(account, resource, role, local, container, remote, number, key, text, call) = from_json("link", head)?;
        Ok(Link {
            account,
            resource,
            role,
            local,
            container,
            remote,
            state: state(number)?,
            key,
            hash: hash(text.as_deref())?,
            call,
            base: (!base.is_empty()).then(|| from_json("base", base)).transpose()?,
        })
    };
    unpack_rows(row.packed(0)?.as_deref()).map(link).collect()
}

pub(super) fn of_resource(sql: &'static str, scope: &Scope, account: &AccountId, resource: &ResourceName) -> Query {
    query(sql)
        .bind(scope.organization.to_string())
        .bind(scope.integration.to_string())
        .bind(account.to_string())
        .bind(resource.to_string())
}

impl SqlStore {
    pub(super) async fn local_links(
        &self,
        (scope, account, resource): (&Scope, &AccountId, &ResourceName),
        role: &Role,
        ids: &[LocalId],
    ) -> Result<Vec<Option<Link>>> {
        let query = of_resource(BY_LOCAL, scope, account, resource).bind(role.as_str()).bind(list(ids));
        let found = links(&query.fetch_one(self.readers()).await.map_err(database)?)?;
        let found: HashMap<LocalId, Link> = found.into_iter().map(|link| (link.local.clone(), link)).collect();
        Ok(in_order(ids.iter(), found))
    }

    pub(super) async fn remote_links(
        &self,
        (scope, account, resource): (&Scope, &AccountId, &ResourceName),
        ids: &[RemoteId],
    ) -> Result<Vec<Option<Link>>> {
        let query = of_resource(BY_REMOTE, scope, account, resource).bind(short_hashes(ids)).bind(list(ids));
        let mut links = links(&query.fetch_one(self.readers()).await.map_err(database)?)?;
        // The best comes last, so that it is the one that stays.
        links.sort_by(|a, b| {
            let rank = |link: &Link| link.state == LinkState::Live;
            rank(a).cmp(&rank(b)).then_with(|| (&b.local, &b.role).cmp(&(&a.local, &a.role)))
        });
        let found = links.into_iter().filter_map(|link| Some((link.remote.clone()?, link)));
        let found: HashMap<RemoteId, Link> = found.collect();
        Ok(in_order(ids.iter(), found))
    }

    pub(super) async fn key_holders(
        &self,
        (scope, account, resource): (&Scope, &AccountId, &ResourceName),
        role: &Role,
        keys: &[String],
    ) -> Result<Vec<Vec<LocalId>>> {
        let query = of_resource(HOLDERS, scope, account, resource).bind(role.as_str());
        let query = query.bind(list(keys)).bind(short_hashes(keys));
        let mut found: HashMap<String, Vec<LocalId>> = HashMap::new();
        for row in query.fetch_all(self.readers()).await.map_err(database)? {
            found.entry(row.text(0)?.to_owned()).or_default().push(row.text(1)?.into());
        }
        Ok(in_order(keys.iter(), found).into_iter().map(Option::unwrap_or_default).collect())
    }

    pub(super) async fn heads(
        &self,
        (scope, account, resource): (&Scope, &AccountId, &ResourceName),
        role: &Role,
        after: Option<&LocalId>,
        limit: usize,
    ) -> Result<Vec<LinkHead>> {
        // No id is empty, so the empty text comes before all.
        let query = of_resource(HEADS, scope, account, resource)
            .bind(after.map_or("", LocalId::as_str))
            .bind(role.as_str())
            .bind(to_int(limit));
        let row = query.fetch_one(self.readers()).await.map_err(database)?;
        type Head = (String, Option<String>, i64, Option<String>);
        let head = |line: &str| {
            let (local, remote, number, text): Head = from_json("link", line)?;
            Ok(LinkHead {
                local: local.into(),
                remote: remote.map(RemoteId::from),
                state: state(number)?,
                hash: hash(text.as_deref())?,
            })
        };
        let mut heads = row.packed(0)?.as_deref().into_iter().flat_map(str::lines).map(head).collect::<Result<Vec<_>>>()?;
        // An aggregate promises no order.
        heads.sort_by(|a, b| a.local.cmp(&b.local));
        Ok(heads)
    }

    pub(super) async fn counts_of_links(&self, scope: &Scope, account: &AccountId) -> Result<Vec<LinkCount>> {
        const COUNTS: &str = "select s.resource, l.role, l.container, l.state, count(*) from link_set s \
            join link l on l.set_id = s.id where s.org = $1 and s.integration = $2 and s.account = $3 \
            group by s.resource, l.role, l.container, l.state \
            order by s.resource, l.role, l.container nulls first, l.state";
        let query = query(COUNTS).bind(scope.organization.as_str()).bind(scope.integration.as_str()).bind(account.as_str());
        let count = |row: &Row| {
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

    pub(super) async fn all_links_of(&self, scope: &Scope, id: &str) -> Result<Vec<Link>> {
        const OF: &str = concat!(
            select_links!(),
            from_links!(),
            "and s.org = $1 and s.integration = $2 and (l.local_id = $3 or (l.remote_hash = $4 and l.remote_id = $3))"
        );
        let query = query(OF).bind(scope.organization.as_str()).bind(scope.integration.as_str());
        let query = query.bind(id).bind(short_hash(id));
        let mut links = links(&query.fetch_one(self.readers()).await.map_err(database)?)?;
        fn place(link: &Link) -> (&AccountId, &ResourceName, &Role, &LocalId) {
            (&link.account, &link.resource, &link.role, &link.local)
        }
        links.sort_by(|a, b| place(a).cmp(&place(b)));
        Ok(links)
    }
}
