//! Reads all counters at an interval, so that metrics can show the last ten seconds. Runs on the
//! control thread; the service thread reads intervals too.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::fabric::Fabric;
use crate::limits::METRICS_SAMPLE_INTERVAL;

use super::reading::Reading;
use super::window::{Interval, ReadingWindow};

/// The readings of the last ten seconds.
pub(crate) struct Sampler {
    pub(crate) fabric: Arc<Fabric>,
    /// Locked while counters are read, so that the readings of both threads are in order. That
    /// takes some 20 us per shard. Never locked across an `await`.
    window: Mutex<ReadingWindow>,
}

impl Sampler {
    /// Creates a sampler without readings.
    pub(crate) fn new(fabric: Arc<Fabric>) -> Self {
        Self {
            fabric,
            window: Mutex::default(),
        }
    }

    /// Takes readings until the process ends.
    pub(crate) async fn run(self: Arc<Self>) {
        let mut ticks = tokio::time::interval(METRICS_SAMPLE_INTERVAL);
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            let mut window = self.window();
            window.push(Reading::take(&self.fabric));
        }
    }

    /// Reads all counters and returns them with those of ten seconds ago.
    pub(crate) fn interval(&self) -> Interval {
        let window = self.window();
        window.interval_to(Reading::take(&self.fabric))
    }

    fn window(&self) -> MutexGuard<'_, ReadingWindow> {
        // The window is valid after a panic too: each of its readings is complete.
        self.window.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
