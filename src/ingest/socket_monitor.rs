//! Reads what libzmq reports about the connections of a socket: accepted, ended, or failed in the
//! handshake. Ingest thread.
//!
//! libzmq asks the ZAP handler (zap.rs) only about publishers that use the security mechanism of
//! the socket. If a publisher without a password connects to a socket that demands one, the side
//! that reads the other's greeting first closes the connection. The monitor of the socket then
//! reports either a mechanism that does not match, or a connection that ended in the handshake.
//! libzmq keeps up to 2,000 events that are not read, and then waits.

use std::os::fd::RawFd;

use zmq::{Context, DONTWAIT, Socket, SocketEvent};

use crate::config::IngestConfig;

use super::messages::retry_interrupted;

/// `ZMQ_PROTOCOL_ERROR_ZMTP_MECHANISM_MISMATCH` of zmq.h, which the binding does not export.
const MECHANISM_MISMATCH: u32 = 0x1100_0002;

/// An event of one connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum ConnectionEvent {
    /// A publisher has connected to `endpoint`. libzmq may have closed the descriptor since.
    Accepted { descriptor: RawFd, endpoint: String },
    /// The connection has ended, and libzmq is about to close the descriptor.
    Ended { descriptor: RawFd },
    /// A publisher that connected to `endpoint` failed in the handshake.
    HandshakeFailed { endpoint: String },
}

/// The monitor of one socket.
pub(super) struct SocketMonitor {
    pub(super) socket: Socket,
}

impl SocketMonitor {
    /// Starts to monitor a socket. Called before the socket is bound, so that no event is missed.
    /// `name` is unique among the monitors.
    ///
    /// Connections that end in the handshake are included only if a password is demanded.
    /// Otherwise they are port checks and programs that were stopped.
    pub(super) fn open(
        context: &Context,
        name: &str,
        monitored: &Socket,
        ingest: &IngestConfig,
    ) -> Result<Self, zmq::Error> {
        let mut events = SocketEvent::ACCEPTED.to_raw()
            | SocketEvent::DISCONNECTED.to_raw()
            | SocketEvent::HANDSHAKE_FAILED_PROTOCOL.to_raw();
        if !ingest.plain.is_empty() {
            events |= SocketEvent::HANDSHAKE_FAILED_NO_DETAIL.to_raw();
        }
        let endpoint = format!("inproc://connections-{name}");
        monitored.monitor(&endpoint, i32::from(events))?;
        let socket = context.socket(zmq::PAIR)?;
        socket.connect(&endpoint)?;
        Ok(Self { socket })
    }

    /// Reads the next event. Returns `None` if no event is left.
    pub(super) fn next_event(&self) -> Option<ConnectionEvent> {
        loop {
            let event = retry_interrupted(|| self.socket.recv_bytes(DONTWAIT)).ok()?;
            let endpoint = retry_interrupted(|| self.socket.recv_bytes(DONTWAIT)).ok()?;
            if let Some(event) = parse(&event, &endpoint) {
                return Some(event);
            }
        }
    }
}

/// Parses an event: two bytes of number, four bytes of value, and the endpoint. Returns `None` for
/// faults of the protocol that are not about access, for example bytes that are not ZeroMQ.
fn parse(event: &[u8], endpoint: &[u8]) -> Option<ConnectionEvent> {
    let number = u16::from_ne_bytes(*event.first_chunk()?);
    let value = u32::from_ne_bytes(*event.last_chunk()?);
    let endpoint = String::from_utf8_lossy(endpoint).into_owned();
    let descriptor = value.cast_signed();
    if number == SocketEvent::ACCEPTED.to_raw() {
        Some(ConnectionEvent::Accepted {
            descriptor,
            endpoint,
        })
    } else if number == SocketEvent::DISCONNECTED.to_raw() {
        Some(ConnectionEvent::Ended { descriptor })
    } else if number == SocketEvent::HANDSHAKE_FAILED_NO_DETAIL.to_raw()
        || value == MECHANISM_MISMATCH
    {
        Some(ConnectionEvent::HandshakeFailed { endpoint })
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_are_parsed() {
        let parsed = |number: SocketEvent, value: u32| {
            let number = number.to_raw().to_ne_bytes();
            let event = [&number[..], &value.to_ne_bytes()].concat();
            parse(&event, b"tcp://a:1")
        };
        let (descriptor, endpoint) = (7, "tcp://a:1".to_owned());
        assert_eq!(
            parsed(SocketEvent::ACCEPTED, 7),
            Some(ConnectionEvent::Accepted {
                descriptor,
                endpoint: endpoint.clone()
            })
        );
        assert_eq!(
            parsed(SocketEvent::DISCONNECTED, 7),
            Some(ConnectionEvent::Ended { descriptor })
        );
        let failed = Some(ConnectionEvent::HandshakeFailed { endpoint });
        let (no_detail, protocol) = (
            SocketEvent::HANDSHAKE_FAILED_NO_DETAIL,
            SocketEvent::HANDSHAKE_FAILED_PROTOCOL,
        );
        assert_eq!(parsed(no_detail, 0), failed);
        assert_eq!(parsed(protocol, MECHANISM_MISMATCH), failed);
        assert_eq!(parsed(protocol, 0x1000_0000), None);
        assert_eq!(parse(b"", b""), None);
    }
}
