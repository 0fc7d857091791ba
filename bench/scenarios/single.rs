//! One client at a steady rate: the latency of a single delivery. Receiving thread.

use clap::Args;

use crate::error::BenchError;
use crate::options::Protocol;
use crate::report::results::Report;
use crate::scenarios::steady::{self, SteadyLoad};
use crate::targets::context::RunContext;

#[derive(Clone, Debug, Args)]
pub struct SingleOptions {
    /// Publications per second
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
    #[arg(long, value_enum, default_value_t = Protocol::Raw)]
    protocol: Protocol,
    /// Maximum p99 of the latency in microseconds
    #[arg(long, default_value_t = 1000)]
    p99_us: u32,
}

impl SingleOptions {
    /// Returns the planned duration of a run in seconds.
    pub fn duration_s(&self) -> u32 {
        self.warm_up + self.seconds
    }
}

pub fn run(context: &RunContext, options: &SingleOptions) -> Result<Report, BenchError> {
    let load = SteadyLoad {
        scenario: "single",
        connections: 1,
        topics: 1,
        per_connection: 1,
        rate: options.rate,
        payload: options.payload,
        warm_up: options.warm_up,
        seconds: options.seconds,
        protocol: options.protocol,
    };
    let (mut report, receiver) = steady::run(context, &load)?;
    steady::check_latency(&mut report, &receiver, None, Some(options.p99_us));
    Ok(report)
}
