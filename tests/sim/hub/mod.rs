//! One run of the simulation of the hub: the clients, the clock, and the checks after every step.

mod kernel;
mod settle;
mod steps;

use std::collections::BTreeMap;
use std::sync::Arc;

use fanfare::config::Config;
use fanfare::delivery::TopicHasher;
use fanfare::hub::{ConnectionId, Egress, Hub, SendOutcome, SocketAction, Writability};
use fanfare::observe::ShardCounts;

use crate::behaviour::{self, Bodies, MAX_BODY_BYTES};
use crate::client::Client;
use crate::counts::check_identity;
use crate::run_log::RunLog;
use crate::upstream::RecordingUpstream;
use kernel::Kernel;

/// The size of the largest frame of a run, in bytes.
const MAX_FRAME_BYTES: usize = MAX_BODY_BYTES + 200;

/// One connection: the client, and the simulated socket between the client and the hub.
pub struct Peer {
    pub client: Client,
    pub kernel: Kernel,
    /// Whether the client reads from its socket.
    pub reads: bool,
}

/// The state of one run.
pub struct Simulation {
    pub random: fastrand::Rng,
    pub config: Config,
    pub hub: Hub,
    pub upstream: RecordingUpstream,
    pub hasher: TopicHasher,
    pub now_us: u64,
    pub peers: BTreeMap<ConnectionId, Peer>,
    /// The ids of released connections. Their slots may be in use again.
    pub released: Vec<ConnectionId>,
    pub bodies: Bodies,
    /// The last step in which the socket actions of the hub were applied.
    applied_in_step: u64,
    /// The number of bytes that completed sends have taken while their connection was open.
    pub written_bytes: u64,
    /// The number of publications that the clients of released connections received.
    pub received: u64,
    /// The number of droppable publications that these clients did not receive.
    pub skipped: u64,
    /// The number of compressed frames that these clients received.
    pub inflated: u64,
    egress: Egress,
    log: RunLog,
}

impl Simulation {
    pub fn new(seed: u64, steps: u64) -> Self {
        let mut random = fastrand::Rng::with_seed(seed);
        let config = behaviour::random_config(&mut random);
        let upstream = RecordingUpstream::default();
        upstream.state_mut().max_connections = random.u64(8..40);
        upstream.state_mut().max_sockets = random.u64(40..44);
        let hasher = TopicHasher::default();
        let shared = Arc::new(config.clone());
        let boxed = Box::new(upstream.clone());
        let hub = Hub::new(
            shared,
            boxed,
            hasher.clone(),
            Arc::default(),
            random.u64(..),
        );
        Self {
            bodies: Bodies::new(&mut random),
            random,
            config,
            hub,
            upstream,
            hasher,
            now_us: 0,
            peers: BTreeMap::new(),
            released: Vec::new(),
            applied_in_step: 0,
            written_bytes: 0,
            received: 0,
            skipped: 0,
            inflated: 0,
            egress: Egress::default(),
            log: RunLog::new(seed, steps),
        }
    }

    /// Runs all steps and ends the run. Returns the counters of the hub.
    pub fn run(mut self) -> ShardCounts {
        while self.log.step < self.log.steps {
            self.log.step += 1;
            self.take_step();
            self.check();
            if self.log.step.is_multiple_of(500) {
                self.settle();
                self.check_settled();
            }
        }
        self.finish();
        self.hub.counts()
    }

    /// Adds a line to the log of the last events.
    pub fn note(&mut self, line: impl FnOnce() -> String) {
        self.log.add(self.now_us, &line());
    }

    /// Checks the conditions that must hold after every step.
    fn check(&self) {
        let counts = self.hub.counts();
        check_identity(&counts);
        assert_eq!(counts.written_bytes, self.written_bytes);
        assert_eq!(counts.connections, self.peers.len() as u64);
        // If the actions were not applied, the hub may have closed a connection that is open here.
        let is_known = self.applied_in_step == self.log.step;
        let under_way = |peer: &Peer| match (&peer.kernel.in_flight, peer.kernel.closed) {
            (Some(bytes), None) if is_known => bytes.len() as u64,
            _ => 0,
        };
        let (mut min_bytes, mut max_bytes) = (0, 0);
        for peer in self.peers.values() {
            min_bytes += under_way(peer);
            // A full outbox accepts one more reply and a close frame.
            max_bytes += (self.config.ws.outbox + MAX_FRAME_BYTES + 300) as u64;
        }
        let pending = counts.pending_bytes;
        assert!(
            (min_bytes..=max_bytes).contains(&pending),
            "{min_bytes} <= {pending} <= {max_bytes}"
        );
        let state = self.upstream.state();
        assert_eq!(state.admitted - state.left, counts.connections);
        assert_eq!(state.wanted_hashes.len() as u64, counts.topics);
    }

