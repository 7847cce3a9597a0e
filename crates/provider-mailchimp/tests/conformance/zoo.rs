//! Connectors that are broken on purpose: for each, a case of the suite that catches it.

use std::{
    collections::BTreeSet,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use async_trait::async_trait;
use bytes::Bytes;
use sync_core::{
    Change, Check, Checked, Choice, Choices, Complete, Connection, Consent, ConsentState, ContainerId, Context, Descriptor,
    Effect, EffectGrants, Error, ErrorKind, Facts, Feed, Find, Found, From, Inbound, Integration, KeysOf, NaturalKey, Next,
    Opened, Operation, Page, PartRef, PlanDigest, Prepare, Prepared, Pull, Push, Receipt, Record, RemoteState, ResourceName,
    Result, Rules, Safety, SyncHandler, Tally, Target, Value, Watch, Watching, WebhookKeys,
};
use sync_testkit::conformance::{Harness, run, run_case};

use super::Bench;

/// How it is broken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum How {
    StopsAfterOnePage,
    PassesOverTheFirstOfAPage,
    TakesAnyCursor,
    SaysDeltasAreFull,
    ShowsArchivedAsLive,
    HidesRefusals,
    TakesAbsenceForAnError,
    TurnsReceiptsRound,
    TakesTakenForDone,
    TakesMovedForDone,
    ForgetsThatItMayHaveHappened,
    SendsAgainOnHope,
    SaysCreatesAreRepeatable,
    PreparesOtherwiseEachTime,
    IgnoresGrants,
    RaisesConsent,
    WritesWhatDidNotChange,
    TakesForeignElementsAway,
    QuotesTheRecordInErrors,
    PrintsTheRecordInDebug,
    TakesUnknownSettings,
    FailsWhereAChoiceHasGone,
    TakesAnybodysWebhook,
}

/// The broken ones, and the case that catches each.
const ZOO: &[(How, &str, &str)] = &[
    (How::StopsAfterOnePage, "pull", "every_page_is_followed_and_no_token_is_given_twice"),
    (How::PassesOverTheFirstOfAPage, "pull", "every_page_is_followed_and_no_token_is_given_twice"),
    (How::TakesAnyCursor, "pull", "a_cursor_or_token_of_somebody_else_asks_for_a_full_pass"),
    (How::SaysDeltasAreFull, "pull", "a_full_listing_says_so_and_a_delta_too"),
    (How::ShowsArchivedAsLive, "pull", "what_is_archived_there_is_shown_as_archived"),
    (How::HidesRefusals, "pull", "refusals_and_bounces_flow_back"),
    (How::TakesAbsenceForAnError, "find", "what_is_not_there_is_absent_and_no_error"),
    (How::TurnsReceiptsRound, "push", "receipts_come_one_per_part_in_order"),
    (How::TakesTakenForDone, "push", "receipts_come_one_per_part_in_order"),
    (How::TakesMovedForDone, "push", "changing_what_people_deleted_makes_nothing_and_is_no_success"),
    (How::ForgetsThatItMayHaveHappened, "failure", "a_write_whose_time_ran_out_is_of_unknown_fate_and_not_resent"),
    (How::SendsAgainOnHope, "failure", "a_write_that_was_cut_off_is_of_unknown_fate_and_not_resent"),
    (How::SaysCreatesAreRepeatable, "prepare", "a_create_is_never_held_for_repeatable"),
    (How::PreparesOtherwiseEachTime, "prepare", "the_same_operation_is_always_made_of_the_same_parts"),
    (How::IgnoresGrants, "prepare", "without_a_grant_no_part_has_an_effect"),
    (How::RaisesConsent, "consent", "nobody_is_made_with_more_than_was_agreed_to_here"),
    (How::WritesWhatDidNotChange, "push", "an_update_leaves_alone_what_people_changed_there"),
    (How::TakesForeignElementsAway, "push", "elements_of_others_stay_in_a_set"),
    (How::QuotesTheRecordInErrors, "secrets", "errors_show_neither_secrets_nor_content"),
    (How::PrintsTheRecordInDebug, "secrets", "debug_shows_neither_secrets_nor_content"),
    (How::TakesUnknownSettings, "open", "a_setting_that_is_unknown_is_refused_by_its_name"),
    (How::FailsWhereAChoiceHasGone, "check", "a_choice_that_has_gone_is_one_problem"),
    (How::TakesAnybodysWebhook, "inbound", "a_webhook_that_nobody_signed_is_refused"),
];

#[test]
fn every_connector_that_is_broken_on_purpose_is_caught() {
    for (how, group, name) in ZOO {
        let caught = catch_unwind(AssertUnwindSafe(|| {
            run(async { run_case(group, name, &Bench::in_process().broken(*how)).await });
        }));
        assert!(caught.is_err(), "{how:?} passes {group}::{name}");
    }
}

