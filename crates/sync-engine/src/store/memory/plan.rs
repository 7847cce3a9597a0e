//! Reading a plan in memory.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    ops::Bound,
};

use sync_core::{Error, ErrorKind, LocalId, ResourceName, Result, Role};

use super::{
    super::{PartState, PlannedOp, PlannedRow, ReadyPart},
    state::{Plan, Planned},
};

impl Plan {
    pub(super) fn add(&mut self, operations: Vec<PlannedOp>) -> Result<()> {
        let last = self.operations.keys().next_back().copied().unwrap_or(0);
        let mut seqs = std::iter::once(last).chain(operations.iter().map(|op| op.seq));
        if !seqs.by_ref().is_sorted_by(|a, b| a < b) {
            return Err(Error::new(ErrorKind::Internal, "numbers of a plan's operations must rise"));
        }
        let planned = |op: PlannedOp| (op.seq, Planned { states: vec![PartState::Ready; op.parts.len()], op });
        self.operations.extend(operations.into_iter().map(planned));
        Ok(())
    }

    pub(super) fn open_parts(&self, seqs: &[u64]) -> Vec<u32> {
        let n_open = |seq: &u64| {
            let states = self.operations.get(seq).map(|op| op.states.iter());
            states.into_iter().flatten().filter(|state| **state != PartState::Done).count()
        };
        seqs.iter().map(|seq| u32::try_from(n_open(seq)).unwrap_or(u32::MAX)).collect()
    }

    pub(super) fn page(&self, after: u64, limit: usize) -> Vec<PlannedRow> {
        let row = |planned: &Planned| PlannedRow { planned: planned.op.clone(), states: planned.states.clone() };

        self.operations.range((Bound::Excluded(after), Bound::Unbounded)).take(limit).map(|(_, op)| row(op)).collect()
    }

    pub(super) fn digests(&self, after: Option<(&str, u64)>, limit: usize) -> Vec<(String, u64)> {
        let mut rows: Vec<_> = self.operations.values().map(|planned| (&*planned.op.digest, planned.op.seq)).collect();
        rows.retain(|row| after.is_none_or(|after| *row > after));
        rows.sort_unstable();
        rows.into_iter().take(limit).map(|(digest, seq)| (digest.to_owned(), seq)).collect()
    }

    pub(super) fn twins(&self, resource: &ResourceName, after: Option<&str>, limit: usize) -> Vec<(String, Vec<u64>)> {
        let mut by_key: BTreeMap<&str, Vec<u64>> = BTreeMap::new();
        for op in self.operations.values().map(|planned| &planned.op) {
            let operation = &op.operation;
            if let Some(key) = &op.key
                && operation.resource == *resource
                && after.is_none_or(|after| key.as_str() > after)
            {
                by_key.entry(key).or_default().push(op.seq);
            }
        }
        let twins = by_key.into_iter().filter(|(_, seqs)| seqs.len() > 1);
        twins.take(limit).map(|(key, seqs)| (key.to_owned(), seqs)).collect()
    }

    pub(super) fn repeats(&self, resource: &ResourceName, limit: usize) -> Vec<(LocalId, Vec<u64>)> {
        let mut by_record: BTreeMap<(&LocalId, &Role), Vec<u64>> = BTreeMap::new();
        for op in self.operations.values().map(|planned| &planned.op) {
            if op.operation.resource == *resource {
                by_record.entry((&op.operation.local, &op.operation.role)).or_default().push(op.seq);
            }
        }
        let repeats = by_record.into_iter().filter(|(_, seqs)| seqs.len() > 1);
        repeats.take(limit).map(|((local, _), seqs)| (local.clone(), seqs)).collect()
    }

    pub(super) fn ready_parts(
        &self,
        resource: &ResourceName,
        stage: u8,
        after: Option<(&str, u64, u32)>,
        limit: usize,
    ) -> Vec<ReadyPart> {
        let of_stage =
            |(planned, idx): &(&Planned, usize)| planned.op.parts.get(*idx).is_some_and(|part| part.stage == stage);
        let rows = sorted(ready(self, resource).filter(of_stage)).into_iter();
        rows.filter(|(group, seq, idx, _)| after.is_none_or(|after| (*group, *seq, *idx) > after))
            .filter_map(|(_, _, idx, planned)| planned.part(idx as usize))
            .take(limit)
            .collect()
    }

    pub(super) fn parts(&self, parts: &[(u64, u32)]) -> Vec<ReadyPart> {
        parts.iter().filter_map(|(seq, idx)| self.operations.get(seq)?.part(*idx as usize)).collect()
    }

    pub(super) fn ready_stages(&self, resource: &ResourceName) -> Vec<u8> {
        let stages = ready(self, resource).filter_map(|(planned, idx)| planned.op.parts.get(idx)).map(|part| part.stage);
        stages.collect::<BTreeSet<u8>>().into_iter().collect()
    }

    pub(super) fn calls(&self) -> u64 {
        let mut groups: HashMap<(&ResourceName, u8, &str, u32), u64> = HashMap::new();
        for planned in self.operations.values() {
            for part in &planned.op.parts {
                let group = (&planned.op.operation.resource, part.stage, part.group.as_str(), part.max);
                *groups.entry(group).or_default() += 1;
            }
        }
        groups.into_iter().map(|((.., max), n_parts)| n_parts.div_ceil(u64::from(max.max(1)))).sum()
    }
}

fn sorted<'a>(parts: impl Iterator<Item = (&'a Planned, usize)>) -> Vec<(&'a str, u64, u32, &'a Planned)> {
    let mut rows: Vec<_> = parts
        .filter_map(|(planned, idx)| {
            Some((planned.op.parts.get(idx)?.group.as_str(), planned.op.seq, u32::try_from(idx).ok()?, planned))
        })
        .collect();
    rows.sort_by(|a, b| (a.0, a.1, a.2).cmp(&(b.0, b.1, b.2)));
    rows
}

fn ready<'a>(plan: &'a Plan, resource: &ResourceName) -> impl Iterator<Item = (&'a Planned, usize)> {
    let resource = resource.clone();
    plan.operations
        .values()
        .filter(move |planned| planned.op.operation.resource == resource)
        .flat_map(|planned| planned.states.iter().enumerate().map(move |(idx, state)| (planned, idx, *state)))
        .filter(|(_, _, state)| *state == PartState::Ready)
        .map(|(planned, idx, _)| (planned, idx))
}
