//! The fan-out of a production day: some topics for each of many connections, a steady rate.

use clap::Args;

use crate::arguments::{Common, Protocol};
use crate::fault::Fault;
use crate::report::Report;
use crate::steady::{self, Load};

#[derive(Clone, Debug, Args)]
pub struct Options {
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
    /// Deliveries per second instead of --rate
    #[arg(long, conflicts_with = "rate")]
    out: Option<u32>,
    /// Bytes of a publication
    #[arg(long, default_value_t = 300)]
    payload: usize,
    /// Seconds before anything is timed
    #[arg(long, default_value_t = 2)]
    warm_up: u32,
    #[arg(long, default_value_t = 60)]
    seconds: u32,
    #[arg(long, value_enum, default_value_t = Protocol::Raw)]
    protocol: Protocol,
    /// What the p50 may be, microseconds
    #[arg(long, default_value_t = 2000)]
    p50_us: u32,
    /// What the p99 may be, microseconds
    #[arg(long, default_value_t = 20_000)]
    p99_us: u32,
}

pub fn run(common: &Common, options: &Options) -> Result<Report, Fault> {
    let load = Load {
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
    let (mut report, receiver) = steady::run(common, &load)?;
    let (p50_us, p99_us) = (Some(options.p50_us), Some(options.p99_us));
    steady::gate(&mut report, &receiver, p50_us, p99_us);
    Ok(report)
}

impl Options {
    /// Publications per second: as given, or as many as make the deliveries of `--out`.
    fn rate(&self) -> u32 {
        let Some(out) = self.out else {
            return self.rate;
        };
        let pairs = (self.connections * self.per_connection).max(1) as u64;
        let rate = u64::from(out) * u64::from(self.topics) / pairs;
        u32::try_from(rate.max(1)).unwrap_or(u32::MAX)
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use crate::arguments::{Arguments, Scenario};

    fn rate(arguments: &[&str]) -> u32 {
        let all = ["fanfare-bench", "helpshift"].iter().chain(arguments);
        match Arguments::parse_from(all).scenario {
            Scenario::Helpshift(options) => options.rate(),
            other => panic!("{other:?}"),
        }
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
