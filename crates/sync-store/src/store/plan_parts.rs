//! Plans: parts that can go.

use std::collections::{BTreeMap, HashMap};

use sync_core::{ResourceName, Result, RunId, Scope};
use sync_engine::{PartState, ReadyPart};

use super::{
    SqlStore,
    packed::{Packed, States, unpack_members},
    parts_batch::load,
    plan::{operations, run_number},
    plan_spec,
    sql::{from_int, to_int},
};
use crate::db::{Conn, query};
use crate::error::{corrupt, database};

/// The place of a part in a stage: its group, its operation and its index.
type Place = (String, u64, u32);

impl SqlStore {
    pub(super) async fn page_of_ready_parts(
        &self,
        (scope, run): (&Scope, &RunId),
        (resource, stage): (&ResourceName, u8),
        after: Option<(&str, u64, u32)>,
        limit: usize,
    ) -> Result<Vec<ReadyPart>> {
        // One snapshot for all.
        let mut tx = self.readers().snapshot().await?;
        let Some(run) = run_number(&mut tx, scope, run).await? else { return Ok(Vec::new()) };
        let mut groups = Groups { run, resource, stage, place: None, n_rows: FEW_ROWS };
        let after = after.map(|(group, seq, part_idx)| (group.to_owned(), seq, part_idx));
        let mut known = Known::default();
        let mut page = Vec::new();
        while page.len() < limit {
            let rows = groups.next(&mut tx, after.as_ref()).await?;
            if rows.is_empty() {
                break;
            }
            let places = rows.into_iter().flat_map(|(group, members)| {
                let is_first = after.as_ref().is_some_and(|(last, ..)| *last == group);
                let after = after.as_ref().filter(|_| is_first).map(|(_, seq, part_idx)| (*seq, *part_idx));
                members.into_iter().filter(move |place| after.is_none_or(|after| *place > after))
            });
            let places: Vec<(u64, u32)> = places.collect();
            for places in places.chunks(limit.clamp(1, MANY_MEMBERS)) {
                known.load(&mut tx, run, places.iter().map(|(seq, _)| *seq)).await?;
                let is_ready = |(seq, part_idx): &&(u64, u32)| {
                    known.part(*seq, *part_idx).is_some_and(|part| part.state == PartState::Ready)
                };
                page.extend(places.iter().filter(is_ready));
                if page.len() >= limit {
                    break;
                }
            }
        }
        page.truncate(limit);
        with_operations(&mut tx, run, &known, &page).await
    }

    pub(super) async fn counts_of_open_parts(&self, scope: &Scope, run: &RunId, seqs: &[u64]) -> Result<Vec<u32>> {
        let mut tx = self.readers().snapshot().await?;
        let Some(run) = run_number(&mut tx, scope, run).await? else { return Ok(vec![0; seqs.len()]) };
        let mut known = Known::default();
        known.load(&mut tx, run, seqs.iter().copied()).await?;
        let n_open = |seq: &u64| known.parts(*seq).map_or(Ok(0), n_open);
        seqs.iter().map(n_open).collect()
    }

    pub(super) async fn some_parts(&self, scope: &Scope, run: &RunId, parts: &[(u64, u32)]) -> Result<Vec<ReadyPart>> {
        let mut tx = self.readers().snapshot().await?;
        let Some(run) = run_number(&mut tx, scope, run).await? else { return Ok(Vec::new()) };
        let mut known = Known::default();
        known.load(&mut tx, run, parts.iter().map(|(seq, _)| *seq)).await?;
        with_operations(&mut tx, run, &known, parts).await
    }
}

/// How many rows of groups are read at once: few while they hold many parts each, more where they hold one.
const FEW_ROWS: i64 = 16;
const MANY_ROWS: i64 = 512;
/// How many parts are looked at before the page is counted again.
const MANY_MEMBERS: usize = 1_024;

/// Reads the groups of a stage in order, some rows at a time.
struct Groups<'a> {
    run: i64,
    resource: &'a ResourceName,
    stage: u8,
    place: Option<(String, i64)>,
    n_rows: i64,
}

