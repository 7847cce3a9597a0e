//! Calls that go side by side, counted.

use std::{collections::BTreeMap, sync::Mutex};

/// Calls under way by group, and the most at once.
#[derive(Debug, Default)]
pub struct UnderWay(Mutex<BTreeMap<String, (usize, usize)>>);

impl UnderWay {
    /// A call that takes its time, so that others can start meanwhile.
    pub async fn call(&self, group: &str) {
        {
            let mut calls = self.0.lock().unwrap();
            let (now, most) = calls.entry(group.to_owned()).or_default();
            *now += 1;
            *most = (*most).max(*now);
        }
        for _ in 0..20 {
            tokio::task::yield_now().await;
        }
        self.0.lock().unwrap().get_mut(group).unwrap().0 -= 1;
    }

    /// The most at once.
    pub fn most(&self, group: &str) -> usize {
        self.0.lock().unwrap().get(group).map_or(0, |(_, most)| *most)
    }
}
