//! Connections that only answer pings: their memory, and the CPU that the server uses for them.
//! The figures are those of the second half of the connections: the first half also fills buffers
//! that all connections share. The memory of two servers can be compared to single bytes only if
//! both run with `MIMALLOC_ALLOW_THP=0`. Otherwise memory grows in huge pages of 2 MiB. Receiving
//! thread.

use std::ops::Range;

use clap::Args;

use crate::client::connection::ConnectionPlan;
use crate::client::fleet::Fleet;
use crate::clock::Clock;
use crate::error::BenchError;
use crate::options::Protocol;
use crate::payload;
use crate::report::process::{CpuMeter, Process};
use crate::report::progress::ProgressIndicator;
use crate::report::results::Report;
use crate::targets::context::RunContext;

/// Pause after the connections have opened, so that the rest of that work does not count as idle
/// CPU time.
const REST_US: u64 = 2_000_000;

const SECOND_US: u64 = 1_000_000;

#[derive(Clone, Debug, Args)]
pub struct IdleOptions {
    #[arg(long, default_value_t = 15_000)]
    connections: usize,
    /// Seconds of the measured time
    #[arg(long, default_value_t = 30)]
    seconds: u32,
    #[arg(long, value_enum, default_value_t = Protocol::Client)]
    protocol: Protocol,
}

/// CPU time of the seconds with pings, or of those without.
#[derive(Debug, Default)]
struct IdleSeconds {
    count: u64,
    cpu_us: u64,
}

/// Memory and CPU time while the connections open.
struct OpeningFigures {
    before_bytes: u64,
    half_bytes: u64,
    /// CPU time of opening the second half.
    cpu_us: u64,
}

impl IdleSeconds {
    fn percent(&self) -> f64 {
        self.cpu_us as f64 / (self.count.max(1) * SECOND_US) as f64 * 100.0
    }
}

impl IdleOptions {
    /// Returns the planned duration of a run in seconds.
    pub fn duration_s(&self) -> u32 {
        self.seconds
    }
}

pub fn run(context: &RunContext, options: &IdleOptions) -> Result<Report, BenchError> {
    let clock = Clock::new();
    let server = context.server;
    let mut fleet = Fleet::new(context, clock, payload::SMALLEST)?;
    let opening = open_all(&mut fleet, options, server, clock)?;

    let _indicator = ProgressIndicator::start("idle", options.duration_s());
    // The seconds without a ping are counted separately: between pings the server should do
    // nothing.
    let (mut without_pings, mut with_pings) = (IdleSeconds::default(), IdleSeconds::default());
    for _ in 0..options.seconds {
        let (pings, meter) = (fleet.counts.pings, server.map(CpuMeter::start).transpose()?);
        fleet.poll_until(clock.now_us() + SECOND_US)?;
        let seconds = if fleet.counts.pings == pings {
            &mut without_pings
        } else {
            &mut with_pings
        };
        seconds.count += 1;
        seconds.cpu_us += meter.map_or(Ok(0), |meter| meter.spent_us())?;
    }

    let mut report = Report::new("idle");
    report.add("connections", options.connections);
    report.add_zero("closed", fleet.counts.closed);
    report.add_zero("unknown", fleet.counts.unknown);
    report.add("pings", fleet.counts.pings);
    report.add_latency("opening", &fleet.opening_time);
    report.add("seconds_without_pings", without_pings.count);
    report.add("seconds_with_pings", with_pings.count);
    if let (Some(server), Some(opening)) = (server, opening) {
        let added = options.connections - options.connections / 2;
        let opening_us = opening.cpu_us as f64 / added.max(1) as f64;
        report.add_decimal("server_cpu_us_per_opening", opening_us);
        report.add_decimal("server_cpu_percent_without_pings", without_pings.percent());
        report.add_decimal("server_cpu_percent_with_pings", with_pings.percent());
        add_memory(&mut report, options, &opening, server.rss_bytes()?);
    }
    Ok(report)
}

/// Opens the connections in two halves. Returns `None` if the process of the server is not known.
fn open_all(
    fleet: &mut Fleet,
    options: &IdleOptions,
    server: Option<Process>,
    clock: Clock,
) -> Result<Option<OpeningFigures>, BenchError> {
    let before_bytes = server.map(Process::rss_bytes).transpose()?;
    let half = options.connections / 2;
    open(fleet, options, 0..half)?;
    fleet.poll_until(clock.now_us() + REST_US)?;
    let half_bytes = server.map(Process::rss_bytes).transpose()?;
    let meter = server.map(CpuMeter::start).transpose()?;
    open(fleet, options, half..options.connections)?;
    let cpu_us = meter.map(|meter| meter.spent_us()).transpose()?;
    fleet.poll_until(clock.now_us() + REST_US)?;
    let (Some(before_bytes), Some(half_bytes), Some(cpu_us)) = (before_bytes, half_bytes, cpu_us)
    else {
        return Ok(None);
    };
    Ok(Some(OpeningFigures {
        before_bytes,
        half_bytes,
        cpu_us,
    }))
}

/// Opens further connections with one topic each.
fn open(fleet: &mut Fleet, options: &IdleOptions, indices: Range<usize>) -> Result<(), BenchError> {
    for index in indices {
        let topics = vec![index as u32 % payload::MAX_TOPICS];
        fleet.add(ConnectionPlan::new(options.protocol, topics));
    }
    fleet.open_all()
}

fn add_memory(
    report: &mut Report,
    options: &IdleOptions,
    opening: &OpeningFigures,
    after_bytes: u64,
) {
    report.add("server_rss_bytes_before", opening.before_bytes);
    report.add("server_rss_bytes_at_half", opening.half_bytes);
    report.add("server_rss_bytes_after", after_bytes);
    let growth = |from_bytes: u64| after_bytes.saturating_sub(from_bytes) as f64;
    let added = options.connections - options.connections / 2;
    report.add_decimal(
        "server_rss_bytes_per_connection",
        growth(opening.half_bytes) / added.max(1) as f64,
    );
    report.add_decimal(
        "server_rss_bytes_per_connection_with_shared",
        growth(opening.before_bytes) / options.connections.max(1) as f64,
    );
}
