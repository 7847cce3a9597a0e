//! A commit: changes of one sort are gathered and written together.
//!
//! Changes of different sorts touch different tables, so only the order within a sort matters, and each batch keeps it.

use std::collections::{HashMap, HashSet};

use sync_core::{CallKey, Channel, ConsentFact, Error, ErrorKind, LocalId, RemoteId, ResourceName, Result, RunId, Scope};
use sync_engine::{
    CallRow, Change, Item, Lease, OutcomeRow, PartRow, PartState, Question, RunRow, StoredCursor, Suppression,
};

use super::{SqlStore, connections, links_batch::Links, number_run, parts_batch::Parts, sql::to_json};
use crate::db::{Conn, Insert, Value, Values, query};
use crate::{error::database, seal::Addresses};

impl SqlStore {
    pub(super) async fn commit_changes(&self, lease: &Lease, changes: Vec<Change>) -> Result<()> {
        let scope = &lease.scope;
        let mut tx = self.begin_leased(lease).await?;
        let conn = &mut *tx;
        let (mut links, mut parts, mut items) = (Links::default(), Parts::default(), Items::default());
        let (mut outcomes, mut facts, mut suppressions) = (Vec::new(), Vec::new(), Vec::new());
        for change in changes {
            match change {
                Change::OpenLink(link) => links.open(link),
                Change::PutLink(link) => links.put(link),
                Change::DropLink { account, resource, local, role } => {
                    links.drop(account, resource, role, local);
                }
                Change::OpenCall(call) => {
                    for (seq, part_idx) in &call.parts {
                        let (run, part_idx) = (call.run.clone(), Some(*part_idx));
                        parts.mark(PartRow { run, seq: *seq, part_idx, state: PartState::Sent });
                    }
                    open_call(conn, scope, &call).await?;
                }
                Change::CloseCall(key) => close_call(conn, scope, &key).await?,
                Change::DropOperation { run, seq } => parts.drop_operation(run, seq),
                Change::Part(row) => parts.mark(row),
                Change::PutItem(item) => items.put(conn, scope, item).await?,
                Change::DropItem { resource, local } => items.drop(conn, scope, resource, local).await?,
                Change::Outcome { run, row } => outcomes.push((run, row)),
                Change::Cursor { stream, cursor } => move_cursor(conn, scope, &stream, cursor.as_ref()).await?,
                Change::Ask(question) => ask(conn, scope, &question).await?,
                Change::Fact(fact) => facts.push(fact),
                Change::Suppress { channel, address, suppression } => {
                    suppressions.push((channel, address, Some(suppression)));
                }
                Change::Lift { channel, address } => suppressions.push((channel, address, None)),
                Change::Run(row) => put_run(conn, scope, &row).await?,
                Change::Connection(row) if row.scope == *scope => connections::put(conn, &row).await?,
                Change::Connection(_) => {
                    return Err(Error::new(ErrorKind::Internal, "a commit may only change its own scope's connection"));
                }
                _ => return Err(Error::new(ErrorKind::Unsupported, "this store doesn't know this sort of change")),
            }
        }
        links.write(conn, scope).await?;
        parts.write(conn, scope).await?;
        items.flush(conn, scope).await?;
        add_outcomes(conn, scope, &outcomes).await?;
        add_facts(conn, scope, &facts).await?;
        self.suppress(conn, scope, &suppressions).await?;
        tx.commit().await
    }

    async fn suppress(
        &self,
        conn: &mut Conn,
        scope: &Scope,
        changes: &[(Channel, String, Option<Suppression>)],
    ) -> Result<()> {
        const PUT: &str = "insert into suppression (org, channel, key_id, hash, at_ms, state) values ($1, $2, $3, $4, $5, $6) \
            on conflict (org, channel, key_id, hash) do update set at_ms = excluded.at_ms, state = excluded.state \
            where excluded.at_ms > suppression.at_ms";
        const LIFT: &str = "delete from suppression where org = $1 and channel = $2 and key_id = $3 and hash = $4";
        if changes.is_empty() {
            return Ok(());
        }
        let hasher = Addresses::new(self.key(), &scope.organization)?;
        let mut rows = Vec::with_capacity(changes.len());
        for (channel, address, suppression) in changes {
            let hashes = hasher.hashes(*channel, address)?;
            // A new suppression is kept under the newest key; one that is lifted goes under all.
            let n_keys = if suppression.is_some() { 1 } else { hashes.len() };
            rows.extend(hashes.into_iter().take(n_keys).map(|hash| (channel.as_str(), hash, suppression)));
        }
        // The list is the organization's, and other integrations write to it too: in one order, none waits for one that waits
        // for it. Changes of one address keep theirs.
        rows.sort_by(|a, b| (a.0, &a.1).cmp(&(b.0, &b.1)));
        for (channel, (key_id, hash), suppression) in rows {
            let query = query(if suppression.is_some() { PUT } else { LIFT })
                .bind(scope.organization.as_str())
                .bind(channel)
                .bind(key_id)
                .bind(hash);
            let query = match suppression {
                Some(row) => query.bind(row.at.as_millisecond()).bind(row.state.as_str()),
                None => query,
            };
            query.execute(&mut *conn).await.map_err(database)?;
        }
        Ok(())
    }
}

