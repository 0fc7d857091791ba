//! Publishers that number what they send: what never came, what came twice, who began anew.
//! ZeroMQ drops silently at its high-water mark, so nobody else can know. Ingest core.
//!
//! A number that is skipped is a hole at first. One publisher may use several connections and
//! sockets, and nothing orders those, so a hole may still be filled: for the next
//! [`PUBLISHER_WINDOW`] numbers, and for [`PUBLISHER_REORDER_TIMEOUT`]. Then it is missing.
//! What comes even later, and what came before, is a duplicate; [`PUBLISHER_RUN`] such numbers in a
//! row, from long ago and ascending, are a new beginning.

use std::collections::HashMap;
use std::hash::BuildHasher as _;
use std::mem;
use std::ops::Range;

use foldhash::quality::RandomState;

use crate::limits::{
    PUBLISHER_JUMP, PUBLISHER_REORDER_TIMEOUT, PUBLISHER_RUN, PUBLISHER_WINDOW, PUBLISHERS,
};
use crate::observe::IngestCounts;

use super::envelope::Meta;

const REORDER_TIMEOUT_US: u64 = PUBLISHER_REORDER_TIMEOUT.as_micros() as u64;

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
    holes: Holes,
    /// When the latest hole came up.
    holed_us: u64,
    is_listed: bool,
    /// Numbers from long ago that came in a row, each higher than the one before it.
    behind: u64,
    latest_behind: u64,
}

/// Which of the window's numbers, up to the highest, have not come: a bit each, in a ring, where a
/// number takes the place of the one that leaves the window for it.
#[derive(Clone, Copy, Debug, Default)]
struct Holes([u64; (PUBLISHER_WINDOW / 64) as usize]);

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
        if !numbers.holes.is_empty() && !mem::replace(&mut numbers.is_listed, true) {
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
        self.review_us = now_us + REORDER_TIMEOUT_US / 4;
        let (young, old) = (&mut self.young, &mut self.old);
        self.listed.retain(|key| {
            let Some(numbers) = young.get_mut(key).or_else(|| old.get_mut(key)) else {
                return false;
            };
            if now_us >= numbers.holed_us + REORDER_TIMEOUT_US {
                counts.publisher_missing += numbers.holes.clear();
            }
            numbers.is_listed = !numbers.holes.is_empty();
            numbers.is_listed
        });
    }
}

impl Numbers {
    fn beginning(seq: u64) -> Self {
        Self {
            first: seq,
            highest: seq,
            holes: Holes::default(),
            holed_us: 0,
            is_listed: false,
            behind: 0,
            latest_behind: 0,
        }
    }

    fn follow(&mut self, seq: u64, now_us: u64) -> Finding {
        if seq > self.highest {
            return self.advance(seq, now_us);
        }
        let is_near = self.highest - seq < PUBLISHER_WINDOW;
        if is_near && self.holes.set(seq, false) {
            return Finding::New { missing: 0 };
        }
        if is_near && seq < self.first && self.first - seq <= PUBLISHER_RUN {
            // The first one had overtaken it, and with it what lies between.
            self.open(seq + 1..self.first, now_us);
            self.first = seq;
            return Finding::New { missing: 0 };
        }
        if seq <= 1 && self.highest > 1 {
            return self.restart(seq, seq);
        }
        if is_near && seq >= self.first {
            return Finding::Duplicate;
        }
        self.fall_behind(seq)
    }

    /// Takes a number that is higher than all before it.
    fn advance(&mut self, seq: u64, now_us: u64) -> Finding {
        let ahead = seq - self.highest;
        if ahead > PUBLISHER_JUMP {
            return self.restart(seq, seq);
        }
        let beyond = ahead.saturating_sub(PUBLISHER_WINDOW);
        let mut missing = beyond;
        if ahead >= PUBLISHER_WINDOW {
            missing += self.holes.clear();
        }
        missing += self.open(self.highest + beyond + 1..seq, now_us);
        missing += u64::from(self.holes.set(seq, false));
        self.highest = seq;
        self.behind = 0;
        Finding::New { missing }
    }

    /// Takes a number from long ago. Many in a row that ascend are no repetitions: the publisher
    /// has begun anew, and its first messages were lost before its connection stood.
    fn fall_behind(&mut self, seq: u64) -> Finding {
        let ascends = self.behind == 0 || seq > self.latest_behind;
        self.behind = if ascends { self.behind + 1 } else { 1 };
        self.latest_behind = seq;
        if self.behind < PUBLISHER_RUN {
            return Finding::Duplicate;
        }
        // The run itself has come: nothing below is expected.
        self.restart(0, seq)
    }

    fn restart(&mut self, first: u64, highest: u64) -> Finding {
        let missing = self.holes.clear();
        (self.first, self.highest, self.behind) = (first, highest, 0);
        Finding::Restart { missing }
    }

    /// Makes holes of these. Returns how many older ones had to give way to them.
    fn open(&mut self, skipped: Range<u64>, now_us: u64) -> u64 {
        if !skipped.is_empty() {
            self.holed_us = now_us;
        }
        let given_up = skipped.filter(|seq| self.holes.set(*seq, true));
        given_up.count() as u64
    }
}

impl Holes {
    /// Says whether `seq` is a hole. Returns whether there was one in its place.
    fn set(&mut self, seq: u64, is_hole: bool) -> bool {
        let place = seq % PUBLISHER_WINDOW;
        let word = &mut self.0[(place / 64) as usize];
        let bit = 1 << (place % 64);
        let was_hole = *word & bit != 0;
        *word = if is_hole { *word | bit } else { *word & !bit };
        was_hole
    }

    fn is_empty(&self) -> bool {
        self.0.iter().all(|word| *word == 0)
    }

    /// Returns how many there were.
    fn clear(&mut self) -> u64 {
        let words = mem::take(&mut self.0);
        words.iter().map(|word| u64::from(word.count_ones())).sum()
    }
}

#[cfg(test)]
mod tests;
