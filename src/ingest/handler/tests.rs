//! Tests of the handler: results in order, full lanes, counters, and the place of answers on a
//! lane. Messages arrive over real ZeroMQ sockets inside the process.

use std::iter;
use std::thread;

use tokio::sync::oneshot;
use zmq::{Context, SocketType};

use super::*;
use crate::fabric::{InterestCounts, LaneItem, SubmittedPublication, ThreadName, Wake};
use crate::hub::Ticket;
use crate::limits::{
    LANE_ANSWERS, LANE_BATCHES, PENDING_COMMAND_TIMEOUT, SOCKET_TURN, SOCKET_TURN_CLOCK_MESSAGES,
    SUBMISSION_QUEUE_PUBLICATIONS, SUBMISSION_TIMEOUT,
};
use crate::observe::ShardCounts;
use crate::protocol::topic;

/// A time of the process clock that no test reaches.
const NOW_US: u64 = 1 << 60;

/// A handler with two shards.
struct World {
    fabric: Arc<Fabric>,
    interest: [InterestCounts; 2],
    handler: MessageHandler,
}

/// An item that a shard finds on its lane.
#[derive(Debug, PartialEq)]
enum Found {
    Batch { publications: u64 },
    Answers(Vec<(Ticket, SubmissionResult)>),
}

impl World {
    fn new() -> Self {
        let wake = || Wake::new(tempfile::tempfile().expect("a file replaces an event descriptor"));
        let fabric = Arc::new(Fabric::new(vec![wake(), wake()], wake(), 1));
        Self {
            handler: MessageHandler::new(Arc::clone(&fabric), &Config::default()),
            interest: Default::default(),
            fabric,
        }
    }

    fn want(&mut self, shard: usize, topic: &str) {
        let hash = self.fabric.hasher.hash(topic);
        self.interest[shard].add(&self.fabric.shards[shard].interest, hash);
    }

    /// Runs one round of the ingest loop without sockets.
    fn round(&mut self) {
        self.handler.drain_submissions(0);
        self.handler.finish_round(0);
    }

    /// Fills the lane of a shard with batches of a topic that only this shard wants.
    fn fill_lane(&mut self, shard: usize) {
        self.want(shard, "filler");
        for _ in 0..LANE_BATCHES {
            self.submit(SubmissionSource::Canary, &["filler"], ReplyTarget::Discard);
            self.round();
        }
        assert_eq!(self.handler.counts.lane_full, 0);
    }

    fn submit(&self, source: SubmissionSource, topics: &[&str], reply: ReplyTarget) {
        let submission = Submission {
            source,
            publications: publications(topics),
            reply,
            deadline_us: None,
        };
        let submitted = self.fabric.submissions.submit(submission);
        assert!(submitted.is_ok(), "the queue has room");
    }

    /// Submits as the admin port does, and returns the results.
    fn results(&mut self, topics: &[&str]) -> Vec<SubmissionResult> {
        let (sender, mut receiver) = oneshot::channel();
        self.submit(SubmissionSource::Admin, topics, ReplyTarget::Task(sender));
        self.round();
        receiver.try_recv().expect("the round sends the results")
    }

    fn found(&self, shard: usize) -> Vec<Found> {
        let lane = &self.fabric.shards[shard].lane;
        let found = iter::from_fn(|| lane.pop()).map(|item| match item {
            LaneItem::Batch(batch) => Found::Batch {
                publications: batch.publications,
            },
            LaneItem::Answers(answers) => Found::Answers(answers),
        });
        found.collect()
    }

    /// Checks that every message was rejected or accepted, and routed or dropped.
    fn assert_accounted(&self) {
        for stage in [PipelineStage::Check, PipelineStage::Route] {
            let flow = stage.flow(&self.handler.counts, &ShardCounts::default());
            assert!(flow.entered > 0);
            assert_eq!(flow.difference(), 0, "{stage:?}");
        }
    }
}

/// Returns one publication with a valid payload per topic.
fn publications(topics: &[&str]) -> Vec<SubmittedPublication> {
    let publication = |topic: &&str| SubmittedPublication {
        topic: (*topic).into(),
        payload: b"1".to_vec(),
        info: None,
    };
    topics.iter().map(publication).collect()
}

