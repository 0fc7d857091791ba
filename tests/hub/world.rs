//! One hub with a clock moved by hand and sockets that take as much as a test lets them.

use std::collections::HashMap;
use std::sync::Arc;

use fanfare::config::Config;
use fanfare::delivery::TopicHasher;
use fanfare::hub::{
    Answer, ConnectionId, Egress, Hub, PublishAnswer, Question, SendOutcome, SocketAction, Ticket,
    Writability,
};
use fanfare::limits::{CLOSE_TIMEOUT, TIMER_TICK};
use fanfare::observe::{Histogram, ShardCounts};

use crate::upstream::{FakeUpstream, RULES, joined};
use crate::wire::{self, Frame, Taken};

pub const SECOND_US: u64 = 1_000_000;
pub const TICK_US: u64 = TIMER_TICK.as_micros() as u64;
pub const CLOSE_TIMEOUT_US: u64 = CLOSE_TIMEOUT.as_micros() as u64;

/// The kernel's side of one connection.
#[derive(Debug)]
pub struct Socket {
    /// Bytes it takes before it is full.
    pub room: usize,
    /// The hub was told that it is full.
    pub awaiting: bool,
    /// What it took and the client has not read.
    pub unread: Vec<u8>,
    /// What the server's window was agreed to be, if compression was.
    pub window_bits: Option<u8>,
    /// The server will write no more.
    pub write_ended: bool,
    /// It is closed; with a reset or without.
    pub closed: Option<bool>,
}

pub struct World {
    pub hub: Hub,
    pub upstream: FakeUpstream,
    pub latency: Arc<Histogram>,
    pub now_us: u64,
    pub hasher: TopicHasher,
    pub sockets: HashMap<ConnectionId, Socket>,
    /// What clients published, and the answer that they get at once; `None`: the answer is pending.
    pub published: Vec<(String, Vec<u8>)>,
    pub publish_answer: Option<PublishAnswer>,
    /// Tickets without an answer.
    pub tickets: Vec<Ticket>,
    /// Whether closed connections are released at once.
    pub releases: bool,
    egress: Egress,
}

impl World {
    pub fn new(config: Config) -> Self {
        let (upstream, latency) = (FakeUpstream::default(), Arc::<Histogram>::default());
        let hasher = TopicHasher::default();
        let boxed = Box::new(upstream.clone());
        let hub = Hub::new(
            Arc::new(config),
            boxed,
            hasher.clone(),
            Arc::clone(&latency),
            1,
        );
        Self {
            hub,
            upstream,
            latency,
            now_us: 10 * SECOND_US,
            hasher,
            sockets: HashMap::new(),
            published: Vec::new(),
            publish_answer: Some(PublishAnswer::Accepted),
            tickets: Vec::new(),
            releases: true,
            egress: Egress::default(),
        }
    }

    pub fn accept(&mut self) -> ConnectionId {
        let id = self.hub.accept(self.now_us).expect("there is room");
        self.connect(id)
    }

    /// A connection that this process opened.
    pub fn accept_internal(&mut self) -> ConnectionId {
        let id = self.hub.accept_internal(self.now_us);
        self.connect(id)
    }

    fn connect(&mut self, id: ConnectionId) -> ConnectionId {
        let socket = Socket {
            room: usize::MAX,
            awaiting: false,
            unread: Vec::new(),
            window_bits: None,
            write_ended: false,
            closed: None,
        };
        self.sockets.insert(id, socket);
        id
    }

    /// A connection that asked for `target`; returned with the status it got.
    pub fn open(&mut self, target: &str) -> (ConnectionId, u16) {
        self.open_with(target, "")
    }

    /// The same with further header lines, such as an offer of compression.
    pub fn open_with(&mut self, target: &str, headers: &str) -> (ConnectionId, u16) {
        let id = self.accept();
        self.feed(id, &wire::upgrade_with(target, headers));
        self.turn();
        let socket = self.socket(id);
        socket.window_bits = wire::agreed_window_bits(&socket.unread);
        let (status, _) = self.response(id);
        (id, status)
    }

    /// A connection at `target` that got its upgrade.
    pub fn upgraded(&mut self, target: &str) -> ConnectionId {
        self.upgraded_with(target, "")
    }

    pub fn upgraded_with(&mut self, target: &str, headers: &str) -> ConnectionId {
        let (id, status) = self.open_with(target, headers);
        assert_eq!(status, 101);
        id
    }

    /// A client that has said `connect`.
    pub fn client(&mut self) -> ConnectionId {
        self.client_with("")
    }

