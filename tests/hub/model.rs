//! Random histories over few topics and connections against a naive map: every connection gets
//! exactly what the model says, in that order.

use std::collections::BTreeSet;

use proptest::prelude::*;

use fanfare::hub::ConnectionId;

use crate::upstream::{config, push};
use crate::wire::{self, Frame};
use crate::world::World;

const CONNECTIONS: usize = 4;
/// What each of them offers.
const OFFERS: [&str; CONNECTIONS] = ["", "", wire::FULL, wire::NARROW];
const TOPICS: [&str; 4] = ["a", "b", "news:a", "ü"];

#[derive(Clone, Debug)]
enum Step {
    Subscribe(usize, usize),
    Unsubscribe(usize, usize),
    /// To a topic, so many in one broadcast.
    Publish(usize, usize),
    /// One message that leaves a topic and joins another.
    Move(usize, usize, usize),
    Turn,
    Close(usize),
    Lose(usize),
}

fn step() -> impl Strategy<Value = Step> {
    let (connection, topic) = (0..CONNECTIONS, 0..TOPICS.len());
    prop_oneof![
        4 => (connection.clone(), topic.clone()).prop_map(|(id, topic)| Step::Subscribe(id, topic)),
        3 => (connection.clone(), topic.clone())
            .prop_map(|(id, topic)| Step::Unsubscribe(id, topic)),
        8 => (topic.clone(), 1..4_usize).prop_map(|(topic, count)| Step::Publish(topic, count)),
        2 => (connection.clone(), topic.clone(), topic)
            .prop_map(|(id, from, to)| Step::Move(id, from, to)),
        2 => Just(Step::Turn),
        1 => connection.clone().prop_map(Step::Close),
        1 => connection.prop_map(Step::Lose),
    ]
}

/// What one connection is subscribed to and should have got.
#[derive(Default)]
struct Expected {
    topics: BTreeSet<usize>,
    frames: Vec<Frame>,
}

impl Expected {
    fn subscribe(&mut self, topic: usize) -> &'static str {
        if self.topics.insert(topic) {
            r#"{"id":5,"subscribe":{}}"#
        } else {
            r#"{"id":5,"error":{"code":105,"message":"already subscribed"}}"#
        }
    }

    fn unsubscribe(&mut self, topic: usize) -> &'static str {
        self.topics.remove(&topic);
        r#"{"id":6,"unsubscribe":{}}"#
    }
}

struct Model {
    world: World,
    live: Vec<(ConnectionId, Expected)>,
    published: usize,
}

impl Model {
    fn new() -> Self {
        let mut config = config();
        config.ws.deflate.threshold = 0;
        let mut world = World::new(config);
        let live = OFFERS
            .map(|offer| (world.client_with(offer), Expected::default()))
            .into();
        Self {
            world,
            live,
            published: 0,
        }
    }

    fn take(&mut self, step: &Step) {
        match *step {
            Step::Subscribe(at, topic) => self.command(at, &[], &[topic]),
            Step::Unsubscribe(at, topic) => self.command(at, &[topic], &[]),
            Step::Move(at, from, to) => self.command(at, &[from], &[to]),
            Step::Publish(topic, count) => self.publish(topic, count),
            Step::Turn => self.world.turn(),
            Step::Close(at) => {
                let (id, expected) = &mut self.live[at];
                self.world.feed(*id, &wire::close(1000));
                expected.frames.push(Frame::Close(Some(1000)));
                self.check(at);
                self.world.hub.end_of_stream(self.live[at].0);
                self.replace(at);
            }
            Step::Lose(at) => {
                self.check(at);
                self.world.hub.lost(self.live[at].0);
                self.replace(at);
            }
        }
    }

    fn command(&mut self, at: usize, leave: &[usize], join: &[usize]) {
        let (id, expected) = &mut self.live[at];
        let (mut lines, mut replies) = (Vec::new(), Vec::new());
        for &topic in leave {
            let name = TOPICS[topic];
            lines.push(format!(
                r#"{{"id":6,"unsubscribe":{{"channel":"{name}"}}}}"#
            ));
            replies.push(expected.unsubscribe(topic));
        }
        for &topic in join {
            let name = TOPICS[topic];
            lines.push(format!(r#"{{"id":5,"subscribe":{{"channel":"{name}"}}}}"#));
            replies.push(expected.subscribe(topic));
        }
        expected.frames.push(Frame::text(&replies.join("\n")));
        self.world.say(*id, &lines.join("\n"));
    }

    fn publish(&mut self, topic: usize, count: usize) {
        let bodies: Vec<_> = (0..count)
            .map(|each| (self.published + each).to_string())
            .collect();
        self.published += count;
        let pushes: Vec<_> = bodies
            .iter()
            .map(|body| push(TOPICS[topic], body))
            .collect();
        let frame = Frame::text(&pushes.join("\n"));
        for (_, expected) in &mut self.live {
            if expected.topics.contains(&topic) {
                expected.frames.push(frame.clone());
            }
        }
        let bodies: Vec<_> = bodies.iter().map(String::as_str).collect();
        self.world.publish_joined(TOPICS[topic], &bodies);
    }

    fn check(&mut self, at: usize) {
        let (id, expected) = &mut self.live[at];
        assert_eq!(
            self.world.read(*id),
            std::mem::take(&mut expected.frames),
            "connection {at}"
        );
    }

    fn replace(&mut self, at: usize) {
        self.world.turn();
        assert!(self.world.socket(self.live[at].0).closed.is_some());
        self.live[at] = (self.world.client_with(OFFERS[at]), Expected::default());
    }

    fn finish(mut self) {
        for at in 0..CONNECTIONS {
            self.check(at);
        }
        let wanted: BTreeSet<_> = self.live.iter().flat_map(|(_, it)| &it.topics).collect();
        for (topic, name) in TOPICS.iter().enumerate() {
            assert_eq!(
                self.world.wants(name),
                wanted.contains(&topic),
                "interest in {name}"
            );
        }
        let pairs: usize = self
            .live
            .iter()
            .map(|(_, expected)| expected.topics.len())
            .sum();
        let counts = self.world.counts();
        assert_eq!(counts.subscriptions, pairs as u64);
        assert_eq!(counts.topics, wanted.len() as u64);
        assert_eq!((counts.pending, counts.pending_bytes), (0, 0));
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn every_connection_gets_what_the_model_says(
        steps in prop::collection::vec(step(), 1..120),
    ) {
        let mut model = Model::new();
        for step in &steps {
            model.take(step);
        }
        model.finish();
    }
}
