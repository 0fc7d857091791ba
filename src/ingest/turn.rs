//! How much is read from one socket before the next socket has its turn. Ingest thread.

use crate::limits::{
    SOCKET_TURN, SOCKET_TURN_BYTES, SOCKET_TURN_CLOCK_MESSAGES, SOCKET_TURN_MESSAGES,
};
use crate::observe::Clock;

/// Whether a socket may have more messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Drained {
    /// The socket has no message left.
    Empty,
    /// The turn of the socket has ended, so that other sockets have theirs.
    BoundReached,
}

/// The messages that were read from a socket in its turn.
pub(super) struct SocketTurn {
    clock: Clock,
    end_us: u64,
    messages: usize,
    bytes: usize,
}

impl SocketTurn {
    /// Begins a turn now. Turns of other sockets in the same round do not shorten it.
    pub(super) fn begin(clock: Clock) -> Self {
        Self {
            clock,
            end_us: clock.now_us() + SOCKET_TURN.as_micros() as u64,
            messages: 0,
            bytes: 0,
        }
    }

    /// Counts a message that was handled. Returns whether the turn has ended.
    pub(super) fn ends_after(&mut self, bytes: usize) -> bool {
        self.messages += 1;
        self.bytes += bytes;
        self.messages >= SOCKET_TURN_MESSAGES
            || self.bytes >= SOCKET_TURN_BYTES
            || (self.messages.is_multiple_of(SOCKET_TURN_CLOCK_MESSAGES)
                && self.clock.now_us() >= self.end_us)
    }
}

#[cfg(test)]
mod tests {
    use std::thread;

    use super::*;

    /// Returns a turn that time does not end.
    fn turn() -> SocketTurn {
        SocketTurn {
            end_us: u64::MAX,
            ..SocketTurn::begin(Clock::start())
        }
    }

    #[test]
    fn a_turn_ends_after_a_number_of_messages_or_bytes() {
        let mut messages = turn();
        for _ in 1..SOCKET_TURN_MESSAGES {
            assert!(!messages.ends_after(1));
        }
        assert!(messages.ends_after(1));
        let mut bytes = turn();
        assert!(!bytes.ends_after(SOCKET_TURN_BYTES - 1));
        assert!(bytes.ends_after(1));
    }

    #[test]
    fn a_turn_ends_after_a_time() {
        let mut turn = SocketTurn::begin(Clock::start());
        thread::sleep(SOCKET_TURN);
        for _ in 1..SOCKET_TURN_CLOCK_MESSAGES {
            assert!(!turn.ends_after(1));
        }
        assert!(turn.ends_after(1));
    }
}
