//! Random operations on few topics and connections, compared with a simple model: every connection
//! receives exactly the frames that the model expects, in that order.

use std::collections::BTreeSet;

use proptest::prelude::*;

use fanfare::hub::ConnectionId;

use crate::harness::HubHarness;
use crate::upstream::{config, push};
use crate::wire::{self, ServerFrame};

const CONNECTIONS: usize = 4;
/// The compression that each connection offers.
const OFFERS: [&str; CONNECTIONS] = ["", "", wire::OFFER_FULL, wire::OFFER_NARROW];
const TOPICS: [&str; 4] = ["a", "b", "news:a", "ü"];

/// One operation. Connections and topics are indexes into [`OFFERS`] and [`TOPICS`].
#[derive(Clone, Debug)]
enum Step {
    Subscribe {
        connection: usize,
        topic: usize,
    },
    Unsubscribe {
        connection: usize,
        topic: usize,
    },
    /// One message that unsubscribes from one topic and subscribes to another.
    Move {
        connection: usize,
        from: usize,
        to: usize,
    },
    /// Publishes `count` publications in one broadcast.
    Publish {
        topic: usize,
        count: usize,
    },
    RunTurn,
    /// The client sends a close frame. Another client connects afterwards.
    Close {
        connection: usize,
    },
    /// The socket breaks. Another client connects afterwards.
    Lose {
        connection: usize,
    },
}

fn step() -> impl Strategy<Value = Step> {
    let connection = 0..CONNECTIONS;
    let topic = 0..TOPICS.len();
    let pair = (connection.clone(), topic.clone());
    prop_oneof![
        4 => pair.clone().prop_map(|(connection, topic)| Step::Subscribe { connection, topic }),
        3 => pair.prop_map(|(connection, topic)| Step::Unsubscribe { connection, topic }),
        8 => (topic.clone(), 1..4_usize).prop_map(|(topic, count)| Step::Publish { topic, count }),
        2 => (connection.clone(), topic.clone(), topic)
            .prop_map(|(connection, from, to)| Step::Move { connection, from, to }),
        2 => Just(Step::RunTurn),
        1 => connection.clone().prop_map(|connection| Step::Close { connection }),
        1 => connection.prop_map(|connection| Step::Lose { connection }),
    ]
}

/// The subscriptions of one connection, and the frames that it has to receive next.
#[derive(Default)]
struct Expected {
    topics: BTreeSet<usize>,
    frames: Vec<ServerFrame>,
}

impl Expected {
    /// Subscribes to a topic. Returns the expected reply.
    fn subscribe(&mut self, topic: usize) -> &'static str {
        if self.topics.insert(topic) {
            r#"{"id":5,"subscribe":{}}"#
        } else {
            r#"{"id":5,"error":{"code":105,"message":"already subscribed"}}"#
        }
    }

    /// Unsubscribes from a topic. Returns the expected reply.
    fn unsubscribe(&mut self, topic: usize) -> &'static str {
        self.topics.remove(&topic);
        r#"{"id":6,"unsubscribe":{}}"#
    }
}

/// A hub, and the expected state of each connection.
struct Model {
    harness: HubHarness,
    connections: Vec<(ConnectionId, Expected)>,
    /// Number of publications so far. Each publication has its number as payload.
    published: usize,
}

impl Model {
    fn new() -> Self {
        let mut config = config();
        config.ws.deflate.threshold = 0;
        let mut harness = HubHarness::new(config);
        let mut connections = Vec::new();
        for offer in OFFERS {
            connections.push((harness.connect_client_with(offer), Expected::default()));
        }
        Self {
            harness,
            connections,
            published: 0,
        }
    }

