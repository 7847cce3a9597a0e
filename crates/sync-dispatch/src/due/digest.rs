//! One digest per organization and day: what waits for a person.

use jiff::{SignedDuration, Timestamp};
use sync_core::{IntegrationId, Notice, NoticeKind, OrganizationId, OutcomeKind, Owner, Result, Stop};
use sync_engine::{ConnectionRow, ConnectionStatus, RunRow};

use super::later;
use crate::{Dispatcher, connect::PAGE, text::count};

/// How long a question waits before somebody is reminded.
const OLD_QUESTION: SignedDuration = SignedDuration::from_hours(7 * 24);

/// How many failed runs in a row are worth a notice.
const FAILED_IN_A_ROW: usize = 3;

/// How many runs are looked through for those that count.
const RECENT_RUNS: usize = 20;

/// When an organization without notices is looked at again.
const LOOK_AGAIN: SignedDuration = SignedDuration::from_hours(1);

/// When, and how often a day, a hand-over that failed is tried again.
const TELL_AGAIN: SignedDuration = SignedDuration::from_mins(15);
const MAX_ATTEMPTS: u32 = 8;

impl Dispatcher {
    /// Hands an organization's notices over, unless somebody did so today.
    pub(super) async fn digest(&self, organization: &OrganizationId, now: Timestamp) -> Result<()> {
        let Some(notifier) = &self.0.notifier else { return Ok(()) };
        let memory = &self.0.memory;
        let notices = self.notices(organization, now).await?;
        if notices.is_empty() {
            memory.digest_rests(organization, now, later(now, LOOK_AGAIN));
            return Ok(());
        }
        if self.0.store.claim_digest(organization, &memory.digest_claim(organization, now)).await? {
            if let Err(error) = notifier.notify(organization, &notices).await {
                memory.digest_failed(organization, now, later(now, TELL_AGAIN), MAX_ATTEMPTS);
                return Err(error);
            }
            tracing::info!(%organization, n_notices = notices.len(), "a digest was handed over");
        }
        memory.digest_over(organization, now);
        Ok(())
    }

    /// What waits for a person at an organization's connections.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn notices(&self, organization: &OrganizationId, now: Timestamp) -> Result<Vec<Notice>> {
        let mut notices = Vec::new();
        for row in self.connections(organization).await? {
            if matches!(row.status, ConnectionStatus::Disconnected { .. }) {
                continue;
            }
            notices.extend(self.reconnect_notice(&row).await?);
            notices.extend(self.run_notice(&row).await?);
            notices.extend(self.question_notice(&row, now).await?);
        }
        Ok(notices)
    }

    async fn reconnect_notice(&self, row: &ConnectionRow) -> Result<Option<Notice>> {
        let ConnectionStatus::Reconnect { since, reason } = &row.status else { return Ok(None) };
        let waits = [OutcomeKind::Pending, OutcomeKind::Blocked, OutcomeKind::Failed, OutcomeKind::Question];
        let counts = self.0.store.item_counts(&row.scope, None).await?;
        let n_waiting: u64 = counts.iter().filter(|count| waits.contains(&count.kind)).map(|count| count.count).sum();
        let name = self.0.registry.name(&row.scope.integration);
        let waiting = match n_waiting {
            0 => "Nothing waits yet; changes made since then go with the next sync.".to_owned(),
            1 => "1 item waits.".to_owned(),
            n => format!("{n} items wait."),
        };
        let message = format!("{name} must be connected again: {}. {waiting}", reason.trim_end_matches('.'));
        Ok(Some(notice(NoticeKind::Reconnect, &row.scope.integration, Owner::EndUserReconnect, message, *since)))
    }

    async fn run_notice(&self, row: &ConnectionRow) -> Result<Option<Notice>> {
        let runs = self.0.store.runs(&row.scope, None, RECENT_RUNS).await?;
        let runs: Vec<&RunRow> = runs.iter().filter(|run| !run.request.dry_run && run.result.is_some()).collect();
        let name = self.0.registry.name(&row.scope.integration);
        let Some(newest) = runs.first() else { return Ok(None) };
        if stop(newest) == Some(Stop::Breaker) {
            let message = format!(
                "A sync of {name} would have changed more than usual and was stopped before its first write (run {}). \
                 Look at its plan, then approve it or correct the data.",
                newest.id
            );
            let since = newest.started_at;
            return Ok(Some(notice(NoticeKind::Breaker, &row.scope.integration, Owner::EndUserData, message, since)));
        }
        let Some(last) = runs.get(..FAILED_IN_A_ROW).filter(|last| last.iter().all(|run| failed(run))) else {
            return Ok(None);
        };
        let owner = match stop(newest) {
            Some(Stop::Fault) => Owner::HostDeveloper,
            _ => Owner::EndUserData,
        };
        let message = format!("{FAILED_IN_A_ROW} syncs of {name} in a row failed. The latest run, {}, says why.", newest.id);
        let since = last.last().map_or(newest.started_at, |run| run.started_at);
        Ok(Some(notice(NoticeKind::FailingRuns, &row.scope.integration, owner, message, since)))
    }

    async fn question_notice(&self, row: &ConnectionRow, now: Timestamp) -> Result<Option<Notice>> {
        let mut n_old = 0_u64;
        let mut oldest = None;
        let mut after = None;
        loop {
            let page = self.0.store.questions(&row.scope, true, after.as_ref(), PAGE).await?;
            let is_old = |asked_at: Timestamp| later(asked_at, OLD_QUESTION) <= now;
            let old = page.iter().take_while(|question| is_old(question.asked_at)).count();
            n_old += u64::try_from(old).unwrap_or(u64::MAX);
            oldest = oldest.or_else(|| page.first().map(|question| question.asked_at));
            if old < PAGE {
                break;
            }
            after = page.into_iter().next_back().map(|question| question.id);
        }
        let Some(since) = oldest.filter(|_| n_old > 0) else { return Ok(None) };
        let name = self.0.registry.name(&row.scope.integration);
        let questions = count(n_old, "question", "questions");
        let message = format!(
            "{questions} about {name} waited for more than {} days. Answer, and the items go with the next sync.",
            OLD_QUESTION.as_hours() / 24
        );
        Ok(Some(notice(NoticeKind::Questions, &row.scope.integration, Owner::EndUserData, message, since)))
    }
}

fn notice(kind: NoticeKind, integration: &IntegrationId, owner: Owner, message: String, since: Timestamp) -> Notice {
    Notice { kind, integration: integration.clone(), owner, message, since }
}

fn stop(run: &RunRow) -> Option<Stop> {
    run.result.as_ref()?.details.as_ref()?.stopped
}

/// True for a run that failed by itself: not one that was cancelled, had to wait, or waits for a decision of its own
/// notice.
fn failed(run: &RunRow) -> bool {
    let result = run.result.as_ref();
    result.is_some_and(|result| !result.success) && matches!(stop(run), None | Some(Stop::Fault | Stop::Settings))
}
