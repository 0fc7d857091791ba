//! One hub with a clock that tests advance by hand, and a simulated socket for each connection.
//!
//! Methods named `send` and `read` are the client's side of a connection; `publish` is ingest.

use std::collections::HashMap;
use std::sync::Arc;

use fanfare::access::{ServiceAnswer, ServiceQuestion};
use fanfare::config::Config;
use fanfare::delivery::TopicHasher;
use fanfare::hub::{
    Answer, ConnectionId, Egress, Hub, Parking, PublishAnswer, Question, SendOutcome, SocketAction,
    Ticket, Writability,
};
use fanfare::limits::{CLOSE_TIMEOUT, TIMER_TICK};
use fanfare::observe::{Histogram, ShardCounts};
use fanfare::protocol::ClientInfo;

use crate::upstream::{JSON_RULES, RecordingUpstream, joined_broadcast};
use crate::wire::{self, ReceivedFrame, ServerFrame};

pub const SECOND_US: u64 = 1_000_000;
pub const TICK_US: u64 = TIMER_TICK.as_micros() as u64;
pub const CLOSE_TIMEOUT_US: u64 = CLOSE_TIMEOUT.as_micros() as u64;

/// How the hub closed a socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CloseKind {
    /// The kernel still sends what it holds.
    Orderly,
    /// The peer gets a reset.
    Reset,
}

/// The kernel's side of one connection.
#[derive(Debug)]
pub struct SimulatedSocket {
    /// Number of bytes that the socket takes before it is full.
    pub room_bytes: usize,
    /// The hub knows that the socket is full, and sends nothing until it is writable.
    pub is_full: bool,
    /// The bytes that the socket took and the client has not read.
    pub unread: Vec<u8>,
    /// The server's window in bits, if permessage-deflate was negotiated.
    pub window_bits: Option<u8>,
    /// The hub has shut down the write side.
    pub is_write_shut_down: bool,
    /// How the hub closed the socket; `None` while it is open.
    pub closed: Option<CloseKind>,
}

/// A hub, its upstream, its clock and its sockets.
pub struct HubHarness {
    pub hub: Hub,
    pub upstream: RecordingUpstream,
    pub latency: Arc<Histogram>,
    pub now_us: u64,
    pub hasher: TopicHasher,
    pub sockets: HashMap<ConnectionId, SimulatedSocket>,
    /// Topic and payload of each publication of a client.
    pub published: Vec<(String, Vec<u8>)>,
    /// The information about the client of each publication.
    pub senders: Vec<Option<Arc<ClientInfo>>>,
    /// The answer that each publication of a client gets in the same turn. Without one, the command
    /// stays pending and its ticket is stored in `tickets`.
    pub immediate_answer: Option<PublishAnswer>,
    /// Tickets of the questions that were not answered in the same turn, in order.
    pub tickets: Vec<Ticket>,
    /// The questions to services, in order. A test answers them.
    pub service_questions: Vec<(Ticket, ServiceQuestion)>,
    /// Whether the slot of a closed connection is released at once.
    pub releases_closed: bool,
    egress: Egress,
}

impl HubHarness {
    pub fn new(config: Config) -> Self {
        let upstream = RecordingUpstream::default();
        let latency = Arc::<Histogram>::default();
        let hasher = TopicHasher::default();
        let hub = Hub::new(
            Arc::new(config),
            Box::new(upstream.clone()),
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
            senders: Vec::new(),
            immediate_answer: Some(PublishAnswer::Accepted),
            tickets: Vec::new(),
            service_questions: Vec::new(),
            releases_closed: true,
            egress: Egress::default(),
        }
    }

    /// Opens a TCP connection to the hub.
    pub fn accept(&mut self) -> ConnectionId {
        let id = self.hub.accept(self.now_us).expect("there is room");
        self.add_socket(id)
    }

    /// Opens an internal connection: this process holds its other end.
    pub fn accept_internal(&mut self) -> ConnectionId {
        let id = self.hub.accept_internal(self.now_us);
        self.add_socket(id)
    }

    fn add_socket(&mut self, id: ConnectionId) -> ConnectionId {
        let socket = SimulatedSocket {
            room_bytes: usize::MAX,
            is_full: false,
            unread: Vec::new(),
            window_bits: None,
            is_write_shut_down: false,
            closed: None,
        };
        self.sockets.insert(id, socket);
        id
    }

    /// Sends a request for a WebSocket at `target` on a new connection. Returns the connection and
    /// the status of the response.
    pub fn request_upgrade(&mut self, target: &str) -> (ConnectionId, u16) {
        self.request_upgrade_with(target, "")
    }

