//! Continues with parked connections in later turns. Shard core.

use super::Hub;
use super::connection_id::ConnectionId;
use super::parked::{Held, Parking};

impl Hub {
    /// Continues with parked connections, oldest first, for as long as a turn may verify tokens.
    /// The shell calls it once in each turn, after it has passed publications to the hub.
    pub fn resume_parked(&mut self, now_us: u64) -> Parking {
        self.parked.begin_turn();
        while let Some((id, held)) = self.parked.next() {
            self.resume(id, held, now_us);
        }
        if self.parked.len() == 0 {
            Parking::Empty
        } else {
            Parking::Occupied
        }
    }

    fn resume(&mut self, id: ConnectionId, mut held: Held, now_us: u64) {
        if let Some(held) = held.message {
            self.handle_commands(id, held.codec, &held.message, held.command, now_us);
        }
        if self.parked.contains(id) {
            self.parked.keep_input(id, &held.input);
        } else {
            self.process(id, &mut held.input, now_us);
        }
        if !self.parked.contains(id) {
            self.parked.set_readable(id);
        }
    }

    /// Returns the next connection that is no longer parked. The shell reads from it again.
    #[must_use]
    pub fn poll_readable(&mut self) -> Option<ConnectionId> {
        self.parked.next_readable()
    }
}
