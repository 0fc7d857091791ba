//! One run of the hub: its clients, the clock, and what must hold after every step.

mod kernel;
mod settle;
mod steps;

use std::collections::{BTreeMap, VecDeque};
use std::fmt::Write;
use std::sync::Arc;

use fanfare::config::Config;
use fanfare::delivery::TopicHasher;
use fanfare::hub::{ConnectionId, Egress, Hub, SocketAction, Writability};
use fanfare::observe::ShardCounts;

use crate::behaviour::{self, Bodies, LARGEST_BODY};
use crate::client::{Client, Kind};
use crate::counts::check_identity;
use crate::upstream::RecordingUpstream;
use crate::wire;
use kernel::Kernel;

/// Bytes of the largest frame that a run makes.
const LARGEST_FRAME: usize = LARGEST_BODY + 200;

/// One connection: the client, and the kernel between the client and the hub.
pub struct Peer {
    pub client: Client,
    pub kernel: Kernel,
    pub reads: bool,
}

pub struct Simulation {
    pub seed: u64,
    pub steps: u64,
    pub step: u64,
    pub random: fastrand::Rng,
    pub config: Config,
    pub hub: Hub,
    pub upstream: RecordingUpstream,
    pub hasher: TopicHasher,
    pub now_us: u64,
    pub peers: BTreeMap<ConnectionId, Peer>,
    /// Ids of connections that were released.
    pub former: Vec<ConnectionId>,
    pub bodies: Bodies,
    /// The step in which socket actions of the hub were last applied.
    applied: u64,
    /// Bytes that completed sends reported while their connection was open.
    pub written_bytes: u64,
    /// Publications that released clients received, and droppable ones that they did not.
    pub received: u64,
    pub skipped: u64,
    /// Compressed frames that released clients received.
    pub inflated: u64,
    egress: Egress,
    /// The last events, for the report of a failure.
    log: VecDeque<String>,
}

impl Drop for Simulation {
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
            seed,
            steps,
            step: 0,
            bodies: Bodies::new(&mut random),
            random,
            config,
            hub,
            upstream,
            hasher,
            now_us: 0,
            peers: BTreeMap::new(),
            former: Vec::new(),
            applied: 0,
            written_bytes: 0,
            received: 0,
            skipped: 0,
            inflated: 0,
            egress: Egress::default(),
            log: VecDeque::new(),
        }
    }

    /// Runs to the end. Returns the counters of the hub.
    pub fn run(mut self) -> ShardCounts {
        while self.step < self.steps {
            self.step += 1;
            self.take_step();
            self.check();
            if self.step.is_multiple_of(500) {
                self.settle();
                self.check_settled();
            }
        }
        self.finish();
        self.hub.counts()
    }

    pub fn note(&mut self, line: impl FnOnce() -> String) {
        if self.log.len() == 40 {
            self.log.pop_front();
        }
        self.log
            .push_back(format!("{} @{}us: {}", self.step, self.now_us, line()));
    }

    /// Checks what must hold at every moment.
    fn check(&self) {
        let counts = self.hub.counts();
        check_identity(&counts);
        assert_eq!(counts.written_bytes, self.written_bytes);
        assert_eq!(counts.connections, self.peers.len() as u64);
        // Otherwise the hub may have closed a connection that is still open here.
        let is_known = self.applied == self.step;
        let under_way = |peer: &Peer| match (&peer.kernel.in_flight, peer.kernel.closed) {
            (Some(bytes), None) if is_known => bytes.len() as u64,
            _ => 0,
        };
        let (mut least, mut most) = (0, 0);
        for peer in self.peers.values() {
            least += under_way(peer);
            // A full outbox takes one more reply and a close frame.
            most += (self.config.ws.outbox + LARGEST_FRAME + 300) as u64;
        }
        let pending = counts.pending_bytes;
        assert!(
            (least..=most).contains(&pending),
            "{least} <= {pending} <= {most}"
        );
        let state = self.upstream.state();
        assert_eq!(state.admitted - state.left, counts.connections);
        assert_eq!(state.wanted_hashes.len() as u64, counts.topics);
    }

    /// Starts all sends that the hub has. They stay under way until they are completed.
    pub fn gather(&mut self) {
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
                    bytes.len() <= self.config.ws.outbox + LARGEST_FRAME + 300,
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

    /// Applies the socket actions of the hub. Closed sockets keep their slots for a while.
    pub fn apply_socket_actions(&mut self) {
        self.applied = self.step;
        while let Some(event) = self.hub.poll_socket_action() {
            self.note(|| format!("{event:?}"));
            match event {
                SocketAction::FinishWriting(id) => {
                    let kernel = &mut self.peers.get_mut(&id).expect("it is connected").kernel;
                    assert_eq!(kernel.in_flight, None, "all is written");
                    kernel.write_ended = true;
                }
                SocketAction::Close { id, abort } => {
                    let kernel = &mut self.peers.get_mut(&id).expect("it is connected").kernel;
                    assert_eq!(kernel.closed.replace(abort), None, "closed once");
                }
            }
        }
    }

    /// Completes the send of a connection, of which at most `most` bytes are sent.
    pub fn complete(&mut self, id: ConnectionId, most: usize) {
        self.apply_socket_actions();
        let kernel = &mut self.peers.get_mut(&id).expect("it is connected").kernel;
        let length = kernel
            .in_flight
            .as_ref()
            .expect("a send is under way")
            .len();
        let alive = kernel.closed.is_none();
        let sent = kernel.complete(most);
        let full = self.hub.sent(id, sent, self.now_us) == Writability::Full;
        self.note(|| format!("{id:?}: {sent:?} of {length}"));
        let fanfare::hub::SendOutcome::Written(taken) = sent else {
            assert!(!full, "a broken socket is not waited for");
            return;
        };
        if alive {
            self.written_bytes += u64::from(taken);
            self.peers
                .get_mut(&id)
                .expect("still there")
                .kernel
                .awaiting = full;
            assert_eq!(full, (taken as usize) < length);
        }
    }

    /// Lets the client read, and answer the pings that it finds.
    pub fn read(&mut self, id: ConnectionId, most: usize) {
        let peer = self.peers.get_mut(&id).expect("it is connected");
        let bytes = peer.kernel.read(most);
        let pings = peer.client.read(&bytes);
        if pings > 0 && peer.client.kind == Kind::Protocol {
            peer.client.send_unanswered(&wire::text_frame("{}"));
        } else if pings > 0 {
            peer.client
                .send_unanswered(&wire::client_frame(wire::PONG, b""));
        }
    }

    /// Frees the slot of a connection whose socket is closed.
    pub fn release(&mut self, id: ConnectionId) {
        let mut peer = self.peers.remove(&id).expect("it is connected");
        assert!(
            peer.kernel.closed.is_some(),
            "only the hub ends connections"
        );
        let rest = peer.kernel.read(usize::MAX);
        peer.client.read(&rest);
        assert!(!peer.client.misses_publication || self.hub.counts().closed_slow > 0);
        self.received += peer.client.received;
        self.skipped += peer.client.skipped;
        self.inflated += peer.client.inflated;
        self.hub.release(id);
        self.former.push(id);
        self.note(|| format!("{id:?}: released"));
    }
}
