//! Which connection of this shard is subscribed to which topic. Shard core.
//!
//! A topic lists its members and a slot lists its memberships. Each entry knows its index in the
//! other list, so that a subscribe and an unsubscribe cost the same for lists of any length.

use hashbrown::HashTable;

use crate::config::{Config, SlowPolicy};
use crate::delivery::{ENCODINGS, TopicHasher};
use crate::limits::KEPT_TOPICS;

use super::connection_id::Slot;
use super::outboxes::FrameIndex;
use super::pages::Pages;

/// The index of a topic in the table of topics.
type TopicIndex = u32;

/// A subscription in the list of a topic.
#[derive(Clone, Copy, Debug)]
struct Member {
    slot: Slot,
    /// The index of the subscription in the slot's list.
    membership: u32,
}

/// A subscription in the list of a slot.
#[derive(Clone, Copy, Debug)]
struct Membership {
    topic: TopicIndex,
    /// The index of the subscription in the topic's list.
    member: u32,
}

/// The frames of a publication in the pool, by encoding.
pub(super) type FramesByEncoding = [Option<FrameIndex>; ENCODINGS];

/// A topic with at least one subscriber on this shard.
#[derive(Debug)]
pub(super) struct Topic {
    name: Box<str>,
    hash: u64,
    slow: SlowPolicy,
    members: Vec<Member>,
    /// The frames of the previous publication, of a topic that conflates. The pool may have freed
    /// and reused their indexes since.
    previous: Option<Box<FramesByEncoding>>,
}

impl Topic {
    pub(super) fn hash(&self) -> u64 {
        self.hash
    }

    pub(super) fn slow(&self) -> SlowPolicy {
        self.slow
    }

    /// Returns the slots of the subscribers.
    pub(super) fn slots(&self) -> impl Iterator<Item = Slot> {
        self.members.iter().map(|member| member.slot)
    }

    /// Returns the frames of the previous publication of a topic that conflates.
    pub(super) fn previous(&self) -> Option<FramesByEncoding> {
        self.previous.as_deref().copied()
    }

    pub(super) fn set_previous(&mut self, frames: FramesByEncoding) {
        **self.previous.get_or_insert_default() = frames;
    }
}

/// How a subscribe or an unsubscribe changes what this shard wants from ingest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum InterestChange {
    None,
    /// The first subscriber of a topic with this hash.
    Begins {
        topic_hash: u64,
    },
    /// The last subscriber of a topic with this hash is gone.
    Ends {
        topic_hash: u64,
    },
}

/// The subscriptions of one shard.
#[derive(Debug)]
pub(super) struct Subscriptions {
    hasher: TopicHasher,
    by_name: HashTable<TopicIndex>,
    topics: Pages<Topic>,
    free: Vec<TopicIndex>,
    by_slot: Pages<Vec<Membership>>,
    count: u64,
}

impl Subscriptions {
    pub(super) fn new(hasher: TopicHasher) -> Self {
        Self {
            hasher,
            by_name: HashTable::new(),
            topics: Pages::default(),
            free: Vec::new(),
            by_slot: Pages::default(),
            count: 0,
        }
    }

    /// Prepares the list of a slot.
    pub(super) fn open(&mut self, slot: Slot) {
        while self.by_slot.len() <= slot.index() {
            self.by_slot.push(Vec::new());
        }
        debug_assert!(self.by_slot[slot.index()].is_empty());
    }

    /// Returns the number of topics with a subscriber.
    pub(super) fn topics(&self) -> u64 {
        self.by_name.len() as u64
    }

    /// Returns the number of pairs of connection and topic.
    pub(super) fn len(&self) -> u64 {
        self.count
    }

    /// Returns the number of topics that a slot is subscribed to.
    pub(super) fn topics_of(&self, slot: Slot) -> usize {
        self.by_slot[slot.index()].len()
    }

