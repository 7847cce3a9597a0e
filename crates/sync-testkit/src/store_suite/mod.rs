//! One suite for all stores: what [`sync_engine::Store`], [`sync_core::Grants`] and [`sync_core::Counters`] promise.

mod connections;
mod history;
mod leases;
mod links;
mod make;
mod plans;
mod random;
mod random_reads;
mod seen;
mod sign_ins;
mod waiting;

use std::{fmt, future::ready, sync::Arc};

use async_trait::async_trait;
use sync_core::{Error, ErrorKind, SystemClock};
use sync_engine::{Change, Lease, MemoryStore, Store};

use self::make::{Must, SCOPE, lease};

/// What the suite needs to know about a store: how to make one, and how to open it again.
#[async_trait]
pub trait StoreHarness: Send + Sync {
    /// The first call makes an empty store; every later one opens the same store again, as a new process would. The store
    /// that was given before is not used any more. Its leases must go by a clock that runs.
    async fn open(&self) -> Arc<dyn Store>;
}

/// Asks a store everything. `fresh` gives a new harness for each case; `n_seeds` is how many random histories are played
/// against [`MemoryStore`] and compared.
///
/// # Panics
/// When the store answers otherwise than the port's documentation says; the case and the seed are printed.
pub async fn store_suite<H: StoreHarness>(fresh: impl Fn() -> H, n_seeds: u64) {
    macro_rules! cases {
        ($($module:ident: $($case:ident),+;)+) => {$($(
            eprintln!("store suite: {}::{}", stringify!($module), stringify!($case));
            $module::$case(&fresh()).await;
        )+)+};
    }
    cases! {
        connections: a_connection_is_stored_by_revision, connections_come_in_order_of_their_scope,
            a_grant_is_swapped_by_generation, one_of_many_swaps_wins, counters_stay_within_their_limit,
            a_digest_is_claimed_once;
        sign_ins: an_organizations_own_client_is_its_own, a_sign_in_is_used_once, sign_ins_that_lapsed_are_forgotten,
            a_channel_has_its_place_alone, channels_are_found_by_their_id, marks_are_one_until_they_are_read;
        leases: a_lease_keeps_others_out_until_it_is_given_back, a_lease_that_is_over_is_taken_over_and_refused,
            one_of_many_acquirers_wins, every_write_of_a_run_needs_its_lease;
        links: a_link_is_opened_once, a_link_that_is_gone_is_opened_again, a_refused_commit_leaves_nothing,
            changes_of_one_commit_keep_their_order, links_are_found_by_either_id, a_scan_comes_in_bytewise_order,
            holders_of_keys_are_links_and_items_that_wait, a_link_that_was_let_go_of_is_neither_missed_nor_replaced, unseen_links_are_live_and_in_their_container,
            other_tenants_are_never_seen;
        plans: a_plan_reads_back_what_was_added, numbers_of_a_plan_rise, parts_are_ready_in_order,
            an_open_call_marks_its_parts_until_it_is_closed, twins_and_repeats_are_found, scratch_is_cleared_apart,
            calls_are_counted_by_group;
        seen: records_are_seen_by_their_ids, what_is_gone_and_what_is_seen_replace_each_other,
            what_is_as_agreed_is_there_and_shows_nothing,
            gone_records_come_in_pages, a_record_is_seen_in_each_of_its_containers;
        waiting: items_are_due_by_time_or_grant, items_are_due_by_what_came, failures_are_retried, an_answer_makes_its_items_due,
            a_question_keeps_its_answer, a_suppression_only_moves_on, facts_wait_until_they_are_taken;
        history: outcomes_come_in_order_and_leave_a_trail, runs_come_newest_first, a_cursor_moves_with_its_filter,
            what_is_old_is_pruned, a_forgotten_record_leaves_ids_alone, all_is_there_after_opening_again;
    }
    for seed in 0..n_seeds {
        random::same_answers(&fresh(), seed).await;
    }
}

/// A [`MemoryStore`] as the suite's subject: opening it again is looking at what it holds.
pub struct MemoryHarness(MemoryStore);

impl MemoryHarness {
    /// An empty store.
    pub fn new() -> Self {
        Self(memory())
    }
}

impl Default for MemoryHarness {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for MemoryHarness {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("MemoryHarness")
    }
}

#[async_trait]
impl StoreHarness for MemoryHarness {
    async fn open(&self) -> Arc<dyn Store> {
        Arc::new(self.0.clone())
    }
}

fn memory() -> MemoryStore {
    MemoryStore::new(Arc::new(SystemClock::new(|_| Box::pin(ready(())))))
}

/// A store with a lease of the usual scope.
async fn leased(harness: &impl StoreHarness) -> (Arc<dyn Store>, Lease) {
    let store = harness.open().await;
    let lease = lease(&*store, &SCOPE()).await;
    (store, lease)
}

async fn commit(store: &dyn Store, lease: &Lease, changes: Vec<Change>) {
    store.commit(lease, changes).await.must("commit");
}

#[track_caller]
fn refused<T>(result: Result<T, Error>, kind: ErrorKind) {
    match result {
        Ok(_) => panic!("this should have been refused as {kind:?}"),
        Err(error) => assert_eq!(error.kind(), kind, "{error}"),
    }
}
