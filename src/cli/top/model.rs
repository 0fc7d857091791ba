//! Computes the figures of a screen from two samples of a node. The time between the samples is the
//! difference of the node's uptimes, so this module needs no clock.

use super::node::{Health, Quantiles, Sample, Shard, Slow, Stats};

/// The figures of a screen. Rates are per second. A rate is `None` if there is no earlier sample of
/// the same process: for the first sample, and after a restart of the node.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Screen {
    /// HOST:PORT of the admin port.
    pub(super) address: String,
    pub(super) version: String,
    pub(super) uptime_s: f64,
    pub(super) health: Health,
    pub(super) connections: u64,
    pub(super) max_connections: u64,
    pub(super) pending: u64,
    /// Received messages, including rejected ones.
    pub(super) received: Option<f64>,
    pub(super) rejected: Option<f64>,
    pub(super) written: Option<f64>,
    pub(super) written_bytes: Option<f64>,
    /// Dropped deliveries by reason. The reason `lane` counts publications that were dropped
    /// because the lane of a shard was full.
    pub(super) dropped: Vec<(String, Option<f64>)>,
    pub(super) latency_us: Option<Quantiles>,
    pub(super) lag_us: Option<Quantiles>,
    pub(super) shards: Vec<ShardRow>,
    pub(super) slow: Vec<Slow>,
    pub(super) silent_shards: Vec<usize>,
    /// The error of the last query. If it is set, the figures are those of an earlier sample.
    pub(super) error: Option<String>,
    /// The age of the figures in seconds, if the node has not answered for longer than it should.
    pub(super) outdated_s: Option<u64>,
}

/// The figures of one shard.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct ShardRow {
    pub(super) connections: u64,
    pub(super) topics: u64,
    pub(super) matched: Option<f64>,
    pub(super) written: Option<f64>,
    pub(super) pending: u64,
    /// Batches on the lane.
    pub(super) lane: u64,
    pub(super) turns: Option<f64>,
    pub(super) parks: Option<f64>,
    /// Share of time that turns took, 0 to 1.
    pub(super) busy: Option<f64>,
}

/// The time between two samples of the same process.
struct Interval {
    seconds: f64,
}

impl Interval {
    /// Returns `None` if the node was restarted between the samples, or no time has passed.
    fn between(before: &Stats, after: &Stats) -> Option<Self> {
        let seconds = after.uptime_s - before.uptime_s;
        let same_shards = before.shards.len() == after.shards.len();
        (seconds > 0.0 && same_shards).then_some(Self { seconds })
    }

    /// Returns `None` if the counter decreased, which means that the node was restarted.
    fn rate(&self, before: u64, after: u64) -> Option<f64> {
        let grown = after.checked_sub(before)?;
        Some(grown as f64 / self.seconds)
    }
}

/// Computes rates between two samples, if there are two.
struct Rates<'a> {
    before: Option<(&'a Stats, Interval)>,
    after: &'a Stats,
}

impl Rates<'_> {
    /// Returns the rate of one counter.
    fn of(&self, figure: impl Fn(&Stats) -> u64) -> Option<f64> {
        let (before, interval) = self.before.as_ref()?;
        interval.rate(figure(before), figure(self.after))
    }
}

impl Screen {
    /// Returns the figures of `after`, with rates since `before`.
    pub(super) fn of(before: Option<&Sample>, after: &Sample) -> Self {
        let stats = &after.stats;
        let rates = Rates {
            before: before
                .and_then(|before| Some((&before.stats, Interval::between(&before.stats, stats)?))),
            after: stats,
        };
        Self {
            address: after.address.clone(),
            version: stats.version.clone(),
            uptime_s: stats.uptime_s,
            health: after.health.clone(),
            connections: stats.total.connections,
            max_connections: stats.max_connections,
            pending: stats.total.pending,
            received: rates.of(|stats| stats.ingest.received.values().sum()),
            rejected: rates.of(|stats| stats.ingest.rejected.values().sum()),
            written: rates.of(|stats| stats.total.written),
            written_bytes: rates.of(|stats| stats.total.written_bytes),
            dropped: dropped(&rates),
            latency_us: not_empty(stats.total.latency_us),
            lag_us: not_empty(stats.total.lag_us),
            shards: (0..stats.shards.len())
                .map(|index| shard(index, &rates))
                .collect(),
            slow: after.connections.connections.clone(),
            silent_shards: after.connections.silent_shards.clone(),
            error: None,
            outdated_s: None,
        }
    }

    /// Returns the rate of drops for all reasons.
    pub(super) fn total_dropped(&self) -> Option<f64> {
        let rates = self.dropped.iter().map(|(_, rate)| *rate);
        rates.sum()
    }
}

/// Returns `None` if there are no values.
fn not_empty(quantiles: Option<Quantiles>) -> Option<Quantiles> {
    quantiles.filter(|quantiles| quantiles.count > 0)
}

fn dropped(rates: &Rates<'_>) -> Vec<(String, Option<f64>)> {
    let count = |stats: &Stats, reason: &str| stats.total.dropped.get(reason).copied();
    let reasons = rates.after.total.dropped.keys();
    let mut dropped: Vec<_> = reasons
        .map(|reason| {
            let rate = rates.of(|stats| count(stats, reason).unwrap_or(0));
            (reason.clone(), rate)
        })
        .collect();
    let lane = rates.of(|stats| stats.ingest.lane_dropped);
    dropped.push(("lane".into(), lane));
    dropped
}

