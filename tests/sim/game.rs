//! A history, played step by step to its end.

use std::sync::atomic::Ordering;

use sync_core::EffectGrants;

use super::*;

pub(super) struct Game<'a, P> {
    pub(super) place: &'a P,
    pub(super) seed: u64,
    pub(super) n_processes: u64,
    pub(super) tally: Tally,
    pub(super) broken: Vec<String>,
}

/// Longer than any lease, call and settling time together.
const REST: Duration = Duration::from_secs(16 * 60);

/// How often everything is tried again at the end before it must have come to rest.
const MAX_LAST_RUNS: usize = 12;

impl<P: Place> Game<'_, P> {
    pub(super) async fn play(&mut self, steps: &[Step]) {
        let world = self.place.world();
        for step in steps {
            world.note(|| step.to_string());
            self.step(step).await;
            world.clock.advance(Duration::from_millis(1_700));
        }
        world.note(|| "the end".to_owned());
        self.end().await;
    }

    fn healthy(&mut self) -> Dispatcher {
        self.n_processes += 1;
        self.place.world().process(self.place, &Crash::never(), self.seed ^ (self.n_processes << 32), 0)
    }

    async fn step(&mut self, step: &Step) {
        let (place, world) = (self.place, self.place.world());
        match step {
            Step::Edit(number) => {
                self.tally.edits += 1;
                edit(place, *number);
            }
            Step::Answer(number) => {
                let dispatcher = self.healthy();
                self.answer(&dispatcher, &SeededRandom::new(*number)).await;
            }
            Step::Forget(number) => {
                if let Some((of, record)) = place.someone(&SeededRandom::new(*number)) {
                    world.note(|| format!("{record} is forgotten"));
                    world.has_forgotten.store(true, Ordering::Relaxed);
                    let forgotten =
                        self.healthy().forget(&world.scope.organization, &of, &record, &EffectGrants::none()).await;
                    self.broken.extend(forgotten.err().map(|error| format!("law 16: forget failed: {error}")));
                }
            }
            Step::Settings(number) => {
                let settings = place.settings(&SeededRandom::new(*number));
                world.note(|| settings.to_string());
                let configured = self.healthy().configure(&world.scope, settings.clone()).await;
                // Where there is no connection yet, it will be made with them.
                if configured.as_ref().err().is_none_or(|error| error.kind() == sync_core::ErrorKind::NotConnected) {
                    place.configured(settings);
                }
                world.note(|| format!("{configured:?}"));
            }
            Step::Disconnect => {
                let ended = self.healthy().disconnect(&world.scope).await;
                world.note(|| format!("{ended:?}"));
            }
            Step::Connect => place.connect(&self.healthy()).await,
            Step::DryRun => self.dry_run().await,
            Step::Run(run) => self.run(run).await,
            Step::Wait(seconds) => world.clock.advance(Duration::from_secs(u64::from(*seconds))),
        }
    }

    /// Law 4: nothing is sent that changes anything, and nothing that is kept changes.
    async fn dry_run(&mut self) {
        /// What a provider carries out after the caller's time was up is done by then, and nobody's doing of now.
        const LATE: Duration = Duration::from_secs(60);
        let (place, world) = (self.place, self.place.world());
        world.clock.advance(LATE);
        let dispatcher = self.healthy();
        let (picture, kept) = (place.picture(), laws::kept(&dispatcher, &world.scope).await);
        world.wire.take_log();
        let request = SyncRequest::new(world.scope.organization.clone(), world.scope.integration.clone()).dry_run();
        let result = dispatcher.dispatch(request).await;
        self.tally.runs += 1;
        world.note(|| laws::brief(&result));
        let n_writes = laws::n_writes(world);
        if n_writes > 0 || picture != place.picture() {
            self.broken.push(format!("law 4: a dry run wrote ({n_writes} calls)"));
        }
        let after = laws::kept(&dispatcher, &world.scope).await;
        if kept != after {
            self.broken.push(format!("law 4: a dry run changed what is kept: {}", laws::difference(&kept, &after)));
        }
    }

    async fn run(&mut self, run: &Run) {
        let (place, world) = (self.place, self.place.world());
        world.sandbox.set_faults(run.faults.iter().filter_map(|fault| fault.parse().ok()).collect());
        let crashes: Vec<Crash> = run
            .workers
            .iter()
            .map(|worker| Crash::struck_by(worker.strikes.iter().copied()).with_turns(worker.seed))
            .collect();
        let mut processes = Vec::new();
        for (worker, crash) in run.workers.iter().zip(&crashes) {
            self.tally.runs += 1;
            let dispatcher = world.process(place, crash, worker.seed, worker.ahead_ms);
            processes.push(Process::new(crash.clone(), work(place, dispatcher, worker.clone())));
        }
        for &(after_ms, number) in &run.edits {
            self.tally.edits += 1;
            processes.push(Process::new(Crash::never(), async move {
                sleep(world, after_ms).await;
                edit(place, number);
            }));
        }
        world.wire.take_log();
        side_by_side(&world.clock, run.seed, processes).await;
        world.note_wire();
        for (worker, crash) in run.workers.iter().zip(&crashes) {
            self.tally.kills += u64::from(crash.struck().is_some());
            let n_passed = crash.n_passed();
            let is_frozen = |strike: &&(u64, Strike)| matches!(strike.1, Strike::Freeze(_)) && strike.0 <= n_passed;
            self.tally.freezes += worker.strikes.iter().filter(is_frozen).count() as u64;
            world.note(|| {
                format!("passed {n_passed} points{}", crash.struck().map(|at| format!(", died at {at}")).unwrap_or_default())
            });
        }
        world.sandbox.set_faults(Vec::new());
    }

    /// Answers a question, if any is open.
    async fn answer(&mut self, dispatcher: &Dispatcher, draw: &SeededRandom) -> bool {
        let scope = &self.place.world().scope;
        let questions = dispatcher.questions(scope, true, None, 100).await.unwrap_or_default();
        let Some(question) = questions.get(index(draw.below(questions.len() as u64))) else { return false };
        let options = &question.question.options;
        let Some(option) = options.get(index(draw.below(options.len() as u64))) else { return false };
        self.place.world().note(|| format!("{}: {} of {:?}", question.question.code, option.key, question.question.locals));
        match dispatcher.answer(scope, &question.question.id, &option.key, "owner").await {
            Ok(()) => {
                self.tally.answers += 1;
                self.place.answered(question, &option.key);
            }
            Err(error) => self.broken.push(format!("law 16: a question could not be answered: {error}")),
        }
        true
    }

    /// Nothing goes wrong any more, nobody changes anything: all must come to rest, and once more where something was
    /// asked, with all questions answered.
    async fn end(&mut self) {
        /// Most answers: some lead to another question.
        const MAX_ANSWERS: usize = 20;
        let draw = SeededRandom::new(self.seed ^ 0xE4D);
        self.rest().await;
        let (dispatcher, mut n_answers) = (self.healthy(), 0);
        while self.broken.is_empty() && n_answers < MAX_ANSWERS && self.answer(&dispatcher, &draw).await {
            n_answers += 1;
        }
        if n_answers > 0 && self.broken.is_empty() {
            self.rest().await;
        }
    }

    async fn rest(&mut self) {
        let (place, world) = (self.place, self.place.world());
        world.clock.advance(REST);
        place.connect(&self.healthy()).await;
        let first = self.healthy();
        if let Err(error) = first.retry(&world.scope, None).await {
            self.broken.push(format!("law 16: nothing can be tried again: {error}"));
        }
        let mut last = None;
        for _ in 0..MAX_LAST_RUNS {
            let dispatcher = self.healthy();
            world.wire.take_log();
            let result = sync(&dispatcher, request(world)).await;
            self.tally.runs += 1;
            world.note(|| laws::brief(&result));
            world.note_wire();
            let is_at_rest = laws::is_at_rest(&result);
            last = Some(result);
            if is_at_rest {
                break;
            }
            // Whoever is told to connect again does.
            place.connect(&self.healthy()).await;
            world.clock.advance(REST);
        }
        let dispatcher = self.healthy();
        match last {
            Some(result) if laws::is_at_rest(&result) => {}
            Some(result) => self.broken.push(format!("law 3: it does not come to rest: {}", laws::brief(&result))),
            None => {}
        }
        // The first run after a push pages once through its own echoes.
        world.clock.advance(REST);
        world.wire.take_log();
        let idle = sync(&dispatcher, request(world)).await;
        if !laws::is_at_rest(&idle) {
            self.broken.push(format!("law 3: one more run did something: {}", laws::brief(&idle)));
        }
        self.broken.extend(laws::at_rest(place, &dispatcher).await);
        self.broken.extend(place.broken(&dispatcher).await);
    }
}

