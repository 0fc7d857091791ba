//! How a hub reaches the fabric. Shard core.

use std::sync::Arc;

use crate::delivery::Codec;
use crate::fabric::{Fabric, Wanted};
use crate::hub::{SocketAdmission, Upstream};
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
    fn admit(&self) -> SocketAdmission {
        match self.fabric.admit() {
            Some(false) => SocketAdmission::Admitted,
            Some(true) => SocketAdmission::OverLimit,
            None => SocketAdmission::Refused,
        }
    }

    fn leave(&self) {
        self.fabric.leave();
    }

    fn want(&mut self, topic_hash: u64, wanted: bool) {
        self.wanted
            .set(&self.fabric.shards[self.index].interest, topic_hash, wanted);
    }

    fn add_codec(&self, codec: Codec) {
        self.fabric.codec(codec, true);
    }

    fn remove_codec(&self, codec: Codec) {
        self.fabric.codec(codec, false);
    }

    fn health(&self) -> Health {
        self.fabric.health()
    }
}
