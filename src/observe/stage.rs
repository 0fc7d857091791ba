//! The stages of a message, and what went in and out of each. Any core.
//!
//! | stage | in | out |
//! |---|---|---|
//! | check | received | rejected, or a publication |
//! | route | wanted by a shard, once per shard | put on its lane, or dropped: it was full |
//! | lane | put on the lane | taken from it |
//! | deliver | matched, once per subscriber | written, dropped for a reason, or pending |
//!
//! **Why no difference is ever seen where nothing is lost.** The two sides of a stage are never
//! read from two cores. Both are counted by one core and published in one block, which a reader
//! gets whole ([`super::Published`]), at a moment when that core has nothing half done: ingest at
//! the end of a drain, when its batch is on the lanes or dropped; a shard at the end of a turn.
//! What a stage holds at that moment is part of its out. Only the lane has its ends on two cores.
//! There each batch carries the number of publications that ingest had put on that lane when it
//! put the batch there, and the lane is first in, first out: so whoever takes a batch knows how
//! many must have come before it, whatever is behind it. The shard publishes that number
//! (`lane_reached`) beside its own count (`taken`). What is behind waits, and is on neither side.
//! When the shard finds the lane empty, the number is that of all ever put there, so a loss shows
//! even if nothing comes after it.
//!
//! So an equation holds in each block exactly, whatever the load and the moment of the reading,
//! and the first loss breaks it at the end of that turn. Nothing has to be averaged or waited for.
//!
//! **Why it can break.** The sides are counted in different places: `received` at the socket,
//! `wanted` when the interest is asked and `routed` when a lane has accepted, `pending` by the pool
//! that holds the frames and not by who counts them out.

use super::counts::{Counts, IngestCounts, ShardCounts};

/// A part of the way of a message that has an entry and an exit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PipelineStage {
    Check,
    Route,
    Lane,
    Deliver,
}

/// What passed a stage.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Flow {
    pub entered: u64,
    pub left: u64,
}

impl PipelineStage {
    pub const ALL: [Self; 4] = [Self::Check, Self::Route, Self::Lane, Self::Deliver];

    /// The metric label `stage`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Check => "check",
            Self::Route => "route",
            Self::Lane => "lane",
            Self::Deliver => "deliver",
        }
    }

    /// What passed it since the start. `shards`: one shard's counts, or the sum of several.
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
    /// What passed since an earlier reading. What was pending then and went out since is on both
    /// sides, so it cancels out.
    #[must_use]
    pub fn since(self, earlier: Self) -> Self {
        Self {
            entered: self.entered.wrapping_sub(earlier.entered),
            left: self.left.wrapping_sub(earlier.left),
        }
    }

    /// In minus out: 0 if nothing was lost, less if something came from nowhere.
    pub fn difference(self) -> i64 {
        self.entered.wrapping_sub(self.left).cast_signed()
    }

    /// Out over in: 1 if nothing was lost, or nothing came.
    pub fn ratio(self) -> f64 {
        if self.entered == 0 && self.left == 0 {
            return 1.0;
        }
        self.left as f64 / self.entered as f64
    }
}

/// All values of one name.
fn sum(counts: &impl Counts, name: &str) -> u64 {
    let values = counts.each().into_iter();
    let values = values.filter(|(description, _)| description.name == name);
    values.map(|(_, value)| value).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_stage_has_its_own_equation() {
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
    fn a_window_forgets_what_was_lost_before_it() {
        let flow = |entered, left| Flow { entered, left };
        let window = flow(1100, 1089).since(flow(100, 90));
        assert_eq!((window.difference(), window.ratio()), (1, 0.999));
        assert_eq!(flow(5, 6).difference(), -1);
        assert!((flow(0, 0).ratio() - 1.0).abs() < f64::EPSILON);
    }
}
