//! Everything outside the shard: the simulated kernel, the clients, the ingest thread and the
//! control thread. Their events occur between any two calls of the shard's loop.

use std::collections::{BTreeMap, VecDeque};
use std::fmt::Write;
use std::os::fd::RawFd;
use std::os::unix::net::UnixStream;
use std::sync::Arc;

use fanfare::config::Config;
use fanfare::fabric::Fabric;
use fanfare::hub::SlowConnection;
use fastrand::Rng;
use tokio::sync::oneshot;

use super::connection::{Connection, ServerEnd};
use super::descriptors::{Key, Target};
use super::kernel::Kernel;
use crate::behaviour::{self, Bodies};
use crate::client::{Client, Kind, TOPICS};
use crate::wire;

/// The topic and the bodies of each broadcast of a batch.
pub type Contents = Vec<(usize, Vec<String>)>;

/// A client with the state of its end of the connection.
pub struct Peer {
    pub client: Client,
    /// The number of bytes that the client has passed to the kernel.
    sent: usize,
    /// Whether the client reads from its socket.
    reads: bool,
    /// Whether the client belongs to this process.
    pub is_internal: bool,
}

/// The state of everything outside the shard.
pub struct World {
    pub seed: u64,
    pub steps: u64,
    pub step: u64,
    pub random: Rng,
    pub now_us: u64,
    pub kernel: Kernel,
    pub fabric: Arc<Fabric>,
    pub config: Config,
    pub peers: BTreeMap<Key, Peer>,
    next_key: Key,
    /// The maximum number of simultaneous connections.
    max_peers: usize,
    /// The number of clients that connect at once in a burst.
    burst: usize,
    pub bodies: Bodies,
    /// The items that were pushed and are possibly still on the lane.
    pub pushed: VecDeque<Contents>,
    /// The streams of internal connections that are on the lane, with their simulated descriptors.
    pub internal: BTreeMap<RawFd, u32>,
    /// The surveys that are not answered yet.
    pub surveys: Vec<oneshot::Receiver<Vec<SlowConnection>>>,
    /// The number of publications that the clients of ended connections received.
    pub received: u64,
    /// The number of droppable publications that these clients did not receive.
    pub skipped: u64,
    /// The number of compressed frames that these clients received.
    pub inflated: u64,
    /// The next deadline of the hub, as of the last turn.
    pub deadline_us: Option<u64>,
    /// Whether the run settles. Then no random events occur.
    pub is_settling: bool,
    /// Whether the shard is in a turn. Signals would then be wasted system calls.
    pub is_in_turn: bool,
    /// The last events, for the report of a failure.
    log: VecDeque<String>,
}

impl Drop for World {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let mut report = String::new();
            for line in &self.log {
                let _ = writeln!(report, "  {line}");
            }
            let Self {
                seed, steps, step, ..
            } = self;
            eprintln!(
                "the last events:\n{report}failed at step {step}; repeat with \
                 FANFARE_SIM_SEED={seed} FANFARE_SIM_STEPS={steps}"
            );
        }
    }
}

impl World {
    /// Creates the world of a run. `event` is the reading end of the shard's event descriptor.
    pub fn new(seed: u64, steps: u64, event: UnixStream, fabric: Arc<Fabric>) -> Self {
        let mut random = Rng::with_seed(seed);
        // Some runs reach the limits of the fabric, and the others reach the limit on descriptors.
        let (max_descriptors, max_peers, burst) = match seed % 4 {
            0 => (200, 100, 60),
            _ => (random.usize(20..60), 60, 20),
        };
        let mut config = behaviour::random_config(&mut random);
        for namespace in &mut config.namespaces {
            namespace.publish = true;
        }
        Self {
            seed,
            steps,
            step: 0,
            now_us: random.u64(..10_000_000),
            kernel: Kernel::new(&mut random, event, max_descriptors),
            fabric,
            config,
            peers: BTreeMap::new(),
            next_key: 0,
            max_peers,
            burst,
            bodies: Bodies::new(&mut random),
            random,
            pushed: VecDeque::new(),
            internal: BTreeMap::new(),
            surveys: Vec::new(),
            received: 0,
            skipped: 0,
            inflated: 0,
            deadline_us: None,
            is_settling: false,
            is_in_turn: false,
            log: VecDeque::new(),
        }
    }

    /// Adds a line to the log of the last events.
    pub fn note(&mut self, line: impl FnOnce() -> String) {
        if self.log.len() == 60 {
            self.log.pop_front();
        }
        let line = format!("{} @{}us: {}", self.step, self.now_us, line());
        self.log.push_back(line);
    }

