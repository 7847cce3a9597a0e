//! One connection on show: runs of it, and what they came to in words. Both halves of the demo are made of these.

use std::sync::Arc;

use sync_core::{PlanHash, Scope, SyncRequest, SyncResult};
use sync_dispatch::{RunOptions, endpoint_answer};

use super::super::sync;
use crate::{
    app::{App, Workbench},
    output::Bar,
};

pub(super) struct Stage<'a> {
    pub(super) app: &'a App,
    pub(super) bench: &'a Workbench,
    pub(super) scope: Scope,
}

impl Stage<'_> {
    pub(super) async fn run(&self, dry_run: bool, approve: Option<PlanHash>) -> SyncResult {
        let bar = Arc::new(Bar::new(self.app.out));
        let mut request = SyncRequest::new(self.scope.organization.clone(), self.scope.integration.clone());
        request.dry_run = dry_run;
        let options = RunOptions::new().approve(approve).progress(Arc::clone(&bar) as _).owner(sync::owner());
        let result = self.bench.dispatcher.dispatch_with(request, options).await;
        bar.finish();
        result
    }

    /// The sentence that the endpoint gives for a result.
    pub(super) fn message(&self, result: &SyncResult) -> Option<String> {
        let capabilities = self.bench.dispatcher.capabilities(self.scope.integration.as_str());
        endpoint_answer(&capabilities, result).message
    }

    pub(super) fn tell(&self, result: &SyncResult) {
        let out = self.app.out;
        if let Some(message) = self.message(result) {
            out.say(format!("  {message}"));
        }
        sync::tell(out, result);
        for line in result.errors.iter().flatten() {
            out.note(format!("  {line}"));
        }
    }
}
