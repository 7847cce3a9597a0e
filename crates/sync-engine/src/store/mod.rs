//! The `Store` port: everything that a run must remember.
//!
//! [`Store::commit`] is the only way to change links, items, calls, cursors, outcomes and questions, and it is atomic and
//! refused on an old epoch; so the points at which a crash can strike are few. Every method is scoped by organization.

mod channels;
mod memory;
mod rows;

use std::fmt;

use async_trait::async_trait;
use jiff::Timestamp;
use sync_core::{
    AccountId, Channel, ConsentFact, ContainerId, Counters, Cursor, Grants, InstallationId, LocalId, OrganizationId,
    PlanHash, QuestionId, Remote, RemoteId, ResourceName, Result, Role, RunId, Scope, SignIns,
};

pub use channels::{ChannelRow, Moved, PushChannels};
pub use memory::MemoryStore;
pub use rows::{
    Acquired, Answer, AnswerOption, Base, CallRow, Change, ConnectionRow, ConnectionStatus, Due, Erased, Item, ItemCount,
    Lease, LeaseInfo, Link, LinkCount, LinkHead, LinkState, Mark, OutcomeRow, PartRow, PartState, PlannedOp, PlannedPart,
    PlannedRow, Pruned, Question, ReadyPart, Retention, RunRow, RunState, Seen, StandingGrant, StoredCursor, Suppression,
};

