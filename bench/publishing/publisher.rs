//! The publishing thread, an open loop: every publication is due at a fixed time, whatever the
//! server does, and carries that time.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::{self, JoinHandle};

use hdrhistogram::Histogram;

use crate::affinity;
use crate::clock::Clock;
use crate::error::BenchError;
use crate::options::PayloadBody;
use crate::payload::{self, Stamp};
use crate::publishing::connection::PublisherConnection;
use crate::publishing::replies::ReplyCounts;
use crate::publishing::words;
use crate::report::latency;
use crate::targets::context::RunContext;

/// Number of prepared payloads, which are stamped in turn: more than a compressor or a batch ever
/// contains at once.
const TEMPLATES: usize = 256;

/// The publications of a run and their times.
#[derive(Debug)]
pub struct PublishingSchedule {
    /// Publications per second.
    pub rate: u32,
    pub seconds: u32,
    /// How many of the seconds are warm-up, in which lateness is not recorded.
    pub warm_up: u32,
    /// Bytes of a publication.
    pub payload: usize,
    pub body: PayloadBody,
    /// The last sequence number of each topic so far.
    pub sequences: Vec<u32>,
}

/// The result of publishing.
#[derive(Debug)]
pub struct Published {
    /// The last sequence number of each topic.
    pub sequences: Vec<u32>,
    /// Microseconds by which the load generator sent late. Every latency includes this.
    pub lateness: Histogram<u64>,
    /// Negative replies of the server, with `--acknowledged`.
    pub rejected: u64,
}

/// The progress of publishing, which the receiving thread reads.
#[derive(Debug, Default)]
pub struct PublishingProgress {
    /// Number of publications whose sending has started.
    pub started: AtomicU64,
    pub is_done: AtomicBool,
}

/// A running publishing thread.
#[derive(Debug)]
pub struct Publisher {
    pub progress: Arc<PublishingProgress>,
    handle: JoinHandle<Result<Published, BenchError>>,
}

impl Publisher {
    /// Connects and starts the thread.
    pub fn start(
        context: &RunContext,
        clock: Clock,
        schedule: PublishingSchedule,
    ) -> Result<Self, BenchError> {
        let progress = Arc::new(PublishingProgress::default());
        let connection = context.connect_publisher()?;
        let (core, seed) = (context.options.publisher_core, context.options.seed);
        let templates = templates(schedule.payload, schedule.body, seed);
        let shared = Arc::clone(&progress);
        let run = move || {
            let result = core
                .map_or(Ok(()), affinity::pin)
                .and_then(|()| publish(&connection, clock, schedule, templates, seed, &shared));
            shared.is_done.store(true, Ordering::Release);
            result
        };
        let handle = thread::Builder::new().name("publisher".into()).spawn(run)?;
        Ok(Self { progress, handle })
    }

    pub fn is_done(&self) -> bool {
        self.progress.is_done.load(Ordering::Acquire)
    }

    /// Waits for the end of the thread.
    pub fn join(self) -> Result<Published, BenchError> {
        self.handle
            .join()
            .map_err(|_| BenchError::PublisherPanicked)?
    }
}

fn publish(
    connection: &PublisherConnection,
    clock: Clock,
    schedule: PublishingSchedule,
    mut templates: Vec<Vec<u8>>,
    seed: u64,
    progress: &PublishingProgress,
) -> Result<Published, BenchError> {
    let PublishingSchedule {
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
    let mut replies = ReplyCounts::default();
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
        progress.started.fetch_add(1, Ordering::AcqRel);
        connection.send(names[topic].as_bytes(), template)?;
        if nth >= u64::from(rate) * u64::from(warm_up) {
            latency::record(&mut lateness, clock.now_us().saturating_sub(due_us));
        }
        connection.receive_replies(&mut replies, 0)?;
    }
    connection.await_replies(&mut replies, u64::from(rate) * u64::from(seconds))?;
    Ok(Published {
        sequences,
        lateness,
        rejected: replies.rejected,
    })
}

fn templates(len: usize, body: PayloadBody, seed: u64) -> Vec<Vec<u8>> {
    let mut random = fastrand::Rng::with_seed(seed);
    let template = |_| {
        let mut template = payload::template(len);
        if body == PayloadBody::Document {
            words::fill(&mut random, payload::padding(&mut template));
        }
        template
    };
    (0..TEMPLATES).map(template).collect()
}
