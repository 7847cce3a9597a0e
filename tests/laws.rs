//! The laws, looked at from outside: what the host has, what the other side has, what the store says.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value as Json;
use sync_core::{Collection, ConsentState, LocalId, Record, RemoteId, Value};
use sync_engine::{LinkState, RunState, Store};

use crate::{AUDIENCE, CANARY, ORG, Town};

/// What must hold when a town has come to rest.
#[derive(Debug, Default)]
#[must_use]
pub struct Laws {
    /// Who was unsubscribed or bounced before we came: nobody of them may be subscribed.
    refusals: BTreeSet<String>,
    /// Members whom people there archived or erased.
    away: BTreeSet<String>,
    /// Tags that are nobody's but a marketer's, by member.
    foreign_tags: BTreeMap<String, String>,
}

impl Laws {
    /// Nothing but the laws themselves.
    pub fn new() -> Self {
        Self::default()
    }

    /// These people said no there.
    pub fn refused<'a>(mut self, names: impl IntoIterator<Item = &'a str>) -> Self {
        self.refusals.extend(names.into_iter().map(address));
        self
    }

    /// These people were put away there.
    pub fn away<'a>(mut self, names: impl IntoIterator<Item = &'a str>) -> Self {
        self.away.extend(names.into_iter().map(address));
        self
    }

    /// This member has a tag of a marketer's.
    pub fn foreign_tag(mut self, name: &str, tag: &str) -> Self {
        self.foreign_tags.insert(address(name), tag.to_owned());
        self
    }

    /// What is broken, one line each. Ends with a run of its own, which must find nothing to do.
    pub async fn broken(&self, town: &Town) -> Vec<String> {
        let mut broken = Vec::new();
        let rows = town.shop.rows(ORG, &Collection::CUSTOMERS);
        let members = town.members(AUDIENCE);
        let ids: Vec<LocalId> = rows.keys().cloned().collect();
        let standing = town.rig.store().items_by_local(&town.rig.scope(ORG), &"contacts".into(), &ids).await;
        let reported: BTreeSet<LocalId> = standing.into_iter().flatten().flatten().map(|item| item.local).collect();
        self.one_twin(town, &rows, &members, &mut broken).await;
        self.no_lost_change(&rows, &members, &reported, &mut broken);
        self.no_surprise(town, &members, &mut broken);
        truthful(town, &mut broken).await;
        converged(town, &mut broken).await;
        if !town.refused().is_empty() {
            broken.push(format!("calls that Mailchimp does not know: {:?}", town.refused()));
        }
        broken
    }

    async fn one_twin(
        &self,
        town: &Town,
        rows: &BTreeMap<LocalId, Record>,
        members: &serde_json::Map<String, Json>,
        broken: &mut Vec<String>,
    ) {
        let mut by_id: BTreeMap<&str, &str> = BTreeMap::new();
        for (email, member) in members {
            if let Some(other) = by_id.insert(member["id"].as_str().unwrap_or_default(), email) {
                broken.push(format!("law 1: {email} and {other} have one id"));
            }
        }
        let scope = town.rig.scope(ORG);
        let mut owners: BTreeMap<RemoteId, LocalId> = BTreeMap::new();
        for id in rows.keys() {
            let links = match town.rig.store().links_of(&scope, id.as_str()).await {
                Ok(links) => links,
                Err(error) => {
                    broken.push(format!("law 7: {error}"));
                    continue;
                }
            };
            if links.iter().filter(|link| link.local == *id).count() > 1 {
                broken.push(format!("law 1: {id} has several links"));
            }
            for link in links.into_iter().filter(|link| link.local == *id) {
                if link.state == LinkState::Open {
                    broken.push(format!("law 7: the link of {id} is still open"));
                }
                let Some(remote) = link.remote.filter(|_| link.state == LinkState::Live) else { continue };
                if !by_id.contains_key(remote.as_str()) {
                    broken.push(format!("law 7: {id} is linked to a member who isn't there"));
                }
                if let Some(other) = owners.insert(remote, id.clone()) {
                    broken.push(format!("law 1: {id} and {other} are linked to one member"));
                }
            }
        }
    }

    fn no_lost_change(
        &self,
        rows: &BTreeMap<LocalId, Record>,
        members: &serde_json::Map<String, Json>,
        reported: &BTreeSet<LocalId>,
        broken: &mut Vec<String>,
    ) {
        for (id, row) in rows {
            let email = row.text("email").unwrap_or_default().to_lowercase();
            let consent = row.value("consent.email").and_then(Value::as_consent).map(|consent| consent.state);
            let goes = consent == Some(ConsentState::Granted) && !email.is_empty();
            let member = members.get(&email);
            let Some(member) = member else {
                if goes && !self.away.contains(&email) {
                    broken.push(format!("law 2: {id} is not there"));
                }
                continue;
            };
            // Who said no there is left out, and that is reported.
            let is_left_out = self.refusals.contains(&email) && reported.contains(id);
            if self.away.contains(&email) || !goes || is_left_out {
                continue;
            }
            for (tag, field) in [("FNAME", "first_name"), ("LNAME", "last_name")] {
                let (here, there) = (row.text(field).unwrap_or_default(), member["merge_fields"][tag].as_str());
                if there != Some(here) {
                    broken.push(format!("law 2: {tag} of {id} is {there:?} there and {here:?} here"));
                }
            }
            let there: BTreeSet<&str> = member["tags"].as_array().into_iter().flatten().filter_map(Json::as_str).collect();
            let mut ours: BTreeSet<&str> =
                row.value("tags").and_then(Value::as_set).into_iter().flatten().map(String::as_str).collect();
            ours.extend(self.foreign_tags.get(&email).map(String::as_str));
            if ours != there {
                broken.push(format!("law 2: tags of {id} are {there:?} there and should be {ours:?}"));
            }
            let refused = self.refusals.contains(&email);
            if member["status"] != "subscribed" && !refused {
                broken.push(format!("law 2: {id} is {} there", member["status"]));
            }
        }
    }

    fn no_surprise(&self, town: &Town, members: &serde_json::Map<String, Json>, broken: &mut Vec<String>) {
        if town.n_surprises() > 0 {
            broken.push(format!("law 9: {} mails and automations", town.n_surprises()));
        }
        for (email, member) in members {
            let status = member["status"].as_str().unwrap_or_default();
            if self.refusals.contains(email) && !matches!(status, "unsubscribed" | "cleaned" | "archived") {
                broken.push(format!("law 9: {email} said no and is {status}"));
            }
            if member.to_string().contains(CANARY) {
                broken.push(format!("law 14: medical notes of {email} went out"));
            }
        }
    }
}

