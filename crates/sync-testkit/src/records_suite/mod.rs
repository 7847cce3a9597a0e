//! One suite for all hosts: what [`Records`], [`WritableRecords`] and [`ConsentSink`] promise.

mod renaming;

use std::{collections::BTreeMap, sync::Arc};

use async_trait::async_trait;
use futures_util::future::BoxFuture;
use sync_core::{
    Channel, Collection, ConsentFact, ConsentSink, ConsentState, Cursor, ErrorKind, FieldName, FieldSet, Local, LocalFrom,
    LocalId, LocalNext, LocalReceipt, LocalState, LocalVerb, LocalWrite, NaturalKey, OrganizationId, Origin, PageToken,
    Record, Records, Result, Value, Version, WritableRecords,
};

/// What the suite needs to know about a host's records. It writes texts to two fields of one collection, and nothing
/// else.
#[async_trait]
pub trait RecordsHarness: Send + Sync {
    /// The collection.
    fn collection(&self) -> Collection {
        Collection::CUSTOMERS
    }

    /// Two fields that hold texts; by the first, records are found.
    fn fields(&self) -> [FieldName; 2] {
        ["email".into(), "first_name".into()]
    }

    /// The records.
    fn records(&self) -> Arc<dyn Records>;

    /// Their writing side, where there is one.
    fn writable(&self) -> Option<Arc<dyn WritableRecords>>;

    /// What takes facts about consent, where anything does.
    fn consent(&self) -> Option<Arc<dyn ConsentSink>>;

    /// Stores a record, as the host's own program would.
    async fn put(&self, organization: &OrganizationId, id: &LocalId, record: Record);