    /// Simulates an event of another thread between two calls of the shard, with a probability of
    /// one in `one_in`.
    pub fn interleave(&mut self, one_in: u32) {
        if !self.is_settling && self.random.u32(..one_in) == 0 {
            self.simulate_event();
        }
    }

    /// Simulates one random event outside the shard.
    pub fn simulate_event(&mut self) {
        match self.random.u32(..100) {
            0..4 => self.connect(),
            4..25 => self.transmit_some(),
            25..37 => self.client_sends(),
            37..50 => self.publish(),
            50..68 => self.kernel.progress(&mut self.random, self.now_us),
            68..78 => self.read_some(),
            78..84 => self.disconnect_some(),
            84..86 => self.toggle_reading(),
            86..87 => self.break_connection(),
            87..89 => self.change_descriptors(),
            89..91 => self.request(),
            91..93 => {
                self.answer_submission();
            }
            _ => self.advance(),
        }
        self.kernel.read_event();
    }

    /// Advances the clock by a random time.
    fn advance(&mut self) {
        let us = match self.random.u32(..60) {
            0 => self.random.u64(..60_000_000),
            1..5 => self.random.u64(..3_000_000),
            5..20 => self.random.u64(..100_000),
            _ => self.random.u64(..1_000),
        };
        self.now_us += us;
        self.note(|| format!("the clock advances by {us} us"));
    }

    /// Returns a random connection that meets a condition, or `None` if there is none.
    fn pick(&mut self, condition: impl Fn(&Peer, &Connection) -> bool) -> Option<Key> {
        let kernel = &self.kernel;
        let found = self
            .peers
            .iter()
            .filter(|(key, peer)| condition(peer, &kernel.connections[*key]));
        let keys: Vec<_> = found.map(|(key, _)| *key).collect();
        self.random.choice(keys)
    }

    /// Adds a client and its connection, which is not accepted yet.
    pub fn add_peer(&mut self, client: Client, is_internal: bool) -> Key {
        let key = self.next_key;
        self.next_key += 1;
        let capacity = behaviour::random_capacity(&mut self.random);
        let connection = Connection::new(capacity);
        self.kernel.connections.insert(key, connection);
        let peer = Peer {
            client,
            sent: 0,
            reads: true,
            is_internal,
        };
        self.peers.insert(key, peer);
        key
    }

    /// Connects one client, or many in a burst.
    fn connect(&mut self) {
        let is_burst = self.random.u32(..30) == 0;
        let clients = if is_burst { self.burst } else { 1 };
        for _ in 0..clients {
            if self.peers.len() >= self.max_peers || self.kernel.listener.is_none() {
                return;
            }
            let client = behaviour::random_client(&mut self.random);
            let kind = client.kind;
            let key = self.add_peer(client, false);
            self.kernel.backlog.push_back(key);
            self.note(|| format!("{key}: {kind:?} connects"));
        }
    }

    /// Lets a random client send a message.
    fn client_sends(&mut self) {
        let can_send = |peer: &Peer, connection: &Connection| {
            matches!(peer.client.kind, Kind::Protocol | Kind::Raw)
                && !peer.client.is_over()
                && !connection.client_ended
                && !connection.client_reset
        };
        let Some(key) = self.pick(can_send) else {
            return;
        };
        let client = &mut self.peers.get_mut(&key).expect("it is connected").client;
        if client.kind == Kind::Protocol && self.random.u32(..8) == 0 {
            let topic = self.random.usize(..TOPICS.len());
            let body = self.bodies.create(false, &mut self.random).remove(0);
            client.publish(topic, &body);
            return self.note(|| format!("{key}: publishes to {}", TOPICS[topic].0));
        }
        let action = behaviour::send_random(client, &mut self.random);
        self.note(|| format!("{key}: {action}"));
    }

    /// Lets a random client pass bytes to the kernel.
    fn transmit_some(&mut self) {
        let has_bytes = |peer: &Peer, _: &Connection| peer.sent < peer.client.outbound.len();
        let Some(key) = self.pick(has_bytes) else {
            return;
        };
        let max_bytes = if self.random.bool() {
            usize::MAX
        } else {
            self.random.usize(1..60)
        };
        self.transmit(key, max_bytes);
    }

