//! What happened in the last ten seconds: readings of all counters, and the difference of two.
//! No clock, no IO. Control thread.

use std::collections::VecDeque;

use hdrhistogram::Histogram;

use crate::fabric::Fabric;
use crate::limits::METRICS_WINDOW;
use crate::observe::{Counts, Flow, HistogramSnapshot, IngestCounts, PipelineStage, ShardCounts};

const WINDOW_US: u64 = METRICS_WINDOW.as_micros() as u64;

/// The quantiles that are shown, as labels and in [`hdrhistogram`]'s terms. The last is the
/// largest value.
pub(super) const QUANTILES: [(&str, f64); 4] =
    [("0.5", 0.5), ("0.99", 0.99), ("0.999", 0.999), ("1", 1.0)];

/// All counters and histograms of the process at one moment.
#[derive(Clone, Debug, Default)]
pub(super) struct Reading {
    pub(super) at_us: u64,
    pub(super) ingest: IngestCounts,
    pub(super) shards: Vec<ShardReading>,
}

/// One shard's part.
#[derive(Clone, Debug, Default)]
pub(super) struct ShardReading {
    pub(super) counts: ShardCounts,
    pub(super) delays: Delays,
}

/// Where time goes: the three histograms of a shard, or of all of them.
#[derive(Clone, Debug, Default)]
pub(super) struct Delays<T = HistogramSnapshot> {
    /// From arrival at the ingest socket to the end of the send, per delivery.
    pub(super) delivery: T,
    /// The length of a turn.
    pub(super) turn: T,
    /// How late a shard got to what was due.
    pub(super) lag: T,
}

impl<T> Delays<T> {
    /// Each with its name and what it is.
    pub(super) fn each(&self) -> [(&'static str, &'static str, &T); 3] {
        let delivery = "From arrival at the ingest socket to the end of the send, per delivery";
        let lag = "How late a shard got to what was due: batches on its lane, and deadlines";
        [
            ("delivery", delivery, &self.delivery),
            ("turn", "Length of the turns of a shard", &self.turn),
            ("lag", lag, &self.lag),
        ]
    }
}

/// Values in microseconds, within 0.1 % of the histograms they were merged from.
pub(super) type Merged = Histogram<u64>;

impl Reading {
    pub(super) fn of(fabric: &Fabric) -> Self {
        let shards = fabric.shards.iter().map(|shard| ShardReading {
            counts: shard.counts.load(),
            delays: Delays {
                delivery: shard.latency.snapshot(),
                turn: shard.turn.snapshot(),
                lag: shard.lag.snapshot(),
            },
        });
        Self {
            at_us: fabric.clock.now_us(),
            ingest: fabric.ingest_counts.load(),
            shards: shards.collect(),
        }
    }

    /// The shards' counters, summed.
    pub(super) fn total(&self) -> ShardCounts {
        let mut total = ShardCounts::default();
        self.shards
            .iter()
            .for_each(|shard| total.add(&shard.counts));
        total
    }

    /// What all shards recorded since the start, merged.
    pub(super) fn delays(&self) -> Delays {
        let shards = || self.shards.iter().map(|shard| &shard.delays);
        Delays {
            delivery: HistogramSnapshot::merge(shards().map(|it| &it.delivery)),
            turn: HistogramSnapshot::merge(shards().map(|it| &it.turn)),
            lag: HistogramSnapshot::merge(shards().map(|it| &it.lag)),
        }
    }

    /// What passed each stage since the start.
    pub(super) fn flows(&self) -> [Flow; 4] {
        let total = self.total();
        PipelineStage::ALL.map(|stage| stage.flow(&self.ingest, &total))
    }
}

/// Two readings and what lies between them.
#[derive(Clone, Debug)]
pub(super) struct Interval {
    from: Reading,
    pub(super) to: Reading,
}

impl Interval {
    /// Microseconds between the two.
    pub(super) fn length_us(&self) -> u64 {
        self.to.at_us - self.from.at_us
    }

    /// What passed each stage since the start, and between the two.
    pub(super) fn flows(&self) -> [(PipelineStage, Flow, Flow); 4] {
        let (from, to) = (self.from.flows(), self.to.flows());
        std::array::from_fn(|index| {
            (
                PipelineStage::ALL[index],
                to[index],
                to[index].since(from[index]),
            )
        })
    }

    /// What each shard recorded.
    pub(super) fn shards(&self) -> Vec<Delays> {
        let pairs = self.to.shards.iter().enumerate();
        let delays = pairs.map(|(index, to)| {
            let (to, from) = (&to.delays, self.from.shards.get(index));
            let since = |to: &HistogramSnapshot, from: Option<&HistogramSnapshot>| {
                from.map_or_else(|| to.clone(), |from| to.since(from))
            };
            let from = from.map(|from| &from.delays);
            Delays {
                delivery: since(&to.delivery, from.map(|from| &from.delivery)),
                turn: since(&to.turn, from.map(|from| &from.turn)),
                lag: since(&to.lag, from.map(|from| &from.lag)),
            }
        });
        delays.collect()
    }

    /// What all shards recorded, merged: the p99 of two shards is no mean of their p99s.
    pub(super) fn delays(&self) -> Delays<Merged> {
        merge(self.shards().iter())
    }
}

