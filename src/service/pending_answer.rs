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
mod tests {
    use crate::access::{HookCall, HookKind, HookResponse, ServiceQuestion};
    use crate::config::Config;
    use crate::service::tests::{Asker, run};

    use super::*;

    #[test]
    fn a_task_that_panics_answers_its_question_once() {
        let (mut asker, _handler) = Asker::new(&Config::default());
        let failure = || ServiceAnswer::Hook(HookResponse::Failed);
        let call = HookCall {
            kind: HookKind::Rpc,
            body: Vec::new(),
            headers: Vec::new(),
        };
        let tickets = [0; 2].map(|shard| asker.ask(shard, ServiceQuestion::Hook(call.clone())));
        let pending = |ticket| PendingAnswer::new(Arc::clone(&asker.fabric), 0, ticket, failure());
        let response = HookResponse::Complete {
            status: 200,
            body: Vec::new(),
        };
        let given = ServiceAnswer::Hook(response);
        pending(tickets[0]).give(given.clone());
        let panics = pending(tickets[1]);
        let ended = run(async {
            let task = tokio::spawn(async move {
                let _pending = panics;
                panic!("a panic of a test");
            });
            task.await
        });
        assert!(ended.is_err_and(|error| error.is_panic()));
        let answers = &asker.fabric.shards[0].service_answers;
        assert_eq!(answers.pop(), Some((tickets[0], given)));
        assert_eq!(answers.pop(), Some((tickets[1], failure())));
        assert_eq!(answers.pop(), None);
    }
}
