//! A run over time: deliveries, latency and the server's CPU in each interval. Receiving thread.

use hdrhistogram::Histogram;
use serde_json::{Value, json};

use crate::latency;
use crate::process::{Meter, Process};

/// Fine enough to show a stall, and long enough for a p99 and for CPU times of 10 ms steps.
pub const INTERVAL_US: u64 = 250_000;

/// What happened in one interval.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Interval {
    /// Its end, seconds since the start of the timeline.
    pub end_s: f64,
    pub deliveries_per_second: f64,
    /// `None`: nothing was timed in it.
    pub latency: Option<Percentiles>,
    /// Of one core; `None`: the server's process is not known.
    pub server_cpu_percent: Option<f64>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Percentiles {
    pub p50_us: u64,
    pub p99_us: u64,
}

/// Records a run.
#[derive(Debug)]
pub struct Timeline {
    start_us: u64,
    /// The end of the current interval.
    end_us: u64,
    deliveries: u64,
    latency: Histogram<u64>,
    server: Option<Process>,
    meter: Option<Meter>,
    intervals: Vec<Interval>,
}

impl Timeline {
    /// Starts at `now_us`.
    pub fn start(server: Option<Process>, now_us: u64) -> Self {
        Self {
            start_us: now_us,
            end_us: now_us + INTERVAL_US,
            deliveries: 0,
            latency: latency::histogram(),
            server,
            meter: server.and_then(|server| Meter::start(server).ok()),
            intervals: Vec::new(),
        }
    }

    pub fn start_us(&self) -> u64 {
        self.start_us
    }

    /// A delivery came, and took so long.
    pub fn note(&mut self, now_us: u64, latency_us: u64) {
        self.count(now_us);
        latency::record(&mut self.latency, latency_us);
    }

    /// A delivery came that is not timed.
    pub fn count(&mut self, now_us: u64) {
        if now_us >= self.end_us {
            self.close(now_us);
        }
        self.deliveries += 1;
    }

    /// What was recorded; the interval that `now_us` cuts is left out.
    pub fn finish(mut self, now_us: u64) -> Vec<Interval> {
        self.close(now_us);
        self.intervals
    }

    /// Closes every interval that has passed: the first has what came, the others nothing.
    fn close(&mut self, now_us: u64) {
        // The server ran through all of them, so its share is that of the whole time.
        let cpu_percent = self.meter.and_then(|meter| meter.percent().ok());
        while now_us >= self.end_us {
            let timed = !self.latency.is_empty();
            let percentiles = Percentiles {
                p50_us: self.latency.value_at_quantile(0.5),
                p99_us: self.latency.value_at_quantile(0.99),
            };
            self.intervals.push(Interval {
                end_s: (self.end_us - self.start_us) as f64 / 1e6,
                deliveries_per_second: self.deliveries as f64 * 1e6 / INTERVAL_US as f64,
                latency: timed.then_some(percentiles),
                server_cpu_percent: cpu_percent,
            });
            self.deliveries = 0;
            self.latency.reset();
            self.end_us += INTERVAL_US;
        }
        self.meter = self.server.and_then(|server| Meter::start(server).ok());
    }
}

/// The intervals for programs, one array for each figure.
pub fn json(intervals: &[Interval]) -> Value {
    let each = |value: fn(&Interval) -> Value| intervals.iter().map(value).collect::<Vec<_>>();
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
    fn a_stall_is_intervals_without_deliveries() {
        let mut timeline = Timeline::start(None, 1_000_000);
        for nth in 0..100 {
            timeline.note(1_000_000 + nth * 1000, 1 + nth);
        }
        // Nothing for two intervals and a bit, then one that is late and one that is not timed.
        timeline.note(1_800_000, 700_000);
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
    fn an_interval_that_has_not_ended_is_left_out() {
        let mut timeline = Timeline::start(Some(Process::own()), 0);
        timeline.note(10, 1);
        assert_eq!(timeline.finish(INTERVAL_US - 1), []);
        let mut timeline = Timeline::start(Some(Process::own()), 0);
        timeline.note(10, 1);
        let intervals = timeline.finish(INTERVAL_US);
        assert_eq!(intervals.len(), 1);
        assert!(intervals[0].server_cpu_percent.is_some());
    }
}
