//! What may be shown at rest.

use super::*;

impl Calendar {
    /// What is wrong at rest, record by record.
    pub(super) async fn judged(&self, dispatcher: &Dispatcher) -> Vec<String> {
        let (here, there) = (self.here(), self.there());
        let settings = with(&self.settings, |settings| settings.clone());
        let mut broken = Vec::new();
        let names: BTreeSet<String> = with(&self.model, |model| {
            let made = model.made_here.iter().map(|(name, ..)| name.clone());
            made.chain(model.made_there.iter().cloned()).chain(here.keys().cloned()).chain(there.keys().cloned()).collect()
        });
        for name in names {
            let none = Vec::new();
            let (ours, theirs) = (here.get(&name).unwrap_or(&none), there.get(&name).unwrap_or(&none));
            for (side, all) in [("here", ours), ("there", theirs)] {
                if all.len() > 1 {
                    let places: Vec<_> = all.iter().map(|one| &one.place).collect();
                    broken.push(format!("law 1: {name} is {} times {side}: {places:?}", all.len()));
                }
            }
            let ids = self.ids(&name, ours.first(), theirs.first());
            let asked = self.asked(dispatcher, &ids).await;
            let reported = asked.as_deref().is_some_and(|said| said != "detached");
            if reported {
                with(&self.model, |model| model.n_excused += 1);
            }
            let line = match (ours.first(), theirs.first()) {
                (Some(ours), Some(theirs)) => {
                    let is_told = self.is_told(dispatcher, &name, ours).await;
                    self.differs(&name, ours, theirs, reported, is_told, &settings)
                }
                (Some(_), None) => self.missing_there(&name, asked.as_deref(), &settings),
                (None, Some(theirs)) => self.missing_here(&name, theirs, reported, &settings),
                (None, None) => self.missing_everywhere(&name, reported),
            };
            if let Some(line) = line {
                // Whoever looks into a failure wants to know what was agreed on.
                let linked = serde_json::to_string(&self.links(dispatcher, &ids).await).unwrap_or_default();
                broken.push(format!("{line} (stands: {asked:?}; linked: {linked})"));
            }
        }
        broken
    }

    /// As what a record stands, if it does: the code of its item, or that its link was let go.
    /// Under which ids something may stand about a record, or be linked.
    fn ids(&self, name: &str, ours: Option<&Shown>, theirs: Option<&Shown>) -> Vec<LocalId> {
        let made = with(&self.model, |model| {
            model.made_here.iter().find(|(known, ..)| known == name).map(|(.., id)| id.to_string())
        });
        let remote = theirs.map(|theirs| format!("remote:{}", theirs.place.1));
        let ids = [ours.map(|ours| ours.place.1.clone()), made, remote];
        ids.into_iter().flatten().map(LocalId::new).collect()
    }

    async fn links(&self, dispatcher: &Dispatcher, ids: &[LocalId]) -> Vec<Link> {
        let mut links = Vec::new();
        for id in ids {
            links.extend(dispatcher.store().links_of(&self.world.scope, id.as_str()).await.unwrap_or_default());
        }
        links
    }

    async fn asked(&self, dispatcher: &Dispatcher, ids: &[LocalId]) -> Option<String> {
        let (store, scope) = (dispatcher.store(), &self.world.scope);
        for table in TABLES {
            let resource = ResourceName::new(table.as_str());
            let items = store.items_by_local(scope, &resource, ids).await.unwrap_or_default();
            if let Some(item) = items.into_iter().flatten().next() {
                return Some(item.outcome.code.to_string());
            }
        }
        let is_detached = self.links(dispatcher, ids).await.iter().any(|link| link.state == LinkState::Detached);
        is_detached.then(|| "detached".to_owned())
    }

