//! Tests of the loop with a real event descriptor and without ZeroMQ endpoints.

use std::thread;

use tokio::sync::oneshot;

use super::*;
use crate::fabric::{
    ReplyTarget, Submission, SubmissionResult, SubmissionSource, SubmittedPublication,
};
use crate::shard;

type Results = oneshot::Receiver<Vec<SubmissionResult>>;

fn ingest_loop() -> (IngestLoop, Arc<Fabric>) {
    let wake = || shard::wake().expect("the process may open an event descriptor");
    let fabric = Arc::new(Fabric::new(vec![wake()], wake(), 1));
    let mut config = Config::default();
    config.ingest.pull.clear();
    config.ingest.sub.clear();
    config.ingest.router.clear();
    let sockets = Sockets::bind(&config).expect("there is nothing to bind");
    let ingest_loop = IngestLoop::new(sockets, &config, Arc::clone(&fabric));
    (ingest_loop.expect("the descriptors can be polled"), fabric)
}

/// Submits one publication as the admin port does.
fn submit(fabric: &Fabric) -> Results {
    let (sender, receiver) = oneshot::channel();
    let publication = SubmittedPublication {
        topic: "a".into(),
        payload: b"1".to_vec(),
    };
    let submission = Submission {
        source: SubmissionSource::Admin,
        publications: vec![publication],
        reply: ReplyTarget::Task(sender),
        deadline_us: None,
    };
    let submitted = fabric.submissions.submit(submission);
    assert!(submitted.is_ok(), "the queue has room");
    receiver
}

#[test]
fn a_submission_wakes_the_loop_and_the_results_wake_the_task() {
    let (ingest_loop, fabric) = ingest_loop();
    let thread = thread::spawn(move || ingest_loop.run());
    for _ in 0..100 {
        let results = submit(&fabric).blocking_recv();
        assert_eq!(results, Ok(vec![SubmissionResult::Accepted]));
    }
    fabric.submissions.close();
    thread.join().expect("the loop ends");
}

#[test]
fn a_task_gets_an_error_when_the_loop_ends_before_its_submission_is_handled() {
    let (ingest_loop, fabric) = ingest_loop();
    fabric.submissions.close();
    let mut results = submit(&fabric);
    ingest_loop.run();
    assert_eq!(
        results.try_recv(),
        Err(oneshot::error::TryRecvError::Closed)
    );
}
