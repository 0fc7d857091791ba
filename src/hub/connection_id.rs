//! The name of a connection, and the slot of the tables that hold its parts. Shard core.

/// Identifies a connection of one shard. A slot that is used again has another generation, so an
/// identifier that outlives its connection matches nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ConnectionId {
    slot: u32,
    generation: u32,
}

/// Number of bits of a generation, so that an identifier fits into 60 bits: the ring keeps it in
/// the user data of an operation, beside 4 bits for the kind of operation.
const GENERATION_BITS: u32 = 28;

impl ConnectionId {
    pub(super) fn new(slot: Slot, generation: u32) -> Self {
        let slot = slot.0;
        Self { slot, generation }
    }

    /// Returns the identifier as 60 bits.
    pub fn to_bits(self) -> u64 {
        u64::from(self.generation) << 32 | u64::from(self.slot)
    }

    /// Returns the identifier that [`ConnectionId::to_bits`] gave these bits.
    pub fn from_bits(bits: u64) -> Self {
        let generation = (bits >> 32) as u32 & ((1 << GENERATION_BITS) - 1);
        Self {
            slot: bits as u32,
            generation,
        }
    }

    /// Returns the index of the connection's slot. Indexes are dense and used again.
    pub fn slot(self) -> usize {
        self.slot as usize
    }

    pub(super) fn generation(self) -> u32 {
        self.generation
    }

    /// Returns the generation after this one in the same slot.
    pub(super) fn next_generation(generation: u32) -> u32 {
        (generation + 1) & ((1 << GENERATION_BITS) - 1)
    }
}

/// The slot of a connection: the index of its session, its subscriptions and its outbox, each in a
/// table of its own. Four bytes, because lists hold millions of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Slot(u32);

impl Slot {
    /// # Panics
    /// Panics at 2^32 slots. A process cannot have as many descriptors.
    pub(super) fn new(index: usize) -> Self {
        Self(u32::try_from(index).expect("a process has fewer than 2^32 descriptors"))
    }

    pub(super) fn index(self) -> usize {
        self.0 as usize
    }
}

impl From<ConnectionId> for Slot {
    fn from(id: ConnectionId) -> Self {
        Self(id.slot)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_identifier_is_restored_from_its_bits() {
        let id = ConnectionId {
            slot: u32::MAX,
            generation: (1 << GENERATION_BITS) - 1,
        };
        assert_eq!(ConnectionId::from_bits(id.to_bits()), id);
        assert_eq!(id.to_bits() >> 60, 0);
    }

    #[test]
    fn the_generation_after_the_last_one_is_the_first() {
        assert_eq!(ConnectionId::next_generation(0), 1);
        let last = (1 << GENERATION_BITS) - 1;
        assert_eq!(ConnectionId::next_generation(last), 0);
    }
}
