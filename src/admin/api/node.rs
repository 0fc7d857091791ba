//! The answer of the method `info`: this process as the only node. Control thread.

use std::fs;

use serde::Serialize;
use uuid::Uuid;

use crate::config::AdminConfig;
use crate::fabric::Fabric;

/// A node, with the members that Centrifugo gives it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(super) struct Node {
    uid: String,
    name: String,
    version: &'static str,
    num_clients: u64,
    /// Users are not known.
    num_users: u64,
    num_subs: u64,
    num_channels: u64,
    /// In seconds.
    uptime: u64,
}

/// The part of a node that does not change while the process runs.
#[derive(Clone, Debug)]
pub(super) struct NodeIdentity {
    uid: Uuid,
    name: String,
}

impl NodeIdentity {
    /// Creates the identity of this process. The name has the port, because a host may have several
    /// processes.
    pub(super) fn new(config: &AdminConfig) -> Self {
        let bytes = fastrand::u128(..).to_ne_bytes();
        let host = fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
        let port = config.listen.map_or(0, |address| address.port());
        Self {
            uid: uuid::Builder::from_random_bytes(bytes).into_uuid(),
            name: format!("{}_{port}", host.trim()),
        }
    }

    /// Returns the node with the counts of all shards. A channel counts once for each shard that
    /// has a client of it.
    pub(super) fn node(&self, fabric: &Fabric) -> Node {
        let mut node = Node {
            uid: self.uid.to_string(),
            name: self.name.clone(),
            version: env!("CARGO_PKG_VERSION"),
            num_clients: 0,
            num_users: 0,
            num_subs: 0,
            num_channels: 0,
            uptime: fabric.clock.now_us() / 1_000_000,
        };
        for shard in &fabric.shards {
            let counts = shard.counts.load();
            node.num_clients += counts.connections;
            node.num_subs += counts.subscriptions;
            node.num_channels += counts.topics;
        }
        node
    }
}
