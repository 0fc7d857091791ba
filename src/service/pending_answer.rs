//! Answers each question of a shard exactly once. Service thread.

use std::sync::Arc;

use crate::access::ServiceAnswer;
use crate::fabric::Fabric;
use crate::hub::Ticket;

/// The answer that a question will get. It is given when this is dropped, so that a question whose
/// task panics or is cancelled is answered too.
pub(super) struct PendingAnswer {
    fabric: Arc<Fabric>,
    shard: usize,
    ticket: Ticket,
    /// `None` after the answer was given.
    answer: Option<ServiceAnswer>,
}

impl PendingAnswer {
    /// Creates the answer to a question. It is `failure` until another one is given.
    pub(super) fn new(
        fabric: Arc<Fabric>,
        shard: usize,
        ticket: Ticket,
        failure: ServiceAnswer,
    ) -> Self {
        Self {
            fabric,
            shard,
            ticket,
            answer: Some(failure),
        }
    }

    pub(super) fn give(mut self, answer: ServiceAnswer) {
        self.answer = Some(answer);
    }
}

impl Drop for PendingAnswer {
    fn drop(&mut self) {
        if let Some(answer) = self.answer.take() {
            self.fabric.answer_shard(self.shard, self.ticket, answer);
        }
    }
}

#[cfg(test)]
mod tests;
