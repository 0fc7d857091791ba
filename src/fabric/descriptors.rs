//! The descriptor budget: how many of the descriptors of the process are not for connections, and
//! how many connections the rest allows. Main thread at start, and `fanfare doctor`.

use crate::config::Config;
use crate::limits::{OWN_DESCRIPTORS, OWN_DESCRIPTORS_PER_SHARD, REFUSAL_SOCKETS};

/// The descriptor limit leaves no room for a single connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TooFewDescriptors {
    /// The limit of the process.
    pub limit: u64,
}

/// Returns the number of descriptors that are reserved for the process itself.
pub fn own_descriptors(shards: usize) -> usize {
    OWN_DESCRIPTORS + shards * OWN_DESCRIPTORS_PER_SHARD + REFUSAL_SOCKETS
}

/// Checks that `limit` descriptors are enough for the process and at least one connection.
pub fn check_descriptors(limit: u64, shards: usize) -> Result<(), TooFewDescriptors> {
    if limit > own_descriptors(shards) as u64 {
        Ok(())
    } else {
        Err(TooFewDescriptors { limit })
    }
}

/// Returns the limit on connections: the descriptors that the process does not need itself, or
/// `ws.max_connections` if that is lower. At least 1.
pub fn max_connections(config: &Config, descriptors: u64, shards: usize) -> usize {
    let available = (descriptors as usize)
        .saturating_sub(own_descriptors(shards))
        .max(1);
    config
        .ws
        .max_connections
        .map_or(available, |configured| configured.min(available))
}
