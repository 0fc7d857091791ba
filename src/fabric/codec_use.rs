//! How many connections use each codec. Shards count, the ingest thread reads.

use std::sync::atomic::{AtomicUsize, Ordering};

use crate::delivery::{CODECS, Codec};

/// Counter of the connections of all shards, by codec. The ingest thread encodes publications in
/// advance for the codecs that are in use.
#[derive(Debug, Default)]
pub struct CodecUse {
    connections: [AtomicUsize; CODECS],
}

impl CodecUse {
    /// Counts a connection that uses `codec`.
    pub fn add(&self, codec: Codec) {
        self.connections[codec as usize].fetch_add(1, Ordering::Relaxed);
    }

    /// Subtracts a connection that used `codec`.
    pub fn remove(&self, codec: Codec) {
        self.connections[codec as usize].fetch_sub(1, Ordering::Relaxed);
    }

    /// Returns whether any connection uses `codec`.
    pub fn is_used(&self, codec: Codec) -> bool {
        self.connections[codec as usize].load(Ordering::Relaxed) > 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_codec_is_used_while_a_connection_uses_it() {
        let codecs = CodecUse::default();
        codecs.add(Codec::Raw);
        codecs.add(Codec::Raw);
        codecs.remove(Codec::Raw);
        assert!(codecs.is_used(Codec::Raw) && !codecs.is_used(Codec::Json));
        codecs.remove(Codec::Raw);
        assert!(!codecs.is_used(Codec::Raw));
    }
}