/// Changes of items, none of which concerns the same item as another.
#[derive(Default)]
struct Items {
    touched: HashSet<(ResourceName, LocalId)>,
    put: Vec<Item>,
    dropped: Vec<[String; 2]>,
}

impl Items {
    async fn put(&mut self, conn: &mut Conn, scope: &Scope, item: Item) -> Result<()> {
        self.touch(conn, scope, (item.resource.clone(), item.local.clone())).await?;
        self.put.push(item);
        Ok(())
    }

    async fn drop(&mut self, conn: &mut Conn, scope: &Scope, resource: ResourceName, local: LocalId) -> Result<()> {
        let row = [resource.to_string(), local.to_string()];
        self.touch(conn, scope, (resource, local)).await?;
        self.dropped.push(row);
        Ok(())
    }

    async fn touch(&mut self, conn: &mut Conn, scope: &Scope, key: (ResourceName, LocalId)) -> Result<()> {
        if self.touched.contains(&key) {
            self.flush(conn, scope).await?;
        }
        self.touched.insert(key);
        Ok(())
    }

    async fn flush(&mut self, conn: &mut Conn, scope: &Scope) -> Result<()> {
        const PUT: Insert = Insert {
            head: "insert into item (org, integration, resource, local_id, kind, code, outcome, natural_key, hash, run, \
                since_ms, attempts, due_ms, needs_grant, question)",
            n_values: 15,
            tail: "on conflict (org, integration, resource, local_id) do update set kind = excluded.kind, \
                code = excluded.code, outcome = excluded.outcome, natural_key = excluded.natural_key, \
                hash = excluded.hash, run = excluded.run, since_ms = excluded.since_ms, attempts = excluded.attempts, \
                due_ms = excluded.due_ms, needs_grant = excluded.needs_grant, question = excluded.question",
        };
        const DROP: &str = "delete from item where org = $1 and integration = $2 and (resource, local_id) in \
            (select value ->> 0, value ->> 1 from json_each($3))";
        let batch = std::mem::take(self);
        let bind = |item: &Item, values: &mut Values| {
            values
                .text(scope.organization.as_str())
                .text(scope.integration.as_str())
                .text(item.resource.as_str())
                .text(item.local.as_str())
                .text(item.outcome.kind.as_str())
                .text(item.outcome.code.as_ref())
                .text(to_json(&item.outcome)?)
                .opt_text(item.key.as_deref())
                .opt_text(item.hash.map(|hash| hash.to_string()))
                .text(item.run.as_str())
                .int(item.since.as_millisecond())
                .int(i64::from(item.attempts))
                .opt_int(item.due.map(|due| due.as_millisecond()))
                .opt_text(item.needs_grant.as_deref())
                .opt_text(item.question.as_ref().map(|id| id.as_str()));
            Ok(())
        };
        PUT.rows(&mut *conn, &batch.put, bind).await?;
        if !batch.dropped.is_empty() {
            let query = query(DROP).bind(scope.organization.as_str()).bind(scope.integration.as_str());
            query.bind(Value::Pairs(batch.dropped)).execute(conn).await.map_err(database)?;
        }
        Ok(())
    }
}

async fn open_call(conn: &mut Conn, scope: &Scope, call: &CallRow) -> Result<()> {
    const OPEN: &str = "insert into open_call (org, integration, call_key, opened_ms, body) values ($1, $2, $3, $4, $5) \
        on conflict (org, integration, call_key) do update set opened_ms = excluded.opened_ms, body = excluded.body";
    let query = query(OPEN)
        .bind(scope.organization.as_str())
        .bind(scope.integration.as_str())
        .bind(call.key.as_str())
        .bind(call.opened_at.as_millisecond())
        .bind(to_json(call)?);
    query.execute(conn).await.map_err(database)?;
    Ok(())
}