impl Groups<'_> {
    /// The next rows: parts by group. The first are those that hold what comes after a place.
    async fn next(&mut self, conn: &mut Conn, after: Option<&Place>) -> Result<Vec<(String, Vec<(u64, u32)>)>> {
        const FROM: &str = "select call_group, first_seq, body from plan_group where run_id = $1 and resource = $2 \
            and stage = $3 and call_group >= $4 and (call_group > $4 or last_seq >= $5) \
            order by call_group, first_seq limit $6";
        const NEXT: &str = "select call_group, first_seq, body from plan_group where run_id = $1 and resource = $2 \
            and stage = $3 and (call_group, first_seq) > ($4, $5) order by call_group, first_seq limit $6";
        let query = match &self.place {
            Some(_) => query(NEXT),
            None => query(FROM),
        };
        let query = query.bind(self.run).bind(self.resource.as_str()).bind(self.stage);
        let query = match (&self.place, after) {
            (Some((group, seq)), _) => query.bind(group.as_str()).bind(*seq),
            (None, Some((group, seq, _))) => query.bind(group.as_str()).bind(to_int(*seq)),
            (None, None) => query.bind("").bind(-1),
        };
        let mut rows = Vec::new();
        for row in query.bind(self.n_rows).fetch_all(conn).await.map_err(database)? {
            let (group, first_seq) = (row.text(0)?.to_owned(), row.int(1)?);
            let members = unpack_members(from_int("plan", first_seq)?, row.bytes(2)?)?;
            self.place = Some((group.clone(), first_seq));
            rows.push((group, members));
        }
        let n_members: usize = rows.iter().map(|(_, members)| members.len()).sum();
        self.n_rows = if n_members <= 4 * rows.len() { MANY_ROWS } else { FEW_ROWS };
        Ok(rows)
    }
}

/// States that were read already.
#[derive(Default)]
struct Known(BTreeMap<u64, States>);

impl Known {
    async fn load(&mut self, conn: &mut Conn, run: i64, seqs: impl Iterator<Item = u64>) -> Result<()> {
        let mut unknown: Vec<u64> = seqs.filter(|seq| self.parts(*seq).is_none()).collect();
        unknown.dedup();
        if !unknown.is_empty() {
            self.0.extend(load(conn, run, &unknown).await?);
        }
        Ok(())
    }

    fn parts(&self, seq: u64) -> Option<&[Packed]> {
        self.0.range(..=seq).next_back().and_then(|(_, states)| states.parts(seq))
    }

    fn part(&self, seq: u64, part_idx: u32) -> Option<Packed> {
        self.parts(seq)?.get(part_idx as usize).copied()
    }
}

fn n_open(parts: &[Packed]) -> Result<u32> {
    u32::try_from(parts.iter().filter(|part| part.state != PartState::Done).count()).map_err(|_| corrupt("part"))
}

/// These parts, as far as they are there, each with its operation.
async fn with_operations(conn: &mut Conn, run: i64, known: &Known, wanted: &[(u64, u32)]) -> Result<Vec<ReadyPart>> {
    let there: Vec<(u64, u32)> =
        wanted.iter().copied().filter(|(seq, part_idx)| known.part(*seq, *part_idx).is_some()).collect();
    let mut seqs: Vec<u64> = there.iter().map(|(seq, _)| *seq).collect();
    seqs.sort_unstable();
    seqs.dedup();
    let mut n_wanted: HashMap<u64, usize> = HashMap::with_capacity(seqs.len());
    there.iter().for_each(|(seq, _)| *n_wanted.entry(*seq).or_default() += 1);
    let used = there.iter().filter_map(|(seq, part_idx)| known.part(*seq, *part_idx)).map(|part| part.spec);
    let specs = plan_spec::some(conn, run, &used.collect()).await?;
    let mut operations = operations(conn, run, &seqs).await?;
    let mut ready = |(seq, part_idx): (u64, u32)| {
        let parts = known.parts(seq).unwrap_or_default();
        let packed = *parts.get(part_idx as usize).ok_or_else(|| corrupt("part"))?;
        // The operation is handed on with its last part, and copied before.
        let n_left = n_wanted.get_mut(&seq).ok_or_else(|| corrupt("plan"))?;
        *n_left -= 1;
        let stored = operations.get(&seq).ok_or_else(|| corrupt("plan"))?;
        let part = stored.own.part(&specs, packed, part_idx as usize)?;
        let op = if *n_left == 0 { operations.remove(&seq).map(|stored| stored.op) } else { Some(stored.op.clone()) };
        let op = op.ok_or_else(|| corrupt("plan"))?;
        Ok(ReadyPart {
            seq,
            part_idx,
            n_open: n_open(parts)?,
            n_parts: u32::try_from(parts.len()).map_err(|_| corrupt("part"))?,
            part,
            operation: op.operation,
            key: op.key,
            hash: op.hash,
        })
    };
    there.into_iter().map(&mut ready).collect()
}
