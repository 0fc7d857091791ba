//! The load of a node over time: parts, smoothing, charge, cost, weight and advice in one. Time
//! comes with the samples. No clock, no IO. Control thread.

use crate::config::{Load, Scale};
use crate::limits::LOAD_PART_CEILING;

use super::advice::{Advice, Advisor};
use super::sample::{Parts, Sample, Window};
use super::smooth::{Charge, Smoothed};
use super::weight::{self, Weight};

/// A hundredth of the planned connections is what it takes to outweigh the plan when the cost of
/// one is estimated.
const PLAN_WEIGHT: f64 = 0.01;

/// What is known of the load after a sample.
#[derive(Clone, Debug, Default)]
pub(super) struct Report {
    pub(super) parts: Parts,
    /// The largest part, as it is at this moment.
    pub(super) raw: f64,
    pub(super) smoothed: f64,
    /// What fresh connections are expected to add.
    pub(super) precharge: f64,
    /// What one connection costs, and what it was planned to cost.
    pub(super) cost: f64,
    pub(super) planned: f64,
    /// What is announced, in percent.
    pub(super) weight: u32,
    pub(super) advice: Advice,
    pub(super) reason: String,
}

#[derive(Debug)]
pub(super) struct Model {
    full: Load,
    scale: Scale,
    window: Window,
    load: Smoothed,
    cost: Smoothed,
    charge: Charge,
    weight: Weight,
    advisor: Advisor,
    /// When the last sample was taken, and how many connections had come by then.
    last: Option<(u64, u64)>,
}

impl Model {
    pub(super) fn new(full: Load, scale: Scale) -> Self {
        Self {
            cost: Smoothed::starting_at(planned(&full)),
            full,
            scale,
            window: Window::default(),
            load: Smoothed::default(),
            charge: Charge::default(),
            weight: Weight::default(),
            advisor: Advisor::default(),
            last: None,
        }
    }

    /// New measures, from the next sample on.
    pub(super) fn reconfigure(&mut self, full: Load, scale: Scale) {
        (self.full, self.scale) = (full, scale);
    }

    /// Takes a sample in. `leaving`: connections are being moved away and are to come back
    /// elsewhere.
    pub(super) fn observe(&mut self, sample: Sample, leaving: bool) -> Report {
        let (now_us, upgraded) = (sample.at_us, sample.upgraded);
        let connections = sample.sockets as f64;
        let (last_us, upgraded_before) = self.last.unwrap_or((now_us, upgraded));
        self.last = Some((now_us, upgraded));
        let elapsed_us = now_us.saturating_sub(last_us);
        let fresh = upgraded.saturating_sub(upgraded_before);

        let parts = self.window.add(sample, &self.full);
        let (part, raw) = parts.largest();
        let bounded = raw.min(LOAD_PART_CEILING);
        let Load {
            up,
            down,
            fresh: fading,
            rise,
            hysteresis,
            ..
        } = self.full;
        self.load.follow(bounded, elapsed_us, up, down);
        let planned = planned(&self.full);
        let work = parts.work().min(LOAD_PART_CEILING);
        let cost = cost(work, connections, &self.full);
        self.cost.follow(cost, elapsed_us, up, up);
        self.charge
            .add(fresh, self.cost.value(), elapsed_us, fading);

        let expected = self.load.value() + self.charge.value();
        let wanted = if leaving {
            f64::from(weight::LEAST)
        } else {
            weight::wanted(expected, self.cost.value(), planned)
        };
        self.weight.follow(wanted, elapsed_us, rise, hysteresis);
        let load = (self.load.value(), part.name());
        let (advice, reason) = self.advisor.advise(load, &self.scale, leaving, now_us);
        Report {
            parts,
            raw,
            smoothed: self.load.value(),
            precharge: self.charge.value(),
            cost: self.cost.value(),
            planned,
            weight: self.weight.percent(),
            advice,
            reason,
        }
    }
}

/// What a connection is planned to cost.
fn planned(full: &Load) -> f64 {
    1.0 / full.connections as f64
}

/// What a connection costs: the slope of the work over the connections, by least squares with the
/// plan as a further observation. With few connections that is the plan, so that what an idle node
/// does anyway is not laid to their charge.
fn cost(work: f64, connections: f64, full: &Load) -> f64 {
    let prior = full.connections as f64 * PLAN_WEIGHT;
    let (own, plan) = (connections * work, prior * prior * planned(full));
    (own + plan) / (connections * connections + prior * prior)
}

#[cfg(test)]
mod tests;