    /// Passes at most `max_bytes` of a client to the kernel. Returns whether there were any.
    pub fn transmit(&mut self, key: Key, max_bytes: usize) -> bool {
        let peer = self.peers.get_mut(&key).expect("it is connected");
        let connection = self.kernel.connection(key);
        let unsent = &peer.client.outbound[peer.sent..];
        let taken = unsent.len().min(max_bytes);
        peer.sent += taken;
        // Bytes to a closed socket are lost.
        let is_closed = matches!(connection.server, ServerEnd::Closed | ServerEnd::Reset);
        if !(is_closed || connection.client_ended || connection.client_reset) {
            connection.to_server.extend(&unsent[..taken]);
        }
        taken > 0
    }

    /// Checks bytes that the shard has received from a client, and applies their effects.
    pub fn check_received(&mut self, key: Key, bytes: &[u8]) {
        self.expect_publications();
        let peer = self.peers.get_mut(&key).expect("it is connected");
        let expected = peer.client.deliver(bytes.len());
        assert!(expected == bytes, "{key}: received bytes are out of order");
        self.note(|| format!("{key}: {} bytes in", bytes.len()));
    }

    /// Lets some clients read.
    fn read_some(&mut self) {
        for _ in 0..self.random.usize(1..6) {
            let Some(key) = self.pick(|peer, _| peer.reads) else {
                return;
            };
            let max_bytes = if self.random.bool() {
                usize::MAX
            } else {
                self.random.usize(1..500)
            };
            self.read(key, max_bytes);
        }
    }

    /// Lets a client read at most `max_bytes`, and answer the pings among them. Returns whether
    /// there were any bytes.
    pub fn read(&mut self, key: Key, max_bytes: usize) -> bool {
        self.expect_publications();
        let bytes = self.kernel.connection(key).read(max_bytes);
        let peer = self.peers.get_mut(&key).expect("it is connected");
        let pings = peer.client.read(&bytes);
        if pings > 0 && peer.client.kind == Kind::Protocol {
            peer.client.send_unanswered(&wire::text_frame("{}"));
        } else if pings > 0 {
            peer.client
                .send_unanswered(&wire::client_frame(wire::PONG, b""));
        }
        !bytes.is_empty()
    }

    /// Lets a random client stop reading, or resume.
    fn toggle_reading(&mut self) {
        if let Some(key) = self.pick(|_, _| true) {
            let peer = self.peers.get_mut(&key).expect("it is connected");
            peer.reads = !peer.reads;
        }
    }

    /// Disconnects some clients that have read the end of their stream.
    fn disconnect_some(&mut self) {
        for _ in 0..self.random.usize(1..4) {
            let is_over = |peer: &Peer, connection: &Connection| {
                connection.is_at_end() || connection.client_reset || peer.client.is_over()
            };
            if let Some(key) = self.pick(is_over) {
                self.disconnect(key);
            }
        }
    }

    /// Ends the client's stream, or removes the connection if the server has closed it. Returns
    /// whether anything changed.
    pub fn disconnect(&mut self, key: Key) -> bool {
        let connection = self.kernel.connection(key);
        if matches!(connection.server, ServerEnd::Open | ServerEnd::Waiting) {
            return !std::mem::replace(&mut connection.client_ended, true);
        }
        self.read(key, usize::MAX);
        let peer = self.peers.remove(&key).expect("it is connected");
        self.kernel.connections.remove(&key);
        self.received += peer.client.received;
        self.skipped += peer.client.skipped;
        self.inflated += peer.client.inflated;
        self.kernel.coverage.publish_replies += peer.client.publish_replies;
        self.note(|| format!("{key}: disconnected"));
        true
    }

    /// Ends or resets the connection of a random client without a close frame.
    fn break_connection(&mut self) {
        let Some(key) = self.pick(|_, _| true) else {
            return;
        };
        let connection = self.kernel.connection(key);
        if self.random.bool() {
            connection.client_ended = true;
        } else {
            connection.client_reset = true;
        }
        self.note(|| format!("{key}: broken"));
    }

    /// Resets the connections of all clients.
    pub fn reset_all(&mut self) {
        for connection in self.kernel.connections.values_mut() {
            connection.client_reset = true;
        }
    }

    /// Opens all free descriptors in another thread, or closes some descriptors of other threads.
    fn change_descriptors(&mut self) {
        let descriptors = &mut self.kernel.descriptors;
        if self.random.u32(..4) == 0 {
            while descriptors.open(Target::Other).is_some() {}
        } else {
            for _ in 0..self.random.usize(..10) {
                descriptors.close_other();
            }
        }
    }

    /// Closes all descriptors of other threads.
    pub fn close_other_descriptors(&mut self) {
        let descriptors = &mut self.kernel.descriptors;
        while descriptors.count(|target| target == Target::Other) > 0 {
            descriptors.close_other();
        }
    }
}
