//! The random steps of a run of the simulation of the hub.

use std::sync::Arc;

use fanfare::delivery::NamespaceRules;
use fanfare::hub::{ConnectionId, SendOutcome, Writability};

use super::kernel::Kernel;
use super::{Peer, Simulation};
use crate::behaviour;
use crate::client::TOPICS;
use crate::upstream::{JSON_RULES, joined_broadcast};
use crate::wire;

impl Simulation {
    /// Performs one random step.
    pub fn take_step(&mut self) {
        match self.random.u32(..100) {
            0..4 => self.connect(),
            4..20 => self.deliver(),
            20..34 => self.client_sends(),
            34..50 => self.publish(),
            50..60 => self.start_sends(),
            60..72 => self.complete_some(),
            72..80 => self.read_some(),
            80..85 => self.make_writable(),
            85..89 => self.apply_socket_actions(),
            89..92 => self.release_some(),
            92..94 => self.toggle_reading(),
            94..95 if self.random.bool() => self.reconfigure(),
            94..95 => self.break_connection(),
            95..97 => self.call_for_released(),
            _ => self.advance(),
        }
    }

    /// Returns a random connection that meets a condition, or `None` if there is none.
    fn pick(&mut self, condition: impl Fn(&Peer) -> bool) -> Option<ConnectionId> {
        let ids: Vec<_> = self
            .peers
            .iter()
            .filter(|(_, peer)| condition(peer))
            .map(|(id, _)| *id)
            .collect();
        self.random.choice(ids)
    }

    /// Connects a random client, unless the hub refuses it.
    pub fn connect(&mut self) {
        let max_sockets = self.upstream.state().max_sockets;
        let Some(id) = self.hub.accept(self.now_us) else {
            assert_eq!(
                self.peers.len() as u64,
                max_sockets,
                "refused below the limit on sockets"
            );
            return;
        };
        let client = behaviour::random_client(&mut self.random);
        let kind = client.kind;
        let kernel = Kernel::new(behaviour::random_capacity(&mut self.random));
        let before = self.peers.insert(
            id,
            Peer {
                client,
                kernel,
                reads: true,
            },
        );
        assert!(before.is_none(), "{id:?} is in use");
        self.note(|| format!("{id:?}: {kind:?} connects"));
    }

    /// Delivers bytes of a random client to the hub.
    fn deliver(&mut self) {
        let has_bytes = |peer: &Peer| peer.client.delivered < peer.client.outbound.len();
        let Some(id) = self.pick(has_bytes) else {
            return;
        };
        let max_bytes = if self.random.bool() {
            usize::MAX
        } else {
            self.random.usize(1..60)
        };
        self.deliver_to(id, max_bytes);
    }

    /// Delivers at most `max_bytes` of a client to the hub.
    pub fn deliver_to(&mut self, id: ConnectionId, max_bytes: usize) {
        let peer = self.peers.get_mut(&id).expect("it is connected");
        if peer.kernel.reset || peer.kernel.closed.is_some() {
            peer.client.delivered = peer.client.outbound.len();
            return;
        }
        let mut bytes = peer.client.deliver(max_bytes);
        self.hub.receive(id, &mut bytes, self.now_us);
        self.note(|| format!("{id:?}: {} bytes in", bytes.len()));
    }

    /// Lets a random client send a message.
    fn client_sends(&mut self) {
        let can_send = |peer: &Peer| peer.client.kind.has_websocket() && !peer.client.is_over();
        let Some(id) = self.pick(can_send) else {
            return;
        };
        let client = &mut self.peers.get_mut(&id).expect("it is connected").client;
        let action = behaviour::send_random(client, &mut self.random);
        self.note(|| format!("{id:?}: {action}"));
    }

    /// Publishes to random topics.
    fn publish(&mut self) {
        for _ in 0..self.random.usize(1..5) {
            let topic = self.random.usize(..TOPICS.len());
            let name = TOPICS[topic].0;
            let rules = NamespaceRules {
                may_join: !name.starts_with("latest:"),
                may_deflate: name != "b",
                ..JSON_RULES
            };
            let bodies = self.bodies.create(rules.may_join, &mut self.random);
            for peer in self.peers.values_mut() {
                peer.client.published(topic, &bodies);
            }
            let texts: Vec<_> = bodies.iter().map(String::as_str).collect();
            let broadcast = joined_broadcast(&self.hasher, name, &texts, rules, self.now_us);
            self.hub.publish(&broadcast, self.now_us);
            let bytes: Vec<_> = texts.iter().map(|text| text.len()).collect();
            self.note(|| format!("publish to {name}, {bytes:?} bytes"));
        }
    }

