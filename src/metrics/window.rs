//! The figures of the last ten seconds: the difference of two readings. No clock, no IO. Control
//! and service thread.

use std::collections::VecDeque;

use crate::limits::METRICS_WINDOW;
use crate::observe::{Flow, PipelineStage};

use super::reading::{Delays, Reading};

const WINDOW_US: u64 = METRICS_WINDOW.as_micros() as u64;

/// The quantiles that metrics show, with their labels. The last one is the largest value.
pub(super) const QUANTILES: [(&str, f64); 4] =
    [("0.5", 0.5), ("0.99", 0.99), ("0.999", 0.999), ("1", 1.0)];

/// Two readings.
#[derive(Clone, Debug)]
pub(crate) struct Interval {
    from: Reading,
    pub(crate) to: Reading,
}

impl Interval {
    /// Returns the time between the readings in microseconds.
    pub(super) fn length_us(&self) -> u64 {
        self.to.at_us - self.from.at_us
    }

    /// Returns for each stage of the pipeline its flow since the start of the process, and its flow
    /// in the interval.
    pub(super) fn flows(&self) -> [(PipelineStage, Flow, Flow); 4] {
        let (from, to) = (self.from.flows(), self.to.flows());
        std::array::from_fn(|index| {
            let in_interval = to[index].since(from[index]);
            (PipelineStage::ALL[index], to[index], in_interval)
        })
    }

    /// Returns the values that each shard recorded in the interval.
    pub(super) fn shard_delays(&self) -> Vec<Delays> {
        let mut shards = Vec::new();
        for (index, to) in self.to.shards.iter().enumerate() {
            shards.push(match self.from.shards.get(index) {
                Some(from) => to.delays.since(&from.delays),
                None => to.delays.clone(), // The interval begins with the process.
            });
        }
        shards
    }

    /// Returns the values that all shards recorded in the interval.
    pub(super) fn delays(&self) -> Delays {
        Delays::merge(self.shard_delays().iter())
    }
}

/// The readings of the last [`METRICS_WINDOW`].
#[derive(Debug, Default)]
pub(super) struct ReadingWindow {
    readings: VecDeque<Reading>,
}

impl ReadingWindow {
    /// Adds a reading and removes those that are not needed any more. Add one every
    /// [`METRICS_SAMPLE_INTERVAL`](crate::limits::METRICS_SAMPLE_INTERVAL).
    pub(super) fn push(&mut self, reading: Reading) {
        let now_us = reading.at_us;
        self.readings.push_back(reading);
        // The first reading is not needed once the second one is old enough to begin an interval.
        while self
            .readings
            .get(1)
            .is_some_and(|second| second.at_us + WINDOW_US <= now_us)
        {
            self.readings.pop_front();
        }
    }

    /// Returns the interval that ends with `to`. It begins with the youngest reading that is at
    /// least [`METRICS_WINDOW`] older, else with the oldest reading, else with the start of the
    /// process.
    pub(super) fn interval_to(&self, to: Reading) -> Interval {
        let is_old_enough = |from: &&Reading| from.at_us + WINDOW_US <= to.at_us;
        let from = self.readings.iter().rev().find(is_old_enough);
        let from = from.or_else(|| self.readings.front()).cloned();
        Interval {
            from: from.unwrap_or_default(),
            to,
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::limits::METRICS_SAMPLE_INTERVAL;
    use crate::metrics::reading::ShardReading;
    use crate::observe::{HistogramSnapshot, IngestCounts};

    use super::*;

    const READING_US: u64 = METRICS_SAMPLE_INTERVAL.as_micros() as u64;
    const SECOND_US: u64 = 1_000_000;

    fn reading(at_us: u64, ingest: &IngestCounts, shards: &[&[(u64, u64)]]) -> Reading {
        let shard = |buckets: &&[(u64, u64)]| ShardReading {
            delays: Delays {
                delivery: HistogramSnapshot {
                    buckets: buckets.to_vec(),
                    sum_us: 0,
                },
                ..Default::default()
            },
            ..Default::default()
        };
        Reading {
            at_us,
            ingest: *ingest,
            shards: shards.iter().map(shard).collect(),
        }
    }

    fn received(received_pull: u64, accepted: u64) -> IngestCounts {
        IngestCounts {
            received_pull,
            accepted,
            ..Default::default()
        }
    }

    /// Returns a window with readings of `counts` up to `seconds`.
    fn window(seconds: u64, counts: impl Fn(u64) -> IngestCounts) -> ReadingWindow {
        let mut window = ReadingWindow::default();
        for at_us in (0..=seconds * SECOND_US).step_by(READING_US as usize) {
            window.push(reading(at_us, &counts(at_us), &[]));
        }
        window
    }

    #[test]
    fn an_interval_is_ten_seconds_long_and_older_readings_are_removed() {
        let window = window(60, |at_us| received(at_us / 1000, at_us / 1000));
        assert!(window.readings.len() as u64 <= WINDOW_US / READING_US + 2);
        let now_us = 60 * SECOND_US + 1;
        let interval = window.interval_to(reading(now_us, &received(60_000, 60_000), &[]));
        assert!((WINDOW_US..WINDOW_US + READING_US).contains(&interval.length_us()));
        let (stage, _, flow) = interval.flows()[0];
        assert_eq!(
            (stage, flow.entered, flow.difference()),
            (PipelineStage::Check, 10_000, 0)
        );
    }

    #[test]
    fn the_first_interval_begins_with_the_process() {
        let interval =
            ReadingWindow::default().interval_to(reading(5, &received(3, 2), &[&[(7, 1)]]));
        assert_eq!(interval.length_us(), 5);
        assert_eq!(interval.flows()[0].2.difference(), 1);
        assert_eq!(interval.delays().delivery.count(), 1);
    }

    #[test]
    fn a_loss_of_one_percent_of_1500_a_second_is_visible_for_two_scrapes() {
        // From second 20 to 30, 1 % is lost.
        let lost = |at_us: u64| at_us.clamp(20 * SECOND_US, 30 * SECOND_US) * 15 / SECOND_US - 300;
        let counts = |at_us| {
            let all = at_us * 1500 / SECOND_US;
            received(all, all - lost(at_us))
        };
        let difference = |seconds: u64| {
            let at_us = seconds * SECOND_US;
            let interval = window(seconds, counts).interval_to(reading(at_us, &counts(at_us), &[]));
            interval.flows()[0].2.difference()
        };
        assert_eq!([5, 20].map(difference), [0, 0]);
        assert_eq!([25, 30].map(difference), [75, 150]);
        assert_eq!([42, 60].map(difference), [0, 0]);
    }

    #[test]
    fn quantiles_are_computed_from_all_shards_together() {
        // 990 fast and 10 slow values in one shard, 9 slow values in the other. The mean of the
        // shards' quantiles would be different.
        let (fast, slow) = (1_000, 50_000);
        let shards = [&[(fast, 990), (slow, 10)][..], &[(slow, 9)]];
        let window = ReadingWindow::default();
        let merged = window
            .interval_to(reading(1, &received(0, 0), &shards))
            .delays();
        let of = |quantile| merged.delivery.quantile_us(quantile).unwrap();
        let near = |value: u64, wanted: u64| value.abs_diff(wanted) * 1000 <= wanted;
        assert!(near(of(0.5), fast) && near(of(0.98), fast));
        assert!(
            near(of(0.99), slow) && near(of(1.0), slow),
            "19 of 1,009 are slow"
        );
        assert_eq!(merged.lag.quantile_us(0.5), None);
    }
}
