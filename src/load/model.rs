//! The load of a node over time: parts, smoothing, expected load, cost, weight and advice together.
//! The samples carry the time. No clock, no IO. Control thread.

use crate::config::{LoadConfig, ScaleConfig};
use crate::limits::LOAD_PART_CEILING;

use super::advice::{Advice, Advisor};
use super::parts::{Parts, SampleWindow};
use super::sample::LoadSample;
use super::smooth::{ExpectedLoad, Smoothed};
use super::weight::{self, Weight};

/// The planned cost of a connection has the weight of this fraction of the planned connections when
/// the actual cost is estimated.
const PLAN_WEIGHT: f64 = 0.01;

/// The load after a sample.
#[derive(Clone, Debug, Default)]
pub(super) struct LoadReport {
    pub(super) parts: Parts,
    /// The largest part, without smoothing.
    pub(super) raw: f64,
    pub(super) smoothed: f64,
    /// The load that new connections are expected to add.
    pub(super) precharge: f64,
    /// The load of one connection, and its planned value.
    pub(super) cost: f64,
    pub(super) planned: f64,
    /// The announced weight in percent.
    pub(super) weight: u32,
    pub(super) advice: Advice,
    pub(super) reason: String,
}

/// Computes a report from each sample.
#[derive(Debug)]
pub(super) struct Model {
    /// The section `[load]`, which defines a full node.
    full: LoadConfig,
    scale: ScaleConfig,
    window: SampleWindow,
    load: Smoothed,
    cost: Smoothed,
    expected: ExpectedLoad,
    weight: Weight,
    advisor: Advisor,
    /// Time of the last sample, and connections opened by then.
    last: Option<(u64, u64)>,
}

impl Model {
    pub(super) fn new(full: LoadConfig, scale: ScaleConfig) -> Self {
        Self {
            cost: Smoothed::starting_at(planned_cost(&full)),
            full,
            scale,
            window: SampleWindow::default(),
            load: Smoothed::default(),
            expected: ExpectedLoad::default(),
            weight: Weight::default(),
            advisor: Advisor::default(),
            last: None,
        }
    }

    /// Applies a new configuration from the next sample on.
    pub(super) fn reconfigure(&mut self, full: LoadConfig, scale: ScaleConfig) {
        (self.full, self.scale) = (full, scale);
    }

    /// Adds a sample. `is_leaving` means that connections are being closed so that they move to
    /// other nodes; the lowest weight is announced meanwhile.
    pub(super) fn observe(&mut self, sample: LoadSample, is_leaving: bool) -> LoadReport {
        let (now_us, upgraded) = (sample.at_us, sample.upgraded);
        let connections = sample.sockets as f64;
        let (last_us, upgraded_before) = self.last.unwrap_or((now_us, upgraded));
        self.last = Some((now_us, upgraded));
        let elapsed_us = now_us.saturating_sub(last_us);
        let fresh = upgraded.saturating_sub(upgraded_before);
        let full = &self.full;

        let parts = self.window.add(sample, full);
        let (part, raw) = parts.largest();
        let bounded = raw.min(LOAD_PART_CEILING);
        self.load.follow(bounded, elapsed_us, full.up, full.down);
        let planned = planned_cost(full);
        let caused = parts.caused_by_connections().min(LOAD_PART_CEILING);
        let cost = estimated_cost(caused, connections, full);
        self.cost.follow(cost, elapsed_us, full.up, full.up);
        self.expected
            .add(fresh, self.cost.value(), elapsed_us, full.fresh);

        let expected = self.load.value() + self.expected.value();
        let target = if is_leaving {
            f64::from(weight::LOWEST)
        } else {
            weight::target(expected, self.cost.value(), planned)
        };
        self.weight
            .follow(target, elapsed_us, full.rise, full.hysteresis);
        let load = (self.load.value(), part.name());
        let (advice, reason) = self.advisor.advise(load, &self.scale, is_leaving, now_us);
        LoadReport {
            parts,
            raw,
            smoothed: self.load.value(),
            precharge: self.expected.value(),
            cost: self.cost.value(),
            planned,
            weight: self.weight.percent(),
            advice,
            reason,
        }
    }
}

/// Returns the planned load of one connection.
fn planned_cost(full: &LoadConfig) -> f64 {
    1.0 / full.connections as f64
}

/// Estimates the load of one connection: the slope of the load over the connections by least
/// squares, with the plan as a second observation. With few connections the result is close to the
/// plan, so that the load of an idle node is not attributed to them.
fn estimated_cost(load: f64, connections: f64, full: &LoadConfig) -> f64 {
    let plan = full.connections as f64 * PLAN_WEIGHT;
    let observed = connections * load;
    let planned = plan * plan * planned_cost(full);
    (observed + planned) / (connections * connections + plan * plan)
}

#[cfg(test)]
mod tests;
