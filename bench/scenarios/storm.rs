//! All clients connect at the same time: how fast they are accepted, and how many are not.
//! Receiving thread.

use clap::Args;

use crate::client::connection::ConnectionPlan;
use crate::client::fleet::Fleet;
use crate::clock::Clock;
use crate::error::BenchError;
use crate::options::Protocol;
use crate::payload;
use crate::report::process::CpuMeter;
use crate::report::results::Report;
use crate::targets::context::RunContext;

#[derive(Clone, Debug, Args)]
pub struct StormOptions {
    #[arg(long, default_value_t = 5000)]
    connections: usize,
    #[arg(long, value_enum, default_value_t = Protocol::Client)]
    protocol: Protocol,
}

pub fn run(context: &RunContext, options: &StormOptions) -> Result<Report, BenchError> {
    if options.connections == 0 {
        return Err(BenchError::Arguments("--connections: at least 1".into()));
    }
    let clock = Clock::new();
    let mut fleet = Fleet::new(context, clock, payload::SMALLEST)?;
    // This scenario ignores `--wave`: all clients connect in one wave.
    fleet.set_wave(options.connections);
    for _ in 0..options.connections {
        fleet.add(ConnectionPlan::new(options.protocol, vec![0]));
    }
    let meter = context.server.map(CpuMeter::start).transpose()?;
    let start_us = clock.now_us();
    fleet.open()?;
    let elapsed_s = (clock.now_us() - start_us) as f64 / 1e6;

    let mut report = Report::new("storm");
    let counts = fleet.counts;
    report.add("connections", options.connections);
    report.add("opened", counts.opened);
    report.add_zero("refused", counts.refused);
    report.add_zero("failed", counts.failed);
    let ended = counts.opened as u64 + counts.refused + counts.failed;
    report.add_zero("hanging", options.connections as u64 - ended);
    report.add_zero("closed", counts.closed);
    report.add_zero("unknown", counts.unknown);
    report.add_decimal("seconds", elapsed_s);
    report.add_decimal("opened_per_second", counts.opened as f64 / elapsed_s);
    report.add_latency("opening", &fleet.opening_time);
    if let Some(meter) = meter {
        let per_connection_us = meter.spent_us()? as f64 / counts.opened.max(1) as f64;
        report.add_decimal("server_cpu_us_per_connection", per_connection_us);
    }
    Ok(report)
}
