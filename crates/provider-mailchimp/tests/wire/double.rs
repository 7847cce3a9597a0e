//! What becomes of an audience: the same handler, against a double that keeps state and refuses what it does not know.

use std::{collections::BTreeMap, sync::Mutex};

use async_trait::async_trait;
use base64::{Engine as _, engine::general_purpose::STANDARD};
use bytes::Bytes;
use jiff::{SignedDuration, Timestamp};
use provider_mailchimp::REGISTRATION;
use serde_json::{Value as Json, json};
use sync_core::{
    Call, CallKey, CallSet, Cancel, Change, Check, ConsentState as C, Context, Cursor, EffectGrants, Exchange, Facts, Find,
    FindBy, Found, From, Lane, Next, Operation, PartRef, Prepare, Prepared, Pull, Push, Reason, Receipt, Refs, Remote,
    RemoteState, Result, Role, SyncHandler, Value, Within,
};
use sync_sandbox::{AudienceSeed, Double as _, Mailchimp, MailchimpSeed, MemberSeed, Quirks, RefusalSeed};

use crate::support::{ADA, AUDIENCE, CONTACTS, consent, create, customer, open, remove, tagging, update};

const KEY: &str = "0123456789abcdef-us19";

/// A connection to a double, under a clock of its own.
struct World {
    double: Mutex<Mailchimp>,
    now: Mutex<Timestamp>,
    handler: Box<dyn SyncHandler>,
    facts: Facts,
    grants: EffectGrants,
}

#[async_trait]
impl Exchange for World {
    async fn send(&self, call: Call, _: Within<'_>) -> Result<http::Response<Bytes>> {
        let mut request = http::Request::builder()
            .method(call.method.clone())
            .uri(format!("https://us19.api.mailchimp.com/3.0{}", call.path_and_query()))
            .header(http::header::AUTHORIZATION, format!("Basic {}", STANDARD.encode(format!("sync:{KEY}"))));
        for (name, value) in &call.headers {
            request = request.header(name, value);
        }
        let now = *self.now.lock().unwrap();
        let answer = self.double.lock().unwrap().handle(&request.body(call.body.clone()).unwrap(), now);
        (call.classify)(&answer)?;
        Ok(answer)
    }
}

impl World {
    async fn new(audience: AudienceSeed, settings: Json, grants: &[&str]) -> Self {
        Self::seeded(MailchimpSeed::new(KEY).with_audience(audience), settings, grants).await
    }

    async fn seeded(seed: MailchimpSeed, mut settings: Json, grants: &[&str]) -> Self {
        settings["audience"] = json!(AUDIENCE);
        let mut world = Self {
            double: Mutex::new(Mailchimp::new(seed)),
            now: Mutex::new("2026-03-01T12:00:00Z".parse().unwrap()),
            handler: open(json!({"page_size": 3}), settings).unwrap(),
            facts: Facts::new(),
            grants: EffectGrants::of(grants.iter().copied()),
        };
        let cancel = Cancel::new();
        let checked = world.handler.check(&world.context(&cancel), Check::Settings).await.unwrap();
        assert!(checked.problems.is_empty(), "{:?}", checked.problems);
        world.facts = checked.facts;
        world
    }

    fn context<'a>(&'a self, cancel: &'a Cancel) -> Context<'a> {
        let now = *self.now.lock().unwrap();
        Context::new(self, now, now + SignedDuration::from_hours(1), cancel, Lane::Interactive, &self.grants)
    }

    fn pass(&self, seconds: i64) {
        *self.now.lock().unwrap() += SignedDuration::from_secs(seconds);
    }

    fn act(&self, action: Json) {
        let now = *self.now.lock().unwrap();
        self.double.lock().unwrap().act(&action, now).unwrap();
    }

    fn member(&self, email: &str) -> Json {
        self.double.lock().unwrap().state()["lists"][AUDIENCE]["members"][email].clone()
    }

