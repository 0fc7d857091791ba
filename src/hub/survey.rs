//! Which connections have the most pending: looked for a page of slots at a time, so that a
//! million connections never hold a turn up. Shard core.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::net::SocketAddr;

use uuid::Uuid;

use crate::limits::SURVEY_SLOTS;

use super::Hub;
use super::connection::{Connection, ConnectionId, Phase};

/// A search under way. It keeps the largest outboxes it has met, and looks at each of them once
/// more at the end.
#[derive(Debug)]
pub struct Survey {
    limit: usize,
    /// The next slot to look at.
    cursor: usize,
    /// Pending bytes and who has them, the fewest on top.
    largest: BinaryHeap<Reverse<(usize, ConnectionId)>>,
    found: Vec<SlowConnection>,
}

/// A connection that has something pending, as it was when the survey looked at it last.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SlowConnection {
    pub id: ConnectionId,
    /// The id that the client was told when it connected; only the client protocol has one.
    pub client: Option<Uuid>,
    /// Who is at the other end. The hub has no sockets: the shell fills it in.
    pub peer: Option<SocketAddr>,
    /// `client`, `raw` or `echo`; `handshake` before the upgrade, `closing` after the close.
    pub protocol: &'static str,
    /// Topics it is subscribed to.
    pub topics: usize,
    /// Publications in its outbox.
    pub pending: u64,
    /// Bytes in its outbox, replies included.
    pub pending_bytes: u64,
    /// Age of the oldest publication in the outbox, if there is one.
    pub behind_us: Option<u64>,
    /// Its socket is full.
    pub blocked: bool,
    /// It negotiated permessage-deflate.
    pub deflate: bool,
}

impl Survey {
    /// A search for the `limit` connections with the most pending.
    pub fn new(limit: usize) -> Self {
        Self {
            limit,
            cursor: 0,
            largest: BinaryHeap::new(),
            found: Vec::new(),
        }
    }

    /// What it found, most pending bytes first. Of those it met, some may have caught up since.
    pub fn into_found(mut self) -> Vec<SlowConnection> {
        self.found
            .sort_by_key(|connection| Reverse(connection.pending_bytes));
        self.found
    }

    fn meet(&mut self, id: ConnectionId, pending_bytes: usize) {
        let passes = |Reverse((fewest, _)): &Reverse<(usize, _)>| pending_bytes > *fewest;
        if self.largest.len() < self.limit {
            self.largest.push(Reverse((pending_bytes, id)));
        } else if self.largest.peek().is_some_and(passes) {
            self.largest.pop();
            self.largest.push(Reverse((pending_bytes, id)));
        }
    }
}

impl Hub {
    /// Goes on with a survey by one step: [`SURVEY_SLOTS`] slots, or one outbox of those found.
    /// True: it is through.
    pub fn survey(&mut self, survey: &mut Survey, now_us: u64) -> bool {
        if self.counts.pending_bytes == 0 {
            return true; // Everybody keeps up, which is the usual thing.
        }
        let slots = self.connections.slots();
        if survey.cursor < slots {
            let end = slots.min(survey.cursor + SURVEY_SLOTS);
            for slot in survey.cursor..end {
                let pending_bytes = self.connections.at(slot as u32).outbox.bytes();
                if pending_bytes > 0
                    && let Some(id) = self.connections.id_at(slot as u32)
                {
                    survey.meet(id, pending_bytes);
                }
            }
            survey.cursor = end;
            return false;
        }
        if let Some(Reverse((_, id))) = survey.largest.pop() {
            survey.found.extend(self.describe(id, now_us));
        }
        survey.largest.is_empty()
    }

    /// `None`: it is gone, or has nothing pending any more.
    fn describe(&mut self, id: ConnectionId, now_us: u64) -> Option<SlowConnection> {
        let client = self.client_id(id);
        let connection = self.connections.get_mut(id)?;
        let outbox = &connection.outbox;
        let (pending, oldest_us) = outbox.publications(&self.pool);
        let said_connect = connection.phase == Phase::Client;
        (outbox.bytes() > 0).then(|| SlowConnection {
            id,
            client: said_connect.then_some(client),
            peer: None,
            protocol: protocol(connection),
            topics: connection.topics.len(),
            pending,
            pending_bytes: outbox.bytes() as u64,
            behind_us: oldest_us.map(|oldest_us| now_us.saturating_sub(oldest_us)),
            blocked: connection.blocked,
            deflate: connection.encoding.window.is_some(),
        })
    }
}

fn protocol(connection: &Connection) -> &'static str {
    match connection.phase {
        Phase::Handshake => "handshake",
        Phase::ClientOpening | Phase::Client => "client",
        Phase::Raw => "raw",
        Phase::Echo => "echo",
        Phase::Closing | Phase::Gone | Phase::Vacant => "closing",
    }
}
