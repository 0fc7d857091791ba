//! One client, a steady rate: the latency of a delivery by itself.

use clap::Args;

use crate::arguments::{Common, Protocol};
use crate::fault::Fault;
use crate::report::Report;
use crate::steady::{self, Load};

#[derive(Clone, Debug, Args)]
pub struct Options {
    /// Publications per second
    #[arg(long, default_value_t = 1000)]
    rate: u32,
    /// Bytes of a publication
    #[arg(long, default_value_t = 300)]
    payload: usize,
    /// Seconds before anything is timed
    #[arg(long, default_value_t = 2)]
    warm_up: u32,
    #[arg(long, default_value_t = 30)]
    seconds: u32,
    #[arg(long, value_enum, default_value_t = Protocol::Raw)]
    protocol: Protocol,
    /// What the p99 may be, microseconds
    #[arg(long, default_value_t = 1000)]
    p99_us: u32,
}

pub fn run(common: &Common, options: &Options) -> Result<Report, Fault> {
    let load = Load {
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
    let (mut report, receiver) = steady::run(common, &load)?;
    steady::gate(&mut report, &receiver, None, Some(options.p99_us));
    Ok(report)
}
