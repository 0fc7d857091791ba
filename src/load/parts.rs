//! The parts of the load, computed from the measurements of one second. No clock, no IO. Control
//! thread.

use std::collections::{BTreeMap, VecDeque};

use crate::config::LoadConfig;
use crate::limits::LOAD_WINDOW;

use super::sample::{Core, LoadSample};

/// A part of the load. The order is that of [`Parts::ratios`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Part {
    Cpu,
    Egress,
    Lag,
    Queued,
    Descriptors,
    Memory,
}

impl Part {
    pub(super) const ALL: [Self; 6] = [
        Self::Cpu,
        Self::Egress,
        Self::Lag,
        Self::Queued,
        Self::Descriptors,
        Self::Memory,
    ];

    /// Returns the name in metrics and JSON.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Cpu => "cpu",
            Self::Egress => "egress",
            Self::Lag => "lag",
            Self::Queued => "queued",
            Self::Descriptors => "descriptors",
            Self::Memory => "memory",
        }
    }
}

/// All parts of the load. A part of 1 means that the node is full.
#[derive(Clone, Debug, Default)]
pub(super) struct Parts {
    pub(super) ratios: [f64; 6],
    /// The core that determines the CPU part.
    pub(super) busiest: Option<Core>,
}

impl Parts {
    /// Returns the largest part.
    pub(super) fn largest(&self) -> (Part, f64) {
        let each = Part::ALL.into_iter().zip(self.ratios);
        each.max_by(|(_, a), (_, b)| a.total_cmp(b))
            .expect("there are six parts")
    }

    /// Returns the largest of the parts that are caused by connections. An idle node has memory,
    /// lag and queued bytes too, and these can have other causes.
    pub(super) fn caused_by_connections(&self) -> f64 {
        let causes = [Part::Cpu, Part::Egress, Part::Descriptors];
        let ratios = causes.map(|part| self.ratios[part as usize]);
        ratios.into_iter().fold(0.0, f64::max)
    }
}

/// The samples of the last [`LOAD_WINDOW`].
#[derive(Debug, Default)]
pub(super) struct SampleWindow {
    samples: VecDeque<LoadSample>,
}

impl SampleWindow {
    /// Adds a sample and returns the parts of the load over the window. `full` is the section
    /// `[load]`, which defines a full node.
    pub(super) fn add(&mut self, sample: LoadSample, full: &LoadConfig) -> Parts {
        let since_us = sample.at_us.saturating_sub(LOAD_WINDOW.as_micros() as u64);
        self.samples.push_back(sample);
        // The first sample stays until the second one is old enough to be the beginning.
        while self.samples.get(1).is_some_and(|at| at.at_us <= since_us) {
            self.samples.pop_front();
        }
        let first = self.samples.front().expect("a sample was added");
        let last = self.samples.back().expect("a sample was added");
        let elapsed_us = (last.at_us - first.at_us) as f64;
        let (busiest, busiest_us) = busiest_core(first, last);
        // Without a value nothing was late.
        let lag_us = last.lag.since(&first.lag).quantile_us(0.99).unwrap_or(0);
        let egress_bytes = last.egress_bytes.saturating_sub(first.egress_bytes) as f64;
        let per_second = |amount: f64| ratio(amount * 1e6, elapsed_us);
        let memory_bytes = full.memory.map_or(last.memory_bytes, |bytes| bytes as u64);
        let ratios = [
            per_second(busiest_us / 1e6) * 100.0 / f64::from(full.cpu),
            full.egress
                .map_or(0.0, |budget| per_second(egress_bytes) / budget as f64),
            lag_us as f64 / full.lag.as_micros() as f64,
            last.queued_bytes as f64 / full.queued as f64,
            ratio(last.sockets as f64, last.max_connections as f64),
            ratio(last.resident_bytes as f64, memory_bytes as f64),
        ];
        Parts { ratios, busiest }
    }
}

/// Returns `amount / whole`, or 0 if `whole` is 0.
fn ratio(amount: f64, whole: f64) -> f64 {
    if whole > 0.0 { amount / whole } else { 0.0 }
}

/// Returns the core whose threads together used most CPU time between two samples, and that time in
/// microseconds.
fn busiest_core(first: &LoadSample, last: &LoadSample) -> (Option<Core>, f64) {
    let mut cores = BTreeMap::new();
    for thread in &last.threads {
        // A thread that is younger than the window is ignored: its time is not of the window.
        if let Some(before) = first.threads.iter().find(|each| each.id == thread.id) {
            *cores.entry(thread.core).or_insert(0) += thread.cpu_us.saturating_sub(before.cpu_us);
        }
    }
    let busiest = cores.into_iter().max_by_key(|(_, us)| *us);
    busiest.map_or((None, 0.0), |(core, us)| (Some(core), us as f64))
}

#[cfg(test)]
mod tests {
    use crate::load::sample::ThreadTime;
    use crate::observe::HistogramSnapshot;

    use super::*;

    fn thread(id: u32, cpu_us: u64) -> ThreadTime {
        let core = Core::Shard(id as usize);
        ThreadTime { id, core, cpu_us }
    }

    fn recorded(buckets: &[(u64, u64)]) -> HistogramSnapshot {
        HistogramSnapshot {
            buckets: buckets.to_vec(),
            sum_us: buckets.iter().map(|(us, count)| us * count).sum(),
        }
    }

