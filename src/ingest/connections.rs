//! Disconnects publishers that send a message without end. Ingest thread.
//!
//! libzmq holds the frames of a message until the last frame has arrived. It bounds the size of a
//! frame, but neither the number of frames nor their total size. The kernel knows how many bytes
//! libzmq has read from a TCP connection, and a message names the descriptor of the connection that
//! it arrived on. A connection is disconnected if libzmq has read more from it than a whole message
//! may hold since the last message, and no message of it is left in the socket. This is so if the
//! socket is empty, or was read for several rounds over all connections, which libzmq reads in
//! turn.
//!
//! Heartbeats are read from the connection too, and are no part of a message. Therefore a few bytes
//! per second do not count.
//!
//! Asking for the descriptor of each message would be expensive. Therefore a connection is observed
//! only after many bytes were read from it, and until its next message. Connections over `ipc://`
//! cannot be watched, because the kernel does not count their bytes.
//!
//! libzmq may close a descriptor at any time, and another connection of this process may get its
//! number. Therefore a connection is known by its cookie, a number that the kernel gives to one
//! socket only, and is disconnected through a duplicate of the descriptor whose cookie was
//! compared. That duplicate has a descriptor of its own that is always open, so that publishers are
//! bounded also while the process has no descriptor left. Bytes or messages of another connection
//! with the same number only begin or end an observation, until libzmq reports that the connection
//! has ended.

use std::collections::{BTreeMap, VecDeque};
use std::io;
use std::net::IpAddr;
use std::ops::Bound;
use std::os::fd::RawFd;

use crate::limits::{CONNECTION_REVIEW_SLICE, OBSERVED_BYTES, OVERDUE_MESSAGES, OVERDUE_ROUNDS};

use super::system::{self, SpareDescriptor};
use super::turn::Drained;

/// The TCP connections of one socket.
#[derive(Default)]
pub(super) struct Connections {
    /// Ordered, so that a review can go on where its last slice ended.
    by_descriptor: BTreeMap<RawFd, Connection>,
    /// Number of connections that are not trusted.
    observed: usize,
    /// Connections that became overdue, oldest first, with [`messages`](Self::messages) at that
    /// time. Those that have sent a message or have ended since are left out when they are taken.
    overdue: VecDeque<(RawFd, u64)>,
    /// Bytes that were read from connections since the last call of
    /// [`take_consumed`](Self::take_consumed).
    consumed_bytes: u64,
    /// Connections that are open, also those that are not watched.
    open: u64,
    /// Connections that have ended, also those that were not watched.
    ended: u64,
    /// Messages that were read from the socket while a connection was observed.
    messages: u64,
}

struct Connection {
    cookie: u64,
    /// Bytes that libzmq had read at the last review.
    consumed_bytes: u64,
    trust: Trust,
}

/// Whether a connection may hold a message that is too large. The numbers of bytes are values of
/// [`Connection::consumed_bytes`], and grow with the bytes that heartbeats may have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Trust {
    /// The connection sent a whole message after `since`, or it is new.
    Trusted { since: u64 },
    /// Every message is attributed to its connection, and this connection sent none since libzmq
    /// had read `from` bytes.
    Observed { from: u64 },
    /// More than one message may hold was read when [`Connections::messages`] was `messages`. The
    /// connection is disconnected unless one of the messages that are left in the socket belongs to
    /// it.
    Overdue { messages: u64 },
    /// The connection was disconnected, which libzmq will report.
    Disconnected,
}

/// How many bytes libzmq may have read from a connection.
#[derive(Clone, Copy, Debug)]
pub(super) struct ReviewBounds {
    /// Maximum size of a message.
    pub(super) message_bytes: u64,
    /// Size of the heartbeats that may have arrived since the last review.
    pub(super) heartbeat_bytes: u64,
}

/// Result of [`Connections::review`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Reviewed {
    /// Number of connections that were reviewed.
    pub(super) count: usize,
    /// The last of them. `None` if no connection was left.
    pub(super) last: Option<RawFd>,
    pub(super) activity: Activity,
}

/// Whether reviews should be frequent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Activity {
    /// No connection that is observed has sent bytes.
    Calm,
    /// A connection that is observed has sent bytes and should be reviewed again soon.
    Suspicious,
}

