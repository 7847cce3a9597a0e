//! One connection on show: signing in, runs of it and what they came to in words, answers. All parts of the demo are made of
//! these.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use bytes::Bytes;
use sync_core::{Error, ErrorKind, PlanHash, Random as _, Result, RunId, Scope, SyncRequest, SyncResult, TransportLimits};
use sync_dispatch::{ConnectOptions, RunOptions, endpoint_answer, http::system_random};
use sync_engine::Question;

use super::super::sync;
use crate::{
    app::{App, Workbench},
    output::{Bar, count},
};

/// Most questions that are answered at once.
const MAX_QUESTIONS: usize = 100;

pub(super) struct Stage<'a> {
    pub(super) app: &'a App,
    pub(super) bench: &'a Workbench,
    pub(super) scope: Scope,
}

impl Stage<'_> {
    /// Signs in as a browser would: the consent page sends it back.
    pub(super) async fn sign_in(&self, back: &str, options: ConnectOptions) -> Result<()> {
        let internal = |what: &'static str| Error::new(ErrorKind::Internal, what);
        let browser = system_random().id();
        let back = back.parse().map_err(|_| internal("the way back has no URL"))?;
        let page = self.bench.dispatcher.begin_connect(&self.scope, &back, &browser, &[]).await?;
        let request = http::Request::get(page.as_str())
            .body(Bytes::new())
            .map_err(|error| internal("the consent page can't be asked for").with_source(error))?;
        let limits = TransportLimits { timeout: Duration::from_secs(10), max_answer: 1 << 20 };
        let answer = self.app.transport()?.send(request, limits).await;
        let answer = answer.map_err(|error| Error::new(ErrorKind::Unavailable, error.message))?;
        let location = answer.headers().get(http::header::LOCATION).and_then(|location| location.to_str().ok());
        let query = location.and_then(|location| location.split_once('?')).map(|(_, query)| query.to_owned());
        let query = query.ok_or_else(|| internal("the consent page sent nobody back"))?;
        self.bench.dispatcher.finish_connect(&query, &browser, options).await.map(|_| ())
    }

    pub(super) async fn run(&self, dry_run: bool, approve: Option<PlanHash>) -> SyncResult {
        self.run_with(dry_run, RunOptions::new().approve(approve)).await
    }

    /// The plan that takes a run back.
    pub(super) async fn undo(&self, run: RunId) -> SyncResult {
        self.run_with(true, RunOptions::new().undo(run)).await
    }

    async fn run_with(&self, dry_run: bool, options: RunOptions) -> SyncResult {
        let bar = Arc::new(Bar::new(self.app.out));
        let mut request = SyncRequest::new(self.scope.organization.clone(), self.scope.integration.clone());
        request.dry_run = dry_run;
        let options = options.progress(Arc::clone(&bar) as _).owner(sync::owner());
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

    /// Somebody answers what waits, with the first option whose key starts with what is wanted. Of many questions about one
    /// kind of record, the first few are told.
    pub(super) async fn answer(&self, step: u32, by: &str, wanted: impl Fn(&Question) -> &'static str) -> Result<Answers> {
        let out = self.app.out;
        let questions = self.bench.dispatcher.questions(&self.scope, true, None, MAX_QUESTIONS).await?;
        out.say(format!("{step}. {}:", count(questions.len() as u64, "question", "questions")));
        let mut told: Answers = Vec::new();
        let mut n_of: BTreeMap<String, u64> = BTreeMap::new();
        for question in questions.into_iter().map(|labelled| labelled.question) {
            let word = wanted(&question);
            let option = question.options.iter().find(|option| option.key.starts_with(word));
            let (key, label) = option.map_or((word, word), |option| (&option.key, &option.label));
            let n = n_of.entry(question.resource.to_string()).or_default();
            *n += 1;
            if *n <= MAX_TOLD {
                out.say(format!("  {} → {label}", question.prompt));
            }
            self.bench.dispatcher.answer(&self.scope, &question.id, key, by).await?;
            told.push((question.prompt.clone(), label.to_owned()));
        }
        for (resource, n) in n_of.iter().filter(|(_, n)| **n > MAX_TOLD) {
            out.say(format!("  … and {} more about {resource}", n - MAX_TOLD));
        }
        Ok(told)
    }
}

/// What was asked, and what somebody said.
pub(super) type Answers = Vec<(String, String)>;

/// Most questions about one kind of record that are told.
const MAX_TOLD: u64 = 3;
