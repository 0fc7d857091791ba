//! A simulated client that records which frames the server has to send to it, and checks every byte
//! that it receives.

use std::collections::{BTreeSet, VecDeque};

use crate::translate;
use crate::upstream::push;
use crate::wire::{self, ServerFrame};
use crate::zlib;

/// The topics of the simulations, and whether their publications may be dropped.
pub const TOPICS: [(&str, bool); 6] = [
    ("a", false),
    ("b", false),
    ("old:a", true),
    ("old:b", true),
    ("latest:a", true),
    ("latest:b", true),
];

/// The kind of a client, which determines its request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Uses the Centrifugal client protocol in JSON.
    Json,
    /// Uses the Centrifugal client protocol in Protobuf.
    Protobuf,
    /// Receives raw payloads, from `/raw`.
    Raw,
    /// Requests `/health`.
    Health,
    /// Never completes its request.
    Silent,
}

impl Kind {
    /// Returns whether the client uses the client protocol, so that it may send commands.
    pub fn has_commands(self) -> bool {
        matches!(self, Self::Json | Self::Protobuf)
    }

    /// Returns whether the client opens a WebSocket.
    pub fn has_websocket(self) -> bool {
        self.has_commands() || self == Self::Raw
    }
}

/// A frame that the hub has to send. The frames of a client must arrive in order.
#[derive(Debug, PartialEq)]
enum Expected {
    /// The reply to the connect command.
    Connected,
    /// The replies to the commands of one message.
    Reply(String),
    Pong(Vec<u8>),
    /// The publications of one broadcast.
    Publication {
        text: String,
        /// Whether the hub may drop the frame.
        droppable: bool,
        /// The number of publications in the frame.
        count: u64,
    },
}

/// The changes that occur when the hub has received a message of the client.
#[derive(Debug, Default)]
struct Effect {
    /// The offset of the end of the message in the bytes that the client sends.
    end: usize,
    expected: Option<Expected>,
    /// Topics that the hub removes from the client's subscriptions.
    unsubscribes: Vec<usize>,
    /// Topics that the hub adds to the client's subscriptions.
    subscribes: Vec<usize>,
}

/// A simulated client.
#[derive(Debug)]
pub struct Client {
    pub kind: Kind,
    /// All bytes that the client has produced.
    pub outbound: Vec<u8>,
    /// The number of bytes of `outbound` that the hub has received.
    pub delivered: usize,
    /// The effects of the messages that the hub has not completely received, oldest first.
    effects: VecDeque<Effect>,
    /// The topics that the client is subscribed to when the hub has received all of `outbound`.
    planned: BTreeSet<usize>,
    /// The topics that the client is subscribed to now.
    subscribed: BTreeSet<usize>,
    /// The frames that have not arrived yet, oldest first.
    expected: VecDeque<Expected>,
    /// Received bytes that are not a complete frame yet.
    inbound: Vec<u8>,
    /// The status of the response to the request.
    pub status: Option<u16>,
    /// The size of the server's compression window in bits, or `None` without compression.
    window_bits: Option<u8>,
    /// The code of the received close frame, or 1005 if the frame had no code (RFC 6455, section
    /// 7.4.1).
    pub close_code: Option<u16>,
    /// Whether a publication that may not be dropped is missing. The hub must then close with code
    /// 3008.
    pub misses_publication: bool,
    /// Whether only the first commands of a message were answered. The hub must then close with
    /// code 3013, or with 3008 if the reply did not fit into the outbox.
    misses_reply: bool,
    /// The number of droppable publications that did not arrive.
    pub skipped: u64,
    /// The number of publications that arrived.
    pub received: u64,
    /// The number of compressed frames that arrived.
    pub inflated: u64,
    /// Whether the reply to the connect command has arrived.
    is_connected: bool,
    /// The id of the next command.
    next_id: u32,
    /// The ids of publish commands without a reply. Their replies may arrive between any frames.
    unanswered_publishes: BTreeSet<u32>,
    /// The number of replies to publish commands.
    pub publish_replies: u64,
}

