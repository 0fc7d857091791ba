//! A client that knows what it was promised and checks every byte against it.

use std::collections::{BTreeSet, VecDeque};

use crate::upstream::push;
use crate::wire::{self, Frame};
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
    /// Connects and never says anything.
    Silent,
}

/// What the hub is to send, in this order.
#[derive(Debug, PartialEq)]
enum Promise {
    Connected,
    Reply(String),
    Pong(Vec<u8>),
    Publication {
        text: String,
        droppable: bool,
        /// How many there are in the frame.
        count: u64,
    },
}

/// What the hub does once it has a stretch of the client's bytes.
#[derive(Debug, Default)]
struct Effect {
    /// Where the stretch ends, in bytes since the client connected.
    end: usize,
    promise: Option<Promise>,
    leaves: Vec<usize>,
    joins: Vec<usize>,
}

#[derive(Debug)]
pub struct Client {
    pub kind: Kind,
    /// What it has said, and how much of that the hub has.
    pub outbound: Vec<u8>,
    pub delivered: usize,
    effects: VecDeque<Effect>,
    /// Topics once all is delivered, and topics as of what is delivered.
    planned: BTreeSet<usize>,
    subscribed: BTreeSet<usize>,
    promises: VecDeque<Promise>,
    inbound: Vec<u8>,
    pub status: Option<u16>,
    /// What the server's window was agreed to be, if compression was.
    window_bits: Option<u8>,
    /// The code of the close frame it got; 1005 is none (RFC 6455, section 7.4.1).
    pub goodbye: Option<u16>,
    /// A publication that may not be dropped was missing: only 3008 explains it.
    pub robbed: bool,
    /// A message was answered in part: only 3013 explains it, or 3008 for the answer itself.
    cut_short: bool,
    /// Droppable publications that never came.
    pub skipped: u64,
    pub received: u64,
    /// Frames that came compressed.
    pub inflated: u64,
    next_id: u32,
}

