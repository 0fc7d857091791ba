//! The pace of a drain: how many connections are to be closed by now, and which slot is next. Shard
//! core.

use crate::limits::TIMER_TICK;

use super::connection_id::Slot;

/// Which connections a drain closes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DrainScope {
    /// All connections, including those accepted during the drain. The process shuts down.
    All,
    /// This number of the connections that are open when the drain starts.
    Count(u64),
}

/// A drain in progress.
#[derive(Clone, Copy, Debug)]
pub(super) struct Drain {
    scope: DrainScope,
    started_us: u64,
    next_us: u64,
    period_us: u64,
    /// Number of connections to close, and number of connections closed.
    total: u64,
    closed: u64,
    /// The next slot to look at, the number of slots looked at in this round, and the number of
    /// slots of a round.
    cursor: usize,
    visited: usize,
    slots: usize,
}

impl Drain {
    /// Starts a drain of `total` connections, evenly over `period_us`. The first round covers
    /// `slots` slots and starts at `cursor`.
    pub(super) fn start(
        scope: DrainScope,
        total: u64,
        slots: usize,
        cursor: usize,
        period_us: u64,
        now_us: u64,
    ) -> Self {
        Self {
            scope,
            started_us: now_us,
            next_us: now_us,
            period_us,
            total,
            closed: 0,
            cursor,
            visited: 0,
            slots,
        }
    }

    pub(super) fn scope(&self) -> DrainScope {
        self.scope
    }

    /// Returns when the next step is due.
    pub(super) fn next_us(&self) -> u64 {
        self.next_us
    }

    /// Starts a step. `slots` is the present number of slots: a drain of all connections includes
    /// those that were accepted since.
    pub(super) fn begin_step(&mut self, slots: usize) {
        if self.scope == DrainScope::All {
            self.slots = slots;
        }
    }

    /// Returns the next slot to look at; `None` if enough connections are closed by now, or every
    /// slot was looked at in this round.
    pub(super) fn next_slot(&mut self, now_us: u64) -> Option<Slot> {
        if self.closed >= self.due(now_us) || self.visited >= self.slots {
            return None;
        }
        let slot = Slot::new(self.cursor);
        self.cursor = (self.cursor + 1) % self.slots;
        self.visited += 1;
        Some(slot)
    }

    /// Records that a connection was closed.
    pub(super) fn count_closed(&mut self) {
        self.closed += 1;
    }

    /// Ends a step. Returns the drain that goes on, or `None` after the last step.
    pub(super) fn end_step(mut self, now_us: u64) -> Option<Self> {
        let is_over = self.is_over(now_us);
        if is_over {
            self.visited = 0; // Connections accepted meanwhile are closed in the next round.
        }
        self.next_us = now_us + TIMER_TICK.as_micros() as u64;
        (self.scope == DrainScope::All || !is_over).then_some(self)
    }

    fn is_over(&self, now_us: u64) -> bool {
        now_us - self.started_us >= self.period_us
    }

    /// Returns the number of connections to be closed by now.
    fn due(&self, now_us: u64) -> u64 {
        match self.scope {
            DrainScope::All if self.is_over(now_us) => u64::MAX,
            DrainScope::Count(_) if self.is_over(now_us) => self.total,
            DrainScope::All | DrainScope::Count(_) => {
                self.total * (now_us - self.started_us) / self.period_us
            }
        }
    }
}
