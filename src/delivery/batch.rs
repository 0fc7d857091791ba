//! The publications that ingest hands to the shards together. Ingest core, then shards.

use super::broadcast::Broadcast;

/// What ingest drained in one go, in order of arrival; of one topic, that is.
#[derive(Debug)]
pub struct Batch {
    pub broadcasts: Vec<Broadcast>,
    /// Bytes it keeps alive.
    pub held_bytes: usize,
}
