//! Everybody connects at once: how fast they get in, and how many do not.

use clap::Args;

use crate::arguments::{Common, Protocol};
use crate::clock::Clock;
use crate::connection::Plan;
use crate::fault::Fault;
use crate::fleet::Fleet;
use crate::payload;
use crate::process::{Meter, Process};
use crate::report::Report;

#[derive(Clone, Debug, Args)]
pub struct Options {
    #[arg(long, default_value_t = 5000)]
    connections: usize,
    #[arg(long, value_enum, default_value_t = Protocol::Client)]
    protocol: Protocol,
}

pub fn run(common: &Common, options: &Options) -> Result<Report, Fault> {
    let clock = Clock::new();
    let mut fleet = Fleet::new(common, clock, payload::SMALLEST)?;
    // All in one wave, whatever `--wave` says: that is the storm.
    fleet.set_wave(options.connections);
    for _ in 0..options.connections {
        fleet.add(Plan {
            protocol: options.protocol,
            topics: vec![0],
            reads: true,
        });
    }
    let server = common
        .pid
        .map(Process::new)
        .transpose()?
        .map(Meter::start)
        .transpose()?;
    let begun_us = clock.now_us();
    fleet.open()?;
    let elapsed_s = (clock.now_us() - begun_us) as f64 / 1e6;

    let mut report = Report::new("storm");
    let tally = fleet.tally;
    report.add("connections", options.connections);
    report.add("opened", tally.opened);
    report.add_zero("refused", tally.refused);
    report.add_zero("failed", tally.failed);
    let hanging = options.connections as u64 - tally.opened as u64 - tally.refused - tally.failed;
    report.add_zero("hanging", hanging);
    report.add_decimal("seconds", elapsed_s);
    report.add_decimal("opened_per_second", tally.opened as f64 / elapsed_s);
    report.add_latency("opening", &fleet.opening_time);
    if let Some(server) = server {
        let each_us = server.spent_us()? as f64 / tally.opened.max(1) as f64;
        report.add_decimal("server_cpu_us_per_connection", each_us);
    }
    Ok(report)
}
