//! The bucket of a topic: the unit of subscription between the processes of a cluster. Every core.
//!
//! All processes of a cluster, in every version, compute the same bucket, so the function is fixed.
//! It is not the hash of the hash tables, which is random per process ([`super::TopicHasher`]).

/// One of 65,536 groups of topics.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TopicBucket(pub u16);

impl TopicBucket {
    /// Returns the bucket of a topic: the 32-bit FNV-1a hash of its name, folded to 16 bits by XOR
    /// of the two halves.
    pub fn of(topic: &str) -> Self {
        const OFFSET_BASIS: u32 = 0x811c_9dc5;
        const PRIME: u32 = 0x0100_0193;
        let hash = topic.bytes().fold(OFFSET_BASIS, |hash, byte| {
            (hash ^ u32::from(byte)).wrapping_mul(PRIME)
        });
        Self((hash >> 16) as u16 ^ hash as u16)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The hashes are test vectors of the FNV authors: the functions of other processes, in other
    /// versions, must agree with them.
    #[test]
    fn buckets_never_change() {
        for (topic, hash) in [
            ("", 0x811c_9dc5_u32),
            ("a", 0xe40c_292c),
            ("foobar", 0xbf9c_f968),
        ] {
            let folded = (hash >> 16) as u16 ^ hash as u16;
            assert_eq!(TopicBucket::of(topic), TopicBucket(folded), "{topic:?}");
        }
    }

    /// Numbered names are the usual ones. With 65,536 topics a random function leaves 37 % of the
    /// buckets empty; the fullest bucket has about 8 topics.
    #[test]
    fn numbered_topics_spread_over_the_buckets() {
        let mut topics = vec![0_u32; 1 << 16];
        for number in 0..1 << 16 {
            let bucket = TopicBucket::of(&format!("user:{number}"));
            topics[usize::from(bucket.0)] += 1;
        }
        let empty = topics.iter().filter(|count| **count == 0).count();
        let fullest = topics.iter().max().copied().unwrap_or(0);
        assert!(empty < (1 << 16) * 42 / 100, "{empty} buckets are empty");
        assert!(fullest <= 16, "{fullest} topics in one bucket");
    }
}
