//! Simulates the service thread, which calls the connect hook in some runs.

use fanfare::access::{HookResponse, ServiceAnswer};

use super::world::World;

impl World {
    /// Answers one question of the shard. Returns whether there was one. Answers come in any order,
    /// also for connections that have ended.
    pub fn answer_service(&mut self) -> bool {
        while let Ok(call) = self.service_calls.try_recv() {
            self.unanswered.push(call.ticket);
        }
        let count = self.unanswered.len();
        if count == 0 {
            return false;
        }
        let index = self.random.usize(..count);
        let ticket = self.unanswered.swap_remove(index);
        let body = match self.random.u32(..8) {
            0 => &br#"{"disconnect":{"code":4501,"reason":"refused"}}"#[..],
            _ => br#"{"result":{}}"#,
        };
        let body = body.to_vec();
        let answer = ServiceAnswer::Hook(HookResponse::Complete { status: 200, body });
        self.fabric.answer_shard(0, ticket, answer);
        self.kernel.coverage.hooks_answered += 1;
        self.note(|| "a hook answers".into());
        true
    }
}
