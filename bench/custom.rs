//! A steady load whose every number is given: to size a machine for a service of one's own.

use clap::Args;

use crate::arguments::{Common, Protocol};
use crate::fault::Fault;
use crate::report::Report;
use crate::steady::{self, Load};

#[derive(Clone, Debug, Args)]
pub struct Options {
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
    /// Seconds before anything is timed
    #[arg(long, default_value_t = 2)]
    warm_up: u32,
    #[arg(long, default_value_t = 30)]
    seconds: u32,
    #[arg(long, value_enum, default_value_t = Protocol::Client)]
    protocol: Protocol,
    /// What the p50 may be, microseconds; without it nothing is expected
    #[arg(long)]
    p50_us: Option<u32>,
    /// What the p99 may be, microseconds; without it nothing is expected
    #[arg(long)]
    p99_us: Option<u32>,
}

pub fn run(common: &Common, options: &Options) -> Result<Report, Fault> {
    let load = Load {
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
    let (mut report, receiver) = steady::run(common, &load)?;
    steady::gate(&mut report, &receiver, options.p50_us, options.p99_us);
    Ok(report)
}