fn tickets(count: u32) -> Vec<Ticket> {
    (0..count).map(Ticket::numbered).collect()
}

#[test]
fn a_submission_gets_one_result_per_publication_in_order() {
    let mut world = World::new();
    world.fill_lane(1);
    world.want(0, "a");
    let expected = [
        SubmissionResult::Accepted,
        SubmissionResult::Rejected(Rejection::TopicEmpty),
        SubmissionResult::Busy,
        SubmissionResult::Accepted,
        SubmissionResult::Rejected(Rejection::TopicControl),
    ];
    assert_eq!(
        world.results(&["a", "", "filler", "unwanted", "\n"]),
        expected
    );
    let counts = world.handler.counts;
    assert_eq!(counts.received_admin, 5);
    assert_eq!((counts.rejected_busy, counts.rejected_topic_empty), (1, 1));
    assert_eq!(world.found(0), [Found::Batch { publications: 1 }]);
    world.assert_accounted();
}

#[test]
fn a_busy_publication_reaches_no_shard() {
    let mut world = World::new();
    world.fill_lane(1);
    world.want(0, "both");
    world.want(1, "both");
    assert_eq!(world.results(&["both"]), [SubmissionResult::Busy]);
    assert_eq!(world.found(0), []);
    assert_eq!(world.found(1).len(), LANE_BATCHES);
    assert_eq!(world.results(&["both"]), [SubmissionResult::Accepted]);
    for shard in 0..2 {
        assert_eq!(world.found(shard), [Found::Batch { publications: 1 }]);
    }
    assert_eq!(world.handler.counts.lane_full, 0);
    world.assert_accounted();
}

#[test]
fn a_canary_is_dropped_for_the_shard_with_the_full_lane_only() {
    let mut world = World::new();
    world.fill_lane(1);
    world.want(0, "both");
    world.want(1, "both");
    world.submit(SubmissionSource::Canary, &["both"], ReplyTarget::Discard);
    world.round();
    assert_eq!(world.found(0), [Found::Batch { publications: 1 }]);
    assert_eq!(world.handler.counts.lane_full, 1);
    world.assert_accounted();
}

#[test]
fn only_the_watchdog_publishes_to_its_topic() {
    let mut world = World::new();
    world.want(0, topic::RESERVED);
    let reserved = SubmissionResult::Rejected(Rejection::TopicReserved);
    assert_eq!(world.results(&[topic::RESERVED]), [reserved]);
    let submitted =
        world
            .fabric
            .submit_from_shard(0, publications(&[topic::RESERVED]), tickets(1), NOW_US);
    assert_eq!(submitted, Ok(()));
    world.round();
    let answers = tickets(1).into_iter().zip([reserved]).collect();
    assert_eq!(world.found(0), [Found::Answers(answers)]);
    world.submit(
        SubmissionSource::Canary,
        &[topic::RESERVED],
        ReplyTarget::Discard,
    );
    world.round();
    assert_eq!(world.found(0), [Found::Batch { publications: 1 }]);
    assert_eq!(world.handler.counts.rejected_topic_reserved, 2);
    world.assert_accounted();
}

#[test]
fn answers_of_a_shard_follow_the_batch_with_its_publications() {
    let mut world = World::new();
    world.want(0, "a");
    world.submit(SubmissionSource::Admin, &["a"], ReplyTarget::Discard);
    let submitted =
        world
            .fabric
            .submit_from_shard(0, publications(&["a", "", "a"]), tickets(3), NOW_US);
    assert_eq!(submitted, Ok(()));
    world.submit(SubmissionSource::Admin, &["a"], ReplyTarget::Discard);
    world.round();
    world.submit(SubmissionSource::Admin, &["a"], ReplyTarget::Discard);
    world.round();
    let results = [
        SubmissionResult::Accepted,
        SubmissionResult::Rejected(Rejection::TopicEmpty),
        SubmissionResult::Accepted,
    ];
    let answers = tickets(3).into_iter().zip(results).collect();
    assert_eq!(
        world.found(0),
        [
            Found::Batch { publications: 4 },
            Found::Answers(answers),
            Found::Batch { publications: 1 },
        ]
    );
    assert_eq!(world.found(1), []);
    assert_eq!(world.handler.counts.received_client, 3);
    world.assert_accounted();
}

