//! Remote records that are there and say what their links' bases say, one bit for each link, since a row for each record would
//! be a million entries that come in no order; and links of which nothing was shown at all.

use std::collections::BTreeMap;

use sync_core::{AccountId, ContainerId, LocalId, RemoteId, ResourceName, Result, RunId, Scope};
use sync_engine::Link;

use super::{
    MAX_SEQ, SqlStore,
    links::{from_links, links, select_links},
    plan::run_number,
    plan_id, plan_seq,
    seen::of_container,
    sql::{from_json, ints, list, packed_rows, run_id, short_hashes, to_int},
};
use crate::db::{Conn, Insert, On, Row, Values, query};
use crate::error::{corrupt, database};

/// Bits of one row: 4 KB, so that those of a million links are 31 rows.
const N_BITS: u64 = 1 << 15;

/// Links by remote id, whatever account is theirs: one that sleeps is asked about by nobody.
const LINKS: &str = concat!(
    "select group_concat(l.id || '', char(10)) from link l where l.set_id in (select id from link_set where org = $1 ",
    "and integration = $2 and resource = $3) and l.remote_hash in (select value from json_each($5)) ",
    "and l.remote_id in (select value from json_each($6)) and coalesce(l.container, '') = $4"
);

// Live links that no row of what feeds showed is about, in order, after a record and its role.
const UNSHOWN: &str = concat!(
    "select group_concat(json_array(id, local_id, role) || '', char(10)) from (select l.id, l.local_id, l.role from link l ",
    "where l.set_id = (select id from link_set where org = $1 and integration = $2 and account = $5 and resource = $6) ",
    "and l.state = 1 and l.remote_id is not null and l.container is not distinct from $7 ",
    "and (l.local_id, l.role) > ($8, $9) and not exists (select 1 from seen n where n.run_id = ",
    run_id!(),
    " and n.resource = $6 and n.remote_id = l.remote_id and n.container = coalesce($7, '') and n.body is not null) ",
    "order by l.local_id, l.role limit $4) h"
);

const BY_NUMBER: &str = concat!(select_links!(), from_links!(), "and l.id in (select value from json_each($1))");

/// Statements of every page of a run, each with the index that must answer it.
#[cfg(test)]
pub(super) const HOT: [(&str, &str); 2] = [(LINKS, "link_remote"), (UNSHOWN, "link_local")];

/// How many links are compared with their bits at once.
const N_CANDIDATES: usize = 2048;
/// Comes after every role.
const LAST_ROLE: &str = "\u{10ffff}";

impl SqlStore {
    pub(super) async fn page_of_unseen_links(
        &self,
        (scope, account, resource): (&Scope, &AccountId, &ResourceName),
        run: &RunId,
        container: Option<&ContainerId>,
        after: Option<&LocalId>,
        limit: usize,
    ) -> Result<Vec<Link>> {
        if limit == 0 {
            return Ok(Vec::new());
        }
        let mut conn = self.readers().snapshot().await?;
        // No run has the number 0.
        let number = run_number(&mut conn, scope, run).await?.unwrap_or(0);
        let mut after = (after.map_or("", LocalId::as_str).to_owned(), LAST_ROLE.to_owned());
        let mut unseen: Vec<(i64, String)> = Vec::new();
        'pages: loop {
            let query = query(UNSHOWN)
                .bind(scope.organization.as_str())
                .bind(scope.integration.as_str())
                .bind(run.as_str())
                .bind(to_int(N_CANDIDATES))
                .bind(account.as_str())
                .bind(resource.as_str())
                .bind(container.map(ContainerId::as_str))
                .bind(after.0)
                .bind(after.1);
            let row = query.fetch_one(&mut conn).await.map_err(database)?;
            let lines = row.packed(0)?.unwrap_or_default();
            let mut candidates: Vec<(String, String, i64)> = Vec::with_capacity(N_CANDIDATES);
            for line in lines.lines() {
                let (id, local, role) = from_json("link", line)?;
                candidates.push((local, role, id));
            }
            // An aggregate promises no order.
            candidates.sort_unstable();
            let numbers: Vec<i64> = candidates.iter().map(|(.., id)| *id).collect();
            let bits = Bits::of(&mut conn, number, &numbers).await?;
            let n_candidates = candidates.len();
            after = candidates.last().map(|(local, role, _)| (local.clone(), role.clone())).unwrap_or_default();
            for (local, _, id) in candidates {
                // A record's roles stay together, since the next page starts after its id.
                if unseen.len() >= limit && unseen.last().is_none_or(|(_, last)| *last != local) {
                    break 'pages;
                }
                if !bits.has(id)? {
                    unseen.push((id, local));
                }
            }
            if n_candidates < N_CANDIDATES {
                break;
            }
        }
        let query = query(BY_NUMBER).bind(ints(unseen.into_iter().map(|(id, _)| id)));
        let mut links = links(&query.fetch_one(&mut conn).await.map_err(database)?)?;
        links.sort_by(|a, b| (&a.local, &a.role).cmp(&(&b.local, &b.role)));
        Ok(links)
    }
}

