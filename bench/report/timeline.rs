//! Deliveries, latency and CPU of the server over time, by interval. Receiving thread.

use hdrhistogram::Histogram;
use serde_json::{Value, json};

use crate::report::latency;
use crate::report::process::{CpuMeter, Process};

/// Length of an interval: short enough to show a stall, and long enough for a p99 and for CPU times
/// in steps of 10 ms.
pub const INTERVAL_US: u64 = 250_000;

/// The figures of one interval.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct TimelineInterval {
    /// End of the interval in seconds since the start of the timeline.
    pub end_s: f64,
    pub deliveries_per_second: f64,
    /// `None` if no delivery was timed in the interval.
    pub latency: Option<IntervalLatency>,
    /// Share of one core. `None` if the process of the server is not known.
    pub server_cpu_percent: Option<f64>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IntervalLatency {
    pub p50_us: u64,
    pub p99_us: u64,
}

/// Records deliveries, latency and CPU by interval.
#[derive(Debug)]
pub struct Timeline {
    start_us: u64,
    /// End of the current interval.
    end_us: u64,
    deliveries: u64,
    latency: Histogram<u64>,
    server: Option<Process>,
    meter: Option<CpuMeter>,
    intervals: Vec<TimelineInterval>,
}

impl Timeline {
    /// Starts a timeline at `now_us`.
    pub fn start(server: Option<Process>, now_us: u64) -> Self {
        Self {
            start_us: now_us,
            end_us: now_us + INTERVAL_US,
            deliveries: 0,
            latency: latency::histogram(),
            server,
            meter: server.and_then(|server| CpuMeter::start(server).ok()),
            intervals: Vec::new(),
        }
    }

    pub fn start_us(&self) -> u64 {
        self.start_us
    }

    /// Records a delivery and its latency.
    pub fn record(&mut self, now_us: u64, latency_us: u64) {
        self.count(now_us);
        latency::record(&mut self.latency, latency_us);
    }

    /// Records a delivery without its latency.
    pub fn count(&mut self, now_us: u64) {
        if now_us >= self.end_us {
            self.close(now_us);
        }
        self.deliveries += 1;
    }

    /// Returns the intervals. The interval that contains `now_us` is incomplete and left out.
    pub fn finish(mut self, now_us: u64) -> Vec<TimelineInterval> {
        self.close(now_us);
        self.intervals
    }

    /// Ends every interval that has passed. The deliveries belong to the first of them.
    fn close(&mut self, now_us: u64) {
        // CPU time is read once for all of these intervals, so they have the same share.
        let cpu_percent = self.meter.and_then(|meter| meter.percent().ok());
        while now_us >= self.end_us {
            let timed = !self.latency.is_empty();
            let percentiles = IntervalLatency {
                p50_us: self.latency.value_at_quantile(0.5),
                p99_us: self.latency.value_at_quantile(0.99),
            };
            self.intervals.push(TimelineInterval {
                end_s: (self.end_us - self.start_us) as f64 / 1e6,
                deliveries_per_second: self.deliveries as f64 * 1e6 / INTERVAL_US as f64,
                latency: timed.then_some(percentiles),
                server_cpu_percent: cpu_percent,
            });
            self.deliveries = 0;
            self.latency.reset();
            self.end_us += INTERVAL_US;
        }
        self.meter = self.server.and_then(|server| CpuMeter::start(server).ok());
    }
}

/// Returns the intervals as JSON with one array for each figure.
pub fn json(intervals: &[TimelineInterval]) -> Value {
    let each =
        |value: fn(&TimelineInterval) -> Value| intervals.iter().map(value).collect::<Vec<_>>();
    json!({
        "end_s": each(|interval| interval.end_s.into()),
        "deliveries_per_second": each(|interval| interval.deliveries_per_second.into()),
        "latency_p50_us": each(|interval| interval.latency.map(|latency| latency.p50_us).into()),
        "latency_p99_us": each(|interval| interval.latency.map(|latency| latency.p99_us).into()),
        "server_cpu_percent": each(|interval| interval.server_cpu_percent.into()),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stall_shows_as_intervals_without_deliveries() {
        let mut timeline = Timeline::start(None, 1_000_000);
        for nth in 0..100 {
            timeline.record(1_000_000 + nth * 1000, 1 + nth);
        }
        // No delivery for more than two intervals, then a late one and one that is not timed.
        timeline.record(1_800_000, 700_000);
        timeline.count(1_800_001);
        let intervals = timeline.finish(2_100_000);
        let rates: Vec<_> = intervals
            .iter()
            .map(|interval| interval.deliveries_per_second)
            .collect();
        assert_eq!(rates, [400.0, 0.0, 0.0, 8.0]);
        let p50 = |nth: usize| intervals[nth].latency.map(|latency| latency.p50_us);
        assert_eq!((p50(0), p50(1)), (Some(50), None));
        assert!(p50(3).is_some_and(|p50_us| p50_us.abs_diff(700_000) < 1000));
        assert!((intervals[3].end_s - 1.0).abs() < 1e-9);
        assert_eq!(json(&intervals)["latency_p50_us"][1], Value::Null);
    }

    #[test]
    fn an_incomplete_interval_is_left_out() {
        let mut timeline = Timeline::start(Some(Process::own()), 0);
        timeline.record(10, 1);
        assert_eq!(timeline.finish(INTERVAL_US - 1), []);
        let mut timeline = Timeline::start(Some(Process::own()), 0);
        timeline.record(10, 1);
        let intervals = timeline.finish(INTERVAL_US);
        assert_eq!(intervals.len(), 1);
        assert!(intervals[0].server_cpu_percent.is_some());
    }
}
