//! Publishers that number what they send: what never came, what came twice, who began anew.
//! ZeroMQ drops silently at its high-water mark, so nobody else can know. Ingest core.
//!
//! A number that is skipped is a hole at first. One publisher may use several connections and
//! sockets, and nothing orders those, so a hole may still be filled: for the next
//! [`HOLES`] numbers, and for as long as [`PUBLISHER_PATIENCE_US`]. Then it is missing. What comes
//! even later, and what came before, is a duplicate.

use std::collections::HashMap;
use std::hash::BuildHasher as _;
use std::mem;

use foldhash::quality::RandomState;

use crate::limits::{PUBLISHER_JUMP, PUBLISHER_PATIENCE_US, PUBLISHERS};
use crate::observe::IngestCounts;

use super::envelope::Meta;

/// Numbers that are looked back on: a bit each, the highest one's included.
const HOLES: u64 = u64::BITS as u64;

/// The publishers that were heard lately, by a hash of their id: ids may be long, and that any two
/// of as many as fit here share 64 bits is a chance of one in a billion.
#[derive(Default)]
pub(super) struct Publishers {
    hasher: RandomState,
    /// Those heard since the generations last changed, and those heard in the one before. Whoever
    /// says nothing for a whole generation is forgotten.
    young: HashMap<u64, Numbers, RandomState>,
    old: HashMap<u64, Numbers, RandomState>,
    /// Who has holes, or had some at the last review.
    listed: Vec<u64>,
    review_us: u64,
}

/// What is known of one publisher's numbers.
#[derive(Clone, Copy, Debug)]
struct Numbers {
    /// The lowest so far. What lies below was sent before we listened.
    first: u64,
    highest: u64,
    /// Bit `n`: `highest - n` has not come.
    holes: u64,
    /// When the latest hole came up.
    holed_us: u64,
    is_listed: bool,
}

/// What a number tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Finding {
    /// It is new. So many holes can't be filled any more.
    New {
        missing: u64,
    },
    Duplicate,
    /// The numbers begin anew, and the holes so far stay.
    Restart {
        missing: u64,
    },
}

impl Publishers {
    /// Follows a publication's number, if it has one and says whose it is.
    pub(super) fn note(&mut self, meta: Option<&Meta>, now_us: u64, counts: &mut IngestCounts) {
        let Some((Some(id), Some(seq))) = meta.map(|meta| (&meta.id, meta.seq)) else {
            return;
        };
        let key = self.hasher.hash_one(id.as_str());
        let Some(numbers) = self.find(key) else {
            self.insert(key, Numbers::beginning(seq));
            counts.publishers = (self.young.len() + self.old.len()) as u64;
            return;
        };
        match numbers.follow(seq, now_us) {
            Finding::New { missing } => counts.publisher_missing += missing,
            Finding::Duplicate => counts.publisher_duplicates += 1,
            Finding::Restart { missing } => {
                counts.publisher_restarts += 1;
                counts.publisher_missing += missing;
            }
        }
        if numbers.holes != 0 && !mem::replace(&mut numbers.is_listed, true) {
            self.listed.push(key);
        }
    }

    /// A publisher that is known, which makes it one of the young.
    fn find(&mut self, key: u64) -> Option<&mut Numbers> {
        if let Some(numbers) = self.old.remove(&key) {
            self.insert(key, numbers);
        }
        self.young.get_mut(&key)
    }

    fn insert(&mut self, key: u64, numbers: Numbers) {
        if self.young.len() >= PUBLISHERS / 2 {
            self.old = mem::take(&mut self.young);
        }
        self.young.insert(key, numbers);
    }

    /// Gives up holes that have been open for long. To be called in every round.
    pub(super) fn review(&mut self, now_us: u64, counts: &mut IngestCounts) {
        if self.listed.is_empty() || now_us < self.review_us {
            return;
        }
        self.review_us = now_us + PUBLISHER_PATIENCE_US / 4;
        let (young, old) = (&mut self.young, &mut self.old);
        self.listed.retain(|key| {
            let Some(numbers) = young.get_mut(key).or_else(|| old.get_mut(key)) else {
                return false;
            };
            if now_us >= numbers.holed_us + PUBLISHER_PATIENCE_US {
                counts.publisher_missing += numbers.give_up();
            }
            numbers.is_listed = numbers.holes != 0;
            numbers.is_listed
        });
    }
}

impl Numbers {
    fn beginning(seq: u64) -> Self {
        Self {
            first: seq,
            highest: seq,
            holes: 0,
            holed_us: 0,
            is_listed: false,
        }
    }

    fn follow(&mut self, seq: u64, now_us: u64) -> Finding {
        if seq > self.highest {
            return self.advance(seq, now_us);
        }
        let behind = self.highest - seq;
        let is_near = behind < HOLES;
        if is_near && self.holes & 1 << behind != 0 {
            self.holes &= !(1 << behind);
            return Finding::New { missing: 0 };
        }
        if is_near && seq < self.first {
            // The first one had overtaken it, and with it what lies between.
            let known = (2 << (self.highest - self.first)) - 1;
            self.open(((1 << behind) - 1) & !known, now_us);
            self.first = seq;
            return Finding::New { missing: 0 };
        }
        if seq <= 1 && self.highest > 1 {
            return self.restart(seq);
        }
        Finding::Duplicate
    }

    /// Takes a number that is higher than all before it.
    fn advance(&mut self, seq: u64, now_us: u64) -> Finding {
        let ahead = seq - self.highest;
        if ahead > PUBLISHER_JUMP {
            return self.restart(seq);
        }
        self.highest = seq;
        let missing = if ahead < HOLES {
            let shifted = u128::from(self.holes) << ahead;
            self.holes = shifted as u64;
            self.open((1 << ahead) - 2, now_us);
            u64::from((shifted >> HOLES).count_ones())
        } else {
            let missing = self.give_up() + (ahead - HOLES);
            self.open(!1, now_us);
            missing
        };
        Finding::New { missing }
    }

    fn restart(&mut self, seq: u64) -> Finding {
        let missing = self.give_up();
        (self.first, self.highest) = (seq, seq);
        Finding::Restart { missing }
    }

    fn open(&mut self, holes: u64, now_us: u64) {
        if holes != 0 {
            self.holes |= holes;
            self.holed_us = now_us;
        }
    }

    /// How many holes there were.
    fn give_up(&mut self) -> u64 {
        u64::from(mem::take(&mut self.holes).count_ones())
    }
}

#[cfg(test)]
mod tests;
