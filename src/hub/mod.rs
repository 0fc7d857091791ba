//! One shard's connections, subscriptions and outboxes, without IO. Shard core.
//!
//! Inputs are calls with bytes and time as arguments ([`Hub::accept`], [`Hub::receive`],
//! [`Hub::publish`], [`Hub::answer`], [`Hub::tick`] and others). Outputs are polled
//! ([`Hub::poll_egress`], [`Hub::poll_socket_action`], [`Hub::poll_silence_check`],
//! [`Hub::take_questions`], [`Hub::deadline_us`]). The hub blocks nowhere, reads no clock and owns
//! no descriptor, so that tests drive it with a simulated clock.
//!
//! ```text
//! sessions       stage, protocol, deadline and allowance of each connection
//! subscriptions  which connection is subscribed to which topic
//! outboxes       what each connection has to send, and rounds of sends
//! pending        commands that are answered later
//! identities     who the clients are, and what expires
//! hook_clients   what hooks of the back end need to know of clients
//! parked         connections that wait for time or for the answer of a service
//!
//! handshake      from the request head to an upgrade, a health response or a refusal
//! raw            the handshake of connections without commands
//! refusals       refused handshakes: counted, and reported to the shell for the log
//! inbound        from bytes to messages and control frames
//! commands       the client protocol
//! replies        the replies of one message
//! admission      who is connected, and how often
//! authentication the commands connect and refresh
//! client_publish the command publish
//! rpc            the command rpc
//! hook_calls     calls of hooks for commands
//! extending      calls of hooks about what expires
//! hook_reports   answers of hooks that cannot be used
//! subscribing    the commands `subscribe`, `unsubscribe` and `sub_refresh`
//! publish        from a broadcast to outboxes
//! resume         parks connections and continues with them
//! closing        close frames, lost connections
//! drain          closing all connections or a share of them over a period
//! deadlines      handshake timeouts, pings, drains
//! survey         the connections with the most pending bytes
//! user_actions   what the server API does to the connections of a user
//! topics         the topics and the number of their subscribers
//! ```
//!
//! `Hub` is the facade of the first seven, each of which owns its fields.

mod admission;
mod authentication;
mod client_publish;
mod close_reason;
mod closing;
mod command_outcome;
mod commands;
mod connection_id;
mod deadlines;
mod drain;
mod draining;
mod extending;
mod handshake;
mod hook_calls;
mod hook_clients;
mod hook_reports;
mod identities;
mod inbound;
mod outboxes;
mod pages;
mod parked;
mod pending;
mod publish;
mod raw;
mod refusals;
mod replies;
mod resume;
mod rpc;
mod sessions;
mod subscribing;
mod subscriptions;
mod survey;
mod timers;
mod token_keys;
mod token_time;
mod topics;
mod transport;
mod upstream;
mod user_actions;

use std::collections::VecDeque;
use std::sync::Arc;

use crate::access::{TokenFault, Verifier};
use crate::config::{AuthMode, Config};
use crate::delivery::TopicHasher;
use crate::limits::TURN_BYTES;
use crate::observe::{Histogram, ShardCounts};
use crate::protocol::codec::CommandDecoder;
use crate::wire::handshake::HttpRefusal;
use crate::wire::{Deflater, Inflater};

use drain::Drain;
use hook_clients::HookClients;
use hook_reports::HookReports;
use identities::Identities;
use outboxes::Outboxes;
use parked::Parked;
use pending::PendingCommands;
use refusals::Refusals;
use sessions::{Admission, Sessions};
use subscriptions::Subscriptions;