    /// Sends a request with further header lines, such as an offer of compression.
    pub fn request_upgrade_with(&mut self, target: &str, headers: &str) -> (ConnectionId, u16) {
        let id = self.accept();
        self.send_bytes(id, &wire::upgrade_request_with(target, headers));
        self.run_turn();
        let socket = self.socket(id);
        socket.window_bits = wire::agreed_window_bits(&socket.unread);
        let (status, _) = self.read_response(id);
        (id, status)
    }

    /// Opens a WebSocket at `target`.
    pub fn open_websocket(&mut self, target: &str) -> ConnectionId {
        self.open_websocket_with(target, "")
    }

    /// Opens a WebSocket with further header lines in the request.
    pub fn open_websocket_with(&mut self, target: &str, headers: &str) -> ConnectionId {
        let (id, status) = self.request_upgrade_with(target, headers);
        assert_eq!(status, 101);
        id
    }

    /// Opens a WebSocket of the client protocol and sends the connect command.
    pub fn connect_client(&mut self) -> ConnectionId {
        self.connect_client_with("")
    }

    /// Connects a client whose request has further header lines.
    pub fn connect_client_with(&mut self, headers: &str) -> ConnectionId {
        let id = self.open_websocket_with("/connection/websocket", headers);
        self.send_text(id, r#"{"id":1,"connect":{}}"#);
        assert_eq!(self.read_frames(id).len(), 1);
        id
    }

    /// Connects a client and subscribes it to these topics.
    pub fn connect_subscriber(&mut self, topics: &[&str]) -> ConnectionId {
        self.connect_subscriber_with("", topics)
    }

    /// Connects a subscriber whose request has further header lines.
    pub fn connect_subscriber_with(&mut self, headers: &str, topics: &[&str]) -> ConnectionId {
        let id = self.connect_client_with(headers);
        for topic in topics {
            let command = format!(r#"{{"id":2,"subscribe":{{"channel":"{topic}"}}}}"#);
            self.send_text(id, &command);
        }
        let reply = ServerFrame::text(r#"{"id":2,"subscribe":{}}"#);
        assert_eq!(self.read_frames(id), vec![reply; topics.len()]);
        id
    }

    /// Connects a subscriber whose socket takes `room_bytes` bytes from now on.
    pub fn connect_slow_subscriber(&mut self, topics: &[&str], room_bytes: usize) -> ConnectionId {
        let id = self.connect_subscriber(topics);
        self.socket(id).room_bytes = room_bytes;
        id
    }

    /// Sends bytes from the client to the hub.
    pub fn send_bytes(&mut self, id: ConnectionId, bytes: &[u8]) {
        self.hub.receive(id, &mut bytes.to_vec(), self.now_us);
    }

    /// Sends a text message from the client to the hub.
    pub fn send_text(&mut self, id: ConnectionId, message: &str) {
        self.send_bytes(id, &wire::text_frame(message));
    }

    pub fn publish(&mut self, topic: &str, body: &str) {
        self.publish_joined(topic, &[body]);
    }

    /// Publishes several publications in one broadcast.
    pub fn publish_joined(&mut self, topic: &str, bodies: &[&str]) {
        let broadcast = joined_broadcast(&self.hasher, topic, bodies, JSON_RULES, self.now_us);
        self.hub.publish(&broadcast, self.now_us);
    }

    pub fn socket(&mut self, id: ConnectionId) -> &mut SimulatedSocket {
        self.sockets.get_mut(&id).expect("accepted")
    }

    /// Lets a socket take `bytes` bytes more, as after a read of the client, and runs a turn.
    pub fn add_room(&mut self, id: ConnectionId, bytes: usize) {
        let socket = self.socket(id);
        socket.room_bytes = socket.room_bytes.saturating_add(bytes);
        if std::mem::take(&mut socket.is_full) {
            self.hub.writable(id);
        }
        self.run_turn();
    }

    /// Runs one turn as the shell does: answers questions, carries out sends and socket actions,
    /// and checks the counters.
    pub fn run_turn(&mut self) {
        self.answer_questions();
        while self.hub.poll_egress(&mut self.egress) {
            self.carry_out_sends();
        }
        while let Some(action) = self.hub.poll_socket_action() {
            self.carry_out(action);
        }
        self.counts();
    }

    fn carry_out_sends(&mut self) {
        for send in self.egress.sends() {
            let bytes = self.egress.bytes(send);
            let socket = self.sockets.get_mut(&send.id).expect("accepted");
            assert!(!socket.is_full, "no send while the socket is full");
            assert!(!socket.is_write_shut_down, "no send after the shutdown");
            assert_eq!(socket.closed, None, "no send after the close");
            let written = bytes.len().min(socket.room_bytes);
            socket.unread.extend_from_slice(&bytes[..written]);
            if socket.room_bytes != usize::MAX {
                socket.room_bytes -= written;
            }
            let outcome = SendOutcome::Written(written as u32);
            let writability = self.hub.sent(send.id, outcome, self.now_us);
            socket.is_full = writability == Writability::Full;
            assert_eq!(socket.is_full, written < bytes.len());
        }
        self.egress.clear();
    }

    fn carry_out(&mut self, action: SocketAction) {
        match action {
            SocketAction::FinishWriting(id) => self.socket(id).is_write_shut_down = true,
            SocketAction::Close { id, abort } => {
                let kind = if abort {
                    CloseKind::Reset
                } else {
                    CloseKind::Orderly
                };
                let earlier = self.socket(id).closed.replace(kind);
                assert_eq!(earlier, None, "a socket is closed once");
                if self.releases_closed {
                    self.hub.release(id);
                }
            }
        }
    }

    fn answer_questions(&mut self) {
        for (ticket, question) in self.hub.take_questions() {
            match question {
                Question::Publish {
                    topic,
                    payload,
                    info,
                } => {
                    self.published.push((topic, payload));
                    self.senders.push(info);
                    match self.immediate_answer {
                        Some(answer) => self.answer(ticket, answer),
                        None => self.tickets.push(ticket),
                    }
                }
                Question::Service(question) => self.service_questions.push((ticket, question)),
            }
        }
    }

    /// Answers the publication of a client.
    pub fn answer(&mut self, ticket: Ticket, answer: PublishAnswer) {
        self.hub
            .answer([(ticket, Answer::Publish(answer))], self.now_us);
    }

    /// Answers a question to a service, and continues with the connection that waits for it.
    pub fn answer_service(&mut self, ticket: Ticket, answer: ServiceAnswer) {
        self.hub
            .answer([(ticket, Answer::Service(answer))], self.now_us);
        let parking = self.hub.resume_parked(self.now_us);
        assert_eq!(parking, Parking::Empty, "one answer fits into a turn");
        self.run_turn();
    }

    /// Returns the complete frames that reached the client since the last read.
    pub fn read_frames(&mut self, id: ConnectionId) -> Vec<ServerFrame> {
        let received = self.read_received_frames(id);
        received
            .into_iter()
            .map(|received| received.frame)
            .collect()
    }

    /// Returns the complete frames since the last read, with their size and compression.
    pub fn read_received_frames(&mut self, id: ConnectionId) -> Vec<ReceivedFrame> {
        self.run_turn();
        let socket = self.socket(id);
        let mut frames = Vec::new();
        loop {
            let next = wire::take_frame(&mut socket.unread, socket.window_bits);
            match next.expect("frames are well-formed") {
                Some(frame) => frames.push(frame),
                None => return frames,
            }
        }
    }

    /// Returns the text messages that reached the client since the last read. Panics at any other
    /// frame.
    pub fn read_texts(&mut self, id: ConnectionId) -> Vec<String> {
        let mut texts = Vec::new();
        for frame in self.read_frames(id) {
            match frame {
                ServerFrame::Text(text) => texts.push(text),
                other => panic!("not a text frame: {other:?}"),
            }
        }
        texts
    }

    /// Returns status and body of the HTTP response that reached the client.
    pub fn read_response(&mut self, id: ConnectionId) -> (u16, String) {
        self.run_turn();
        wire::take_response(&mut self.socket(id).unread).expect("a complete response")
    }

    /// Returns how the hub has closed the socket; `None` if it is open.
    pub fn closed(&mut self, id: ConnectionId) -> Option<CloseKind> {
        self.run_turn();
        self.socket(id).closed
    }

    /// Runs what is due. All bytes of clients have reached the hub: who is checked is silent.
    pub fn tick(&mut self) {
        self.hub.tick(self.now_us);
        while let Some(id) = self.hub.poll_silence_check() {
            self.hub.silent(id, self.now_us);
        }
    }

    /// Advances the clock, and runs the hub at every deadline on the way.
    pub fn advance_clock(&mut self, us: u64) {
        let until_us = self.now_us + us;
        while let Some(due_us) = self.hub.deadline_us().filter(|due_us| *due_us <= until_us) {
            self.now_us = due_us.max(self.now_us);
            self.tick();
            self.run_turn();
        }
        self.now_us = until_us;
    }

    /// Returns the counters, and checks that every matched delivery is accounted for.
    pub fn counts(&self) -> ShardCounts {
        let counts = self.hub.counts();
        assert_eq!(
            counts.matched,
            counts.written + dropped(&counts) + counts.pending
        );
        counts
    }

    /// Returns whether the hub wants publications of a topic.
    pub fn wants(&self, topic: &str) -> bool {
        let hash = self.hasher.hash(topic);
        self.upstream.state().wanted_hashes.contains(&hash)
    }
}

/// Returns the number of dropped deliveries, whatever the reason.
pub fn dropped(counts: &ShardCounts) -> u64 {
    counts.dropped_slow + counts.dropped_oldest + counts.dropped_conflated + counts.dropped_closed
}
