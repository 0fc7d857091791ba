//! The connections that the admin port serves at the same time. A new connection always gets a
//! slot: at the bound, the least needed connection is closed for it. Therefore a client that holds
//! connections does not block a scrape. No IO. Control thread.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::task::AbortHandle;
use tokio::time::Instant;

use crate::limits::{ADMIN_CONNECTIONS, ADMIN_GRACE, ADMIN_HEAD_TIMEOUT, ADMIN_IDLE_TIMEOUT};

/// The state of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stage {
    /// The client has not sent the whole head of its first request, or of one that it has begun.
    Head,
    /// The last request is answered, and the client has sent nothing of the next one.
    Idle,
    /// The client has not sent the whole body of its request.
    Receiving,
    /// The request is complete, and it is being answered.
    Answering,
}

/// The slots of all connections. Clones share them.
#[derive(Clone, Debug, Default)]
pub(super) struct Slots(Arc<Mutex<Table>>);

#[derive(Debug, Default)]
struct Table {
    /// By number, in the order in which the connections were accepted.
    connections: BTreeMap<u64, Connection>,
    next_number: u64,
}

#[derive(Debug)]
struct Connection {
    stage: Stage,
    /// When the stage began.
    since: Instant,
    /// Ends the task of the connection, once it is started.
    task: Option<AbortHandle>,
}

/// The slot of one connection. The slot is free again when the value is dropped.
#[derive(Debug)]
pub(super) struct Slot {
    slots: Slots,
    number: u64,
    /// Notified when the stage changes.
    changed: Notify,
}

/// How much a connection is needed, in ascending order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Need {
    /// The client has sent no request yet, or only a part of one.
    Head,
    Idle,
    Receiving,
    /// In one of the stages above for less than [`ADMIN_GRACE`]: the client has had little time.
    Young,
    /// The client has sent everything, and the request may already have had its effect.
    Answering,
}

impl Connection {
    fn need(&self, now: Instant) -> Need {
        let age = now.saturating_duration_since(self.since);
        match self.stage {
            Stage::Answering => Need::Answering,
            Stage::Head | Stage::Idle | Stage::Receiving if age < ADMIN_GRACE => Need::Young,
            Stage::Head => Need::Head,
            Stage::Idle => Need::Idle,
            Stage::Receiving => Need::Receiving,
        }
    }
}

/// A connection that was closed for a new one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Evicted {
    pub(super) stage: Stage,
    pub(super) age: Duration,
}

impl Slots {
    /// Adds a connection. At [`ADMIN_CONNECTIONS`], ends the task of the least needed connection;
    /// among several, of the one whose stage has lasted longest.
    pub(super) fn add(&self, now: Instant) -> (Arc<Slot>, Option<Evicted>) {
        let mut table = self.lock();
        let mut evicted = None;
        if table.connections.len() >= ADMIN_CONNECTIONS {
            let connections = table.connections.iter();
            let least = connections.min_by_key(|(_, it)| (it.need(now), it.since));
            let number = least.map(|(number, _)| *number);
            if let Some(connection) = number.and_then(|it| table.connections.remove(&it)) {
                if let Some(task) = connection.task {
                    task.abort();
                }
                let (stage, age) = (connection.stage, now - connection.since);
                evicted = Some(Evicted { stage, age });
            }
        }
        let number = table.next_number;
        table.next_number += 1;
        let connection = Connection {
            stage: Stage::Head,
            since: now,
            task: None,
        };
        table.connections.insert(number, connection);
        let slots = self.clone();
        let changed = Notify::new();
        let slot = Slot {
            slots,
            number,
            changed,
        };
        (Arc::new(slot), evicted)
    }

    fn lock(&self) -> MutexGuard<'_, Table> {
        // Each change is a single insertion, removal or assignment: a panic leaves a valid table.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Slot {
    /// Sets the task that is ended if the connection has to make room.
    pub(super) fn set_task(&self, task: AbortHandle) {
        match self.slots.lock().connections.get_mut(&self.number) {
            Some(connection) => connection.task = Some(task),
            None => task.abort(), // The slot was taken before the task was started.
        }
    }

    /// Records that the connection enters a stage.
    pub(super) fn enter(&self, stage: Stage) {
        let mut table = self.slots.lock();
        if let Some(connection) = table.connections.get_mut(&self.number) {
            (connection.stage, connection.since) = (stage, Instant::now());
            self.changed.notify_one();
        }
    }

    /// Records that the client has sent bytes. After an answer they begin the next request.
    pub(super) fn note_received(&self) {
        let table = self.slots.lock();
        let connection = table.connections.get(&self.number);
        let is_idle = connection.is_some_and(|connection| connection.stage == Stage::Idle);
        drop(table);
        if is_idle {
            self.enter(Stage::Head);
        }
    }

