//! Plans to look at: what a run would do, read back from the store page by page, written to a file, and applied from it.

mod apply;
mod cost;
mod file;
mod line;

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use sync_core::{
    AccountId, Counts, Direction, EffectGrants, Error, ErrorKind, Hash, IntegrationId, OrganizationId, PlanHash, Result,
    RunId, Scope, Total,
};
use sync_engine::ConnectionRow;

use self::cost::Tally;
use crate::Dispatcher;

pub use apply::{Applied, MovedRecord};
pub use cost::{PlanCost, PlanLimit};
pub use file::{PlanFile, PlanWriter};
pub use line::{FieldChange, PlanLine, Side};

/// The name of the format, in a plan's first line.
const FORMAT: &str = "sync-plan";
/// The format's version.
const VERSION: u32 = 1;

/// Most operations that are read at once.
const PAGE: usize = 1_000;

/// What a plan is of, and what it comes to.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct PlanHead {
    /// The format: `sync-plan`.
    pub format: String,
    /// Its version.
    pub version: u32,
    /// Whose records.
    pub organization: OrganizationId,
    /// With which provider.
    pub integration: IntegrationId,
    /// With which account there.
    pub account: Option<AccountId>,
    /// What people call the account.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub account_name: Option<String>,
    /// The digest of the settings that it was made with; see [`Dispatcher::settings_digest`].
    pub settings: String,
    /// The plan's hash, over the sorted digests of its operations: approving it lets the plan through.
    pub hash: PlanHash,
    /// The run that made it.
    pub run: RunId,
    /// When.
    pub at: Timestamp,
    /// The sync types that were asked for; all when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub types: Option<Vec<String>>,
    /// The items that were asked for; all when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub items: Option<Vec<String>>,
    /// The direction that was asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub direction: Option<Direction>,
    /// Side effects that were granted for it.
    #[serde(default)]
    pub grants: Vec<String>,
    /// The run that it takes back, where it is of that.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub undo: Option<RunId>,
    /// How many operations it has.
    pub operations: u64,
    /// How many of each verb, as in [`sync_core::Details::planned`].
    pub planned: Counts,
    /// How many of them can't be taken back.
    pub irreversible: u64,
    /// What its writes cost, by budget. Reads are not counted.
    pub cost: Vec<PlanCost>,
    /// The limits that this counts against, as they stood when the plan was read back.
    pub limits: Vec<PlanLimit>,
    /// What it sets off beyond the records.
    pub effects: Vec<PlanEffect>,
    /// What it comes to in money, by what, month, account, tax code and currency.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub totals: Vec<Total>,
    /// What it means at the provider, in an owner's words.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
}

impl PlanHead {
    /// As the head of a plan that takes a run back.
    #[must_use]
    pub fn undoing(mut self, run: Option<RunId>) -> Self {
        self.undo = run;
        self
    }
}

/// Something that a plan sets off beyond the records.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct PlanEffect {
    /// Its name in grants.
    pub name: String,
    /// What happens, for people.
    pub description: String,
    /// How many operations do so.
    pub operations: u64,
}

impl Dispatcher {
    /// The digest of everything that a plan of this connection hangs on besides the records: account, settings, and the
    /// side effects that are allowed for good. A plan is of the settings that this told before its run began.
    ///
    /// # Errors
    /// [`ErrorKind::NotConnected`] without a connection.
    pub async fn settings_digest(&self, scope: &Scope) -> Result<String> {
        Ok(digest(&self.connection(scope).await?))
    }

    /// What a run's plan comes to. `settings` is what [`Dispatcher::settings_digest`] told before the run, `grants` what it
    /// was allowed. Reads the plan through once, page by page.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`] for an unknown run, [`ErrorKind::Moved`] when the settings were changed while it was made.
    pub async fn plan(&self, scope: &Scope, run: &RunId, settings: &str, grants: &EffectGrants) -> Result<PlanHead> {
        let connection = self.connection(scope).await?;
        if digest(&connection) != settings {
            return Err(
                Error::new(ErrorKind::Moved, "the settings were changed while the plan was made").with_remedy("Plan again.")
            );
        }
        let store = &self.0.store;
        let Some(row) = store.run(scope, run).await? else {
            return Err(Error::new(ErrorKind::NotFound, format!("there is no run {run} of {}", scope.integration))
                .with_remedy("List the runs for the ids that there are."));
        };
        let descriptor = self.0.registry.built(&scope.integration)?.descriptor();
        let mut tally = Tally::default();
        let mut effects: BTreeMap<String, u64> = BTreeMap::new();
        let (mut operations, mut irreversible, mut planned) = (0, 0, Counts::default());
        let mut after = 0;
        loop {
            let rows = store.plan_page(scope, run, after, PAGE).await?;
            let Some(last) = rows.last() else { break };
            after = last.planned.seq;
            for row in &rows {
                operations += 1;
                tally.add(&row.planned);
                let (there, here) = line::verbs(&row.planned);
                if let Some(there) = there {
                    planned.add(there, 1);
                }
                if let Some(here) = here {
                    planned.add(line::name_here(here), 1);
                }
                let line = line::of(descriptor, row, None);
                irreversible += u64::from(!line.reversible);
                for effect in line.effects {
                    *effects.entry(effect).or_default() += 1;
                }
            }
        }
        let cost = tally.costs();
        let details = row.result.and_then(|result| result.details).unwrap_or_default();
        let quotas = self.0.outbound.client().quotas(scope, descriptor).await?;
        let describe = |(name, operations): (String, u64)| {
            let known = descriptor.effects.iter().find(|effect| effect.name == name);
            PlanEffect { description: known.map_or("", |effect| effect.description).to_owned(), name, operations }
        };
        Ok(PlanHead {
            format: FORMAT.to_owned(),
            version: VERSION,
            organization: scope.organization.clone(),
            integration: scope.integration.clone(),
            account: connection.account.clone(),
            account_name: connection.account_name.clone(),
            settings: settings.to_owned(),
            hash: sync_engine::plan_hash(&**store, scope, run).await?,
            run: run.clone(),
            at: row.started_at,
            types: row.request.types.clone(),
            items: row.request.item_ids.clone(),
            direction: row.request.direction,
            grants: grants.iter().map(str::to_owned).collect(),
            undo: None,
            operations,
            planned,
            irreversible,
            limits: cost::limits(&cost, &quotas),
            cost,
            effects: effects.into_iter().map(describe).collect(),
            totals: details.totals,
            notes: details.notes,
        })
    }

