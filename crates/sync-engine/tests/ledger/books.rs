//! The double of a ledger: contacts, invoices, payments; balances follow payments, and what was paid is not edited.
#![allow(dead_code)]

use std::{
    collections::BTreeMap,
    sync::{
        Mutex,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use rust_decimal::Decimal;
use sync_core::{
    Amendment, Check, Checked, Collection, Context, Descriptor, Direction, Effect, Error, ErrorKind, Facts, Feed, FieldKind,
    FieldOwner, FieldSelection, FieldSpec, Find, FindBy, Found, KeysOf, Kind, Marker, Matching, NaturalKey, Next, Operation,
    Page, Part, PartRef, Prepare, Prepared, Pull, Push, Receipt, Record, Ref, Remote, RemoteState, Resource, ResourceName,
    Result, Role, Rules, Safety, SyncHandler, SyncType, Tally, TallyKey, UpdateNeeds, Value, Verb,
};

pub(crate) const CONTACTS: ResourceName = ResourceName::from_static("contacts");
pub(crate) const INVOICES: ResourceName = ResourceName::from_static("invoices");
pub(crate) const PAYMENTS: ResourceName = ResourceName::from_static("payments");

const fn resource(
    name: ResourceName,
    nouns: (&'static str, &'static str),
    collection: Collection,
    fields: &'static [FieldSpec],
    depends_on: &'static [ResourceName],
) -> Resource {
    Resource {
        name,
        nouns,
        known_by: &["name", "amount", "date"],
        collection,
        model: "",
        fields,
        groups: &[],
        consent: None,
        update_needs: UpdateNeeds::Nothing,
        matching: Matching::Find,
        find_max: 10,
        depends_on,
        pullable: true,
    }
}

const fn ours(name: &'static str, kind: FieldKind) -> FieldSpec {
    FieldSpec { name, kind, owner: FieldOwner::Local }
}

const fn theirs(name: &'static str) -> FieldSpec {
    FieldSpec { name, kind: FieldKind::Scalar, owner: FieldOwner::Remote }
}

const fn feed(name: &'static str, covers: &'static [ResourceName]) -> Feed {
    Feed { name, covers, carries_consent: false, budget: "" }
}

const fn sync_type(name: &'static str, resource: ResourceName) -> SyncType {
    SyncType { name, resource, fields: FieldSelection::All }
}

const OF_CONTACTS: &[ResourceName] = &[CONTACTS];
const OF_INVOICES: &[ResourceName] = &[INVOICES];
const OF_PAYMENTS: &[ResourceName] = &[PAYMENTS];

pub(crate) static DESCRIPTOR: Descriptor = Descriptor {
    id: "ledger",
    name: "Ledger",
    description: "Books",
    kind: Kind::Sync,
    sync_types: &[sync_type("contacts", CONTACTS), sync_type("invoices", INVOICES), sync_type("payments", PAYMENTS)],
    supports_direction: true,
    feeds: &[feed("contacts", OF_CONTACTS), feed("invoices", OF_INVOICES), feed("payments", OF_PAYMENTS)],
    resources: &[
        resource(CONTACTS, ("contact", "contacts"), Collection::CUSTOMERS, &[], &[]),
        resource(
            INVOICES,
            ("invoice", "invoices"),
            Collection::INVOICES,
            &[
                ours("customer", FieldKind::Reference),
                ours("number", FieldKind::Scalar),
                ours("total", FieldKind::Scalar),
                ours("lines", FieldKind::Lines(&["description", "amount"])),
                theirs("status"),
                theirs("amount_due"),
            ],
            OF_CONTACTS,
        ),
        resource(
            PAYMENTS,
            ("payment", "payments"),
            Collection::PAYMENTS,
            &[ours("allocations", FieldKind::Lines(&["invoice", "amount"])), ours("amount", FieldKind::Scalar)],
            OF_INVOICES,
        ),
    ],
    endpoints: &[],
    quotas: &[],
    auth: &[],
    call_timeout: Duration::from_secs(60),
    settle: Duration::from_secs(60),
    concurrency: 2,
    effects: &[],
};

#[derive(Debug, Clone)]
pub(crate) struct Entry {
    pub(crate) fields: Record,
    pub(crate) marker: Option<Marker>,
    pub(crate) changed: u64,
    pub(crate) is_void: bool,
}

type Entries = BTreeMap<(ResourceName, String), Entry>;

/// The books.
#[derive(Debug)]
pub(crate) struct Books {
    pub(crate) entries: Mutex<Entries>,
    tick: std::sync::atomic::AtomicU64,
    pub(crate) calls: Mutex<Vec<String>>,
    pub(crate) lose_answer: AtomicBool,
    /// Contacts of this name are refused.
    pub(crate) refuses: Mutex<Option<String>>,
    pub(crate) rules: Mutex<BTreeMap<ResourceName, Rules>>,
}

impl Books {
    pub(crate) fn new() -> Self {
        let rules = |fields: &[&str]| {
            let mut rules = Rules::new(fields.iter().map(|field| (*field).into()).collect());
            rules.direction = Direction::Both;
            rules
        };
        let all = [
            (CONTACTS, rules(&["name", "email", "tax_number"])),
            (INVOICES, rules(&["number", "customer", "total", "lines", "status", "amount_due"])),
            (PAYMENTS, rules(&["allocations", "amount", "date"])),
        ];
        Self {
            entries: Mutex::default(),
            tick: Default::default(),
            calls: Mutex::default(),
            lose_answer: AtomicBool::new(false),
            refuses: Mutex::default(),
            rules: Mutex::new(all.into()),
        }
    }

    fn next(&self) -> u64 {
        self.tick.fetch_add(1, Ordering::Relaxed) + 1
    }

    /// What a bookkeeper does by hand.
    pub(crate) fn put(&self, of: ResourceName, id: &str, fields: Record) {
        let changed = self.next();
        let mut entries = self.entries.lock().unwrap();
        let marker = entries.get(&(of.clone(), id.to_owned())).and_then(|entry| entry.marker.clone());
        entries.insert((of, id.to_owned()), Entry { fields, marker, changed, is_void: false });
        self.follow(&mut entries);
    }

    pub(crate) fn edit(&self, of: ResourceName, id: &str, edit: impl FnOnce(&mut Record)) {
        let changed = self.next();
        let mut entries = self.entries.lock().unwrap();
        let entry = entries.get_mut(&(of, id.to_owned())).unwrap();
        edit(&mut entry.fields);
        entry.changed = changed;
    }

    pub(crate) fn void(&self, of: ResourceName, id: &str) {
        let changed = self.next();
        let mut entries = self.entries.lock().unwrap();
        let entry = entries.get_mut(&(of, id.to_owned())).unwrap();
        (entry.is_void, entry.changed) = (true, changed);
        self.follow(&mut entries);
    }

    /// Live records of a kind, by id.
    pub(crate) fn live(&self, of: &ResourceName) -> Vec<(String, Record)> {
        let entries = self.entries.lock().unwrap();
        let is_live = |((kind, _), entry): &(&(ResourceName, String), &Entry)| kind == of && !entry.is_void;
        entries.iter().filter(is_live).map(|((_, id), entry)| (id.clone(), entry.fields.clone())).collect()
    }

    /// Balances follow payments.
    fn follow(&self, entries: &mut Entries) {
        let mut paid: BTreeMap<String, Decimal> = BTreeMap::new();
        for ((kind, _), entry) in entries.iter().filter(|(_, entry)| !entry.is_void) {
            let lists = if *kind == PAYMENTS { entry.fields.value("allocations").and_then(Value::as_list) } else { None };
            for allocation in lists.unwrap_or_default() {
                if let Some(Value::Ref(Ref::Foreign { id, .. })) = allocation.value("invoice") {
                    *paid.entry(id.to_string()).or_default() += decimal(allocation, "amount");
                }
            }
        }
        let changed = self.next();
        for ((kind, id), entry) in entries.iter_mut() {
            if *kind == INVOICES {
                let due = decimal(&entry.fields, "total") - paid.get(id).copied().unwrap_or_default();
                if entry.fields.value("amount_due").is_some() && decimal(&entry.fields, "amount_due") != due {
                    entry.changed = changed;
                }
                entry.fields.set("amount_due", Value::Decimal(due));
                let status = if due.is_zero() { "paid" } else { "open" };
                entry.fields.set("status", Value::text(status));
            }
        }
    }

    fn remote(&self, of: &ResourceName, id: &str, entry: &Entry) -> Remote {
        let mut remote = Remote::live(of.clone(), id, entry.fields.clone());
        remote.marker.clone_from(&entry.marker);
        remote.keys = keys(of, &entry.fields, |to| match to {
            Ref::Foreign { id, .. } => Some(id.to_string()),
            Ref::Local { .. } => None,
        });
        if entry.is_void {
            remote.state = RemoteState::Voided;
        }
        remote
    }

    fn push_one(&self, part: &PartRef<'_>) -> Receipt {
        let op = part.op;
        let changed = self.next();
        let mut entries = self.entries.lock().unwrap();
        if self.refuses.lock().unwrap().as_deref().is_some_and(|name| op.fields.text("name") == Some(name)) {
            return Receipt::Refused(Error::new(ErrorKind::Invalid, "its name is not accepted"));
        }
        let id = part.remote.map_or_else(|| format!("{}-{changed}", op.resource), ToString::to_string);
        let place = (op.resource.clone(), id.clone());
        let mut sent = op.fields.clone();
        sent.each_ref_mut(&mut |to| {
            let id = part.refs.of(to).unwrap().clone();
            let Ref::Local { collection, .. } = &*to else { return };
            let resource = DESCRIPTOR.resources.iter().find(|resource| resource.collection == *collection).unwrap();
            *to = Ref::Foreign { resource: resource.name.clone(), id };
        });
        // The ledger's own columns of lines.
        if let Some(Value::List(lines)) = sent.value("lines") {
            let numbered = lines.iter().enumerate().map(|(idx, line)| {
                line.clone().with("id", Value::text(format!("line-{idx}"))).with("account", Value::text("200"))
            });
            let numbered = numbered.collect();
            sent.set("lines", Value::List(numbered));
        }
        match op.verb {
            Verb::Create => {
                if op.taken.iter().any(|key| key.field().as_str() == "name") {
                    sent.set("name", Value::text(format!("{} (2)", op.fields.text("name").unwrap_or_default())));
                }
                let entry = Entry { fields: sent, marker: Some(op.marker.clone()), changed, is_void: false };
                entries.insert(place.clone(), entry);
            }
            Verb::Update => {
                let entry = entries.get_mut(&place).unwrap();
                for field in &op.changed {
                    entry.fields.set(field.clone(), sent.value(field.as_str()).unwrap().clone());
                }
                entry.changed = changed;
            }
            Verb::Remove => {
                let entry = entries.get_mut(&place).unwrap();
                (entry.is_void, entry.changed) = (true, changed);
            }
        }
        self.follow(&mut entries);
        let after = entries.get(&place).map(|entry| Box::new(self.remote(&op.resource, &id, entry)));
        Receipt::Done { id: id.into(), version: None, after, facts: None }
    }
}

pub(crate) fn decimal(record: &Record, field: &str) -> Decimal {
    record.value(field).and_then(Value::as_decimal).unwrap_or_default()
}

fn keys(of: &ResourceName, fields: &Record, id_of: impl Fn(&Ref) -> Option<String>) -> Vec<NaturalKey> {
    if *of == CONTACTS {
        return ["name", "email", "tax_number"]
            .into_iter()
            .filter_map(|field| NaturalKey::of(field, fields.text(field)?))
            .collect();
    }
    let allocations = fields.value("allocations").and_then(Value::as_list).unwrap_or_default();
    let key = |allocation: &Record| match allocation.value("invoice") {
        Some(Value::Ref(to)) => {
            NaturalKey::of("settles", &format!("{}:{}", id_of(to)?, decimal(allocation, "amount").normalize()))
        }
        _ => None,
    };
    allocations.iter().filter_map(key).collect()
}

#[async_trait]
impl SyncHandler for Books {
    fn rules(&self, resource: &ResourceName) -> Rules {
        self.rules.lock().unwrap()[resource].clone()
    }

    async fn check(&self, _: &Context<'_>, _: Check) -> Result<Checked> {
        let mut checked = Checked::default();
        checked.accounts.push(("books".into(), "Books".into()));
        Ok(checked)
    }

    async fn pull(&self, _: &Context<'_>, request: Pull<'_>) -> Result<Page> {
        let from = match request.from {
            sync_core::From::Cursor(cursor) => cursor.as_str().parse::<u64>().unwrap(),
            _ => 0,
        };
        let entries = self.entries.lock().unwrap();
        let of = &request.feed.covers[0];
        let changes = entries
            .iter()
            .filter(|((kind, _), entry)| kind == of && entry.changed > from)
            .map(|((kind, id), entry)| sync_core::Change::Upsert(Box::new(self.remote(kind, id, entry))))
            .collect();
        let complete = if from == 0 { sync_core::Complete::Full } else { sync_core::Complete::Delta };
        Ok(Page::new(changes, Next::Done(self.tick.load(Ordering::Relaxed).max(1).to_string().into()), complete))
    }

    async fn find(&self, _: &Context<'_>, request: Find<'_>) -> Result<Vec<Found>> {
        let entries = self.entries.lock().unwrap();
        let of = |test: &dyn Fn(&Remote) -> bool| {
            let mut found: Vec<Remote> = entries
                .iter()
                .filter(|((kind, _), _)| kind == request.resource)
                .map(|((kind, id), entry)| self.remote(kind, id, entry))
                .filter(|remote| test(remote))
                .collect();
            match found.len() {
                0 => Found::Absent,
                1 => Found::One(Box::new(found.remove(0))),
                _ => Found::Many(found),
            }
        };
        Ok(match request.by {
            FindBy::Ids(ids) => ids.iter().map(|id| of(&|remote| remote.id == *id)).collect(),
            FindBy::Markers(markers) => {
                markers.iter().map(|marker| of(&|remote| remote.marker.as_ref() == Some(marker))).collect()
            }
            FindBy::Keys(keys) => keys.iter().map(|key| of(&|remote| remote.keys.contains(key))).collect(),
            _ => return Err(Error::new(ErrorKind::Unsupported, "unknown look-up")),
        })
    }

    fn keys(&self, request: KeysOf<'_>) -> Vec<NaturalKey> {
        keys(request.resource, request.fields, |to| request.refs.of(to).map(ToString::to_string))
    }

    fn prepare(&self, request: Prepare<'_>) -> Result<Prepared> {
        let op = request.op;
        let part = |stage: u8| {
            let group = format!("{}:{}", op.resource, op.verb.as_str());
            Part::new(stage, group, 5, Safety::LookUp { settle: Duration::from_secs(60) })
        };
        if op.resource == INVOICES && op.verb == Verb::Update && (op.is_changed("lines") || op.is_changed("total")) {
            let before = op.before.as_ref().map(|before| &before.fields).cloned().unwrap_or_default();
            if decimal(&before, "amount_due") != decimal(&before, "total") {
                let was: Decimal = op.agreed["lines"].here.iter().map(|line| decimal(line, "amount")).sum();
                let difference = decimal(&op.fields, "total") - was;
                let line =
                    Record::new().with("description", Value::text("Difference")).with("amount", Value::Decimal(difference));
                let number = op.fields.text("number").unwrap_or_default();
                let fields = Record::new()
                    .with("number", Value::text(format!("{number}/{}", request.amendment)))
                    .with("customer", op.fields.value("customer").unwrap().clone())
                    .with("total", Value::Decimal(difference))
                    .with("lines", Value::List(vec![line]));
                let words = format!("it is paid: {number}/{} is made for the difference", request.amendment);
                return Ok(Prepared::Amend(Box::new(Amendment { role: Role::amendment(request.amendment), fields, words })));
            }
        }
        if op.verb == Verb::Update && op.changed.is_empty() {
            return Ok(Prepared::Parts(Vec::new()));
        }
        Ok(Prepared::Parts(vec![if op.resource == PAYMENTS { part(0).final_there() } else { part(0) }]))
    }

    async fn push(&self, _: &Context<'_>, request: Push<'_>) -> Result<Vec<Receipt>> {
        self.calls.lock().unwrap().push(format!("{} {}", request.set.group, request.set.parts.len()));
        let receipts = request.set.parts.iter().map(|part| self.push_one(part)).collect();
        if self.lose_answer.swap(false, Ordering::Relaxed) {
            return Err(Error::new(ErrorKind::Timeout, "no answer").with_effect(Effect::Unknown));
        }
        Ok(receipts)
    }

    fn tally(&self, _: &Facts, op: &Operation) -> Vec<Tally> {
        let field = if op.resource == PAYMENTS { "amount" } else { "total" };
        let Some(amount) = op.fields.value(field).and_then(Value::as_decimal) else { return Vec::new() };
        let what = if op.resource == PAYMENTS { "payment" } else { "invoice" };
        let key = TallyKey {
            what: what.into(),
            month: "2026-11".into(),
            account: "200".into(),
            tax: String::new(),
            currency: "EUR".into(),
        };
        vec![Tally { key, amount }]
    }
}
