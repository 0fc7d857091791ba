//! A publication on its way to every shard: immutable, shared by reference, each encoding made at
//! most once for the process, on whichever core needs it first (as a rule: ingest).

use std::sync::OnceLock;

use bytes::Bytes;

use crate::config::PayloadKind;
use crate::hub::{ENCODINGS, Encoding, Outgoing};
use crate::protocol::push;
use crate::wire::encode;

/// One accepted publication.
#[derive(Debug)]
pub struct Broadcast {
    topic: Box<str>,
    topic_hash: u64,
    payload: Bytes,
    kind: PayloadKind,
    arrived_us: u64,
    frames: [OnceLock<Bytes>; ENCODINGS],
}

impl Broadcast {
    pub fn new(
        topic: &str,
        topic_hash: u64,
        payload: Bytes,
        kind: PayloadKind,
        arrived_us: u64,
    ) -> Self {
        Self {
            topic: topic.into(),
            topic_hash,
            payload,
            kind,
            arrived_us,
            frames: Default::default(),
        }
    }

    /// Bytes it keeps alive while it waits on a lane, about.
    pub fn held_bytes(&self) -> usize {
        let frames = self.frames.iter().filter_map(OnceLock::get).map(Bytes::len);
        size_of::<Self>() + self.topic.len() + self.payload.len() + frames.sum::<usize>()
    }

    fn encode(&self, encoding: Encoding) -> Bytes {
        match (encoding, self.kind) {
            (Encoding::Json, kind) => encode::text_with(
                push::publication_len_hint(&self.topic, &self.payload, kind),
                |out| {
                    push::publication(out, &self.topic, &self.payload, kind);
                },
            ),
            (Encoding::Raw, PayloadKind::Binary) => encode::binary(&self.payload),
            (Encoding::Raw, PayloadKind::Json | PayloadKind::Text) => encode::text(&self.payload),
        }
    }
}

impl Outgoing for Broadcast {
    fn topic(&self) -> &str {
        &self.topic
    }

    fn topic_hash(&self) -> u64 {
        self.topic_hash
    }

    fn frame(&self, encoding: Encoding) -> Bytes {
        self.frames[encoding as usize]
            .get_or_init(|| self.encode(encoding))
            .clone()
    }

    fn arrived_us(&self) -> u64 {
        self.arrived_us
    }
}

/// What ingest drained in one go, in order of arrival.
#[derive(Debug)]
pub struct Batch {
    pub broadcasts: Vec<Broadcast>,
    /// Bytes it keeps alive.
    pub held_bytes: usize,
}
