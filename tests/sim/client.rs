//! A client that records what the server has to send to it, and checks every byte against that.

use std::collections::{BTreeSet, VecDeque};

use crate::upstream::push;
use crate::wire::{self, ServerFrame};
use crate::zlib;

/// Topics, with whether their publications may be dropped.
pub const TOPICS: [(&str, bool); 6] = [
    ("a", false),
    ("b", false),
    ("old:a", true),
    ("old:b", true),
    ("latest:a", true),
    ("latest:b", true),
];

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Protocol,
    Raw,
    Health,
    /// Connects and never completes its request.
    Silent,
}

/// A frame that the hub has to send. A client expects its frames in order.
#[derive(Debug, PartialEq)]
enum Expected {
    Connected,
    Reply(String),
    Pong(Vec<u8>),
    Publication {
        text: String,
        droppable: bool,
        /// Publications in the frame.
        count: u64,
    },
}

/// The effect of a message of the client when the hub has received it.
#[derive(Debug, Default)]
struct Effect {
    /// Where the message ends, in bytes since the client connected.
    end: usize,
    expected: Option<Expected>,
    leaves: Vec<usize>,
    joins: Vec<usize>,
}

#[derive(Debug)]
pub struct Client {
    pub kind: Kind,
    /// All bytes that it sends, and how many of them the hub has received.
    pub outbound: Vec<u8>,
    pub delivered: usize,
    effects: VecDeque<Effect>,
    /// Its topics when all bytes are delivered, and its topics now.
    planned: BTreeSet<usize>,
    subscribed: BTreeSet<usize>,
    expected: VecDeque<Expected>,
    inbound: Vec<u8>,
    pub status: Option<u16>,
    /// The server's compression window, in bits, if compression was agreed.
    window_bits: Option<u8>,
    /// The code of the close frame that it received; 1005 stands for none (RFC 6455, section
    /// 7.4.1).
    pub close_code: Option<u16>,
    /// A publication that may not be dropped is missing. Only close code 3008 explains it.
    pub misses_publication: bool,
    /// A message was answered in part. Only close code 3013 explains it, or 3008 if the answer
    /// itself did not fit.
    misses_reply: bool,
    /// Droppable publications that it did not receive.
    pub skipped: u64,
    pub received: u64,
    /// Compressed frames that it received.
    pub inflated: u64,
    next_id: u32,
    /// Ids of publish commands that are not answered yet. Their replies arrive between the others.
    publishing: BTreeSet<u32>,
    /// Replies to publish commands.
    pub publish_replies: u64,
}

