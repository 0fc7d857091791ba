//! Publishers whose handshake fails before libzmq asks about them. Ingest thread.
//!
//! libzmq asks the ZAP handler (zap.rs) only about publishers that use the security mechanism of
//! the socket. If a publisher without a password connects to a socket that demands one, the side
//! that reads the other's greeting first closes the connection. The monitor of the socket then
//! reports either a mechanism that does not match, or a connection that ended in the handshake.
//! libzmq keeps up to 2,000 events that are not read, and then waits.

use zmq::{Context, DONTWAIT, Socket, SocketEvent};

use crate::config::IngestConfig;

use super::messages::retry_interrupted;

/// `ZMQ_PROTOCOL_ERROR_ZMTP_MECHANISM_MISMATCH` of zmq.h, which the binding does not export.
const MECHANISM_MISMATCH: u32 = 0x1100_0002;

/// The monitor of one socket.
pub(super) struct HandshakeMonitor {
    pub(super) socket: Socket,
}

impl HandshakeMonitor {
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
        let mut events = SocketEvent::HANDSHAKE_FAILED_PROTOCOL.to_raw();
        if !ingest.plain.is_empty() {
            events |= SocketEvent::HANDSHAKE_FAILED_NO_DETAIL.to_raw();
        }
        let endpoint = format!("inproc://handshakes-{name}");
        monitored.monitor(&endpoint, i32::from(events))?;
        let socket = context.socket(zmq::PAIR)?;
        socket.connect(&endpoint)?;
        Ok(Self { socket })
    }

    /// Reads the events up to the next failed handshake. Returns the endpoint that the publisher
    /// connected to, or `None` if no event is left.
    pub(super) fn next_failure(&self) -> Option<String> {
        loop {
            let event = retry_interrupted(|| self.socket.recv_bytes(DONTWAIT)).ok()?;
            let endpoint = retry_interrupted(|| self.socket.recv_bytes(DONTWAIT)).ok()?;
            if is_failure(&event) {
                return Some(String::from_utf8_lossy(&endpoint).into_owned());
            }
        }
    }
}

/// Returns whether an event is one that this file reports. Other faults of the protocol are not
/// about access, for example bytes that are not ZeroMQ. An event is two bytes of number and four
/// bytes of value.
fn is_failure(event: &[u8]) -> bool {
    let (Some(number), Some(value)) = (event.first_chunk::<2>(), event.last_chunk::<4>()) else {
        return false;
    };
    let number = u16::from_ne_bytes(*number);
    number == SocketEvent::HANDSHAKE_FAILED_NO_DETAIL.to_raw()
        || u32::from_ne_bytes(*value) == MECHANISM_MISMATCH
}
