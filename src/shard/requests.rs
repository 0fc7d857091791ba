//! Carries out the requests of the control thread. Shard thread.

use std::io;
use std::sync::Arc;

use crate::fabric::Order;
use crate::hub::DrainScope;

use super::ring::Ring;
use super::shard_loop::{ShardLoop, Turn};

impl<R: Ring> ShardLoop<R> {
    /// Carries out one request. Returns [`Turn::Ended`] if the shard has to end at once.
    pub(super) fn handle_request(&mut self, request: Order, now_us: u64) -> io::Result<Turn> {
        match request {
            Order::Stop => return Ok(Turn::Ended),
            Order::Adopt(stream) => {
                // The request is given to one shard only, so this is the only reference.
                if let Some(stream) = Arc::into_inner(stream) {
                    self.accept_internal(stream, now_us)?;
                }
            }
            Order::Reconfigure(config) => self.hub.reconfigure(config),
            Order::Drain { leaving, period_us } => {
                if leaving == DrainScope::All {
                    self.accept_until_us = Some(now_us + period_us);
                }
                self.hub.drain(leaving, period_us, now_us);
            }
            Order::Survey { limit, reply } => self.surveys.push(limit, reply),
        }
        Ok(Turn::Worked)
    }
}
