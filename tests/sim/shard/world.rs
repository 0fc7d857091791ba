//! Everything outside of the shard: the simulated kernel, the clients, the ingest thread and the
//! control thread. They act between any two calls of the shard's loop, as other threads do.

use std::collections::{BTreeMap, VecDeque};
use std::fmt::Write;
use std::os::fd::{AsRawFd, OwnedFd, RawFd};
use std::os::unix::net::UnixStream;
use std::sync::Arc;

use fanfare::config::Config;
use fanfare::fabric::{Fabric, ShardRequest};
use fanfare::hub::{DrainScope, SlowConnection};
use fastrand::Rng;
use tokio::sync::oneshot::{self, error::TryRecvError};

use super::connection::{Connection, ServerEnd};
use super::descriptors::{Key, Target};
use super::kernel::Kernel;
use crate::behaviour::{self, Bodies};
use crate::client::{Client, Kind, TOPICS};
use crate::wire;

/// Topic and bodies of each broadcast of a batch.
pub type Contents = Vec<(usize, Vec<String>)>;

/// A client, and how far it has got with its end of the connection.
pub struct Peer {
    pub client: Client,
    /// Bytes that it has passed to its kernel.
    sent: usize,
    reads: bool,
    is_internal: bool,
}

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
    /// Connections that the run opens at a time, and that a crowd opens at once.
    most_peers: usize,
    crowd: usize,
    pub bodies: Bodies,
    /// The contents of the batches that were pushed and that the shard had not taken when the lane
    /// was last checked.
    pub lane: VecDeque<Contents>,
    /// Streams that the control thread has given to the shard and the shard has not taken.
    pub internal: BTreeMap<RawFd, u32>,
    pub surveys: Vec<oneshot::Receiver<Vec<SlowConnection>>>,
    /// Publications that clients received, and droppable ones that they did not.
    pub received: u64,
    pub skipped: u64,
    /// Compressed frames that clients received.
    pub inflated: u64,
    /// The next deadline of the hub, as of the last turn.
    pub deadline_us: Option<u64>,
    /// Nothing happens but what the shard and the checks cause.
    pub is_quiet: bool,
    /// The shard is in a turn: signals would be wasted system calls.
    pub is_in_turn: bool,
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
    pub fn new(seed: u64, steps: u64, event: UnixStream, fabric: Arc<Fabric>) -> Self {
        let mut random = Rng::with_seed(seed);
        // Some runs reach the limits of the fabric, the others the limit on descriptors.
        let (descriptors, most_peers, crowd) = match seed % 4 {
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
            kernel: Kernel::new(&mut random, event, descriptors),
            fabric,
            config,
            peers: BTreeMap::new(),
            next_key: 0,
            most_peers,
            crowd,
            bodies: Bodies::new(&mut random),
            random,
            lane: VecDeque::new(),
            internal: BTreeMap::new(),
            surveys: Vec::new(),
            received: 0,
            skipped: 0,
            inflated: 0,
            deadline_us: None,
            is_quiet: false,
            is_in_turn: false,
            log: VecDeque::new(),
        }
    }

    pub fn note(&mut self, line: impl FnOnce() -> String) {
        if self.log.len() == 60 {
            self.log.pop_front();
        }
        let line = format!("{} @{}us: {}", self.step, self.now_us, line());
        self.log.push_back(line);
    }

    /// Lets another thread act between two calls of the shard, once in `one_in` times.
    pub fn interleave(&mut self, one_in: u32) {
        if !self.is_quiet && self.random.u32(..one_in) == 0 {
            self.act();
        }
    }

    /// Causes one random event.
    pub fn act(&mut self) {
        match self.random.u32(..100) {
            0..4 => self.connect(),
            4..25 => self.transmit_some(),
            25..37 => self.client_acts(),
            37..50 => self.publish(),
            50..68 => self.kernel.progress(&mut self.random, self.now_us),
            68..78 => self.read_some(),
            78..84 => self.finish_some(),
            84..86 => self.toggle_reading(),
            86..87 => self.disrupt(),
            87..89 => self.change_descriptors(),
            89..91 => self.request(),
            91..93 => {
                self.answer_submission();
            }
            _ => self.pass_time(),
        }
        self.kernel.read_event();
    }

    fn pass_time(&mut self) {
        let us = match self.random.u32(..60) {
            0 => self.random.u64(..60_000_000),
            1..5 => self.random.u64(..3_000_000),
            5..20 => self.random.u64(..100_000),
            _ => self.random.u64(..1_000),
        };
        self.now_us += us;
        self.note(|| format!("{us} us pass"));
    }

    fn pick(&mut self, suits: impl Fn(&Peer, &Connection) -> bool) -> Option<Key> {
        let kernel = &self.kernel;
        let suiting = self
            .peers
            .iter()
            .filter(|(key, peer)| suits(peer, &kernel.connections[*key]));
        let keys: Vec<_> = suiting.map(|(key, _)| *key).collect();
        self.random.choice(keys)
    }

    fn add_peer(&mut self, client: Client, is_internal: bool) -> Key {
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

    /// Connects clients, one or a crowd of them.
    pub fn connect(&mut self) {
        let is_crowd = self.random.u32(..30) == 0;
        let crowd = if is_crowd { self.crowd } else { 1 };
        for _ in 0..crowd {
            if self.peers.len() >= self.most_peers || self.kernel.listener.is_none() {
                return;
            }
            let client = behaviour::random_client(&mut self.random);
            let kind = client.kind;
            let key = self.add_peer(client, false);
            self.kernel.backlog.push_back(key);
            self.note(|| format!("{key}: {kind:?} connects"));
        }
    }

    fn client_acts(&mut self) {
        let talks = |peer: &Peer, connection: &Connection| {
            matches!(peer.client.kind, Kind::Protocol | Kind::Raw)
                && !peer.client.is_over()
                && !connection.client_ended
                && !connection.client_reset
        };
        let Some(key) = self.pick(talks) else { return };
        let client = &mut self.peers.get_mut(&key).expect("picked").client;
        if client.kind == Kind::Protocol && self.random.u32(..8) == 0 {
            let topic = self.random.usize(..TOPICS.len());
            let body = self.bodies.make(false, &mut self.random).remove(0);
            client.publish(topic, &body);
            return self.note(|| format!("{key}: publishes to {}", TOPICS[topic].0));
        }
        let action = behaviour::act(client, &mut self.random);
        self.note(|| format!("{key}: {action}"));
    }

    fn transmit_some(&mut self) {
        let has_bytes = |peer: &Peer, _: &Connection| peer.sent < peer.client.outbound.len();
        let Some(key) = self.pick(has_bytes) else {
            return;
        };
        let most = if self.random.bool() {
            usize::MAX
        } else {
            self.random.usize(1..60)
        };
        self.transmit(key, most);
    }

    /// Passes bytes of a client to the kernel. Returns whether there were any.
    pub fn transmit(&mut self, key: Key, most: usize) -> bool {
        let peer = self.peers.get_mut(&key).expect("it is connected");
        let connection = self.kernel.connection(key);
        let left = &peer.client.outbound[peer.sent..];
        let taken = left.len().min(most);
        peer.sent += taken;
        // Bytes to a closed socket are lost.
        let is_closed = matches!(connection.server, ServerEnd::Closed | ServerEnd::Reset);
        if !(is_closed || connection.client_ended || connection.client_reset) {
            connection.to_server.extend(&left[..taken]);
        }
        taken > 0
    }

    /// Records that the shard takes received bytes out of a buffer.
    pub fn delivered(&mut self, key: Key, bytes: &[u8]) {
        self.match_lane();
        let peer = self.peers.get_mut(&key).expect("it is connected");
        let expected = peer.client.deliver(bytes.len());
        assert!(expected == bytes, "{key}: received bytes are out of order");
        self.note(|| format!("{key}: {} bytes in", bytes.len()));
    }

    fn read_some(&mut self) {
        for _ in 0..self.random.usize(1..6) {
            let Some(key) = self.pick(|peer, _| peer.reads) else {
                return;
            };
            let most = if self.random.bool() {
                usize::MAX
            } else {
                self.random.usize(1..500)
            };
            self.read(key, most);
        }
    }

    /// Lets a client read, and answer the pings that it finds. Returns whether there were bytes.
    pub fn read(&mut self, key: Key, most: usize) -> bool {
        self.match_lane();
        let bytes = self.kernel.connection(key).read(most);
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

    fn toggle_reading(&mut self) {
        if let Some(key) = self.pick(|_, _| true) {
            let peer = self.peers.get_mut(&key).expect("picked");
            peer.reads = !peer.reads;
        }
    }

    /// Ends connections of clients that have read the end of their stream.
    fn finish_some(&mut self) {
        for _ in 0..self.random.usize(1..4) {
            let is_over = |peer: &Peer, connection: &Connection| {
                connection.is_at_end() || connection.client_reset || peer.client.is_over()
            };
            if let Some(key) = self.pick(is_over) {
                self.finish(key);
            }
        }
    }

    /// Ends the client's side of a connection, and forgets the connection when the server has
    /// closed it. Returns whether something changed.
    pub fn finish(&mut self, key: Key) -> bool {
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
        self.kernel.events.publish_replies += peer.client.publish_replies;
        self.note(|| format!("{key}: finished"));
        true
    }

    /// Ends or resets a connection without a close frame.
    fn disrupt(&mut self) {
        let Some(key) = self.pick(|_, _| true) else {
            return;
        };
        let connection = self.kernel.connection(key);
        if self.random.bool() {
            connection.client_ended = true;
        } else {
            connection.client_reset = true;
        }
        self.note(|| format!("{key}: disrupted"));
    }

    /// Resets every connection.
    pub fn disrupt_all(&mut self) {
        for connection in self.kernel.connections.values_mut() {
            connection.client_reset = true;
        }
    }

    /// Opens all descriptors that are left, or closes some, as other threads do.
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

    pub fn close_other_descriptors(&mut self) {
        let descriptors = &mut self.kernel.descriptors;
        while descriptors.count(|target| target == Target::Other) > 0 {
            descriptors.close_other();
        }
    }

    /// Sends a request to the shard, as the control thread does.
    fn request(&mut self) {
        let request = match self.random.u32(..10) {
            0..4 => {
                behaviour::change_config(&mut self.config, &mut self.random);
                ShardRequest::Reconfigure(Arc::new(self.config.clone()))
            }
            4..7 => {
                let (reply, receiver) = oneshot::channel();
                self.surveys.push(receiver);
                let limit = self.random.usize(1..5);
                ShardRequest::Survey { limit, reply }
            }
            7 => {
                let count = self.random.u64(..5);
                let period_us = self.random.u64(..3_000_000);
                let scope = DrainScope::Count(count);
                ShardRequest::Drain { scope, period_us }
            }
            _ => return self.connect_internally(),
        };
        self.note(|| format!("{request:?}").chars().take(60).collect());
        let _ = self.fabric.shards[0].lane.request(request);
    }

    /// Connects from inside of the process.
    fn connect_internally(&mut self) {
        let count = self.peers.values().filter(|it| it.is_internal).count();
        if count > 2 || self.kernel.descriptors.is_full() {
            return;
        }
        let client = Client::new(Kind::Protocol, &[], "");
        let key = self.add_peer(client, true);
        let target = Target::Connection(key);
        let number = self.kernel.descriptors.open_beyond_limit(target);
        self.kernel.connection(key).server = ServerEnd::Open;
        // Stands for the stream on its way to the shard, which takes a real descriptor.
        let (stream, _) = UnixStream::pair().expect("a socket pair");
        let stream = OwnedFd::from(stream);
        self.internal.insert(stream.as_raw_fd(), number);
        self.kernel.events.internal += 1;
        let adopt = ShardRequest::AcceptInternal(stream);
        assert!(
            self.fabric.shards[0].lane.request(adopt).is_ok(),
            "requests fit"
        );
        self.note(|| format!("{key}: connects internally"));
    }

    /// Takes the answers to surveys.
    pub fn check_surveys(&mut self) {
        let events = &mut self.kernel.events;
        self.surveys.retain_mut(|survey| match survey.try_recv() {
            Ok(found) => {
                let order =
                    |pair: &[SlowConnection]| pair[0].pending_bytes >= pair[1].pending_bytes;
                assert!(found.windows(2).all(order), "{found:?}");
                assert!(found.iter().all(|it| it.pending_bytes > 0), "{found:?}");
                events.surveys += 1;
                false
            }
            Err(error) => {
                assert_eq!(error, TryRecvError::Empty, "a survey without an answer");
                true
            }
        });
    }

    /// Returns the number of internal connections that the shard has taken and not closed.
    pub fn internal_connections(&self) -> usize {
        let is_open = |key| self.kernel.connections[key].server == ServerEnd::Open;
        let internal = self.peers.iter().filter(|(_, peer)| peer.is_internal);
        internal.filter(|(key, _)| is_open(key)).count() - self.internal.len()
    }
}
