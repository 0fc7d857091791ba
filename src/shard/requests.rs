//! Applies new configurations and carries out the requests of the control thread. Runs on the shard
//! thread.

use std::io;

use crate::fabric::{Change, ShardRequest};
use crate::hub::DrainScope;

use super::ring::Ring;
use super::shard_loop::{ShardLoop, Turn};
use super::work::Work;

impl<R: Ring> ShardLoop<R> {
    /// Applies the newest configuration, unless the shard has done so already.
    pub(super) fn apply_config(&mut self) -> Work {
        let (fabric, hub) = (&self.fabric, &mut self.hub);
        let applied = &fabric.shards[self.index].config;
        match fabric
            .config
            .apply(applied, |config| hub.reconfigure(config))
        {
            Change::Applied => Work::Done,
            Change::None => Work::None,
        }
    }

    /// Carries out one request. Returns [`Turn::Ended`] if the shard has to end at once.
    pub(super) fn handle_request(
        &mut self,
        request: ShardRequest,
        now_us: u64,
    ) -> io::Result<Turn> {
        match request {
            ShardRequest::Stop => return Ok(Turn::Ended),
            ShardRequest::AcceptInternal(stream) => self.accept_internal(stream, now_us)?,
            ShardRequest::Drain { scope, period_us } => {
                if scope == DrainScope::All {
                    self.accept_until_us = Some(now_us + period_us);
                }
                self.hub.drain(scope, period_us, now_us);
            }
            ShardRequest::Survey { limit, reply } => self.surveys.push(limit, reply),
            ShardRequest::ActOnUser {
                action,
                reply,
                permit,
            } => self.user_actions.push(action, reply, permit),
            ShardRequest::ListTopics { from, reply } => {
                // Fails if the control thread no longer waits for the page.
                let _ = reply.send(self.hub.topic_page(from));
            }
        }
        Ok(Turn::Worked)
    }
}
