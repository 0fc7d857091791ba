//! A steady load whose numbers are all options, to size a machine for a particular service.
//! Receiving thread.

use clap::Args;

use crate::error::BenchError;
use crate::options::Protocol;
use crate::report::results::Report;
use crate::scenarios::steady::{self, SteadyLoad};
use crate::targets::context::RunContext;

#[derive(Clone, Debug, Args)]
pub struct CustomOptions {
    #[arg(long, default_value_t = 1000)]
    connections: usize,
    #[arg(long, default_value_t = 100)]
    topics: u32,
    /// Topics of each connection
    #[arg(long, default_value_t = 1)]
    per_connection: usize,
    /// Publications per second, each on a random topic
    #[arg(long, default_value_t = 1000)]
    rate: u32,
    /// Bytes of a publication
    #[arg(long, default_value_t = 300)]
    payload: usize,
    /// Seconds before the measured time
    #[arg(long, default_value_t = 2)]
    warm_up: u32,
    /// Seconds of the measured time
    #[arg(long, default_value_t = 30)]
    seconds: u32,
    #[arg(long, value_enum, default_value_t = Protocol::Client)]
    protocol: Protocol,
    /// Maximum p50 of the latency in microseconds; default: not checked
    #[arg(long)]
    p50_us: Option<u32>,
    /// Maximum p99 of the latency in microseconds; default: not checked
    #[arg(long)]
    p99_us: Option<u32>,
}

impl CustomOptions {
    /// Returns the planned duration of a run in seconds.
    pub fn duration_s(&self) -> u32 {
        self.warm_up + self.seconds
    }
}

pub fn run(context: &RunContext, options: &CustomOptions) -> Result<Report, BenchError> {
    let load = SteadyLoad {
        scenario: "custom",
        connections: options.connections,
        topics: options.topics,
        per_connection: options.per_connection,
        rate: options.rate,
        payload: options.payload,
        warm_up: options.warm_up,
        seconds: options.seconds,
        protocol: options.protocol,
    };
    let (mut report, receiver) = steady::run(context, &load)?;
    steady::check_latency(&mut report, &receiver, options.p50_us, options.p99_us);
    Ok(report)
}
