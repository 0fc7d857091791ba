//! Collects publications into batches and pushes each batch to the lanes of the shards that may
//! want it. Ingest thread.

use std::mem;
use std::sync::Arc;

use hashbrown::HashTable;

use crate::config::{Config, PayloadKind};
use crate::delivery::{Batch, Broadcast, Codec, Joined};
use crate::fabric::{Fabric, LaneFull};
use crate::limits::{BATCH_BYTES, BATCH_PUBLICATIONS, FRAME_OVERHEAD_BYTES};
use crate::observe::{IngestCounts, PipelineStage, lossy};

use super::envelope::Publication;

/// Upper bound of the bytes that a batch of several publications holds after encoding, as a
/// multiple of the estimate [`BATCH_BYTES`]. The worst case is a text of control characters: the
/// JSON codec escapes each byte with six.
const ENCODING_GROWTH: usize = 8;

/// Returns an upper bound of the bytes that a publication holds after encoding: the payload as it
/// is, in the raw codec, and in the JSON codec.
fn encoded_bytes_max(publication: &Publication<'_>) -> usize {
    let payload_copies = match publication.rules.payload_kind {
        PayloadKind::Json => 3,
        // base64 makes four characters of three bytes.
        PayloadKind::Binary => 4,
        // The JSON codec makes up to six characters of a byte.
        PayloadKind::Text => 8,
    };
    let topic_copies = 8;
    // Itself, the text of both codecs, and a user of control characters.
    let info_copies = 8;
    size_of::<Broadcast>()
        + info_copies * publication.info_bytes()
        + topic_copies * publication.topic.len()
        + payload_copies * publication.payload.len()
        + FRAME_OVERHEAD_BYTES
}

/// Treatment of a publication if the lane of a shard that may want it is full.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum FullLanePolicy {
    /// The publication is refused and goes to no shard, because its sender can try again.
    Refuse,
    /// The publication is dropped for that shard only, and the drop is counted. The sender cannot
    /// be held back.
    Drop,
}

/// Collects the publications of one round of the ingest loop.
pub(super) struct LaneRouter {
    fabric: Arc<Fabric>,
    /// Maximum size of a frame that several publications share: `ws.batch`.
    shared_frame_bytes: usize,
    broadcasts: Vec<Broadcast>,
    /// Index of the latest broadcast of each topic, which later publications may join.
    latest: HashTable<usize>,
    /// Number of publications in the batch.
    publications: usize,
    /// Estimate of the bytes that the batch will hold.
    held_bytes: usize,
    /// Number of publications in the batch that each shard may want.
    wanted: Vec<u64>,
    /// The shards that may want the current publication. Its memory is reused.
    shards: Vec<usize>,
}

impl LaneRouter {
    pub(super) fn new(fabric: Arc<Fabric>, config: &Config) -> Self {
        let wanted = vec![0; fabric.shards.len()];
        Self {
            fabric,
            shared_frame_bytes: config.ws.batch,
            broadcasts: Vec::new(),
            latest: HashTable::new(),
            publications: 0,
            held_bytes: 0,
            wanted,
            shards: Vec::new(),
        }
    }

    /// Applies a new configuration, from the next publication on.
    pub(super) fn reconfigure(&mut self, config: &Config) {
        self.shared_frame_bytes = config.ws.batch;
    }

    /// Adds a publication to the batch if any shard may want it.
    ///
    /// With [`FullLanePolicy::Refuse`] fails if a lane has no room. A publication that was added
    /// under this policy is never dropped before a lane.
    pub(super) fn add(
        &mut self,
        publication: &Publication<'_>,
        arrived_us: u64,
        policy: FullLanePolicy,
        counts: &mut IngestCounts,
    ) -> Result<(), LaneFull> {
        let (topic, payload) = (publication.topic, &*publication.payload);
        let info_bytes = publication.info_bytes();
        let held_bytes = size_of::<Broadcast>() + topic.len() + 2 * payload.len() + 2 * info_bytes;
        if self.held_bytes + held_bytes > BATCH_BYTES {
            self.flush(counts);
        }
        let hash = self.fabric.hasher.hash(topic);
        self.find_shards(hash);
        if policy == FullLanePolicy::Refuse {
            self.check_lanes(encoded_bytes_max(publication))?;
        }
        counts.accepted += 1;
        counts.received_bytes += payload.len() as u64;
        if self.shards.is_empty() {
            counts.unwanted += 1;
            return Ok(());
        }
        counts.wanted += self.shards.len() as u64;
        for index in &self.shards {
            self.wanted[*index] += 1;
        }
        self.held_bytes += held_bytes;
        self.publications += 1;
        if self.join_latest(publication, hash) == Join::NeedsBroadcast {
            let (info, rules) = (publication.info.as_ref(), publication.rules);
            let broadcast = Broadcast::new(topic, hash, payload, info, rules, arrived_us);
            self.broadcasts.push(broadcast);
        }
        if self.publications == BATCH_PUBLICATIONS {
            self.flush(counts);
        }
        Ok(())
    }

