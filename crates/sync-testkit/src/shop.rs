//! A host in memory.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    sync::{Mutex, MutexGuard, PoisonError},
};

use async_trait::async_trait;
use sync_core::{
    Collection, ConsentFact, ConsentSink, Cursor, Error, ErrorKind, FieldSet, Hash, Local, LocalFrom, LocalId, LocalNext,
    LocalPage, LocalReceipt, LocalState, LocalVerb, LocalWrite, NaturalKey, OperationId, OrganizationId, PageToken, Record,
    Records, Result, Value, Version, WritableRecords,
};

/// A host's rule about writes: why it refuses one, and what to do.
pub type ShopRule = Box<dyn Fn(&LocalWrite) -> Option<(String, String)> + Send + Sync>;

/// A host's tables in memory, and its list of consent facts. Keeps organizations apart.
#[derive(Default)]
pub struct Shop {
    has_feed: bool,
    tables: Mutex<BTreeMap<(OrganizationId, Collection), Table>>,
    facts: Mutex<BTreeMap<OrganizationId, BTreeMap<String, ConsentFact>>>,
    rule: Mutex<Option<ShopRule>>,
}

#[derive(Default)]
struct Table {
    rows: BTreeMap<LocalId, (u64, Record)>,
    /// Ids in the order in which they changed: position in it is the cursor.
    log: Vec<LocalId>,
    /// What was answered to each write.
    done: BTreeMap<OperationId, LocalReceipt>,
}

impl fmt::Debug for Shop {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shop").field("has_feed", &self.has_feed).finish_non_exhaustive()
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Shop {
    /// A host that tells what changed since a cursor.
    pub fn with_feed() -> Self {
        Self { has_feed: true, ..Self::default() }
    }

    /// A host without a change feed: every run reads everything.
    pub fn without_feed() -> Self {
        Self::default()
    }

    /// Makes or replaces a record.
    pub fn put(&self, organization: &str, of: &Collection, id: &str, record: Record) {
        self.change(organization, of, id, |row| *row = Some(record));
    }

    /// Changes a record that is there.
    pub fn edit(&self, organization: &str, of: &Collection, id: &str, edit: impl FnOnce(&mut Record)) {
        self.change(organization, of, id, |row| row.iter_mut().for_each(edit_once(edit)));
    }

    /// Deletes a record.
    pub fn delete(&self, organization: &str, of: &Collection, id: &str) {
        self.change(organization, of, id, |row| *row = None);
    }

    /// The records as they are.
    pub fn rows(&self, organization: &str, of: &Collection) -> BTreeMap<LocalId, Record> {
        let tables = lock(&self.tables);
        let table = tables.get(&(organization.into(), of.clone()));
        table
            .map(|table| table.rows.iter().map(|(id, (_, record))| (id.clone(), record.clone())).collect())
            .unwrap_or_default()
    }

    /// How many different writes were carried out or refused.
    pub fn n_writes(&self, organization: &str, of: &Collection) -> usize {
        lock(&self.tables).get(&(organization.into(), of.clone())).map_or(0, |table| table.done.len())
    }

    /// From now on writes are refused for which `rule` says why; `None`: none.
    pub fn rule(&self, rule: Option<ShopRule>) {
        *lock(&self.rule) = rule;
    }

    /// Consent facts that an organization was told, in the order of their ids.
    pub fn facts(&self, organization: &str) -> Vec<ConsentFact> {
        let facts = lock(&self.facts);
        facts.get(organization).map(|facts| facts.values().cloned().collect()).unwrap_or_default()
    }

    fn change(&self, organization: &str, of: &Collection, id: &str, change: impl FnOnce(&mut Option<Record>)) {
        let mut tables = lock(&self.tables);
        let table = tables.entry((organization.into(), of.clone())).or_default();
        let id = LocalId::new(id);
        let (version, record) = table.rows.remove(&id).map_or((0, None), |(version, record)| (version, Some(record)));
        let mut row = record;
        change(&mut row);
        if let Some(record) = row {
            table.rows.insert(id.clone(), (version + 1, record));
        }
        table.log.push(id);
    }
}

fn edit_once(edit: impl FnOnce(&mut Record)) -> impl FnMut(&mut Record) {
    let mut edit = Some(edit);
    move |record| {
        if let Some(edit) = edit.take() {
            edit(record);
        }
    }
}

/// What page tokens of a change feed start with.
const LOG_PAGE: &str = "log:";

impl Table {
    fn log_page(&self, fields: &FieldSet, at: usize, limit: usize) -> Option<LocalPage> {
        let log = self.log.get(at..)?;
        let upto = log.len().min(limit);
        let ids: BTreeSet<&LocalId> = log[..upto].iter().collect();
        let items = ids.into_iter().map(|id| self.local(id, fields)).collect();
        let position = at + upto;
        let next = if upto == log.len() {
            LocalNext::Done(Some(Cursor::new(position.to_string())))
        } else {
            LocalNext::More(PageToken::new(format!("{LOG_PAGE}{position}")))
        };
        Some(LocalPage { items, next })
    }

