//! A progress bar on the terminal.

use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use sync_dispatch::{Progress, ProgressEvent};

use super::{Output, thousands};

/// How a run goes on, as a bar on the terminal; silent where nobody watches.
#[derive(Debug)]
pub(crate) struct Bar {
    bar: ProgressBar,
    settled: AtomicU64,
}

impl Bar {
    /// A bar for what this program prints.
    pub(crate) fn new(output: Output) -> Self {
        let bar = ProgressBar::no_length();
        if !output.is_watched() {
            bar.set_draw_target(ProgressDrawTarget::hidden());
        }
        bar.set_style(ProgressStyle::default_spinner());
        bar.enable_steady_tick(Duration::from_millis(120));
        Self { bar, settled: AtomicU64::new(0) }
    }

    /// A step that isn't a run's.
    pub(crate) fn message(&self, message: impl Into<String>) {
        self.bar.set_message(message.into());
    }

    /// Takes the bar away.
    pub(crate) fn finish(&self) {
        self.bar.finish_and_clear();
    }
}

impl Drop for Bar {
    fn drop(&mut self) {
        self.finish();
    }
}

impl Progress for Bar {
    fn event(&self, event: ProgressEvent<'_>) {
        match event {
            ProgressEvent::Started { .. } => self.message("starting"),
            ProgressEvent::Observed { records } => self.message(format!("read {} there", thousands(records))),
            ProgressEvent::Compared { records } => self.message(format!("compared {} here", thousands(records))),
            ProgressEvent::Planned { operations } => {
                if let Ok(style) = ProgressStyle::with_template("{bar:30} {human_pos} of {human_len}  {msg}  {eta}") {
                    self.bar.set_style(style);
                }
                self.bar.set_length(operations);
                self.bar.set_position(self.settled.load(Ordering::Relaxed).min(operations));
                self.message("");
            }
            ProgressEvent::Settled { kind, items, .. } if kind.is_synced() => {
                let n = self.settled.fetch_add(items, Ordering::Relaxed) + items;
                self.bar.set_position(n);
            }
            _ => {}
        }
    }
}