    async fn push(&self, group: &str, ops: &[Operation]) -> Result<Vec<Receipt>> {
        let (cancel, refs, key) = (Cancel::new(), Refs::new(), CallKey::from_static("key"));
        let part = |op| PartRef { op, part_idx: 0, remote: None, version: None, refs: &refs };
        let parts: Vec<PartRef<'_>> = ops.iter().map(part).collect();
        let push = Push::new(CallSet { group, parts: &parts }, &key, &self.facts);
        self.handler.push(&self.context(&cancel), push).await
    }

    /// Sends all parts of an operation, one after another, as long as they are done.
    async fn apply(&mut self, op: &Operation) -> Vec<Receipt> {
        let parts = match self.handler.prepare(Prepare::new(&self.facts, &self.grants, op)).unwrap() {
            Prepared::Parts(parts) => parts,
            other => panic!("no parts: {other:?}"),
        };
        let mut receipts = Vec::new();
        for part in parts {
            let mut receipt = self.push(&part.group, std::slice::from_ref(op)).await.unwrap();
            if let Some(Receipt::Done { facts: Some(facts), .. }) = receipt.first() {
                self.facts.learn(facts.clone());
            }
            receipts.append(&mut receipt);
        }
        receipts
    }

    async fn find(&self, email: &str) -> Remote {
        let (cancel, key) = (Cancel::new(), sync_core::NaturalKey::of("email", email).unwrap());
        let resource = CONTACTS;
        let request = Find::new(&resource, None, FindBy::Keys(std::slice::from_ref(&key)));
        match self.handler.find(&self.context(&cancel), request).await.unwrap().pop() {
            Some(Found::One(remote)) => *remote,
            other => panic!("{other:?}"),
        }
    }

    /// Reads the feed to its end: who was seen, and the cursor.
    async fn pull(&self, cursor: Option<&Cursor>) -> (BTreeMap<String, (C, bool)>, Cursor, usize) {
        let (cancel, feed) = (Cancel::new(), &REGISTRATION.descriptor.feeds[0]);
        let (mut seen, mut token, mut n_pages) = (BTreeMap::new(), None, 0);
        loop {
            let from = match (&token, cursor) {
                (Some(token), _) => From::Page(token),
                (None, Some(cursor)) => From::Cursor(cursor),
                (None, None) => From::Start,
            };
            let page = self.handler.pull(&self.context(&cancel), Pull::new(feed, None, from)).await.unwrap();
            n_pages += 1;
            for change in page.changes {
                let Change::Upsert(remote) = change else { panic!("gone") };
                let consent = remote.fields.value("consent.email").and_then(Value::as_consent).unwrap().state;
                let email = remote.fields.text("email").unwrap().to_owned();
                seen.insert(email, (consent, remote.state == RemoteState::Archived));
            }
            match page.next {
                Next::More(next) => token = Some(next),
                Next::Done(cursor) => return (seen, cursor, n_pages),
            }
        }
    }

    /// Nothing was asked that the double does not know, and no mail went out.
    fn is_clean(&self, mails: u64) {
        let summary = self.double.lock().unwrap().summary();
        assert_eq!(summary["refused"], json!([]), "{summary}");
        assert_eq!(summary["mails_sent"], json!(mails), "{summary}");
    }
}

fn newsletter() -> AudienceSeed {
    let statuses = ["subscribed", "unsubscribed", "cleaned", "pending", "transactional", "archived"];
    statuses.iter().fold(AudienceSeed::new(AUDIENCE, "Newsletter").with_tag("VIP"), |audience, status| {
        audience.with_member(MemberSeed::new(format!("{status}@example.com"), *status).with_tag("VIP"))
    })
}

fn matched(before: Remote, email: &str) -> Operation {
    let mut op = update(before, customer(email), &["consent.email", "first_name", "last_name"]);
    op.reason = Reason::Matched;
    op.role = Role::new(AUDIENCE);
    op
}