    fn apply(&mut self, step: &Step) {
        match *step {
            Step::Subscribe { connection, topic } => self.send_commands(connection, &[], &[topic]),
            Step::Unsubscribe { connection, topic } => {
                self.send_commands(connection, &[topic], &[]);
            }
            Step::Move {
                connection,
                from,
                to,
            } => self.send_commands(connection, &[from], &[to]),
            Step::Publish { topic, count } => self.publish(topic, count),
            Step::RunTurn => self.harness.run_turn(),
            Step::Close { connection } => {
                let (id, expected) = &mut self.connections[connection];
                self.harness.send_bytes(*id, &wire::close_frame(1000));
                expected.frames.push(ServerFrame::Close(Some(1000)));
                self.check_frames(connection);
                let (id, _) = self.connections[connection];
                self.harness.hub.end_of_stream(id);
                self.reconnect(connection);
            }
            Step::Lose { connection } => {
                self.check_frames(connection);
                let (id, _) = self.connections[connection];
                self.harness.hub.lost(id);
                self.reconnect(connection);
            }
        }
    }

    /// Sends unsubscribe and subscribe commands in one message.
    fn send_commands(&mut self, connection: usize, unsubscribe: &[usize], subscribe: &[usize]) {
        let (id, expected) = &mut self.connections[connection];
        let mut commands = Vec::new();
        let mut replies = Vec::new();
        for &topic in unsubscribe {
            let name = TOPICS[topic];
            commands.push(format!(
                r#"{{"id":6,"unsubscribe":{{"channel":"{name}"}}}}"#
            ));
            replies.push(expected.unsubscribe(topic));
        }
        for &topic in subscribe {
            let name = TOPICS[topic];
            commands.push(format!(r#"{{"id":5,"subscribe":{{"channel":"{name}"}}}}"#));
            replies.push(expected.subscribe(topic));
        }
        expected.frames.push(ServerFrame::text(&replies.join("\n")));
        self.harness.send_text(*id, &commands.join("\n"));
    }

    fn publish(&mut self, topic: usize, count: usize) {
        let mut bodies = Vec::new();
        let mut pushes = Vec::new();
        for _ in 0..count {
            let body = self.published.to_string();
            pushes.push(push(TOPICS[topic], &body));
            bodies.push(body);
            self.published += 1;
        }
        let frame = ServerFrame::text(&pushes.join("\n"));
        for (_, expected) in &mut self.connections {
            if expected.topics.contains(&topic) {
                expected.frames.push(frame.clone());
            }
        }
        let bodies: Vec<_> = bodies.iter().map(String::as_str).collect();
        self.harness.publish_joined(TOPICS[topic], &bodies);
    }

    /// Asserts that a connection has received the expected frames.
    fn check_frames(&mut self, connection: usize) {
        let (id, expected) = &mut self.connections[connection];
        let frames = std::mem::take(&mut expected.frames);
        let received = self.harness.read_frames(*id);
        assert_eq!(received, frames, "connection {connection}");
    }

    /// Asserts that a connection has ended, and connects another client in its place.
    fn reconnect(&mut self, connection: usize) {
        self.harness.run_turn();
        let (id, _) = self.connections[connection];
        assert!(self.harness.socket(id).closed.is_some());
        let id = self.harness.connect_client_with(OFFERS[connection]);
        self.connections[connection] = (id, Expected::default());
    }

    /// Asserts that all frames have arrived, and that interest and counters match the model.
    fn finish(mut self) {
        for connection in 0..CONNECTIONS {
            self.check_frames(connection);
        }
        let mut topics = BTreeSet::<usize>::new();
        let mut subscriptions = 0;
        for (_, expected) in &self.connections {
            topics.extend(&expected.topics);
            subscriptions += expected.topics.len();
        }
        for (topic, name) in TOPICS.iter().enumerate() {
            assert_eq!(
                self.harness.wants(name),
                topics.contains(&topic),
                "interest in {name}"
            );
        }
        let counts = self.harness.counts();
        assert_eq!(counts.subscriptions, subscriptions as u64);
        assert_eq!(counts.topics, topics.len() as u64);
        assert_eq!((counts.pending, counts.pending_bytes), (0, 0));
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn every_connection_receives_the_frames_that_the_model_expects(
        steps in prop::collection::vec(step(), 1..120),
    ) {
        let mut model = Model::new();
        for step in &steps {
            model.apply(step);
        }
        model.finish();
    }
}
