//! What may be shown at rest.

use super::*;

impl Newsletter {
    /// What is wrong at rest, customer by customer.
    pub(super) async fn judged(&self, dispatcher: &Dispatcher) -> Vec<String> {
        let (audience, rows) = (self.audience(), self.rows());
        let members = self.members(&audience);
        let mut broken = Vec::new();
        let mut n_of: BTreeMap<&str, u64> = BTreeMap::new();
        for (email, member) in &members {
            if member["status"] != "archived" {
                *n_of.entry(name(email)).or_default() += 1;
            }
        }
        broken.extend(n_of.iter().filter(|(_, n)| **n > 1).map(|(name, n)| format!("law 1: {name} is {n} times there")));
        let gone = with(&self.model, |model| model.gone_here.clone());
        let ids: Vec<LocalId> = rows.keys().cloned().chain(gone.into_iter().map(LocalId::new)).collect();
        let resource = ResourceName::from_static("contacts");
        let items = dispatcher.store().items_by_local(&self.world.scope, &resource, &ids).await.unwrap_or_default();
        let stands: BTreeMap<LocalId, String> =
            items.into_iter().flatten().map(|item| (item.local.clone(), item.outcome.code.to_string())).collect();
        // Whoever looks into a failure wants to know what was agreed on.
        let mut linked: BTreeMap<LocalId, String> = BTreeMap::new();
        for id in &ids {
            let links = dispatcher.store().links_of(&self.world.scope, id.as_str()).await.unwrap_or_default();
            linked.insert(id.clone(), serde_json::to_string(&links).unwrap_or_default());
        }
        with(&self.model, |model| {
            model.n_excused += stands.len() as u64;
            for (id, row) in &rows {
                let line = model.customer(&audience, row, &members, stands.get(id));
                broken
                    .extend(line.map(|line| format!("{line} (stands: {:?}; linked: {:?})", stands.get(id), linked.get(id))));
            }
            for name in &model.gone_here {
                let member =
                    members.iter().find(|(email, member)| self::name(email) == name && member["status"] == "subscribed");
                // Who was there before us and was never linked is none of ours.
                let was_there = |email: &String| model.signed_up.contains_key(&(audience.clone(), email.clone()));
                if let Some((email, _)) = member
                    && !model.left.contains(name)
                    && !was_there(email)
                    && !stands.contains_key(&LocalId::new(name.clone()))
                {
                    broken.push(format!("law 2: {email} was deleted here and is subscribed there"));
                }
            }
        });
        for list in [AUDIENCE, OTHER_AUDIENCE] {
            let members = self.members(list);
            with(&self.model, |model| broken.extend(model.consent(list, &members)));
        }
        let told: BTreeSet<String> = self
            .world
            .shop
            .facts(ORG)
            .into_iter()
            .filter(|fact| fact.state <= ConsentState::Denied)
            .map(|fact| fact.address.to_lowercase())
            .collect();
        for (email, member) in &members {
            let is_refusal = matches!(member["status"].as_str(), Some("unsubscribed" | "cleaned"));
            let place = (audience.clone(), email.clone());
            let by_person = with(&self.model, |model| model.refused.contains(&place) && !model.said_here.contains(&place));
            // Put away there, what they had said before is hidden.
            let is_hidden = with(&self.model, |model| model.away.contains(name(email)));
            if is_refusal && by_person && !is_hidden && !told.contains(email) {
                broken.push(format!("law 2: {email} said no, and the host was not told"));
            }
        }
        broken
    }
}