#[tokio::test]
async fn a_full_pass_sees_everybody_and_a_delta_only_what_changed() {
    let world = World::new(newsletter(), json!({}), &[]).await;
    let (seen, cursor, _) = world.pull(None).await;
    let state = |status: &str| seen[&format!("{status}@example.com")];
    assert_eq!(state("subscribed"), (C::Granted, false));
    assert_eq!(state("unsubscribed"), (C::Denied, false));
    assert_eq!(state("cleaned"), (C::Undeliverable, false));
    assert_eq!(state("pending"), (C::Pending, false));
    assert_eq!(state("transactional"), (C::Unknown, false));
    assert_eq!(state("archived"), (C::Unknown, true));
    world.pass(600);
    world.act(json!({"do": "unsubscribe", "list": AUDIENCE, "email": "subscribed@example.com"}));
    world.pass(5);
    let (seen, cursor, _) = world.pull(Some(&cursor)).await;
    assert_eq!(seen, BTreeMap::from([("subscribed@example.com".to_owned(), (C::Denied, false))]));
    world.pass(600);
    let (seen, cursor, n_pages) = world.pull(Some(&cursor)).await;
    assert_eq!((seen.len(), n_pages), (1, 2), "a minute is read again, in case something came late");
    world.pass(600);
    let (seen, _, n_pages) = world.pull(Some(&cursor)).await;
    assert_eq!((seen.len(), n_pages), (0, 2));
    world.is_clean(0);
}

#[tokio::test]
async fn nobody_who_is_there_changes_status_by_being_matched() {
    let mut world = World::new(newsletter(), json!({}), &[]).await;
    for status in ["subscribed", "unsubscribed", "cleaned", "pending"] {
        let email = format!("{status}@example.com");
        let before = world.find(&email).await;
        // The opt-in is older than whatever happened there.
        let mut op = matched(before, &email);
        op.fields.set("consent.email", consent(C::Granted, Some("2020-01-01T00:00:00Z")));
        let receipts = world.apply(&op).await;
        assert!(matches!(&receipts[..], [Receipt::Done { .. }]), "{status}: {receipts:?}");
        let member = world.member(&email);
        assert_eq!((&member["status"], &member["merge_fields"]["FNAME"]), (&json!(status), &json!("Ada")));
        assert_eq!(member["tags"], json!(["VIP"]), "{status}");
    }
    world.is_clean(0);
}

#[tokio::test]
async fn an_address_that_exists_is_taken_and_nothing_changes() {
    let mut world = World::new(newsletter(), json!({}), &[]).await;
    for status in ["subscribed", "unsubscribed", "cleaned", "archived"] {
        let email = format!("{status}@example.com");
        let receipts = world.apply(&create(customer(&email))).await;
        assert!(matches!(&receipts[..], [Receipt::Taken(Some(_))]), "{status}: {receipts:?}");
        assert_eq!(world.member(&email)["status"], json!(status));
    }
    world.is_clean(0);
}

#[tokio::test]
async fn an_unsubscribe_between_our_read_and_our_write_survives() {
    let mut world = World::new(newsletter(), json!({}), &[]).await;
    let before = world.find("subscribed@example.com").await;
    world.act(json!({"do": "unsubscribe", "list": AUDIENCE, "email": "subscribed@example.com"}));
    let op = matched(before, "subscribed@example.com");
    let receipts = world.apply(&op).await;
    let [Receipt::Done { after: Some(after), .. }] = &receipts[..] else { panic!("{receipts:?}") };
    assert_eq!(after.fields.value("consent.email").and_then(Value::as_consent).unwrap().state, C::Denied);
    assert_eq!(world.member("subscribed@example.com")["status"], "unsubscribed");
}