    fn local(&self, id: &LocalId, fields: &FieldSet) -> Local {
        match self.rows.get(id) {
            Some((version, record)) => {
                let mut record = record.clone();
                record.retain(|field| fields.contains(field));
                let version = Some(Version::new(version.to_string()));
                Local { id: id.clone(), version, state: LocalState::Live(record) }
            }
            None => Local { id: id.clone(), version: None, state: LocalState::Deleted },
        }
    }
}

#[async_trait]
impl Records for Shop {
    async fn changes(
        &self,
        organization: &OrganizationId,
        of: &Collection,
        fields: &FieldSet,
        from: LocalFrom<'_>,
        limit: usize,
    ) -> Result<LocalPage> {
        let limit = limit.max(1);
        let mut tables = lock(&self.tables);
        let table = tables.entry((organization.clone(), of.clone())).or_default();
        let bad = || Error::new(ErrorKind::CursorExpired, "this cursor is none of the shop's");
        let log_from = match from {
            LocalFrom::Cursor(cursor) => Some(cursor.as_str()),
            LocalFrom::Page(token) => token.as_str().strip_prefix(LOG_PAGE),
            LocalFrom::Start => None,
        };
        if let Some(at) = log_from {
            let at: usize = at.parse().map_err(|_| bad())?;
            return table.log_page(fields, at, limit).ok_or_else(bad);
        }
        // A page token of the scan carries where the log ended when the scan began: later changes are told again.
        let (after, end) = match from {
            LocalFrom::Page(token) => {
                let (end, id) = token.as_str().split_once(':').ok_or_else(bad)?;
                (Some(LocalId::new(id)), end.parse().map_err(|_| bad())?)
            }
            _ => (None, table.log.len()),
        };
        let ids: Vec<LocalId> =
            table.rows.keys().filter(|id| after.as_ref().is_none_or(|after| *id > after)).take(limit).cloned().collect();
        let next = match ids.last() {
            Some(last) if ids.len() == limit => LocalNext::More(PageToken::new(format!("{end}:{last}"))),
            _ => LocalNext::Done(self.has_feed.then(|| Cursor::new(end.to_string()))),
        };
        Ok(LocalPage { items: ids.iter().map(|id| table.local(id, fields)).collect(), next })
    }

    async fn read(
        &self,
        organization: &OrganizationId,
        of: &Collection,
        fields: &FieldSet,
        ids: &[LocalId],
    ) -> Result<Vec<Local>> {
        let mut tables = lock(&self.tables);
        let table = tables.entry((organization.clone(), of.clone())).or_default();
        Ok(ids.iter().map(|id| table.local(id, fields)).collect())
    }

