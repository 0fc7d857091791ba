//! One run: the hub, its peers, the clock, and what must hold after every step.

use std::collections::{BTreeMap, VecDeque};
use std::fmt::Write;
use std::sync::Arc;

use fanfare::config::{Config, SlowPolicy};
use fanfare::delivery::TopicHasher;
use fanfare::hub::{ConnectionId, Egress, Hub, SocketAction, Writability};
use fanfare::observe::ShardCounts;

use crate::client::Client;
use crate::kernel::Kernel;
use crate::upstream::{FakeUpstream, config, namespace};

/// Bytes of the largest frame that a run makes.
pub const LARGEST_BODY: usize = 20_000;
const LARGEST_FRAME: usize = LARGEST_BODY + 200;

/// One connection: its client, and the kernel between the client and the hub.
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
    pub upstream: FakeUpstream,
    pub hasher: TopicHasher,
    pub now_us: u64,
    pub peers: BTreeMap<ConnectionId, Peer>,
    /// Ids whose slots are free or in other hands.
    pub former: Vec<ConnectionId>,
    pub published: u64,
    /// Letters that do not compress, twice as many as the largest body has.
    pub noise: String,
    /// The step in which the hub was last asked for events.
    obeyed: u64,
    /// Bytes that completed sends reported while their connection lived.
    pub written_bytes: u64,
    /// Publications that reached clients, and droppable ones that did not, of peers long gone too.
    pub received: u64,
    pub skipped: u64,
    /// Compressed frames that peers got.
    pub inflated: u64,
    egress: Egress,
    /// The last things that were done, for the report of a failure.
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
                "the last steps:\n{report}failed at step {step}; repeat with \
                 FANFARE_SIM_SEED={seed} FANFARE_SIM_STEPS={steps}"
            );
        }
    }
}

impl Simulation {
    pub fn new(seed: u64, steps: u64) -> Self {
        let mut random = fastrand::Rng::with_seed(seed);
        let mut config = config();
        config.ws.outbox = [500, 2_000, 8_000, 60_000][random.usize(..4)];
        config.ws.deflate.threshold = [0, 256][random.usize(..2)];
        config.ws.max_command_rate = [10, 100_000][random.usize(..2)];
        config.namespaces = vec![
            namespace("", SlowPolicy::Disconnect),
            namespace("old", SlowPolicy::DropOldest),
            namespace("latest", SlowPolicy::Conflate),
        ];
        let upstream = FakeUpstream::default();
        upstream.0.borrow_mut().limit = random.u64(8..40);
        upstream.0.borrow_mut().ceiling = random.u64(40..44);
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
        let noise = (0..2 * LARGEST_BODY).map(|_| random.alphanumeric());
        Self {
            seed,
            steps,
            step: 0,
            noise: noise.collect(),
            random,
            config,
            hub,
            upstream,
            hasher,
            now_us: 0,
            peers: BTreeMap::new(),
            former: Vec::new(),
            published: 0,
            obeyed: 0,
            written_bytes: 0,
            received: 0,
            skipped: 0,
            inflated: 0,
            egress: Egress::default(),
            log: VecDeque::new(),
        }
    }

    /// Runs to the end. Returns what the hub counted.
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

    /// What must hold at every moment.
    fn check(&self) {
        let counts = self.hub.counts();
        let dropped = dropped(&counts);
        assert_eq!(
            counts.matched,
            counts.written + dropped + counts.pending,
            "{counts:?}"
        );
        assert_eq!(counts.written_bytes, self.written_bytes);
        assert_eq!(counts.connections, self.peers.len() as u64);
        // Else a connection may be over without our knowledge.
        let known = self.obeyed == self.step;
        let under_way = |peer: &Peer| match (&peer.kernel.in_flight, peer.kernel.closed) {
            (Some(bytes), None) if known => bytes.len() as u64,
            _ => 0,
        };
        let (mut least, mut most) = (0, 0);
        for peer in self.peers.values() {
            least += under_way(peer);
            // A close frame and one reply may come on top of a full outbox.
            most += (self.config.ws.outbox + LARGEST_FRAME + 300) as u64;
        }
        let pending = counts.pending_bytes;
        assert!(
            (least..=most).contains(&pending),
            "{least} <= {pending} <= {most}"
        );
        let asked = self.upstream.0.borrow();
        assert_eq!(asked.admits - asked.leaves, counts.connections);
        assert_eq!(asked.wanted.len() as u64, counts.topics);
    }

    /// Gathers sends until the hub has no more; they stay under way until they are completed.
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

    /// Does what the hub asks for; sockets it is done with keep their slots for a while.
    pub fn obey(&mut self) {
        self.obeyed = self.step;
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

    /// Completes a connection's send, of which at most `most` bytes go out.
    pub fn complete(&mut self, id: ConnectionId, most: usize) {
        self.obey();
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

    /// Lets the client read, and answer the pings it finds.
    pub fn read(&mut self, id: ConnectionId, most: usize) {
        let peer = self.peers.get_mut(&id).expect("it is connected");
        let bytes = peer.kernel.read(most);
        let pings = peer.client.read(&bytes);
        if pings > 0 && peer.client.kind == crate::client::Kind::Protocol {
            peer.client.mutter(&crate::wire::text("{}"));
        } else if pings > 0 {
            peer.client
                .mutter(&crate::wire::masked(crate::wire::PONG, b""));
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
        assert!(!peer.client.robbed || self.hub.counts().closed_slow > 0);
        self.received += peer.client.received;
        self.skipped += peer.client.skipped;
        self.inflated += peer.client.inflated;
        self.hub.release(id);
        self.former.push(id);
        self.note(|| format!("{id:?}: released"));
    }
}

pub fn dropped(counts: &ShardCounts) -> u64 {
    counts.dropped_slow + counts.dropped_oldest + counts.dropped_conflated + counts.dropped_closed
}
