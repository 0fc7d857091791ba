//! Everything outside the shard: the simulated kernel, the clients, the ingest thread and the
//! control thread. Their events occur between any two calls of the shard's loop.

use std::collections::{BTreeMap, VecDeque};
use std::os::fd::RawFd;
use std::os::unix::net::UnixStream;
use std::sync::Arc;

use fanfare::config::Config;
use fanfare::fabric::{Fabric, ServiceCall};
use fanfare::hub::{SlowConnection, Ticket};
use fastrand::Rng;
use tokio::sync::mpsc::UnboundedReceiver;
use tokio::sync::oneshot;

use super::connection::Connection;
use super::descriptors::{Key, Target};
use super::kernel::Kernel;
use crate::behaviour::{self, Bodies};
use crate::client::Client;
use crate::run_log::RunLog;

/// The topic and the bodies of each broadcast of a batch.
pub type Contents = Vec<(usize, Vec<String>)>;

/// A client with the state of its end of the connection.
pub struct Peer {
    pub client: Client,
    /// The number of bytes that the client has passed to the kernel.
    pub sent: usize,
    /// Whether the client reads from its socket.
    pub reads: bool,
    /// Whether the client belongs to this process.
    pub is_internal: bool,
}

/// The state of everything outside the shard.
pub struct World {
    pub log: RunLog,
    pub random: Rng,
    pub now_us: u64,
    pub kernel: Kernel,
    pub fabric: Arc<Fabric>,
    pub config: Config,
    pub peers: BTreeMap<Key, Peer>,
    next_key: Key,
    /// The maximum number of simultaneous connections.
    pub max_peers: usize,
    /// The number of clients that connect at once in a burst.
    pub burst: usize,
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
    /// The next deadline of the shard, as of the last turn.
    pub deadline_us: Option<u64>,
    /// The number of connections that are not read until then.
    pub paused: usize,
    /// The number of connections that are not read until a hook has answered.
    pub parked: usize,
    /// Questions to the service thread, and those that it has taken and not answered.
    pub service_calls: UnboundedReceiver<ServiceCall>,
    pub unanswered: Vec<Ticket>,
    /// Whether the run settles. Then no random events occur.
    pub is_settling: bool,
    /// Whether the shard is in a turn. Signals would then be wasted system calls.
    pub is_in_turn: bool,
    /// The time at which the last turn started, as the shard has read it. `None` until then.
    pub turn_us: Option<u64>,
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
        if seed.is_multiple_of(3) {
            behaviour::add_connect_hook(&mut config);
        }
        let service_calls = fabric.service_calls.take_receiver();
        let service_calls = service_calls.expect("no other thread has taken it");
        Self {
            log: RunLog::new(seed, steps),
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
            paused: 0,
            parked: 0,
            service_calls,
            unanswered: Vec::new(),
            is_settling: false,
            is_in_turn: false,
            turn_us: None,
        }
    }

    /// Adds a line to the log of the last events.
    pub fn note(&mut self, line: impl FnOnce() -> String) {
        self.log.add(self.now_us, &line());
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
            93..95 => {
                self.answer_service();
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
    pub fn pick(&mut self, condition: impl Fn(&Peer, &Connection) -> bool) -> Option<Key> {
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
