//! Notifies the watchdog of the service manager as long as canaries are delivered. A canary is a
//! publication that takes the same path as any other: through ingest, each lane, and the hub and
//! the ring of each shard, to one WebSocket connection per shard. Control thread.

use std::sync::Arc;
use std::time::Duration;

use crate::fabric::{
    Fabric, ReplyTarget, ShardFabric, Submission, SubmissionSource, SubmittedPublication,
    ThreadName,
};
use crate::protocol::topic;

use super::canary::{self, CanaryState};
use super::check::{LivenessCheck, LivenessOutcome, Observation, ShardObservation};
use super::service_manager;

/// The watchdog of all threads of the data path.
pub(crate) struct Watchdog {
    fabric: Arc<Fabric>,
    /// The canary connection of each shard.
    canaries: Vec<Arc<CanaryState>>,
    check: LivenessCheck,
    /// Canaries published so far.
    published: u64,
}

impl Watchdog {
    /// Creates a watchdog if the service manager requires notifications (`WATCHDOG_USEC`).
    pub(crate) fn from_environment(fabric: &Arc<Fabric>) -> Option<Self> {
        let period = sd_notify::watchdog_enabled().filter(|period| !period.is_zero())?;
        let period_us = period.as_micros() as u64;
        tracing::info!(?period, "the service manager's watchdog is fed");
        Some(Self {
            fabric: Arc::clone(fabric),
            canaries: fabric.shards.iter().map(|_| Arc::default()).collect(),
            check: LivenessCheck::new(period_us, fabric.clock.now_us()),
            published: 0,
        })
    }

    /// Opens the canary connections, then publishes and checks until the process ends.
    pub(crate) async fn run(mut self) {
        for (shard, canary) in self.canaries.iter().enumerate() {
            let (fabric, canary) = (Arc::clone(&self.fabric), Arc::clone(canary));
            tokio::spawn(canary::keep_connected(shard, fabric, canary));
        }
        loop {
            let wait_us = self.check.next_us();
            let wait_us = wait_us.saturating_sub(self.fabric.clock.now_us());
            tokio::time::sleep(Duration::from_micros(wait_us)).await;
            self.check_once();
        }
    }

    fn check_once(&mut self) {
        let observation = self.observe();
        let was_overdue = self.check.is_overdue();
        let outcome = self.check.check(&observation, self.fabric.clock.now_us());
        match outcome {
            LivenessOutcome::Pending => {}
            LivenessOutcome::Alive => {
                service_manager::alive();
                if was_overdue {
                    tracing::info!("canaries come back from every core; the watchdog is fed");
                }
            }
            LivenessOutcome::Overdue(threads) => tracing::error!(
                "no canary comes back from {}; the watchdog is not fed",
                names(&threads)
            ),
        }
    }

    /// Reads the counters that show life, then publishes a canary.
    fn observe(&mut self) -> Observation {
        let shards = self.fabric.shards.iter().zip(&self.canaries);
        let shards = shards.map(|(shard, canary)| observe_shard(shard, canary));
        let shards = shards.collect();
        let counts = self.fabric.ingest_counts.load();
        self.published += 1;
        let canary = SubmittedPublication {
            topic: topic::RESERVED.into(),
            // A number is valid in every payload type: JSON, text and binary.
            payload: self.published.to_string().into_bytes(),
            info: None,
        };
        let submission = Submission {
            source: SubmissionSource::Canary,
            publications: vec![canary],
            reply: ReplyTarget::Discard,
            // A late canary shows progress, too.
            deadline_us: None,
        };
        Observation {
            submissions_taken: counts.received_canary
                + counts.received_admin
                + counts.received_client,
            is_published: self.fabric.submissions.submit(submission).is_ok(),
            shards,
        }
    }
}

fn observe_shard(shard: &ShardFabric, canary: &CanaryState) -> ShardObservation {
    ShardObservation {
        delivered: canary.delivered(),
        batches: shard.counts.load().batches,
        is_crowded: shard.lane.is_crowded(),
        is_exempt: canary.is_exempt(),
    }
}

/// Lists threads for a log line.
fn names(threads: &[ThreadName]) -> String {
    let names: Vec<_> = threads.iter().map(ToString::to_string).collect();
    names.join(", ")
}
