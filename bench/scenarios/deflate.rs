//! One topic to many clients, alternately without and with permessage-deflate, on one running
//! server. A compressed delivery must cost hardly more than a plain one. Receiving thread.

mod counters;
mod rounds;

use clap::Args;

use self::counters::CompressionCounters;
use self::rounds::{Round, Rounds};
use crate::client::assignment::TopicAssignment;
use crate::client::connection::ConnectionPlan;
use crate::client::fleet::Fleet;
use crate::client::ledger::Ledger;
use crate::client::receiver::Receiver;
use crate::clock::Clock;
use crate::error::BenchError;
use crate::options::{PayloadBody, Protocol};
use crate::publishing::publisher::{Publisher, PublishingSchedule};
use crate::report::process::{CpuMeter, Process};
use crate::report::progress::ProgressIndicator;
use crate::report::results::Report;
use crate::targets::context::RunContext;

/// Pause after the connections have opened, so that neither this work nor the end of the previous
/// round is measured. Also the maximum time for the counters to settle.
const REST_US: u64 = 1_000_000;

/// Interval between two readings of the server's counters.
const COUNTER_INTERVAL_US: u64 = 100_000;

#[derive(Clone, Debug, Args)]
pub struct DeflateOptions {
    #[arg(long, default_value_t = 1000)]
    subscribers: usize,
    /// Publications per second
    #[arg(long, default_value_t = 50)]
    rate: u32,
    /// Bytes of a publication, which is always a document, whatever --body is
    #[arg(long, default_value_t = 1024)]
    payload: usize,
    /// Seconds of each round
    #[arg(long, default_value_t = 10)]
    seconds: u32,
    /// Rounds of each kind, alternately plain and compressed
    #[arg(long, default_value_t = 5)]
    rounds: usize,
    /// Maximum CPU time of a compressed delivery, as a multiple of that of a plain one
    #[arg(long, default_value_t = 1.1)]
    ratio: f64,
    #[arg(long, value_enum, default_value_t = Protocol::Raw)]
    protocol: Protocol,
}

/// Whether the clients of a round negotiate permessage-deflate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Compression {
    Plain,
    Deflate,
}

impl DeflateOptions {
    /// Returns the planned duration of a run in seconds.
    pub fn duration_s(&self) -> u32 {
        2 * self.rounds as u32 * self.seconds
    }
}

pub fn run(context: &RunContext, options: &DeflateOptions) -> Result<Report, BenchError> {
    if options.subscribers == 0 || options.rate == 0 || options.rounds == 0 {
        let text = "--subscribers, --rate and --rounds: at least 1";
        return Err(BenchError::Arguments(text.into()));
    }
    let server = context.server.ok_or_else(|| {
        BenchError::Arguments("--pid is required: this scenario compares the server's CPU".into())
    })?;
    let mut rounds = Rounds {
        subscribers: options.subscribers,
        plain: Vec::new(),
        deflate: Vec::new(),
    };
    let _indicator = ProgressIndicator::start("deflate", options.duration_s());
    for _ in 0..options.rounds {
        let plain = measure(context, options, server, Compression::Plain)?;
        rounds.plain.push(plain);
        let deflate = measure(context, options, server, Compression::Deflate)?;
        rounds.deflate.push(deflate);
    }
    Ok(rounds.report(options.ratio))
}

/// Opens connections, publishes to them, and closes them.
fn measure(
    context: &RunContext,
    options: &DeflateOptions,
    server: Process,
    compression: Compression,
) -> Result<Round, BenchError> {
    let clock = Clock::new();
    let mut fleet = Fleet::new(context, clock, options.payload)?;
    fleet.set_deflate(compression == Compression::Deflate);
    for _ in 0..options.subscribers {
        fleet.add(ConnectionPlan::new(options.protocol, vec![0]));
    }
    fleet.open_all()?;
    fleet.poll_until(clock.now_us() + REST_US)?;

    let assignment = TopicAssignment::single_topic(options.subscribers);
    let mut receiver = Receiver::new(Ledger::new(assignment));
    let schedule = PublishingSchedule {
        rate: options.rate,
        seconds: options.seconds,
        warm_up: 0,
        payload: options.payload,
        body: PayloadBody::Document,
        sequences: vec![0],
    };
    let counters_before = CompressionCounters::read(&context.admin)?;
    let before = fleet.counts;
    let meter = CpuMeter::start(server)?;
    let publisher = Publisher::start(context, clock, schedule)?;
    let sent = receiver.run(&mut fleet, publisher, clock)?;
    let (spent_us, cpu_percent) = (meter.spent_us()?, meter.percent()?);
    let received_bytes = fleet.counts.received_bytes - before.received_bytes;
    let counts = receiver.ledger.counts;
    let per_delivery = |value: u64| value as f64 / counts.received.max(1) as f64;
    let quantile = |quantile| receiver.latency.value_at_quantile(quantile) as f64;
    Ok(Round {
        published: u64::from(sent.sequences[0]),
        missing: receiver.ledger.missing(&sent.sequences),
        counts,
        closed: fleet.counts.closed,
        unknown: fleet.counts.unknown,
        rejected: sent.rejected,
        deflated: fleet.counts.deflated,
        messages: fleet.counts.messages - before.messages,
        cpu_us_per_delivery: per_delivery(spent_us),
        cpu_percent,
        wire_bytes_per_delivery: per_delivery(received_bytes),
        p50_us: quantile(0.5),
        p99_us: quantile(0.99),
        compression: settled_counters(context, &mut fleet, clock)?.since(&counters_before),
    })
}

/// Returns the server's counters when they no longer change. The server publishes its counters a
/// little later than it counts.
fn settled_counters(
    context: &RunContext,
    fleet: &mut Fleet,
    clock: Clock,
) -> Result<CompressionCounters, BenchError> {
    let mut last = CompressionCounters::read(&context.admin)?;
    let deadline_us = clock.now_us() + REST_US;
    while clock.now_us() < deadline_us {
        fleet.poll_until(clock.now_us() + COUNTER_INTERVAL_US)?;
        let current = CompressionCounters::read(&context.admin)?;
        if current == last {
            break;
        }
        last = current;
    }
    Ok(last)
}
