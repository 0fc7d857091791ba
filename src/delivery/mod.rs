//! What ingest makes of a publication and the hub delivers. Every core.
//!
//! ```text
//! rules         the rules of a namespace that the data path needs
//! topic_hash    the hash of a topic name, random per process, for hash tables
//! topic_bucket  the group of a topic between processes, fixed
//! encoding      the wire forms: a codec, with or without compression
//! broadcast     a publication, or several of one topic; each encoding is made at most once
//! batch         the broadcasts that ingest hands to the shards together
//! ```

mod batch;
mod broadcast;
mod encoding;
mod rules;
mod topic_bucket;
mod topic_hash;

pub use batch::Batch;
pub use broadcast::Broadcast;
pub use encoding::{CODECS, Codec, ENCODINGS, Encoding};
pub use rules::NamespaceRules;
pub use topic_bucket::TopicBucket;
pub use topic_hash::TopicHasher;
