//! What happens in a history, as data: it can be printed, repeated and made shorter.

use std::{fmt, time::Duration};

use sync_testkit::{SeededRandom, crash::Strike};

/// One thing that happens. What exactly, the world draws from the number.
#[derive(Debug, Clone, PartialEq)]
pub enum Step {
    /// Somebody changes something on either side.
    Edit(u64),
    /// Somebody answers a question.
    Answer(u64),
    /// A record is forgotten.
    Forget(u64),
    /// Somebody changes the settings.
    Settings(u64),
    /// Somebody ends the connection.
    Disconnect,
    /// Somebody connects.
    Connect,
    /// A dry run.
    DryRun,
    /// Processes work side by side while people go on.
    Run(Box<Run>),
    /// Time passes, in seconds.
    Wait(u32),
}

/// Processes at work.
#[derive(Debug, Clone, PartialEq)]
pub struct Run {
    /// In which order they take turns.
    pub seed: u64,
    /// What goes wrong at the provider, as the sandbox writes it.
    pub faults: Vec<&'static str>,
    /// The processes.
    pub workers: Vec<Worker>,
    /// What people do meanwhile, and after how many milliseconds.
    pub edits: Vec<(u32, u64)>,
}

/// One process.
#[derive(Debug, Clone, PartialEq)]
pub struct Worker {
    /// Of its ids, pauses and turns.
    pub seed: u64,
    /// When it starts, in milliseconds.
    pub starts_ms: u32,
    /// What happens to it at which of its points.
    pub strikes: Vec<(u64, Strike)>,
    /// How far its clock is ahead, in milliseconds.
    pub ahead_ms: i64,
    /// What it does.
    pub job: Job,
}

/// What a process does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Job {
    /// Syncs, and approves what waits for approval.
    Sync,
    /// Takes what the provider sent, twice, and does what time asks for.
    Due,
    /// Syncs the records of one kind.
    OneType(u64),
    /// Syncs a record.
    OneItem(u64),
}

/// What goes wrong at a provider, by [`sync_sandbox::Fault`]'s words.
const FAULTS: &[&str] = &[
    "reply-lost:0.2",
    "reply-lost:0.4:writes",
    "slow-commit:0.15:writes",
    "slow-commit:0.1:writes:lag=40s",
    "cut:0.2",
    "unreachable:0.2",
    "truncated:0.15",
    "garbage:0.1",
    "endless:0.05",
    "wrong-200:0.1",
    "html:0.1",
    "401:nth=2",
    "429:0.2",
    "429:0.2:retry-after=7",
    "429:nth=2:retry-date=20",
    "500:0.2",
    "500:0.2:commit:writes",
    "503:0.3",
    "502:0.2:commit",
    "reordered-pages:0.5",
    "duplicate:0.2:writes",
];

/// Draws a history of this seed.
pub fn draw(seed: u64) -> Vec<Step> {
    let random = SeededRandom::new(seed ^ 0x51_4D);
    let n_steps = 6 + random.below(14);
    let mut steps = vec![Step::Connect];
    for _ in 0..n_steps {
        steps.push(match random.below(100) {
            0..=37 => Step::Edit(random.next()),
            38..=45 => Step::Answer(random.next()),
            46..=47 => Step::Forget(random.next()),
            48..=50 => Step::Settings(random.next()),
            51 => Step::Disconnect,
            52..=53 => Step::Connect,
            54..=56 => Step::DryRun,
            57..=60 => Step::Wait(u32::try_from(1 + random.below(4_000)).unwrap_or(1)),
            _ => Step::Run(Box::new(run(&random))),
        });
    }
    steps
}

