//! The publishing thread: an open loop. Publication n is due at a fixed time whatever the server
//! does, and carries that time.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::{self, JoinHandle};

use hdrhistogram::Histogram;

use crate::arguments::{Body, Common};
use crate::clock::Clock;
use crate::fault::Fault;
use crate::latency;
use crate::line::{Line, Replies};
use crate::payload::{self, Stamp};
use crate::targets::pin;
use crate::words;

/// Payloads made beforehand, of which one after the other is stamped: more than a compressor or
/// a batch ever sees at once.
const TEMPLATES: usize = 256;

/// What to publish.
#[derive(Debug)]
pub struct Schedule {
    pub rate: u32,
    pub seconds: u32,
    /// How many of the seconds are warm-up, in which lateness is not recorded.
    pub warm_up: u32,
    pub payload: usize,
    pub body: Body,
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
        let templates = templates(schedule.payload, schedule.body, seed);
        let shared = Arc::clone(&progress);
        let run = move || {
            let outcome = core.map_or(Ok(()), pin);
            let outcome =
                outcome.and_then(|()| publish(&line, clock, schedule, templates, seed, &shared));
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
    mut templates: Vec<Vec<u8>>,
    seed: u64,
    progress: &Progress,
) -> Result<Published, Fault> {
    let Schedule {
        rate,
        seconds,
        warm_up,
        mut sequences,
        ..
    } = schedule;
    let mut random = fastrand::Rng::with_seed(seed);
    let names: Vec<String> = (0..sequences.len() as u32)
        .map(payload::topic_name)
        .collect();
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
        let template = &mut templates[nth as usize % TEMPLATES];
        payload::stamp(template, stamp);
        progress.begun.fetch_add(1, Ordering::AcqRel);
        line.send(names[topic].as_bytes(), template)?;
        if nth >= u64::from(rate) * u64::from(warm_up) {
            latency::record(&mut lateness, clock.now_us().saturating_sub(due_us));
        }
        line.take_replies(&mut replies, 0)?;
    }
    line.await_replies(&mut replies, u64::from(rate) * u64::from(seconds))?;
    Ok(Published {
        sequences,
        lateness,
        rejected: replies.rejected,
    })
}

fn templates(len: usize, body: Body, seed: u64) -> Vec<Vec<u8>> {
    let mut random = fastrand::Rng::with_seed(seed);
    let template = |_| {
        let mut template = payload::template(len);
        if body == Body::Document {
            words::fill(&mut random, payload::padding(&mut template));
        }
        template
    };
    (0..TEMPLATES).map(template).collect()
}
