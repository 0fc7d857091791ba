//! Who is subscribed to what on this shard.
//!
//! A topic lists its members, a connection lists its memberships, and each side knows its place
//! in the other's list, so that joining and leaving cost the same for any number of either.

use hashbrown::HashTable;

use crate::config::{Config, SlowPolicy};
use crate::delivery::{ENCODINGS, TopicHasher};
use crate::limits::KEPT_TOPICS;

use super::connection::{Connections, Membership};
use super::pool::FrameIndex;

/// A subscription, seen from the topic.
#[derive(Clone, Copy, Debug)]
pub(super) struct Member {
    pub(super) slot: u32,
    /// Its place in the connection's list of memberships.
    membership: u32,
}

#[derive(Debug)]
pub(super) struct Topic {
    name: Box<str>,
    pub(super) hash: u64,
    pub(super) slow: SlowPolicy,
    pub(super) members: Vec<Member>,
    /// Where the pool has, or had, the previous publication in each encoding, if it conflates.
    pub(super) previous: Option<Box<[Option<FrameIndex>; ENCODINGS]>>,
}

/// What [`Topics::leave`] left behind.
pub(super) struct Left {
    pub(super) hash: u64,
    /// Nobody on this shard listens to the topic any more.
    pub(super) empty: bool,
}

#[derive(Debug)]
pub(super) struct Topics {
    hasher: TopicHasher,
    by_name: HashTable<u32>,
    all: Vec<Topic>,
    free: Vec<u32>,
}

impl Topics {
    pub(super) fn new(hasher: TopicHasher) -> Self {
        Self {
            hasher,
            by_name: HashTable::new(),
            all: Vec::new(),
            free: Vec::new(),
        }
    }

    pub(super) fn len(&self) -> usize {
        self.by_name.len()
    }

    /// The topic with this name and its hash, if somebody listens to it.
    pub(super) fn find(&self, hash: u64, name: &str) -> Option<u32> {
        let matches = |index: &u32| {
            let topic = &self.all[*index as usize];
            topic.hash == hash && *topic.name == *name
        };
        self.by_name.find(hash, matches).copied()
    }

    pub(super) fn get_mut(&mut self, topic: u32) -> &mut Topic {
        &mut self.all[topic as usize]
    }

    pub(super) fn find_by_name(&self, name: &str) -> Option<u32> {
        self.find(self.hasher.hash(name), name)
    }

    /// Adds the connection to the topic. Returns the topic's hash if it is new on this shard.
    /// The caller has made sure that it is not a member yet.
    pub(super) fn join(
        &mut self,
        connections: &mut Connections,
        slot: u32,
        name: &str,
        config: &Config,
    ) -> Option<u64> {
        let hash = self.hasher.hash(name);
        let found = self.find(hash, name);
        let index = found.unwrap_or_else(|| self.insert(hash, name, config));
        let topic = &mut self.all[index as usize];
        let memberships = &mut connections.at(slot).topics;
        let position = topic.members.len() as u32;
        let member = Member {
            slot,
            membership: memberships.len() as u32,
        };
        push_tight(&mut topic.members, member);
        let membership = Membership {
            topic: index,
            position,
        };
        push_tight(memberships, membership);
        found.is_none().then_some(hash)
    }

    /// Takes the connection's membership number `membership` away.
    pub(super) fn leave(
        &mut self,
        connections: &mut Connections,
        slot: u32,
        membership: usize,
    ) -> Left {
        let memberships = &mut connections.at(slot).topics;
        let left = memberships.swap_remove(membership);
        if let Some(moved) = memberships.get(membership) {
            let members = &mut self.all[moved.topic as usize].members;
            members[moved.position as usize].membership = membership as u32;
        }
        let topic = &mut self.all[left.topic as usize];
        topic.members.swap_remove(left.position as usize);
        if let Some(moved) = topic.members.get(left.position as usize) {
            connections.at(moved.slot).topics[moved.membership as usize].position = left.position;
        }
        let (hash, empty) = (topic.hash, topic.members.is_empty());
        if empty {
            self.remove(hash, left.topic);
        }
        Left { hash, empty }
    }

    /// Gives every topic the slow policy that its namespace has now.
    pub(super) fn reconfigure(&mut self, config: &Config) {
        for topic in &mut self.all {
            topic.slow = config.namespace(&topic.name).slow;
            if topic.slow != SlowPolicy::Conflate {
                topic.previous = None;
            }
        }
    }

    fn insert(&mut self, hash: u64, name: &str, config: &Config) -> u32 {
        let topic = Topic {
            name: name.into(),
            hash,
            slow: config.namespace(name).slow,
            members: Vec::new(),
            previous: None,
        };
        let index = if let Some(index) = self.free.pop() {
            self.all[index as usize] = topic;
            index
        } else {
            self.all.push(topic);
            self.all.len() as u32 - 1
        };
        let topics = &self.all;
        self.by_name
            .insert_unique(hash, index, |index| topics[*index as usize].hash);
        index
    }

    fn remove(&mut self, hash: u64, index: u32) {
        let entry = self.by_name.find_entry(hash, |each| *each == index);
        entry
            .expect("a topic with members stands in the table")
            .remove();
        self.all[index as usize].name = Box::default();
        self.all[index as usize].members = Vec::new();
        self.free.push(index);
        if self.by_name.is_empty() && self.all.capacity() > KEPT_TOPICS {
            self.all.clear();
            self.all.shrink_to(KEPT_TOPICS);
            self.free.clear();
            self.free.shrink_to(KEPT_TOPICS);
            // Empty: no entry asks for its hash.
            self.by_name.shrink_to(KEPT_TOPICS, |_| hash);
        }
    }
}

/// Pushes without the room for four that a vector makes at first: most connections have one topic,
/// and many topics one connection.
fn push_tight<T>(list: &mut Vec<T>, item: T) {
    if list.len() == list.capacity() {
        list.reserve_exact(list.len().max(1));
    }
    list.push(item);
}

#[cfg(test)]
mod tests {
    use super::super::connection::Admission;
    use super::*;

    #[test]
    fn topics_that_are_all_left_give_the_memory_of_their_peak_back() {
        let (mut topics, mut connections) =
            (Topics::new(TopicHasher::default()), Connections::default());
        let slot = connections.insert(Admission::Taken).slot() as u32;
        let config = Config::default();
        for _ in 0..2 {
            for number in 0..10 * KEPT_TOPICS {
                topics.join(&mut connections, slot, &number.to_string(), &config);
            }
            for number in (0..10 * KEPT_TOPICS).rev() {
                assert!(topics.leave(&mut connections, slot, number).empty);
            }
            assert_eq!(topics.len(), 0);
            assert!(topics.all.capacity() <= KEPT_TOPICS);
            assert!(topics.free.capacity() <= KEPT_TOPICS);
            assert!(topics.by_name.capacity() <= 2 * KEPT_TOPICS);
        }
    }
}