fn address(name: &str) -> String {
    format!("{name}@example.com")
}

/// Law 7: nothing is open, nothing pending, the last run ended.
async fn truthful(town: &Town, broken: &mut Vec<String>) {
    let scope = town.rig.scope(ORG);
    let store: &dyn Store = &**town.rig.store();
    match store.open_calls(&scope).await {
        Ok(calls) if calls.is_empty() => {}
        other => broken.push(format!("law 7: calls are open: {other:?}")),
    }
    match store.items(&scope, None, 1_000).await {
        Ok(items) => {
            let pending = items.iter().filter(|item| item.outcome.kind == sync_core::OutcomeKind::Pending);
            broken.extend(pending.map(|item| format!("law 7: {} is pending at rest", item.local)));
            let failed = items.iter().filter(|item| item.outcome.kind == sync_core::OutcomeKind::Failed);
            broken.extend(failed.map(|item| format!("law 2: {} failed: {:?}", item.local, item.outcome)));
        }
        Err(error) => broken.push(format!("law 7: {error}")),
    }
    match store.runs(&scope, None, 1).await {
        Ok(runs) if runs.first().is_some_and(|run| run.state == RunState::Done) => {}
        other => broken.push(format!("law 7: the last run did not end: {other:?}")),
    }
}

/// Law 3: one more run plans nothing and writes nothing.
async fn converged(town: &Town, broken: &mut Vec<String>) {
    town.clock.advance(std::time::Duration::from_secs(1));
    town.wire.take_log();
    let result = town.rig.sync(ORG).await;
    let details = result.details.clone().unwrap_or_default();
    if !result.success || result.synced > 0 || details.planned.total() > 0 {
        broken.push(format!("law 3: one more run did something: {result:?}"));
    }
    let sent = town.wire.take_log();
    if sent.iter().any(sync_testkit::Sent::is_write) {
        broken.push("law 3: one more run wrote".to_owned());
    }
    if sent.len() > 3 {
        broken.push(format!("law 3: one more run made {} calls", sent.len()));
    }
}
