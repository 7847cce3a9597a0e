//! The provider: a mailing list in memory, which can be slow, lie and lose answers.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use sync_core::{
    Channel, Check, Checked, Collection, ConsentState, ContainerId, Context, Descriptor, Effect, Error, ErrorKind, Facts,
    Feed, FieldKind, FieldOwner, FieldSelection, FieldSpec, Find, FindBy, Found, Kind, Matching, NaturalKey, Next, Page,
    Part, PlanDigest, Prepare, Prepared, Pull, Push, Receipt, Record, Remote, Resource, ResourceName, Result, Role, Rules,
    Safety, SharedKey, Skip, SyncHandler, SyncType, Target, UpdateNeeds, Value, Verb,
};

use super::{CONTACTS, MAIL, Shop, consent, under_way::UnderWay};

pub static DESCRIPTOR: Descriptor = Descriptor {
    id: "letters",
    name: "Letters",
    description: "Push contacts and tags to a list",
    kind: Kind::Sync,
    sync_types: &[
        SyncType { name: "contacts", resource: CONTACTS, fields: FieldSelection::Except(&["tags"]) },
        SyncType { name: "tags", resource: CONTACTS, fields: FieldSelection::Only(&["tags"]) },
    ],
    supports_direction: false,
    feeds: &[Feed { name: "members", covers: &[CONTACTS], carries_consent: true, budget: "" }],
    resources: &[Resource {
        name: CONTACTS,
        nouns: ("contact", "contacts"),
        known_by: &["first_name", "email"],
        collection: Collection::CUSTOMERS,
        model: "contact",
        fields: &[
            FieldSpec { name: "tags", kind: FieldKind::OwnedSet, owner: FieldOwner::Both },
            FieldSpec { name: "consent.email", kind: FieldKind::Consent, owner: FieldOwner::Both },
            FieldSpec { name: "note", kind: FieldKind::Scalar, owner: FieldOwner::Remote },
        ],
        groups: &[],
        consent: Some((Channel::Email, "consent.email", "email")),
        update_needs: UpdateNeeds::Nothing,
        matching: Matching::Taken,
        find_max: 10,
        depends_on: &[],
        pullable: false,
    }],
    endpoints: &[],
    quotas: &[],
    auth: &[],
    call_timeout: Duration::from_secs(60),
    settle: Duration::from_secs(60),
    concurrency: 4,
    effects: &[MAIL],
};

/// One member of the list there.
#[derive(Debug, Clone, PartialEq)]
pub struct Member {
    pub fields: Record,
    pub changed: u64,
    pub list: String,
}

/// What befalls the next pushes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// It was done, and the answer is lost.
    LostAfter,
    /// It was not done, and the answer is lost.
    LostBefore,
    /// Nothing was sent.
    Unreachable,
    /// Too fast, wait ten minutes.
    Limited,
    /// The token is dead.
    Revoked,
}

/// The provider: members by address.
#[derive(Debug, Default)]
pub struct Letters {
    pub members: Mutex<BTreeMap<String, Member>>,
    pub tick: AtomicU64,
    pub calls: Mutex<Vec<String>>,
    pub writes: AtomicU64,
    pub faults: Mutex<Vec<Fault>>,
    pub refuse: Mutex<BTreeSet<String>>,
    pub list: Mutex<String>,
    pub shared: Mutex<Option<SharedKey>>,
    pub keys_seen: Mutex<Vec<String>>,
    /// Only records with this tag go.
    pub only: Mutex<Option<String>>,
    /// When consent was given or withdrawn, by its own clock, as answers about known members show it.
    pub dates: Mutex<Option<i64>>,
    /// A record of the shop's that somebody deletes when it is to be made here.
    pub deletes: Mutex<Option<(Arc<Shop>, String)>>,
    pub under_way: UnderWay,
}

impl Letters {
    pub fn new() -> Self {
        Self { list: Mutex::new("news".into()), ..Self::default() }
    }

    pub fn person(&self, email: &str, edit: impl FnOnce(&mut Record)) {
        let changed = self.tick.fetch_add(1, Ordering::Relaxed) + 1;
        let list = self.list.lock().unwrap().clone();
        let mut members = self.members.lock().unwrap();
        let member = members.entry(email.into()).or_insert_with(|| Member {
            fields: Record::new().with("email", Value::text(email)),
            changed,
            list,
        });
        edit(&mut member.fields);
        member.changed = changed;
    }

