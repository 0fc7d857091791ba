//! Decides whether every thread of the data path works. No clock, no IO. Control thread.
//!
//! A round begins half a watchdog period after the end of the last one. In a round, canaries are
//! published until the connection of each shard has received one. Only what happens in a round
//! counts, so a thread that has stopped is never reported alive. A slow thread is not a stopped
//! thread: a canary of an earlier round that is delivered in this one shows life, and a shard whose
//! lane was too full for a canary shows life when it takes batches from the lane.

use crate::fabric::ThreadName;
use crate::limits::WATCHDOG_CHECKS;

/// The state of all threads at one moment.
#[derive(Clone, Debug, Default)]
pub(super) struct Observation {
    /// Submissions that ingest has taken since the start, canaries included.
    pub(super) submissions_taken: u64,
    /// Whether the queue of submissions had room for the canary of this observation.
    pub(super) is_published: bool,
    pub(super) shards: Vec<ShardObservation>,
}

/// The state of one shard at one moment.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct ShardObservation {
    /// Messages that its canary connection has received since the start.
    pub(super) delivered: u64,
    /// Batches that the shard has taken from its lane since the start.
    pub(super) batches: u64,
    /// Whether the lane is so full that a canary may have been dropped.
    pub(super) is_crowded: bool,
    /// Whether the shard cannot have a canary connection for a reason outside of the shard.
    pub(super) is_exempt: bool,
}

/// Result of a check.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum LivenessOutcome {
    /// The round is not over.
    Pending,
    /// Every thread has shown life in this round, which ends it.
    Alive,
    /// These threads should have shown life by now. Reported once for each set of threads.
    Overdue(Vec<ThreadName>),
}

/// The checks of all threads over time.
pub(super) struct LivenessCheck {
    /// How long the service manager waits for a notification.
    period_us: u64,
    /// When the last round ended.
    alive_us: u64,
    round: Option<Round>,
    /// The threads that were last reported as overdue.
    overdue: Vec<ThreadName>,
}

/// A round, from its first observation on.
struct Round {
    checked_us: u64,
    submissions_taken: u64,
    /// Whether a canary of this round was published.
    is_published: bool,
    shards: Vec<ShardRound>,
}

/// One shard in a round.
struct ShardRound {
    first: ShardObservation,
    was_crowded: bool,
    shows_life: bool,
}

impl LivenessCheck {
    /// Creates a check with the watchdog period of the service manager.
    pub(super) fn new(period_us: u64, now_us: u64) -> Self {
        Self {
            period_us,
            alive_us: now_us,
            round: None,
            overdue: Vec::new(),
        }
    }

    /// Returns the time of the next check.
    pub(super) fn next_us(&self) -> u64 {
        match &self.round {
            None => self.alive_us + self.period_us / 2,
            Some(round) => round.checked_us + (self.period_us / WATCHDOG_CHECKS).max(1),
        }
    }

    /// Returns whether threads were reported as overdue and have not shown life since.
    pub(super) fn is_overdue(&self) -> bool {
        !self.overdue.is_empty()
    }

    /// Evaluates an observation. The first one of a round is only the base for the others.
    pub(super) fn check(&mut self, observation: &Observation, now_us: u64) -> LivenessOutcome {
        let Some(round) = &mut self.round else {
            self.round = Some(Round::begin(observation, now_us));
            return LivenessOutcome::Pending;
        };
        let is_due = now_us - self.alive_us >= self.period_us / 4 * 3;
        let silent = round.check(observation, now_us, is_due);
        if silent.is_empty() {
            self.alive_us = now_us;
            self.round = None;
            self.overdue.clear();
            return LivenessOutcome::Alive;
        }
        if !is_due || silent == self.overdue {
            return LivenessOutcome::Pending;
        }
        self.overdue.clone_from(&silent);
        LivenessOutcome::Overdue(silent)
    }
}

impl Round {
    fn begin(observation: &Observation, now_us: u64) -> Self {
        let shards = observation.shards.iter().map(|shard| ShardRound {
            first: *shard,
            was_crowded: shard.is_crowded,
            shows_life: false,
        });
        Self {
            checked_us: now_us,
            submissions_taken: observation.submissions_taken,
            is_published: observation.is_published,
            shards: shards.collect(),
        }
    }

    /// Returns the threads that have not shown life in this round.
    fn check(&mut self, observation: &Observation, now_us: u64, is_due: bool) -> Vec<ThreadName> {
        self.checked_us = now_us;
        for (shard, observation) in self.shards.iter_mut().zip(&observation.shards) {
            shard.check(observation);
        }
        let was_published = self.is_published;
        self.is_published |= observation.is_published;
        if observation.submissions_taken == self.submissions_taken {
            return vec![ThreadName::Ingest];
        }
        if is_due && !was_published {
            // The queue of submissions was full all the time, and ingest takes from it. That is
            // overload. Without a canary there is nothing that the shards could have missed.
            return Vec::new();
        }
        let shards = self.shards.iter().enumerate();
        let silent = shards.filter(|(_, shard)| !shard.shows_life);
        silent.map(|(index, _)| ThreadName::Shard(index)).collect()
    }
}

impl ShardRound {
    fn check(&mut self, observation: &ShardObservation) {
        self.was_crowded |= observation.is_crowded;
        let received = observation.delivered != self.first.delivered;
        let takes_batches = self.was_crowded && observation.batches != self.first.batches;
        self.shows_life |= received || takes_batches || observation.is_exempt;
    }
}

#[cfg(test)]
mod tests;
