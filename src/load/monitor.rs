//! Measures the load at an interval and drains shares of the connections. Control thread; the
//! service thread reads the gauges.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::config::{Config, Layout};
use crate::fabric::{Fabric, ShardRequest};
use crate::hub::DrainScope;
use crate::limits::LOAD_SAMPLE_INTERVAL;

use super::model::{LoadReport, Model};
use super::probe::Probe;
use super::share_drain::{ShareDrain, ShareStage, apportion};

/// The load of this node. Keeps the report of the last measurement.
pub(crate) struct Monitor {
    pub(super) fabric: Arc<Fabric>,
    /// Never locked across an `await`. A measurement holds it for some 100 us.
    state: Mutex<MonitorState>,
}

pub(super) struct MonitorState {
    probe: Probe,
    model: Model,
    pub(super) report: LoadReport,
    /// The last drain of a share, which may be over.
    pub(super) share_drain: Option<ShareDrain>,
    /// `drain.dwell`.
    dwell: Duration,
}

/// Why no share of the connections is drained.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum ShareDrainError {
    #[error("the process is on its way out and closes all connections anyway")]
    Draining,
    #[error("another share is being closed; see GET /load")]
    Running,
    #[error("no shard takes requests")]
    NoShard,
}

impl Monitor {
    /// Creates a monitor with a first measurement.
    pub(crate) fn new(config: &Config, layout: &Layout, fabric: Arc<Fabric>) -> Arc<Self> {
        let shard_on_ingest_core = layout.shards.iter().position(|core| *core == layout.ingest);
        let state = MonitorState {
            probe: Probe::new(shard_on_ingest_core),
            model: Model::new(config.load.clone(), config.scale.clone()),
            report: LoadReport::default(),
            share_drain: None,
            dwell: config.drain.dwell,
        };
        let monitor = Self {
            fabric,
            state: Mutex::new(state),
        };
        monitor.measure();
        Arc::new(monitor)
    }

    /// Measures until the process ends.
    pub(crate) async fn run(self: Arc<Self>) {
        loop {
            tokio::time::sleep(LOAD_SAMPLE_INTERVAL).await;
            self.measure();
        }
    }

    /// Applies a new configuration from the next measurement on.
    pub(crate) fn reconfigure(&self, config: &Config) {
        let mut state = self.state();
        state
            .model
            .reconfigure(config.load.clone(), config.scale.clone());
        state.dwell = config.drain.dwell;
    }

    /// Returns the answer to the `agent-check` of `HAProxy`: one line (configuration manual, 5.2).
    /// `ready` revokes an earlier `drain`, and `up` an earlier `down`.
    pub(super) fn agent_line(&self) -> String {
        if self.fabric.is_draining() {
            return "drain\n".into();
        }
        format!("ready up {}%\n", self.state().report.weight)
    }

    /// Starts to close a share of the connections, spread over `period`. Shards that do not take
    /// the request are listed in the result; the others carry it out. The internal connections of
    /// the watchdog are counted in the share, but shards do not close them.
    pub(crate) fn drain_share(
        &self,
        share: f64,
        period: Duration,
    ) -> Result<ShareDrain, ShareDrainError> {
        if self.fabric.is_draining() {
            return Err(ShareDrainError::Draining);
        }
        let mut state = self.state();
        let now_us = self.fabric.clock.now_us();
        if let Some(last) = &state.share_drain
            && last.stage(Duration::ZERO, now_us) == ShareStage::Running
        {
            return Err(ShareDrainError::Running);
        }
        let counts: Vec<u64> = self.connections().collect();
        let mut drain = ShareDrain {
            share,
            connections: counts.iter().sum(),
            leaving: 0,
            refused_shards: Vec::new(),
            began_us: now_us,
            period,
            closed_before: self.closed_by_drains(),
        };
        let period_us = period.as_micros() as u64;
        for (index, count) in apportion(share, &counts).into_iter().enumerate() {
            if count == 0 {
                continue;
            }
            let scope = DrainScope::Count(count);
            let request = ShardRequest::Drain { scope, period_us };
            match self.fabric.shards[index].lane.request(request) {
                Ok(()) => drain.leaving += count,
                Err(_) => drain.refused_shards.push(index),
            }
        }
        if drain.leaving == 0 && !drain.refused_shards.is_empty() {
            return Err(ShareDrainError::NoShard);
        }
        state.share_drain = Some(drain.clone());
        drop(state);
        self.measure(); // Announces the lowest weight from here on.
        Ok(drain)
    }

    /// Returns the number of connections that drains have closed since the start of the process.
    pub(super) fn closed_by_drains(&self) -> u64 {
        let shards = self.fabric.shards.iter();
        shards
            .map(|shard| shard.counts.load().closed_shutdown)
            .sum()
    }

    pub(super) fn state(&self) -> MutexGuard<'_, MonitorState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns the number of connections of each shard.
    fn connections(&self) -> impl Iterator<Item = u64> {
        let shards = self.fabric.shards.iter();
        shards.map(|shard| shard.counts.load().connections)
    }

    fn measure(&self) {
        let mut state = self.state();
        let sample = state.probe.sample(&self.fabric);
        let share_is_leaving = state
            .share_stage(sample.at_us)
            .is_some_and(|stage| stage != ShareStage::Over);
        let is_leaving = self.fabric.is_draining() || share_is_leaving;
        state.report = state.model.observe(sample, is_leaving);
    }
}

impl MonitorState {
    /// Returns the stage of the last drain of a share.
    pub(super) fn share_stage(&self, now_us: u64) -> Option<ShareStage> {
        let drain = self.share_drain.as_ref()?;
        Some(drain.stage(self.dwell, now_us))
    }
}

#[cfg(test)]
mod tests;
