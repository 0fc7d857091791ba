//! All connections of a run on one epoll instance: opens them in waves, reads whatever comes into
//! one buffer and hands out the stamps. Receiving thread.

mod incoming;
#[cfg(test)]
mod tests;

pub use incoming::is_error;

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use hdrhistogram::Histogram;
use mio::event::Event;
use mio::{Events, Interest, Poll, Token};

use crate::arguments::Common;
use crate::clock::Clock;
use crate::connection::{Connection, Plan, Stage};
use crate::fault::Fault;
use crate::frames;
use crate::inflate::Inflater;
use crate::latency;
use crate::payload::{self, Stamp};
use crate::targets::Target;

/// One read takes this much: hundreds of publications.
const BUFFER_BYTES: usize = 256 * 1024;

/// Events taken at a time.
const EVENTS: usize = 1024;

/// The longest a turn waits, unless a scenario needs it finer.
const TURN: Duration = Duration::from_millis(5);

/// Connects begun in one turn: those under way must not wait until all have begun.
const LAUNCHES: usize = 64;

/// How long connecting may go without any progress before it is given up.
const STALL_US: u64 = 10_000_000;

/// What happens on the connections.
pub trait Sink {
    /// A publication came.
    fn delivery(&mut self, connection: usize, stamp: Stamp, now_us: u64);

    /// A publication came whose stamp is not read if this is true: it is counted, no more.
    fn skim(&mut self, _connection: usize, _now_us: u64) -> bool {
        false
    }

    /// A publication came that carries no stamp. False: the scenario has not published it.
    fn unstamped(&mut self, _connection: usize, _payload: &[u8]) -> bool {
        false
    }

    /// A reply came to a command of the scenario's own.
    fn reply(&mut self, _connection: usize, _reply: &[u8]) {}
}

/// For scenarios in which nothing is published.
impl Sink for () {
    fn delivery(&mut self, _connection: usize, _stamp: Stamp, _now_us: u64) {}
}

/// What happened to the connections so far.
#[derive(Clone, Copy, Debug, Default)]
pub struct Tally {
    pub opened: usize,
    /// Connections or handshakes turned down.
    pub refused: u64,
    /// Connections that broke before they were open.
    pub failed: u64,
    /// Connections that ended after they were open.
    pub closed: u64,
    /// The status of the last close frame; 0: none yet.
    pub close_code: u16,
    /// Pings of either kind, all answered.
    pub pings: u64,
    /// Messages that are neither of the load generator's payloads nor of the protocol.
    pub unknown: u64,
    /// Frames of text or binary data.
    pub messages: u64,
    /// How many of those were compressed.
    pub deflated: u64,
    /// Bytes read from the sockets.
    pub received_bytes: u64,
}

/// The connections.
pub struct Fleet {
    poll: Poll,
    events: Events,
    buffer: Vec<u8>,
    clock: Clock,
    target: &'static dyn Target,
    address: SocketAddr,
    wave: usize,
    turn: Duration,
    payload_len: usize,
    /// The connections negotiate permessage-deflate, all of them.
    deflate: bool,
    declined: bool,
    inflater: Inflater,
    connections: Vec<Connection>,
    /// The next connection to begin.
    next: usize,
    /// Begun, but neither open nor ended.
    opening: usize,
    pub tally: Tally,
    /// From the first packet to the last reply of the opening, microseconds.
    pub opening_time: Histogram<u64>,
}

impl Fleet {
    /// No connections yet; payloads have `payload_len` bytes.
    pub fn new(common: &Common, clock: Clock, payload_len: usize) -> Result<Self, Fault> {
        Ok(Self {
            poll: Poll::new()?,
            events: Events::with_capacity(EVENTS),
            buffer: vec![0; BUFFER_BYTES],
            clock,
            target: common.target,
            address: common.address()?,
            wave: common.wave,
            turn: TURN,
            payload_len: payload_len.max(payload::SMALLEST),
            deflate: common.deflate,
            declined: false,
            inflater: Inflater::new(),
            connections: Vec::new(),
            next: 0,
            opening: 0,
            tally: Tally::default(),
            opening_time: latency::histogram(),
        })
    }

    /// Changes how many connects may be in progress at a time.
    pub fn set_wave(&mut self, wave: usize) {
        self.wave = wave;
    }

    /// Changes the longest a turn waits.
    pub fn set_turn(&mut self, turn: Duration) {
        self.turn = turn;
    }

    /// Changes whether the connections negotiate permessage-deflate; before any is added.
    pub fn set_deflate(&mut self, deflate: bool) {
        self.deflate = deflate;
    }

    /// Plans a connection; the coming turns begin it. Returns its index.
    pub fn add(&mut self, plan: Plan) -> usize {
        self.connections.push(Connection::new(plan));
        self.connections.len() - 1
    }

    /// How many connections were planned.
    pub fn len(&self) -> usize {
        self.connections.len()
    }

