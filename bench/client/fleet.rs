//! All connections of a run on one epoll instance: opens them in waves, reads into one buffer and
//! passes the stamps to a sink. Receiving thread.

mod received;
#[cfg(test)]
mod tests;

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use hdrhistogram::Histogram;
use mio::event::Event;
use mio::{Events, Interest, Poll, Token};
use socket2::SockRef;

use crate::client::connection::{Connection, ConnectionPlan, ConnectionStage, ReadMode};
use crate::client::counts::FleetCounts;
use crate::client::frames;
use crate::client::inflate::Inflater;
use crate::client::sink::DeliverySink;
use crate::clock::Clock;
use crate::error::BenchError;
use crate::payload;
use crate::report::latency;
use crate::targets::context::RunContext;
use crate::targets::target::Target;

/// Size of the read buffer: hundreds of publications.
const BUFFER_BYTES: usize = 256 * 1024;

/// Maximum number of events from one call of epoll.
const EVENTS: usize = 1024;

/// Maximum wait of one poll, unless a scenario sets a shorter one.
const POLL_TIMEOUT: Duration = Duration::from_millis(5);

/// Maximum number of connects that one poll starts. Connects in progress must not wait until all
/// others have started.
const CONNECTS_PER_POLL: usize = 64;

/// Time without progress after which opening the connections is given up.
const STALL_US: u64 = 10_000_000;

/// Whether more connects could start at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum StartOutcome {
    MoreCanStart,
    /// The wave is full, or every planned connect has started.
    NothingToStart,
}

/// The connections of a run.
pub struct Fleet {
    poll: Poll,
    events: Events,
    buffer: Vec<u8>,
    clock: Clock,
    target: &'static dyn Target,
    address: SocketAddr,
    wave: usize,
    poll_timeout: Duration,
    payload_len: usize,
    /// Whether the connections negotiate permessage-deflate.
    deflate: bool,
    /// Whether the server declined permessage-deflate.
    is_declined: bool,
    inflater: Inflater,
    connections: Vec<Connection>,
    /// Index of the connection that starts next.
    next: usize,
    /// Number of connections that have started and are neither open nor ended.
    opening: usize,
    pub counts: FleetCounts,
    /// Microseconds from the start of the connect to the last reply of the opening.
    pub opening_time: Histogram<u64>,
}

impl Fleet {
    /// Creates a fleet without connections for payloads of `payload_len` bytes.
    pub fn new(context: &RunContext, clock: Clock, payload_len: usize) -> Result<Self, BenchError> {
        Ok(Self {
            poll: Poll::new()?,
            events: Events::with_capacity(EVENTS),
            buffer: vec![0; BUFFER_BYTES],
            clock,
            target: context.target,
            address: context.clients,
            wave: context.options.wave,
            poll_timeout: POLL_TIMEOUT,
            payload_len: payload_len.max(payload::SMALLEST),
            deflate: context.options.deflate,
            is_declined: false,
            inflater: Inflater::new(),
            connections: Vec::new(),
            next: 0,
            opening: 0,
            counts: FleetCounts::default(),
            opening_time: latency::histogram(),
        })
    }

    /// Sets the maximum number of connects in progress.
    pub fn set_wave(&mut self, wave: usize) {
        self.wave = wave;
    }

    /// Sets the maximum wait of one poll.
    pub fn set_poll_timeout(&mut self, timeout: Duration) {
        self.poll_timeout = timeout;
    }

    /// Sets whether the connections negotiate permessage-deflate. Call it before [`Fleet::add`].
    pub fn set_deflate(&mut self, deflate: bool) {
        self.deflate = deflate;
    }

    /// Adds a connection, which the next polls start. Returns its index.
    pub fn add(&mut self, plan: ConnectionPlan) -> usize {
        self.connections.push(Connection::new(plan));
        self.connections.len() - 1
    }

    /// Returns the number of connections that were added.
    pub fn len(&self) -> usize {
        self.connections.len()
    }

    /// Polls until every added connection has opened or ended.
    pub fn open(&mut self) -> Result<(), BenchError> {
        let (mut last, mut progress_us) = (self.counts, self.clock.now_us());
        while self.opening > 0 || self.next < self.connections.len() {
            self.poll(&mut ())?;
            let progress = |counts: &FleetCounts| (counts.opened, counts.refused + counts.failed);
            if progress(&last) != progress(&self.counts) {
                (last, progress_us) = (self.counts, self.clock.now_us());
            } else if self.clock.now_us() - progress_us > STALL_US {
                break;
            }
        }
        Ok(())
    }

    /// Polls until every added connection has opened. Returns an error if one has not opened.
    pub fn open_all(&mut self) -> Result<(), BenchError> {
        self.open()?;
        let FleetCounts {
            opened,
            refused,
            failed,
            ..
        } = self.counts;
        let wanted = self.connections.len();
        if opened == wanted {
            return Ok(());
        }
        Err(BenchError::Opening {
            opened,
            wanted,
            refused,
            failed,
        })
    }

