//! Tells the service manager that every core works, as long as canaries come back: publications
//! that take the way of all others, through ingest, each lane, each shard's hub and ring, to a
//! WebSocket connection of each shard. Only with `WATCHDOG_USEC` in the environment.
//! Control thread.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use crate::fabric::{
    Core, Fabric, ReplyTarget, ShardFabric, Submission, SubmissionSource, SubmittedPublication,
};
use crate::protocol::topic;

use super::canary::{self, Perch};
use super::notify;
use super::vigil::{ShardSight, Sight, Verdict, Vigil};

pub(super) struct Watchdog {
    fabric: Arc<Fabric>,
    perches: Vec<Arc<Perch>>,
    vigil: Vigil,
    /// The number of the canary published last.
    number: u64,
}

impl Watchdog {
    /// A watchdog, if the service manager wants one.
    pub(super) fn wanted(fabric: &Arc<Fabric>) -> Option<Self> {
        let period = sd_notify::watchdog_enabled().filter(|period| !period.is_zero())?;
        let period_us = period.as_micros() as u64;
        tracing::info!(?period, "the service manager's watchdog is fed");
        Some(Self {
            fabric: Arc::clone(fabric),
            perches: fabric.shards.iter().map(|_| Arc::default()).collect(),
            vigil: Vigil::new(period_us, fabric.clock.now_us()),
            number: 0,
        })
    }

    /// Watches for as long as the process lives.
    pub(super) async fn run(mut self) {
        for (index, perch) in self.perches.iter().enumerate() {
            let (fabric, perch) = (Arc::clone(&self.fabric), Arc::clone(perch));
            tokio::spawn(canary::keep(index, fabric, perch));
        }
        loop {
            let wait_us = self.vigil.next_us();
            let wait_us = wait_us.saturating_sub(self.fabric.clock.now_us());
            tokio::time::sleep(Duration::from_micros(wait_us)).await;
            let sight = self.look();
            let was_troubled = self.vigil.is_troubled();
            match self.vigil.judge(&sight, self.fabric.clock.now_us()) {
                Verdict::Wait => {}
                Verdict::Alive => {
                    notify::alive();
                    if was_troubled {
                        tracing::info!("canaries come back from every core; the watchdog is fed");
                    }
                }
                Verdict::Overdue(cores) => tracing::error!(
                    "no canary comes back from {}; the watchdog is not fed",
                    names(&cores)
                ),
            }
        }
    }

    /// Publishes a canary, and says what is to be seen of the earlier ones.
    fn look(&mut self) -> Sight {
        let shards = self.fabric.shards.iter().zip(&self.perches);
        let shards = shards.map(|(shard, perch)| sight(shard, perch)).collect();
        let counts = self.fabric.ingest_counts.load();
        self.number += 1;
        let canary = SubmittedPublication {
            topic: topic::RESERVED.into(),
            // A payload of every kind: JSON, text and bytes.
            payload: self.number.to_string().into_bytes(),
        };
        let submission = Submission {
            source: SubmissionSource::Canary,
            publications: vec![canary],
            reply: ReplyTarget::Discard,
        };
        Sight {
            ingest_taken: counts.received_canary + counts.received_admin + counts.received_client,
            published: self.fabric.submissions.submit(submission).is_ok(),
            shards,
        }
    }
}

fn sight(shard: &ShardFabric, perch: &Perch) -> ShardSight {
    ShardSight {
        heard: perch.heard.load(Ordering::Relaxed),
        batches: shard.counts.load().batches,
        is_crowded: shard.lane.is_crowded(),
        is_excused: perch.is_excused(),
    }
}

fn names(cores: &[Core]) -> String {
    let names: Vec<_> = cores.iter().map(ToString::to_string).collect();
    names.join(", ")
}