    /// Operations of a run's plan in order, after a number; each with its number, and with what the host calls its record.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn plan_page(&self, scope: &Scope, run: &RunId, after: u64, limit: usize) -> Result<Vec<(u64, PlanLine)>> {
        let descriptor = self.0.registry.built(&scope.integration)?.descriptor();
        let rows = self.0.store.plan_page(scope, run, after, limit.min(PAGE)).await?;
        let known = rows.iter().map(|row| &row.planned.operation).filter(|operation| operation.local.as_remote().is_none());
        let keys = known.map(|operation| (operation.resource.clone(), operation.local.clone()));
        let labels = self.labels(scope, keys).await;
        let line = |row: &sync_engine::PlannedRow| {
            let operation = &row.planned.operation;
            let label = labels.get(&(operation.resource.clone(), operation.local.clone())).cloned();
            (row.planned.seq, line::of(descriptor, row, label))
        };
        Ok(rows.iter().map(line).collect())
    }

    /// Writes a run's plan with its head, page by page: as many operations are in memory as a page has.
    ///
    /// # Errors
    /// When the store fails or the writer does.
    pub async fn write_plan<W: std::io::Write + Send>(&self, scope: &Scope, head: &PlanHead, to: W) -> Result<W> {
        let mut writer = PlanWriter::begin(to, head)?;
        let mut after = 0;
        loop {
            let page = self.plan_page(scope, &head.run, after, PAGE).await?;
            let Some((last, _)) = page.last() else { return writer.end() };
            after = *last;
            for (_, line) in &page {
                writer.line(line)?;
            }
        }
    }
}

/// The digest of a connection's account, settings and standing grants.
fn digest(connection: &ConnectionRow) -> String {
    let mut hash = Hash::start();
    hash.text(connection.account.as_ref().map_or("", |account| account.as_str()));
    json(&connection.settings, &mut |text| hash.text(text));
    for effect in connection.standing_grants.iter().map(|grant| &grant.effect) {
        hash.text(effect);
    }
    hash.finish().to_string()
}

/// A JSON value in parts, members in order of their names: the same for the same value, however it is kept.
fn json(value: &serde_json::Value, part: &mut dyn FnMut(&str)) {
    match value {
        serde_json::Value::Object(members) => {
            let mut members: Vec<_> = members.iter().collect();
            members.sort_by_key(|(name, _)| *name);
            part("{");
            for (name, value) in members {
                part(name);
                json(value, part);
            }
            part("}");
        }
        serde_json::Value::Array(values) => {
            part("[");
            values.iter().for_each(|value| json(value, part));
            part("]");
        }
        scalar => part(&scalar.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn hashed(value: &serde_json::Value) -> String {
        let mut hash = Hash::start();
        json(value, &mut |text| hash.text(text));
        hash.finish().to_string()
    }

    #[test]
    fn settings_digest_the_same_in_any_order_and_differ_by_any_value() {
        let one: serde_json::Value = serde_json::from_str(r#"{"a":[1,2],"b":{"c":"x","d":null}}"#).unwrap();
        let same: serde_json::Value = serde_json::from_str(r#"{"b":{"d":null,"c":"x"},"a":[1,2]}"#).unwrap();
        assert_eq!(hashed(&one), hashed(&same));
        for other in [json!({"a": [2, 1], "b": {"c": "x", "d": null}}), json!({"a": [1, 2], "b": {"c": "x"}}), json!("x")] {
            assert_ne!(hashed(&one), hashed(&other));
        }
        assert_ne!(hashed(&json!([["a"], "b"])), hashed(&json!([["a", "b"]])));
    }
}
