//! Nodes in simulated time: the weight of one node, and how several of them fill.

#![allow(clippy::cast_sign_loss)] // Counts of connections.

use super::*;
use crate::observe::HistogramSnapshot;

const TICK_US: u64 = 100_000;

/// A node whose load is the number of its connections times the cost of each. The load is in the
/// egress part.
struct Node {
    model: Model,
    now_us: u64,
    connections: f64,
    /// Bytes per second that each connection receives.
    bytes: f64,
    egress_bytes: f64,
    upgraded: f64,
    report: LoadReport,
}

/// At this rate a node is full with 1,000 connections, as planned.
const PLANNED_BYTES: f64 = 1000.0;

fn full() -> LoadConfig {
    LoadConfig {
        egress: Some(1_000_000),
        connections: 1000,
        ..LoadConfig::default()
    }
}

impl Node {
    fn new(cost: f64) -> Self {
        Self {
            model: Model::new(full(), ScaleConfig::default()),
            now_us: 0,
            connections: 0.0,
            bytes: PLANNED_BYTES * cost,
            egress_bytes: 0.0,
            upgraded: 0.0,
            report: LoadReport::default(),
        }
    }

    fn with(cost: f64, connections: f64) -> Self {
        let mut node = Self::new(cost);
        node.connections = connections;
        node.run(400.0, 0.0);
        node
    }

    fn load(&self) -> f64 {
        self.connections * self.bytes / 1_000_000.0
    }

    /// Advances by one tick, in which so many connections are opened.
    fn tick(&mut self, opened: f64) {
        self.connections += opened;
        self.upgraded += opened;
        self.now_us += TICK_US;
        self.egress_bytes += self.connections * self.bytes * TICK_US as f64 / 1e6;
        let sample = LoadSample {
            at_us: self.now_us,
            egress_bytes: self.egress_bytes as u64,
            sockets: self.connections as u64,
            max_connections: 1_000_000,
            upgraded: self.upgraded as u64,
            ..LoadSample::default()
        };
        self.report = self.model.observe(sample, false);
    }

    fn run(&mut self, seconds: f64, per_second: f64) {
        for _ in 0..(seconds * 10.0) as usize {
            self.tick(per_second / 10.0);
        }
    }
}

/// Opens connections for so long. Each goes to a node with a probability in proportion to its
/// weight. Returns the largest share of one tick that the last node got.
fn fill(nodes: &mut [Node], seconds: u64, per_second: f64) -> f64 {
    let mut most = 0.0_f64;
    for _ in 0..seconds * 10 {
        let weights: Vec<f64> = nodes
            .iter()
            .map(|node| f64::from(node.report.weight))
            .collect();
        let all: f64 = weights.iter().sum();
        most = most.max(weights[nodes.len() - 1] / all);
        for (node, weight) in nodes.iter_mut().zip(weights) {
            node.tick(per_second / 10.0 * weight / all);
        }
    }
    most
}

fn imbalance(nodes: &[Node]) -> f64 {
    let loads = nodes.iter().map(Node::load);
    let mean = loads.clone().sum::<f64>() / nodes.len() as f64;
    loads.fold(0.0, f64::max) / mean
}

#[test]
fn an_idle_node_reaches_the_full_weight_in_ten_seconds() {
    let mut node = Node::new(1.0);
    node.tick(0.0);
    assert_eq!(node.report.weight, 1);
    node.run(5.0, 0.0);
    assert!((45..=55).contains(&node.report.weight), "{:?}", node.report);
    node.run(6.0, 0.0);
    assert!(node.report.weight >= 98);
}

#[test]
fn with_the_planned_cost_the_weight_is_the_free_capacity() {
    let node = Node::with(1.0, 270.0);
    assert!(
        (0.26..0.28).contains(&node.report.smoothed),
        "{:?}",
        node.report
    );
    assert!((70..=76).contains(&node.report.weight));
}

#[test]
fn the_cost_of_expensive_connections_is_measured() {
    let node = Node::with(10.0, 50.0);
    let times = node.report.cost / node.report.planned;
    assert!((9.0..11.0).contains(&times), "{times}");
    assert!((4..=6).contains(&node.report.weight), "a tenth of a half");
}

#[test]
fn the_load_of_an_idle_node_is_not_attributed_to_connections() {
    let mut model = Model::new(full(), ScaleConfig::default());
    let mut weight = 0;
    for tick in 0..200 {
        let sample = LoadSample {
            at_us: tick * TICK_US,
            resident_bytes: 5,
            memory_bytes: 100,
            sockets: 2,
            max_connections: 1000,
            ..LoadSample::default()
        };
        weight = model.observe(sample, false).weight;
    }
    assert!(weight >= 85, "{weight}");
}

#[test]
fn new_connections_lower_the_weight_before_they_cause_load() {
    let mut node = Node::with(1.0, 100.0);
    let before = node.report.weight;
    node.bytes = 0.0; // Nothing is published.
    node.tick(300.0);
    assert!(
        (0.25..0.35).contains(&node.report.precharge),
        "{:?}",
        node.report
    );
    assert!(node.report.weight + 20 < before);
    node.run(240.0, 0.0);
    assert!(node.report.precharge < 0.01, "the connections are idle");
}

#[test]
fn the_lowest_weight_is_announced_while_connections_are_leaving() {
    let mut node = Node::with(1.0, 100.0);
    node.now_us += TICK_US;
    let sample = LoadSample {
        at_us: node.now_us,
        ..LoadSample::default()
    };
    let report = node.model.observe(sample, true);
    assert_eq!((report.weight, report.advice), (1, Advice::Hold));
}

#[test]
fn one_stall_has_little_effect_on_the_smoothed_load() {
    let mut node = Node::with(1.0, 100.0);
    node.now_us += TICK_US;
    let sample = LoadSample {
        at_us: node.now_us,
        lag: HistogramSnapshot {
            buckets: vec![(100_000_000, 1)],
            sum_us: 100_000_000,
        },
        ..LoadSample::default()
    };
    let report = node.model.observe(sample, false);
    assert!(report.raw > 100.0 && report.smoothed < 0.25, "{report:?}");
}

#[test]
fn loads_rise_together_whatever_the_cost_of_a_connection() {
    let mut nodes = [1.0, 1.0, 1.0, 10.0].map(|cost| Node::with(cost, 0.0));
    fill(&mut nodes, 600, 3.0);
    let loads: Vec<f64> = nodes.iter().map(Node::load).collect();
    assert!(
        loads.iter().all(|load| (0.3..0.9).contains(load)),
        "{loads:?}"
    );
    assert!(imbalance(&nodes) < 1.25, "{loads:?}");
}

#[test]
fn a_new_node_does_not_get_all_connections_at_once() {
    for cost in [1.0, 10.0] {
        let mut nodes: Vec<Node> = (0..3).map(|_| Node::with(1.0, 600.0)).collect();
        nodes.push(Node::new(cost));
        nodes[3].now_us = nodes[0].now_us;
        nodes[3].tick(0.0);
        // The share of a new node is at most its share of the free capacity.
        let most = fill(&mut nodes, 60, 20.0 / cost);
        let loads: Vec<f64> = nodes.iter().map(Node::load).collect();
        assert!(most < 0.55, "{most} {loads:?}");
        assert!(imbalance(&nodes) < 1.25, "{loads:?}");
    }
}