pub use close_reason::CloseReason;
pub use connection_id::ConnectionId;
pub use drain::DrainScope;
pub use hook_reports::HookReport;
pub use inbound::Reading;
pub use outboxes::{Egress, Send, SendOutcome};
pub use pages::Pages;
pub use parked::Parking;
pub use pending::{Answer, PublishAnswer, Question, Ticket, UnreadAnswers};
pub use publish::Writability;
pub use refusals::{RefusalReason, RefusedHandshake, RefusedSubject};
pub use survey::{SlowConnection, Survey, SurveyProgress};
pub use topics::TopicPage;
pub use upstream::{SocketAdmission, Upstream, UserAdmission};
pub use user_actions::{
    ActionBudget, ActionOutcome, ServerSubscribe, UserAction, UserEffect, UserSearch,
};

/// An instruction of the hub to its shell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SocketAction {
    /// Everything is written: shut the write side down, and read until the peer closes its side.
    FinishWriting(ConnectionId),
    /// Close the socket, then call [`Hub::release`]. With `abort` the peer gets a reset, and the
    /// kernel discards what it has not sent.
    Close { id: ConnectionId, abort: bool },
}

/// The hub of one shard.
pub struct Hub {
    config: Arc<Config>,
    upstream: Box<dyn Upstream>,
    sessions: Sessions,
    subscriptions: Subscriptions,
    outboxes: Outboxes,
    pending: PendingCommands,
    identities: Identities,
    hook_clients: HookClients,
    hook_reports: HookReports,
    parked: Parked,
    verifier: Verifier,
    /// The fault of a token that still needs a key, while a connection continues whose answer has
    /// arrived.
    key_fault: Option<TokenFault>,
    /// The time of the wall clock in seconds since 1970.
    unix_s: u64,
    draining: Option<Drain>,
    refusals: Refusals,
    actions: VecDeque<SocketAction>,
    decoder: CommandDecoder,
    inflater: Inflater,
    deflater: Deflater,
    random: fastrand::Rng,
    /// The secret from which, with the connection's identifier, the ids of clients are made.
    client_seeds: [u64; 2],
    latency: Arc<Histogram>,
    counts: ShardCounts,
    /// The connections that missed a deadline. They may have sent bytes that were not received.
    silence_checks: VecDeque<ConnectionId>,
    /// The connections whose deadline has passed; empty between calls, its memory is reused.
    expired: Vec<ConnectionId>,
}

impl Hub {
    /// Creates a hub without connections. `seed` determines client ids and the times of pings.
    pub fn new(
        config: Arc<Config>,
        upstream: Box<dyn Upstream>,
        hasher: TopicHasher,
        latency: Arc<Histogram>,
        seed: u64,
    ) -> Self {
        let deflate = &config.ws.deflate;
        let deflater = Deflater::new(deflate.level, deflate.threshold);
        let mut random = fastrand::Rng::with_seed(seed);
        let verifier = Verifier::new(&config.auth);
        Self {
            config,
            upstream,
            sessions: Sessions::default(),
            subscriptions: Subscriptions::new(hasher),
            outboxes: Outboxes::default(),
            pending: PendingCommands::default(),
            identities: Identities::default(),
            hook_clients: HookClients::default(),
            hook_reports: HookReports::default(),
            parked: Parked::default(),
            verifier,
            key_fault: None,
            unix_s: 0,
            draining: None,
            refusals: Refusals::default(),
            actions: VecDeque::new(),
            decoder: CommandDecoder::default(),
            inflater: Inflater::default(),
            deflater,
            client_seeds: [random.u64(..), random.u64(..)],
            random,
            latency,
            counts: ShardCounts::default(),
            silence_checks: VecDeque::new(),
            expired: Vec::new(),
        }
    }

    /// Adds an accepted socket. Returns `None` if the process has too many sockets: the shell
    /// closes the socket at once.
    pub fn accept(&mut self, now_us: u64) -> Option<ConnectionId> {
        let admission = match self.upstream.admit() {
            SocketAdmission::Admitted => Admission::Admitted,
            SocketAdmission::OverLimit => Admission::OverLimit,
            SocketAdmission::Refused => {
                self.counts.accepted += 1;
                let refusal = HttpRefusal::Unavailable("closed without a response");
                self.note_refusal(None, None, &refusal, now_us);
                return None;
            }
        };
        Some(self.insert(admission, now_us))
    }