    /// Returns a part in percent.
    fn ratio_of(parts: &Parts, part: Part) -> i64 {
        (parts.ratios[part as usize] * 100.0).round() as i64
    }

    #[test]
    fn each_part_has_its_own_measure() {
        let full = LoadConfig {
            egress: Some(1000),
            memory: Some(500),
            ..LoadConfig::default()
        };
        let mut window = SampleWindow::default();
        window.add(
            LoadSample {
                threads: vec![thread(1, 7_000), thread(2, 0)],
                ..LoadSample::default()
            },
            &full,
        );
        let sample = LoadSample {
            at_us: 500_000,
            threads: vec![thread(1, 8_000), thread(2, 150_000), thread(3, 900_000)],
            egress_bytes: 250,
            lag: recorded(&[(20_000, 3)]),
            queued_bytes: 64 * 1024 * 1024,
            sockets: 30,
            max_connections: 100,
            resident_bytes: 100,
            memory_bytes: 7,
            upgraded: 0,
        };
        let parts = window.add(sample, &full);
        assert_eq!(ratio_of(&parts, Part::Cpu), 40, "30 % of a core in 75 %");
        let busiest = Some(Core::Shard(2));
        assert_eq!(
            parts.busiest, busiest,
            "the third thread is younger than the window"
        );
        assert_eq!(ratio_of(&parts, Part::Egress), 50);
        assert_eq!(ratio_of(&parts, Part::Lag), 40);
        assert_eq!(ratio_of(&parts, Part::Queued), 25);
        assert_eq!(ratio_of(&parts, Part::Descriptors), 30);
        assert_eq!(ratio_of(&parts, Part::Memory), 20);
        assert_eq!(parts.largest().0, Part::Egress);
    }

    #[test]
    fn threads_that_share_a_core_count_together() {
        let names = [
            "fanfare",
            "ingest",
            "control",
            "ZMQbg/0",
            "ZMQbg/IO/0",
            "shard-0-1",
            "shard-1-2",
        ];
        let part = |shard_on_ingest_core, spent_ms: [u64; 7]| {
            let mut window = SampleWindow::default();
            let mut add = |at_us, spent_ms: [u64; 7]| {
                let threads = (0..)
                    .zip(names)
                    .zip(spent_ms)
                    .map(|((id, name), spent_ms)| ThreadTime {
                        id,
                        core: Core::of_thread(name, shard_on_ingest_core),
                        cpu_us: spent_ms * 1000,
                    });
                let sample = LoadSample {
                    at_us,
                    threads: threads.collect(),
                    ..LoadSample::default()
                };
                window.add(sample, &LoadConfig::default())
            };
            add(0, [0; 7]);
            let parts = add(1_000_000, spent_ms);
            let busiest = parts.busiest.map(|core| core.to_string());
            (ratio_of(&parts, Part::Cpu), busiest.unwrap_or_default())
        };
        let apart = part(None, [0, 250, 50, 0, 300, 400, 450]);
        assert_eq!(apart, (80, "ingest".into()), "60 % of a core in 75 %");
        assert_eq!(
            part(None, [0, 50, 0, 0, 50, 90, 150]),
            (20, "shard-1".into())
        );
        let shared = part(Some(1), [0, 50, 0, 0, 100, 90, 150]);
        assert_eq!(shared, (40, "ingest".into()));
    }

    #[test]
    fn rates_are_those_of_the_last_second() {
        let full = LoadConfig {
            egress: Some(100),
            ..LoadConfig::default()
        };
        let mut window = SampleWindow::default();
        let mut egress_bytes = 0;
        for tenth in 0..100 {
            // A burst once per second is a steady load.
            egress_bytes += if tenth % 10 == 3 { 50 } else { 0 };
            let sample = LoadSample {
                at_us: tenth * 100_000,
                egress_bytes,
                ..LoadSample::default()
            };
            let parts = window.add(sample, &full);
            if tenth >= 10 {
                assert_eq!(ratio_of(&parts, Part::Egress), 50);
            }
        }
        assert_eq!(window.samples.len(), 11);
    }

    #[test]
    fn the_lag_is_the_p99_of_the_last_second() {
        let mut window = SampleWindow::default();
        let mut lags = Vec::new();
        for tenth in 0..30 {
            // In all, 1,000 values at 0.1 s, of which 11 are late, and 1,000 in time at 1.5 s.
            let mut buckets = vec![];
            if tenth >= 1 {
                buckets = vec![(1_000, 989), (50_000, 11)];
            }
            if tenth >= 15 {
                buckets[0].1 += 1_000;
            }
            let sample = LoadSample {
                at_us: tenth * 100_000,
                lag: recorded(&buckets),
                ..LoadSample::default()
            };
            lags.push(ratio_of(
                &window.add(sample, &LoadConfig::default()),
                Part::Lag,
            ));
        }
        let expected = [(0, 1), (100, 10), (0, 4), (2, 10), (0, 5)];
        let expected: Vec<i64> = expected
            .into_iter()
            .flat_map(|(lag, tenths)| [lag].repeat(tenths))
            .collect();
        assert_eq!(lags, expected);
    }

    #[test]
    fn a_first_sample_has_no_rates() {
        let parts = SampleWindow::default().add(LoadSample::default(), &LoadConfig::default());
        assert!(parts.largest().1.abs() < 1e-9);
    }
}