/// Where a run remembers. Implemented by [`crate::MemoryStore`] and by `sync-store`; one suite in `sync-testkit` asks all
/// the same questions. Times are kept and compared to the millisecond. A container of `None` means what lies in none.
#[async_trait]
#[allow(clippy::too_many_arguments)] // A page is named by its whole key.
pub trait Store: Grants + Counters + SignIns + PushChannels + fmt::Debug + Send + Sync + 'static {
    /// Which store this is; made once, when the store is.
    async fn installation(&self) -> Result<InstallationId>;

    // ---- connections -------------------------------------------------------------------------------------------

    /// One connection.
    async fn connection(&self, scope: &Scope) -> Result<Option<ConnectionRow>>;

    /// Connections in order of their scope, of one organization or of all, after a scope.
    async fn connections(
        &self,
        organization: Option<&OrganizationId>,
        after: Option<&Scope>,
        limit: usize,
    ) -> Result<Vec<ConnectionRow>>;

    /// Stores a connection with the revision after `expected`, whatever its own says. `expected` is the revision that was
    /// read (`None`: there is none yet); `false` when somebody else was first.
    async fn put_connection(&self, row: &ConnectionRow, expected: Option<u64>) -> Result<bool>;

    // ---- lease -------------------------------------------------------------------------------------------------

    /// Takes the lease of a scope, if it is free by the store's own clock.
    async fn acquire(&self, scope: &Scope, owner: &str, length_ms: i64) -> Result<Acquired>;

    /// Makes a lease last `length_ms` from now; `LeaseLost` when it is not ours any more.
    async fn renew(&self, lease: &mut Lease, length_ms: i64) -> Result<()>;

    /// Gives a lease back. One that was lost already is left alone.
    async fn release(&self, lease: &Lease) -> Result<()>;

    /// Who holds the lease of a scope, if anybody ever did.
    async fn lease(&self, scope: &Scope) -> Result<Option<LeaseInfo>>;

    // ---- changes -----------------------------------------------------------------------------------------------

    /// Applies all changes or none. `LeaseLost` when the lease's epoch is not the newest or its time is over.
    async fn commit(&self, lease: &Lease, changes: Vec<Change>) -> Result<()>;

    /// Adds what a feed showed to the run's scratch; the same remote id in the same container again replaces, also a mark
    /// that it is gone. Needs the lease.
    async fn append_seen(&self, lease: &Lease, run: &RunId, rows: Vec<Seen>) -> Result<()>;

    /// Notes what a feed tells of remote records without keeping them; what the scratch held of them goes. Needs the lease.
    /// [`Mark::AsAgreed`] may be noted at the links that hold them now: whether it goes along when a link changes before the
    /// scratch is cleared is open.
    async fn append_marks(
        &self,
        lease: &Lease,
        run: &RunId,
        resource: &ResourceName,
        container: Option<&ContainerId>,
        ids: &[RemoteId],
        mark: Mark,
    ) -> Result<()>;

    /// Adds operations to the run's plan. Sequence numbers are the caller's and rise. Needs the lease.
    async fn append_plan(&self, lease: &Lease, run: &RunId, operations: Vec<PlannedOp>) -> Result<()>;

    /// Drops the run's scratch (what was seen and what is gone), and its plan too where `plan` says so. Needs the lease.
    async fn clear_scratch(&self, lease: &Lease, run: &RunId, plan: bool) -> Result<()>;

    // ---- links -------------------------------------------------------------------------------------------------

    /// Links by local id, one answer per id, in order.
    async fn links_by_local(
        &self,
        scope: &Scope,
        account: &AccountId,
        resource: &ResourceName,
        role: &Role,
        ids: &[LocalId],
    ) -> Result<Vec<Option<Link>>>;

    /// Links of any role by remote id, one answer per id, in order. Where several hold it, one that is live, then the one
    /// with the smallest local id.
    async fn links_by_remote(
        &self,
        scope: &Scope,
        account: &AccountId,
        resource: &ResourceName,
        ids: &[RemoteId],
    ) -> Result<Vec<Option<Link>>>;

    /// Who holds these natural keys: local ids of links that are open or live, and of items that wait with a question or
    /// were left out because of a shared key; one sorted answer per key, in order.
    async fn holders_of_keys(
        &self,
        scope: &Scope,
        account: &AccountId,
        resource: &ResourceName,
        role: &Role,
        keys: &[String],
    ) -> Result<Vec<Vec<LocalId>>>;

    /// Heads of links in bytewise order of their local ids, after an id: for the merge join of a full scan.
    async fn link_heads(
        &self,
        scope: &Scope,
        account: &AccountId,
        resource: &ResourceName,
        role: &Role,
        after: Option<&LocalId>,
        limit: usize,
    ) -> Result<Vec<LinkHead>>;

    /// How many links there are, by resource, role, container and state.
    async fn link_counts(&self, scope: &Scope, account: &AccountId) -> Result<Vec<LinkCount>>;

    // ---- what a feed showed -------------------------------------------------------------------------------------

    /// Remote records of the run's scratch by natural key, one answer per key, in order.
    async fn seen_by_key(
        &self,
        scope: &Scope,
        run: &RunId,
        resource: &ResourceName,
        container: Option<&ContainerId>,
        keys: &[String],
    ) -> Result<Vec<Vec<Remote>>>;

    /// Remote records of the run's scratch by id, one answer per id, in order.
    async fn seen_by_remote(
        &self,
        scope: &Scope,
        run: &RunId,
        resource: &ResourceName,
        container: Option<&ContainerId>,
        ids: &[RemoteId],
    ) -> Result<Vec<Option<Remote>>>;

    /// Remote ids that a feed told gone in this run, with their containers, in order of id and container (none comes
    /// first), after such a pair.
    async fn gone_page(
        &self,
        scope: &Scope,
        run: &RunId,
        resource: &ResourceName,
        after: Option<(&RemoteId, Option<&ContainerId>)>,
        limit: usize,
    ) -> Result<Vec<(RemoteId, Option<ContainerId>)>>;

    /// The run's scratch in order of resource, remote id and container, after a pair. A page may exceed `limit` by further
    /// containers of its last id.
    async fn seen_page(
        &self,
        scope: &Scope,
        run: &RunId,
        after: Option<(&ResourceName, &RemoteId)>,
        limit: usize,
    ) -> Result<Vec<Remote>>;

    /// Live links in a container whose remote record no feed showed there in this run, in order of local id, after an id:
    /// the candidates for deletion of a full pass. A page may exceed `limit` by further roles of its last record.
    async fn unseen_links(
        &self,
        scope: &Scope,
        account: &AccountId,
        run: &RunId,
        resource: &ResourceName,
        container: Option<&ContainerId>,
        after: Option<&LocalId>,
        limit: usize,
    ) -> Result<Vec<Link>>;

    // ---- plan --------------------------------------------------------------------------------------------------

    /// Operations of a plan in order of their sequence, after a number.
    async fn plan_page(&self, scope: &Scope, run: &RunId, after: u64, limit: usize) -> Result<Vec<PlannedRow>>;

    /// Digests of a plan's operations, sorted, with their sequence, after a pair.
    async fn plan_digests(
        &self,
        scope: &Scope,
        run: &RunId,
        after: Option<(&str, u64)>,
        limit: usize,
    ) -> Result<Vec<(String, u64)>>;

    /// Sequence numbers of planned operations (whatever their verb) that share a natural key, by key, in order of the key,
    /// after a key.
    async fn plan_twins(
        &self,
        scope: &Scope,
        run: &RunId,
        resource: &ResourceName,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Vec<(String, Vec<u64>)>>;

    /// Records with more than one operation of the same role in a plan, with the sequence numbers, ascending; at most
    /// `limit` records, in any order. The caller drops all but one and asks again.
    async fn plan_repeats(
        &self,
        scope: &Scope,
        run: &RunId,
        resource: &ResourceName,
        limit: usize,
    ) -> Result<Vec<(LocalId, Vec<u64>)>>;

    /// Parts that are [`PartState::Ready`] of one resource and stage, in order of group, sequence and index, after such a
    /// place, each with its operation.
    async fn ready_parts(
        &self,
        scope: &Scope,
        run: &RunId,
        resource: &ResourceName,
        stage: u8,
        after: Option<(&str, u64, u32)>,
        limit: usize,
    ) -> Result<Vec<ReadyPart>>;

    /// These parts with their operations, in any order.
    async fn parts(&self, scope: &Scope, run: &RunId, parts: &[(u64, u32)]) -> Result<Vec<ReadyPart>>;

    /// Stages that have parts which are ready, of one resource, ascending.
    async fn ready_stages(&self, scope: &Scope, run: &RunId, resource: &ResourceName) -> Result<Vec<u8>>;

    /// How many parts of these operations are not done, one answer per operation, in order; 0 for one that is not there.
    async fn open_parts(&self, scope: &Scope, run: &RunId, seqs: &[u64]) -> Result<Vec<u32>>;

    /// How many calls a plan costs: by resource, stage, group and maximum, parts divided by the maximum, rounded up.
    async fn plan_calls(&self, scope: &Scope, run: &RunId) -> Result<u64>;

    // ---- calls, cursors, items ------------------------------------------------------------------------------------

    /// Calls that have no answer yet, the oldest first.
    async fn open_calls(&self, scope: &Scope) -> Result<Vec<CallRow>>;

    /// A cursor.
    async fn cursor(&self, scope: &Scope, stream: &str) -> Result<Option<StoredCursor>>;

    /// Standing items by local id, one answer per id, in order.
    async fn items_by_local(&self, scope: &Scope, resource: &ResourceName, ids: &[LocalId]) -> Result<Vec<Option<Item>>>;

    /// Standing items that are due, in order of their local id, after an id.
    async fn items_due(
        &self,
        scope: &Scope,
        resource: &ResourceName,
        due: &Due<'_>,
        after: Option<&LocalId>,
        limit: usize,
    ) -> Result<Vec<Item>>;

    /// All standing items, in order of resource and local id, after such a pair.
    async fn items(&self, scope: &Scope, after: Option<(&ResourceName, &LocalId)>, limit: usize) -> Result<Vec<Item>>;

    /// Counts of standing items by kind and code; `since_run` counts those that this run put there.
    async fn item_counts(&self, scope: &Scope, since_run: Option<&RunId>) -> Result<Vec<ItemCount>>;

    /// Makes what stands due now (`retry`): all failures, or what failed, was skipped or is blocked of these local ids.
    /// Returns how many.
    async fn retry_items(&self, scope: &Scope, ids: Option<&[LocalId]>, now: Timestamp) -> Result<u64>;

    // ---- history ------------------------------------------------------------------------------------------------

    /// One run.
    async fn run(&self, scope: &Scope, run: &RunId) -> Result<Option<RunRow>>;

    /// Runs of a scope, the newest first, before a time.
    async fn runs(&self, scope: &Scope, before: Option<Timestamp>, limit: usize) -> Result<Vec<RunRow>>;

    /// Outcomes of a run in the order in which they came, after a number; each with its number.
    async fn outcomes(&self, scope: &Scope, run: &RunId, after: u64, limit: usize) -> Result<Vec<(u64, OutcomeRow)>>;

    /// The trail of a local or remote id: outcomes, the newest first.
    async fn trail(&self, scope: &Scope, id: &str, limit: usize) -> Result<Vec<(RunId, OutcomeRow)>>;

    /// Links of a local or remote id, over all accounts, for `why`.
    async fn links_of(&self, scope: &Scope, id: &str) -> Result<Vec<Link>>;

    // ---- questions ------------------------------------------------------------------------------------------------

    /// Questions of a scope, the oldest first; those without an answer alone where `open` says so. Nothing comes after a
    /// question that was erased meanwhile.
    async fn questions(&self, scope: &Scope, open: bool, after: Option<&QuestionId>, limit: usize) -> Result<Vec<Question>>;

    /// Questions by id, one answer per id, in order.
    async fn questions_by_id(&self, scope: &Scope, ids: &[QuestionId]) -> Result<Vec<Option<Question>>>;

    /// Answers a question and makes its items due at the time of the answer. `NotFound` for an unknown one, `Invalid` for
    /// an answer that it does not offer; a later answer replaces an earlier one.
    async fn answer(&self, scope: &Scope, id: &QuestionId, answer: Answer) -> Result<()>;

    // ---- consent ----------------------------------------------------------------------------------------------------

    /// Suppressions of addresses, one answer per address, in order. Addresses are hashed inside.
    async fn suppressed(
        &self,
        organization: &OrganizationId,
        channel: Channel,
        addresses: &[String],
    ) -> Result<Vec<Option<Suppression>>>;

    /// Facts that the host has not taken yet, in the order in which they came.
    async fn facts_pending(&self, scope: &Scope, limit: usize) -> Result<Vec<ConsentFact>>;

    /// Marks facts as taken.
    async fn facts_taken(&self, scope: &Scope, ids: &[String]) -> Result<()>;

    // ---- housekeeping ---------------------------------------------------------------------------------------------

    /// Removes what has outlived its retention, at most `limit` rows of each sort at a time; call it until it removes
    /// nothing. Operations whose call has no answer stay.
    async fn prune(&self, now: Timestamp, retention: &Retention, limit: usize) -> Result<Pruned>;

    /// Erases what is known about one record: bases, before-images, outcomes' words, questions (whose other items become
    /// due). Ids, hashes and facts that the host has not taken stay, and so does an operation whose call has no answer.
    async fn forget(&self, scope: &Scope, resource: &ResourceName, local: &LocalId) -> Result<Erased>;

    /// True for the first caller that claims an organization's digest of a day.
    async fn claim_digest(&self, organization: &OrganizationId, day: &str) -> Result<bool>;
}