#[test]
fn clients_of_a_shard_with_a_full_lane_still_get_their_answers() {
    let mut world = World::new();
    world.fill_lane(0);
    let submitted =
        world
            .fabric
            .submit_from_shard(0, publications(&["filler"]), tickets(1), NOW_US);
    assert_eq!(submitted, Ok(()));
    world.round();
    let answers = vec![(Ticket::numbered(0), SubmissionResult::Busy)];
    assert_eq!(world.found(0).pop(), Some(Found::Answers(answers)));
}

#[test]
fn a_shard_gets_its_tickets_back_when_the_queue_is_full() {
    let world = World::new();
    let many = vec!["a"; SUBMISSION_QUEUE_PUBLICATIONS];
    world.submit(SubmissionSource::Admin, &many, ReplyTarget::Discard);
    for _ in 0..2 * LANE_ANSWERS {
        let submitted =
            world
                .fabric
                .submit_from_shard(0, publications(&["a", "b"]), tickets(2), NOW_US);
        assert_eq!(submitted, Err(tickets(2)));
    }
    world.fabric.submissions.discard();
    let submitted = world
        .fabric
        .submit_from_shard(0, publications(&["a"]), tickets(1), NOW_US);
    assert_eq!(submitted, Ok(()), "a refused submission reserves no answer");
}

#[test]
fn a_submission_that_is_taken_after_its_deadline_is_refused_and_counted() {
    let mut world = World::new();
    world.want(0, "a");
    let (sender, mut receiver) = oneshot::channel();
    let submission = Submission {
        source: SubmissionSource::Admin,
        publications: publications(&["a", ""]),
        reply: ReplyTarget::Task(sender),
        // The thread did not come to the queue in time.
        deadline_us: Some(0),
    };
    assert!(world.fabric.submissions.submit(submission).is_ok());
    world.round();
    let expired = SubmissionResult::Expired;
    assert_eq!(receiver.try_recv(), Ok(vec![expired, expired]));
    assert_eq!(world.found(0), []);
    assert_eq!(world.handler.counts.rejected_expired, 2);
    assert_eq!(world.results(&["a"]), [SubmissionResult::Accepted]);
    world.assert_accounted();
}

#[test]
fn publications_of_clients_expire_before_their_commands_fail() {
    let world = World::new();
    let submitted = world
        .fabric
        .submit_from_shard(0, publications(&["a"]), tickets(1), 7);
    assert_eq!(submitted, Ok(()));
    let submission = world.fabric.submissions.take().expect("it is submitted");
    let deadline_us = 7 + SUBMISSION_TIMEOUT.as_micros() as u64;
    assert!(!submission.is_expired(deadline_us - 1) && submission.is_expired(deadline_us));
    assert!(SUBMISSION_TIMEOUT < PENDING_COMMAND_TIMEOUT);
}

/// Returns a configuration that is recognized by its largest payload.
fn config(max_payload: usize) -> Arc<Config> {
    let mut config = Config::default();
    config.ingest.max_payload = max_payload;
    Arc::new(config)
}

#[test]
fn a_stalled_thread_applies_the_newest_configuration() {
    let mut world = World::new();
    let start = world.fabric.config.version();
    // The ingest thread does not come to an end of a round meanwhile.
    for max_payload in [1, 2, 3] {
        world.fabric.publish_config(config(max_payload));
    }
    assert_eq!(world.fabric.config.version(), start + 3);
    assert_eq!(world.fabric.ingest_config.get(), start);
    world.round();
    assert_eq!(world.fabric.ingest_config.get(), start + 3);
    let mut fits = |payload: &str| {
        let (sender, mut receiver) = oneshot::channel();
        let mut publications = publications(&["a"]);
        publications[0].payload = payload.into();
        let submission = Submission {
            source: SubmissionSource::Admin,
            publications,
            reply: ReplyTarget::Task(sender),
            deadline_us: None,
        };
        assert!(world.fabric.submissions.submit(submission).is_ok());
        world.round();
        receiver.try_recv().expect("the round sends the results") == [SubmissionResult::Accepted]
    };
    assert!(fits("123") && !fits("1234"), "configuration 3 applies");
    // The version is shown for each thread: the shards have no thread here.
    let applied: Vec<_> = world.fabric.applied_configs().collect();
    let shard = |index| (ThreadName::Shard(index), start);
    assert_eq!(
        applied,
        [(ThreadName::Ingest, start + 3), shard(0), shard(1)]
    );
}