impl Client {
    /// Creates a client that sends its request at once. The request of a raw client contains
    /// `topics`. `offer` is an additional header line of the request, or empty.
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
            is_connected: false,
            next_id: 2,
            unanswered_publishes: BTreeSet::new(),
            publish_replies: 0,
        };
        match kind {
            Kind::Json | Kind::Protobuf => {
                let codec = match kind {
                    Kind::Protobuf => "Sec-WebSocket-Protocol: centrifuge-protobuf\r\n",
                    _ => "",
                };
                let headers = format!("{codec}{offer}");
                let head = wire::upgrade_request_with("/connection/websocket", &headers);
                client.send(&head, Effect::default());
                let connected = Effect {
                    expected: Some(Expected::Connected),
                    ..Effect::default()
                };
                client.send_commands(r#"{"id":1,"connect":{}}"#, connected);
            }
            Kind::Raw => {
                let query: Vec<_> = topics
                    .iter()
                    .map(|at| format!("topic={}", TOPICS[*at].0))
                    .collect();
                let target = format!("/raw?{}", query.join("&"));
                let subscribes = Effect {
                    subscribes: topics.to_vec(),
                    ..Effect::default()
                };
                client.send(&wire::upgrade_request_with(&target, offer), subscribes);
            }
            Kind::Health => {
                let head = b"GET /health HTTP/1.1\r\nHost: example.org\r\n\r\n";
                client.send(head, Effect::default());
            }
            Kind::Silent => client.send(b"GET ", Effect::default()),
        }
        client
    }

    /// Appends a message to the bytes that the client sends.
    fn send(&mut self, bytes: &[u8], effect: Effect) {
        self.outbound.extend_from_slice(bytes);
        self.effects.push_back(Effect {
            end: self.outbound.len(),
            ..effect
        });
    }

    /// Sends one message that unsubscribes from each of the topics that the client is subscribed
    /// to, and subscribes to the others.
    pub fn toggle(&mut self, topics: &[usize]) {
        let (mut lines, mut replies, mut effect) = (Vec::new(), Vec::new(), Effect::default());
        for &topic in topics {
            let (id, name) = (self.next_id, TOPICS[topic].0);
            self.next_id += 1;
            let is_new = self.planned.insert(topic);
            let (verb, changes) = if is_new {
                ("subscribe", &mut effect.subscribes)
            } else {
                self.planned.remove(&topic);
                ("unsubscribe", &mut effect.unsubscribes)
            };
            changes.push(topic);
            lines.push(format!(r#"{{"id":{id},"{verb}":{{"channel":"{name}"}}}}"#));
            replies.push(format!(r#"{{"id":{id},"{verb}":{{}}}}"#));
        }
        effect.expected = Some(Expected::Reply(replies.join("\n")));
        self.send_commands(&lines.join("\n"), effect);
    }

    /// Sends JSON commands in one message, in the codec of the client.
    fn send_commands(&mut self, commands: &str, effect: Effect) {
        let (opcode, message) = match self.kind {
            Kind::Protobuf => (wire::BINARY, translate::to_protobuf(commands)),
            _ => (wire::TEXT, commands.as_bytes().to_vec()),
        };
        if self.window_bits.is_some() && self.next_id.is_multiple_of(2) {
            let payload = zlib::deflate(&message);
            self.send(&wire::deflated_client_frame(opcode, &payload), effect);
        } else {
            self.send(&wire::client_frame(opcode, &message), effect);
        }
    }

    /// Sends a publish command.
    pub fn publish(&mut self, topic: usize, body: &str) {
        let (id, name) = (self.next_id, TOPICS[topic].0);
        self.next_id += 1;
        self.unanswered_publishes.insert(id);
        let command = format!(r#"{{"id":{id},"publish":{{"channel":"{name}","data":{body}}}}}"#);
        self.send_commands(&command, Effect::default());
    }

    /// Answers a ping of the server.
    pub fn pong(&mut self) {
        match self.kind {
            Kind::Json | Kind::Protobuf => self.send_commands("{}", Effect::default()),
            _ => self.send_unanswered(&wire::client_frame(wire::PONG, b"")),
        }
    }

    /// Sends a ping, which the hub has to answer.
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

    /// Sends bytes that the hub does not answer with a message: a pong, a close frame, or bytes
    /// that violate the protocol.
    pub fn send_unanswered(&mut self, bytes: &[u8]) {
        self.send(bytes, Effect::default());
    }

    /// Returns the next bytes for the hub, at most `max_bytes`, and applies the effects of the
    /// messages that are complete with them.
    pub fn deliver(&mut self, max_bytes: usize) -> Vec<u8> {
        let end = self
            .outbound
            .len()
            .min(self.delivered.saturating_add(max_bytes));
        let bytes = self.outbound[self.delivered..end].to_vec();
        self.delivered = end;
        while self.effects.front().is_some_and(|effect| effect.end <= end) {
            let effect = self
                .effects
                .pop_front()
                .expect("the loop condition found it");
            for topic in effect.unsubscribes {
                self.subscribed.remove(&topic);
            }
            self.subscribed.extend(effect.subscribes);
            self.expected.extend(effect.expected);
        }
        bytes
    }

    /// Records that the hub has published one broadcast. It had received `delivered` bytes before.
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

    /// Returns the topics that the client is subscribed to.
    pub fn subscriptions(&self) -> impl Iterator<Item = usize> {
        self.subscribed.iter().copied()
    }

    /// Returns whether the client waits for the reply to its connect command.
    pub fn is_connecting(&self) -> bool {
        self.kind.has_commands() && !self.is_connected
    }

    /// Returns whether no more frames follow, because the response was not 101 or a close frame was
    /// received.
    pub fn is_over(&self) -> bool {
        self.close_code.is_some() || self.status.is_some_and(|status| status != 101)
    }

    /// Returns whether the client waits for the server to end the connection: it has answered a
    /// close frame (RFC 6455, section 7.1.1).
    pub fn awaits_end(&self) -> bool {
        self.close_code.is_some()
    }

    /// Checks bytes that were received from the server. Returns the number of pings among them.
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
            let taken = taken.expect("the server sends valid frames, compressed only if agreed");
            self.inflated += u64::from(taken.as_ref().is_some_and(|taken| taken.is_deflated));
            let frame = match taken.map(|taken| taken.frame) {
                Some(ServerFrame::Binary(message)) if self.kind == Kind::Protobuf => {
                    Some(ServerFrame::Text(translate::to_json(&message)))
                }
                Some(ServerFrame::Text(text)) if self.kind == Kind::Protobuf => {
                    panic!("a text message for a Protobuf client: {text}")
                }
                frame => frame,
            };
            match frame {
                None => return pings,
                Some(ServerFrame::Close(code)) => self.close(code.unwrap_or(1005)),
                Some(ServerFrame::Ping(_)) => pings += 1,
                Some(ServerFrame::Text(text)) if text == "{}" => pings += 1,
                Some(frame) => self.check(&frame),
            }
        }
        assert_eq!(self.inbound, b"", "bytes after the last frame");
        pings
    }

    /// Records a close frame and answers it. Checks that its code explains missing frames.
    fn close(&mut self, code: u16) {
        assert!(
            !self.misses_publication || code == 3008,
            "publications are missing before close code {code}"
        );
        let is_explained = !self.misses_reply || matches!(code, 3008 | 3013);
        assert!(is_explained, "replies are missing before close code {code}");
        self.close_code = Some(code);
        self.send_unanswered(&match code {
            1005 => wire::client_frame(wire::CLOSE, b""),
            code => wire::close_frame(code),
        });
    }

    /// Checks that the frame is the next expected frame. Publications before it may be missing.
    fn check(&mut self, frame: &ServerFrame) {
        assert!(!self.misses_reply, "{frame:?} after an incomplete reply");
        if self.take_publish_replies(frame) {
            return;
        }
        loop {
            let expected = self.expected.pop_front();
            let expected = expected.unwrap_or_else(|| panic!("unexpected: {frame:?}"));
            if matches(frame, &expected) {
                match expected {
                    Expected::Publication { count, .. } => self.received += count,
                    Expected::Connected => self.is_connected = true,
                    Expected::Reply(_) | Expected::Pong(_) => {}
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

    /// Records the replies to publish commands, one per line of the frame. Returns whether the
    /// frame contains such replies.
    fn take_publish_replies(&mut self, frame: &ServerFrame) -> bool {
        let ServerFrame::Text(text) = frame else {
            return false;
        };
        for (number, line) in text.lines().enumerate() {
            let mut ids = self.unanswered_publishes.iter();
            let Some(id) = ids.find(|id| is_publish_reply(line, **id)).copied() else {
                assert_eq!(
                    number, 0,
                    "publish replies share a frame with others: {text}"
                );
                return false;
            };
            self.unanswered_publishes.remove(&id);
            self.publish_replies += 1;
        }
        true
    }

    /// Checks that no frame is missing. Called when all frames of the hub have arrived and the
    /// client is still connected.
    pub fn check_settled(&mut self) {
        assert!(
            !self.misses_publication && !self.misses_reply,
            "frames are missing, and there is no close frame"
        );
        assert_eq!(self.inbound, b"", "an incomplete frame");
        assert!(
            self.unanswered_publishes.is_empty(),
            "no reply to the publish commands {:?}",
            self.unanswered_publishes
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

/// The beginning of the reply to a connect command whose hook has not answered in time.
const NO_ANSWER: &str = r#"{"id":1,"error":{"code":100"#;

/// Returns whether the text is the reply to the publish command with this id.
fn is_publish_reply(text: &str, id: u32) -> bool {
    let rest = text.strip_prefix(&format!(r#"{{"id":{id},""#));
    rest.is_some_and(|rest| rest == r#"publish":{}}"# || rest.starts_with(r#"error":{"#))
}

/// Returns whether the frame is the expected one.
fn matches(frame: &ServerFrame, expected: &Expected) -> bool {
    match (frame, expected) {
        (ServerFrame::Text(text), Expected::Connected) => {
            // If the hook does not answer in time, the client gets an error and sends no more.
            text.starts_with(r#"{"id":1,"connect":{"#) || text.starts_with(NO_ANSWER)
        }
        (
            ServerFrame::Text(text),
            Expected::Reply(expected) | Expected::Publication { text: expected, .. },
        ) => text == expected,
        (ServerFrame::Pong(payload), Expected::Pong(expected)) => payload == expected,
        _ => false,
    }
}

/// Returns whether the frame contains only the first of the replies to a message.
fn answers_first_of(frame: &ServerFrame, reply: &str) -> bool {
    let ServerFrame::Text(text) = frame else {
        return false;
    };
    reply
        .strip_prefix(text)
        .is_some_and(|rest| rest.starts_with('\n'))
}
