//! One deadline per connection, kept in a wheel whose entries may be stale.
//!
//! A connection's own `deadline_us` is the truth. Moving it later is free: the entry fires, is
//! found early, and is placed again. Only moving it earlier places a second entry, and the first
//! one is then ignored by its tick.

use crate::limits::{TIMER_TICK, WHEEL_SLOTS};

use super::connection::ConnectionId;

const TICK_US: u64 = TIMER_TICK.as_micros() as u64;

/// `timer_tick` of a connection without an entry.
pub(super) const UNPLACED: u64 = u64::MAX;

#[derive(Debug)]
pub(super) struct Wheel {
    slots: Vec<Vec<ConnectionId>>,
    /// The last tick whose slot was emptied.
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
    /// The last tick that was expired.
    pub(super) fn tick(&self) -> u64 {
        self.tick
    }

    /// Sees to it that an entry comes up by `deadline_us`, given the tick of the one there is.
    /// Returns the new entry's tick if one was needed.
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

    /// Brings a wheel that stood still for want of entries up to now, else the next one would be
    /// placed as seen from long ago.
    pub(super) fn wind(&mut self, now_us: u64) {
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
            slot.shrink_to(WHEEL_SLOTS);
        }
        self.tick = now;
    }

    /// When the next entry comes up.
    pub(super) fn next_us(&self) -> Option<u64> {
        if self.entries == 0 {
            return None;
        }
        self.first_us(self.tick + WHEEL_SLOTS as u64)
    }

    /// When the first entry that is due by `now_us` came up.
    pub(super) fn overdue_us(&self, now_us: u64) -> Option<u64> {
        let now = now_us / TICK_US;
        if now <= self.tick {
            return None;
        }
        self.first_us(now.min(self.tick + WHEEL_SLOTS as u64))
    }

    /// When the first entry of all ticks up to `last` comes up.
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
    fn an_entry_comes_up_at_its_tick_and_not_before() {
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
    fn a_wheel_that_stood_still_places_as_seen_from_now() {
        let (mut wheel, id) = (Wheel::default(), ConnectionId::from_bits(7));
        let now_us = 600_000_000;
        wheel.wind(now_us);
        assert_eq!(wheel.place(id, now_us + 250_000, UNPLACED), Some(6003));
        assert_eq!(wheel.overdue_us(now_us), None);
        wheel.wind(now_us + 1_000_000);
        assert_eq!(
            wheel.overdue_us(now_us + 1_000_000),
            Some(600_300_000),
            "an entry is not passed over"
        );
    }

    #[test]
    fn beyond_the_horizon_it_comes_up_early() {
        let (mut wheel, id) = (Wheel::default(), ConnectionId::from_bits(7));
        let far_us = TICK_US * 10_000;
        assert_eq!(
            wheel.place(id, far_us, UNPLACED),
            Some(WHEEL_SLOTS as u64 - 1)
        );
        assert_eq!(expire(&mut wheel, TICK_US * 20_000), [id]);
    }
}
