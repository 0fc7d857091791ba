//! From a broadcast to the outboxes of its subscribers, and from outboxes to sends. Shard core.

use crate::config::SlowPolicy;
use crate::delivery::Broadcast;

use super::Hub;
use super::close_reason::CloseReason;
use super::connection_id::ConnectionId;
use super::outboxes::{AfterSend, Egress, Room, SendOutcome};
use super::sessions::Stage;

/// Whether a socket can take more after a send.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub enum Writability {
    Ready,
    /// The socket is full: the shell waits until it is writable and calls [`Hub::writable`].
    Full,
}

impl Hub {
    /// Appends a broadcast to the outbox of every connection that is subscribed to its topic.
    pub fn publish(&mut self, broadcast: &Broadcast, now_us: u64) {
        self.counts.broadcasts += 1;
        let (hash, name) = (broadcast.topic_hash(), broadcast.topic());
        let Some(topic) = self.subscriptions.find_mut(hash, name) else {
            return;
        };
        let limit_bytes = self.config.ws.outbox;
        let deflater = &mut self.deflater;
        let mut fanout = self.outboxes.begin(broadcast, topic, limit_bytes, deflater);
        // Closing a connection changes the list of subscribers, so it waits until all have the
        // frame.
        let mut exceeded = Vec::new();
        for slot in topic.slots() {
            let room = self.outboxes.deliver(slot, &mut fanout, &mut self.counts);
            if room == Room::Exceeded {
                exceeded.push(slot);
            }
        }
        let frames = self.outboxes.finish(fanout, &mut self.counts);
        if topic.slow() == SlowPolicy::Conflate {
            topic.set_previous(frames);
        }
        for slot in exceeded {
            if let Some(id) = self.sessions.id_at(slot) {
                self.close(id, CloseReason::Slow, now_us);
            }
        }
    }

    /// Fills an empty `egress` with the next round of sends. Returns whether there are any.
    pub fn poll_egress(&mut self, egress: &mut Egress) -> bool {
        let sessions = &self.sessions;
        self.outboxes.fill(egress, |slot| sessions.id_at(slot));
        self.counts.sends += egress.sends().len() as u64;
        !egress.sends().is_empty()
    }

    /// Records how a send ended.
    pub fn sent(&mut self, id: ConnectionId, outcome: SendOutcome, now_us: u64) -> Writability {
        let session = self.sessions.get(id);
        if session.is_none_or(|session| session.stage() == Stage::Gone) {
            return Writability::Ready;
        }
        let SendOutcome::Written(written) = outcome else {
            self.send_failed(id);
            return Writability::Ready;
        };
        let (latency, counts) = (&self.latency, &mut self.counts);
        let after = self
            .outboxes
            .sent(id.into(), written, now_us, latency, counts);
        match after {
            AfterSend::Blocked => return Writability::Full,
            AfterSend::Empty => self.outbox_is_empty(id),
            AfterSend::Pending => {}
        }
        Writability::Ready
    }

    /// Records that a socket can take more.
    pub fn writable(&mut self, id: ConnectionId) {
        if self.sessions.get(id).is_some() {
            self.outboxes.unblock(id.into());
        }
    }
}
