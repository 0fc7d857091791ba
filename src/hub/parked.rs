//! Connections whose next command or request waits until the shard has time for its token. Shard
//! core.
//!
//! An asymmetric signature takes as long to verify as the sends of many deliveries. Therefore a
//! turn verifies tokens for a limited time. A connection whose command does not fit is parked: the
//! hub keeps the bytes that the connection has sent, and the shell does not read from it. So the
//! commands of one connection keep their order.

use std::collections::VecDeque;

use foldhash::{HashMap, HashMapExt};

use crate::limits::{HMAC_VERIFY_US, TURN_TOKEN_TIME};
use crate::protocol::codec::ClientCodec;

use super::connection_id::ConnectionId;

/// Estimated time up to which a token is cheap: one of 512 bytes with HMAC, or one that was
/// verified before.
const CHEAP_TOKEN_US: u32 = HMAC_VERIFY_US + 8;

/// Estimated number of held bytes that are processed in a microsecond.
const HELD_BYTES_PER_US: u32 = 512;

/// The bytes of a parked connection that the hub has not processed.
pub(super) struct Held {
    /// The message whose command waits. `None` if the request head waits.
    pub(super) message: Option<HeldMessage>,
    /// The bytes from the head on, or those after the message.
    pub(super) input: Vec<u8>,
}

impl Held {
    fn len(&self) -> usize {
        let message = self.message.as_ref().map_or(0, |held| held.message.len());
        message + self.input.len()
    }
}

/// A message with a command that waits.
pub(super) struct HeldMessage {
    pub(super) codec: ClientCodec,
    pub(super) message: Vec<u8>,
    /// The index of the command in the message.
    pub(super) command: usize,
}

/// The parked connections of one shard, and the time that is left for tokens in this turn.
pub(super) struct Parked {
    order: VecDeque<ConnectionId>,
    held: HashMap<ConnectionId, Held>,
    /// Connections that may be read again.
    readable: VecDeque<ConnectionId>,
    time_left_us: u32,
    cheap_time_left_us: u32,
}

/// Whether a turn has time to verify a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum TokenTime {
    Granted,
    Exhausted,
}

/// Whether connections are still parked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Parking {
    Empty,
    /// The shell calls [`Hub::resume_parked`] again in the next turn, without sleeping.
    Occupied,
}

impl Default for Parked {
    fn default() -> Self {
        Self {
            order: VecDeque::new(),
            held: HashMap::new(),
            readable: VecDeque::new(),
            time_left_us: turn_time_us(),
            cheap_time_left_us: turn_time_us(),
        }
    }
}

impl Parked {
    /// Takes the time for one verification. The last one of a turn may exceed the limit. Cheap ones
    /// have time of their own, so that they do not wait for expensive ones that may be forged.
    pub(super) fn take_time(&mut self, cost_us: u32) -> TokenTime {
        let left_us = if cost_us <= CHEAP_TOKEN_US {
            &mut self.cheap_time_left_us
        } else {
            &mut self.time_left_us
        };
        if *left_us == 0 {
            return TokenTime::Exhausted;
        }
        *left_us = left_us.saturating_sub(cost_us);
        TokenTime::Granted
    }

    pub(super) fn contains(&self, id: ConnectionId) -> bool {
        !self.held.is_empty() && self.held.contains_key(&id)
    }

    /// Parks a connection at a command of a message.
    pub(super) fn park(
        &mut self,
        id: ConnectionId,
        codec: ClientCodec,
        message: &[u8],
        command: usize,
    ) {
        let message = HeldMessage {
            codec,
            message: message.to_vec(),
            command,
        };
        self.hold(
            id,
            Held {
                message: Some(message),
                input: Vec::new(),
            },
        );
    }

    /// Parks a connection at its request head. `input` begins with the head.
    pub(super) fn park_head(&mut self, id: ConnectionId, input: Vec<u8>) {
        let message = None;
        self.hold(id, Held { message, input });
    }

    fn hold(&mut self, id: ConnectionId, held: Held) {
        let previous = self.held.insert(id, held);
        debug_assert!(previous.is_none(), "a parked connection is not processed");
        self.order.push_back(id);
    }

    /// Keeps the bytes that follow the message of a parked connection.
    pub(super) fn keep_input(&mut self, id: ConnectionId, input: &[u8]) {
        if self.held.is_empty() {
            return;
        }
        if let Some(held) = self.held.get_mut(&id) {
            held.input.extend_from_slice(input);
        }
    }

    /// Forgets the bytes of a connection, because the connection is being closed.
    pub(super) fn forget(&mut self, id: ConnectionId) {
        if !self.held.is_empty() && self.held.remove(&id).is_some() {
            self.readable.push_back(id);
        }
    }

    /// Adds a connection to those that may be read again.
    pub(super) fn set_readable(&mut self, id: ConnectionId) {
        if !self.is_last_readable(id) {
            self.readable.push_back(id);
        }
    }

    /// Removes a connection that has just become readable, because its caller reads it anyway.
    pub(super) fn forget_readable(&mut self, id: ConnectionId) {
        if self.is_last_readable(id) {
            self.readable.pop_back();
        }
    }

    fn is_last_readable(&self, id: ConnectionId) -> bool {
        self.readable.back() == Some(&id)
    }

    /// Removes the next connection that may be read again.
    pub(super) fn next_readable(&mut self) -> Option<ConnectionId> {
        self.readable.pop_front()
    }

    /// Returns the number of parked connections.
    pub(super) fn len(&self) -> usize {
        self.held.len()
    }

    /// Begins a turn, which has time for tokens again.
    pub(super) fn begin_turn(&mut self) {
        self.time_left_us = turn_time_us();
        self.cheap_time_left_us = turn_time_us();
    }

    /// Removes the connection that was parked first. Returns `None` if the turn has no time left.
    pub(super) fn next(&mut self) -> Option<(ConnectionId, Held)> {
        if self.time_left_us == 0 {
            return None;
        }
        while let Some(id) = self.order.pop_front() {
            if let Some(held) = self.held.remove(&id) {
                // The bytes are processed again.
                let cost_us = 1 + held.len() as u32 / HELD_BYTES_PER_US;
                self.time_left_us = self.time_left_us.saturating_sub(cost_us);
                return Some((id, held));
            }
        }
        // The memory of a storm is returned.
        self.order = VecDeque::new();
        self.held = HashMap::new();
        None
    }
}

/// Returns the time in microseconds that a turn may verify tokens.
fn turn_time_us() -> u32 {
    TURN_TOKEN_TIME.as_micros() as u32
}
