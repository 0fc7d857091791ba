//! What the service manager is told, by the protocol of `sd_notify(3)`. Without `NOTIFY_SOCKET` in
//! the environment nothing is. Main thread at start, then control thread.

use std::sync::Arc;
use std::time::Duration;

use sd_notify::NotifyState;

use crate::fabric::Fabric;
use crate::limits::{CLOSE_TIMEOUT, STATUS_INTERVAL};
use crate::observe::{Counts as _, ShardCounts};

/// Every core works and every address is bound; or a reload is over.
pub fn ready() {
    tell(&[NotifyState::Ready]);
}

/// The configuration is read again; [`ready`] follows, whatever comes of it.
pub(super) fn reloading() {
    match NotifyState::monotonic_usec_now() {
        Ok(now) => tell(&[NotifyState::Reloading, now]),
        Err(error) => tracing::warn!("the monotonic clock does not read: {error}"),
    }
}

/// The process drains for `period`, and ends when the last connection has said goodbye.
pub(super) fn stopping(period: Duration) {
    let wanted = period + 2 * CLOSE_TIMEOUT;
    let extension = format!("EXTEND_TIMEOUT_USEC={}", wanted.as_micros());
    tell(&[NotifyState::Stopping, NotifyState::Custom(&extension)]);
}

/// Every core does its work: the manager's timer starts afresh.
pub(super) fn alive() {
    tell(&[NotifyState::Watchdog]);
}

/// Says now and then how busy the process is, in a line for people. Runs as long as the process.
pub(super) async fn report(fabric: Arc<Fabric>) {
    if std::env::var_os("NOTIFY_SOCKET").is_none() {
        return;
    }
    let (mut told, mut before) = (String::new(), Totals::of(&fabric));
    loop {
        tokio::time::sleep(STATUS_INTERVAL).await;
        let now = Totals::of(&fabric);
        let line = now.since(&before);
        if line != told {
            tell(&[NotifyState::Status(&line)]);
            told = line;
        }
        before = now;
    }
}

/// The counters behind a line of status.
struct Totals {
    at_us: u64,
    connections: u64,
    publications: u64,
    written: u64,
}

impl Totals {
    fn of(fabric: &Fabric) -> Self {
        let mut shards = ShardCounts::default();
        for shard in &fabric.shards {
            shards.add(&shard.counts.load());
        }
        Self {
            at_us: fabric.clock.now_us(),
            connections: shards.connections,
            publications: fabric.ingest_counts.load().accepted,
            written: shards.written,
        }
    }

    /// `12 connections, 150 publications/s in, 1800 deliveries/s out`.
    fn since(&self, before: &Self) -> String {
        let seconds = (self.at_us - before.at_us).max(1) as f64 / 1e6;
        let rate = |now: u64, then: u64| (now - then) as f64 / seconds;
        format!(
            "{} connections, {:.0} publications/s in, {:.0} deliveries/s out",
            self.connections,
            rate(self.publications, before.publications),
            rate(self.written, before.written),
        )
    }
}

fn tell(states: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(states) {
        tracing::warn!("the service manager cannot be told {states:?}: {error}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn status_is_a_line_with_rates() {
        let totals = |at_us, publications, written| Totals {
            at_us,
            connections: 12,
            publications,
            written,
        };
        let line = totals(3_000_000, 400, 3700).since(&totals(1_000_000, 100, 100));
        let wanted = "12 connections, 150 publications/s in, 1800 deliveries/s out";
        assert_eq!(line, wanted);
    }
}
