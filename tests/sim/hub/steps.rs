//! One random step of a run of the hub.

use std::sync::Arc;

use fanfare::delivery::NamespaceRules;
use fanfare::hub::{ConnectionId, SendOutcome, Writability};

use super::kernel::Kernel;
use super::{Peer, Simulation};
use crate::behaviour;
use crate::client::{Kind, TOPICS};
use crate::upstream::{JSON_RULES, joined_broadcast};
use crate::wire;

impl Simulation {
    pub fn take_step(&mut self) {
        match self.random.u32(..100) {
            0..4 => self.connect(),
            4..20 => self.deliver(),
            20..34 => self.act(),
            34..50 => self.publish(),
            50..60 => self.gather(),
            60..72 => self.complete_some(),
            72..80 => self.read_some(),
            80..85 => self.make_writable(),
            85..89 => self.apply_socket_actions(),
            89..92 => self.release_some(),
            92..94 => self.toggle_reading(),
            94..95 if self.random.bool() => self.reconfigure(),
            94..95 => self.disrupt(),
            95..97 => self.call_late(),
            _ => self.advance(),
        }
    }

    /// Returns a random connection with this property.
    fn pick(&mut self, suits: impl Fn(&Peer) -> bool) -> Option<ConnectionId> {
        let ids: Vec<_> = self
            .peers
            .iter()
            .filter(|(_, peer)| suits(peer))
            .map(|(id, _)| *id)
            .collect();
        self.random.choice(ids)
    }

    pub fn connect(&mut self) {
        let ceiling = self.upstream.state().max_sockets;
        let Some(id) = self.hub.accept(self.now_us) else {
            assert_eq!(
                self.peers.len() as u64,
                ceiling,
                "refused below the ceiling"
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

    fn deliver(&mut self) {
        let pending = |peer: &Peer| peer.client.delivered < peer.client.outbound.len();
        let Some(id) = self.pick(pending) else { return };
        let most = if self.random.bool() {
            usize::MAX
        } else {
            self.random.usize(1..60)
        };
        self.deliver_to(id, most);
    }

    pub fn deliver_to(&mut self, id: ConnectionId, most: usize) {
        let peer = self.peers.get_mut(&id).expect("it is connected");
        if peer.kernel.reset || peer.kernel.closed.is_some() {
            peer.client.delivered = peer.client.outbound.len();
            return;
        }
        let mut bytes = peer.client.deliver(most);
        self.hub.receive(id, &mut bytes, self.now_us);
        self.note(|| format!("{id:?}: {} bytes in", bytes.len()));
    }

    /// Lets a client send something.
    fn act(&mut self) {
        let talks = |peer: &Peer| {
            matches!(peer.client.kind, Kind::Protocol | Kind::Raw) && !peer.client.is_over()
        };
        let Some(id) = self.pick(talks) else { return };
        let client = &mut self.peers.get_mut(&id).expect("picked").client;
        let action = behaviour::act(client, &mut self.random);
        self.note(|| format!("{id:?}: {action}"));
    }

    fn publish(&mut self) {
        for _ in 0..self.random.usize(1..5) {
            let topic = self.random.usize(..TOPICS.len());
            let name = TOPICS[topic].0;
            let rules = NamespaceRules {
                may_join: !name.starts_with("latest:"),
                may_deflate: name != "b",
                ..JSON_RULES
            };
            let bodies = self.bodies.make(rules.may_join, &mut self.random);
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

    /// Completes sends in any order, whole, short at any byte, or with nothing sent.
    fn complete_some(&mut self) {
        for _ in 0..self.random.usize(1..6) {
            let Some(id) = self.pick(|peer| peer.kernel.in_flight.is_some()) else {
                return;
            };
            let most = match self.random.u32(..10) {
                0 => 0,
                1..4 => self.random.usize(1..200),
                _ => usize::MAX,
            };
            self.complete(id, most);
        }
    }

    fn read_some(&mut self) {
        for _ in 0..self.random.usize(1..6) {
            let Some(id) = self.pick(|peer| peer.reads) else {
                return;
            };
            let most = if self.random.bool() {
                usize::MAX
            } else {
                self.random.usize(1..500)
            };
            self.read(id, most);
        }
    }

    /// Reports sockets as writable that were full, some for no reason.
    fn make_writable(&mut self) {
        for _ in 0..self.random.usize(1..4) {
            let Some(id) = self.pick(|peer| peer.kernel.awaiting) else {
                return;
            };
            self.peers.get_mut(&id).expect("picked").kernel.awaiting = false;
            self.hub.writable(id);
            self.note(|| format!("{id:?}: writable"));
        }
    }

    fn release_some(&mut self) {
        for _ in 0..self.random.usize(1..4) {
            let Some(id) = self.pick(|peer| peer.kernel.closed.is_some()) else {
                return;
            };
            self.release(id);
        }
    }

    fn toggle_reading(&mut self) {
        let Some(id) = self.pick(|_| true) else {
            return;
        };
        let peer = self.peers.get_mut(&id).expect("picked");
        peer.reads = !peer.reads;
    }

    fn reconfigure(&mut self) {
        behaviour::change_config(&mut self.config, &mut self.random);
        let deflate = format!("{:?}", self.config.ws.deflate);
        self.hub.reconfigure(Arc::new(self.config.clone()));
        self.note(|| deflate);
    }

    /// Breaks a connection without a close frame, in one of four ways.
    fn disrupt(&mut self) {
        let Some(id) = self.pick(|_| true) else {
            return;
        };
        let way = self.random.u32(..4);
        self.note(|| format!("{id:?}: disrupted, way {way}"));
        match way {
            0 => self.hub.end_of_stream(id),
            1 => self.hub.lost(id),
            2 => self.peers.get_mut(&id).expect("picked").kernel.reset = true,
            _ => {
                self.peers.get_mut(&id).expect("picked").kernel.reset = true;
                self.hub.lost(id);
            }
        }
    }

    /// Calls the hub for a released connection. Nothing may change, whichever connection has the
    /// slot now.
    fn call_late(&mut self) {
        let Some(id) = self.random.choice(self.former.clone()) else {
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
        assert_eq!(self.hub.counts(), before, "late calls for {id:?}");
    }

    fn advance(&mut self) {
        let us = match self.random.u32(..40) {
            0 => self.random.u64(..60_000_000),
            1..4 => self.random.u64(..6_000_000),
            _ => self.random.u64(..100_000),
        };
        self.advance_by(us);
    }

    pub fn advance_by(&mut self, us: u64) {
        self.now_us += us;
        self.note(|| format!("{us} us pass"));
        if self
            .hub
            .deadline_us()
            .is_some_and(|due_us| due_us <= self.now_us)
        {
            self.hub.tick(self.now_us);
        }
    }
}
