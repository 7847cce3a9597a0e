//! What the parts of a plan are made of. Parts alike share a numbered spec. A group with many parts is in the spec; one that
//! holds a single part, or that comes after many others, is kept with the operation.

use std::collections::{BTreeSet, HashMap};

use serde::Deserialize;
use sync_core::{Error, ErrorKind, ResourceName, Result};
use sync_engine::{PlannedOp, PlannedPart};

use super::{
    packed::Packed,
    sql::{from_int, from_json, ints, to_json},
};
use crate::db::{Conn, Insert, Query, Values, query};
use crate::error::{corrupt, database};

/// Most specs with a group in them: a page of a plan reads those that it needs, an addition reads all.
const MAX_GROUPS: usize = 1_024;

/// What parts of a run are made of, by number.
pub(super) type Specs = HashMap<u16, (ResourceName, PlannedPart)>;

/// True for a spec whose parts keep their groups with their operations.
pub(super) fn is_own(spec: &PlannedPart) -> bool {
    spec.group.is_empty()
}

/// These specs of a run.
pub(super) async fn some(conn: &mut Conn, run: i64, numbers: &BTreeSet<u16>) -> Result<Specs> {
    const SOME: &str =
        "select id, resource, body from plan_spec where run_id = $1 and id in (select value from json_each($2))";
    read(conn, query(SOME).bind(run).bind(ints(numbers.iter().copied()))).await
}

/// All specs of a run.
pub(super) async fn all(conn: &mut Conn, run: i64) -> Result<Specs> {
    read(conn, query("select id, resource, body from plan_spec where run_id = $1").bind(run)).await
}

async fn read(conn: &mut Conn, query: Query) -> Result<Specs> {
    let mut specs = HashMap::new();
    for row in query.fetch_all(conn).await.map_err(database)? {
        specs.insert(from_int("part", row.int(0)?)?, (row.text(1)?.into(), from_json("part", row.text(2)?)?));
    }
    Ok(specs)
}

/// Numbers the specs of operations that are added to a plan.
pub(super) struct Numbers {
    known: HashMap<String, Vec<(ResourceName, PlannedPart, u16)>>,
    new: Vec<(u16, ResourceName, PlannedPart)>,
    n_known: usize,
    n_groups: usize,
}

impl Numbers {
    pub(super) async fn load(conn: &mut Conn, run: i64) -> Result<Self> {
        let mut numbers = Self { known: HashMap::new(), new: Vec::new(), n_known: 0, n_groups: 0 };
        for (number, (resource, spec)) in all(conn, run).await? {
            numbers.note(resource, spec, number);
        }
        Ok(numbers)
    }

    fn note(&mut self, resource: ResourceName, spec: PlannedPart, number: u16) {
        self.n_known += 1;
        self.n_groups += usize::from(!is_own(&spec));
        self.known.entry(spec.group.clone()).or_default().push((resource, spec, number));
    }

    /// The specs of an operation's parts, and the groups that are its own: a text for each part, blank where the group is
    /// in the spec.
    pub(super) fn of(&mut self, op: &PlannedOp) -> Result<(Vec<u16>, Option<String>)> {
        let resource = &op.operation.resource;
        let mut own: Vec<&str> = Vec::new();
        let mut numbers = Vec::with_capacity(op.parts.len());
        for part in &op.parts {
            let (number, is_own) = self.number(resource, part)?;
            own.push(if is_own { &part.group } else { "" });
            numbers.push(number);
        }
        let own = own.iter().any(|group| !group.is_empty()).then(|| to_json(&own)).transpose()?;
        Ok((numbers, own))
    }

    /// The spec of a part, and whether its group is kept with the operation.
    fn number(&mut self, resource: &ResourceName, part: &PlannedPart) -> Result<(u16, bool)> {
        if part.max > 1 {
            if let Some(number) = self.find(resource, part, &part.group) {
                return Ok((number, part.group.is_empty()));
            }
            if self.n_groups < MAX_GROUPS {
                return Ok((self.add(resource, part.clone())?, part.group.is_empty()));
            }
        }
        let number = match self.find(resource, part, "") {
            Some(number) => number,
            None => self.add(resource, PlannedPart { group: String::new(), ..part.clone() })?,
        };
        Ok((number, true))
    }

