//! The sessions of one shard by slot, and their deadlines. Shard core.
//!
//! A stage changes only by the methods of [`Session`].

mod session;

use std::ops::{Index, IndexMut};

use super::connection_id::{ConnectionId, Slot};
use super::pages::Pages;
use super::timers::{UNPLACED, Wheel};

pub(super) use session::{
    Admission, Allowance, CloseAnswer, Inbound, Keepalive, Protocol, Session, Stage,
};

/// The sessions of one shard by slot, and their deadlines.
#[derive(Default)]
pub(super) struct Sessions {
    slots: Pages<Session>,
    free: Vec<Slot>,
    count: u64,
    /// Sessions of [`Admission::Internal`].
    internal: u64,
    wheel: Wheel,
}

impl Sessions {
    /// Starts a session in the stage of the handshake.
    pub(super) fn insert(&mut self, admission: Admission, now_us: u64) -> ConnectionId {
        self.wheel.advance_if_empty(now_us);
        self.count += 1;
        self.internal += u64::from(admission == Admission::Internal);
        if let Some(slot) = self.free.pop() {
            let session = &mut self.slots[slot.index()];
            let generation = ConnectionId::next_generation(session.generation);
            *session = Session::new(generation, admission);
            return ConnectionId::new(slot, generation);
        }
        let slot = Slot::new(self.slots.len());
        self.slots.push(Session::new(0, admission));
        ConnectionId::new(slot, 0)
    }

    /// Frees the slot of a session. Returns how its connection was counted; `None` if there is no
    /// such session.
    pub(super) fn remove(&mut self, id: ConnectionId) -> Option<Admission> {
        let session = self.get_mut(id)?;
        let admission = session.admission();
        session.vacate();
        self.count -= 1;
        self.internal -= u64::from(admission == Admission::Internal);
        self.free.push(id.into());
        Some(admission)
    }

    pub(super) fn get(&self, id: ConnectionId) -> Option<&Session> {
        let session = self.slots.get(id.slot())?;
        session.is_of(id).then_some(session)
    }

    pub(super) fn get_mut(&mut self, id: ConnectionId) -> Option<&mut Session> {
        let session = self.slots.get_mut(id.slot())?;
        session.is_of(id).then_some(session)
    }

    /// Returns the identifier of the session in a slot; `None` if the slot is free.
    pub(super) fn id_at(&self, slot: Slot) -> Option<ConnectionId> {
        let session = self.slots.get(slot.index())?;
        (session.stage != Stage::Vacant).then(|| ConnectionId::new(slot, session.generation))
    }

    /// Returns the number of slots, free ones included.
    pub(super) fn slots(&self) -> usize {
        self.slots.len()
    }

    /// Returns the number of sessions.
    pub(super) fn len(&self) -> u64 {
        self.count
    }

    /// Returns the number of sessions that this process opened itself.
    pub(super) fn internal(&self) -> u64 {
        self.internal
    }

    /// Sets the deadline of a session and replaces the earlier one.
    pub(super) fn set_deadline(&mut self, id: ConnectionId, deadline_us: u64) {
        let session = &mut self.slots[id.slot()];
        session.deadline_us = deadline_us;
        if let Some(tick) = self.wheel.place(id, deadline_us, session.timer_tick()) {
            session.set_timer_tick(tick);
        }
    }

    /// Appends the sessions whose deadline has passed to `expired`.
    pub(super) fn expire(&mut self, now_us: u64, expired: &mut Vec<ConnectionId>) {
        let first = expired.len();
        self.wheel.expire(now_us, expired);
        let mut kept = first;
        for index in first..expired.len() {
            let id = expired[index];
            if self.has_expired(id, now_us) {
                expired[kept] = id;
                kept += 1;
            }
        }
        expired.truncate(kept);
    }

    /// Returns whether the deadline of a session with an entry in the wheel has passed. An entry
    /// may belong to a former deadline, or be early.
    fn has_expired(&mut self, id: ConnectionId, now_us: u64) -> bool {
        let tick = self.wheel.tick();
        let Some(session) = self.get_mut(id) else {
            return false;
        };
        if session.timer_tick() > tick {
            return false;
        }
        session.set_timer_tick(UNPLACED);
        let deadline_us = session.deadline_us;
        if deadline_us > now_us {
            self.set_deadline(id, deadline_us);
            return false;
        }
        true
    }

    /// Returns when the wheel has its next entry.
    pub(super) fn next_deadline_us(&self) -> Option<u64> {
        self.wheel.next_us()
    }

    /// Returns when the oldest entry was due that is due by `now_us` and not expired yet.
    pub(super) fn overdue_us(&self, now_us: u64) -> Option<u64> {
        self.wheel.overdue_us(now_us)
    }
}

/// For identifiers that the caller has looked up in the same call of the hub.
impl Index<ConnectionId> for Sessions {
    type Output = Session;

    fn index(&self, id: ConnectionId) -> &Session {
        let session = &self.slots[id.slot()];
        debug_assert!(session.is_of(id), "{id:?} is a live connection");
        session
    }
}

impl IndexMut<ConnectionId> for Sessions {
    fn index_mut(&mut self, id: ConnectionId) -> &mut Session {
        let session = &mut self.slots[id.slot()];
        debug_assert!(session.is_of(id), "{id:?} is a live connection");
        session
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slot_that_is_used_again_has_another_generation() {
        let mut sessions = Sessions::default();
        let first = sessions.insert(Admission::Admitted, 0);
        assert_eq!(sessions.remove(first), Some(Admission::Admitted));
        assert_eq!(sessions.remove(first), None);
        let second = sessions.insert(Admission::Internal, 0);
        assert_eq!(second.slot(), first.slot());
        assert!(sessions.get(first).is_none() && sessions.get(second).is_some());
        assert_eq!((sessions.len(), sessions.internal()), (1, 1));
    }
}
