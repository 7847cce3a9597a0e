//! What is checked at the start, and what is taken away in the end.

use jiff::Timestamp;
use sync_core::{Error, ErrorKind, InstallationId, LocalId, OrganizationId, Outcome, ResourceName, Result, Scope};
use sync_engine::{Erased, PartState, Pruned, Question, Retention};

use super::{
    SqlStore,
    lease::lock_scope,
    packed::Packed,
    parts_batch::{delete_operations, load, store},
    plan::states_after,
    plan_seq,
    sql::{from_json, list, now_ms, to_int, to_json},
};
use crate::db::{Conn, Query, Row, query};
use crate::{StoreKey, error::database, key::hexadecimal};

/// Milliseconds of a day.
const DAY_MS: i64 = 86_400_000;
/// Days after which a counter's window is of no use to anybody: beyond the longest quota, a month.
const COUNTER_DAYS: i64 = 40;

/// All links of the record that the first four parameters name.
macro_rules! links_of_record {
    () => {
        "(select l.id from link_set s cross join link l where s.org = $1 and s.integration = $2 and s.resource = $3 \
         and l.set_id = s.id and l.local_id = $4)"
    };
}

/// Refuses a key that can't read what is there, and notes a new one.
pub(super) async fn check_key(conn: &mut Conn, key: &StoreKey) -> Result<()> {
    // Suppressions outlive the grants, and can't be looked up without the key that they were hashed with.
    const NEEDED: &str = "select id from (select id from store_key order by since_ms desc limit 1) newest union \
        select key_id from credential union select key_id from suppression union \
        select key_id from oauth_client union select key_id from push_channel";
    let needed = query(NEEDED).fetch_all(&mut *conn).await.map_err(database)?;
    for row in &needed {
        let id = row.text(0)?;
        if key.ids().all(|known| known != id) {
            return Err(Error::new(ErrorKind::WrongKey, "this is not the key that the database was made with")
                .with_context("needed", id)
                .with_remedy(
                    "Use the key of that fingerprint; after a change of keys, keep the older one below the newer.",
                ));
        }
    }
    let newest = key.ids().next().unwrap_or_default();
    query(concat!("insert into store_key (id, since_ms) values ($1, ", now_ms!(), ") on conflict (id) do nothing"))
        .bind(newest)
        .execute(conn)
        .await
        .map_err(database)?;
    Ok(())
}

/// Which store this is; made with the first opening.
pub(super) async fn installation(conn: &mut Conn) -> Result<InstallationId> {
    const FIRST: &str = "insert into meta (name, value) values ('installation', $1) on conflict (name) do nothing";
    let mut random = [0; 16];
    getrandom::fill(&mut random)
        .map_err(|error| Error::new(ErrorKind::Internal, "the system gives no randomness").with_source(error))?;
    query(FIRST).bind(hexadecimal(&random)).execute(&mut *conn).await.map_err(database)?;
    let row = query("select value from meta where name = 'installation'").fetch_one(conn).await.map_err(database)?;
    Ok(row.text(0)?.into())
}

impl SqlStore {
    pub(super) async fn prune_old(&self, now: Timestamp, retention: &Retention, limit: usize) -> Result<Pruned> {
        const OUTCOMES: &str = "delete from outcome where id in (select o.id from run_number n cross join outcome o \
            left join run r on r.org = n.org and r.integration = n.integration and r.run = n.run \
            where o.run_id = n.id and coalesce(r.started_ms, o.at_ms) < $1 limit $2)";
        const RUNS: &str = "delete from run where (org, integration, run) in (select r.org, r.integration, r.run from run r left join run_number n on n.org = r.org \
            and n.integration = r.integration and n.run = r.run where r.started_ms < $1 \
            and not exists (select 1 from plan_op where id between n.id << 40 and (n.id << 40) + 1099511627775) and not exists (select 1 from seen where run_id = n.id) \
            and not exists (select 1 from outcome where run_id = n.id) limit $2)";
        const NUMBERS: &str = "delete from run_number where id in (select n.id from run_number n where n.created_ms < $1 \
            and not exists (select 1 from plan_op where id between n.id << 40 and (n.id << 40) + 1099511627775) and not exists (select 1 from seen where run_id = n.id) \
            and not exists (select 1 from outcome where run_id = n.id) limit $2)";
        const FACTS: &str = "delete from consent_fact where id in (select id from consent_fact \
            where taken_ms is not null and taken_ms < $1 limit $2)";
        const COUNTERS: &str = "delete from counter where (name, window_ms) in \
            (select name, window_ms from counter where window_ms < $1 limit $2)";
        let before = |days: u32| now.as_millisecond().saturating_sub(i64::from(days).saturating_mul(DAY_MS));
        let (outcomes, limit) = (before(retention.outcomes_days), to_int(limit));
        let mut tx = self.begin().await?;
        let pruned = Pruned {
            operations: prune_plans(&mut tx, before(retention.plans_days), limit).await?,
            outcomes: delete(&mut tx, OUTCOMES, outcomes, limit).await?,
            runs: delete(&mut tx, RUNS, outcomes, limit).await?,
            facts: delete(&mut tx, FACTS, before(retention.facts_days), limit).await?,
        };
        delete(&mut tx, NUMBERS, outcomes, limit).await?;
        delete(&mut tx, COUNTERS, now.as_millisecond().saturating_sub(COUNTER_DAYS * DAY_MS), limit).await?;
        tx.commit().await?;
        Ok(pruned)
    }