impl Client {
    /// A client that asks for its path at once; a raw one names `topics`. `offer` is a header
    /// line for the request, or nothing.
    pub fn new(kind: Kind, topics: &[usize], offer: &str) -> Self {
        let mut client = Self {
            kind,
            outbound: Vec::new(),
            delivered: 0,
            effects: VecDeque::new(),
            planned: BTreeSet::new(),
            subscribed: BTreeSet::new(),
            promises: VecDeque::new(),
            inbound: Vec::new(),
            status: None,
            window_bits: None,
            goodbye: None,
            robbed: false,
            cut_short: false,
            skipped: 0,
            received: 0,
            inflated: 0,
            next_id: 2,
        };
        match kind {
            Kind::Protocol => {
                let head = wire::upgrade_with("/connection/websocket", offer);
                client.say(&head, Effect::default());
                let connected = Effect {
                    promise: Some(Promise::Connected),
                    ..Effect::default()
                };
                client.say(&wire::text(r#"{"id":1,"connect":{}}"#), connected);
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
                client.say(&wire::upgrade_with(&target, offer), joins);
            }
            Kind::Health => {
                let head = b"GET /health HTTP/1.1\r\nHost: example.org\r\n\r\n";
                client.say(head, Effect::default());
            }
            Kind::Silent => client.say(b"GET ", Effect::default()),
        }
        client
    }

    fn say(&mut self, bytes: &[u8], effect: Effect) {
        self.outbound.extend_from_slice(bytes);
        self.effects.push_back(Effect {
            end: self.outbound.len(),
            ..effect
        });
    }

    /// Toggles these topics, all in one message.
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
        effect.promise = Some(Promise::Reply(replies.join("\n")));
        let message = lines.join("\n");
        if self.window_bits.is_some() && self.next_id.is_multiple_of(2) {
            let payload = zlib::deflate(message.as_bytes());
            self.say(&wire::masked_deflated(wire::TEXT, &payload), effect);
        } else {
            self.say(&wire::text(&message), effect);
        }
    }

    pub fn ping(&mut self, payload: &[u8]) {
        let promise = Some(Promise::Pong(payload.into()));
        self.say(
            &wire::masked(wire::PING, payload),
            Effect {
                promise,
                ..Effect::default()
            },
        );
    }

    /// Bytes that promise nothing: a pong, a close, nonsense.
    pub fn mutter(&mut self, bytes: &[u8]) {
        self.say(bytes, Effect::default());
    }

    /// The next bytes for the hub, at most `most`, and what they change there.
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
            self.promises.extend(effect.promise);
        }
        bytes
    }

    /// Something was published in one broadcast while the hub had all that was delivered.
    pub fn published(&mut self, topic: usize, bodies: &[String]) {
        if self.is_over() || !self.subscribed.contains(&topic) {
            return;
        }
        let (name, droppable) = TOPICS[topic];
        if self.kind == Kind::Raw {
            let promises = bodies.iter().map(|body| Promise::Publication {
                text: body.clone(),
                droppable,
                count: 1,
            });
            return self.promises.extend(promises);
        }
        let pushes: Vec<_> = bodies.iter().map(|body| push(name, body)).collect();
        self.promises.push_back(Promise::Publication {
            text: pushes.join("\n"),
            droppable,
            count: bodies.len() as u64,
        });
    }

    /// No more frames are to come: it was refused, answered, or told goodbye.
    pub fn is_over(&self) -> bool {
        self.goodbye.is_some() || self.status.is_some_and(|status| status != 101)
    }

    /// Bytes from the server. Returns how many pings are among them.
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
            let taken = wire::take(&mut self.inbound, self.window_bits);
            let taken = taken.expect("frames are well formed, as was agreed");
            self.inflated += u64::from(taken.as_ref().is_some_and(|taken| taken.is_deflated));
            match taken.map(|taken| taken.frame) {
                None => return pings,
                Some(Frame::Close(code)) => self.part(code.unwrap_or(1005)),
                Some(Frame::Ping(_)) => pings += 1,
                Some(Frame::Text(text)) if text == "{}" => pings += 1,
                Some(frame) => self.check(&frame),
            }
        }
        assert_eq!(self.inbound, b"", "nothing comes after the end");
        pings
    }

    fn part(&mut self, code: u16) {
        assert!(
            !self.robbed || code == 3008,
            "publications are missing before {code}"
        );
        let excused = !self.cut_short || matches!(code, 3008 | 3013);
        assert!(excused, "replies are missing before {code}");
        self.goodbye = Some(code);
    }

    /// The frame must be the next promise, but for publications that were dropped before it.
    fn check(&mut self, frame: &Frame) {
        assert!(!self.cut_short, "{frame:?} after an answer in part");
        loop {
            let promise = self.promises.pop_front();
            let promise = promise.unwrap_or_else(|| panic!("nothing promised {frame:?}"));
            if fulfils(frame, &promise) {
                if let Promise::Publication { count, .. } = promise {
                    self.received += count;
                }
                return;
            }
            match promise {
                Promise::Publication {
                    droppable: true,
                    count,
                    ..
                } => self.skipped += count,
                Promise::Publication { .. } => self.robbed = true,
                Promise::Reply(reply) if begins(frame, &reply) => {
                    self.cut_short = true;
                    return;
                }
                other => panic!("{other:?} was promised before {frame:?}"),
            }
        }
    }

    /// Everything that the hub had for it has reached it; it is still connected.
    pub fn check_settled(&mut self) {
        assert!(
            !self.robbed && !self.cut_short,
            "something is missing, and no goodbye came"
        );
        assert_eq!(self.inbound, b"", "a torn frame");
        while let Some(promise) = self.promises.pop_front() {
            match promise {
                Promise::Publication {
                    droppable: true,
                    count,
                    ..
                } => self.skipped += count,
                other => panic!("{other:?} never came"),
            }
        }
    }
}

fn fulfils(frame: &Frame, promise: &Promise) -> bool {
    match (frame, promise) {
        (Frame::Text(text), Promise::Connected) => text.starts_with(r#"{"id":1,"connect":{"#),
        (
            Frame::Text(text),
            Promise::Reply(expected) | Promise::Publication { text: expected, .. },
        ) => text == expected,
        (Frame::Pong(payload), Promise::Pong(expected)) => payload == expected,
        _ => false,
    }
}

/// The frame answers the first commands of a message.
fn begins(frame: &Frame, reply: &str) -> bool {
    let Frame::Text(text) = frame else {
        return false;
    };
    reply
        .strip_prefix(text)
        .is_some_and(|rest| rest.starts_with('\n'))
}
