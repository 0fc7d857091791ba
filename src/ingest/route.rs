//! Publications to batches, batches to the lanes that may want them. Ingest core.

use std::mem;
use std::sync::Arc;

use bytes::Bytes;

use crate::fabric::{Batch, Broadcast, Fabric};
use crate::hub::{Encoding, Outgoing};
use crate::limits::{BATCH_BYTES, BATCH_PUBLICATIONS};
use crate::observe::IngestCounts;

use super::envelope::Publication;

/// Collects what one drain brought in.
pub(super) struct Router {
    fabric: Arc<Fabric>,
    broadcasts: Vec<Broadcast>,
    /// Bytes that they keep alive.
    held_bytes: usize,
    /// How many of them each shard may want.
    wanted: Vec<u64>,
}

impl Router {
    pub(super) fn new(fabric: Arc<Fabric>) -> Self {
        let wanted = vec![0; fabric.shards.len()];
        Self {
            fabric,
            broadcasts: Vec::new(),
            held_bytes: 0,
            wanted,
        }
    }

    /// Encodes a publication that somebody may want and puts it into the batch.
    pub(super) fn add(
        &mut self,
        publication: &Publication<'_>,
        arrived_us: u64,
        counts: &mut IngestCounts,
    ) {
        let payload_bytes = publication.payload.len();
        counts.accepted += 1;
        counts.received_bytes += payload_bytes as u64;
        if self.held_bytes + payload_bytes > BATCH_BYTES {
            self.flush(counts);
        }
        let hash = self.fabric.hasher.hash(publication.topic);
        let mut wanted = false;
        for (shard, count) in self.fabric.shards.iter().zip(&mut self.wanted) {
            if shard.interest.may_want(hash) {
                *count += 1;
                wanted = true;
            }
        }
        if !wanted {
            counts.unwanted += 1;
            return;
        }
        let payload = Bytes::copy_from_slice(&publication.payload);
        let broadcast = Broadcast::new(
            publication.topic,
            hash,
            payload,
            publication.kind,
            arrived_us,
        );
        for encoding in [Encoding::Json, Encoding::Raw] {
            if self.fabric.is_used(encoding) {
                let _made = broadcast.frame(encoding);
            }
        }
        self.held_bytes += broadcast.held_bytes();
        self.broadcasts.push(broadcast);
        if self.broadcasts.len() == BATCH_PUBLICATIONS {
            self.flush(counts);
        }
    }

    /// Puts the batch on the lane of every shard that may want some of it. A full lane loses it
    /// for that shard only.
    pub(super) fn flush(&mut self, counts: &mut IngestCounts) {
        if self.broadcasts.is_empty() {
            return;
        }
        let batch = Arc::new(Batch {
            broadcasts: mem::take(&mut self.broadcasts),
            held_bytes: mem::take(&mut self.held_bytes),
        });
        for (shard, wanted) in self.fabric.shards.iter().zip(&mut self.wanted) {
            match mem::take(wanted) {
                0 => {}
                wanted if shard.lane.push(Arc::clone(&batch)).is_ok() => counts.routed += wanted,
                wanted => counts.lane_full += wanted,
            }
        }
    }
}