    /// Starts all sends that the hub requests. They stay under way until they are completed.
    pub fn start_sends(&mut self) {
        while self.hub.poll_egress(&mut self.egress) {
            for send in self.egress.sends() {
                let bytes = self.egress.bytes(send);
                let kernel = &mut self
                    .peers
                    .get_mut(&send.id)
                    .expect("it is connected")
                    .kernel;
                assert!(
                    !kernel.awaiting,
                    "{:?}: a send although the socket is full",
                    send.id
                );
                assert!(!kernel.write_ended, "{:?}: a send after the end", send.id);
                assert_eq!(kernel.closed, None, "{:?}: a send after the close", send.id);
                assert!(!bytes.is_empty(), "{:?}: an empty send", send.id);
                assert!(
                    bytes.len() <= self.config.ws.outbox + MAX_FRAME_BYTES + 300,
                    "{:?}: {} bytes were pending",
                    send.id,
                    bytes.len()
                );
                let before = kernel.in_flight.replace(bytes.to_vec());
                assert_eq!(before, None, "{:?}: two sends at once", send.id);
            }
            self.egress.clear();
        }
    }

    /// Applies the socket actions of the hub. Closed sockets keep their slots until
    /// [`Simulation::release`].
    pub fn apply_socket_actions(&mut self) {
        self.applied_in_step = self.log.step;
        while let Some(event) = self.hub.poll_socket_action() {
            self.note(|| format!("{event:?}"));
            match event {
                SocketAction::FinishWriting(id) => {
                    let kernel = &mut self.peers.get_mut(&id).expect("it is connected").kernel;
                    assert_eq!(
                        kernel.in_flight, None,
                        "a send is under way at the end of the stream"
                    );
                    kernel.write_ended = true;
                }
                SocketAction::Close { id, abort } => {
                    let kernel = &mut self.peers.get_mut(&id).expect("it is connected").kernel;
                    assert_eq!(
                        kernel.closed.replace(abort),
                        None,
                        "the hub closes the socket twice"
                    );
                }
            }
        }
    }

    /// Completes the send of a connection. The socket takes at most `max_bytes` of its bytes.
    pub fn complete(&mut self, id: ConnectionId, max_bytes: usize) {
        self.apply_socket_actions();
        let kernel = &mut self.peers.get_mut(&id).expect("it is connected").kernel;
        let length = kernel
            .in_flight
            .as_ref()
            .expect("a send is under way")
            .len();
        let is_open = kernel.closed.is_none();
        let sent = kernel.complete(max_bytes);
        let is_full = self.hub.sent(id, sent, self.now_us) == Writability::Full;
        self.note(|| format!("{id:?}: {sent:?} of {length}"));
        let SendOutcome::Written(taken) = sent else {
            assert!(!is_full, "the hub waits for a broken socket");
            return;
        };
        if is_open {
            self.written_bytes += u64::from(taken);
            self.peers
                .get_mut(&id)
                .expect("it is connected")
                .kernel
                .awaiting = is_full;
            assert_eq!(is_full, (taken as usize) < length);
        }
    }

    /// Lets the client read at most `max_bytes`, and answer the pings among them.
    pub fn read(&mut self, id: ConnectionId, max_bytes: usize) {
        let peer = self.peers.get_mut(&id).expect("it is connected");
        let bytes = peer.kernel.read(max_bytes);
        let pings = peer.client.read(&bytes);
        if pings > 0 {
            peer.client.pong();
        }
    }

    /// Frees the slot of a connection whose socket is closed.
    pub fn release(&mut self, id: ConnectionId) {
        let mut peer = self.peers.remove(&id).expect("it is connected");
        assert!(
            peer.kernel.closed.is_some(),
            "the hub has not closed the connection"
        );
        let rest = peer.kernel.read(usize::MAX);
        peer.client.read(&rest);
        assert!(!peer.client.misses_publication || self.hub.counts().closed_slow > 0);
        self.received += peer.client.received;
        self.skipped += peer.client.skipped;
        self.inflated += peer.client.inflated;
        self.hub.release(id);
        self.released.push(id);
        self.note(|| format!("{id:?}: released"));
    }
}
