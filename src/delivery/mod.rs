//! What ingest makes of a publication and the hub delivers. Every core.
//!
//! ```text
//! rules       what the data path needs to know of a topic's namespace
//! topic_hash  the hash of a topic name inside one process
//! encoding    the wire forms: a codec, with or without compression
//! broadcast   a publication, or several of one topic; each encoding is made at most once
//! batch       the broadcasts that ingest hands to the shards together
//! ```

mod batch;
mod broadcast;
mod encoding;
mod rules;
mod topic_hash;

pub use batch::Batch;
pub use broadcast::Broadcast;
pub use encoding::{CODECS, Codec, ENCODINGS, Encoding};
pub use rules::NamespaceRules;
pub use topic_hash::TopicHasher;