    /// The number of a spec that is as the part is, but for its group.
    fn find(&self, resource: &ResourceName, part: &PlannedPart, group: &str) -> Option<u16> {
        let is_alike = |(of, spec, _): &&(ResourceName, PlannedPart, u16)| {
            let PlannedPart { stage, group: _, max, serial, budget, cost, safety, effects } = spec;
            of == resource
                && (*stage, *max, *serial, *cost, *safety) == (part.stage, part.max, part.serial, part.cost, part.safety)
                && (budget, effects) == (&part.budget, &part.effects)
        };
        self.known.get(group)?.iter().find(is_alike).map(|(_, _, number)| *number)
    }

    fn add(&mut self, resource: &ResourceName, spec: PlannedPart) -> Result<u16> {
        let number = u16::try_from(self.n_known)
            .map_err(|_| Error::new(ErrorKind::Unsupported, "a plan has more than 65,536 sorts of calls"))?;
        self.new.push((number, resource.clone(), spec.clone()));
        self.note(resource.clone(), spec, number);
        Ok(number)
    }

    pub(super) async fn write(&self, conn: &mut Conn, run: i64) -> Result<()> {
        const ADD: Insert =
            Insert { head: "insert into plan_spec (run_id, id, resource, stage, body)", n_values: 5, tail: "" };
        let bind = |(number, resource, spec): &(u16, ResourceName, PlannedPart), values: &mut Values| {
            let stage = i64::from(spec.stage);
            values.int(run).int(i64::from(*number)).text(resource.as_str()).int(stage).text(to_json(spec)?);
            Ok(())
        };
        ADD.rows(conn, &self.new, bind).await?;
        Ok(())
    }
}

/// The groups that are an operation's own, as they were stored: none, or one for each part.
#[derive(Debug, Default, Deserialize)]
#[serde(transparent)]
pub(super) struct OwnGroups(Option<Vec<String>>);

impl OwnGroups {
    pub(super) fn parse(stored: Option<&str>) -> Result<Self> {
        stored.map(|text| from_json("part", text)).transpose().map(Self)
    }

    /// A part of the operation as it was planned, of its spec.
    pub(super) fn part(&self, specs: &Specs, packed: Packed, part_idx: usize) -> Result<PlannedPart> {
        let (_, spec) = specs.get(&packed.spec).ok_or_else(|| corrupt("part"))?;
        let own = if is_own(spec) { self.0.as_ref().and_then(|groups| groups.get(part_idx)) } else { None };
        Ok(match own {
            Some(group) => PlannedPart { group: group.clone(), ..spec.clone() },
            None => spec.clone(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn part(group: &str, max: u32) -> PlannedPart {
        let safety = sync_core::Safety::Repeatable;
        let (budget, effects) = ("api".into(), Vec::new());
        PlannedPart { stage: 0, group: group.into(), max, serial: sync_core::Serial::No, budget, cost: 1, safety, effects }
    }

    fn numbers() -> Numbers {
        Numbers { known: HashMap::new(), new: Vec::new(), n_known: 0, n_groups: 0 }
    }

    #[test]
    fn many_groups_of_one_part_and_many_shared_groups_need_few_numbers() {
        let mut numbers = numbers();
        let contacts = ResourceName::from_static("contacts");
        for i in 0..100_000 {
            let single = part(&format!("tags:{i}"), 1);
            assert_eq!(numbers.number(&contacts, &single).unwrap(), (0, true));
        }
        for i in 0..100_000 {
            let (_, is_own) = numbers.number(&contacts, &part(&format!("tag:{i}"), 500)).unwrap();
            assert_eq!(is_own, i >= MAX_GROUPS, "{i}");
        }
        assert_eq!(numbers.n_known, MAX_GROUPS + 2);
        assert_eq!(numbers.number(&contacts, &part("tag:5", 500)).unwrap(), (6, false), "known ones stay shared");
    }
}
