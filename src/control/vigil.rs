//! When the service manager may be told that every core works: the judgement, without IO and with
//! time as an argument. Control thread.
//!
//! Half a period after the last time a round begins: canaries are published until each shard's
//! connection has brought one back. What counts is only what came since the round began, so that
//! a core that has stopped is not vouched for even once. Late is not dead: a canary of an earlier
//! round that comes back in this one shows life, and a shard whose lane was too full to take it
//! shows life by working that off.

use crate::fabric::Core;
use crate::limits::WATCHDOG_CHECKS;

/// What was seen of all cores at one moment.
#[derive(Clone, Debug, Default)]
pub(super) struct Sight {
    /// Submissions that ingest has taken, from the watchdog and from others.
    pub(super) ingest_taken: u64,
    /// The inlet took a canary this time.
    pub(super) published: bool,
    pub(super) shards: Vec<ShardSight>,
}

/// What was seen of one shard.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct ShardSight {
    /// Messages that its canary connection has brought.
    pub(super) heard: u64,
    /// Batches it has taken from its lane.
    pub(super) batches: u64,
    /// Its lane is so full that a canary may have been lost.
    pub(super) is_crowded: bool,
    /// It has no canary connection, and that is no fault of its own.
    pub(super) is_excused: bool,
}

/// What follows from a look.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// Nothing yet.
    Wait,
    /// Every core has shown life in this round.
    Alive,
    /// It has been time for a while, and these cores have not. Said once for each set of them.
    Overdue(Vec<Core>),
}

/// The watch over all cores.
pub(super) struct Vigil {
    period_us: u64,
    /// When the last round ended well.
    alive_us: u64,
    round: Option<Round>,
    /// The cores that were last said to be overdue.
    reported: Vec<Core>,
}

struct Round {
    looked_us: u64,
    ingest_taken: u64,
    published: bool,
    shards: Vec<Shard>,
}

struct Shard {
    at_start: ShardSight,
    was_crowded: bool,
    shows_life: bool,
}

impl Vigil {
    /// `period_us`: how long the manager waits before it acts.
    pub(super) fn new(period_us: u64, now_us: u64) -> Self {
        Self {
            period_us,
            alive_us: now_us,
            round: None,
            reported: Vec::new(),
        }
    }

    /// When to look next.
    pub(super) fn next_us(&self) -> u64 {
        match &self.round {
            None => self.alive_us + self.period_us / 2,
            Some(round) => round.looked_us + (self.period_us / WATCHDOG_CHECKS).max(1),
        }
    }

    /// Whether a core was silent for longer than it should be.
    pub(super) fn is_troubled(&self) -> bool {
        !self.reported.is_empty()
    }

    /// Judges what was seen at `now_us`. The first look of a round is what the others are held
    /// against.
    pub(super) fn judge(&mut self, sight: &Sight, now_us: u64) -> Verdict {
        let Some(round) = &mut self.round else {
            self.round = Some(Round::begin(sight, now_us));
            return Verdict::Wait;
        };
        let is_overdue = now_us - self.alive_us >= self.period_us / 4 * 3;
        let silent = round.look(sight, now_us, is_overdue);
        if silent.is_empty() {
            (self.alive_us, self.round) = (now_us, None);
            self.reported.clear();
            return Verdict::Alive;
        }
        if !is_overdue || silent == self.reported {
            return Verdict::Wait;
        }
        self.reported.clone_from(&silent);
        Verdict::Overdue(silent)
    }
}

impl Round {
    fn begin(sight: &Sight, now_us: u64) -> Self {
        let shard = |sight: &ShardSight| Shard {
            at_start: *sight,
            was_crowded: sight.is_crowded,
            shows_life: false,
        };
        Self {
            looked_us: now_us,
            ingest_taken: sight.ingest_taken,
            published: sight.published,
            shards: sight.shards.iter().map(shard).collect(),
        }
    }

    /// The cores that have not shown life yet.
    fn look(&mut self, sight: &Sight, now_us: u64, is_overdue: bool) -> Vec<Core> {
        self.looked_us = now_us;
        for (shard, sight) in self.shards.iter_mut().zip(&sight.shards) {
            shard.look(sight);
        }
        let ingest_moved = sight.ingest_taken != self.ingest_taken;
        let was_published = self.published;
        self.published |= sight.published;
        if !ingest_moved {
            return vec![Core::Ingest];
        }
        if is_overdue && !was_published {
            // The inlet was full all along and is worked off: nothing is known of the shards, and
            // nothing is held against them.
            return Vec::new();
        }
        let shards = self.shards.iter().enumerate();
        let silent = shards.filter(|(_, shard)| !shard.shows_life);
        silent.map(|(index, _)| Core::Shard(index)).collect()
    }
}

impl Shard {
    fn look(&mut self, sight: &ShardSight) {
        self.was_crowded |= sight.is_crowded;
        let heard = sight.heard != self.at_start.heard;
        let works_off = self.was_crowded && sight.batches != self.at_start.batches;
        self.shows_life |= heard || works_off || sight.is_excused;
    }
}

#[cfg(test)]
mod tests;
