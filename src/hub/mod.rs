//! One shard's memory and rules without its IO: connections, topics, outboxes, timers.
//!
//! Lives on a shard's core. Inputs are calls with bytes and time as arguments ([`Hub::accept`],
//! [`Hub::receive`], [`Hub::publish`], [`Hub::tick`] ...); outputs are polled
//! ([`Hub::poll_egress`], [`Hub::poll_socket_action`], [`Hub::deadline_us`]). Nothing here blocks,
//! reads a clock or names a descriptor, so tests drive it with a hand-moved clock.

mod client;
mod close;
mod connection;
mod deliver;
mod egress;
mod inbound;
mod outbox;
mod pages;
mod pending;
mod pool;
mod survey;
mod timers;
mod topics;
mod upgrade;
mod upstream;

use std::collections::VecDeque;
use std::sync::Arc;

use crate::config::Config;
use crate::delivery::TopicHasher;
use crate::limits::TURN_BYTES;
use crate::observe::{Histogram, ShardCounts};
use crate::protocol::command::Parser;
use crate::wire::{Deflater, Inflater};

use close::Drain;
use connection::{Admission, Connections, Phase};
use pending::PendingCommands;
use pool::Pool;
use timers::Wheel;

pub use close::{CloseReason, DrainScope};
pub use connection::ConnectionId;
pub use egress::{Egress, Send, SendOutcome};
pub use pages::Pages;
pub use pending::{Answer, PublishAnswer, Question, Ticket};
pub use survey::{SlowConnection, Survey};
pub use upstream::Upstream;

use topics::Topics;

/// Where WebSocket clients connect, and what else the port answers to.
const PATH_CLIENT: &str = "/connection/websocket";
const PATH_RAW: &str = "/raw";
const PATH_ECHO: &str = "/echo";
const PATH_HEALTH: &str = "/health";

/// What the hub asks its shell to do with a socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SocketAction {
    /// All is written: shut the write side down, go on reading until the peer closes too.
    FinishWriting(ConnectionId),
    /// The connection is over. Close the socket, then call [`Hub::release`]. With `abort` the
    /// peer gets a reset, and the kernel forgets what it still had to send.
    Close { id: ConnectionId, abort: bool },
}

/// One shard's hub.
pub struct Hub {
    config: Arc<Config>,
    upstream: Box<dyn Upstream>,
    latency: Arc<Histogram>,
    random: fastrand::Rng,
    /// What the ids that clients are told are made of, with the connection's own.
    client_seeds: [u64; 2],
    parser: Parser,
    inflater: Inflater,
    deflater: Deflater,
    /// The replies to one inbound message, joined by newlines; empty between calls.
    replies: Vec<u8>,
    connections: Connections,
    topics: Topics,
    pool: Pool,
    wheel: Wheel,
    pending: PendingCommands,
    /// Slots with something to send, each at most once ([`connection::Connection::dirty`]).
    dirty: Vec<u32>,
    /// Scratch: slots whose outbox overflowed during one publish.
    overflowed: Vec<u32>,
    /// Scratch: connections whose deadline passed.
    expired: Vec<ConnectionId>,
    events: VecDeque<SocketAction>,
    /// Connections that the process opened to itself.
    own: u64,
    draining: Option<Drain>,
    counts: ShardCounts,
}

impl Hub {
    /// A hub without connections. `seed` makes client ids and ping phases.
    pub fn new(
        config: Arc<Config>,
        upstream: Box<dyn Upstream>,
        hasher: TopicHasher,
        latency: Arc<Histogram>,
        seed: u64,
    ) -> Self {
        let deflate = &config.ws.deflate;
        let mut random = fastrand::Rng::with_seed(seed);
        Self {
            inflater: Inflater::default(),
            deflater: Deflater::new(deflate.level, deflate.threshold),
            config,
            upstream,
            latency,
            client_seeds: [random.u64(..), random.u64(..)],
            random,
            parser: Parser::default(),
            replies: Vec::new(),
            connections: Connections::default(),
            topics: Topics::new(hasher),
            pool: Pool::default(),
            wheel: Wheel::default(),
            pending: PendingCommands::default(),
            dirty: Vec::new(),
            overflowed: Vec::new(),
            expired: Vec::new(),
            events: VecDeque::new(),
            own: 0,
            draining: None,
            counts: ShardCounts::default(),
        }
    }

    /// Takes a fresh socket in. `None`: the process is full; close the socket at once.
    pub fn accept(&mut self, now_us: u64) -> Option<ConnectionId> {
        self.counts.accepted += 1;
        let Some(over_limit) = self.upstream.admit() else {
            self.counts.refused_limit += 1;
            return None;
        };
        let place = if over_limit {
            Admission::Beyond
        } else {
            Admission::Taken
        };
        Some(self.insert(place, now_us))
    }

    /// Takes in a socket of the process's own. No limit on connections concerns it, no drain closes
    /// it, and the hub is empty with it.
    pub fn adopt(&mut self, now_us: u64) -> ConnectionId {
        self.counts.accepted += 1;
        self.own += 1;
        self.insert(Admission::Own, now_us)
    }