#[test]
fn what_breaks_them_is_what_is_caught() {
    let cases: BTreeSet<(&str, &str)> = ZOO.iter().map(|(_, group, name)| (*group, *name)).collect();
    for (group, name) in cases {
        run(async { run_case(group, name, &Bench::in_process()).await });
    }
}

#[derive(Debug)]
pub(super) struct BrokenIntegration {
    pub(super) inner: Arc<dyn Integration>,
    pub(super) how: How,
}

impl Integration for BrokenIntegration {
    fn descriptor(&self) -> &'static Descriptor {
        self.inner.descriptor()
    }

    fn open(&self, connection: Connection) -> Result<Opened> {
        let connection = if self.how == How::TakesUnknownSettings {
            let mut settings: serde_json::Map<String, serde_json::Value> = connection.settings()?;
            settings.remove("no_such_setting");
            Connection::new(connection.organization.clone(), settings.into())
                .with_account(connection.account.clone())
                .with_vars(connection.vars.clone())
        } else {
            connection
        };
        let Opened::Sync(inner) = self.inner.open(connection)? else { panic!("it syncs records") };
        Ok(Opened::Sync(Box::new(Broken { inner, how: self.how, n_prepared: AtomicU64::new(0) })))
    }

    fn inbound(&self, keys: &dyn WebhookKeys, request: &http::Request<Bytes>) -> Result<Inbound> {
        if self.how == How::TakesAnybodysWebhook {
            let dedupe = sync_core::DedupeKey("x".to_owned());
            return Ok(Inbound::new(http::Response::new(Bytes::new()), dedupe, Vec::new()));
        }
        self.inner.inbound(keys, request)
    }

    fn settings_schema(&self) -> serde_json::Value {
        self.inner.settings_schema()
    }
}

struct Broken {
    inner: Box<dyn SyncHandler>,
    how: How,
    n_prepared: AtomicU64,
}

impl std::fmt::Debug for Broken {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let shown = if self.how == How::PrintsTheRecordInDebug { "person-0000@example.com" } else { "" };
        f.debug_struct("Broken").field("inner", &self.inner).field("last", &shown).finish()
    }
}

impl Broken {
    fn is(&self, how: How) -> bool {
        self.how == how
    }

    /// The operation as a broken connector understands it.
    fn twisted(&self, op: &Operation) -> Operation {
        let mut op = op.clone();
        if self.is(How::RaisesConsent) && op.fields.value("consent.email").is_some() {
            op.fields.set("consent.email", Value::Consent(Consent::new(ConsentState::Granted)));
        }
        if self.is(How::WritesWhatDidNotChange) {
            op.changed.extend(op.fields.iter().map(|(field, _)| field.clone()));
        }
        if self.is(How::TakesForeignElementsAway)
            && let Some(before) = &op.before
        {
            let there = before.fields.value("tags").and_then(Value::as_set).cloned().unwrap_or_default();
            let wanted = op.fields.value("tags").and_then(Value::as_set).cloned().unwrap_or_default();
            op.sets.entry("tags".into()).or_default().remove = there.difference(&wanted).cloned().collect();
        }
        op
    }

    fn receipt(&self, receipt: Receipt, part: &PartRef<'_>) -> Receipt {
        let done =
            || Receipt::Done { id: part.remote.cloned().unwrap_or("x".into()), version: None, after: None, facts: None };
        match receipt {
            Receipt::Taken(_) if self.is(How::TakesTakenForDone) => done(),
            Receipt::Moved if self.is(How::TakesMovedForDone) => done(),
            receipt => receipt,
        }
    }
}

#[async_trait]
impl SyncHandler for Broken {
    fn rules(&self, resource: &ResourceName) -> Rules {
        self.inner.rules(resource)
    }

    fn target(&self, resource: &ResourceName, fields: &Record) -> Target {
        self.inner.target(resource, fields)
    }

    fn containers(&self, feed: &Feed) -> Vec<Option<ContainerId>> {
        self.inner.containers(feed)
    }

    async fn check(&self, cx: &Context<'_>, check: Check) -> Result<Checked> {
        let checked = self.inner.check(cx, check).await?;
        match checked.problems.first() {
            Some(problem) if self.is(How::FailsWhereAChoiceHasGone) => {
                Err(Error::new(ErrorKind::Config, problem.message.clone()))
            }
            _ => Ok(checked),
        }
    }

    async fn choices(&self, cx: &Context<'_>, request: Choices<'_>) -> Result<Vec<Choice>> {
        self.inner.choices(cx, request).await
    }

