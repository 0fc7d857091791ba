//! Reads all counters at an interval, so that others can be told what happened lately.
//! Control thread.

use std::sync::{Arc, Mutex, PoisonError};

use crate::fabric::Fabric;
use crate::limits::METRICS_SAMPLE_INTERVAL;

use super::window::{Interval, Reading, Window};

/// The fabric, and what it counted lately.
pub(super) struct Sampler {
    pub(super) fabric: Arc<Fabric>,
    /// Only the control thread locks it, and never across a wait.
    window: Mutex<Window>,
}

impl Sampler {
    pub(super) fn new(fabric: Arc<Fabric>) -> Self {
        Self {
            fabric,
            window: Mutex::default(),
        }
    }

    /// Keeps readings for as long as the process lives.
    pub(super) async fn run(self: Arc<Self>) {
        let mut ticks = tokio::time::interval(METRICS_SAMPLE_INTERVAL);
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            self.locked(|window| window.keep(Reading::of(&self.fabric)));
        }
    }

    /// All counters of this moment, and those of ten seconds ago.
    pub(super) fn look(&self) -> Interval {
        self.locked(|window| window.until(Reading::of(&self.fabric)))
    }

    fn locked<T>(&self, work: impl FnOnce(&mut Window) -> T) -> T {
        // A panic while it was held leaves readings, each of them whole.
        work(&mut self.window.lock().unwrap_or_else(PoisonError::into_inner))
    }
}