    fn differs(
        &self,
        name: &str,
        ours: &Shown,
        theirs: &Shown,
        reported: bool,
        is_told: bool,
        settings: &Json,
    ) -> Option<String> {
        with(&self.model, |model| {
            if model.left.contains(name) || reported {
                return None;
            }
            let (is_push, is_pull) = (settings["direction"] == "push", settings["direction"] == "pull");
            for field in FIELDS {
                let (here, there) = (&ours.fields[field], &theirs.fields[field]);
                if !is_push && !is_pull && here != there {
                    return Some(format!("law 2: {field} of {name} is {here:?} here and {there:?} there"));
                }
                // Where only this side counts, what people change there may stand or be written over.
                let shown = [here.as_str(), there.as_str()];
                let lost = model.lineage.lost(name, field, &shown);
                let counts = |edit: &&&Edit| edit.side == Side::Here && !is_pull || edit.side == Side::There && !is_push;
                if let Some(edit) = lost.iter().find(counts) {
                    let is_settled = settings["conflicts"]["title"] != "ask";
                    if !is_settled || !is_told {
                        return Some(format!(
                            "law 2: {field} of {name} was {:?} ({:?}) and is {shown:?}: lost",
                            edit.value, edit.side
                        ));
                    }
                }
                if is_push && here != there && !model.lineage.covers(name, field, there, here) {
                    return Some(format!("law 2: {field} of {name} is {here:?} here and did not arrive: {there:?}"));
                }
                if is_pull && here != there && !model.lineage.covers(name, field, here, there) {
                    return Some(format!("law 2: {field} of {name} is {there:?} there and did not arrive: {here:?}"));
                }
            }
            if is_pull {
                return None;
            }
            // What was made here again from there knows no boat.
            if ours.boat.is_some() && ours.boat != theirs.boat {
                return Some(format!("law 2: the boat of {name} is {:?} here and {:?} there", ours.boat, theirs.boat));
            }
            if ours.is_cancelled != theirs.is_cancelled {
                return Some(format!(
                    "law 2: {name} is cancelled: {} here, {} there",
                    ours.is_cancelled, theirs.is_cancelled
                ));
            }
            if !name.starts_with('F') {
                let by_boat = settings["calendars_by"].is_object() && ours.boat.as_deref() == Some("Dory");
                let training = ours.place.0 == SESSIONS.as_str() && settings["training_calendar"].is_string();
                let calendar = if by_boat || training { SECOND } else { settings["calendar"].as_str().unwrap_or_default() };
                if theirs.place.0 != calendar {
                    return Some(format!("law 2: {name} lies in {} and belongs into {calendar}", theirs.place.0));
                }
            }
            None
        })
    }

    /// True when some run told that a conflict about it was settled by the policy: under the id that it has, or the one that
    /// it had before it was deleted here and came back from there.
    async fn is_told(&self, dispatcher: &Dispatcher, name: &str, shown: &Shown) -> bool {
        let made = with(&self.model, |model| {
            let made = model.made_here.iter().find(|(known, ..)| known == name);
            made.map(|(.., id)| id.to_string())
        });
        for id in [Some(shown.place.1.clone()), made].into_iter().flatten() {
            let trail = dispatcher.store().trail(&self.world.scope, &id, 1_000).await.unwrap_or_default();
            if trail.iter().any(|(_, row)| row.outcome.code == "conflict-settled") {
                return true;
            }
        }
        false
    }

    fn missing_there(&self, name: &str, asked: Option<&str>, settings: &Json) -> Option<String> {
        with(&self.model, |model| {
            let was_deleted = model.gone_there.contains_key(name);
            // Where the feed is not read, nobody knows before the next change here.
            if was_deleted && settings["direction"] == "push" {
                return None;
            }
            if model.left.contains(name) || (was_deleted && asked.is_some()) {
                return None;
            }
            match asked {
                Some("gone-there") => Some(format!("law 8: {name} counts as deleted there, and nobody did that")),
                Some("detached") => Some(format!("law 8: {name} was let go, and nobody deleted it there")),
                Some(_) => None,
                None if name.starts_with('F') && settings["direction"] == "push" => None,
                None if settings["direction"] == "pull" => None,
                None => Some(format!("law 2: {name} is not there (deleted there: {was_deleted})")),
            }
        })
    }

    fn missing_here(&self, name: &str, theirs: &Shown, reported: bool, settings: &Json) -> Option<String> {
        with(&self.model, |model| {
            if reported || model.left.contains(name) {
                return None;
            }
            if name.starts_with('F') {
                let is_taken = settings["foreign"] == true && settings["direction"] != "push";
                let was_here = model.gone_here.contains_key(name);
                return (is_taken && !was_here).then(|| format!("law 2: {name} is only there"));
            }
            let Some(saw) = model.gone_here.get(name) else {
                return Some(format!("law 8: {name} was deleted here, and nobody did that"));
            };
            // Where only this side counts, it goes whatever it says.
            let is_edited = settings["direction"] != "push"
                && saw.iter().any(|(field, saw)| !model.lineage.covers(name, field, saw, &theirs.fields[field]));
            (!is_edited).then(|| format!("law 2: {name} was deleted here and is still there"))
        })
    }

    fn missing_everywhere(&self, name: &str, reported: bool) -> Option<String> {
        with(&self.model, |model| {
            let was_deleted = model.gone_here.contains_key(name) || model.left.contains(name);
            let is_foreign = name.starts_with('F') && model.gone_there.contains_key(name);
            (!was_deleted && !is_foreign && !reported).then(|| format!("law 8: {name} is gone, and nobody here deleted it"))
        })
    }
}