    fn remote(&self, email: &str, member: &Member) -> Remote {
        let mut remote = Remote::live(CONTACTS, email, member.fields.clone());
        remote.keys = NaturalKey::of("email", email).into_iter().collect();
        remote.container = Some(member.list.as_str().into());
        remote
    }

    fn note(&self, call: impl Into<String>) {
        self.calls.lock().unwrap().push(call.into());
    }

    fn set(&self, op: &sync_core::Operation, id: &str) {
        let email = op.fields.text("email").unwrap().to_lowercase();
        let changed = self.tick.fetch_add(1, Ordering::Relaxed) + 1;
        let mut members = self.members.lock().unwrap();
        let list = op.container.clone().unwrap().to_string();
        let mut member = members.remove(id).unwrap_or(Member { fields: Record::new(), changed, list });
        member.changed = changed;
        for (field, value) in op.fields.iter() {
            if op.changed.contains(field) && field.as_str() != "tags" {
                member.fields.set(field.clone(), value.clone());
            }
        }
        members.insert(email, member);
    }
}

#[async_trait]
impl SyncHandler for Letters {
    fn rules(&self, _: &ResourceName) -> Rules {
        let mut rules =
            Rules::new(["email", "first_name", "note", "tags", "consent.email"].into_iter().map(Into::into).collect());
        rules.match_on = vec!["email".into()];
        rules.match_is_proof = true;
        rules.filter = self
            .only
            .lock()
            .unwrap()
            .clone()
            .map(|tag| sync_core::Filter { field: "tags".into(), test: sync_core::FilterTest::AnyOf(vec![tag]) });
        rules.shared_key = self.shared.lock().unwrap().unwrap_or_default();
        rules
    }

    fn target(&self, _: &ResourceName, _: &Record) -> Target {
        let list = self.list.lock().unwrap().clone();
        Target { role: Role::new(list.clone()), container: Some(list.into()) }
    }

    fn containers(&self, _: &Feed) -> Vec<Option<ContainerId>> {
        vec![Some(self.list.lock().unwrap().clone().into())]
    }

    async fn check(&self, _: &Context<'_>, check: Check) -> Result<Checked> {
        self.note(format!("check {check:?}"));
        let mut checked = Checked::default();
        checked.accounts.push(("account-1".into(), "Shop".into()));
        Ok(checked)
    }

    async fn pull(&self, _: &Context<'_>, request: Pull<'_>) -> Result<Page> {
        self.note("pull");
        let from = match request.from {
            sync_core::From::Cursor(cursor) => cursor.as_str().parse::<u64>().unwrap(),
            _ => 0,
        };
        let list = request.container.unwrap().as_str();
        let members = self.members.lock().unwrap();
        let changes = members
            .iter()
            .filter(|(_, member)| member.changed > from && member.list == list)
            .map(|(email, member)| sync_core::Change::Upsert(Box::new(self.remote(email, member))))
            .collect();
        let complete = if from == 0 { sync_core::Complete::Full } else { sync_core::Complete::Delta };
        Ok(Page::new(changes, Next::Done(self.tick.load(Ordering::Relaxed).to_string().into()), complete))
    }

    async fn find(&self, _: &Context<'_>, request: Find<'_>) -> Result<Vec<Found>> {
        let emails: Vec<String> = match request.by {
            FindBy::Ids(ids) => ids.iter().map(ToString::to_string).collect(),
            FindBy::Keys(keys) => keys.iter().map(|key| key.value().to_owned()).collect(),
            _ => return Err(Error::new(ErrorKind::Unsupported, "no markers here")),
        };
        self.note(format!("find {}", emails.len()));
        let members = self.members.lock().unwrap();
        let one = |email: &String| match members.get(email) {
            Some(member) => Found::One(Box::new(self.remote(email, member))),
            None => Found::Absent,
        };
        Ok(emails.iter().map(one).collect())
    }

