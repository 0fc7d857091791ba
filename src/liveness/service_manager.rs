//! Messages to the service manager by the protocol of `sd_notify(3)`. Without `NOTIFY_SOCKET` in
//! the environment nothing is sent. Main thread at start, then control thread.

use std::sync::Arc;
use std::time::Duration;

use sd_notify::NotifyState;

use crate::fabric::Fabric;
use crate::limits::{CLOSE_TIMEOUT, STATUS_INTERVAL};
use crate::observe::{Counts as _, ShardCounts};

/// Reports that every thread is ready and every address is bound, or that a reload has ended.
pub(crate) fn ready() {
    notify(&[NotifyState::Ready]);
}

/// Reports that the configuration is read again. Call [`ready`] after it, even if the reload fails.
pub(crate) fn reloading() {
    match NotifyState::monotonic_usec_now() {
        Ok(now) => notify(&[NotifyState::Reloading, now]),
        Err(error) => tracing::warn!("the monotonic clock cannot be read: {error}"),
    }
}

/// Reports that the process closes its connections over `period` and then ends. Asks for the time
/// that this takes at most.
pub(crate) fn stopping(period: Duration) {
    let longest = period + 2 * CLOSE_TIMEOUT;
    let extension = format!("EXTEND_TIMEOUT_USEC={}", longest.as_micros());
    notify(&[NotifyState::Stopping, NotifyState::Custom(&extension)]);
}

/// Reports that every thread works. The watchdog of the service manager starts a new period.
pub(super) fn alive() {
    notify(&[NotifyState::Watchdog]);
}

/// Reports in one line how busy the process is, at an interval and only if the line has changed.
/// Runs until the process ends.
pub(crate) async fn report_status(fabric: Arc<Fabric>) {
    if std::env::var_os("NOTIFY_SOCKET").is_none() {
        return;
    }
    let mut last_line = String::new();
    let mut before = Activity::read(&fabric);
    loop {
        tokio::time::sleep(STATUS_INTERVAL).await;
        let now = Activity::read(&fabric);
        let line = now.status_since(&before);
        if line != last_line {
            notify(&[NotifyState::Status(&line)]);
            last_line = line;
        }
        before = now;
    }
}

/// The counters behind a line of status.
struct Activity {
    at_us: u64,
    connections: u64,
    publications: u64,
    written: u64,
}

impl Activity {
    fn read(fabric: &Fabric) -> Self {
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

    /// Formats the number of connections and the rates since an earlier reading:
    /// `12 connections, 150 publications/s in, 1800 deliveries/s out`.
    fn status_since(&self, before: &Self) -> String {
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

fn notify(states: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(states) {
        tracing::warn!("the service manager cannot be notified of {states:?}: {error}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_status_is_one_line_with_rates() {
        let activity = |at_us, publications, written| Activity {
            at_us,
            connections: 12,
            publications,
            written,
        };
        let line = activity(3_000_000, 400, 3700).status_since(&activity(1_000_000, 100, 100));
        let wanted = "12 connections, 150 publications/s in, 1800 deliveries/s out";
        assert_eq!(line, wanted);
    }
}