    pub(super) async fn forget_record(&self, scope: &Scope, resource: &ResourceName, local: &LocalId) -> Result<Erased> {
        const REMOTES: &str =
            concat!("select distinct remote_id from link where id in ", links_of_record!(), " and remote_id is not null");
        const BASES: &str = concat!("update link set has_base = 0 where id in ", links_of_record!(), " and has_base = 1");
        const BODIES: &str = concat!("delete from link_base where id in ", links_of_record!());
        const KEYS: &str = concat!("update link set natural_key = null, key_hash = null where id in ", links_of_record!());
        const SEEN: &str = "delete from seen where run_id in (select id from run_number where org = $1 and integration = $2) \
            and resource = $3 and remote_id in (select value from json_each($5))";
        const FACTS: &str = "delete from consent_fact where org = $1 and integration = $2 and local_id = $4 \
            and taken_ms is not null and $3 is not null";
        let mut tx = self.begin().await?;
        lock_scope(&mut tx, scope).await?;
        let record = Forgotten { scope, resource, local };
        let rows = record.query(REMOTES).fetch_all(&mut *tx).await.map_err(database)?;
        let remotes = rows.iter().map(|row| Ok(row.text(0)?.to_owned())).collect::<Result<Vec<_>>>()?;
        let erased = Erased {
            bases: record.query(BASES).execute(&mut tx).await.map_err(database)?,
            operations: record.operations(&mut tx).await?,
            outcomes: record.outcomes(&mut tx, &remotes).await?,
            questions: record.questions(&mut tx).await?,
        };
        record.query(BODIES).execute(&mut tx).await.map_err(database)?;
        record.query(KEYS).execute(&mut tx).await.map_err(database)?;
        record.query(SEEN).bind(list(&remotes)).execute(&mut tx).await.map_err(database)?;
        record.query(FACTS).execute(&mut tx).await.map_err(database)?;
        record.item(&mut tx).await?;
        tx.commit().await?;
        Ok(erased)
    }

    pub(super) async fn claim_digest_of(&self, organization: &OrganizationId, day: &str) -> Result<bool> {
        const CLAIM: &str = "insert into digest_claim (org, day) values ($1, $2) on conflict (org, day) do nothing";
        let mut tx = self.begin().await?;
        let query = query(CLAIM).bind(organization.as_str()).bind(day);
        let n_rows = query.execute(&mut tx).await.map_err(database)?;
        tx.commit().await?;
        Ok(n_rows == 1)
    }
}

async fn delete(conn: &mut Conn, sql: &'static str, before_ms: i64, limit: i64) -> Result<u64> {
    let query = query(sql).bind(before_ms).bind(limit);
    query.execute(conn).await.map_err(database)
}

/// Operations go first, the rest of a plan and its scratch when it has none left. An operation with a part that is sent has
/// a call without an answer: it stays.
async fn prune_plans(conn: &mut Conn, before_ms: i64, limit: i64) -> Result<u64> {
    const OLD: &str = "select n.id, n.org, n.integration from run_number n left join run r on r.org = n.org and r.integration = n.integration \
        and r.run = n.run where coalesce(r.started_ms, n.created_ms) < $1 \
        and (exists (select 1 from plan_op where id between n.id << 40 and (n.id << 40) + 1099511627775) or exists (select 1 from seen where run_id = n.id)) \
        order by n.id";
    const REST: [&str; 3] = [
        "delete from seen where run_id = $1 and not exists (select 1 from plan_op where id between $1 << 40 and ($1 << 40) + 1099511627775)",
        "delete from plan_spec where run_id = $1 and not exists (select 1 from plan_op where id between $1 << 40 and ($1 << 40) + 1099511627775)",
        "delete from plan_group where run_id = $1 and not exists (select 1 from plan_op where id between $1 << 40 and ($1 << 40) + 1099511627775)",
    ];
    let mut n_left = usize::try_from(limit).unwrap_or(usize::MAX);
    let mut n_operations = 0;
    for run in query(OLD).bind(before_ms).fetch_all(&mut *conn).await.map_err(database)? {
        let (scope, run, mut place) = (Scope::new(run.text(1)?, run.text(2)?), run.int(0)?, None);
        lock_scope(conn, &scope).await?;
        while n_left > 0 {
            let Some((rows, next)) = states_after(conn, run, place, 50).await? else { break };
            place = next;
            for (first_seq, mut states) in rows {
                let mut gone = Vec::new();
                states.retain(|seq, parts| {
                    let stays = n_left == gone.len() || parts.iter().any(|part| part.state == PartState::Sent);
                    if !stays {
                        gone.push(seq);
                    }
                    stays
                });
                if !gone.is_empty() {
                    n_left -= gone.len();
                    store(conn, run, [(first_seq, states)]).await?;
                    n_operations += delete_operations(conn, run, &gone).await?;
                }
            }
        }
        for sql in REST {
            query(sql).bind(run).execute(&mut *conn).await.map_err(database)?;
        }
    }
    Ok(n_operations)
}