impl Connections {
    /// Starts to watch a connection to `endpoint`. libzmq reports the descriptor after it has
    /// accepted the connection, and may have closed it since.
    pub(super) fn add(&mut self, descriptor: RawFd, endpoint: &str) {
        self.open += 1;
        // The end of an earlier connection with this number was not reported yet.
        self.forget(descriptor);
        if !endpoint.starts_with("tcp://") {
            return;
        }
        match identify(descriptor, endpoint) {
            Ok(cookie) => {
                let connection = Connection {
                    cookie,
                    consumed_bytes: 0,
                    trust: Trust::Trusted { since: 0 },
                };
                self.by_descriptor.insert(descriptor, connection);
            }
            Err(error) => {
                tracing::debug!(%error, endpoint, "the connection of a publisher is not watched");
            }
        }
    }

    /// Ends watching a connection. libzmq has closed the descriptor or is about to.
    pub(super) fn remove(&mut self, descriptor: RawFd) {
        self.ended += 1;
        self.open = self.open.saturating_sub(1);
        self.forget(descriptor);
    }

    fn forget(&mut self, descriptor: RawFd) {
        if let Some(connection) = self.by_descriptor.remove(&descriptor) {
            self.observed -= usize::from(!connection.is_trusted());
        }
    }

    /// Returns how many connections have ended since the start.
    pub(super) fn ended(&self) -> u64 {
        self.ended
    }

    /// Returns how many connections are watched.
    pub(super) fn len(&self) -> usize {
        self.by_descriptor.len()
    }

    /// Returns whether messages must be attributed, with [`note_message`](Self::note_message).
    pub(super) fn is_observing(&self) -> bool {
        self.observed > 0
    }

    /// Finds out how much libzmq has read from connections: those with a higher descriptor than
    /// `after`, at most `most` of them.
    pub(super) fn review(
        &mut self,
        after: Option<RawFd>,
        most: usize,
        bounds: ReviewBounds,
    ) -> Reviewed {
        let mut reviewed = Reviewed {
            count: 0,
            last: None,
            activity: Activity::Calm,
        };
        let first = after.map_or(Bound::Unbounded, Bound::Excluded);
        let left = self.by_descriptor.range_mut((first, Bound::Unbounded));
        for (descriptor, connection) in left.take(most) {
            let was_trusted = connection.is_trusted();
            let grown = connection.read(*descriptor);
            self.consumed_bytes += grown;
            if connection.judge(bounds, self.messages) {
                self.overdue.push_back((*descriptor, self.messages));
            }
            // A review trusts no connection that was not trusted before.
            if !connection.is_trusted() {
                self.observed += usize::from(was_trusted);
                if grown > 0 {
                    reviewed.activity = Activity::Suspicious;
                }
            }
            reviewed.count += 1;
            reviewed.last = Some(*descriptor);
        }
        reviewed
    }

    /// Notes a message from the connection with this descriptor.
    pub(super) fn note_message(&mut self, descriptor: Option<RawFd>) {
        self.messages += 1;
        if let Some(descriptor) = descriptor
            && let Some(connection) = self.by_descriptor.get_mut(&descriptor)
            && !connection.is_trusted()
        {
            connection.trust = Trust::Trusted {
                since: connection.consumed_bytes,
            };
            self.observed -= 1;
        }
    }

    /// Returns whether a connection may have to be disconnected after the next turns of the socket.
    pub(super) fn is_overdue(&self) -> bool {
        !self.overdue.is_empty()
    }