/// The numbers of the links that hold these remote records in a container.
pub(super) async fn links_at(
    conn: &mut Conn,
    scope: &Scope,
    (resource, container): (&ResourceName, Option<&ContainerId>),
    ids: &[&RemoteId],
) -> Result<Vec<i64>> {
    let query = query(LINKS).bind(scope.organization.as_str()).bind(scope.integration.as_str()).bind(resource.as_str());
    let query = query.bind(of_container(container)).bind(short_hashes(ids)).bind(list(ids));
    let row = query.fetch_one(conn).await.map_err(database)?;
    row.opt_text(0)?.into_iter().flat_map(str::lines).map(|id| id.parse().map_err(|_| corrupt("link"))).collect()
}

/// Rows of bits of one run.
pub(super) struct Bits {
    run: i64,
    rows: BTreeMap<u64, Vec<u8>>,
}

impl Bits {
    /// The rows that hold the bits of these links, where there are any yet.
    pub(super) async fn of<'c>(on: impl Into<On<'c>>, run: i64, links: &[i64]) -> Result<Self> {
        const ROWS: &str = "select id, bits from as_agreed where id in (select value from json_each($1))";
        let mut places = links.iter().map(|link| Ok(place(*link)?.0)).collect::<Result<Vec<u64>>>()?;
        places.sort_unstable();
        places.dedup();
        let query = query(ROWS).bind(ints(places.into_iter().map(|row| plan_id(run, row))));
        let found = query.fetch_all(on).await.map_err(database)?;
        let row = |row: &Row| Ok((plan_seq(run, row.int(0)?)?, row.bytes(1)?.to_vec()));
        Ok(Self { run, rows: found.iter().map(row).collect::<Result<_>>()? })
    }

    pub(super) fn has(&self, link: i64) -> Result<bool> {
        let (row, byte, bit) = place(link)?;
        Ok(self.rows.get(&row).and_then(|bits| bits.get(byte)).is_some_and(|bits| bits & bit != 0))
    }

    pub(super) fn set(&mut self, link: i64) -> Result<()> {
        let (row, byte, bit) = place(link)?;
        let bits = self.rows.entry(row).or_insert_with(|| vec![0; (N_BITS / 8) as usize]);
        *bits.get_mut(byte).ok_or_else(|| corrupt("as_agreed"))? |= bit;
        Ok(())
    }

    pub(super) fn clear(&mut self, link: i64) -> Result<()> {
        let (row, byte, bit) = place(link)?;
        if let Some(bits) = self.rows.get_mut(&row).and_then(|bits| bits.get_mut(byte)) {
            *bits &= !bit;
        }
        Ok(())
    }

    pub(super) async fn write(&self, conn: &mut Conn) -> Result<()> {
        const PUT: Insert = Insert {
            head: "insert into as_agreed (id, bits)",
            n_values: 2,
            tail: "on conflict (id) do update set bits = excluded.bits",
        };
        let rows: Vec<(&u64, &Vec<u8>)> = self.rows.iter().collect();
        let bind = |(row, bits): &(&u64, &Vec<u8>), values: &mut Values| {
            values.int(plan_id(self.run, **row)).bytes((*bits).clone());
            Ok(())
        };
        PUT.rows(conn, &rows, bind).await?;
        Ok(())
    }
}

/// Where a link's bit is: row, byte and bit.
fn place(link: i64) -> Result<(u64, usize, u8)> {
    let link = u64::try_from(link).map_err(|_| corrupt("link"))?;
    let (row, bit) = (link / N_BITS, link % N_BITS);
    if row > MAX_SEQ {
        return Err(corrupt("link"));
    }
    Ok((row, (bit / 8) as usize, 1 << (bit % 8)))
}
