//! The time that a turn may spend on tokens and on parked connections. Shard core.

use crate::limits::{HMAC_VERIFY_US, TURN_TOKEN_TIME};

/// Estimated time up to which a token is cheap: one of 512 bytes with HMAC, or one that was
/// verified before.
const CHEAP_TOKEN_US: u32 = HMAC_VERIFY_US + 8;

/// Estimated number of bytes that are processed in a microsecond.
const BYTES_PER_US: u32 = 512;

/// Whether a turn has time to verify a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum TokenTime {
    Granted,
    Exhausted,
}

/// The time that is left in this turn, in microseconds. Cheap tokens have time of their own, so
/// that they do not wait for expensive ones that may be forged.
pub(super) struct TurnTime {
    left_us: u32,
    cheap_left_us: u32,
}

impl Default for TurnTime {
    fn default() -> Self {
        Self {
            left_us: TURN_TOKEN_TIME.as_micros() as u32,
            cheap_left_us: TURN_TOKEN_TIME.as_micros() as u32,
        }
    }
}

impl TurnTime {
    /// Takes the time for one verification. The last one of a turn may exceed the limit.
    pub(super) fn take(&mut self, cost_us: u32) -> TokenTime {
        let left_us = if cost_us <= CHEAP_TOKEN_US {
            &mut self.cheap_left_us
        } else {
            &mut self.left_us
        };
        if *left_us == 0 {
            return TokenTime::Exhausted;
        }
        *left_us = left_us.saturating_sub(cost_us);
        TokenTime::Granted
    }

    /// Takes the time to process bytes that were held.
    pub(super) fn take_for_bytes(&mut self, bytes: usize) {
        let cost_us = 1 + bytes as u32 / BYTES_PER_US;
        self.left_us = self.left_us.saturating_sub(cost_us);
    }

    /// Returns whether no parked connection may continue in this turn.
    pub(super) fn is_exhausted(&self) -> bool {
        self.left_us == 0
    }
}