    /// Returns the number of places in the table of topics.
    pub(super) fn topic_places(&self) -> usize {
        self.topics.len()
    }

    /// Returns the name and the number of subscribers of the topic at a place; `None` if the place
    /// is free.
    pub(super) fn topic_at(&self, place: usize) -> Option<(&str, usize)> {
        let topic = self.topics.get(place)?;
        (!topic.members.is_empty()).then_some((&*topic.name, topic.members.len()))
    }

    /// Returns the topic of this name, whose hash the caller knows, if it has subscribers.
    pub(super) fn find_mut(&mut self, hash: u64, name: &str) -> Option<&mut Topic> {
        let index = self.find(hash, name)?;
        Some(&mut self.topics[index as usize])
    }

    pub(super) fn is_subscribed(&self, slot: Slot, name: &str) -> bool {
        self.membership(slot, name).is_some()
    }

    /// Subscribes a slot to a topic that it is not subscribed to.
    pub(super) fn subscribe(&mut self, slot: Slot, name: &str, config: &Config) -> InterestChange {
        let hash = self.hasher.hash(name);
        let found = self.find(hash, name);
        let index = found.unwrap_or_else(|| self.insert(hash, name, config));
        let members = &mut self.topics[index as usize].members;
        let memberships = &mut self.by_slot[slot.index()];
        let member = Member {
            slot,
            membership: memberships.len() as u32,
        };
        let membership = Membership {
            topic: index,
            member: members.len() as u32,
        };
        push_tight(members, member);
        push_tight(memberships, membership);
        self.count += 1;
        match found {
            Some(_) => InterestChange::None,
            None => InterestChange::Begins { topic_hash: hash },
        }
    }

    /// Ends the subscription of a slot to a topic, if there is one.
    pub(super) fn unsubscribe(&mut self, slot: Slot, name: &str) -> InterestChange {
        match self.membership(slot, name) {
            Some(membership) => self.remove_membership(slot, membership),
            None => InterestChange::None,
        }
    }

    /// Ends one subscription of a slot, whichever is cheapest; `None` if there is none left.
    pub(super) fn unsubscribe_any(&mut self, slot: Slot) -> Option<InterestChange> {
        let memberships = &mut self.by_slot[slot.index()];
        let Some(last) = memberships.len().checked_sub(1) else {
            *memberships = Vec::new();
            return None;
        };
        Some(self.remove_membership(slot, last))
    }

    /// Applies the namespaces of a new configuration.
    pub(super) fn reconfigure(&mut self, config: &Config) {
        for topic in self.topics.iter_mut() {
            topic.slow = config.namespace(&topic.name).slow;
            if topic.slow != SlowPolicy::Conflate {
                topic.previous = None;
            }
        }
    }

    fn find(&self, hash: u64, name: &str) -> Option<TopicIndex> {
        let matches = |index: &TopicIndex| {
            let topic = &self.topics[*index as usize];
            topic.hash == hash && *topic.name == *name
        };
        self.by_name.find(hash, matches).copied()
    }

    /// Returns the index in the slot's list of the subscription to a topic.
    fn membership(&self, slot: Slot, name: &str) -> Option<usize> {
        let topic = self.find(self.hasher.hash(name), name)?;
        let memberships = &self.by_slot[slot.index()];
        memberships.iter().position(|each| each.topic == topic)
    }

    /// Removes an entry of the slot's list and its counterpart. The last entry of each list moves
    /// into the gap, and its counterpart gets the new index.
    fn remove_membership(&mut self, slot: Slot, membership: usize) -> InterestChange {
        self.count -= 1;
        let memberships = &mut self.by_slot[slot.index()];
        let removed = memberships.swap_remove(membership);
        if let Some(moved) = memberships.get(membership) {
            let members = &mut self.topics[moved.topic as usize].members;
            members[moved.member as usize].membership = membership as u32;
        }
        let topic = &mut self.topics[removed.topic as usize];
        topic.members.swap_remove(removed.member as usize);
        if let Some(moved) = topic.members.get(removed.member as usize) {
            let memberships = &mut self.by_slot[moved.slot.index()];
            memberships[moved.membership as usize].member = removed.member;
        }
        if !topic.members.is_empty() {
            return InterestChange::None;
        }
        let topic_hash = topic.hash;
        self.remove_topic(topic_hash, removed.topic);
        InterestChange::Ends { topic_hash }
    }