    fn prepare(&self, request: Prepare<'_>) -> Result<Prepared> {
        let op = request.op;
        let consent = op.fields.value("consent.email").and_then(Value::as_consent).map(|consent| consent.state);
        let mut parts = Vec::new();
        match op.verb {
            Verb::Create if consent < Some(ConsentState::Pending) => {
                return Ok(Prepared::Skip(Skip::new("no-consent", "has not agreed")));
            }
            Verb::Create => {
                let mut part = Part::new(0, "new", 3, Safety::ClientId);
                if consent == Some(ConsentState::Pending) {
                    part = part.effects(&[MAIL]);
                }
                parts.push(part);
            }
            Verb::Update if op.changed.iter().any(|field| field.as_str() != "tags") => {
                parts.push(Part::new(0, "known", 3, Safety::Repeatable));
            }
            Verb::Update => {}
            Verb::Remove => parts.push(Part::new(0, format!("archive:{}", op.local), 1, Safety::Repeatable)),
        }
        if let Some(sets) = op.sets.get("tags") {
            for tag in &sets.add {
                parts.push(Part::new(1, format!("tag:+{tag}"), 3, Safety::Repeatable).first_alone());
            }
            for tag in &sets.remove {
                parts.push(Part::new(1, format!("tag:-{tag}"), 3, Safety::Repeatable).serial());
            }
        }
        Ok(Prepared::Parts(parts))
    }

    async fn push(&self, _: &Context<'_>, request: Push<'_>) -> Result<Vec<Receipt>> {
        let group = request.set.group;
        self.note(format!("push {group} {}", request.set.parts.len()));
        self.keys_seen.lock().unwrap().push(request.key.to_string());
        let fault = {
            let mut faults = self.faults.lock().unwrap();
            if faults.is_empty() { None } else { Some(faults.remove(0)) }
        };
        match fault {
            Some(Fault::LostBefore) => return Err(Error::new(ErrorKind::Timeout, "no answer").with_effect(Effect::Unknown)),
            Some(Fault::Unreachable) => return Err(Error::new(ErrorKind::Unavailable, "no connection")),
            Some(Fault::Limited) => {
                return Err(Error::new(ErrorKind::RateLimited, "too fast")
                    .with_retry(sync_core::Retry::After(Duration::from_secs(600))));
            }
            Some(Fault::Revoked) => {
                return Err(Error::new(ErrorKind::AuthRevoked, "the token is dead").with_remedy("Connect again."));
            }
            _ => {}
        }
        self.writes.fetch_add(1, Ordering::Relaxed);
        self.under_way.call(group).await;
        let mut receipts = Vec::new();
        for part in request.set.parts {
            let email = part.op.fields.text("email").unwrap_or_default().to_lowercase();
            let id = part.remote.map_or_else(|| email.clone(), ToString::to_string);
            if self.refuse.lock().unwrap().contains(&email) {
                receipts.push(Receipt::Refused(
                    Error::new(ErrorKind::Refused, "the address was refused")
                        .with_provider("FAKE", "looks fake")
                        .with_remedy("Correct it."),
                ));
                continue;
            }
            let done = |id: &str| Receipt::Done { id: id.into(), version: None, after: None, facts: Some(Facts::new()) };
            if group == "new" {
                if let Some((shop, id)) = self.deletes.lock().unwrap().take() {
                    shop.delete(&id);
                }
                if self.members.lock().unwrap().contains_key(&email) {
                    receipts.push(Receipt::Taken(Some(email.as_str().into())));
                } else {
                    self.set(part.op, &email);
                    receipts.push(done(&email));
                }
            } else if group == "known" {
                self.set(part.op, &id);
                let mut receipt = done(&email);
                if let (Some(second), Receipt::Done { after, .. }) = (*self.dates.lock().unwrap(), &mut receipt) {
                    let mut shown = self.remote(&email, &self.members.lock().unwrap()[&email]);
                    let state = shown.fields.value("consent.email").and_then(Value::as_consent).unwrap().state;
                    shown.fields.set("consent.email", consent(state, second));
                    *after = Some(Box::new(shown));
                }
                receipts.push(receipt);
            } else if let Some(tag) = group.strip_prefix("tag:") {
                let (sign, tag) = tag.split_at(1);
                let id = if self.members.lock().unwrap().contains_key(&id) { id } else { email };
                self.person(&id, |fields| {
                    let mut set = fields.value("tags").and_then(Value::as_set).cloned().unwrap_or_default();
                    if sign == "+" {
                        set.insert(tag.into())
                    } else {
                        set.remove(tag)
                    };
                    fields.set("tags", Value::Set(set));
                });
                receipts.push(done(&id));
            } else {
                self.members.lock().unwrap().remove(&id);
                receipts.push(done(&id));
            }
        }
        if fault == Some(Fault::LostAfter) {
            return Err(Error::new(ErrorKind::Timeout, "no answer").with_effect(Effect::Unknown));
        }
        Ok(receipts)
    }

    fn summary(&self, _: &Facts, plan: &PlanDigest<'_>) -> Vec<String> {
        vec![format!("adds {}", plan.creates.values().sum::<u64>())]
    }
}