    /// Finds the shards that may want a topic. The interest of a shard may change at any time, so
    /// it is read once for each publication.
    fn find_shards(&mut self, hash: u64) {
        let shards = self.fabric.shards.iter().enumerate();
        let interested = shards.filter(|(_, shard)| shard.interest.may_want(hash));
        self.shards.clear();
        self.shards.extend(interested.map(|(index, _)| index));
    }

    /// Checks that the lane of every shard found has room for the batch with a publication of
    /// `bytes`, whatever else is added to the batch. Only this thread pushes to lanes, so the room
    /// remains until the batch is pushed.
    fn check_lanes(&self, bytes: usize) -> Result<(), LaneFull> {
        let batch_bytes = bytes + ENCODING_GROWTH * BATCH_BYTES;
        for index in &self.shards {
            self.fabric.shards[*index].lane.check_room(batch_bytes)?;
        }
        Ok(())
    }

    /// Adds a publication to the latest broadcast of its topic, if their frame has room for it.
    fn join_latest(&mut self, publication: &Publication<'_>, hash: u64) -> Join {
        let (payload, info) = (&publication.payload, publication.info.as_ref());
        let next = self.broadcasts.len();
        let broadcasts = &mut self.broadcasts;
        let found = self.latest.find_mut(hash, |index| {
            let broadcast = &broadcasts[*index];
            broadcast.topic_hash() == hash && broadcast.topic() == publication.topic
        });
        if let Some(latest) = found {
            let joined = broadcasts[*latest].join(payload, info, self.shared_frame_bytes);
            if joined == Joined::Added {
                return Join::Joined;
            }
            *latest = next;
        } else {
            let hash_of = |index: &usize| broadcasts[*index].topic_hash();
            self.latest.insert_unique(hash, next, hash_of);
        }
        Join::NeedsBroadcast
    }

    /// Pushes the batch to the lane of every shard that may want a part of it. If a lane is full,
    /// its shard loses the batch, and the loss is counted.
    pub(super) fn flush(&mut self, counts: &mut IngestCounts) {
        if self.broadcasts.is_empty() {
            return;
        }
        for codec in Codec::ALL {
            if self.fabric.codecs.is_used(codec) {
                self.broadcasts.iter().for_each(|each| each.encode(codec));
            }
        }
        self.latest.clear();
        (self.publications, self.held_bytes) = (0, 0);
        let held_bytes = self.broadcasts.iter().map(Broadcast::held_bytes).sum();
        let batch = Arc::new(Batch {
            broadcasts: mem::take(&mut self.broadcasts),
            held_bytes,
        });
        let now_us = self.fabric.clock.now_us();
        for (shard, wanted) in self.fabric.shards.iter().zip(&mut self.wanted) {
            let wanted = mem::take(wanted);
            if wanted == 0 || lossy::loses(PipelineStage::Route) {
                continue;
            }
            match shard.lane.push(Arc::clone(&batch), wanted, now_us) {
                Ok(()) => counts.routed += wanted,
                Err(LaneFull) => counts.lane_full += wanted,
            }
        }
    }
}

/// Outcome of [`LaneRouter::join_latest`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Join {
    /// The publication is part of the latest broadcast of its topic.
    Joined,
    /// The caller must append a broadcast for the publication. It is the latest of its topic.
    NeedsBroadcast,
}

#[cfg(test)]
mod tests;
