//! How a hub reaches the fabric. Shard core.

use std::sync::Arc;

use crate::delivery::Codec;
use crate::fabric::{Fabric, Wanted};
use crate::hub::Upstream;
use crate::observe::Health;

/// The fabric as shard `index` sees it.
pub(super) struct FabricUpstream {
    fabric: Arc<Fabric>,
    index: usize,
    wanted: Wanted,
}

impl FabricUpstream {
    pub(super) fn new(fabric: Arc<Fabric>, index: usize) -> Self {
        Self {
            fabric,
            index,
            wanted: Wanted::default(),
        }
    }
}

impl Upstream for FabricUpstream {
    fn admit(&self) -> Option<bool> {
        self.fabric.admit()
    }

    fn leave(&self) {
        self.fabric.leave();
    }

    fn want(&mut self, topic_hash: u64, wanted: bool) {
        self.wanted
            .set(&self.fabric.shards[self.index].interest, topic_hash, wanted);
    }

    fn codec(&self, codec: Codec, came: bool) {
        self.fabric.codec(codec, came);
    }

    fn health(&self) -> Health {
        self.fabric.health()
    }
}
