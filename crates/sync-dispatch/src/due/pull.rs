//! Runs for which a webhook asked.

use std::collections::BTreeSet;

use jiff::{SignedDuration, Timestamp};
use sync_core::{Descriptor, Direction, Feed, Lane, Result, Scope, Stop, SyncHandler, SyncRequest};
use sync_engine::{ConnectionStatus, Moved, RunOptions};

use super::{Outcome, REST, later};
use crate::{Dispatcher, connect::PAGE, inbound::EVERYTHING};

/// When a connection is looked at again whose run met another one.
const AFTER_ANOTHER: SignedDuration = SignedDuration::from_mins(1);

impl Dispatcher {
    /// All marks, page by page.
    pub(super) async fn marks(&self, mut each: impl FnMut(Moved)) -> Result<()> {
        let mut last: Option<(Scope, String)> = None;
        loop {
            let after = last.as_ref().map(|(scope, feed)| (scope, feed.as_str()));
            let page = self.0.store.moved(after, PAGE).await?;
            let n_rows = page.len();
            last = page.last().map(|mark| (mark.scope.clone(), mark.feed.clone()));
            page.into_iter().for_each(&mut each);
            if n_rows < PAGE {
                return Ok(());
            }
        }
    }

    /// Reads the feeds that were marked. The run goes in the connection's own direction: one that only pulled would leave
    /// the feed's cursor where it is, and read the same news again each time. Marks are taken away once a run came to its
    /// end, save those that were made meanwhile.
    pub(super) async fn pull_moved(&self, scope: &Scope, now: Timestamp) -> Result<Outcome> {
        let row = self.0.store.connection(scope).await?.filter(|row| row.status == ConnectionStatus::Active);
        let Some(row) = row else { return Ok(Outcome::TakenOver) };
        // No feed has a blank name.
        let mut moved = self.0.store.moved(Some((scope, "")), PAGE).await?;
        moved.retain(|mark| mark.scope == *scope);
        if moved.is_empty() {
            return Ok(Outcome::TakenOver);
        }
        let integration = self.0.registry.built(&scope.integration)?;
        let descriptor = integration.descriptor();
        let session = self.session(integration, &row).await?;
        let Some(types) = types_of(descriptor, &*session.handler, &moved) else {
            // Nobody reads these feeds.
            self.clear(&moved).await?;
            return Ok(Outcome::Done);
        };
        let mut request = SyncRequest::new(scope.organization.clone(), scope.integration.clone());
        request.types = types;
        let result = self.dispatch_with(request, RunOptions::new().lane(Lane::Webhook).owner("webhook")).await;
        let details = result.details.as_ref();
        match details.and_then(|details| details.stopped) {
            None => self.clear(&moved).await?,
            Some(stop) => {
                let rested = match stop {
                    Stop::LeaseHeld => later(now, AFTER_ANOTHER),
                    _ => details.and_then(|details| details.resume_at).unwrap_or(later(now, REST)),
                };
                self.0.memory.pull_rests(scope, rested);
            }
        }
        Ok(Outcome::Ran(Box::new(result)))
    }

    async fn clear(&self, moved: &[Moved]) -> Result<()> {
        for mark in moved {
            self.0.store.clear_moved(mark).await?;
        }
        Ok(())
    }
}

/// True when a connection reads this feed.
pub(super) fn is_read(handler: &dyn SyncHandler, feed: &Feed) -> bool {
    feed.carries_consent || feed.covers.iter().any(|resource| handler.rules(resource).direction != Direction::Push)
}

/// The sync types in which the marked feeds' news are: all (`None` inside) where the feeds bring all; none at all where
/// nobody reads them.
#[expect(clippy::option_option, reason = "the inner one is the request's own")]
fn types_of(descriptor: &'static Descriptor, handler: &dyn SyncHandler, moved: &[Moved]) -> Option<Option<Vec<String>>> {
    if moved.iter().any(|mark| mark.feed == EVERYTHING) {
        return Some(None);
    }
    let feeds = moved.iter().filter_map(|mark| descriptor.feed(&mark.feed)).filter(|feed| is_read(handler, feed));
    let covered: BTreeSet<_> = feeds.flat_map(|feed| feed.covers).collect();
    let types: Vec<String> = descriptor
        .sync_types
        .iter()
        .filter(|sync_type| covered.contains(&sync_type.resource))
        .map(|sync_type| sync_type.name.to_owned())
        .collect();
    match types.len() {
        0 => None,
        n if n == descriptor.sync_types.len() => Some(None),
        _ => Some(Some(types)),
    }
}
