//! The command line: the common options and one subcommand for each scenario. Main thread.

use clap::{Parser, Subcommand};

use crate::baseline::server::BaselineOptions;
use crate::error::BenchError;
use crate::options::CommonOptions;
use crate::scenarios::broadcast::BroadcastOptions;
use crate::scenarios::burst::BurstOptions;
use crate::scenarios::custom::CustomOptions;
use crate::scenarios::deflate::DeflateOptions;
use crate::scenarios::feeds::FeedsOptions;
use crate::scenarios::helpshift::HelpshiftOptions;
use crate::scenarios::idle::IdleOptions;
use crate::scenarios::ingest::IngestOptions;
use crate::scenarios::single::SingleOptions;
use crate::scenarios::slow::SlowOptions;
use crate::scenarios::storm::StormOptions;
use crate::scenarios::toggle::ToggleOptions;
use crate::targets::guard::GuardOptions;

/// Loads fanfare and checks every delivery by connection, topic and sequence number.
///
/// The load generator starts the server on a core of its own. With --url it uses a server that
/// already runs. Every publication is due at a fixed time and carries that time, so a stall of the
/// server increases the latency of every delivery that it delayed. Exit codes: 0 all checks passed,
/// 1 a check failed, 2 the scenario could not be run.
#[derive(Debug, Parser)]
#[command(name = "fanfare-bench", version)]
pub struct Arguments {
    #[command(flatten)]
    pub options: CommonOptions,
    #[command(subcommand)]
    pub scenario: Scenario,
}

#[derive(Debug, Subcommand)]
pub enum Scenario {
    /// Many connections with some topics each at a steady rate: the load of a production day
    Helpshift(HelpshiftOptions),
    /// One topic to all connections as fast as the server can: throughput
    Broadcast(BroadcastOptions),
    /// A chat room in which most members answer within seconds, each answer to all members
    Burst(BurstOptions),
    /// One client at a steady rate: the latency of a single delivery
    Single(SingleOptions),
    /// Publications without subscribers: the cost of accepting them
    Ingest(IngestOptions),
    /// A steady load whose numbers are all given as options
    Custom(CustomOptions),
    /// One topic to all connections, first without and then with clients that never read
    Slow(SlowOptions),
    /// One client that subscribes and unsubscribes continually
    Toggle(ToggleOptions),
    /// One topic, alternately without and with permessage-deflate: the cost of compression
    Deflate(DeflateOptions),
    /// Realistic feeds, single and in bursts: the bytes that permessage-deflate saves
    Feeds(FeedsOptions),
    /// Connections that only answer pings: their memory and CPU
    Idle(IdleOptions),
    /// All clients connect at the same time
    Storm(StormOptions),
    /// Runs the baseline server
    #[command(hide = true)]
    Floor(BaselineOptions),
    /// Starts a server and kills it when the load generator ends
    #[command(hide = true)]
    Guard(GuardOptions),
}

impl Scenario {
    /// Returns the name and the planned duration of a run in seconds. It is 0 if it is not known.
    pub fn plan(&self) -> (&'static str, u32) {
        match self {
            Self::Helpshift(options) => ("helpshift", options.duration_s()),
            Self::Broadcast(options) => ("broadcast", options.duration_s()),
            Self::Burst(options) => ("burst", options.duration_s()),
            Self::Single(options) => ("single", options.duration_s()),
            Self::Ingest(options) => ("ingest", options.duration_s()),
            Self::Custom(options) => ("custom", options.duration_s()),
            Self::Slow(options) => ("slow", options.duration_s()),
            Self::Toggle(options) => ("toggle", options.duration_s()),
            Self::Deflate(options) => ("deflate", options.duration_s()),
            Self::Feeds(options) => ("feeds", options.duration_s()),
            Self::Idle(options) => ("idle", options.duration_s()),
            Self::Storm(_) => ("storm", 0),
            Self::Floor(_) | Self::Guard(_) => {
                unreachable!("main runs these subcommands itself")
            }
        }
    }

    /// Returns whether the report of this scenario contains a timeline.
    fn has_timeline(&self) -> bool {
        matches!(
            self,
            Self::Broadcast(_)
                | Self::Burst(_)
                | Self::Single(_)
                | Self::Custom(_)
                | Self::Helpshift(_)
        )
    }

    /// Returns whether this scenario needs only functions that every target has.
    fn is_general(&self) -> bool {
        matches!(
            self,
            Self::Broadcast(_)
                | Self::Burst(_)
                | Self::Custom(_)
                | Self::Helpshift(_)
                | Self::Idle(_)
                | Self::Single(_)
                | Self::Storm(_)
        )
    }
}

impl Arguments {
    /// Checks combinations of options that the parser cannot check.
    pub fn check(&self) -> Result<(), BenchError> {
        let CommonOptions {
            target,
            against,
            pairs,
            plot,
            ..
        } = &self.options;
        if plot.is_some() && (pairs.is_some() || !self.scenario.has_timeline()) {
            return Err(BenchError::Arguments(
                "--plot: only for helpshift, broadcast, burst, single and custom, and not with \
                 --pairs"
                    .into(),
            ));
        }
        let only_fanfare = target.is_fanfare() && (pairs.is_none() || against.is_fanfare());
        if only_fanfare || self.scenario.is_general() {
            return Ok(());
        }
        Err(BenchError::Arguments(
            "this scenario measures fanfare only: --target and, with --pairs, --against must be \
             fanfare or build:PATH"
                .into(),
        ))
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn every_scenario_parses() {
        // The common options and the options of a scenario share one parser, which detects a
        // duplicate name only at run time.
        let command = Arguments::command();
        command.clone().debug_assert();
        for scenario in command.get_subcommands().filter(|each| !each.is_hide_set()) {
            let name = scenario.get_name();
            let parsed = Arguments::try_parse_from(["fanfare-bench", "--pairs", "2", name]);
            assert_eq!(parsed.unwrap().options.pairs, Some(2), "{name}");
            let ids = |command: &clap::Command| {
                let arguments = command.get_arguments();
                arguments
                    .map(|each| each.get_id().clone())
                    .collect::<Vec<_>>()
            };
            let (own, common) = (ids(scenario), ids(&command));
            assert!(own.iter().all(|id| !common.contains(id)), "{name}");
        }
    }

    #[test]
    fn scenarios_that_need_fanfare_accept_only_fanfare_and_its_builds() {
        let check = |arguments: &[&str]| {
            let arguments = [&["fanfare-bench"], arguments].concat();
            Arguments::parse_from(arguments).check()
        };
        assert!(check(&["deflate"]).is_ok());
        assert!(check(&["deflate", "--target", "nats"]).is_err());
        assert!(check(&["deflate", "--pairs", "2"]).is_err());
        assert!(check(&["deflate", "--pairs", "2", "--against", "build:/old"]).is_ok());
        assert!(check(&["idle", "--pairs", "2"]).is_ok());
        assert!(check(&["idle", "--plot", "file.svg"]).is_err());
        assert!(check(&["single", "--plot", "file.svg"]).is_ok());
    }
}
