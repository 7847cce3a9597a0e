//! What happened, and what waits: the store's answers, with the host's own names beside the ids.

use std::collections::{BTreeSet, HashMap};

use jiff::Timestamp;
use serde::Serialize;
use sync_core::{
    Collection, EffectGrants, Error, ErrorKind, ItemRef, LocalId, OrganizationId, QuestionId, RemoteId, ResourceName,
    Result, RunId, Scope, SyncRequest, SyncResult,
};
use sync_engine::{
    Answer, CallRow, Erased, Item, ItemCount, LeaseInfo, Link, LinkState, OutcomeRow, Question, RunOptions, RunRow,
};

use crate::{Dispatcher, connect::PAGE};

/// How many outcomes a trail goes back.
const TRAIL: usize = 100;

/// Something with what the host calls its record. Labels are for display, never for logs.
#[derive(Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Labelled<T> {
    /// What people call the record.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub label: Option<String>,
    /// The thing.
    #[serde(flatten)]
    pub row: T,
}

/// Prints no label.
impl<T: std::fmt::Debug> std::fmt::Debug for Labelled<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.row.fmt(f)
    }
}

/// A question with what the host calls the records that it is about.
#[derive(Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct LabelledQuestion {
    /// The labels, one per record, in order.
    pub labels: Vec<Option<String>>,
    /// The question.
    #[serde(flatten)]
    pub question: Question,
}

/// Prints neither label nor evidence.
impl std::fmt::Debug for LabelledQuestion {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("LabelledQuestion").field("id", &self.question.id).field("code", &self.question.code).finish()
    }
}

/// Why a record is where it is: its counterparts, what stands, and its trail.
#[derive(Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct Why {
    /// The counterparts, over all accounts.
    pub links: Vec<Labelled<Link>>,
    /// What waits, was left out or failed.
    pub standing: Vec<Labelled<Item>>,
    /// The questions that it waits for, answered or not.
    pub questions: Vec<LabelledQuestion>,
    /// What became of it, the newest first.
    pub trail: Vec<(RunId, OutcomeRow)>,
}

impl Why {
    /// True when nothing is known.
    fn is_empty(&self) -> bool {
        self.links.is_empty() && self.standing.is_empty() && self.trail.is_empty()
    }
}

/// Prints counts alone.
impl std::fmt::Debug for Why {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Why")
            .field("n_links", &self.links.len())
            .field("n_standing", &self.standing.len())
            .field("n_questions", &self.questions.len())
            .field("n_trail", &self.trail.len())
            .finish()
    }
}

/// What [`Dispatcher::forget`] erased, by integration and kind of record, and what it leaves to do at the providers.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct Forgotten {
    /// What was erased where.
    pub erased: Vec<(Scope, ResourceName, Erased)>,
    /// What the next sync would do about the record where it is linked.
    pub remote: Vec<RemotePart>,
}

/// What lies at a provider of a record that was erased here.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct RemotePart {
    /// At which connection.
    pub scope: Scope,
    /// The kind of record.
    pub resource: ResourceName,
    /// A dry run of a sync of it alone: its `details.planned` says whether it would be taken away.
    pub plan: SyncResult,
}