    /// Completes sends in any order: completely, up to any byte, or with no byte sent.
    fn complete_some(&mut self) {
        for _ in 0..self.random.usize(1..6) {
            let Some(id) = self.pick(|peer| peer.kernel.in_flight.is_some()) else {
                return;
            };
            let max_bytes = match self.random.u32(..10) {
                0 => 0,
                1..4 => self.random.usize(1..200),
                _ => usize::MAX,
            };
            self.complete(id, max_bytes);
        }
    }

    /// Lets some clients read.
    fn read_some(&mut self) {
        for _ in 0..self.random.usize(1..6) {
            let Some(id) = self.pick(|peer| peer.reads) else {
                return;
            };
            let max_bytes = if self.random.bool() {
                usize::MAX
            } else {
                self.random.usize(1..500)
            };
            self.read(id, max_bytes);
        }
    }

    /// Reports sockets that were full as writable. Some of them are still full.
    fn make_writable(&mut self) {
        for _ in 0..self.random.usize(1..4) {
            let Some(id) = self.pick(|peer| peer.kernel.awaiting) else {
                return;
            };
            self.peers
                .get_mut(&id)
                .expect("it is connected")
                .kernel
                .awaiting = false;
            self.hub.writable(id);
            self.note(|| format!("{id:?}: writable"));
        }
    }

    /// Frees the slots of some closed connections.
    fn release_some(&mut self) {
        for _ in 0..self.random.usize(1..4) {
            let Some(id) = self.pick(|peer| peer.kernel.closed.is_some()) else {
                return;
            };
            self.release(id);
        }
    }

    /// Lets a random client stop reading, or resume.
    fn toggle_reading(&mut self) {
        let Some(id) = self.pick(|_| true) else {
            return;
        };
        let peer = self.peers.get_mut(&id).expect("it is connected");
        peer.reads = !peer.reads;
    }

    /// Changes the configuration of the hub.
    fn reconfigure(&mut self) {
        behaviour::change_config(&mut self.config, &mut self.random);
        let deflate = format!("{:?}", self.config.ws.deflate);
        self.hub.reconfigure(Arc::new(self.config.clone()));
        self.note(|| deflate);
    }

    /// Breaks a connection without a close frame, in one of four ways.
    fn break_connection(&mut self) {
        let Some(id) = self.pick(|_| true) else {
            return;
        };
        let way = self.random.u32(..4);
        self.note(|| format!("{id:?}: broken, way {way}"));
        if way >= 2 {
            let peer = self.peers.get_mut(&id).expect("it is connected");
            peer.kernel.reset = true;
        }
        match way {
            0 => self.hub.end_of_stream(id),
            1 | 3 => self.hub.lost(id),
            _ => {}
        }
    }

    /// Calls the hub with the id of a released connection. The calls must have no effect on the
    /// connection that uses the slot now.
    fn call_for_released(&mut self) {
        let Some(id) = self.random.choice(self.released.clone()) else {
            return;
        };
        let before = self.hub.counts();
        let wrote = SendOutcome::Written(self.random.u32(..1000));
        self.hub
            .receive(id, &mut wire::close_frame(1000), self.now_us);
        assert_eq!(self.hub.sent(id, wrote, self.now_us), Writability::Ready);
        assert_eq!(
            self.hub.sent(id, SendOutcome::Failed, self.now_us),
            Writability::Ready
        );
        self.hub.writable(id);
        self.hub.end_of_stream(id);
        self.hub.lost(id);
        self.hub.release(id);
        assert_eq!(
            self.hub.counts(),
            before,
            "calls for the released {id:?} had an effect"
        );
    }

    /// Advances the clock by a random time.
    fn advance(&mut self) {
        let us = match self.random.u32(..40) {
            0 => self.random.u64(..60_000_000),
            1..4 => self.random.u64(..6_000_000),
            _ => self.random.u64(..100_000),
        };
        self.advance_by(us);
    }

    /// Advances the clock, and runs the deadlines of the hub that are due.
    pub fn advance_by(&mut self, us: u64) {
        self.now_us += us;
        self.note(|| format!("the clock advances by {us} us"));
        if self
            .hub
            .deadline_us()
            .is_some_and(|due_us| due_us <= self.now_us)
        {
            self.hub.tick(self.now_us);
        }
        while let Some(id) = self.hub.poll_silence_check() {
            let is_silent = self.peers.get(&id).is_none_or(|peer| {
                peer.kernel.reset || peer.client.delivered == peer.client.outbound.len()
            });
            if is_silent {
                self.hub.silent(id, self.now_us);
            }
        }
    }
}