/// The record that is forgotten.
struct Forgotten<'a> {
    scope: &'a Scope,
    resource: &'a ResourceName,
    local: &'a LocalId,
}

impl Forgotten<'_> {
    /// A statement about it: its first four parameters.
    fn query(&self, sql: &'static str) -> Query {
        query(sql)
            .bind(self.scope.organization.to_string())
            .bind(self.scope.integration.to_string())
            .bind(self.resource.to_string())
            .bind(self.local.to_string())
    }

    async fn operations(&self, conn: &mut Conn) -> Result<u64> {
        const FIND: &str = "select n.id, o.id from run_number n cross join plan_op o where n.org = $1 \
            and n.integration = $2 and o.id between n.id << 40 and (n.id << 40) + 1099511627775 and o.resource = $3 \
            and o.local_id = $4";
        let mut n_operations = 0;
        for row in self.query(FIND).fetch_all(&mut *conn).await.map_err(database)? {
            let run = row.int(0)?;
            let seq = plan_seq(run, row.int(1)?)?;
            for (first_seq, mut states) in load(conn, run, &[seq]).await? {
                let is_sent = |part: &Packed| part.state == PartState::Sent;
                if states.parts(seq).is_some_and(|parts| !parts.iter().any(is_sent)) {
                    states.retain(|own, _| own != seq);
                    store(conn, run, [(first_seq, states)]).await?;
                    n_operations += delete_operations(conn, run, &[seq]).await?;
                }
            }
        }
        Ok(n_operations)
    }

    async fn outcomes(&self, conn: &mut Conn, remotes: &[String]) -> Result<u64> {
        const FIND: &str = "select o.id, o.body from run_number n cross join outcome o where n.org = $1 \
            and n.integration = $2 and o.run_id = n.id and o.resource = $3 \
            and (o.local_id = $4 or (o.local_id is null and o.remote_id in (select value from json_each($5))))";
        let rows = self.query(FIND).bind(list(remotes)).fetch_all(&mut *conn).await.map_err(database)?;
        let mut n_blanked = 0;
        for row in &rows {
            if let Some(body) = blanked(row, 1)? {
                let update = query("update outcome set body = $2 where id = $1").bind(row.int(0)?).bind(body);
                n_blanked += update.execute(&mut *conn).await.map_err(database)?;
            }
        }
        Ok(n_blanked)
    }

    async fn questions(&self, conn: &mut Conn) -> Result<u64> {
        const ALL: &str = "select id, body from question where org = $1 and integration = $2";
        const DELETE: &str =
            "delete from question where org = $1 and integration = $2 and id in (select value from json_each($3))";
        const DUE: &str = concat!(
            "update item set question = null, due_ms = ",
            now_ms!(),
            " where org = $1 and integration = $2 and question in (select value from json_each($3))"
        );
        let scope = self.scope;
        let all = query(ALL).bind(scope.organization.as_str()).bind(scope.integration.as_str());
        let mut found = Vec::new();
        for row in all.fetch_all(&mut *conn).await.map_err(database)? {
            let question: Question = from_json("question", row.text(1)?)?;
            if question.resource == *self.resource && question.locals.contains(self.local) {
                found.push(row.text(0)?.to_owned());
            }
        }
        for sql in [DELETE, DUE] {
            let query =
                query(sql).bind(self.scope.organization.as_str()).bind(self.scope.integration.as_str()).bind(list(&found));
            query.execute(&mut *conn).await.map_err(database)?;
        }
        Ok(found.len() as u64)
    }

    async fn item(&self, conn: &mut Conn) -> Result<()> {
        const FIND: &str =
            "select outcome from item where org = $1 and integration = $2 and resource = $3 and local_id = $4";
        const BLANK: &str = "update item set natural_key = null, outcome = coalesce($5, outcome) where org = $1 \
            and integration = $2 and resource = $3 and local_id = $4";
        if let Some(row) = self.query(FIND).fetch_optional(&mut *conn).await.map_err(database)? {
            self.query(BLANK).bind(blanked(&row, 0)?).execute(conn).await.map_err(database)?;
        }
        Ok(())
    }
}

/// An outcome without its words; `None` where it has none.
fn blanked(row: &Row, i: usize) -> Result<Option<String>> {
    let mut outcome: Outcome = from_json("outcome", row.text(i)?)?;
    if outcome.message.is_empty() && outcome.remedy.is_none() && outcome.provider_message.is_none() {
        return Ok(None);
    }
    outcome.message.clear();
    outcome.remedy = None;
    outcome.provider_message = None;
    to_json(&outcome).map(Some)
}
