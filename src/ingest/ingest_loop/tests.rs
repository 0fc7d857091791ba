//! Tests of the loop with a real event descriptor. ZeroMQ sockets are inside the process.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::fd::AsRawFd;
use std::thread;

use tokio::sync::oneshot;
use zmq::Context;

use super::*;
use crate::fabric::{
    ReplyTarget, Submission, SubmissionResult, SubmissionSource, SubmittedPublication,
};
use crate::ingest::connections::{Connections, ReviewBounds};
use crate::ingest::socket_monitor::SocketMonitor;
use crate::ingest::sockets::SocketKind;
use crate::limits::{OBSERVED_BYTES, SOCKET_TURN_CLOCK_MESSAGES, SOCKET_TURN_MESSAGES};
use crate::shard;

type Results = oneshot::Receiver<Vec<SubmissionResult>>;

/// Returns a loop with one PULL socket, and a PUSH socket that is connected to it.
fn ingest_loop() -> (IngestLoop, Arc<Fabric>, zmq::Socket) {
    let wake = || shard::wake().expect("the process may open an event descriptor");
    let fabric = Arc::new(Fabric::new(vec![wake()], wake(), 1));
    let config = Config::default();
    let context = Context::new();
    let socket = |kind| context.socket(kind).expect("a socket is created");
    let (pull, push) = (socket(zmq::PULL), socket(zmq::PUSH));
    let monitor = SocketMonitor::open(&context, "pull", &pull, &config.ingest);
    pull.bind("inproc://pull").expect("the endpoint is free");
    push.connect("inproc://pull").expect("the loop is bound");
    let receiver = Receiver {
        kind: SocketKind::Pull,
        socket: pull,
        monitor: monitor.expect("the socket can be monitored"),
        connections: Connections::default(),
    };
    let sockets = Sockets {
        receivers: vec![receiver],
        authenticator: None,
        context,
    };
    let ingest_loop = IngestLoop::new(sockets, &config, Arc::clone(&fabric));
    let ingest_loop = ingest_loop.expect("the descriptors can be polled");
    (ingest_loop, fabric, push)
}

/// Adds a connection that is overdue. Returns both of its ends.
fn add_overdue(connections: &mut Connections) -> (TcpStream, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port is free");
    let address = listener.local_addr().expect("the listener is bound");
    let mut publisher = TcpStream::connect(address).expect("the listener accepts");
    let (mut accepted, _) = listener.accept().expect("a connection is waiting");
    connections.add(accepted.as_raw_fd(), &format!("tcp://{address}"));
    for bytes in [OBSERVED_BYTES as usize + 1, 1] {
        let mut bytes = vec![0; bytes];
        thread::scope(|scope| {
            let sent = bytes.clone();
            let publisher = &mut publisher;
            scope.spawn(move || publisher.write_all(&sent).expect("it is connected"));
            accepted.read_exact(&mut bytes).expect("it is connected");
        });
        let bounds = ReviewBounds {
            message_bytes: 0,
            heartbeat_bytes: 0,
        };
        connections.review(None, 1, bounds);
    }
    assert!(connections.is_overdue());
    (publisher, accepted)
}

/// Submits one publication as the admin port does.
fn submit(fabric: &Fabric) -> Results {
    let (sender, receiver) = oneshot::channel();
    let publication = SubmittedPublication {
        topic: "a".into(),
        payload: b"1".to_vec(),
        info: None,
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
    let (ingest_loop, fabric, _push) = ingest_loop();
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
    let (ingest_loop, fabric, _push) = ingest_loop();
    fabric.submissions.close();
    let mut results = submit(&fabric);
    ingest_loop.run();
    assert_eq!(
        results.try_recv(),
        Err(oneshot::error::TryRecvError::Closed)
    );
}

#[test]
fn a_socket_is_read_to_its_end_after_a_turn_for_an_overdue_connection() {
    let (mut ingest_loop, fabric, push) = ingest_loop();
    // At first everything counts as ready. Afterwards only an event of the socket does.
    ingest_loop.round();
    let messages = 2 * SOCKET_TURN_MESSAGES;
    for _ in 0..messages {
        let sent = push.send_multipart(["a", "1"], zmq::DONTWAIT);
        sent.expect("the queue has room");
    }
    let _streams = add_overdue(&mut ingest_loop.receivers[0].connections);
    for _ in 0..messages / SOCKET_TURN_CLOCK_MESSAGES {
        ingest_loop.round();
        ingest_loop.readiness.poll(PollMode::NoWait);
    }
    let counts = fabric.ingest_counts.load();
    assert_eq!(counts.received_pull, messages as u64);
}