impl Dispatcher {
    /// Runs of a connection, the newest first, before a time.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn runs(&self, scope: &Scope, before: Option<Timestamp>, limit: usize) -> Result<Vec<RunRow>> {
        self.0.store.runs(scope, before, limit).await
    }

    /// Outcomes of a run in the order in which they came, after a number; each with its number.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`] for an unknown run.
    pub async fn outcomes(
        &self,
        scope: &Scope,
        run: &RunId,
        after: u64,
        limit: usize,
    ) -> Result<Vec<(u64, Labelled<OutcomeRow>)>> {
        if self.0.store.run(scope, run).await?.is_none() {
            return Err(Error::new(ErrorKind::NotFound, format!("there is no run {run} of {}", scope.integration))
                .with_remedy("List the runs for the ids that there are."));
        }
        let rows = self.0.store.outcomes(scope, run, after, limit).await?;
        let keys = rows.iter().filter_map(|(_, row)| Some((row.resource.clone(), row.local.clone()?)));
        let labels = self.labels(scope, keys).await;
        let label = |row: &OutcomeRow| labels.get(&(row.resource.clone(), row.local.clone()?)).cloned();
        Ok(rows.into_iter().map(|(n, row)| (n, Labelled { label: label(&row), row })).collect())
    }

    /// Standing items: what waits, was left out or failed, in order of resource and local id, after such a pair.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn items(
        &self,
        scope: &Scope,
        after: Option<(&ResourceName, &LocalId)>,
        limit: usize,
    ) -> Result<Vec<Labelled<Item>>> {
        let items = self.0.store.items(scope, after, limit).await?;
        Ok(self.label_items(scope, items).await)
    }

    /// How many items stand, by kind of outcome and code.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn item_counts(&self, scope: &Scope) -> Result<Vec<ItemCount>> {
        self.0.store.item_counts(scope, None).await
    }

    /// Why a record is where it is, by its id here or there. `remote:` before the id, or the name of a kind of record, is
    /// understood as in a request's items.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`] when nothing is known of it.
    pub async fn why(&self, scope: &Scope, id: &str) -> Result<Why> {
        let descriptor = self.0.registry.built(&scope.integration)?.descriptor();
        let named = descriptor.resources.iter().map(|resource| resource.name.as_str());
        let known: Vec<&str> = descriptor.sync_types.iter().map(|sync_type| sync_type.name).chain(named).collect();
        // An id may look like a prefix and an id: as it stands it counts first.
        let mut why = self.why_exactly(scope, id, None).await?;
        let item = ItemRef::parse(id, &known);
        if why.is_empty() && item.id != id {
            let of = item.of.as_deref().map(|of| descriptor.sync_type(of).map_or(of, |known| known.resource.as_str()));
            why = self.why_exactly(scope, &item.id, of).await?;
        }
        if why.is_empty() {
            return Err(Error::new(ErrorKind::NotFound, format!("nothing is known of {id:?} at {}", scope.integration))
                .with_remedy(
                    "Give the record's id in your own tables or at the provider; it is known after its first sync.",
                ));
        }
        Ok(why)
    }

    async fn why_exactly(&self, scope: &Scope, id: &str, of: Option<&str>) -> Result<Why> {
        let is_of_it = |resource: &ResourceName| of.is_none_or(|of| resource.as_str() == of);
        let mut links = self.0.store.links_of(scope, id).await?;
        links.retain(|link| is_of_it(&link.resource));
        let mut locals: BTreeSet<LocalId> = links.iter().map(|link| link.local.clone()).collect();
        // By the id here there is an index; what was written about a remote id names the local one too.
        let mut trail = Vec::new();
        for local in &locals {
            trail.extend(self.0.store.trail(scope, local.as_str(), TRAIL).await?);
        }
        let only_there = LocalId::of_remote(&RemoteId::new(id));
        if !locals.contains(id) {
            trail.extend(self.0.store.trail(scope, id, TRAIL).await?);
            trail.extend(self.0.store.trail(scope, only_there.as_str(), TRAIL).await?);
        }
        trail.retain(|(_, row)| is_of_it(&row.resource));
        trail.sort_by_key(|(_, row)| std::cmp::Reverse(row.at));
        let mut seen: Vec<(RunId, OutcomeRow)> = Vec::with_capacity(trail.len());
        for entry in trail {
            if !seen.contains(&entry) {
                seen.push(entry);
            }
        }
        seen.truncate(TRAIL);
        locals.extend([LocalId::new(id), only_there]);
        let locals: Vec<LocalId> = locals.into_iter().collect();
        let mut standing = Vec::new();
        for resource in self.0.registry.built(&scope.integration)?.descriptor().resources {
            if is_of_it(&resource.name) {
                standing.extend(self.0.store.items_by_local(scope, &resource.name, &locals).await?.into_iter().flatten());
            }
        }
        let asked: BTreeSet<QuestionId> = standing.iter().filter_map(|item| item.question.clone()).collect();
        let asked: Vec<QuestionId> = asked.into_iter().collect();
        let questions = self.0.store.questions_by_id(scope, &asked).await?.into_iter().flatten().collect();
        let labels = self.labels(scope, links.iter().map(|link| (link.resource.clone(), link.local.clone()))).await;
        let label = |link: &Link| labels.get(&(link.resource.clone(), link.local.clone())).cloned();
        let links = links.into_iter().map(|link| Labelled { label: label(&link), row: link }).collect();
        Ok(Why {
            links,
            standing: self.label_items(scope, standing).await,
            questions: self.label_questions(scope, questions).await,
            trail: seen,
        })
    }

    /// Questions, the oldest first, after one; those without an answer alone where `open` says so.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn questions(
        &self,
        scope: &Scope,
        open: bool,
        after: Option<&QuestionId>,
        limit: usize,
    ) -> Result<Vec<LabelledQuestion>> {
        let questions = self.0.store.questions(scope, open, after, limit).await?;
        Ok(self.label_questions(scope, questions).await)
    }

    /// Answers a question on the word of a person; its items go with the next sync. A later answer replaces an earlier
    /// one.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`] for an unknown question, [`ErrorKind::Invalid`] for an answer that it does not offer.
    pub async fn answer(&self, scope: &Scope, question: &QuestionId, key: &str, by: &str) -> Result<()> {
        let answer = Answer { key: key.to_owned(), by: by.to_owned(), at: self.0.clock.now() };
        self.0.store.answer(scope, question, answer).await
    }

    /// Lets what stands be decided again by the next sync: all failed items, or these, which may also have been skipped or be
    /// blocked; a remedy may have been carried out at the provider, where nothing tells. Returns how many.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn retry(&self, scope: &Scope, ids: Option<&[LocalId]>) -> Result<u64> {
        self.0.store.retry_items(scope, ids, self.0.clock.now()).await
    }

    /// Erases what is known about one record, at all integrations of the organization: bases, before-images, the words of
    /// outcomes, questions. Link ids and suppressions stay, so that it is neither sent twice nor mailed again.
    ///
    /// What lies at the providers is not touched, but planned: where the record is linked, what the next sync with these
    /// grants would do there is in the answer. That is to take it away where the host deleted it, so delete it first. A
    /// plan that can't be made says why, and takes nothing of the erasure back.
    ///
    /// # Errors
    /// When the store fails; what was erased by then stays erased.
    pub async fn forget(
        &self,
        organization: &OrganizationId,
        of: &Collection,
        record: &LocalId,
        grants: &EffectGrants,
    ) -> Result<Forgotten> {
        let mut forgotten = Forgotten::default();
        for integration in self.0.registry.iter() {
            let descriptor = integration.descriptor();
            let scope = Scope::new(organization.clone(), descriptor.id);
            for resource in descriptor.resources.iter().filter(|resource| resource.collection == *of) {
                let erased = self.0.store.forget(&scope, &resource.name, record).await?;
                if erased != Erased::default() {
                    forgotten.erased.push((scope.clone(), resource.name.clone(), erased));
                }
                if self.is_there(&scope, &resource.name, record).await? {
                    let item = format!("{}:{record}", resource.name);
                    let request = SyncRequest::new(organization.clone(), descriptor.id).items([item]).dry_run();
                    let options = RunOptions::new().grants(grants.clone()).owner("forget");
                    let plan = self.dispatch_with(request, options).await;
                    forgotten.remote.push(RemotePart { scope: scope.clone(), resource: resource.name.clone(), plan });
                }
            }
        }
        Ok(forgotten)
    }

    /// True when a record has a counterpart in the account that is connected.
    async fn is_there(&self, scope: &Scope, resource: &ResourceName, record: &LocalId) -> Result<bool> {
        let Some(account) = self.0.store.connection(scope).await?.and_then(|row| row.account) else { return Ok(false) };
        let links = self.0.store.links_of(scope, record.as_str()).await?;
        Ok(links.iter().any(|link| {
            link.account == account
                && link.resource == *resource
                && link.local == *record
                && link.remote.is_some()
                && link.state == LinkState::Live
        }))
    }

    /// Calls that have no answer yet, the oldest first.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn open_calls(&self, scope: &Scope) -> Result<Vec<CallRow>> {
        self.0.store.open_calls(scope).await
    }

    /// Who holds the lease of a connection, if anybody ever did.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn lease(&self, scope: &Scope) -> Result<Option<LeaseInfo>> {
        self.0.store.lease(scope).await
    }

    /// An organization's connections, without secrets.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn connections(&self, organization: &OrganizationId) -> Result<Vec<sync_engine::ConnectionRow>> {
        let mut rows: Vec<sync_engine::ConnectionRow> = Vec::new();
        loop {
            let after = rows.last().map(|row| row.scope.clone());
            let page = self.0.store.connections(Some(organization), after.as_ref(), PAGE).await?;
            let n_rows = page.len();
            rows.extend(page);
            if n_rows < PAGE {
                return Ok(rows);
            }
        }
    }

    async fn label_items(&self, scope: &Scope, items: Vec<Item>) -> Vec<Labelled<Item>> {
        let labels = self.labels(scope, items.iter().map(|item| (item.resource.clone(), item.local.clone()))).await;
        let label = |item: &Item| labels.get(&(item.resource.clone(), item.local.clone())).cloned();
        items.into_iter().map(|item| Labelled { label: label(&item), row: item }).collect()
    }

    async fn label_questions(&self, scope: &Scope, questions: Vec<Question>) -> Vec<LabelledQuestion> {
        let keys = questions
            .iter()
            .flat_map(|question| question.locals.iter().map(|local| (question.resource.clone(), local.clone())));
        let labels = self.labels(scope, keys).await;
        let label = |question: &Question| {
            let label = |local: &LocalId| labels.get(&(question.resource.clone(), local.clone())).cloned();
            question.locals.iter().map(label).collect()
        };
        questions.into_iter().map(|question| LabelledQuestion { labels: label(&question), question }).collect()
    }

    /// What the host calls its records; nothing where it can't say.
    pub(crate) async fn labels(
        &self,
        scope: &Scope,
        keys: impl IntoIterator<Item = (ResourceName, LocalId)>,
    ) -> HashMap<(ResourceName, LocalId), String> {
        let mut by_resource: HashMap<ResourceName, BTreeSet<LocalId>> = HashMap::new();
        for (resource, local) in keys {
            by_resource.entry(resource).or_default().insert(local);
        }
        let mut labels = HashMap::new();
        let Ok(integration) = self.0.registry.built(&scope.integration) else { return labels };
        for (resource, locals) in by_resource {
            let Some(found) = integration.descriptor().resource(resource.as_str()) else { continue };
            let locals: Vec<LocalId> = locals.into_iter().collect();
            let records = self.0.records.reading();
            match records.labels(&scope.organization, &found.collection, &locals).await {
                Ok(found) => labels.extend(
                    locals.into_iter().zip(found).filter_map(|(local, label)| Some(((resource.clone(), local), label?))),
                ),
                Err(error) => tracing::debug!(%scope, %error, "the host gave no labels"),
            }
        }
        labels
    }
}
