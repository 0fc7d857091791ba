//! A timer wheel with one deadline per connection. Shard core.
//!
//! The session of a connection holds its deadline; the wheel holds entries that may be out of date.
//! A deadline that moves later needs no new entry: the old entry expires early and is placed again.
//! A deadline that moves earlier gets a second entry, and the session's tick identifies
//! the one that counts.

use crate::limits::{KEPT_WHEEL_ENTRIES, TIMER_TICK, WHEEL_SLOTS};

use super::connection_id::ConnectionId;

/// Length of a tick in microseconds.
const TICK_US: u64 = TIMER_TICK.as_micros() as u64;

/// The tick of a session without an entry in the wheel.
pub(super) const UNPLACED: u64 = u64::MAX;

#[derive(Debug)]
pub(super) struct Wheel {
    slots: Vec<Vec<ConnectionId>>,
    /// The last tick whose entries were removed.
    tick: u64,
    entries: usize,
}

impl Default for Wheel {
    fn default() -> Self {
        Self {
            slots: (0..WHEEL_SLOTS).map(|_| Vec::new()).collect(),
            tick: 0,
            entries: 0,
        }
    }
}

impl Wheel {
    /// Returns the last tick whose entries were removed.
    pub(super) fn tick(&self) -> u64 {
        self.tick
    }

    /// Ensures that an entry expires by `deadline_us`. `placed` is the tick of the earliest entry
    /// of the connection, or [`UNPLACED`]. Returns the tick of the new entry if one was needed.
    ///
    /// A deadline beyond the horizon of the wheel gets an entry at the horizon.
    pub(super) fn place(&mut self, id: ConnectionId, deadline_us: u64, placed: u64) -> Option<u64> {
        let horizon = self.tick + WHEEL_SLOTS as u64 - 1;
        let tick = deadline_us.div_ceil(TICK_US).clamp(self.tick + 1, horizon);
        if placed <= tick {
            return None;
        }
        self.slots[tick as usize % WHEEL_SLOTS].push(id);
        self.entries += 1;
        Some(tick)
    }

    /// Moves an empty wheel to the present. Without entries the wheel is not expired, and a new
    /// entry would be placed relative to the time of the last one.
    pub(super) fn advance_if_empty(&mut self, now_us: u64) {
        if self.entries == 0 {
            self.tick = self.tick.max(now_us / TICK_US);
        }
    }

    /// Moves the entries due by `now_us` to `expired`.
    pub(super) fn expire(&mut self, now_us: u64, expired: &mut Vec<ConnectionId>) {
        let now = now_us / TICK_US;
        if now <= self.tick {
            return;
        }
        let steps = (now - self.tick).min(WHEEL_SLOTS as u64);
        for tick in now + 1 - steps..=now {
            let slot = &mut self.slots[tick as usize % WHEEL_SLOTS];
            self.entries -= slot.len();
            expired.append(slot);
            slot.shrink_to(KEPT_WHEEL_ENTRIES);
        }
        self.tick = now;
    }

    /// Returns when the next entry expires.
    pub(super) fn next_us(&self) -> Option<u64> {
        if self.entries == 0 {
            return None;
        }
        self.first_us(self.tick + WHEEL_SLOTS as u64)
    }

    /// Returns when the first entry expires that is due by `now_us`.
    pub(super) fn overdue_us(&self, now_us: u64) -> Option<u64> {
        let now = now_us / TICK_US;
        if now <= self.tick {
            return None;
        }
        self.first_us(now.min(self.tick + WHEEL_SLOTS as u64))
    }

    /// Returns when the first entry of all ticks up to `last` expires.
    fn first_us(&self, last: u64) -> Option<u64> {
        (self.tick + 1..=last)
            .find(|tick| !self.slots[*tick as usize % WHEEL_SLOTS].is_empty())
            .map(|tick| tick * TICK_US)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn expire(wheel: &mut Wheel, now_us: u64) -> Vec<ConnectionId> {
        let mut expired = Vec::new();
        wheel.expire(now_us, &mut expired);
        expired
    }

    #[test]
    fn an_entry_expires_at_its_tick_and_not_before() {
        let (mut wheel, id) = (Wheel::default(), ConnectionId::from_bits(7));
        assert_eq!(wheel.place(id, 250_000, UNPLACED), Some(3));
        assert_eq!(wheel.next_us(), Some(300_000));
        assert_eq!(wheel.overdue_us(299_999), None);
        assert_eq!(wheel.overdue_us(450_000), Some(300_000));
        assert_eq!(expire(&mut wheel, 299_999), []);
        assert_eq!(expire(&mut wheel, 300_000), [id]);
        assert_eq!(wheel.next_us(), None);
    }

    #[test]
    fn a_later_deadline_needs_no_second_entry_and_an_earlier_one_does() {
        let (mut wheel, id) = (Wheel::default(), ConnectionId::from_bits(7));
        let tick = wheel.place(id, 500_000, UNPLACED).unwrap();
        assert_eq!(wheel.place(id, 900_000, tick), None);
        assert_eq!(wheel.place(id, 200_000, tick), Some(2));
    }

    #[test]
    fn an_empty_wheel_places_entries_relative_to_the_present() {
        let (mut wheel, id) = (Wheel::default(), ConnectionId::from_bits(7));
        let now_us = 600_000_000;
        wheel.advance_if_empty(now_us);
        assert_eq!(wheel.place(id, now_us + 250_000, UNPLACED), Some(6003));
        assert_eq!(wheel.overdue_us(now_us), None);
        wheel.advance_if_empty(now_us + 1_000_000);
        assert_eq!(
            wheel.overdue_us(now_us + 1_000_000),
            Some(600_300_000),
            "a wheel with entries is not moved"
        );
    }

    #[test]
    fn an_entry_beyond_the_horizon_expires_early() {
        let (mut wheel, id) = (Wheel::default(), ConnectionId::from_bits(7));
        let far_us = TICK_US * 10_000;
        assert_eq!(
            wheel.place(id, far_us, UNPLACED),
            Some(WHEEL_SLOTS as u64 - 1)
        );
        assert_eq!(expire(&mut wheel, TICK_US * 20_000), [id]);
    }
}
