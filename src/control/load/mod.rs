//! How full this node is, what its load balancers are told, and what its operators are advised.
//! Control thread.
//!
//! ```text
//! probe    measures the node: what the cores publish, what the kernel says
//! sample   one measurement, and the parts of the load that a second of them gives
//! smooth   values with time constants
//! weight   the percentage that is announced
//! advice   scale out, hold, scale in
//! model    all of these over time
//! share    a share of the connections that is being moved away
//! report   what is known, as JSON and as metrics
//! routes   GET /load, POST /drain
//! ```

mod advice;
mod model;
mod probe;
mod report;
mod routes;
mod sample;
mod share;
mod smooth;
mod weight;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::config::{Config, Layout};
use crate::fabric::{Fabric, Order};
use crate::hub::DrainScope;
use crate::limits::LOAD_SAMPLE_INTERVAL;

use model::{Model, Report};
use probe::Probe;
use share::{Move, Stage, apportion};

pub(super) use routes::routes;

/// Measures all the time, and knows the last outcome.
pub(super) struct Monitor {
    fabric: Arc<Fabric>,
    /// Only the control thread takes it, so nobody ever waits.
    state: Mutex<State>,
}

struct State {
    probe: Probe,
    model: Model,
    report: Report,
    moving: Option<Move>,
    dwell: Duration,
}

/// Why no share is moved away.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Refused {
    #[error("the process is on its way out and closes all connections anyway")]
    Ending,
    #[error("another share is being closed; see GET /load")]
    Running,
    #[error("no shard takes orders")]
    Stuck,
}

impl Monitor {
    pub(super) fn new(config: &Config, layout: &Layout, fabric: Arc<Fabric>) -> Arc<Self> {
        let guest = layout.shards.iter().position(|core| *core == layout.ingest);
        let state = State {
            probe: Probe::new(guest),
            model: Model::new(config.load.clone(), config.scale.clone()),
            report: Report::default(),
            moving: None,
            dwell: config.drain.dwell,
        };
        let monitor = Self {
            fabric,
            state: Mutex::new(state),
        };
        monitor.measure();
        Arc::new(monitor)
    }

    /// Measures for as long as the process lives.
    pub(super) async fn run(self: Arc<Self>) {
        loop {
            tokio::time::sleep(LOAD_SAMPLE_INTERVAL).await;
            self.measure();
        }
    }

    pub(super) fn reconfigure(&self, config: &Config) {
        let mut state = self.state();
        state
            .model
            .reconfigure(config.load.clone(), config.scale.clone());
        state.dwell = config.drain.dwell;
    }

    /// The answer to `HAProxy`'s `agent-check`: one whole line (its configuration manual, 5.2).
    /// `ready` takes an earlier `drain` back, `up` an earlier `down`.
    pub(super) fn line(&self) -> String {
        if self.fabric.is_draining() {
            return "drain\n".into();
        }
        format!("ready up {}%\n", self.state().report.weight)
    }

    /// Starts to move a share of the connections away. Returns what that comes to, which is less
    /// if a shard refuses: the others are closing theirs by then. The watchdog's own connections,
    /// one per shard, count but stay.
    fn shed(&self, share: f64, period: Duration) -> Result<Move, Refused> {
        if self.fabric.is_draining() {
            return Err(Refused::Ending);
        }
        let mut state = self.state();
        let now_us = self.fabric.clock.now_us();
        let moving = state
            .moving
            .as_ref()
            .map(|it| it.stage(Duration::ZERO, now_us));
        if moving == Some(Stage::Running) {
            return Err(Refused::Running);
        }
        let shards = &self.fabric.shards;
        let counts: Vec<u64> = shards
            .iter()
            .map(|it| it.counts.load().connections)
            .collect();
        let parts = apportion(share, &counts);
        let mut moving = Move {
            share,
            connections: counts.iter().sum(),
            leaving: 0,
            refused: Vec::new(),
            began_us: now_us,
            period,
            told_before: self.told(),
        };
        let period_us = period.as_micros() as u64;
        for (index, part) in parts.into_iter().enumerate().filter(|(_, part)| *part > 0) {
            let leaving = DrainScope::Count(part);
            if shards[index]
                .lane
                .order(Order::Drain { leaving, period_us })
            {
                moving.leaving += part;
            } else {
                moving.refused.push(index);
            }
        }
        if moving.leaving == 0 && !moving.refused.is_empty() {
            return Err(Refused::Stuck);
        }
        state.moving = Some(moving.clone());
        drop(state);
        self.measure(); // The least weight is announced from here on.
        Ok(moving)
    }

    /// Connections told to leave since the start.
    fn told(&self) -> u64 {
        let shards = self.fabric.shards.iter();
        shards
            .map(|shard| shard.counts.load().closed_shutdown)
            .sum()
    }

    fn measure(&self) {
        let mut state = self.state();
        let sample = state.probe.sample(&self.fabric);
        let moving = state.stage(sample.at_us);
        let leaving = self.fabric.is_draining() || moving.is_some_and(|it| it != Stage::Over);
        state.report = state.model.observe(sample, leaving);
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn stage(&self, now_us: u64) -> Option<Stage> {
        let moving = self.moving.as_ref()?;
        Some(moving.stage(self.dwell, now_us))
    }
}

#[cfg(test)]
mod tests;