    pub fn client_with(&mut self, headers: &str) -> ConnectionId {
        let id = self.upgraded_with("/connection/websocket", headers);
        self.say(id, r#"{"id":1,"connect":{}}"#);
        assert_eq!(self.read(id).len(), 1);
        id
    }

    /// A client that is subscribed to these topics.
    pub fn subscriber(&mut self, topics: &[&str]) -> ConnectionId {
        self.subscriber_with("", topics)
    }

    pub fn subscriber_with(&mut self, headers: &str, topics: &[&str]) -> ConnectionId {
        let id = self.client_with(headers);
        for topic in topics {
            self.say(
                id,
                &format!(r#"{{"id":2,"subscribe":{{"channel":"{topic}"}}}}"#),
            );
        }
        assert_eq!(
            self.read(id),
            vec![Frame::text(r#"{"id":2,"subscribe":{}}"#); topics.len()]
        );
        id
    }

    /// A subscriber whose socket takes `room` bytes more.
    pub fn slow_subscriber(&mut self, topics: &[&str], room: usize) -> ConnectionId {
        let id = self.subscriber(topics);
        self.socket(id).room = room;
        id
    }

    /// Bytes from a client.
    pub fn feed(&mut self, id: ConnectionId, bytes: &[u8]) {
        self.hub.receive(id, &mut bytes.to_vec(), self.now_us);
    }

    /// A text message from a client.
    pub fn say(&mut self, id: ConnectionId, message: &str) {
        self.feed(id, &wire::text(message));
    }

    pub fn publish(&mut self, topic: &str, body: &str) {
        self.publish_joined(topic, &[body]);
    }

    /// Publications that came together and share a broadcast.
    pub fn publish_joined(&mut self, topic: &str, bodies: &[&str]) {
        let broadcast = joined(&self.hasher, topic, bodies, RULES, self.now_us);
        self.hub.publish(&broadcast, self.now_us);
    }

    pub fn socket(&mut self, id: ConnectionId) -> &mut Socket {
        self.sockets.get_mut(&id).expect("accepted")
    }

    /// The client read so much: its socket can take as much again.
    pub fn make_room(&mut self, id: ConnectionId, bytes: usize) {
        let socket = self.socket(id);
        socket.room = socket.room.saturating_add(bytes);
        if std::mem::take(&mut socket.awaiting) {
            self.hub.writable(id);
        }
        self.turn();
    }

    /// Sends what is pending, and does what the hub asks for.
    pub fn turn(&mut self) {
        self.answer_questions();
        while self.hub.poll_egress(&mut self.egress) {
            for send in self.egress.sends() {
                let bytes = self.egress.bytes(send);
                let socket = self.sockets.get_mut(&send.id).expect("accepted");
                assert!(
                    !socket.awaiting,
                    "no send while the socket is known to be full"
                );
                assert!(
                    !socket.write_ended && socket.closed.is_none(),
                    "no send after the end"
                );
                let taken = bytes.len().min(socket.room);
                socket.unread.extend_from_slice(&bytes[..taken]);
                socket.room -= if socket.room == usize::MAX { 0 } else { taken };
                let sent = SendOutcome::Written(taken as u32);
                socket.awaiting = self.hub.sent(send.id, sent, self.now_us) == Writability::Full;
                assert_eq!(socket.awaiting, taken < bytes.len());
            }
            self.egress.clear();
        }
        while let Some(event) = self.hub.poll_socket_action() {
            match event {
                SocketAction::FinishWriting(id) => self.socket(id).write_ended = true,
                SocketAction::Close { id, abort } => {
                    assert_eq!(self.socket(id).closed.replace(abort), None, "closed once");
                    if self.releases {
                        self.hub.release(id);
                    }
                }
            }
        }
        self.counts();
    }

    fn answer_questions(&mut self) {
        for (ticket, question) in self.hub.take_questions() {
            let Question::Publish { topic, payload } = question;
            self.published.push((topic, payload));
            match self.publish_answer {
                Some(answer) => self.answer(ticket, answer),
                None => self.tickets.push(ticket),
            }
        }
    }

    /// Answers a client's publication.
    pub fn answer(&mut self, ticket: Ticket, answer: PublishAnswer) {
        self.hub
            .answer(ticket, Answer::Publish(answer), self.now_us);
    }

    /// The whole frames that reached the client.
    pub fn read(&mut self, id: ConnectionId) -> Vec<Frame> {
        let taken = self.take(id);
        taken.into_iter().map(|taken| taken.frame).collect()
    }

    /// The same, with how they went over the wire.
    pub fn take(&mut self, id: ConnectionId) -> Vec<Taken> {
        self.turn();
        let socket = self.socket(id);
        let mut frames = Vec::new();
        while let Some(taken) =
            wire::take(&mut socket.unread, socket.window_bits).expect("well formed")
        {
            frames.push(taken);
        }
        frames
    }

    /// What reached the client, without the part of a frame at the end.
    pub fn texts(&mut self, id: ConnectionId) -> Vec<String> {
        let text = |frame| match frame {
            Frame::Text(text) => text,
            other => panic!("not a text: {other:?}"),
        };
        self.read(id).into_iter().map(text).collect()
    }

    /// Status and body of the HTTP response that reached the client.
    pub fn response(&mut self, id: ConnectionId) -> (u16, String) {
        self.turn();
        wire::take_response(&mut self.socket(id).unread).expect("a whole response")
    }

    /// Whether the socket is closed, and with a reset.
    pub fn closed(&mut self, id: ConnectionId) -> Option<bool> {
        self.turn();
        self.socket(id).closed
    }

    /// Moves the clock, as the shell does: to every deadline in between.
    pub fn wait(&mut self, us: u64) {
        let until_us = self.now_us + us;
        while let Some(due_us) = self.hub.deadline_us().filter(|due_us| *due_us <= until_us) {
            self.now_us = due_us.max(self.now_us);
            self.hub.tick(self.now_us);
            self.turn();
        }
        self.now_us = until_us;
    }

    /// The counters, whose identity holds at every moment.
    pub fn counts(&self) -> ShardCounts {
        let counts = self.hub.counts();
        assert_eq!(
            counts.matched,
            counts.written + dropped(&counts) + counts.pending
        );
        counts
    }

    pub fn wants(&self, topic: &str) -> bool {
        self.upstream
            .0
            .borrow()
            .wanted
            .contains_key(&self.hasher.hash(topic))
    }
}

/// Deliveries dropped for whatever reason.
pub fn dropped(counts: &ShardCounts) -> u64 {
    counts.dropped_slow + counts.dropped_oldest + counts.dropped_conflated + counts.dropped_closed
}