/// What [`Store::plan_digests`] pages come to: the plan's hash.
///
/// # Errors
/// When the store fails.
pub async fn plan_hash(store: &dyn Store, scope: &Scope, run: &RunId) -> Result<PlanHash> {
    const PAGE: usize = 20_000;
    let mut hash = sync_core::Hash::start();
    let mut last: Option<(String, u64)> = None;
    loop {
        let page = store.plan_digests(scope, run, last.as_ref().map(|(digest, seq)| (digest.as_str(), *seq)), PAGE).await?;
        page.iter().for_each(|(digest, _)| hash.text(digest));
        let n_rows = page.len();
        last = page.into_iter().next_back();
        if n_rows < PAGE {
            return Ok(PlanHash::new(hash.finish().to_string()));
        }
    }
}

/// The stream name of a remote feed's cursor.
pub(crate) fn remote_stream(feed: &str, container: Option<&ContainerId>) -> String {
    match container {
        Some(container) => format!("remote:{feed}:{container}"),
        None => format!("remote:{feed}"),
    }
}

/// A cursor as it is stored: with the filter it was made with.
pub(crate) fn usable(stored: Option<StoredCursor>, filter: &str) -> Option<Cursor> {
    stored.filter(|stored| stored.filter == filter).map(|stored| stored.cursor)
}
