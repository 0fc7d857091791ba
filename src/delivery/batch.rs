//! The broadcasts that ingest hands to the shards together. Made on the ingest core, read on
//! shards.

use super::broadcast::Broadcast;

/// The publications of one pass over the input sockets. The publications of each topic are in order
/// of arrival; publications of different topics are not.
#[derive(Debug)]
pub struct Batch {
    pub broadcasts: Vec<Broadcast>,
    /// About how many bytes the batch keeps allocated.
    pub held_bytes: usize,
}