    fn insert(&mut self, place: Admission, now_us: u64) -> ConnectionId {
        let id = self.connections.insert(place);
        self.counts.connections += 1;
        self.wheel.wind(now_us);
        let deadline_us = now_us + self.config.ws.handshake_timeout.as_micros() as u64;
        self.set_deadline(id, deadline_us);
        id
    }

    /// The socket of a connection that got [`SocketAction::Close`] is closed: its slot is
    /// free again.
    pub fn release(&mut self, id: ConnectionId) {
        let Some(place) = self.connections.remove(id) else {
            return;
        };
        self.counts.connections -= 1;
        if place == Admission::Own {
            self.own -= 1;
        } else {
            self.upstream.leave();
        }
    }

    /// What is to be done with sockets, in this order.
    #[must_use]
    pub fn poll_socket_action(&mut self) -> Option<SocketAction> {
        self.events.pop_front()
    }

    /// When [`Hub::tick`] wants to be called next.
    #[must_use]
    pub fn deadline_us(&self) -> Option<u64> {
        let drain = self.draining.map(|drain| drain.next_us);
        let pending = self.pending.deadline_us();
        let wheel = self.wheel.next_us();
        wheel.into_iter().chain(drain).chain(pending).min()
    }

    /// When the oldest of what is due by now came due; `None` if nothing is.
    #[must_use]
    pub fn overdue_us(&self, now_us: u64) -> Option<u64> {
        let drain = self.draining.map(|drain| drain.next_us);
        let drain = drain.filter(|due_us| *due_us <= now_us);
        self.wheel.overdue_us(now_us).into_iter().chain(drain).min()
    }

    /// Acts on what is due: pings, deadlines, the next goodbyes of a drain. Costs next to nothing
    /// when nothing is, so the shell calls it in every turn.
    pub fn tick(&mut self, now_us: u64) {
        let mut expired = std::mem::take(&mut self.expired);
        self.wheel.expire(now_us, &mut expired);
        for id in expired.drain(..) {
            self.expire(id, now_us);
        }
        self.expired = expired;
        while let Some(command) = self.pending.expire(now_us) {
            self.fail_pending(command, now_us);
        }
        self.drain_step(now_us);
    }

    /// New rules, for all connections from now on.
    pub fn reconfigure(&mut self, config: Arc<Config>) {
        self.topics.reconfigure(&config);
        let deflate = &config.ws.deflate;
        self.deflater.reconfigure(deflate.level, deflate.threshold);
        self.config = config;
    }

    /// The counters of this moment; `matched = written + dropped + pending` holds in them.
    pub fn counts(&self) -> ShardCounts {
        let mut counts = self.counts;
        counts.topics = self.topics.len() as u64;
        counts.pending = self.pool.held();
        let tally = self.deflater.tally();
        counts.deflate_compressed = tally.compressed;
        counts.deflate_small = tally.small;
        counts.deflate_incompressible = tally.incompressible;
        counts.deflate_bytes_before = tally.bytes_before;
        counts.deflate_bytes_after = tally.bytes_after;
        counts
    }

    /// The counters that the shell adds to: what it took, turns, parks.
    pub fn counts_mut(&mut self) -> &mut ShardCounts {
        &mut self.counts
    }

    /// Bytes that may be matched before the next round of sends without anybody's outbox running
    /// over for want of one.
    pub fn burst_bytes(&self) -> usize {
        TURN_BYTES.min(self.config.ws.outbox)
    }

    /// Whether no connection is left but the process's own.
    pub fn is_empty(&self) -> bool {
        self.counts.connections == self.own
    }

    fn set_deadline(&mut self, id: ConnectionId, deadline_us: u64) {
        if let Some(connection) = self.connections.get_mut(id) {
            connection.deadline_us = deadline_us;
            if let Some(tick) = self.wheel.place(id, deadline_us, connection.timer_tick) {
                connection.timer_tick = tick;
            }
        }
    }

    /// One wheel entry came up: it is stale, early, or its connection's deadline has passed.
    fn expire(&mut self, id: ConnectionId, now_us: u64) {
        let Some(connection) = self.connections.get_mut(id) else {
            return;
        };
        if connection.timer_tick > self.wheel.tick() {
            return;
        }
        connection.timer_tick = timers::UNPLACED;
        if connection.deadline_us > now_us {
            let deadline_us = connection.deadline_us;
            return self.set_deadline(id, deadline_us);
        }
        match connection.phase {
            Phase::Handshake => {
                self.counts.refused_timeout += 1;
                self.finish(id, true);
            }
            Phase::ClientOpening => self.close(id, CloseReason::Stale, now_us),
            Phase::Client | Phase::Echo | Phase::Raw => self.ping(id, now_us),
            Phase::Closing => self.finish(id, true),
            Phase::Gone | Phase::Vacant => {}
        }
    }
}
