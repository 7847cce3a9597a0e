//! A dive shop and its Mailchimp account, in memory and under virtual time.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use serde_json::{Map, Value as Json, json};
use sync_core::{Collection, Consent, ConsentState, EffectGrants, Record, SyncResult, Transport, Value};
use sync_engine::{MemoryStore, Store};
use sync_sandbox::{AudienceSeed, InProcess, Mailchimp, MailchimpSeed, MemberSeed, Sandbox, SandboxOptions};
use sync_testkit::{FaultTransport, Shop, SimClock, sim::Rig};

/// The key that opens the account.
pub const KEY: &str = "0123456789abcdef0123456789abcdef-us19";
/// The audience that is synced to.
pub const AUDIENCE: &str = "a1b2c3d4e5";
/// An audience to switch to.
pub const OTHER_AUDIENCE: &str = "f6a7b8c9d0";
/// The organization.
pub const ORG: &str = "blue-manta";
/// What only the host may know.
pub const CANARY: &str = "takes blood thinners";

/// One world. Clones share it.
#[derive(Clone, Debug)]
pub struct Town {
    /// Time, for all.
    pub clock: SimClock,
    /// The other side.
    pub sandbox: Sandbox,
    /// What goes wrong between the two.
    pub wire: FaultTransport,
    /// The host.
    pub shop: Arc<Shop>,
    /// All of it together.
    pub rig: Rig,
}

/// A customer who agreed to marketing, with these tags.
pub fn customer(name: &str, tags: &[&str]) -> Record {
    Record::new()
        .with("email", Value::text(format!("{name}@example.com")))
        .with("first_name", Value::text(name))
        .with("last_name", Value::text("Tester"))
        .with("tags", Value::Set(tags.iter().map(|&tag| tag.to_owned()).collect()))
        .with("consent.email", agreed(ConsentState::Granted, "2025-06-01T10:00:00Z"))
        .with("notes_medical", Value::text(CANARY))
}

/// Consent of this state, given at this time.
///
/// # Panics
/// When that is no time.
pub fn agreed(state: ConsentState, at: &str) -> Value {
    Value::Consent(Consent::new(state).at(at.parse().unwrap_or_else(|error| panic!("{at}: {error}"))))
}

/// A member who is there before us.
pub fn member(name: &str, status: &str) -> MemberSeed {
    let mut member = MemberSeed::new(format!("{name}@example.com"), status).with_field("FNAME", "From before");
    // After every opt-in of [`customer`].
    member.last_changed = "2025-12-01T10:00:00Z".parse().ok();
    member
}

impl Town {
    /// A world with these members in the audience, and nobody in the other one. Faults and ids go by the seed.
    pub fn new(members: impl IntoIterator<Item = MemberSeed>, seed: u64) -> Self {
        Self::of(Self::seed(members), seed)
    }

    /// The account with these members.
    pub fn seed(members: impl IntoIterator<Item = MemberSeed>) -> MailchimpSeed {
        let audience = members.into_iter().fold(AudienceSeed::new(AUDIENCE, "Newsletter"), AudienceSeed::with_member);
        MailchimpSeed::new(KEY)
            .with_audience(audience.with_tag("a marketer's tag"))
            .with_audience(AudienceSeed::new(OTHER_AUDIENCE, "Divers"))
    }

    /// A world around this account.
    pub fn of(account: MailchimpSeed, seed: u64) -> Self {
        let clock = SimClock::new();
        let store: Arc<dyn Store> = Arc::new(MemoryStore::new(Arc::new(clock.clone())));
        Self::with(account, seed, clock, store, |transport| transport)
    }

    /// A world over this store, with something more between client and faults.
    pub fn with(
        account: MailchimpSeed,
        seed: u64,
        clock: SimClock,
        store: Arc<dyn Store>,
        outer: impl FnOnce(Arc<dyn Transport>) -> Arc<dyn Transport>,
    ) -> Self {
        let time = Arc::new(clock.clone());
        let sandbox = Sandbox::new(Mailchimp::new(account), SandboxOptions::default().with_bodies(), time.clone());
        let wire = FaultTransport::new(Arc::new(InProcess(sandbox.clone())), time, seed);
        let shop = Arc::new(Shop::with_feed());
        let transport = outer(Arc::new(wire.clone()));
        let rig = Rig::new(provider_mailchimp::REGISTRATION, clock.clone(), store, shop.clone(), transport).with_seed(seed);
        Self { clock, sandbox, wire, shop, rig }
    }