    /// Returns when the client must have left the stage. Bodies have a limit of their own, and an
    /// answer depends on the server.
    pub(super) fn deadline(&self) -> Option<Instant> {
        let table = self.slots.lock();
        let connection = table.connections.get(&self.number)?;
        match connection.stage {
            Stage::Head => Some(connection.since + ADMIN_HEAD_TIMEOUT),
            Stage::Idle => Some(connection.since + ADMIN_IDLE_TIMEOUT),
            Stage::Receiving | Stage::Answering => None,
        }
    }

    /// Waits until the stage changes. A change since the last call counts.
    pub(super) async fn changed(&self) {
        self.changed.notified().await;
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        self.slots.lock().connections.remove(&self.number);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Fills all slots and returns them, each older than the next.
    fn full(now: Instant) -> (Slots, Vec<Arc<Slot>>) {
        let slots = Slots::default();
        let taken = (0..ADMIN_CONNECTIONS)
            .map(|number| {
                let (slot, evicted) = slots.add(now + Duration::from_millis(number as u64));
                assert_eq!(evicted, None);
                slot
            })
            .collect();
        (slots, taken)
    }

    fn enter(slot: &Slot, stage: Stage) {
        let mut table = slot.slots.lock();
        table.connections.get_mut(&slot.number).unwrap().stage = stage;
    }

    fn is_open(slot: &Slot) -> bool {
        slot.slots.lock().connections.contains_key(&slot.number)
    }

    #[test]
    fn the_longest_idle_connection_makes_room_and_then_the_oldest_body() {
        let start = Instant::now();
        let (slots, taken) = full(start);
        for slot in &taken {
            enter(slot, Stage::Receiving);
        }
        enter(&taken[7], Stage::Idle);
        enter(&taken[9], Stage::Idle);
        enter(&taken[0], Stage::Answering);
        let late = start + 10 * ADMIN_GRACE;
        for (closed, stage) in [
            (7, Stage::Idle),
            (9, Stage::Idle),
            (1, Stage::Receiving),
            (2, Stage::Receiving),
        ] {
            let (slot, evicted) = slots.add(late);
            enter(&slot, Stage::Answering);
            std::mem::forget(slot);
            assert_eq!(evicted.map(|it| it.stage), Some(stage));
            assert!(!is_open(&taken[closed]), "{closed}");
        }
        let open = taken.iter().filter(|slot| is_open(slot));
        assert_eq!(open.count(), ADMIN_CONNECTIONS - 4);
    }

    #[test]
    fn a_young_connection_is_kept_before_an_old_one_and_an_answer_before_both() {
        let start = Instant::now();
        let (slots, taken) = full(start);
        for slot in &taken[2..] {
            enter(slot, Stage::Answering);
        }
        enter(&taken[1], Stage::Receiving);
        let late = start + 10 * ADMIN_GRACE;
        let (young, _) = slots.add(late);
        assert!(!is_open(&taken[0]), "the old idle one");
        let (other, _) = slots.add(late);
        assert!(!is_open(&taken[1]), "the old body, not the young one");
        assert!(is_open(&young));
        enter(&other, Stage::Answering);
        let (next, evicted) = slots.add(late);
        assert_eq!(evicted.map(|it| it.stage), Some(Stage::Head));
        assert!(!is_open(&young) && is_open(&next), "no answer is cut off");
        enter(&next, Stage::Answering);
        let (_, evicted) = slots.add(late);
        assert_eq!(evicted.map(|it| it.stage), Some(Stage::Answering));
        assert!(!is_open(&taken[2]), "the oldest answer");
    }

    #[test]
    fn a_connection_without_a_request_makes_room_before_one_that_waits_for_its_next() {
        let start = Instant::now();
        let (slots, taken) = full(start);
        for slot in &taken[..ADMIN_CONNECTIONS - 1] {
            enter(slot, Stage::Idle);
        }
        let (_slot, evicted) = slots.add(start + 10 * ADMIN_GRACE);
        assert_eq!(evicted.map(|it| it.stage), Some(Stage::Head));
        assert!(!is_open(&taken[ADMIN_CONNECTIONS - 1]));
    }

    #[test]
    fn a_dropped_slot_is_free() {
        let (slots, mut taken) = full(Instant::now());
        taken.pop();
        let (_slot, evicted) = slots.add(Instant::now());
        assert_eq!(evicted, None);
        assert!(taken.iter().all(|slot| is_open(slot)));
    }
}