fn shard(index: usize, rates: &Rates<'_>) -> ShardRow {
    let now = &rates.after.shards[index];
    let rate = |figure: fn(&Shard) -> u64| rates.of(|stats| figure(&stats.shards[index]));
    let busy_us = now
        .busy_us
        .and_then(|_| rate(|shard| shard.busy_us.unwrap_or(0)));
    ShardRow {
        connections: now.connections,
        topics: now.topics,
        matched: rate(|shard| shard.matched),
        written: rate(|shard| shard.written),
        pending: now.pending,
        lane: now.lane_queued_batches,
        turns: rate(|shard| shard.turns),
        parks: rate(|shard| shard.parks),
        busy: busy_us.map(|busy_us| busy_us / 1e6),
    }
}

#[cfg(test)]
pub(super) mod tests {
    use serde_json::json;

    use super::*;

    /// Returns a sample of a node with two shards after `uptime_s`, with counters that are
    /// multiples of `step`.
    pub(in super::super) fn sample(uptime_s: f64, step: u64) -> Sample {
        let shard = |scale: u64| {
            json!({
                "connections": 1750 * scale, "topics": 20 * scale, "matched": 40 * step * scale,
                "written": 30 * step * scale, "written_bytes": 6_000 * step * scale,
                "dropped": { "slow": step * scale, "oldest": 0 }, "pending": 12 * scale,
                "lane_queued_batches": scale, "turns": 7 * step, "parks": 3 * step,
                "busy_us": 250_000 * step, "delivery_us":
                { "p50": 900, "p99": 14_000, "p999": 20_000, "max": 31_000, "count": 5 },
                "lag_us": { "p50": null, "p99": null, "p999": null, "max": null, "count": 0 },
            })
        };
        let stats = json!({
            "version": "0.1.0", "uptime_s": uptime_s, "max_connections": 64_000,
            "ingest": { "received": { "pull": 10 * step, "sub": 5 * step },
                "rejected": { "parts": step }, "lane_dropped": 2 * step },
            "total": shard(2), "shards": [shard(1), shard(1)],
        });
        let connections = json!({ "connections": [{
            "shard": 1, "id": "1-7", "client": "9b2f", "user": "ann\u{202e}\n", "peer": "10.0.0.7:5123",
            "protocol": "client", "topics": 3, "pending": 4096, "pending_bytes": 1_048_576,
            "behind_us": 2_500_000, "blocked": true, "deflate": true,
        }], "silent_shards": [] });
        Sample {
            address: "127.0.0.1:8001".into(),
            stats: serde_json::from_value(stats).unwrap(),
            health: serde_json::from_value(json!({ "status": "ok", "reasons": [] })).unwrap(),
            connections: serde_json::from_value(connections).unwrap(),
        }
    }

    #[test]
    fn rates_are_differences_divided_by_the_difference_of_uptimes() {
        let screen = Screen::of(Some(&sample(100.0, 10)), &sample(102.0, 14));
        assert_eq!(screen.connections, 3500);
        assert_eq!(screen.received, Some(30.0), "4 steps of 15 in 2 s");
        assert_eq!(screen.rejected, Some(2.0));
        assert_eq!(screen.written, Some(120.0));
        assert_eq!(screen.written_bytes, Some(24_000.0));
        let dropped = [("oldest", 0.0), ("slow", 4.0), ("lane", 4.0)];
        let dropped = dropped.map(|(reason, rate)| (reason.to_owned(), Some(rate)));
        assert_eq!(screen.dropped, dropped);
        assert_eq!(screen.total_dropped(), Some(8.0));
        let shard = &screen.shards[1];
        assert_eq!((shard.matched, shard.written), (Some(80.0), Some(60.0)));
        assert_eq!((shard.turns, shard.parks), (Some(14.0), Some(6.0)));
        assert_eq!(shard.busy, Some(0.5));
    }

    #[test]
    fn there_are_no_rates_without_an_earlier_sample_of_the_same_process() {
        let after = sample(102.0, 14);
        let restarted = sample(200.0, 10);
        let decreased = Screen::of(Some(&sample(100.0, 15)), &after);
        for screen in [
            Screen::of(None, &after),
            Screen::of(Some(&restarted), &after),
            decreased,
        ] {
            assert_eq!(
                screen.connections, 3500,
                "gauges do not need an earlier sample"
            );
            assert_eq!((screen.received, screen.total_dropped()), (None, None));
            assert_eq!(
                (screen.shards[0].turns, screen.shards[0].busy),
                (None, None)
            );
        }
        let mut fewer = sample(100.0, 10);
        fewer.stats.shards.pop();
        assert_eq!(Screen::of(Some(&fewer), &after).shards[1].written, None);
    }

    #[test]
    fn figures_that_a_node_does_not_report_are_left_out() {
        let mut after = sample(102.0, 14);
        after.stats.shards[0].busy_us = None;
        after.stats.total.latency_us = Some(Quantiles::default());
        let screen = Screen::of(Some(&sample(100.0, 10)), &after);
        assert_eq!(screen.shards[0].busy, None);
        assert_eq!((screen.latency_us, screen.lag_us), (None, None));
        let bare: Stats = serde_json::from_str(r#"{"uptime_s":1}"#).unwrap();
        let bare = Sample {
            stats: bare,
            ..Sample::default()
        };
        assert_eq!(Screen::of(Some(&bare), &bare).shards, []);
    }
}
