//! Connections that only answer pings: their memory, and the CPU that the server takes for them.
//! What the second half of them adds is what a connection costs; the first also pays for buffers
//! that all share, once.
//! Two servers compare to some bytes per connection only if each was started for this and with
//! `MIMALLOC_ALLOW_THP=0`: otherwise its memory grows by huge pages of 2 MiB.

use std::ops::Range;

use clap::Args;

use crate::arguments::{Common, Protocol};
use crate::clock::Clock;
use crate::connection::Plan;
use crate::fault::Fault;
use crate::fleet::Fleet;
use crate::payload;
use crate::process::{Meter, Process};
use crate::progress::Indicator;
use crate::report::Report;

/// Rest after the opening, so that what it left to do is not taken for idling.
const REST_US: u64 = 2_000_000;

const SECOND_US: u64 = 1_000_000;

#[derive(Clone, Debug, Args)]
pub struct Options {
    #[arg(long, default_value_t = 15_000)]
    connections: usize,
    #[arg(long, default_value_t = 30)]
    seconds: u32,
    #[arg(long, value_enum, default_value_t = Protocol::Client)]
    protocol: Protocol,
}

/// CPU of one kind of second.
#[derive(Debug, Default)]
struct Seconds {
    count: u64,
    cpu_us: u64,
}

impl Seconds {
    fn percent(&self) -> f64 {
        self.cpu_us as f64 / (self.count.max(1) * SECOND_US) as f64 * 100.0
    }
}

pub fn run(common: &Common, options: &Options) -> Result<Report, Fault> {
    let clock = Clock::new();
    let server = common.pid.map(Process::new).transpose()?;
    let before_bytes = server.map(Process::rss_bytes).transpose()?;
    let mut fleet = Fleet::new(common, clock, payload::SMALLEST)?;
    let half = options.connections / 2;
    open(&mut fleet, options, 0..half)?;
    turn_until(&mut fleet, clock, clock.now_us() + REST_US)?;
    let half_bytes = server.map(Process::rss_bytes).transpose()?;
    let opening = server.map(Meter::start).transpose()?;
    open(&mut fleet, options, half..options.connections)?;
    let opening_us = opening.map(|meter| meter.spent_us()).transpose()?;
    turn_until(&mut fleet, clock, clock.now_us() + REST_US)?;

    let _indicator = Indicator::start("idle", options.seconds);
    // Seconds in which no ping came stand apart: between pings nothing should be done at all.
    let (mut quiet, mut pinging) = (Seconds::default(), Seconds::default());
    for _ in 0..options.seconds {
        let (pings, meter) = (fleet.tally.pings, server.map(Meter::start).transpose()?);
        turn_until(&mut fleet, clock, clock.now_us() + SECOND_US)?;
        let kind = if fleet.tally.pings == pings {
            &mut quiet
        } else {
            &mut pinging
        };
        kind.count += 1;
        kind.cpu_us += meter.map_or(Ok(0), |meter| meter.spent_us())?;
    }

    let mut report = Report::new("idle");
    report.add("connections", options.connections);
    report.add_zero("closed", fleet.tally.closed);
    report.add("pings", fleet.tally.pings);
    report.add_latency("opening", &fleet.opening_time);
    report.add("seconds_without_pings", quiet.count);
    report.add("seconds_with_pings", pinging.count);
    if let (Some(server), Some(before_bytes), Some(half_bytes), Some(opening_us)) =
        (server, before_bytes, half_bytes, opening_us)
    {
        let added = (options.connections - half).max(1) as f64;
        report.add_decimal("server_cpu_us_per_opening", opening_us as f64 / added);
        report.add_decimal("server_cpu_percent_without_pings", quiet.percent());
        report.add_decimal("server_cpu_percent_with_pings", pinging.percent());
        let after_bytes = server.rss_bytes()?;
        report.add("server_rss_bytes_before", before_bytes);
        report.add("server_rss_bytes_at_half", half_bytes);
        report.add("server_rss_bytes_after", after_bytes);
        let grown = |from_bytes: u64| after_bytes.saturating_sub(from_bytes) as f64;
        let connections = options.connections.max(1) as f64;
        report.add_decimal("server_rss_bytes_per_connection", grown(half_bytes) / added);
        report.add_decimal(
            "server_rss_bytes_per_connection_with_shared",
            grown(before_bytes) / connections,
        );
    }
    Ok(report)
}

/// Opens some more, each with one topic.
fn open(fleet: &mut Fleet, options: &Options, which: Range<usize>) -> Result<(), Fault> {
    for index in which {
        let topics = vec![index as u32 % payload::MAX_TOPICS];
        fleet.add(Plan {
            protocol: options.protocol,
            topics,
            reads: true,
        });
    }
    fleet.open_all()
}

fn turn_until(fleet: &mut Fleet, clock: Clock, time_us: u64) -> Result<(), Fault> {
    while clock.now_us() < time_us {
        fleet.turn(&mut ())?;
    }
    Ok(())
}