/// A pair of connected sockets: one of the server, one of a publisher.
struct Connection {
    server: Socket,
    publisher: Socket,
    _context: Context,
}

impl Connection {
    fn new(server: SocketType, publisher: SocketType) -> Self {
        let context = Context::new();
        let socket = |kind| context.socket(kind).expect("a socket is created");
        let (server, publisher) = (socket(server), socket(publisher));
        server
            .bind("inproc://ingest")
            .expect("the endpoint is free");
        publisher
            .connect("inproc://ingest")
            .expect("the server is bound");
        Self {
            server,
            publisher,
            _context: context,
        }
    }

    fn send(&self, parts: &[&str]) {
        self.publisher
            .send_multipart(parts, 0)
            .expect("the server receives");
    }

    fn reply(&self) -> Vec<String> {
        let reply = self.publisher.recv_multipart(zmq::DONTWAIT);
        let frames = reply.expect("the reply is there").into_iter();
        frames
            .map(|frame| String::from_utf8(frame).expect("replies are UTF-8"))
            .collect()
    }
}

#[test]
fn a_dealer_gets_busy_and_the_publication_reaches_no_shard() {
    let mut world = World::new();
    world.fill_lane(1);
    world.want(0, "both");
    world.want(1, "both");
    world.want(0, "one");
    let connection = Connection::new(zmq::ROUTER, zmq::DEALER);
    for topic in ["both", "one"] {
        connection.send(&["id", "", topic, "1"]);
    }
    let drained = world.handler.drain_socket(
        SocketKind::Router,
        &connection.server,
        &mut Connections::default(),
        0,
    );
    assert_eq!(drained, Drained::Empty);
    world.handler.finish_round(0);
    let busy = connection.reply();
    assert_eq!(busy[..4], ["id", "", "error", "busy"]);
    assert!(busy.len() == 5 && !busy[4].is_empty());
    assert_eq!(connection.reply(), ["id", "", "ok"]);
    assert_eq!(world.found(0), [Found::Batch { publications: 1 }]);
    let counts = world.handler.counts;
    assert_eq!((counts.rejected_busy, counts.lane_full), (1, 0));
    world.assert_accounted();
}

#[test]
fn a_message_of_a_push_socket_is_dropped_and_counted() {
    let mut world = World::new();
    world.fill_lane(1);
    world.want(0, "both");
    world.want(1, "both");
    let connection = Connection::new(zmq::PULL, zmq::PUSH);
    connection.send(&["both", "1"]);
    let drained = world.handler.drain_socket(
        SocketKind::Pull,
        &connection.server,
        &mut Connections::default(),
        0,
    );
    assert_eq!(drained, Drained::Empty);
    world.handler.finish_round(0);
    assert_eq!(world.found(0), [Found::Batch { publications: 1 }]);
    let counts = world.handler.counts;
    assert_eq!((counts.rejected_busy, counts.lane_full), (0, 1));
    world.assert_accounted();
}

#[test]
fn the_turn_of_a_socket_is_not_shortened_by_the_turns_before_it() {
    let mut world = World::new();
    let connection = Connection::new(zmq::PULL, zmq::PUSH);
    // The round began at 0, and other sockets have used more time than one turn has.
    thread::sleep(SOCKET_TURN);
    // The system may stop this thread for the time of a turn, but not in every one of them.
    let is_whole = (0..100).any(|_| {
        for _ in 0..2 * SOCKET_TURN_CLOCK_MESSAGES {
            connection.send(&["a", "1"]);
        }
        let connections = &mut Connections::default();
        let server = &connection.server;
        let turn = || {
            world
                .handler
                .drain_socket(SocketKind::Pull, server, connections, 0)
        };
        let turns = iter::repeat_with(turn).take_while(|drained| *drained != Drained::Empty);
        turns.count() == 0
    });
    assert!(is_whole);
}