async fn close_call(conn: &mut Conn, scope: &Scope, key: &CallKey) -> Result<()> {
    let query = query("delete from open_call where org = $1 and integration = $2 and call_key = $3")
        .bind(scope.organization.as_str())
        .bind(scope.integration.as_str())
        .bind(key.as_str());
    query.execute(conn).await.map_err(database)?;
    Ok(())
}

async fn move_cursor(conn: &mut Conn, scope: &Scope, stream: &str, cursor: Option<&StoredCursor>) -> Result<()> {
    const PUT: &str = "insert into stream_cursor (org, integration, stream, position, filter, at_ms) \
        values ($1, $2, $3, $4, $5, $6) on conflict (org, integration, stream) \
        do update set position = excluded.position, filter = excluded.filter, at_ms = excluded.at_ms";
    const FORGET: &str = "delete from stream_cursor where org = $1 and integration = $2 and stream = $3";
    let query = query(if cursor.is_some() { PUT } else { FORGET })
        .bind(scope.organization.as_str())
        .bind(scope.integration.as_str())
        .bind(stream);
    let query = match cursor {
        Some(row) => query.bind(row.cursor.as_str()).bind(row.filter.as_str()).bind(row.at.as_millisecond()),
        None => query,
    };
    query.execute(conn).await.map_err(database)?;
    Ok(())
}

/// A question that was asked before keeps its time and its answer, which lie beside the body.
async fn ask(conn: &mut Conn, scope: &Scope, question: &Question) -> Result<()> {
    const ASK: &str = "insert into question (org, integration, id, asked_ms, body, answer) values ($1, $2, $3, $4, $5, $6) \
        on conflict (org, integration, id) do update set body = excluded.body";
    let query = query(ASK)
        .bind(scope.organization.as_str())
        .bind(scope.integration.as_str())
        .bind(question.id.as_str())
        .bind(question.asked_at.as_millisecond())
        .bind(to_json(question)?)
        .bind(question.answer.as_ref().map(to_json).transpose()?);
    query.execute(conn).await.map_err(database)?;
    Ok(())
}

async fn put_run(conn: &mut Conn, scope: &Scope, row: &RunRow) -> Result<()> {
    const PUT: &str = "insert into run (org, integration, run, started_ms, body) values ($1, $2, $3, $4, $5) \
        on conflict (org, integration, run) do update set started_ms = excluded.started_ms, body = excluded.body";
    let query = query(PUT)
        .bind(scope.organization.as_str())
        .bind(scope.integration.as_str())
        .bind(row.id.as_str())
        .bind(row.started_at.as_millisecond())
        .bind(to_json(row)?);
    query.execute(conn).await.map_err(database)?;
    Ok(())
}

async fn add_outcomes(conn: &mut Conn, scope: &Scope, outcomes: &[(RunId, OutcomeRow)]) -> Result<()> {
    const ADD: Insert =
        Insert { head: "insert into outcome (run_id, resource, local_id, remote_id, at_ms, body)", n_values: 6, tail: "" };
    let mut numbers: HashMap<&RunId, i64> = HashMap::new();
    for (run, _) in outcomes {
        if !numbers.contains_key(run) {
            numbers.insert(run, number_run(conn, scope, run).await?);
        }
    }
    let bind = |(run, row): &(RunId, OutcomeRow), values: &mut Values| {
        values
            .int(numbers.get(run).copied().unwrap_or_default())
            .text(row.resource.as_str())
            .opt_text(row.local.as_ref().map(LocalId::as_str))
            .opt_text(row.remote.as_ref().map(RemoteId::as_str))
            .int(row.at.as_millisecond())
            .text(to_json(&row.outcome)?);
        Ok(())
    };
    ADD.rows(conn, outcomes, bind).await?;
    Ok(())
}

async fn add_facts(conn: &mut Conn, scope: &Scope, facts: &[ConsentFact]) -> Result<()> {
    const ADD: Insert = Insert {
        head: "insert into consent_fact (org, integration, fact, local_id, body)",
        n_values: 5,
        tail: "on conflict (org, integration, fact) do nothing",
    };
    let bind = |fact: &ConsentFact, values: &mut Values| {
        values
            .text(scope.organization.as_str())
            .text(scope.integration.as_str())
            .text(fact.id.as_str())
            .opt_text(fact.record.as_ref().map(LocalId::as_str))
            .text(to_json(fact)?);
        Ok(())
    };
    ADD.rows(conn, facts, bind).await?;
    Ok(())
}
