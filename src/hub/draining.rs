//! Drains: closing all connections, or a number of them, evenly over a period. Shard core.

use super::Hub;
use super::close_reason::CloseReason;
use super::closing::SocketClose;
use super::connection_id::ConnectionId;
use super::drain::{Drain, DrainScope};
use super::sessions::Stage;

impl Hub {
    /// Starts to close connections with code 3001, evenly over `period_us`. A later drain replaces
    /// an earlier one, except that nothing replaces the drain of all connections.
    pub fn drain(&mut self, scope: DrainScope, period_us: u64, now_us: u64) {
        let slots = self.sessions.slots();
        let (total, cursor) = match scope {
            DrainScope::All => (self.sessions.len() - self.sessions.internal(), 0),
            DrainScope::Count(_) if self.is_shutting_down() => return,
            // A random start: otherwise repeated drains would always close the same slots.
            DrainScope::Count(count) => (count, self.random.usize(..slots.max(1))),
        };
        let drain = Drain::start(scope, total, slots, cursor, period_us, now_us);
        self.draining = Some(drain);
    }

    /// Returns whether a drain of all connections is in progress.
    pub(super) fn is_shutting_down(&self) -> bool {
        let scope = self.draining.as_ref().map(Drain::scope);
        scope == Some(DrainScope::All)
    }

    /// Closes the connections that the drain has to close by now.
    pub(super) fn continue_drain(&mut self, now_us: u64) {
        let Some(mut drain) = self.draining.filter(|drain| drain.next_us() <= now_us) else {
            return;
        };
        drain.begin_step(self.sessions.slots());
        while let Some(slot) = drain.next_slot(now_us) {
            if let Some(id) = self.sessions.id_at(slot)
                && self.is_drained(id, drain.scope())
            {
                drain.count_closed();
                self.close_for_drain(id, now_us);
            }
        }
        self.draining = drain.end_step(now_us);
    }

    /// Returns whether a drain closes this connection. A connection with pending commands gets its
    /// replies first, which takes a few milliseconds as a rule: without the reply, the client would
    /// publish again.
    fn is_drained(&self, id: ConnectionId, scope: DrainScope) -> bool {
        let session = &self.sessions[id];
        match scope {
            _ if session.is_internal() => false,
            _ if self.pending.count_of(id) > 0 => false,
            DrainScope::All => true,
            DrainScope::Count(_) => session.is_open(),
        }
    }

    fn close_for_drain(&mut self, id: ConnectionId, now_us: u64) {
        if self.sessions[id].stage() == Stage::Handshake {
            self.counts.refused_draining += 1;
            self.end(id, SocketClose::Orderly);
        } else {
            self.close(id, CloseReason::Shutdown, now_us);
        }
    }
}
