//! Connects the hub of a shard to the memory that the threads share. Runs on the shard thread.

use std::sync::Arc;

use crate::delivery::Codec;
use crate::fabric::{Fabric, InterestCounts};
use crate::hub::{SocketAdmission, Upstream, UserAdmission};
use crate::observe::Health;

/// The access of shard `index` to the shared memory.
pub(super) struct FabricUpstream {
    fabric: Arc<Fabric>,
    index: usize,
    /// The number of subscribed topics per entry of the shard's interest filter.
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
    fn admit(&self) -> SocketAdmission {
        self.fabric.sockets.add()
    }

    fn leave(&self) {
        self.fabric.sockets.remove();
    }

    fn enter_user(&self, user: &str) -> UserAdmission {
        self.fabric.users.enter(user)
    }

    fn leave_user(&self, user: &str) {
        self.fabric.users.leave(user);
    }

    fn want(&mut self, topic_hash: u64, wanted: bool) {
        let shared = &self.fabric.shards[self.index].interest;
        if wanted {
            self.interest.add(shared, topic_hash);
        } else {
            self.interest.remove(shared, topic_hash);
        }
    }

    fn add_codec(&self, codec: Codec) {
        self.fabric.codecs.add(codec);
    }

    fn remove_codec(&self, codec: Codec) {
        self.fabric.codecs.remove(codec);
    }

    fn health(&self) -> Health {
        self.fabric.health()
    }
}
