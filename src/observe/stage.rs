//! The stages that a message passes, and the number of items that entered and left each stage.
//! Used on any thread.
//!
//! | stage | entered | left |
//! |---|---|---|
//! | check | messages received | rejected, or accepted as publications |
//! | route | may have subscribers, once per shard | pushed to the lane, or dropped: lane full |
//! | lane | pushed to the lane | taken from the lane |
//! | deliver | deliveries, one per subscriber | written, dropped with a reason, or pending |
//!
//! **Readings are exact.** Both numbers of a stage are counted by one thread and published in one
//! block, which a reader copies consistently ([`super::Published`]). The thread publishes when it
//! has no half-processed item: ingest at the end of a drain, when its batch is pushed to the lanes
//! or dropped; a shard at the end of a turn. Items that a stage holds at that moment count as left.
//!
//! Only the two ends of a lane are on different threads. Each batch on a lane therefore carries the
//! running total of publications that ingest had pushed to that lane, including the batch. A lane
//! is first in, first out, so the shard that takes the batch knows how many publications it must
//! have taken until now. It publishes that total (`lane_reached`) with its own count (`taken`).
//! Batches that are still on the lane are in neither number. When the lane is empty, `lane_reached`
//! is the total of all publications that were ever pushed. So a loss is visible even if nothing is
//! pushed after it.
//!
//! Each equation therefore holds exactly in each published block, under any load and at any time,
//! and the first loss breaks it at the end of that turn. Averaging and waiting are not necessary.
//!
//! **Losses are detected.** The two numbers of a stage are counted at different places: `received`
//! at the socket; `wanted` when the interest filter is queried and `routed` when a lane accepts
//! the batch; `pending` by the pool that holds the frames, not by the code that counts them as
//! written or dropped.

use super::counts::{Counts, IngestCounts, ShardCounts};

/// A stage of the pipeline.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PipelineStage {
    Check,
    Route,
    Lane,
    Deliver,
}

/// Number of items that entered a stage and that left it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Flow {
    pub entered: u64,
    pub left: u64,
}

impl PipelineStage {
    /// All stages, in the order in which a message passes them.
    pub const ALL: [Self; 4] = [Self::Check, Self::Route, Self::Lane, Self::Deliver];

    /// Returns the value of the `stage` label of metrics.
    pub fn name(self) -> &'static str {
        match self {
            Self::Check => "check",
            Self::Route => "route",
            Self::Lane => "lane",
            Self::Deliver => "deliver",
        }
    }

    /// Returns the flow since the start of the process. `shards` are the counters of one shard, or
    /// the sum over several.
    pub fn flow(self, ingest: &IngestCounts, shards: &ShardCounts) -> Flow {
        let (entered, left) = match self {
            Self::Check => {
                let rejected = sum(ingest, "rejected");
                (sum(ingest, "received"), rejected + ingest.accepted)
            }
            Self::Route => (ingest.wanted, ingest.routed + ingest.lane_full),
            Self::Lane => (shards.lane_reached, shards.taken),
            Self::Deliver => {
                let dropped = sum(shards, "dropped");
                (shards.matched, shards.written + dropped + shards.pending)
            }
        };
        Flow { entered, left }
    }
}

impl Flow {
    /// Returns the flow since an earlier reading. Items that were pending at the earlier reading
    /// are subtracted from both numbers.
    #[must_use]
    pub fn since(self, earlier: Self) -> Self {
        Self {
            entered: self.entered.wrapping_sub(earlier.entered),
            left: self.left.wrapping_sub(earlier.left),
        }
    }

    /// Returns entered minus left: 0 if nothing was lost, negative if more items left than entered.
    pub fn difference(self) -> i64 {
        self.entered.wrapping_sub(self.left).cast_signed()
    }

    /// Returns left divided by entered: 1 if nothing was lost or nothing entered.
    pub fn ratio(self) -> f64 {
        if self.entered == 0 && self.left == 0 {
            return 1.0;
        }
        self.left as f64 / self.entered as f64
    }
}

/// Returns the sum of all values with this name.
fn sum(counts: &impl Counts, name: &str) -> u64 {
    let values = counts.each().into_iter();
    let values = values.filter(|(description, _)| description.name == name);
    values.map(|(_, value)| value).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_loss_at_a_stage_changes_the_difference_of_that_stage_only() {
        let ingest = IngestCounts {
            received_pull: 7,
            received_client: 3,
            rejected_parts: 1,
            rejected_topic_empty: 1,
            accepted: 8,
            wanted: 16,
            routed: 12,
            lane_full: 4,
            ..Default::default()
        };
        let shard = ShardCounts {
            lane_reached: 12,
            taken: 12,
            matched: 100,
            written: 50,
            dropped_slow: 20,
            dropped_closed: 5,
            pending: 25,
            ..Default::default()
        };
        for stage in PipelineStage::ALL {
            let flow = stage.flow(&ingest, &shard);
            assert!(flow.entered > 0);
            assert_eq!((flow.difference(), flow.ratio()), (0, 1.0), "{stage:?}");
        }
        let lost = [
            (
                PipelineStage::Check,
                IngestCounts {
                    accepted: 7,
                    ..ingest
                },
                shard,
            ),
            (
                PipelineStage::Route,
                IngestCounts {
                    routed: 11,
                    ..ingest
                },
                shard,
            ),
            (
                PipelineStage::Lane,
                ingest,
                ShardCounts { taken: 11, ..shard },
            ),
            (
                PipelineStage::Deliver,
                ingest,
                ShardCounts {
                    pending: 24,
                    ..shard
                },
            ),
        ];
        for (broken, ingest, shard) in lost {
            for stage in PipelineStage::ALL {
                let flow = stage.flow(&ingest, &shard);
                assert_eq!(flow.difference(), i64::from(stage == broken), "{stage:?}");
            }
        }
    }

    #[test]
    fn the_flow_since_a_reading_excludes_earlier_losses() {
        let flow = |entered, left| Flow { entered, left };
        let window = flow(1100, 1089).since(flow(100, 90));
        assert_eq!((window.difference(), window.ratio()), (1, 0.999));
        assert_eq!(flow(5, 6).difference(), -1);
        assert!((flow(0, 0).ratio() - 1.0).abs() < f64::EPSILON);
    }
}