impl Model {
    /// What is wrong with a customer.
    fn customer(
        &self,
        audience: &str,
        row: &Record,
        members: &Map<String, Json>,
        stands: Option<&String>,
    ) -> Option<String> {
        let email = row.text("email").unwrap_or_default().to_lowercase();
        let name = name(&email);
        let consent = row.value("consent.email").and_then(Value::as_consent).map(|consent| consent.state);
        let may_go = consent == Some(ConsentState::Granted);
        if self.away.contains(name) || self.left.contains(name) {
            return None;
        }
        let Some(member) = members.get(&email) else {
            return (may_go && stands.is_none()).then(|| format!("law 2: {email} is not there"));
        };
        let status = member["status"].as_str().unwrap_or_default();
        if !may_go && matches!(status, "subscribed" | "pending") {
            let signed_up = self.signed_up.get(&(audience.to_owned(), email.clone()));
            // Who signed up himself after the host's no stays: the later word counts, by the dates on both sides, or, where
            // their clock is behind, since the refusal was seen before.
            let dated = member["timestamp_opt"].as_str().and_then(|at| at.parse::<Timestamp>().ok());
            let said_at = row.value("consent.email").and_then(Value::as_consent).and_then(|consent| consent.at);
            if signed_up.is_some_and(|signed| said_at.is_some_and(|said| Some(*signed).max(dated) > Some(said))) {
                return None;
            }
            return Some(format!("law 9: {email} said no here and is {status} there (signed up: {signed_up:?})"));
        }
        if !may_go || stands.is_some() || status != "subscribed" {
            // Who has another address since is renamed there, and what was said under the old one goes along: a program lifts
            // neither an unsubscribe nor a bounce.
            let has_refused = self.refused.iter().any(|(_, refused)| self::name(refused) == name);
            let said_at = row.value("consent.email").and_then(Value::as_consent).and_then(|consent| consent.at);
            let is_overtaken = self.denied_here.get(name).is_some_and(|denied| said_at <= Some(*denied));
            let is_missing = may_go && stands.is_none() && !has_refused && !is_overtaken;
            return is_missing.then(|| format!("law 2: {email} is {status} there"));
        }
        let (here, there) = (row.text("first_name").unwrap_or_default(), member["merge_fields"]["FNAME"].as_str());
        let there = there.unwrap_or_default();
        // A marketer's later change may stand; an older value of ours may not.
        let is_marketers =
            self.lineage.knows(name, "first_name", there) && self.lineage.covers(name, "first_name", there, here);
        if here != there && !is_marketers && !self.is_of_theirs(name, there) {
            return Some(format!("law 2: the name of {email} is {here:?} here and {there:?} there"));
        }
        let there: BTreeSet<&str> = member["tags"].as_array().into_iter().flatten().filter_map(Json::as_str).collect();
        let ours: BTreeSet<&str> =
            row.value("tags").and_then(Value::as_set).into_iter().flatten().map(String::as_str).collect();
        if !ours.is_subset(&there) {
            return Some(format!("law 2: tags of {email} are {there:?} there and should have {ours:?}"));
        }
        let mut more = there.difference(&ours).filter(|tag| OURS.contains(tag));
        if more.next().is_some() && !self.forgotten.contains(name) {
            return Some(format!("law 2: tags of {email} are {there:?} there and {ours:?} here"));
        }
        None
    }

    /// True when a marketer wrote this name: where only this side counts, it may stand until the next change here.
    fn is_of_theirs(&self, name: &str, value: &str) -> bool {
        self.lineage.is_by(Side::There, name, "first_name", value)
    }

    /// Law 9, and law 2 for what is a marketer's.
    fn consent(&self, list: &str, members: &Map<String, Json>) -> Vec<String> {
        let mut broken = Vec::new();
        for (email, member) in members {
            let status = member["status"].as_str().unwrap_or_default();
            let signed_up = self.signed_up.contains_key(&(list.to_owned(), email.clone()));
            let place = (list.to_owned(), email.clone());
            let refused = self.refused.contains(&place) || self.barred.contains(&place);
            if refused && !signed_up && matches!(status, "subscribed" | "pending" | "transactional") {
                broken.push(format!("law 9: {email} said no and is {status} in {list}"));
            }
            let tags: BTreeSet<&str> = member["tags"].as_array().into_iter().flatten().filter_map(Json::as_str).collect();
            let lost =
                self.foreign.iter().find(|(of, whose, tag)| of == list && whose == email && !tags.contains(tag.as_str()));
            if let Some((.., tag)) = lost
                && !self.away.contains(name(email))
            {
                broken.push(format!("law 2: the marketer's tag {tag} of {email} is gone in {list}"));
            }
        }
        broken
    }
}
