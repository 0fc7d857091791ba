//! The hash of a topic name that the hash tables of one process use. Every core.

use std::hash::BuildHasher;

/// Hashes topic names. Clones give equal hashes; every process has a random key of its own, so that
/// a client cannot choose names that collide.
#[derive(Clone, Debug, Default)]
pub struct TopicHasher(foldhash::quality::RandomState);

impl TopicHasher {
    pub fn hash(&self, topic: &str) -> u64 {
        self.0.hash_one(topic.as_bytes())
    }
}