    /// Turns until every planned connection has opened or ended.
    pub fn open(&mut self) -> Result<(), Fault> {
        let (mut last, mut progress_us) = (self.tally, self.clock.now_us());
        while self.opening > 0 || self.next < self.connections.len() {
            self.turn(&mut ())?;
            let ended = |tally: &Tally| (tally.opened, tally.refused + tally.failed);
            if ended(&last) != ended(&self.tally) {
                (last, progress_us) = (self.tally, self.clock.now_us());
            } else if self.clock.now_us() - progress_us > STALL_US {
                break;
            }
        }
        Ok(())
    }

    /// The same, and all of them must have opened.
    pub fn open_all(&mut self) -> Result<(), Fault> {
        self.open()?;
        let Tally {
            opened,
            refused,
            failed,
            ..
        } = self.tally;
        let wanted = self.connections.len();
        if opened == wanted {
            return Ok(());
        }
        Err(Fault::Opening {
            opened,
            wanted,
            refused,
            failed,
        })
    }

    /// Sends a text message.
    pub fn send(&mut self, connection: usize, text: &str) -> Result<(), Fault> {
        let frame = frames::masked(frames::TEXT, text.as_bytes());
        Ok(self.connections[connection].write(&frame)?)
    }

    /// Begins connections as the wave allows, waits a moment, takes what has come.
    pub fn turn(&mut self, sink: &mut impl Sink) -> Result<(), Fault> {
        let wait = if self.launch()? {
            Duration::ZERO
        } else {
            self.turn
        };
        match self.poll.poll(&mut self.events, Some(wait)) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => return Ok(()),
            outcome => outcome?,
        }
        // Both are put back below; an empty one allocates nothing.
        let events = std::mem::replace(&mut self.events, Events::with_capacity(0));
        let mut buffer = std::mem::take(&mut self.buffer);
        for event in &events {
            let index = event.token().0;
            if let Err(error) = self.ready(index, event, &mut buffer, sink) {
                self.end(index, &error);
            }
        }
        self.events = events;
        self.buffer = buffer;
        if self.declined {
            return Err(Fault::Declined);
        }
        Ok(())
    }

    /// Begins some connections. True: more could begin at once.
    fn launch(&mut self) -> Result<bool, Fault> {
        for _ in 0..LAUNCHES {
            if self.opening >= self.wave || self.next >= self.connections.len() {
                return Ok(false);
            }
            let index = self.next;
            self.next += 1;
            self.opening += 1;
            let begun = self.connections[index].connect(self.address, index, self.clock.now_us());
            if let Err(error) = begun {
                self.end(index, &error);
            } else if let Some(stream) = &mut self.connections[index].stream {
                let interest = Interest::READABLE | Interest::WRITABLE;
                self.poll
                    .registry()
                    .register(stream, Token(index), interest)?;
            }
        }
        Ok(true)
    }

    fn ready(
        &mut self,
        index: usize,
        event: &Event,
        buffer: &mut [u8],
        sink: &mut impl Sink,
    ) -> io::Result<()> {
        let connection = &mut self.connections[index];
        if connection.stage == Stage::Connecting {
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
            if connection.stage == Stage::Ended {
                return Ok(());
            }
            let kept = connection.kept.len();
            buffer[..kept].copy_from_slice(&connection.kept);
            let Some(len) = connection.read(&mut buffer[kept..])? else {
                return Ok(());
            };
            connection.kept.clear();
            self.tally.received_bytes += len as u64;
            let used = self.take(index, &buffer[..kept + len], sink)?;
            self.connections[index]
                .kept
                .extend_from_slice(&buffer[used..kept + len]);
            // The event is edge-triggered: a read that did not fill the buffer has emptied the
            // socket, but an end of the stream that came before the event is still to be read.
            if kept + len < buffer.len() && !event.is_read_closed() {
                return Ok(());
            }
        }
    }

    /// Counts a connection that has just opened.
    fn note_open(&mut self, index: usize, now_us: u64) {
        let connection = &mut self.connections[index];
        if connection.stage != Stage::Open {
            return;
        }
        self.opening -= 1;
        self.tally.opened += 1;
        latency::record(
            &mut self.opening_time,
            now_us.saturating_sub(connection.begun_us),
        );
        if let (false, Some(stream)) = (connection.plan.reads, &mut connection.stream) {
            // From here on it is never read. Failing to forget it would only mean reading it.
            drop(self.poll.registry().deregister(stream));
        }
    }

    /// Ends a connection and counts why.
    fn end(&mut self, index: usize, error: &io::Error) {
        let connection = &mut self.connections[index];
        let stage = std::mem::replace(&mut connection.stage, Stage::Ended);
        connection.stream = None;
        match stage {
            Stage::Open => self.tally.closed += 1,
            Stage::Ended => return,
            _ if error.kind() == io::ErrorKind::ConnectionRefused => self.tally.refused += 1,
            _ => self.tally.failed += 1,
        }
        if stage != Stage::Open {
            self.opening -= 1;
        }
    }
}