fn edit<P: Place>(place: &P, number: u64) {
    if let Some(said) = place.edit(&SeededRandom::new(number)) {
        place.world().note(|| format!("  {said}"));
    }
}

async fn sleep(world: &World, after_ms: u32) {
    use sync_core::Clock as _;
    world.clock.sleep(Duration::from_millis(u64::from(after_ms))).await;
}

fn request(world: &World) -> SyncRequest {
    SyncRequest::new(world.scope.organization.clone(), world.scope.integration.clone())
}

/// Syncs, and approves what waits for it: what a person does who looks at the plan and agrees.
pub async fn sync(dispatcher: &Dispatcher, request: SyncRequest) -> sync_core::SyncResult {
    let mut result = dispatcher.dispatch_with(request.clone(), RunOptions::new()).await;
    for _ in 0..3 {
        let Some(details) = &result.details else { break };
        let waits = matches!(details.stopped, Some(Stop::Approval | Stop::Breaker));
        let Some(hash) = details.plan_hash.clone().filter(|_| waits) else { break };
        result = dispatcher.dispatch_with(request.clone(), RunOptions::new().approve(Some(hash))).await;
    }
    result
}

async fn work<P: Place>(place: &P, dispatcher: Dispatcher, worker: Worker) {
    let world = place.world();
    sleep(world, worker.starts_ms).await;
    let request = request(world);
    let result = match worker.job {
        Job::Sync => sync(&dispatcher, request).await,
        Job::OneType(number) => {
            let mut descriptors = dispatcher.descriptors();
            let types = descriptors.find(|known| known.id == P::INTEGRATION).map_or(&[][..], |known| known.sync_types);
            let chosen = types.get(index(SeededRandom::new(number).below(types.len() as u64)));
            sync(&dispatcher, request.types(chosen.map(|chosen| chosen.name))).await
        }
        Job::OneItem(number) => {
            let Some((of, id)) = place.someone(&SeededRandom::new(number)) else { return };
            let mut descriptors = dispatcher.descriptors();
            let resources = descriptors.find(|known| known.id == P::INTEGRATION).map_or(&[][..], |known| known.resources);
            let Some(resource) = resources.iter().find(|resource| resource.collection == of) else { return };
            sync(&dispatcher, request.items([format!("{}:{id}", resource.name)])).await
        }
        Job::Due => {
            for message in world.sandbox.take_outbound() {
                for _ in 0..2 {
                    let _ = dispatcher.inbound(P::INTEGRATION, &message).await;
                }
            }
            let now = sync_core::Clock::now(&world.clock);
            let done = dispatcher.run_due(now, 100).await;
            world.note(|| format!("  due: {:?}", done.map(|done| done.len())));
            return;
        }
    };
    world.note(|| format!("  {}", laws::brief(&result)));
}
