//! Publications to batches, batches to the lanes that may want them. Ingest core.

use std::mem;
use std::sync::Arc;

use hashbrown::HashTable;

use crate::config::Config;
use crate::delivery::{Batch, Broadcast, Codec};
use crate::fabric::{Fabric, Full};
use crate::limits::{BATCH_BYTES, BATCH_PUBLICATIONS};
use crate::observe::{IngestCounts, PipelineStage, lossy};

use super::envelope::Publication;

/// Collects what one drain brought in.
pub(super) struct Router {
    fabric: Arc<Fabric>,
    /// Bytes of a frame that publications may share: `ws.batch`.
    join_bytes: usize,
    broadcasts: Vec<Broadcast>,
    /// The latest broadcast of each topic, for those that may join it.
    latest: HashTable<usize>,
    publications: usize,
    /// Bytes that they will keep alive, about.
    held_bytes: usize,
    /// How many publications each shard may want.
    wanted: Vec<u64>,
}

impl Router {
    pub(super) fn new(fabric: Arc<Fabric>, config: &Config) -> Self {
        let wanted = vec![0; fabric.shards.len()];
        Self {
            fabric,
            join_bytes: config.ws.batch,
            broadcasts: Vec::new(),
            latest: HashTable::new(),
            publications: 0,
            held_bytes: 0,
            wanted,
        }
    }

    /// New rules from the next publication on.
    pub(super) fn reconfigure(&mut self, config: &Config) {
        self.join_bytes = config.ws.batch;
    }

    /// Puts a publication that somebody may want into the batch.
    pub(super) fn add(
        &mut self,
        publication: &Publication<'_>,
        arrived_us: u64,
        counts: &mut IngestCounts,
    ) {
        let (topic, payload) = (publication.topic, &*publication.payload);
        counts.accepted += 1;
        counts.received_bytes += payload.len() as u64;
        let held_bytes = size_of::<Broadcast>() + topic.len() + 2 * payload.len();
        if self.held_bytes + held_bytes > BATCH_BYTES {
            self.flush(counts);
        }
        let hash = self.fabric.hasher.hash(topic);
        let mut wanted = false;
        for (shard, count) in self.fabric.shards.iter().zip(&mut self.wanted) {
            if shard.interest.may_want(hash) {
                *count += 1;
                counts.wanted += 1;
                wanted = true;
            }
        }
        if !wanted {
            counts.unwanted += 1;
            return;
        }
        self.held_bytes += held_bytes;
        self.publications += 1;
        if !self.join(topic, hash, payload) {
            let rules = publication.rules;
            let broadcast = Broadcast::new(topic, hash, payload, rules, arrived_us);
            self.broadcasts.push(broadcast);
        }
        if self.publications == BATCH_PUBLICATIONS {
            self.flush(counts);
        }
    }

    /// Lets a publication share the latest broadcast of its topic. False: it needs its own, which
    /// is about to be the next one.
    fn join(&mut self, topic: &str, hash: u64, payload: &[u8]) -> bool {
        let next = self.broadcasts.len();
        let broadcasts = &mut self.broadcasts;
        let found = self.latest.find_mut(hash, |index| {
            let broadcast = &broadcasts[*index];
            broadcast.topic_hash() == hash && broadcast.topic() == topic
        });
        if let Some(latest) = found {
            if broadcasts[*latest].join(payload, self.join_bytes) {
                return true;
            }
            *latest = next;
        } else {
            let hash_of = |index: &usize| broadcasts[*index].topic_hash();
            self.latest.insert_unique(hash, next, hash_of);
        }
        false
    }

    /// Puts the batch on the lane of every shard that may want some of it. A full lane loses it
    /// for that shard only.
    pub(super) fn flush(&mut self, counts: &mut IngestCounts) {
        if self.broadcasts.is_empty() {
            return;
        }
        for codec in [Codec::Json, Codec::Raw] {
            if self.fabric.is_used(codec) {
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
                Err(Full) => counts.lane_full += wanted,
            }
        }
    }
}

#[cfg(test)]
mod tests;
