//! The REQ socket of `fanfare publish`. Its monitor distinguishes an engine that has closed the
//! connection from one that does not answer: libzmq closes the connection of a publisher whose part
//! is too long, and the message is lost. Runs on the main thread.

use std::time::{Duration, Instant};

use zmq::{Context, DONTWAIT, POLLIN, Socket, SocketEvent};

/// How long a reply may take after the socket has connected again. A message that was not sent
/// before the connection was closed is sent on the next one.
const AFTER_RECONNECT: Duration = Duration::from_millis(500);

const EVENTS: &str = "inproc://events";

/// A connection to a ROUTER socket.
pub(super) struct Requester {
    socket: Socket,
    monitor: Socket,
    timeout: Duration,
    /// Whether the connection is established, according to the events that were read.
    is_connected: bool,
}

/// The outcome of a request.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    Reply(Vec<Vec<u8>>),
    /// There was no reply in time. The socket cannot send another request.
    Timeout,
    /// The peer closed the connection, and there was no reply. The socket cannot send another
    /// request.
    Closed,
}

impl Requester {
    /// Connects to an endpoint, with a user and a password if they are given.
    pub(super) fn connect(
        to: &str,
        plain: Option<(&str, &str)>,
        timeout: Duration,
    ) -> Result<Self, zmq::Error> {
        let context = Context::new();
        let socket = context.socket(zmq::REQ)?;
        // Discard unsent messages at exit: the reply has already timed out.
        socket.set_linger(0)?;
        let timeout_ms = i32::try_from(timeout.as_millis()).unwrap_or(i32::MAX);
        socket.set_sndtimeo(timeout_ms)?;
        if let Some((user, password)) = plain {
            socket.set_plain_username(Some(user))?;
            socket.set_plain_password(Some(password))?;
        }
        let events = [SocketEvent::HANDSHAKE_SUCCEEDED, SocketEvent::DISCONNECTED];
        let events = events.into_iter().fold(0, |all, each| all | each.to_raw());
        socket.monitor(EVENTS, events.into())?;
        let monitor = context.socket(zmq::PAIR)?;
        monitor.connect(EVENTS)?;
        socket.connect(to)?;
        Ok(Self {
            socket,
            monitor,
            timeout,
            is_connected: false,
        })
    }

    /// Sends a request and waits for its reply.
    pub(super) fn request(&mut self, parts: [&[u8]; 2]) -> Result<Outcome, zmq::Error> {
        // What happened before the request does not concern it.
        while self.next_change().is_some() {}
        match self.socket.send_multipart(parts, 0) {
            Err(zmq::Error::EAGAIN) => return Ok(Outcome::Timeout),
            sent => sent?,
        }
        let mut deadline = Instant::now() + self.timeout;
        let mut is_closed = false;
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            let mut items = [&self.socket, &self.monitor].map(|it| it.as_poll_item(POLLIN));
            let timeout_ms = i64::try_from(left.as_millis()).unwrap_or(i64::MAX);
            match zmq::poll(&mut items, timeout_ms) {
                // The process was stopped and continued.
                Err(zmq::Error::EINTR) => continue,
                polled => polled?,
            };
            if items[0].is_readable() {
                return self.socket.recv_multipart(0).map(Outcome::Reply);
            }
            while let Some(change) = self.next_change() {
                match change {
                    Change::Closed => is_closed = true,
                    Change::Connected if is_closed => {
                        deadline = deadline.min(Instant::now() + AFTER_RECONNECT);
                    }
                    Change::Connected => {}
                }
            }
            if Instant::now() >= deadline {
                let outcome = if is_closed {
                    Outcome::Closed
                } else {
                    Outcome::Timeout
                };
                return Ok(outcome);
            }
        }
    }

    /// Reads the events up to the next change of the connection; `None` if no event is left. A
    /// handshake that fails changes nothing.
    fn next_change(&mut self) -> Option<Change> {
        loop {
            // An event is two bytes of number and four bytes of value; the endpoint follows.
            let event = self.monitor.recv_multipart(DONTWAIT).ok()?;
            let number = event.first().and_then(|it| it.first_chunk::<2>())?;
            let number = u16::from_ne_bytes(*number);
            if number == SocketEvent::HANDSHAKE_SUCCEEDED.to_raw() {
                self.is_connected = true;
                return Some(Change::Connected);
            }
            if std::mem::take(&mut self.is_connected) {
                return Some(Change::Closed);
            }
        }
    }
}

/// A change of the connection.
enum Change {
    Connected,
    Closed,
}
