//! The search for the connections with the most pending bytes. It visits a bounded number of slots
//! in each turn, so that a million connections do not delay a turn. Shard core.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::net::SocketAddr;

use uuid::Uuid;

use crate::limits::{SURVEY_INFO_BYTES, SURVEY_SLOTS};
use crate::observe::clip;

use super::Hub;
use super::connection_id::{ConnectionId, Slot};
use super::sessions::{Protocol, Session, Stage};

/// A search in progress. It collects the largest outboxes first and describes their connections
/// afterwards.
#[derive(Debug)]
pub struct Survey {
    limit: usize,
    /// The next slot to visit.
    cursor: usize,
    /// Pending bytes and connection; the smallest entry is on top.
    largest: BinaryHeap<Reverse<(usize, ConnectionId)>>,
    found: Vec<SlowConnection>,
}

/// Whether a survey, or another search among the connections, is complete.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub enum SurveyProgress {
    InProgress,
    Complete,
}

/// A connection with pending bytes, at the time when the survey described it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SlowConnection {
    pub id: ConnectionId,
    /// The id that the client got in the reply to its connect command.
    pub client: Option<Uuid>,
    /// The user, clipped; `None` if the client is anonymous or not connected.
    pub user: Option<String>,
    /// Information about the user, as JSON. Left out if it is longer than
    /// [`crate::limits::SURVEY_INFO_BYTES`].
    pub info: Option<Box<[u8]>>,
    /// The address of the peer. The shell fills it in, because the hub has no sockets.
    pub peer: Option<SocketAddr>,
    /// `client`, `raw` or `echo`; `handshake` before the upgrade, `closing` after the close.
    pub protocol: &'static str,
    /// Number of topics that the connection is subscribed to.
    pub topics: usize,
    /// Number of publications in the outbox.
    pub pending: u64,
    /// Bytes in the outbox, replies included.
    pub pending_bytes: u64,
    /// Age of the oldest publication in the outbox, in microseconds.
    pub behind_us: Option<u64>,
    /// The socket is full.
    pub blocked: bool,
    /// permessage-deflate was negotiated.
    pub deflate: bool,
}

impl Survey {
    /// Starts a search for the `limit` connections with the most pending bytes.
    pub fn new(limit: usize) -> Self {
        Self {
            limit,
            cursor: 0,
            largest: BinaryHeap::new(),
            found: Vec::new(),
        }
    }

    /// Returns the connections found, most pending bytes first. Connections whose outbox became
    /// empty during the search are left out.
    pub fn into_found(mut self) -> Vec<SlowConnection> {
        self.found
            .sort_by_key(|connection| Reverse(connection.pending_bytes));
        self.found
    }

    /// Adds a connection if it belongs to the largest so far.
    fn consider(&mut self, id: ConnectionId, pending_bytes: usize) {
        if self.largest.len() == self.limit {
            let smallest = self.largest.peek();
            if smallest.is_none_or(|Reverse((bytes, _))| pending_bytes <= *bytes) {
                return;
            }
            self.largest.pop();
        }
        self.largest.push(Reverse((pending_bytes, id)));
    }
}

impl Hub {
    /// Continues a survey by one step: visits [`SURVEY_SLOTS`] slots, or describes one connection.
    pub fn survey(&mut self, survey: &mut Survey, now_us: u64) -> SurveyProgress {
        if self.counts.pending_bytes == 0 {
            return SurveyProgress::Complete; // The usual case: no connection is slow.
        }
        let slots = self.sessions.slots();
        if survey.cursor < slots {
            let end = slots.min(survey.cursor + SURVEY_SLOTS);
            for slot in (survey.cursor..end).map(Slot::new) {
                let pending_bytes = self.outboxes.pending_bytes(slot);
                if pending_bytes > 0
                    && let Some(id) = self.sessions.id_at(slot)
                {
                    survey.consider(id, pending_bytes);
                }
            }
            survey.cursor = end;
            return SurveyProgress::InProgress;
        }
        if let Some(Reverse((_, id))) = survey.largest.pop() {
            survey.found.extend(self.describe(id, now_us));
        }
        if survey.largest.is_empty() {
            SurveyProgress::Complete
        } else {
            SurveyProgress::InProgress
        }
    }

    /// Describes a connection; `None` if it is closed, or has nothing pending any more.
    fn describe(&self, id: ConnectionId, now_us: u64) -> Option<SlowConnection> {
        let session = self.sessions.get(id)?;
        let backlog = self.outboxes.backlog(id.into());
        if backlog.bytes == 0 {
            return None;
        }
        let is_client = matches!(session.protocol(), Protocol::Client(_));
        let has_id = is_client && session.stage() == Stage::Open;
        Some(SlowConnection {
            id,
            client: has_id.then(|| self.client_id(id)),
            user: Some(self.identities.user(id))
                .filter(|user| !user.is_empty())
                .map(|user| clip(user.as_bytes())),
            info: self
                .identities
                .info(id)
                .filter(|info| info.len() <= SURVEY_INFO_BYTES)
                .map(Into::into),
            peer: None,
            protocol: protocol_name(session),
            topics: self.subscriptions.topics_of(id.into()),
            pending: backlog.publications,
            pending_bytes: backlog.bytes as u64,
            behind_us: backlog
                .oldest_us
                .map(|oldest_us| now_us.saturating_sub(oldest_us)),
            blocked: backlog.is_blocked,
            deflate: session.encoding().is_deflated(),
        })
    }
}

fn protocol_name(session: &Session) -> &'static str {
    match (session.stage(), session.protocol()) {
        (Stage::Handshake, _) => "handshake",
        (Stage::Connecting | Stage::Open, Protocol::Client(_)) => "client",
        (Stage::Connecting | Stage::Open, Protocol::Raw) => "raw",
        (Stage::Connecting | Stage::Open, Protocol::Echo) => "echo",
        (Stage::Closing | Stage::Gone | Stage::Vacant, _) => "closing",
    }
}