    fn insert(&mut self, hash: u64, name: &str, config: &Config) -> TopicIndex {
        let topic = Topic {
            name: name.into(),
            hash,
            slow: config.namespace(name).slow,
            members: Vec::new(),
            previous: None,
        };
        let index = if let Some(index) = self.free.pop() {
            self.topics[index as usize] = topic;
            index
        } else {
            self.topics.push(topic);
            self.topics.len() as TopicIndex - 1
        };
        let topics = &self.topics;
        self.by_name
            .insert_unique(hash, index, |index| topics[*index as usize].hash);
        index
    }

    fn remove_topic(&mut self, hash: u64, index: TopicIndex) {
        let entry = self.by_name.find_entry(hash, |each| *each == index);
        entry
            .expect("a topic with members is in the table")
            .remove();
        let topic = &mut self.topics[index as usize];
        (topic.name, topic.members) = (Box::default(), Vec::new());
        topic.previous = None;
        self.free.push(index);
        if self.by_name.is_empty() && self.topics.len() > KEPT_TOPICS {
            self.topics = Pages::default();
            self.free.clear();
            self.free.shrink_to(KEPT_TOPICS);
            // The table is empty, so that no entry is hashed again.
            self.by_name.shrink_to(KEPT_TOPICS, |_| hash);
        }
    }
}

/// Appends without the spare room that a vector takes at first: most connections have one topic,
/// and many topics have one connection.
fn push_tight<T>(list: &mut Vec<T>, item: T) {
    if list.len() == list.capacity() {
        list.reserve_exact(list.len().max(1));
    }
    list.push(item);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_memory_of_many_topics_is_returned_when_all_are_unsubscribed() {
        let mut subscriptions = Subscriptions::new(TopicHasher::default());
        let slot = Slot::new(0);
        subscriptions.open(slot);
        let config = Config::default();
        for _ in 0..2 {
            for number in 0..10 * KEPT_TOPICS {
                subscriptions.subscribe(slot, &number.to_string(), &config);
            }
            while let Some(change) = subscriptions.unsubscribe_any(slot) {
                assert!(matches!(change, InterestChange::Ends { .. }));
            }
            assert_eq!((subscriptions.topics(), subscriptions.len()), (0, 0));
            assert!(subscriptions.topics.len() <= KEPT_TOPICS);
            assert!(subscriptions.free.capacity() <= KEPT_TOPICS);
            assert!(subscriptions.by_name.capacity() <= 2 * KEPT_TOPICS);
        }
    }

    #[test]
    fn interest_begins_with_the_first_subscriber_and_ends_with_the_last() {
        let mut subscriptions = Subscriptions::new(TopicHasher::default());
        let (one, other) = (Slot::new(0), Slot::new(1));
        let config = Config::default();
        subscriptions.open(one);
        subscriptions.open(other);
        let topic_hash = subscriptions.hasher.hash("a");
        let begins = InterestChange::Begins { topic_hash };
        let ends = InterestChange::Ends { topic_hash };
        assert_eq!(subscriptions.subscribe(one, "a", &config), begins);
        assert_eq!(
            subscriptions.subscribe(other, "a", &config),
            InterestChange::None
        );
        assert_eq!(subscriptions.unsubscribe(one, "a"), InterestChange::None);
        assert_eq!(subscriptions.unsubscribe(one, "a"), InterestChange::None);
        assert_eq!(subscriptions.unsubscribe(other, "a"), ends);
    }
}