fn run(random: &SeededRandom) -> Run {
    let n_workers = if random.chance(0.35) { 2 } else { 1 };
    let n_edits = if random.chance(0.5) { random.below(4) } else { 0 };
    let n_faults = if random.chance(0.55) { 1 + random.below(2) } else { 0 };
    Run {
        seed: random.next(),
        faults: (0..n_faults).filter_map(|_| FAULTS.get(index(random.below(FAULTS.len() as u64))).copied()).collect(),
        workers: (0..n_workers).map(|_| worker(random)).collect(),
        edits: (0..n_edits).map(|_| (small(random.below(3_000)), random.next())).collect(),
    }
}

fn worker(random: &SeededRandom) -> Worker {
    let mut strikes = Vec::new();
    if random.chance(0.25) {
        strikes.push((1 + random.below(60), Strike::Die));
    }
    if random.chance(0.2) {
        strikes.push((1 + random.below(60), Strike::Freeze(Duration::from_secs(1 + random.below(400)))));
    }
    let job = match random.below(10) {
        0..=6 => Job::Sync,
        7 => Job::Due,
        8 => Job::OneType(random.next()),
        _ => Job::OneItem(random.next()),
    };
    Worker {
        seed: random.next(),
        starts_ms: small(random.below(1_500)),
        strikes,
        ahead_ms: if random.chance(0.2) { i64::from(small(random.below(8_000))) - 4_000 } else { 0 },
        job,
    }
}

fn small(number: u64) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}

pub(crate) fn index(number: u64) -> usize {
    usize::try_from(number).unwrap_or(usize::MAX)
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Run(run) => {
                write!(f, "run")?;
                for worker in &run.workers {
                    write!(f, " [{:?} at {} ms", worker.job, worker.starts_ms)?;
                    if worker.ahead_ms != 0 {
                        write!(f, ", clock {} ms ahead", worker.ahead_ms)?;
                    }
                    for (point, strike) in &worker.strikes {
                        write!(f, ", {strike:?} at point {point}")?;
                    }
                    write!(f, "]")?;
                }
                if !run.faults.is_empty() {
                    write!(f, " under {}", run.faults.join(" "))?;
                }
                if !run.edits.is_empty() {
                    write!(f, " with {} edits meanwhile", run.edits.len())?;
                }
                Ok(())
            }
            other => write!(f, "{other:?}"),
        }
    }
}

/// Ever simpler forms of a history, the boldest first.
pub fn simpler(steps: &[Step]) -> Vec<Vec<Step>> {
    let mut forms = Vec::new();
    let mut size = steps.len() / 2;
    while size > 0 {
        for start in (0..steps.len()).step_by(size) {
            let kept = steps.iter().enumerate().filter(|(idx, _)| *idx < start || *idx >= start + size);
            forms.push(kept.map(|(_, step)| step.clone()).collect());
        }
        size /= 2;
    }
    for (idx, step) in steps.iter().enumerate() {
        let Step::Run(run) = step else { continue };
        for run in simpler_runs(run) {
            let mut form = steps.to_vec();
            if let Some(slot) = form.get_mut(idx) {
                *slot = Step::Run(Box::new(run));
            }
            forms.push(form);
        }
    }
    forms
}

fn simpler_runs(run: &Run) -> Vec<Run> {
    let mut forms = Vec::new();
    if run.workers.len() > 1 {
        for idx in 0..run.workers.len() {
            let mut simpler = run.clone();
            simpler.workers.remove(idx);
            forms.push(simpler);
        }
    }
    if !run.faults.is_empty() {
        forms.push(Run { faults: Vec::new(), ..run.clone() });
    }
    for idx in 0..run.edits.len() {
        let mut simpler = run.clone();
        simpler.edits.remove(idx);
        forms.push(simpler);
    }
    for idx in 0..run.workers.len() {
        let mut simpler = run.clone();
        if let Some(worker) = simpler.workers.get_mut(idx)
            && (!worker.strikes.is_empty() || worker.ahead_ms != 0)
        {
            worker.strikes.clear();
            worker.ahead_ms = 0;
            forms.push(simpler);
        }
    }
    forms
}