    /// Adds a socket whose other end this process holds. It does not count toward the limit on
    /// connections, no drain closes it, and [`Hub::is_empty`] ignores it.
    pub fn accept_internal(&mut self, now_us: u64) -> ConnectionId {
        self.insert(Admission::Internal, now_us)
    }

    fn insert(&mut self, admission: Admission, now_us: u64) -> ConnectionId {
        self.counts.accepted += 1;
        let id = self.sessions.insert(admission, now_us);
        self.subscriptions.open(id.into());
        self.outboxes.open(id.into());
        let timeout_us = self.config.ws.handshake_timeout.as_micros() as u64;
        self.sessions.set_deadline(id, now_us + timeout_us);
        id
    }

    /// Frees the slot of a connection. The shell calls it after it has closed the socket as
    /// [`SocketAction::Close`] demands.
    pub fn release(&mut self, id: ConnectionId) {
        match self.sessions.remove(id) {
            Some(Admission::Admitted | Admission::OverLimit) => self.upstream.leave(),
            Some(Admission::Internal) | None => {}
        }
    }

    /// Returns the next thing to do with a socket, in order.
    #[must_use]
    pub fn poll_socket_action(&mut self) -> Option<SocketAction> {
        self.actions.pop_front()
    }

    /// Returns the questions that commands asked since the last call. The shell takes them in
    /// every turn and later calls [`Hub::answer`] with each ticket.
    #[must_use]
    pub fn take_questions(&mut self) -> Vec<(Ticket, Question)> {
        self.pending.take_questions()
    }

    /// Records whether the shell may hold answers that it has not passed to the hub. While it may,
    /// no command fails for want of an answer.
    pub fn set_unread_answers(&mut self, answers: UnreadAnswers) {
        self.pending.unread_answers = answers;
    }

    /// Applies a new configuration to all connections.
    pub fn reconfigure(&mut self, config: Arc<Config>) {
        self.subscriptions.reconfigure(&config);
        let deflate = &config.ws.deflate;
        self.deflater.reconfigure(deflate.level, deflate.threshold);
        let (new, old) = (&config.auth, &self.config.auth);
        if (&new.token, &new.subscription_token) != (&old.token, &old.subscription_token) {
            self.verifier.reconfigure(new);
        }
        let was_enforced = self.config.auth.mode() == AuthMode::Enforced;
        if was_enforced && config.auth.mode() == AuthMode::Open {
            self.identities.never_expire();
        }
        self.config = config;
    }

    /// Returns the counters. `matched = written + dropped + pending` holds in them.
    pub fn counts(&self) -> ShardCounts {
        let mut counts = self.counts;
        counts.connections = self.sessions.len();
        counts.topics = self.subscriptions.topics();
        counts.subscriptions = self.subscriptions.len();
        counts.pending = self.outboxes.pending_publications();
        counts.parked = self.parked.len() as u64;
        let tally = self.deflater.tally();
        counts.deflate_compressed = tally.compressed;
        counts.deflate_small = tally.small;
        counts.deflate_incompressible = tally.incompressible;
        counts.deflate_bytes_before = tally.bytes_before;
        counts.deflate_bytes_after = tally.bytes_after;
        counts
    }

    /// Returns the counters of the shell: turns, sleeps, and what it took from the lane.
    pub fn counts_mut(&mut self) -> &mut ShardCounts {
        &mut self.counts
    }

    /// Returns the number of bytes that may be published between two rounds of sends. More could
    /// fill the outbox of a client that had no chance to read.
    pub fn burst_bytes(&self) -> usize {
        TURN_BYTES.min(self.config.ws.outbox)
    }

    /// Returns whether all connections are gone, except those that this process opened.
    pub fn is_empty(&self) -> bool {
        self.sessions.len() == self.sessions.internal()
    }
}
