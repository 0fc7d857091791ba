//! The sequence numbers of one publisher: which are missing, which arrived twice, and when the
//! publisher started again. Ingest thread.
//!
//! A publisher may use several connections and sockets, whose messages overtake each other. So a
//! number that was skipped may still arrive, until the publisher is [`PUBLISHER_WINDOW`] numbers
//! further or [`PUBLISHER_REORDER_TIMEOUT`] has passed; then its message is lost. A number that
//! arrives again, or after it was counted as lost, is a duplicate. [`PUBLISHER_RUN`] consecutive
//! ascending numbers from below the window show that the publisher has started again.

use std::mem;
use std::ops::Range;

use crate::limits::{PUBLISHER_JUMP, PUBLISHER_REORDER_TIMEOUT, PUBLISHER_RUN, PUBLISHER_WINDOW};

/// Time for which a skipped number is expected, in microseconds.
pub(super) const REORDER_TIMEOUT_US: u64 = PUBLISHER_REORDER_TIMEOUT.as_micros() as u64;

/// The state of one publisher's numbers.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sequence {
    /// The lowest number so far. Lower numbers were sent before the first message that arrived.
    first: u64,
    highest: u64,
    missing: MissingNumbers,
    /// When a number was skipped most recently.
    skipped_us: u64,
    /// The publisher is in the list for review.
    is_listed: bool,
    /// Length of the current run of ascending numbers from below the window.
    run: u64,
    /// The last number of that run.
    run_last: u64,
}

/// Effect of one number. `lost` counts the numbers that are no longer expected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Change {
    /// The number has not arrived before.
    New { lost: u64 },
    /// The number has arrived before, or was counted as lost.
    Duplicate,
    /// The publisher has started again.
    Restart { lost: u64 },
}

/// The numbers of the window that have not arrived: one bit per number. A number uses the bit of
/// the number that leaves the window when it enters.
#[derive(Clone, Copy, Debug, Default)]
struct MissingNumbers([u64; (PUBLISHER_WINDOW / 64) as usize]);

impl Sequence {
    /// Creates the state after the first message of a publisher.
    pub(super) fn starting_at(seq: u64) -> Self {
        Self {
            first: seq,
            highest: seq,
            missing: MissingNumbers::default(),
            skipped_us: 0,
            is_listed: false,
            run: 0,
            run_last: 0,
        }
    }

    /// Records that a number arrived.
    pub(super) fn receive(&mut self, seq: u64, now_us: u64) -> Change {
        if seq > self.highest {
            return self.advance(seq, now_us);
        }
        let is_in_window = self.highest - seq < PUBLISHER_WINDOW;
        if is_in_window && self.missing.remove(seq) {
            return Change::New { lost: 0 };
        }
        if is_in_window && seq < self.first && self.first - seq <= PUBLISHER_RUN {
            // The first message that arrived had overtaken this one, and perhaps those between.
            self.skip(seq + 1..self.first, now_us);
            self.first = seq;
            return Change::New { lost: 0 };
        }
        if seq <= 1 && self.highest > 1 {
            return self.restart(seq, seq);
        }
        if is_in_window && seq >= self.first {
            return Change::Duplicate;
        }
        self.extend_run(seq)
    }

    /// Records a number that is higher than all before it.
    fn advance(&mut self, seq: u64, now_us: u64) -> Change {
        let step = seq - self.highest;
        if step > PUBLISHER_JUMP {
            return self.restart(seq, seq);
        }
        // These numbers were skipped and are already outside the new window.
        let outside = step.saturating_sub(PUBLISHER_WINDOW);
        let mut lost = outside;
        if step >= PUBLISHER_WINDOW {
            lost += self.missing.clear();
        }
        lost += self.skip(self.highest + outside + 1..seq, now_us);
        lost += u64::from(self.missing.remove(seq));
        self.highest = seq;
        self.run = 0;
        Change::New { lost }
    }

    /// Records a number from below the window. A long run of ascending numbers is not a series of
    /// repetitions: the publisher has started again, and its first messages were lost before its
    /// connection was established.
    fn extend_run(&mut self, seq: u64) -> Change {
        let continues = self.run > 0 && seq > self.run_last;
        self.run = if continues { self.run + 1 } else { 1 };
        self.run_last = seq;
        if self.run < PUBLISHER_RUN {
            return Change::Duplicate;
        }
        // The numbers of the run have arrived, and lower ones are not expected.
        self.restart(0, seq)
    }

    fn restart(&mut self, first: u64, highest: u64) -> Change {
        let lost = self.missing.clear();
        (self.first, self.highest, self.run) = (first, highest, 0);
        Change::Restart { lost }
    }

    /// Marks these numbers as missing. Returns how many missing numbers left the window for them.
    fn skip(&mut self, numbers: Range<u64>, now_us: u64) -> u64 {
        if !numbers.is_empty() {
            self.skipped_us = now_us;
        }
        let mut lost = 0;
        for seq in numbers {
            lost += u64::from(self.missing.insert(seq));
        }
        lost
    }

    /// Gives up all missing numbers if the last one was skipped [`REORDER_TIMEOUT_US`] ago.
    /// Returns how many there were.
    pub(super) fn give_up_overdue(&mut self, now_us: u64) -> u64 {
        if now_us < self.skipped_us + REORDER_TIMEOUT_US {
            return 0;
        }
        self.missing.clear()
    }

    /// Returns whether the publisher has missing numbers and was not in the list for review. It is
    /// in the list from now on.
    pub(super) fn is_newly_listed(&mut self) -> bool {
        !self.missing.is_empty() && !mem::replace(&mut self.is_listed, true)
    }

    /// Returns whether the publisher stays in the list for review.
    pub(super) fn stays_listed(&mut self) -> bool {
        self.is_listed = !self.missing.is_empty();
        self.is_listed
    }
}

impl MissingNumbers {
    /// Marks `seq` as missing. Returns whether the number that used its bit before was missing.
    fn insert(&mut self, seq: u64) -> bool {
        let (word, bit) = self.place(seq);
        let was_missing = *word & bit != 0;
        *word |= bit;
        was_missing
    }

    /// Marks `seq` as not missing. Returns whether it, or the number that used its bit before, was
    /// missing.
    fn remove(&mut self, seq: u64) -> bool {
        let (word, bit) = self.place(seq);
        let was_missing = *word & bit != 0;
        *word &= !bit;
        was_missing
    }

    fn place(&mut self, seq: u64) -> (&mut u64, u64) {
        let index = seq % PUBLISHER_WINDOW;
        (&mut self.0[(index / 64) as usize], 1 << (index % 64))
    }

    fn is_empty(&self) -> bool {
        self.0.iter().all(|word| *word == 0)
    }

    /// Marks all numbers as not missing. Returns how many were missing.
    fn clear(&mut self) -> u64 {
        let words = mem::take(&mut self.0);
        words.iter().map(|word| u64::from(word.count_ones())).sum()
    }
}