    /// Stores a record in a transaction that begins, writes, lets `meanwhile` happen, and only then commits. Where the
    /// database takes one writer at a time, `meanwhile` happens before: that is then what a real program would see.
    async fn put_around(&self, organization: &OrganizationId, id: &LocalId, record: Record, meanwhile: BoxFuture<'_, ()>);

    /// Deletes a record, as the host's own program would.
    async fn delete(&self, organization: &OrganizationId, id: &LocalId);
}

/// Asks a host's records everything. `fresh` gives empty tables for each case.
///
/// # Panics
/// When they answer otherwise than the port's documentation says.
pub async fn records_suite<H: RecordsHarness>(fresh: impl AsyncFn() -> H) {
    macro_rules! cases {
        ($($case:ident),+ $(,)?) => {$(
            eprintln!("records suite: {}", stringify!($case));
            $case(&renaming::Renaming(fresh().await)).await;
        )+};
    }
    cases![
        a_full_listing_comes_in_bytewise_order,
        only_the_asked_fields_are_shown,
        nothing_is_omitted_while_others_write,
        a_write_that_commits_late_is_not_passed_by,
        a_change_and_a_deletion_are_told,
        reading_answers_every_id_in_order,
        other_organizations_and_collections_are_never_seen,
        labels_come_in_order,
        a_foreign_cursor_asks_for_a_full_pass,
        a_write_happens_once,
        a_write_on_a_stale_version_is_moved,
        records_are_found_by_natural_key,
        facts_may_be_recorded_twice,
    ];
}

#[track_caller]
fn must<T>(result: Result<T>) -> T {
    match result {
        Ok(value) => value,
        Err(error) => panic!("the records failed: {error}"),
    }
}

fn org() -> OrganizationId {
    "blue-manta".into()
}

fn id(text: &str) -> LocalId {
    text.into()
}

fn fields() -> FieldSet {
    ["email".into(), "first_name".into()].into()
}

fn person(email: &str) -> Record {
    Record::new().with("email", Value::text(email)).with("first_name", Value::text("Ada"))
}

const CUSTOMERS: Collection = Collection::CUSTOMERS;

/// Where a reader stands between two pages.
enum Place {
    Start,
    Page(PageToken),
    Cursor(Cursor),
}

/// One page; the place after it, `None` where the listing is through and has no cursor.
async fn page(records: &dyn Records, place: &Place, limit: usize) -> (Vec<Local>, Option<Place>) {
    let from = match place {
        Place::Start => LocalFrom::Start,
        Place::Page(token) => LocalFrom::Page(token),
        Place::Cursor(cursor) => LocalFrom::Cursor(cursor),
    };
    let page = must(records.changes(&org(), &CUSTOMERS, &fields(), from, limit).await);
    assert!(page.items.len() <= limit, "a page holds at most {limit} items");
    let next = match page.next {
        LocalNext::More(token) => Some(Place::Page(token)),
        LocalNext::Done(cursor) => cursor.map(Place::Cursor),
    };
    (page.items, next)
}

/// All pages from a place to the listing's end, and where the next one begins.
async fn rest(records: &dyn Records, mut place: Place, limit: usize) -> (Vec<Local>, Option<Place>) {
    let mut all = Vec::new();
    for _ in 0..1_000 {
        let (items, next) = page(records, &place, limit).await;
        all.extend(items);
        match next {
            Some(Place::Page(token)) => place = Place::Page(token),
            next => return (all, next),
        }
    }
    panic!("the listing has no end");
}

/// What a reader who started at `place` holds in the end: e-mail by id. Without a change feed it reads everything again.
async fn mirror(records: &dyn Records, held: &mut BTreeMap<String, String>, place: Option<Place>) {
    let place = match place {
        Some(place) => place,
        None => {
            held.clear();
            Place::Start
        }
    };
    for local in rest(records, place, 2).await.0 {
        note(held, &local);
    }
}

fn note(held: &mut BTreeMap<String, String>, local: &Local) {
    match &local.state {
        LocalState::Live(record) => {
            held.insert(local.id.to_string(), record.text("email").unwrap_or_default().to_owned());
        }
        _ => {
            held.remove(local.id.as_str());
        }
    }
}

fn emails(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    pairs.iter().map(|(id, email)| ((*id).to_owned(), (*email).to_owned())).collect()
}

async fn a_full_listing_comes_in_bytewise_order(harness: &impl RecordsHarness) {
    let records = harness.records();
    assert!(rest(&*records, Place::Start, 3).await.0.is_empty());
    let mut ids = ["10", "9", "B", "a", "Z", "é", "a b", "%_"];
    for text in ids {
        harness.put(&org(), &id(text), person(text)).await;
    }
    ids.sort_unstable();
    for limit in [1, 3, 8, 100] {
        let (listed, _) = rest(&*records, Place::Start, limit).await;
        assert_eq!(listed.iter().map(|local| local.id.as_str()).collect::<Vec<_>>(), ids, "pages of {limit}");
    }
}

async fn only_the_asked_fields_are_shown(harness: &impl RecordsHarness) {
    harness.put(&org(), &id("1"), person("ada@example.com")).await;
    let records = harness.records();
    let asked: FieldSet = ["email".into()].into();
    let listed = must(records.changes(&org(), &CUSTOMERS, &asked, LocalFrom::Start, 9).await).items;
    let read = must(records.read(&org(), &CUSTOMERS, &asked, &[id("1")]).await);
    for local in listed.iter().chain(&read) {
        let LocalState::Live(record) = &local.state else { panic!("the record is there") };
        assert_eq!(record.iter().map(|(field, _)| field.as_str()).collect::<Vec<_>>(), ["email"]);
        assert_eq!(record.text("email"), Some("ada@example.com"));
    }
    assert_eq!((listed.len(), read.len()), (1, 1));
}

async fn nothing_is_omitted_while_others_write(harness: &impl RecordsHarness) {
    for text in ["b", "d", "f", "h"] {
        harness.put(&org(), &id(text), person(text)).await;
    }
    let records = harness.records();
    let mut held = BTreeMap::new();
    let (first, mut place) = page(&*records, &Place::Start, 2).await;
    first.iter().for_each(|local| note(&mut held, local));
    // Behind the reader, at its place, and before it.
    harness.put(&org(), &id("a"), person("a")).await;
    harness.put(&org(), &id("b"), person("b2")).await;
    harness.delete(&org(), &id("d")).await;
    harness.put(&org(), &id("e"), person("e")).await;
    harness.put(&org(), &id("h"), person("h2")).await;
    while let Some(Place::Page(token)) = place {
        let (items, next) = page(&*records, &Place::Page(token), 2).await;
        items.iter().for_each(|local| note(&mut held, local));
        place = next;
    }
    harness.put(&org(), &id("g"), person("g")).await;
    mirror(&*records, &mut held, place).await;
    assert_eq!(held, emails(&[("a", "a"), ("b", "b2"), ("e", "e"), ("f", "f"), ("g", "g"), ("h", "h2")]));
}

async fn a_write_that_commits_late_is_not_passed_by(harness: &impl RecordsHarness) {
    harness.put(&org(), &id("a"), person("a")).await;
    let records = harness.records();
    let (_, place) = rest(&*records, Place::Start, 9).await;
    let mut held = emails(&[("a", "a")]);
    let mut after = None;
    let meanwhile = async {
        harness.put(&org(), &id("b"), person("b")).await;
        let place = place.unwrap_or(Place::Start);
        let (items, next) = rest(&*records, place, 9).await;
        items.iter().for_each(|local| note(&mut held, local));
        after = next;
    };
    harness.put_around(&org(), &id("late"), person("late"), Box::pin(meanwhile)).await;
    mirror(&*records, &mut held, after).await;
    assert_eq!(held, emails(&[("a", "a"), ("b", "b"), ("late", "late")]), "a cursor passed a write that came late");
}

async fn a_change_and_a_deletion_are_told(harness: &impl RecordsHarness) {
    for text in ["1", "2", "3"] {
        harness.put(&org(), &id(text), person(text)).await;
    }
    let records = harness.records();
    let (_, place) = rest(&*records, Place::Start, 9).await;
    harness.put(&org(), &id("1"), person("changed")).await;
    harness.delete(&org(), &id("2")).await;
    if let Some(place) = place {
        let (told, next) = rest(&*records, place, 1).await;
        let mut held = emails(&[("1", "1"), ("2", "2"), ("3", "3")]);
        told.iter().for_each(|local| note(&mut held, local));
        assert_eq!(held, emails(&[("1", "changed"), ("3", "3")]));
        assert!(told.iter().any(|local| local.id.as_str() == "2" && local.state == LocalState::Deleted));
        let next = match next {
            Some(next) => next,
            None => panic!("a change feed goes on"),
        };
        assert!(rest(&*records, next, 9).await.0.len() <= 3, "a feed may repeat, and comes to rest");
    }
    let (listed, _) = rest(&*records, Place::Start, 9).await;
    assert_eq!(listed.iter().map(|local| local.id.as_str()).collect::<Vec<_>>(), ["1", "3"]);
}

async fn reading_answers_every_id_in_order(harness: &impl RecordsHarness) {
    harness.put(&org(), &id("1"), person("one")).await;
    harness.put(&org(), &id("2"), person("two")).await;
    harness.delete(&org(), &id("2")).await;
    let ids = ["x", "1", "2", "1"].map(id);
    let read = must(harness.records().read(&org(), &CUSTOMERS, &fields(), &ids).await);
    assert_eq!(read.iter().map(|local| local.id.as_str()).collect::<Vec<_>>(), ["x", "1", "2", "1"]);
    let live: Vec<bool> = read.iter().map(|local| matches!(local.state, LocalState::Live(_))).collect();
    assert_eq!(live, [false, true, false, true]);
    assert!([&read[0], &read[2]].into_iter().all(|local| local.state == LocalState::Deleted));
}

async fn other_organizations_and_collections_are_never_seen(harness: &impl RecordsHarness) {
    let records = harness.records();
    harness.put(&"other".into(), &id("1"), person("theirs")).await;
    assert!(rest(&*records, Place::Start, 9).await.0.is_empty());
    let read = must(records.read(&org(), &CUSTOMERS, &fields(), &[id("1")]).await);
    assert!(read.iter().all(|local| local.state == LocalState::Deleted));
    assert_eq!(must(records.labels(&org(), &CUSTOMERS, &[id("1")]).await), [None]);
    harness.put(&org(), &id("1"), person("ours")).await;
    let (_, place) = rest(&*records, Place::Start, 9).await;
    harness.put(&"other".into(), &id("2"), person("theirs")).await;
    if let Some(place) = place {
        let (told, _) = rest(&*records, place, 9).await;
        assert!(told.iter().all(|local| local.id.as_str() == "1"), "another organization's change was told");
    }
}

async fn labels_come_in_order(harness: &impl RecordsHarness) {
    harness.put(&org(), &id("C-1042"), person("ada@example.com")).await;
    let labels = must(harness.records().labels(&org(), &CUSTOMERS, &["x", "C-1042", "x"].map(id)).await);
    assert_eq!(labels.len(), 3);
    assert_eq!((&labels[0], &labels[2]), (&None, &None));
    assert!(labels[1].as_ref().is_none_or(|label| !label.is_empty()));
}

async fn a_foreign_cursor_asks_for_a_full_pass(harness: &impl RecordsHarness) {
    harness.put(&org(), &id("1"), person("one")).await;
    let records = harness.records();
    if let (_, Some(_)) = rest(&*records, Place::Start, 9).await {
        let foreign = Cursor::from("not one of yours");
        match records.changes(&org(), &CUSTOMERS, &fields(), LocalFrom::Cursor(&foreign), 9).await {
            Ok(_) => panic!("a cursor that was never given is taken"),
            Err(error) => assert_eq!(error.kind(), ErrorKind::CursorExpired),
        }
    }
}

fn write(operation: &str, id: Option<&str>, verb: LocalVerb, expect: Option<Version>, email: &str) -> LocalWrite {
    LocalWrite {
        operation: operation.into(),
        id: id.map(LocalId::from),
        expect,
        verb,
        fields: Record::new().with("email", Value::text(email)),
        origin: Origin { integration: "suite".into(), run: "run".into() },
    }
}

async fn email_of(harness: &impl RecordsHarness, id: &LocalId) -> Option<String> {
    let read = must(harness.records().read(&org(), &CUSTOMERS, &fields(), std::slice::from_ref(id)).await);
    match read.into_iter().next().map(|local| local.state) {
        Some(LocalState::Live(record)) => record.text("email").map(str::to_owned),
        _ => None,
    }
}

async fn a_write_happens_once(harness: &impl RecordsHarness) {
    let Some(writable) = harness.writable() else { return };
    let create = [write("op-1", None, LocalVerb::Create, None, "new@example.com")];
    let first = must(writable.write(&org(), &CUSTOMERS, &create).await);
    let LocalReceipt::Done { id, .. } = &first[0] else { panic!("a record is made") };
    assert_eq!(email_of(harness, id).await.as_deref(), Some("new@example.com"));
    assert_eq!(must(writable.write(&org(), &CUSTOMERS, &create).await), first, "the same operation, the same answer");
    assert_eq!(rest(&*harness.records(), Place::Start, 9).await.0.len(), 1, "the same operation made two records");

    let update = [write("op-2", Some(id.as_str()), LocalVerb::Update, None, "changed@example.com")];
    let updated = must(writable.write(&org(), &CUSTOMERS, &update).await);
    harness.put(&org(), id, person("newer@example.com")).await;
    assert_eq!(must(writable.write(&org(), &CUSTOMERS, &update).await), updated);
    assert_eq!(email_of(harness, id).await.as_deref(), Some("newer@example.com"), "an old write came back");
}

async fn a_write_on_a_stale_version_is_moved(harness: &impl RecordsHarness) {
    let Some(writable) = harness.writable() else { return };
    harness.put(&org(), &id("1"), person("one")).await;
    let read = must(harness.records().read(&org(), &CUSTOMERS, &fields(), &[id("1")]).await);
    let Some(version) = read[0].version.clone() else { return };
    harness.put(&org(), &id("1"), person("two")).await;
    let stale = write("op-1", Some("1"), LocalVerb::Update, Some(version), "lost");
    let receipts = must(writable.write(&org(), &CUSTOMERS, std::slice::from_ref(&stale)).await);
    assert_eq!(receipts, [LocalReceipt::Moved]);
    assert_eq!(email_of(harness, &id("1")).await.as_deref(), Some("two"), "a change was overwritten");
    let read = must(harness.records().read(&org(), &CUSTOMERS, &fields(), &[id("1")]).await);
    let fresh = LocalWrite { expect: read[0].version.clone(), ..stale };
    let receipts = must(writable.write(&org(), &CUSTOMERS, &[fresh]).await);
    assert!(matches!(receipts[..], [LocalReceipt::Done { .. }]), "decided again, the same operation goes through");
    let read = must(harness.records().read(&org(), &CUSTOMERS, &fields(), &[id("1")]).await);
    let LocalState::Live(record) = &read[0].state else { panic!("the record is there") };
    assert_eq!((record.text("email"), record.text("first_name")), (Some("lost"), Some("Ada")), "other fields stay");
}

async fn records_are_found_by_natural_key(harness: &impl RecordsHarness) {
    let Some(writable) = harness.writable() else { return };
    for (text, email) in [("2", "family@example.com"), ("1", "Family@Example.com"), ("3", "other@example.com")] {
        harness.put(&org(), &id(text), person(email)).await;
    }
    harness.put(&"other".into(), &id("9"), person("family@example.com")).await;
    let key = |email: &str| match NaturalKey::of("email", email) {
        Some(key) => key,
        None => panic!("a key"),
    };
    let found = must(writable.find(&org(), &CUSTOMERS, &[key("nobody@x"), key("family@example.com")]).await);
    let mut found: Vec<Vec<LocalId>> = found;
    found.iter_mut().for_each(|ids| ids.sort());
    assert_eq!(found, [vec![], vec![id("1"), id("2")]]);
}

async fn facts_may_be_recorded_twice(harness: &impl RecordsHarness) {
    let Some(consent) = harness.consent() else { return };
    harness.put(&org(), &id("1"), person("ada@example.com")).await;
    let fact = |fact: &str, record: Option<&str>| ConsentFact {
        id: fact.to_owned(),
        channel: Channel::Email,
        address: "ada@example.com".to_owned(),
        state: ConsentState::Denied,
        source: "suite".to_owned(),
        at: jiff::Timestamp::UNIX_EPOCH,
        record: record.map(LocalId::from),
    };
    let facts = [fact("f1", Some("1")), fact("f2", None), fact("f3", Some("unknown"))];
    must(consent.record(&org(), &facts).await);
    let before = must(harness.records().read(&org(), &CUSTOMERS, &fields(), &[id("1")]).await);
    must(consent.record(&org(), &facts).await);
    let after = must(harness.records().read(&org(), &CUSTOMERS, &fields(), &[id("1")]).await);
    assert_eq!(before[0].version, after[0].version, "a fact that is known changes nothing");
}
