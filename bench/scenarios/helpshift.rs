//! The load of a production day: many connections with some topics each, at a steady rate.
//! Receiving thread.

use clap::Args;

use crate::error::BenchError;
use crate::options::Protocol;
use crate::report::results::Report;
use crate::scenarios::steady::{self, SteadyLoad};
use crate::targets::context::RunContext;

#[derive(Clone, Debug, Args)]
pub struct HelpshiftOptions {
    #[arg(long, default_value_t = 3500)]
    connections: usize,
    #[arg(long, default_value_t = 700)]
    topics: u32,
    /// Topics of each connection
    #[arg(long, default_value_t = 10)]
    per_connection: usize,
    /// Publications per second, each on a random topic
    #[arg(long, default_value_t = 1500)]
    rate: u32,
    /// Deliveries per second, instead of --rate
    #[arg(long, conflicts_with = "rate")]
    out: Option<u32>,
    /// Bytes of a publication
    #[arg(long, default_value_t = 300)]
    payload: usize,
    /// Seconds before the measured time
    #[arg(long, default_value_t = 2)]
    warm_up: u32,
    /// Seconds of the measured time
    #[arg(long, default_value_t = 60)]
    seconds: u32,
    #[arg(long, value_enum, default_value_t = Protocol::Raw)]
    protocol: Protocol,
    /// Maximum p50 of the latency in microseconds
    #[arg(long, default_value_t = 2000)]
    p50_us: u32,
    /// Maximum p99 of the latency in microseconds
    #[arg(long, default_value_t = 20_000)]
    p99_us: u32,
}

pub fn run(context: &RunContext, options: &HelpshiftOptions) -> Result<Report, BenchError> {
    let load = SteadyLoad {
        scenario: "helpshift",
        connections: options.connections,
        topics: options.topics,
        per_connection: options.per_connection,
        rate: options.rate(),
        payload: options.payload,
        warm_up: options.warm_up,
        seconds: options.seconds,
        protocol: options.protocol,
    };
    let (mut report, receiver) = steady::run(context, &load)?;
    let (p50_us, p99_us) = (Some(options.p50_us), Some(options.p99_us));
    steady::check_latency(&mut report, &receiver, p50_us, p99_us);
    Ok(report)
}

impl HelpshiftOptions {
    /// Returns the planned duration of a run in seconds.
    pub fn duration_s(&self) -> u32 {
        self.warm_up + self.seconds
    }

    /// Returns `--rate`, or the publications per second that cause the deliveries of `--out`.
    fn rate(&self) -> u32 {
        let Some(out) = self.out else {
            return self.rate;
        };
        let subscriptions = (self.connections * self.per_connection).max(1) as u64;
        let rate = u64::from(out) * u64::from(self.topics) / subscriptions;
        u32::try_from(rate.max(1)).unwrap_or(u32::MAX)
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct CommandLine {
        #[command(flatten)]
        options: HelpshiftOptions,
    }

    fn rate(arguments: &[&str]) -> u32 {
        let all = ["helpshift"].iter().chain(arguments);
        CommandLine::parse_from(all).options.rate()
    }

    #[test]
    fn deliveries_are_publications_times_subscribers() {
        assert_eq!(rate(&[]), 1500);
        assert_eq!(rate(&["--out", "75000"]), 1500);
        assert_eq!(rate(&["--out", "200000"]), 4000);
        assert_eq!(rate(&["--out", "100", "--connections", "0"]), 70_000);
        assert_eq!(rate(&["--out", "0"]), 1);
    }
}