/// The latest readings: enough to look back over [`METRICS_WINDOW`].
#[derive(Debug, Default)]
pub(super) struct Window {
    readings: VecDeque<Reading>,
}

impl Window {
    /// Keeps a reading. One reading per `METRICS_SAMPLE_INTERVAL` is enough.
    pub(super) fn keep(&mut self, reading: Reading) {
        let now_us = reading.at_us;
        self.readings.push_back(reading);
        // The second one is old enough to look back to: the first is not needed any more.
        while self
            .readings
            .get(1)
            .is_some_and(|second| second.at_us + WINDOW_US <= now_us)
        {
            self.readings.pop_front();
        }
    }

    /// From the youngest reading that is at least [`METRICS_WINDOW`] old, or the oldest there is,
    /// to `to`. Without any it is from the start.
    pub(super) fn until(&self, to: Reading) -> Interval {
        let mut readings = self.readings.iter().rev();
        let from = readings.find(|from| from.at_us + WINDOW_US <= to.at_us);
        let from = from.or_else(|| self.readings.front()).cloned();
        Interval {
            from: from.unwrap_or_default(),
            to,
        }
    }
}

/// The value at a quantile, and `None` if there is no value.
pub(super) fn quantile_us(histogram: &Merged, quantile: f64) -> Option<u64> {
    (!histogram.is_empty()).then(|| histogram.value_at_quantile(quantile))
}

/// One histogram of each kind from those of several shards.
pub(super) fn merge<'a>(shards: impl Iterator<Item = &'a Delays>) -> Delays<Merged> {
    let empty = || Merged::new(3).expect("three significant digits are allowed");
    let mut merged = Delays {
        delivery: empty(),
        turn: empty(),
        lag: empty(),
    };
    for shard in shards {
        for (into, from) in [
            (&mut merged.delivery, &shard.delivery),
            (&mut merged.turn, &shard.turn),
            (&mut merged.lag, &shard.lag),
        ] {
            for (upper_us, count) in &from.buckets {
                let recorded = into.record_n(*upper_us, *count);
                recorded.expect("the histogram grows with its values");
            }
        }
    }
    merged
}

#[cfg(test)]
mod tests {
    use super::*;

    use crate::limits::METRICS_SAMPLE_INTERVAL;

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

    /// A window that was fed as `counts` says until `seconds`.
    fn fed(seconds: u64, counts: impl Fn(u64) -> IngestCounts) -> Window {
        let mut window = Window::default();
        for at_us in (0..=seconds * SECOND_US).step_by(READING_US as usize) {
            window.keep(reading(at_us, &counts(at_us), &[]));
        }
        window
    }

    #[test]
    fn it_looks_back_ten_seconds_and_keeps_no_more() {
        let window = fed(60, |at_us| received(at_us / 1000, at_us / 1000));
        assert!(window.readings.len() as u64 <= WINDOW_US / READING_US + 2);
        let now_us = 60 * SECOND_US + 1;
        let interval = window.until(reading(now_us, &received(60_000, 60_000), &[]));
        assert!((WINDOW_US..WINDOW_US + READING_US).contains(&interval.length_us()));
        let (stage, _, flow) = interval.flows()[0];
        assert_eq!(
            (stage, flow.entered, flow.difference()),
            (PipelineStage::Check, 10_000, 0)
        );
    }

    #[test]
    fn before_anything_was_read_it_reaches_to_the_start() {
        let interval = Window::default().until(reading(5, &received(3, 2), &[&[(7, 1)]]));
        assert_eq!(interval.length_us(), 5);
        assert_eq!(interval.flows()[0].2.difference(), 1);
        assert_eq!(interval.delays().delivery.len(), 1);
    }

    #[test]
    fn one_percent_of_1500_a_second_shows_within_two_scrapes_and_goes_again() {
        // 1 % is lost from second 20 to 30.
        let lost = |at_us: u64| at_us.clamp(20 * SECOND_US, 30 * SECOND_US) * 15 / SECOND_US - 300;
        let counts = |at_us| {
            let all = at_us * 1500 / SECOND_US;
            received(all, all - lost(at_us))
        };
        let difference = |seconds: u64| {
            let at_us = seconds * SECOND_US;
            let interval = fed(seconds, counts).until(reading(at_us, &counts(at_us), &[]));
            interval.flows()[0].2.difference()
        };
        assert_eq!([5, 20].map(difference), [0, 0]);
        assert_eq!([25, 30].map(difference), [75, 150]);
        assert_eq!([42, 60].map(difference), [0, 0]);
    }

    #[test]
    fn quantiles_are_those_of_all_shards_together() {
        // 99 fast ones and one slow one here, nine slow ones there: means would say otherwise.
        let (fast, slow) = (1_000, 50_000);
        let shards = [&[(fast, 990), (slow, 10)][..], &[(slow, 9)]];
        let window = Window::default();
        let merged = window.until(reading(1, &received(0, 0), &shards)).delays();
        let of = |quantile| quantile_us(&merged.delivery, quantile).unwrap();
        let near = |value: u64, wanted: u64| value.abs_diff(wanted) * 1000 <= wanted;
        assert!(near(of(0.5), fast) && near(of(0.98), fast));
        assert!(
            near(of(0.99), slow) && near(of(1.0), slow),
            "19 of 1,009 are slow"
        );
        assert_eq!(quantile_us(&merged.lag, 0.5), None);
    }
}
