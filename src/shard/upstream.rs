//! How a hub reaches the fabric. Shard core.

use std::sync::Arc;

use crate::delivery::Codec;
use crate::fabric::{Fabric, InterestCounts, SocketAdmission};
use crate::hub::Upstream;
use crate::observe::Health;

/// The fabric as shard `index` sees it.
pub(super) struct FabricUpstream {
    fabric: Arc<Fabric>,
    index: usize,
    interest: InterestCounts,
}

impl FabricUpstream {
    pub(super) fn new(fabric: Arc<Fabric>, index: usize) -> Self {
        Self {
            fabric,
            index,
            interest: InterestCounts::default(),
        }
    }
}

impl Upstream for FabricUpstream {
    fn admit(&self) -> Option<bool> {
        match self.fabric.sockets.add() {
            SocketAdmission::Admitted => Some(false),
            SocketAdmission::OverLimit => Some(true),
            SocketAdmission::Refused => None,
        }
    }

    fn leave(&self) {
        self.fabric.sockets.remove();
    }

    fn want(&mut self, topic_hash: u64, wanted: bool) {
        let shared = &self.fabric.shards[self.index].interest;
        if wanted {
            self.interest.add(shared, topic_hash);
        } else {
            self.interest.remove(shared, topic_hash);
        }
    }

    fn codec(&self, codec: Codec, came: bool) {
        if came {
            self.fabric.codecs.add(codec);
        } else {
            self.fabric.codecs.remove(codec);
        }
    }

    fn health(&self) -> Health {
        self.fabric.health()
    }
}