    /// Resets all connections, so that their ports are free at once (no `TIME_WAIT`).
    pub fn reset(self) -> io::Result<()> {
        let streams = self
            .connections
            .iter()
            .filter_map(|each| each.stream.as_ref());
        for stream in streams {
            SockRef::from(stream).set_linger(Some(Duration::ZERO))?;
        }
        Ok(())
    }

    /// Sends a text message.
    pub fn send(&mut self, connection: usize, text: &str) -> Result<(), BenchError> {
        let frame = frames::masked(frames::TEXT, text.as_bytes());
        Ok(self.connections[connection].write(&frame)?)
    }

    /// Polls until `time_us` and discards publications.
    pub fn poll_until(&mut self, time_us: u64) -> Result<(), BenchError> {
        while self.clock.now_us() < time_us {
            self.poll(&mut ())?;
        }
        Ok(())
    }

    /// Starts connects as the wave allows, waits for events up to the timeout and handles them.
    pub fn poll(&mut self, sink: &mut impl DeliverySink) -> Result<(), BenchError> {
        let timeout = match self.start_connects()? {
            StartOutcome::MoreCanStart => Duration::ZERO,
            StartOutcome::NothingToStart => self.poll_timeout,
        };
        match self.poll.poll(&mut self.events, Some(timeout)) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => return Ok(()),
            outcome => outcome?,
        }
        // The events and the buffer are taken so that `self` can be borrowed. They are put back
        // below. An empty list of events allocates nothing.
        let events = std::mem::replace(&mut self.events, Events::with_capacity(0));
        let mut buffer = std::mem::take(&mut self.buffer);
        for event in &events {
            let index = event.token().0;
            if let Err(error) = self.handle_event(index, event, &mut buffer, sink) {
                self.end(index, &error);
            }
        }
        self.events = events;
        self.buffer = buffer;
        if self.is_declined {
            return Err(BenchError::DeflateDeclined);
        }
        Ok(())
    }

    fn start_connects(&mut self) -> Result<StartOutcome, BenchError> {
        for _ in 0..CONNECTS_PER_POLL {
            if self.opening >= self.wave || self.next >= self.connections.len() {
                return Ok(StartOutcome::NothingToStart);
            }
            let index = self.next;
            self.next += 1;
            self.opening += 1;
            let started = self.connections[index].connect(self.address, index, self.clock.now_us());
            if let Err(error) = started {
                self.end(index, &error);
            } else if let Some(stream) = &mut self.connections[index].stream {
                let interest = Interest::READABLE | Interest::WRITABLE;
                self.poll
                    .registry()
                    .register(stream, Token(index), interest)?;
            }
        }
        Ok(StartOutcome::MoreCanStart)
    }

    fn handle_event(
        &mut self,
        index: usize,
        event: &Event,
        buffer: &mut [u8],
        sink: &mut impl DeliverySink,
    ) -> io::Result<()> {
        let connection = &mut self.connections[index];
        if connection.stage == ConnectionStage::Connecting {
            if !connection.is_connected()? {
                return Ok(());
            }
            connection.upgrade(self.target, self.address, self.deflate)?;
        }
        if !event.is_readable() {
            return Ok(());
        }
        loop {
            let connection = &mut self.connections[index];
            if connection.stage == ConnectionStage::Ended {
                return Ok(());
            }
            let kept = connection.partial_frame.len();
            buffer[..kept].copy_from_slice(&connection.partial_frame);
            let Some(len) = connection.read(&mut buffer[kept..])? else {
                return Ok(());
            };
            connection.partial_frame.clear();
            self.counts.received_bytes += len as u64;
            let used = self.parse(index, &buffer[..kept + len], sink)?;
            self.connections[index]
                .partial_frame
                .extend_from_slice(&buffer[used..kept + len]);
            // Events are edge-triggered. A read that did not fill the buffer has emptied the
            // socket, but an end of the stream that preceded the event must still be read.
            if kept + len < buffer.len() && !event.is_read_closed() {
                return Ok(());
            }
        }
    }

    /// Counts a connection if it has just opened.
    fn count_open(&mut self, index: usize, now_us: u64) {
        let connection = &mut self.connections[index];
        if connection.stage != ConnectionStage::Open {
            return;
        }
        self.opening -= 1;
        self.counts.opened += 1;
        latency::record(
            &mut self.opening_time,
            now_us.saturating_sub(connection.started_us),
        );
        if let (ReadMode::NeverOnceOpen, Some(stream)) =
            (connection.plan.read_mode, &mut connection.stream)
        {
            // The connection is never read again. If deregistering fails, it is read, which makes
            // the test easier for the server but breaks nothing.
            drop(self.poll.registry().deregister(stream));
        }
    }

    /// Ends a connection and counts the reason.
    fn end(&mut self, index: usize, error: &io::Error) {
        let connection = &mut self.connections[index];
        let stage = std::mem::replace(&mut connection.stage, ConnectionStage::Ended);
        connection.stream = None;
        match stage {
            ConnectionStage::Open => self.counts.closed += 1,
            ConnectionStage::Ended => return,
            _ if error.kind() == io::ErrorKind::ConnectionRefused => self.counts.refused += 1,
            _ => self.counts.failed += 1,
        }
        if stage != ConnectionStage::Open {
            self.opening -= 1;
        }
    }
}
