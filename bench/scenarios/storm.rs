//! All clients connect at the same time: how fast they are accepted, and how many are not.
//! Receiving thread.

mod others;
pub mod tokens;

use clap::Args;
use hdrhistogram::Histogram;

use crate::client::connection::ConnectionPlan;
use crate::client::counts::FleetCounts;
use crate::client::fleet::Fleet;
use crate::clock::Clock;
use crate::error::BenchError;
use crate::options::Protocol;
use crate::payload;
use crate::report::process::CpuMeter;
use crate::report::results::Report;
use crate::targets::context::RunContext;
use crate::targets::tokens::TokenAlgorithm;

/// The topic of the clients. It has no publications.
const TOPIC: u32 = payload::MAX_TOPICS - 1;

#[derive(Clone, Debug, Args)]
pub struct StormOptions {
    #[arg(long, default_value_t = 5000)]
    connections: usize,
    #[arg(long, value_enum, default_value_t = Protocol::Client)]
    protocol: Protocol,
    /// Give every client a token with this algorithm, and compare the server in pairs with one
    /// that asks for no tokens (--pairs, default 5)
    #[arg(long, value_enum)]
    pub token: Option<TokenAlgorithm>,
    /// Clients that receive publications during another storm, with --token
    #[arg(long, default_value_t = 1000, requires = "token")]
    others: usize,
    /// Publications per second to the other clients, each to ten of them
    #[arg(long, default_value_t = 1000, requires = "token")]
    rate: u32,
    /// Seconds of these publications, which have to outlast the storm
    #[arg(long, default_value_t = 5, requires = "token")]
    seconds: u32,
}

/// A storm whose connections are open.
struct Storm {
    fleet: Fleet,
    elapsed_s: f64,
    /// CPU time of the server for each open connection, if its process is known.
    cpu_us: Option<f64>,
}

impl Storm {
    /// Connects all clients at once: one with each token, or without tokens.
    fn open(
        context: &RunContext,
        clock: Clock,
        protocol: Protocol,
        tokens: impl IntoIterator<Item = Option<String>>,
    ) -> Result<Self, BenchError> {
        let mut fleet = Fleet::new(context, clock, payload::SMALLEST)?;
        for token in tokens {
            let plan = ConnectionPlan::new(protocol, vec![TOPIC]);
            fleet.add(ConnectionPlan { token, ..plan });
        }
        // This scenario ignores `--wave`: all clients connect in one wave.
        fleet.set_wave(fleet.len());
        let meter = context.server.map(CpuMeter::start).transpose()?;
        let start_us = clock.now_us();
        fleet.open()?;
        let elapsed_s = (clock.now_us() - start_us) as f64 / 1e6;
        let opened = fleet.counts.opened.max(1) as f64;
        let cpu_us = meter.map(|meter| meter.spent_us()).transpose()?;
        Ok(Self {
            fleet,
            elapsed_s,
            cpu_us: cpu_us.map(|spent_us| spent_us as f64 / opened),
        })
    }

    fn counts(&self) -> FleetCounts {
        self.fleet.counts
    }

    /// Returns the number of clients that are neither open nor refused.
    fn hanging(&self) -> u64 {
        let counts = self.counts();
        let ended = counts.opened as u64 + counts.refused + counts.failed;
        self.fleet.len() as u64 - ended
    }

    fn opening_time(&self) -> &Histogram<u64> {
        &self.fleet.opening_time
    }
}

pub fn run(context: &RunContext, options: &StormOptions) -> Result<Report, BenchError> {
    options.check()?;
    let without_tokens = std::iter::repeat_n(None, options.connections);
    let storm = Storm::open(context, Clock::new(), options.protocol, without_tokens)?;
    let mut report = Report::new("storm");
    let counts = storm.counts();
    report.add("connections", options.connections);
    report.add("opened", counts.opened);
    report.add_zero("refused", counts.refused);
    report.add_zero("failed", counts.failed);
    report.add_zero("hanging", storm.hanging());
    report.add_zero("closed", counts.closed);
    report.add_zero("unknown", counts.unknown);
    report.add_decimal("seconds", storm.elapsed_s);
    report.add_decimal("opened_per_second", counts.opened as f64 / storm.elapsed_s);
    report.add_latency("opening", storm.opening_time());
    if let Some(cpu_us) = storm.cpu_us {
        report.add_decimal("server_cpu_us_per_connection", cpu_us);
    }
    Ok(report)
}

impl StormOptions {
    fn check(&self) -> Result<(), BenchError> {
        if self.connections == 0 {
            return Err(BenchError::Arguments("--connections: at least 1".into()));
        }
        Ok(())
    }
}
