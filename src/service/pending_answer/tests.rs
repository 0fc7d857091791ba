//! Answers of tasks that end in every way. Threads of tests.

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