impl Client {
    /// Creates a client that sends its request at once. A raw client names `topics` in it. `offer`
    /// is a header line for the request, or empty.
    pub fn new(kind: Kind, topics: &[usize], offer: &str) -> Self {
        let mut client = Self {
            kind,
            outbound: Vec::new(),
            delivered: 0,
            effects: VecDeque::new(),
            planned: BTreeSet::new(),
            subscribed: BTreeSet::new(),
            expected: VecDeque::new(),
            inbound: Vec::new(),
            status: None,
            window_bits: None,
            close_code: None,
            misses_publication: false,
            misses_reply: false,
            skipped: 0,
            received: 0,
            inflated: 0,
            next_id: 2,
            publishing: BTreeSet::new(),
            publish_replies: 0,
        };
        match kind {
            Kind::Protocol => {
                let head = wire::upgrade_request_with("/connection/websocket", offer);
                client.send(&head, Effect::default());
                let connected = Effect {
                    expected: Some(Expected::Connected),
                    ..Effect::default()
                };
                client.send(&wire::text_frame(r#"{"id":1,"connect":{}}"#), connected);
            }
            Kind::Raw => {
                let query: Vec<_> = topics
                    .iter()
                    .map(|at| format!("topic={}", TOPICS[*at].0))
                    .collect();
                let target = format!("/raw?{}", query.join("&"));
                let joins = Effect {
                    joins: topics.to_vec(),
                    ..Effect::default()
                };
                client.send(&wire::upgrade_request_with(&target, offer), joins);
            }
            Kind::Health => {
                let head = b"GET /health HTTP/1.1\r\nHost: example.org\r\n\r\n";
                client.send(head, Effect::default());
            }
            Kind::Silent => client.send(b"GET ", Effect::default()),
        }
        client
    }

    fn send(&mut self, bytes: &[u8], effect: Effect) {
        self.outbound.extend_from_slice(bytes);
        self.effects.push_back(Effect {
            end: self.outbound.len(),
            ..effect
        });
    }

    /// Subscribes to those of the topics that it has not, and unsubscribes from the others, all in
    /// one message.
    pub fn toggle(&mut self, topics: &[usize]) {
        let (mut lines, mut replies, mut effect) = (Vec::new(), Vec::new(), Effect::default());
        for &topic in topics {
            let (id, name) = (self.next_id, TOPICS[topic].0);
            self.next_id += 1;
            let joins = self.planned.insert(topic);
            let (verb, changes) = if joins {
                ("subscribe", &mut effect.joins)
            } else {
                self.planned.remove(&topic);
                ("unsubscribe", &mut effect.leaves)
            };
            changes.push(topic);
            lines.push(format!(r#"{{"id":{id},"{verb}":{{"channel":"{name}"}}}}"#));
            replies.push(format!(r#"{{"id":{id},"{verb}":{{}}}}"#));
        }
        effect.expected = Some(Expected::Reply(replies.join("\n")));
        let message = lines.join("\n");
        if self.window_bits.is_some() && self.next_id.is_multiple_of(2) {
            let payload = zlib::deflate(message.as_bytes());
            self.send(&wire::deflated_client_frame(wire::TEXT, &payload), effect);
        } else {
            self.send(&wire::text_frame(&message), effect);
        }
    }

    /// Publishes to a topic.
    pub fn publish(&mut self, topic: usize, body: &str) {
        let (id, name) = (self.next_id, TOPICS[topic].0);
        self.next_id += 1;
        self.publishing.insert(id);
        let command = format!(r#"{{"id":{id},"publish":{{"channel":"{name}","data":{body}}}}}"#);
        self.send(&wire::text_frame(&command), Effect::default());
    }

    pub fn ping(&mut self, payload: &[u8]) {
        let expected = Some(Expected::Pong(payload.into()));
        self.send(
            &wire::client_frame(wire::PING, payload),
            Effect {
                expected,
                ..Effect::default()
            },
        );
    }

    /// Sends bytes that are not answered with a message: a pong, a close frame, an error.
    pub fn send_unanswered(&mut self, bytes: &[u8]) {
        self.send(bytes, Effect::default());
    }

    /// Returns the next bytes for the hub, at most `most`, and applies what they change.
    pub fn deliver(&mut self, most: usize) -> Vec<u8> {
        let end = self.outbound.len().min(self.delivered.saturating_add(most));
        let bytes = self.outbound[self.delivered..end].to_vec();
        self.delivered = end;
        while self.effects.front().is_some_and(|effect| effect.end <= end) {
            let effect = self.effects.pop_front().expect("there is one");
            for topic in effect.leaves {
                self.subscribed.remove(&topic);
            }
            self.subscribed.extend(effect.joins);
            self.expected.extend(effect.expected);
        }
        bytes
    }

    /// Records that the hub has published one broadcast after it has received what was delivered.
    pub fn published(&mut self, topic: usize, bodies: &[String]) {
        if self.is_over() || !self.subscribed.contains(&topic) {
            return;
        }
        let (name, droppable) = TOPICS[topic];
        if self.kind == Kind::Raw {
            let expected = bodies.iter().map(|body| Expected::Publication {
                text: body.clone(),
                droppable,
                count: 1,
            });
            return self.expected.extend(expected);
        }
        let pushes: Vec<_> = bodies.iter().map(|body| push(name, body)).collect();
        self.expected.push_back(Expected::Publication {
            text: pushes.join("\n"),
            droppable,
            count: bodies.len() as u64,
        });
    }

    /// Returns the topics that the hub has subscribed it to.
    pub fn subscriptions(&self) -> impl Iterator<Item = usize> {
        self.subscribed.iter().copied()
    }

    /// Returns whether no more frames follow: its request was refused or answered, or it has
    /// received a close frame.
    pub fn is_over(&self) -> bool {
        self.close_code.is_some() || self.status.is_some_and(|status| status != 101)
    }

    /// Reads bytes from the server. Returns how many pings are among them.
    pub fn read(&mut self, bytes: &[u8]) -> usize {
        self.inbound.extend_from_slice(bytes);
        if self.status.is_none() {
            self.window_bits = wire::agreed_window_bits(&self.inbound);
            let Some((status, _)) = wire::take_response(&mut self.inbound) else {
                return 0;
            };
            self.status = Some(status);
        }
        let mut pings = 0;
        while !self.is_over() {
            let taken = wire::take_frame(&mut self.inbound, self.window_bits);
            let taken = taken.expect("frames are well formed, as was agreed");
            self.inflated += u64::from(taken.as_ref().is_some_and(|taken| taken.is_deflated));
            match taken.map(|taken| taken.frame) {
                None => return pings,
                Some(ServerFrame::Close(code)) => self.close(code.unwrap_or(1005)),
                Some(ServerFrame::Ping(_)) => pings += 1,
                Some(ServerFrame::Text(text)) if text == "{}" => pings += 1,
                Some(frame) => self.check(&frame),
            }
        }
        assert_eq!(self.inbound, b"", "bytes after the end");
        pings
    }

    fn close(&mut self, code: u16) {
        assert!(
            !self.misses_publication || code == 3008,
            "publications are missing before close code {code}"
        );
        let excused = !self.misses_reply || matches!(code, 3008 | 3013);
        assert!(excused, "replies are missing before close code {code}");
        self.close_code = Some(code);
    }

    /// Checks that the frame is the next expected one, after publications that were dropped.
    fn check(&mut self, frame: &ServerFrame) {
        assert!(!self.misses_reply, "{frame:?} after a partial answer");
        if self.take_publish_replies(frame) {
            return;
        }
        loop {
            let expected = self.expected.pop_front();
            let expected = expected.unwrap_or_else(|| panic!("unexpected: {frame:?}"));
            if matches(frame, &expected) {
                if let Expected::Publication { count, .. } = expected {
                    self.received += count;
                }
                return;
            }
            match expected {
                Expected::Publication {
                    droppable: true,
                    count,
                    ..
                } => self.skipped += count,
                Expected::Publication { .. } => self.misses_publication = true,
                Expected::Reply(reply) if answers_first_of(frame, &reply) => {
                    self.misses_reply = true;
                    return;
                }
                other => panic!("{other:?} was expected before {frame:?}"),
            }
        }
    }

    /// Removes the publish commands that the frame answers. Returns whether it contains such
    /// replies; several of them may share a frame.
    fn take_publish_replies(&mut self, frame: &ServerFrame) -> bool {
        let ServerFrame::Text(text) = frame else {
            return false;
        };
        let mut replies = 0;
        for line in text.lines() {
            let answered = self.publishing.iter().find(|id| answers(line, **id));
            let Some(id) = answered.copied() else {
                assert_eq!(
                    replies, 0,
                    "other messages share a frame with replies: {text}"
                );
                return false;
            };
            self.publishing.remove(&id);
            replies += 1;
        }
        self.publish_replies += replies;
        replies > 0
    }

    /// Checks that nothing is missing, when everything that the hub had for the client has arrived
    /// and the client is still connected.
    pub fn check_settled(&mut self) {
        assert!(
            !self.misses_publication && !self.misses_reply,
            "something is missing, without a close frame"
        );
        assert_eq!(self.inbound, b"", "an incomplete frame");
        assert!(
            self.publishing.is_empty(),
            "publish commands are not answered: {:?}",
            self.publishing
        );
        while let Some(expected) = self.expected.pop_front() {
            match expected {
                Expected::Publication {
                    droppable: true,
                    count,
                    ..
                } => self.skipped += count,
                other => panic!("{other:?} did not arrive"),
            }
        }
    }
}

fn matches(frame: &ServerFrame, expected: &Expected) -> bool {
    match (frame, expected) {
        (ServerFrame::Text(text), Expected::Connected) => {
            text.starts_with(r#"{"id":1,"connect":{"#)
        }
        (
            ServerFrame::Text(text),
            Expected::Reply(expected) | Expected::Publication { text: expected, .. },
        ) => text == expected,
        (ServerFrame::Pong(payload), Expected::Pong(expected)) => payload == expected,
        _ => false,
    }
}

/// Returns whether the line is the reply to the publish command with this id.
fn answers(line: &str, id: u32) -> bool {
    let rest = line.strip_prefix(&format!(r#"{{"id":{id},""#));
    rest.is_some_and(|rest| rest == r#"publish":{}}"# || rest.starts_with(r#"error":{"#))
}

/// Returns whether the frame answers only the first commands of a message.
fn answers_first_of(frame: &ServerFrame, reply: &str) -> bool {
    let ServerFrame::Text(text) = frame else {
        return false;
    };
    reply
        .strip_prefix(text)
        .is_some_and(|rest| rest.starts_with('\n'))
}
