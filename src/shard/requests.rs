//! Carries out the requests of the control thread. Runs on the shard thread.

use std::io;

use crate::fabric::ShardRequest;
use crate::hub::DrainScope;

use super::ring::Ring;
use super::shard_loop::{ShardLoop, Turn};

impl<R: Ring> ShardLoop<R> {
    /// Carries out one request. Returns [`Turn::Ended`] if the shard has to end at once.
    pub(super) fn handle_request(
        &mut self,
        request: ShardRequest,
        now_us: u64,
    ) -> io::Result<Turn> {
        match request {
            ShardRequest::Stop => return Ok(Turn::Ended),
            ShardRequest::AcceptInternal(stream) => self.accept_internal(stream, now_us)?,
            ShardRequest::Reconfigure(config) => self.hub.reconfigure(config),
            ShardRequest::Drain { scope, period_us } => {
                if scope == DrainScope::All {
                    self.accept_until_us = Some(now_us + period_us);
                }
                self.hub.drain(scope, period_us, now_us);
            }
            ShardRequest::Survey { limit, reply } => self.surveys.push(limit, reply),
        }
        Ok(Turn::Worked)
    }
}
