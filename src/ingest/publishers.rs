//! Tracks the publishers that number their messages, to detect lost and repeated messages. ZeroMQ
//! drops messages at its high-water mark without a report, so only numbers show the loss. Ingest
//! thread.

use std::collections::HashMap;
use std::hash::BuildHasher as _;
use std::mem;

use foldhash::quality::RandomState;

use crate::limits::PUBLISHERS;
use crate::observe::IngestCounts;

use super::meta::Meta;
use super::sequence::{Change, REORDER_TIMEOUT_US, Sequence};

/// The publishers that sent numbered messages recently.
///
/// The key is a hash of the publisher's id, because ids may be long. With as many publishers as fit
/// here, the chance that any two share a 64-bit hash is one in a billion.
#[derive(Default)]
pub(super) struct Publishers {
    hasher: RandomState,
    /// Publishers that sent a message since the generations last changed.
    young: HashMap<u64, Sequence, RandomState>,
    /// Publishers of the previous generation. When the generations change, those that are still
    /// here are removed.
    old: HashMap<u64, Sequence, RandomState>,
    /// Publishers that have missing numbers, or had some at the last review.
    listed: Vec<u64>,
    /// When [`Publishers::review`] has to work next.
    review_us: u64,
}

impl Publishers {
    /// Tracks the number of a message, if its metadata has both a number and a publisher.
    pub(super) fn note(&mut self, meta: Option<&Meta>, now_us: u64, counts: &mut IngestCounts) {
        let Some((Some(id), Some(seq))) = meta.map(|meta| (&meta.id, meta.seq)) else {
            return;
        };
        let key = self.hasher.hash_one(id.as_str());
        let Some(sequence) = self.find(key) else {
            self.insert(key, Sequence::starting_at(seq));
            counts.publishers = (self.young.len() + self.old.len()) as u64;
            return;
        };
        match sequence.receive(seq, now_us) {
            Change::New { lost } => counts.publisher_missing += lost,
            Change::Duplicate => counts.publisher_duplicates += 1,
            Change::Restart { lost } => {
                counts.publisher_restarts += 1;
                counts.publisher_missing += lost;
            }
        }
        if sequence.is_newly_listed() {
            self.listed.push(key);
        }
    }

    /// Returns a known publisher and moves it to the young generation.
    fn find(&mut self, key: u64) -> Option<&mut Sequence> {
        if let Some(sequence) = self.old.remove(&key) {
            self.insert(key, sequence);
        }
        self.young.get_mut(&key)
    }

    fn insert(&mut self, key: u64, sequence: Sequence) {
        if self.young.len() >= PUBLISHERS / 2 {
            self.old = mem::take(&mut self.young);
        }
        self.young.insert(key, sequence);
    }

    /// Counts numbers as lost that are missing for [`REORDER_TIMEOUT_US`]. Called in every round
    /// of the ingest loop.
    pub(super) fn review(&mut self, now_us: u64, counts: &mut IngestCounts) {
        if self.listed.is_empty() || now_us < self.review_us {
            return;
        }
        self.review_us = now_us + REORDER_TIMEOUT_US / 4;
        let (young, old) = (&mut self.young, &mut self.old);
        self.listed.retain(|key| {
            let Some(sequence) = young.get_mut(key).or_else(|| old.get_mut(key)) else {
                return false;
            };
            counts.publisher_missing += sequence.give_up_overdue(now_us);
            sequence.stays_listed()
        });
    }
}

#[cfg(test)]
mod tests;