    /// Connects the organization, and puts these customers into its table.
    ///
    /// # Panics
    /// When that does not work.
    pub fn connect(&self, organization: &str, customers: impl IntoIterator<Item = (String, Record)>) {
        for (id, record) in customers {
            self.shop.put(organization, &Collection::CUSTOMERS, &id, record);
        }
        let connected = self.rig.connect(organization, KEY, json!({"audience": AUDIENCE}));
        self.clock.block_on(connected).unwrap_or_else(|error| panic!("{error:?}"));
    }

    /// Connects the shop's only organization with customers `names`, ids in their order.
    pub fn open(&self, names: &[&str]) {
        let of = |(n, name): (usize, &&str)| (format!("c{n:04}"), customer(name, &["diver"]));
        self.connect(ORG, names.iter().enumerate().map(of));
    }

    /// Runs once, as it is.
    pub fn sync(&self) -> SyncResult {
        self.clock.advance(Duration::from_secs(1));
        self.clock.block_on(self.rig.sync(ORG))
    }

    /// Runs, and approves what waits for approval.
    pub fn agree(&self) -> SyncResult {
        self.clock.advance(Duration::from_secs(1));
        self.clock.block_on(self.rig.agree(ORG, &EffectGrants::none()))
    }

    /// Changes a customer.
    pub fn edit(&self, id: &str, edit: impl FnOnce(&mut Record)) {
        self.shop.edit(ORG, &Collection::CUSTOMERS, id, edit);
    }

    /// Does what people do on the other side.
    ///
    /// # Panics
    /// When it can't be done.
    pub fn act(&self, action: &str, name: &str, more: Json) {
        let mut act = json!({"do": action, "list": AUDIENCE, "email": format!("{name}@example.com")});
        for (member, value) in more.as_object().into_iter().flatten() {
            act[member] = value.clone();
        }
        self.sandbox.act(&act).unwrap_or_else(|why| panic!("{act}: {why}"));
    }

    /// The members of an audience, by address.
    pub fn members(&self, audience: &str) -> Map<String, Json> {
        self.sandbox.state()["lists"][audience]["members"].as_object().cloned().unwrap_or_default()
    }

    /// One member of the audience.
    ///
    /// # Panics
    /// When there is none.
    pub fn member(&self, name: &str) -> Json {
        let email = format!("{name}@example.com");
        self.members(AUDIENCE).remove(&email).unwrap_or_else(|| panic!("{email} is no member"))
    }

    /// The status of each member, by name.
    pub fn statuses(&self, audience: &str) -> BTreeMap<String, String> {
        let name = |email: String| email.split('@').next().unwrap_or_default().to_owned();
        let status = |member: Json| member["status"].as_str().unwrap_or_default().to_owned();
        self.members(audience).into_iter().map(|(email, member)| (name(email), status(member))).collect()
    }

    /// How many mails and automations were set off.
    pub fn n_surprises(&self) -> u64 {
        let state = self.sandbox.summary();
        let count = |name: &str| state[name].as_u64().unwrap_or(u64::MAX);
        count("mails_sent").saturating_add(count("automations_started"))
    }

    /// What the sandbox refused because it doesn't know it.
    pub fn refused(&self) -> Vec<Json> {
        self.sandbox.summary()["refused"].as_array().cloned().unwrap_or_default()
    }

    /// How often an operation was called.
    pub fn calls(&self, operation: &str) -> u64 {
        self.sandbox.calls(operation)
    }

    /// How many writes went out since the log was last taken.
    pub fn n_writes(&self) -> usize {
        self.wire.take_log().iter().filter(|sent| sent.is_write()).count()
    }
}

/// A number of the environment: `SYNC_TEST_SEED` and `SYNC_TEST_RUNS` make randomised tests start elsewhere and go on
/// longer.
pub fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok()?.parse().ok()
}