#[tokio::test]
async fn our_tags_come_and_go_and_the_marketers_stay() {
    for grants in [&[][..], &["automation"]] {
        let settings = json!({"tag_rules": {"extra.level": "level:{value}"}});
        let mut world = World::new(newsletter(), settings, grants).await;
        let fields = |level: &str| customer(ADA).with("extra.level", Value::text(level));
        world.apply(&tagging(create(fields("open")), &["diver"], &[])).await;
        world.act(json!({"do": "tag", "list": AUDIENCE, "email": ADA, "name": "VIP"}));
        let tags = |world: &World| {
            let mut tags: Vec<String> = serde_json::from_value(world.member(ADA)["tags"].clone()).unwrap();
            tags.sort();
            tags
        };
        assert_eq!(tags(&world), ["VIP", "diver", "level:open"]);
        let op = update(world.find(ADA).await, fields("rescue"), &["extra.level", "tags"]);
        world.apply(&tagging(op, &["guest"], &["diver"])).await;
        assert_eq!(tags(&world), ["VIP", "guest", "level:rescue"]);
        world.is_clean(0);
    }
}

#[tokio::test]
async fn another_prefix_moves_our_tags_and_only_ours() {
    for grants in [&[][..], &["automation"]] {
        let mut world = World::new(newsletter(), json!({"tag_prefix": "old:"}), grants).await;
        let tagged =
            |tags: &[&str]| customer(ADA).with("tags", Value::Set(tags.iter().map(|tag| (*tag).to_owned()).collect()));
        let receipts = world.apply(&tagging(create(tagged(&["diver", "guest"])), &["diver", "guest"], &[])).await;
        let Some(Receipt::Done { after: Some(after), .. }) = receipts.last() else { panic!("{receipts:?}") };
        let native = after.native.clone();
        for name in ["old:marketer", "VIP"] {
            world.act(json!({"do": "tag", "list": AUDIENCE, "email": ADA, "name": name}));
        }
        world.handler = open(json!({"page_size": 3}), json!({"audience": AUDIENCE, "tag_prefix": "new:"})).unwrap();
        // One tag changed in the same run as the prefix.
        let mut before = world.find(ADA).await;
        before.native = native;
        world.apply(&tagging(update(before, tagged(&["diver", "pro"]), &["tags"]), &["pro"], &["guest"])).await;
        let mut tags: Vec<String> = serde_json::from_value(world.member(ADA)["tags"].clone()).unwrap();
        tags.sort();
        assert_eq!(tags, ["VIP", "new:diver", "new:pro", "old:marketer"]);
        world.is_clean(0);
    }
}

#[tokio::test]
async fn a_rename_keeps_one_member() {
    let mut world = World::new(newsletter(), json!({}), &[]).await;
    let before = world.find("subscribed@example.com").await;
    let receipts = world.apply(&update(before, customer(ADA), &["email", "first_name"])).await;
    assert!(matches!(&receipts[..], [Receipt::Done { .. }]), "{receipts:?}");
    assert_eq!(world.member(ADA)["status"], "subscribed");
    assert!(world.member("subscribed@example.com").is_null());
    let taken = update(world.find(ADA).await, customer("cleaned@example.com"), &["email"]);
    let receipts = world.apply(&taken).await;
    assert!(matches!(&receipts[..], [Receipt::Taken(Some(_))]), "{receipts:?}");
}

#[tokio::test]
async fn consent_goes_down_at_once_and_up_only_by_asking() {
    let mut world = World::new(newsletter(), json!({}), &["confirmation-mail"]).await;
    let email = "subscribed@example.com";
    let with = |state| customer(email).with("consent.email", consent(state, None));
    world.apply(&update(world.find(email).await, with(C::Denied), &["consent.email"])).await;
    assert_eq!(world.member(email)["status"], "unsubscribed");
    world.is_clean(0);
    world.apply(&update(world.find(email).await, with(C::Pending), &["consent.email"])).await;
    assert_eq!(world.member(email)["status"], "pending");
    world.is_clean(1);
}

