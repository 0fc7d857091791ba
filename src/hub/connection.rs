//! One connection's memory, and the slots that hold them all. Small on purpose: idle
//! connections come by the million.

use crate::delivery::{Codec, Encoding};
use crate::wire::decode::Decoder;

use super::outbox::Outbox;
use super::pages::Pages;
use super::timers::UNPLACED;

/// Names a connection for as long as it lives; a reused slot gets another generation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ConnectionId {
    slot: u32,
    generation: u32,
}

/// `commands_second` of a connection that has sent nothing yet: 136 years after the start.
const NO_SECOND: u32 = u32::MAX;

/// Bits of a generation, so that an id fits into 60 bits.
const GENERATION_BITS: u32 = 28;

impl ConnectionId {
    /// 60 bits: slot low, generation high.
    pub fn to_bits(self) -> u64 {
        u64::from(self.generation) << 32 | u64::from(self.slot)
    }

    pub fn from_bits(bits: u64) -> Self {
        let generation = (bits >> 32) as u32 & ((1 << GENERATION_BITS) - 1);
        Self {
            slot: bits as u32,
            generation,
        }
    }

    /// The index of its slot; small, dense, reused.
    pub fn slot(self) -> usize {
        self.slot as usize
    }
}

/// Where a connection stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    /// The slot is free.
    Vacant,
    /// The request head is not complete yet.
    Handshake,
    /// Upgraded to the client protocol; `connect` has not come yet.
    ClientOpening,
    /// Speaks the client protocol.
    Client,
    /// Gets bare payloads.
    Raw,
    /// Sends every message back.
    Echo,
    /// The last bytes are queued; whatever still comes in is thrown away.
    Closing,
    /// [`super::SocketAction::Close`] is out; only the slot is left.
    Gone,
}

impl Phase {
    /// Whether it is a WebSocket that still exchanges messages.
    pub(super) fn is_open(self) -> bool {
        matches!(
            self,
            Self::ClientOpening | Self::Client | Self::Raw | Self::Echo
        )
    }
}

/// Whether a connection counts among those that `ws.max_connections` bounds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Admission {
    /// It has one of the places.
    Taken,
    /// It came when all were taken: no upgrade for it.
    Beyond,
    /// The process's own: it needs none, and lives as long as the shard.
    Own,
}

/// A subscription, seen from the connection.
#[derive(Clone, Copy, Debug)]
pub(super) struct Membership {
    pub(super) topic: u32,
    /// Its place in the topic's list of members.
    pub(super) position: u32,
}

/// What has come in and is not understood yet.
pub(super) enum Inbound {
    /// A part of the request head.
    #[allow(clippy::box_collection)] // One word instead of three in every idle connection.
    Head(Box<Vec<u8>>),
    Frames(Decoder),
}

impl Default for Inbound {
    fn default() -> Self {
        Self::Frames(Decoder::default())
    }
}

#[allow(clippy::struct_excessive_bools)] // Independent facts about a socket.
pub(super) struct Connection {
    pub(super) outbox: Outbox,
    pub(super) phase: Phase,
    pub(super) encoding: Encoding,
    /// It stands in the hub's dirty list.
    pub(super) dirty: bool,
    /// The socket took less than it was given; it will say when it can take more.
    pub(super) blocked: bool,
    /// A ping is out and nothing came in since.
    pub(super) pinged: bool,
    /// The peer will send nothing more.
    pub(super) read_closed: bool,
    pub(super) place: Admission,
    /// Commands that wait for their answer.
    pub(super) pending_commands: u16,
    /// Commands it may still send in this second.
    pub(super) commands_left: u32,
    /// The second for which `commands_left` counts.
    pub(super) commands_second: u32,
    pub(super) inbound: Inbound,
    pub(super) topics: Vec<Membership>,
    /// When the next ping is due.
    pub(super) ping_due_us: u64,
    pub(super) deadline_us: u64,
    /// The tick of its earliest wheel entry.
    pub(super) timer_tick: u64,
    generation: u32,
}

impl Connection {
    fn new(generation: u32, place: Admission) -> Self {
        Self {
            outbox: Outbox::default(),
            phase: Phase::Handshake,
            encoding: Encoding::plain(Codec::Json),
            dirty: false,
            blocked: false,
            pinged: false,
            read_closed: false,
            place,
            pending_commands: 0,
            commands_left: 0,
            commands_second: NO_SECOND,
            inbound: Inbound::Head(Box::default()),
            topics: Vec::new(),
            ping_due_us: 0,
            deadline_us: 0,
            timer_tick: UNPLACED,
            generation,
        }
    }
}

/// A slab of connections.
#[derive(Default)]
pub(super) struct Connections {
    slots: Pages<Connection>,
    free: Vec<u32>,
}

impl Connections {
    pub(super) fn insert(&mut self, place: Admission) -> ConnectionId {
        if let Some(slot) = self.free.pop() {
            let connection = &mut self.slots[slot as usize];
            let generation = (connection.generation + 1) & ((1 << GENERATION_BITS) - 1);
            *connection = Connection::new(generation, place);
            return ConnectionId { slot, generation };
        }
        self.slots.push(Connection::new(0, place));
        ConnectionId {
            slot: self.slots.len() as u32 - 1,
            generation: 0,
        }
    }

    /// Frees a slot; says what place its connection had. `None`: the id was stale.
    pub(super) fn remove(&mut self, id: ConnectionId) -> Option<Admission> {
        let connection = self.get_mut(id)?;
        let (generation, place) = (connection.generation, connection.place);
        *connection = Connection {
            phase: Phase::Vacant,
            ..Connection::new(generation, place)
        };
        self.free.push(id.slot);
        Some(place)
    }

    pub(super) fn get_mut(&mut self, id: ConnectionId) -> Option<&mut Connection> {
        let connection = self.slots.get_mut(id.slot())?;
        let live = connection.generation == id.generation && connection.phase != Phase::Vacant;
        live.then_some(connection)
    }

    /// The connection in `slot`, which the caller knows to be in use.
    pub(super) fn at(&mut self, slot: u32) -> &mut Connection {
        &mut self.slots[slot as usize]
    }

    /// The id of the connection in `slot`; `None` when it is free.
    pub(super) fn id_at(&self, slot: u32) -> Option<ConnectionId> {
        let connection = self.slots.get(slot as usize)?;
        let id = ConnectionId {
            slot,
            generation: connection.generation,
        };
        (connection.phase != Phase::Vacant).then_some(id)
    }

    /// How many slots there are, free ones included.
    pub(super) fn slots(&self) -> usize {
        self.slots.len()
    }

    /// Two connections for a comparison of their outboxes.
    pub(super) fn pair(&self, one: u32, other: u32) -> (&Connection, &Connection) {
        (&self.slots[one as usize], &self.slots[other as usize])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_connection_is_small() {
        assert!(
            size_of::<Connection>() <= 200,
            "{}",
            size_of::<Connection>()
        );
    }

    #[test]
    fn an_id_survives_its_bits() {
        let id = ConnectionId {
            slot: u32::MAX,
            generation: (1 << GENERATION_BITS) - 1,
        };
        assert_eq!(ConnectionId::from_bits(id.to_bits()), id);
        assert_eq!(id.to_bits() >> 60, 0);
    }
}
