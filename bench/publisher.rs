//! The publishing thread: an open loop. Publication n is due at a fixed time whatever the server
//! does, and carries that time.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::{self, JoinHandle};

use hdrhistogram::Histogram;

use crate::arguments::{Common, pin};
use crate::clock::Clock;
use crate::fault::Fault;
use crate::latency;
use crate::payload::{self, Stamp};

/// Messages libzmq may hold for the server: seconds of a stall, so that one is seen in latencies.
const HIGH_WATER_MARK: i32 = 1_000_000;

/// How long connecting or a send may take before the run is given up.
const PATIENCE_MS: i32 = 10_000;

/// How long no reply may come at the end before the rest count as rejected.
const REPLY_MS: i64 = 2000;

/// What to publish.
#[derive(Debug)]
pub struct Schedule {
    pub rate: u32,
    pub seconds: u32,
    pub payload: usize,
    /// The last sequence of each topic so far.
    pub sequences: Vec<u32>,
}

/// What was published.
#[derive(Debug)]
pub struct Published {
    /// The last sequence of each topic now.
    pub sequences: Vec<u32>,
    /// How late the load generator itself was, microseconds; this is part of every latency.
    pub lateness: Histogram<u64>,
    /// Negative replies of the server, with `--acknowledged`.
    pub rejected: u64,
}

/// What both threads see while it runs.
#[derive(Debug, Default)]
pub struct Progress {
    /// Publications whose sending has begun.
    pub begun: AtomicU64,
    pub done: AtomicBool,
}

/// A running publishing thread.
#[derive(Debug)]
pub struct Publisher {
    pub progress: Arc<Progress>,
    handle: JoinHandle<Result<Published, Fault>>,
}

impl Publisher {
    /// Starts the thread.
    pub fn start(common: &Common, clock: Clock, schedule: Schedule) -> Result<Self, Fault> {
        let progress = Arc::new(Progress::default());
        let line = Line::open(common)?;
        let (core, seed) = (common.publisher_core, common.seed);
        let shared = Arc::clone(&progress);
        let run = move || {
            let outcome = core.map_or(Ok(()), pin);
            let outcome = outcome.and_then(|()| publish(&line, clock, schedule, seed, &shared));
            shared.done.store(true, Ordering::Release);
            outcome
        };
        let handle = thread::Builder::new().name("publisher".into()).spawn(run)?;
        Ok(Self { progress, handle })
    }

    pub fn is_done(&self) -> bool {
        self.progress.done.load(Ordering::Acquire)
    }

    /// Waits for its end.
    pub fn join(self) -> Result<Published, Fault> {
        self.handle.join().map_err(|_| Fault::Publisher)?
    }
}

fn publish(
    line: &Line,
    clock: Clock,
    schedule: Schedule,
    seed: u64,
    progress: &Progress,
) -> Result<Published, Fault> {
    let Schedule {
        rate,
        seconds,
        payload,
        mut sequences,
    } = schedule;
    let mut random = fastrand::Rng::with_seed(seed);
    let names: Vec<String> = (0..sequences.len() as u32)
        .map(payload::topic_name)
        .collect();
    let mut template = payload::template(payload);
    let mut lateness = latency::histogram();
    let mut replies = Replies::default();
    let start_us = clock.now_us();
    for nth in 0..u64::from(rate) * u64::from(seconds) {
        let due_us = start_us + nth * 1_000_000 / u64::from(rate);
        clock.sleep_until(due_us);
        let topic = random.usize(..sequences.len());
        sequences[topic] += 1;
        let stamp = Stamp {
            topic: topic as u32,
            sequence: sequences[topic],
            due_us,
        };
        payload::stamp(&mut template, stamp);
        progress.begun.fetch_add(1, Ordering::AcqRel);
        line.send(names[topic].as_bytes(), &template)?;
        latency::record(&mut lateness, clock.now_us().saturating_sub(due_us));
        line.take_replies(&mut replies, 0)?;
    }
    line.await_replies(&mut replies, u64::from(rate) * u64::from(seconds))?;
    Ok(Published {
        sequences,
        lateness,
        rejected: replies.rejected,
    })
}

#[derive(Debug, Default)]
struct Replies {
    taken: u64,
    rejected: u64,
}

/// The socket to the server.
struct Line {
    socket: zmq::Socket,
    acknowledged: bool,
    endpoint: String,
}

impl Line {
    fn open(common: &Common) -> Result<Self, Fault> {
        let (endpoint, acknowledged) = (common.endpoint(), common.acknowledged);
        let kind = if acknowledged { zmq::DEALER } else { zmq::PUSH };
        let open = || {
            let socket = zmq::Context::new().socket(kind)?;
            socket.set_sndhwm(HIGH_WATER_MARK)?;
            socket.set_rcvhwm(HIGH_WATER_MARK)?;
            socket.set_sndtimeo(PATIENCE_MS)?;
            socket.set_linger(PATIENCE_MS)?;
            // Writable only once connected: a queue before that would show as latency.
            socket.set_immediate(true)?;
            socket.connect(&endpoint)?;
            match socket.poll(zmq::POLLOUT, i64::from(PATIENCE_MS))? {
                0 => Err(zmq::Error::EHOSTUNREACH),
                _ => Ok(socket),
            }
        };
        match open() {
            Ok(socket) => Ok(Self {
                socket,
                acknowledged,
                endpoint,
            }),
            Err(error) => Err(Fault::Publish { endpoint, error }),
        }
    }

    fn fault(&self, error: zmq::Error) -> Fault {
        Fault::Publish {
            endpoint: self.endpoint.clone(),
            error,
        }
    }

    fn send(&self, topic: &[u8], payload: &[u8]) -> Result<(), Fault> {
        let delimited: [&[u8]; 3] = [b"", topic, payload];
        let frames = if self.acknowledged {
            &delimited[..]
        } else {
            &delimited[1..]
        };
        self.socket
            .send_multipart(frames, 0)
            .map_err(|error| self.fault(error))
    }

    /// Takes the replies that have come; waits up to `wait_ms` for the first. Returns how many.
    fn take_replies(&self, replies: &mut Replies, wait_ms: i64) -> Result<u64, Fault> {
        let before = replies.taken;
        let ready = |wait_ms| self.socket.poll(zmq::POLLIN, wait_ms);
        let mut wait_ms = wait_ms;
        while self.acknowledged && ready(wait_ms).map_err(|error| self.fault(error))? > 0 {
            let frames = self
                .socket
                .recv_multipart(0)
                .map_err(|error| self.fault(error))?;
            replies.taken += 1;
            replies.rejected += u64::from(frames.get(1).is_none_or(|status| status != b"ok"));
            wait_ms = 0;
        }
        Ok(replies.taken - before)
    }

    /// Waits until `wanted` replies have come; those that do not come count as rejections.
    fn await_replies(&self, replies: &mut Replies, wanted: u64) -> Result<(), Fault> {
        while self.acknowledged && replies.taken < wanted {
            if self.take_replies(replies, REPLY_MS)? == 0 {
                replies.rejected += wanted - replies.taken;
                break;
            }
        }
        Ok(())
    }
}