    async fn labels(&self, _: &OrganizationId, _: &Collection, ids: &[LocalId]) -> Result<Vec<Option<String>>> {
        Ok(ids.iter().map(|id| Some(format!("record {id}"))).collect())
    }
}

impl Table {
    fn write(&mut self, write: &LocalWrite, refused: Option<(String, String)>) -> LocalReceipt {
        if let Some(known) = self.done.get(&write.operation) {
            return known.clone();
        }
        let id = write.id.clone().unwrap_or_else(|| LocalId::new(Hash::of_text(write.operation.as_str()).to_string()));
        let row = self.rows.get(&id);
        let version = row.map(|(version, _)| Version::new(version.to_string()));
        let is_stale = write.expect.is_some() && write.expect != version;
        if is_stale || (write.id.is_some() && row.is_none()) {
            return LocalReceipt::Moved;
        }
        let receipt = match (refused, write.verb) {
            (Some((reason, remedy)), _) => LocalReceipt::Refused { reason, remedy },
            (None, LocalVerb::Delete) => {
                self.rows.remove(&id);
                self.log.push(id.clone());
                LocalReceipt::Done { id, version: None }
            }
            (None, verb) => {
                let (version, record) = self.rows.entry(id.clone()).or_default();
                for (field, value) in write.fields.iter() {
                    record.set(field.clone(), value.clone());
                }
                if verb == LocalVerb::Cancel {
                    record.set("status", Value::text("cancelled"));
                }
                *version += 1;
                let version = Some(Version::new(version.to_string()));
                self.log.push(id.clone());
                LocalReceipt::Done { id, version }
            }
        };
        self.done.insert(write.operation.clone(), receipt.clone());
        receipt
    }
}

#[async_trait]
impl WritableRecords for Shop {
    async fn write(
        &self,
        organization: &OrganizationId,
        of: &Collection,
        writes: &[LocalWrite],
    ) -> Result<Vec<LocalReceipt>> {
        let rule = lock(&self.rule);
        let mut tables = lock(&self.tables);
        let table = tables.entry((organization.clone(), of.clone())).or_default();
        let refused = |write: &LocalWrite| rule.as_ref().and_then(|rule| rule(write));
        Ok(writes.iter().map(|write| table.write(write, refused(write))).collect())
    }

    fn can(&self, _: &Collection, _: LocalVerb) -> bool {
        true
    }

    async fn find(&self, organization: &OrganizationId, of: &Collection, keys: &[NaturalKey]) -> Result<Vec<Vec<LocalId>>> {
        let mut tables = lock(&self.tables);
        let table = tables.entry((organization.clone(), of.clone())).or_default();
        let has = |record: &Record, key: &NaturalKey| {
            let text = record.text(key.field().as_str());
            text.and_then(|text| NaturalKey::of(key.field().clone(), text)).as_ref() == Some(key)
        };
        let of_key = |key: &NaturalKey| {
            table.rows.iter().filter(|(_, (_, record))| has(record, key)).map(|(id, _)| id.clone()).collect()
        };
        Ok(keys.iter().map(of_key).collect())
    }
}

#[async_trait]
impl ConsentSink for Shop {
    async fn record(&self, organization: &OrganizationId, facts: &[ConsentFact]) -> Result<()> {
        let mut all = lock(&self.facts);
        let known = all.entry(organization.clone()).or_default();
        for fact in facts {
            known.entry(fact.id.clone()).or_insert_with(|| fact.clone());
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt as _;
    use sync_core::Value;

    use super::*;

    const ORG: &str = "blue-manta";

    fn pages(shop: &Shop, cursor: Option<&Cursor>) -> (Vec<String>, Option<Cursor>) {
        let (organization, of) = (OrganizationId::from_static(ORG), Collection::CUSTOMERS);
        let fields: FieldSet = ["name".into()].into();
        let (mut seen, mut token) = (Vec::new(), None);
        loop {
            let from = match (&token, cursor) {
                (Some(token), _) => LocalFrom::Page(token),
                (None, Some(cursor)) => LocalFrom::Cursor(cursor),
                (None, None) => LocalFrom::Start,
            };
            let page = shop.changes(&organization, &of, &fields, from, 2).now_or_never().expect("at once").expect("a page");
            seen.extend(page.items.into_iter().map(|item| item.id.to_string()));
            match page.next {
                LocalNext::More(next) => token = Some(next),
                LocalNext::Done(cursor) => return (seen, cursor),
            }
        }
    }

    #[test]
    fn a_scan_shows_all_and_its_cursor_what_changed_since() {
        let shop = Shop::with_feed();
        for id in ["a", "b", "c", "d", "e"] {
            shop.put(ORG, &Collection::CUSTOMERS, id, Record::new().with("name", Value::text(id)));
        }
        shop.put("other", &Collection::CUSTOMERS, "z", Record::new());
        let (seen, cursor) = pages(&shop, None);
        assert_eq!(seen, ["a", "b", "c", "d", "e"]);
        shop.edit(ORG, &Collection::CUSTOMERS, "d", |record| {
            record.set("name", Value::text("x"));
        });
        shop.delete(ORG, &Collection::CUSTOMERS, "a");
        let (seen, cursor) = pages(&shop, cursor.as_ref());
        assert_eq!(seen, ["a", "d"]);
        assert_eq!(pages(&shop, cursor.as_ref()).0, [""; 0]);
        assert_eq!(pages(&Shop::without_feed(), None).1, None);
    }
}