    /// Disconnects the connections that are overdue and have no message left in the socket. Called
    /// after a turn of the socket that began after the last review. libzmq then reports that they
    /// have ended, and releases their frames. Returns the addresses of the publishers. If there are
    /// many, some are left for the next call.
    pub(super) fn disconnect_overdue(
        &mut self,
        drained: Drained,
        spare: &mut SpareDescriptor,
    ) -> Vec<Option<IpAddr>> {
        let enough_messages = OVERDUE_MESSAGES + OVERDUE_ROUNDS * self.open;
        let mut peers = Vec::new();
        for _ in 0..CONNECTION_REVIEW_SLICE {
            let Some(&(descriptor, messages)) = self.overdue.front() else {
                break;
            };
            if drained == Drained::BoundReached && self.messages - messages < enough_messages {
                break;
            }
            self.overdue.pop_front();
            let Some(connection) = self.by_descriptor.get_mut(&descriptor) else {
                continue;
            };
            if connection.trust != (Trust::Overdue { messages }) {
                continue;
            }
            // A connection that cannot be disconnected now is observed again.
            connection.trust = Trust::Observed {
                from: connection.consumed_bytes,
            };
            if let Ok(peer) = disconnect(descriptor, connection.cookie, spare) {
                peers.push(peer);
                connection.trust = Trust::Disconnected;
                self.observed -= 1;
            }
        }
        peers
    }

    /// Returns how many bytes were read from connections since the last call.
    pub(super) fn take_consumed(&mut self) -> u64 {
        std::mem::take(&mut self.consumed_bytes)
    }
}

impl Connection {
    /// Updates the number of bytes that libzmq has read, and returns by how much it has grown.
    fn read(&mut self, descriptor: RawFd) -> u64 {
        // The call fails if the connection has ended, which libzmq will report.
        let consumed = system::consumed_bytes(descriptor).unwrap_or(0);
        let grown = consumed.saturating_sub(self.consumed_bytes);
        self.consumed_bytes += grown;
        grown
    }

    /// Decides whether the connection may hold a message that is too large. `messages` is
    /// [`Connections::messages`]. Returns whether the connection has become overdue.
    fn judge(&mut self, bounds: ReviewBounds, messages: u64) -> bool {
        let before = self.trust;
        let consumed = self.consumed_bytes;
        // Heartbeats that have not arrived are no credit for later bytes.
        let after_heartbeats = |bytes: u64| consumed.min(bytes + bounds.heartbeat_bytes);
        self.trust = match self.trust {
            Trust::Trusted { since } => match after_heartbeats(since) {
                since if consumed - since > OBSERVED_BYTES => Trust::Observed { from: consumed },
                since => Trust::Trusted { since },
            },
            Trust::Observed { from } => match after_heartbeats(from) {
                from if consumed - from > bounds.message_bytes => Trust::Overdue { messages },
                from => Trust::Observed { from },
            },
            trust @ (Trust::Overdue { .. } | Trust::Disconnected) => trust,
        };
        self.trust != before && matches!(self.trust, Trust::Overdue { .. })
    }

    /// Returns whether messages of the connection need not be attributed.
    fn is_trusted(&self) -> bool {
        matches!(self.trust, Trust::Trusted { .. } | Trust::Disconnected)
    }
}

/// Returns the cookie of a connection to the port of `endpoint`.
///
/// This needs no duplicate, because the process may have no descriptor left. Between two calls,
/// libzmq may close the descriptor, and another socket may get its number. That socket has another
/// cookie, and the first socket does not come back. Therefore, if the cookie is the same before and
/// after, the port in between is that of the socket with this cookie.
fn identify(descriptor: RawFd, endpoint: &str) -> io::Result<u64> {
    let port = endpoint
        .rsplit(':')
        .next()
        .and_then(|port| port.parse().ok());
    let cookie = system::cookie(descriptor)?;
    let is_to_endpoint = port.is_some() && system::local_port(descriptor)? == port;
    if !is_to_endpoint || system::cookie(descriptor)? != cookie {
        return Err(io::ErrorKind::NotFound.into());
    }
    Ok(cookie)
}

/// Disconnects the connection with this cookie, and returns the address of its peer.
fn disconnect(
    descriptor: RawFd,
    cookie: u64,
    spare: &mut SpareDescriptor,
) -> io::Result<Option<IpAddr>> {
    let duplicate = spare.duplicate(descriptor)?;
    let connection = duplicate.socket();
    if connection.cookie()? != cookie {
        return Err(io::ErrorKind::NotFound.into());
    }
    let address = connection.peer_addr()?.as_socket();
    system::reset(&connection)?;
    Ok(address.map(|address| address.ip().to_canonical()))
}

#[cfg(test)]
mod tests;