#[tokio::test]
async fn the_archive_takes_and_gives_back() {
    let mut world = World::new(newsletter(), json!({}), &[]).await;
    let email = "subscribed@example.com";
    let before = world.find(email).await;
    for _ in 0..2 {
        let receipts = world.apply(&remove(before.clone())).await;
        assert!(matches!(&receipts[..], [Receipt::Done { .. }]), "{receipts:?}");
        assert_eq!(world.member(email)["status"], "archived");
    }
    let mut ours = before;
    ours.state = RemoteState::Archived;
    let receipts = world.apply(&update(ours, customer(email), &["consent.email", "first_name"])).await;
    assert!(matches!(&receipts[..], [Receipt::Done { .. }]), "{receipts:?}");
    assert_eq!(world.member(email)["status"], "subscribed");
    world.is_clean(0);
}

#[tokio::test]
async fn refusals_of_single_members_stay_theirs() {
    let seed = MailchimpSeed::new(KEY)
        .with_audience(newsletter())
        .with_refusal("fake@example.com", RefusalSeed::LooksFake)
        .with_refusal("late@example.com", RefusalSeed::TooManySignups);
    let world = World::seeded(seed, json!({}), &[]).await;
    let ops = ["fake@example.com", ADA, "late@example.com"].map(|email| create(customer(email)));
    let receipts = world.push("members:new", &ops).await.unwrap();
    let [Receipt::Refused(fake), Receipt::Done { .. }, Receipt::Refused(late)] = &receipts[..] else {
        panic!("{receipts:?}");
    };
    assert_eq!(fake.retry(), sync_core::Retry::Never);
    assert!(matches!(late.retry(), sync_core::Retry::After(_)), "{late:?}");
}

#[tokio::test]
async fn tags_inside_the_create_arrive() {
    let mut world = World::new(newsletter(), json!({"tags_in_create": true}), &["automation"]).await;
    world.apply(&tagging(create(customer(ADA)), &["diver"], &[])).await;
    assert_eq!(world.member(ADA)["tags"], json!(["diver"]));
    let taken = tagging(create(customer("subscribed@example.com")), &["diver"], &[]);
    assert!(matches!(&world.apply(&taken).await[..], [Receipt::Taken(Some(_))]));
    assert_eq!(world.member("subscribed@example.com")["tags"], json!(["VIP"]));
    world.is_clean(0);
}

#[tokio::test]
async fn a_known_member_who_was_erased_is_looked_at_again() {
    let mut world = World::new(newsletter(), json!({}), &[]).await;
    let before = world.find("subscribed@example.com").await;
    world.act(json!({"do": "delete-permanent", "list": AUDIENCE, "email": "subscribed@example.com"}));
    let receipts = world.apply(&update(before, customer("subscribed@example.com"), &["first_name"])).await;
    assert!(matches!(&receipts[..], [Receipt::Moved | Receipt::Refused(_)]), "{receipts:?}");
    assert!(world.member("subscribed@example.com").is_null());
}

#[tokio::test]
async fn where_batches_want_a_status_the_setting_is_named() {
    let mut quirks = Quirks::default();
    quirks.batch_without_status_is_neutral = false;
    let seed = || MailchimpSeed::new(KEY).with_audience(newsletter()).with_quirks(quirks);
    let mut world = World::seeded(seed(), json!({}), &[]).await;
    let email = "subscribed@example.com";
    let op = update(world.find(email).await, customer(email), &["first_name"]);
    let receipts = world.apply(&op).await;
    let [Receipt::Refused(error)] = &receipts[..] else { panic!("{receipts:?}") };
    assert!(error.remedy().unwrap().contains("known_members"));
    let mut world = World::seeded(seed(), json!({"known_members": "single"}), &[]).await;
    assert!(matches!(&world.apply(&op).await[..], [Receipt::Done { .. }]));
}

#[tokio::test]
async fn a_repeated_create_is_taken_and_makes_no_twin() {
    let mut world = World::new(newsletter(), json!({}), &[]).await;
    assert!(matches!(&world.apply(&create(customer(ADA))).await[..], [Receipt::Done { .. }]));
    assert!(matches!(&world.apply(&create(customer(ADA))).await[..], [Receipt::Taken(Some(_))]));
}