    async fn pull(&self, cx: &Context<'_>, request: Pull<'_>) -> Result<Page> {
        let mut page = match self.inner.pull(cx, request).await {
            Err(error) if self.is(How::TakesAnyCursor) && error.kind() == ErrorKind::CursorExpired => {
                self.inner.pull(cx, Pull::new(request.feed, request.container, From::Start)).await?
            }
            other => other?,
        };
        if self.is(How::StopsAfterOnePage) {
            while let Next::More(token) = &page.next {
                let token = token.clone();
                page.next = self.inner.pull(cx, Pull::new(request.feed, request.container, From::Page(&token))).await?.next;
            }
        }
        if self.is(How::PassesOverTheFirstOfAPage) && matches!(request.from, From::Page(_)) && !page.changes.is_empty() {
            page.changes.remove(0);
        }
        if self.is(How::SaysDeltasAreFull) {
            page.complete = Complete::Full;
        }
        for change in &mut page.changes {
            let Change::Upsert(remote) = change else { continue };
            if self.is(How::ShowsArchivedAsLive) {
                remote.state = RemoteState::Live;
            }
            if self.is(How::HidesRefusals) {
                remote.fields.set("consent.email", Value::Consent(Consent::new(ConsentState::Granted)));
            }
        }
        Ok(page)
    }

    async fn find(&self, cx: &Context<'_>, request: Find<'_>) -> Result<Vec<Found>> {
        let found = self.inner.find(cx, request).await?;
        if self.is(How::TakesAbsenceForAnError) && found.contains(&Found::Absent) {
            return Err(Error::new(ErrorKind::NotFound, "there is none"));
        }
        Ok(found)
    }

    fn prepare(&self, request: Prepare<'_>) -> Result<Prepared> {
        let op = self.twisted(request.op);
        let all = EffectGrants::of(["confirmation-mail", "automation"]);
        let grants = if self.is(How::IgnoresGrants) { &all } else { request.grants };
        let mut prepared = self.inner.prepare(Prepare::new(request.facts, grants, &op))?;
        if let Prepared::Parts(parts) = &mut prepared {
            for part in parts {
                if self.is(How::SaysCreatesAreRepeatable) && part.safety == Safety::ClientId {
                    part.safety = Safety::Repeatable;
                }
                if self.is(How::PreparesOtherwiseEachTime) {
                    let n = self.n_prepared.fetch_add(1, Ordering::Relaxed);
                    part.group = format!("{}{n}", part.group).into();
                }
            }
        }
        Ok(prepared)
    }

    async fn push(&self, cx: &Context<'_>, request: Push<'_>) -> Result<Vec<Receipt>> {
        let ops: Vec<Operation> = request.set.parts.iter().map(|part| self.twisted(part.op)).collect();
        let parts: Vec<PartRef<'_>> =
            request.set.parts.iter().zip(&ops).map(|(part, op)| PartRef { op, ..part.clone() }).collect();
        let set = || sync_core::CallSet { group: request.set.group, parts: &parts };
        let mut pushed = self.inner.push(cx, Push::new(set(), request.key, request.facts)).await;
        if self.is(How::SendsAgainOnHope) && pushed.as_ref().is_err_and(|error| error.effect() == Effect::Unknown) {
            pushed = self.inner.push(cx, Push::new(set(), request.key, request.facts)).await;
        }
        let mut receipts: Vec<Receipt> = match pushed {
            Ok(receipts) => receipts.into_iter().zip(&parts).map(|(receipt, part)| self.receipt(receipt, part)).collect(),
            Err(error) if self.is(How::ForgetsThatItMayHaveHappened) => return Err(error.with_effect(Effect::None)),
            Err(error) if self.is(How::QuotesTheRecordInErrors) => {
                let email = ops.first().and_then(|op| op.fields.text("email")).unwrap_or_default().to_owned();
                return Err(error.with_context("email", email));
            }
            Err(error) => return Err(error),
        };
        if self.is(How::TurnsReceiptsRound) {
            receipts.reverse();
            let half = receipts.len() / 2;
            receipts.rotate_left(half);
        }
        Ok(receipts)
    }

    async fn watch(&self, cx: &Context<'_>, request: Watch<'_>) -> Result<Watching> {
        self.inner.watch(cx, request).await
    }

    fn keys(&self, request: KeysOf<'_>) -> Vec<NaturalKey> {
        self.inner.keys(request)
    }

    fn tally(&self, facts: &Facts, op: &Operation) -> Vec<Tally> {
        self.inner.tally(facts, op)
    }

    fn summary(&self, facts: &Facts, plan: &PlanDigest<'_>) -> Vec<String> {
        self.inner.summary(facts, plan)
    }
}

const _: fn(&Bench) -> &dyn Harness = |bench| bench;
