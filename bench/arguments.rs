//! The command line.

use std::net::{SocketAddr, ToSocketAddrs};
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

use crate::fault::Fault;
use crate::floor::{self, Injection};
use crate::targets::{self, Target, guard};
use crate::{
    broadcast, burst, custom, deflate, feeds, helpshift, idle, ingest, single, slow, storm, toggle,
};

/// Loads fanfare and checks what comes out: exactly, by connection, topic and sequence.
///
/// It starts the server itself, on a core of its own, or aims at a running one with --url.
/// Publications are due on a fixed schedule and stamped with the time they were due, so a stall
/// shows in the latencies of everything it delayed. Exit codes: 0 all expectations met, 1 not
/// met, 2 not run.
#[derive(Debug, Parser)]
#[command(name = "fanfare-bench", version)]
pub struct Arguments {
    #[command(flatten)]
    pub common: Common,
    #[command(subcommand)]
    pub scenario: Scenario,
}

#[derive(Debug, Subcommand)]
pub enum Scenario {
    /// Many connections with some topics each, a steady rate: the fan-out of a production day
    Helpshift(helpshift::Options),
    /// One topic to all, as fast as the server can: its throughput
    Broadcast(broadcast::Options),
    /// A room in which most answer within seconds, all to all
    Burst(burst::Options),
    /// One client, a steady rate: the latency of a delivery by itself
    Single(single::Options),
    /// Publications that nobody wants: what taking them in costs
    Ingest(ingest::Options),
    /// A steady load of which every number is given
    Custom(custom::Options),
    /// One topic to all, without and then with clients that never read
    Slow(slow::Options),
    /// One client that subscribes and unsubscribes all the time
    Toggle(toggle::Options),
    /// One topic to many, without and with permessage-deflate in turns: what compressing costs
    Deflate(deflate::Options),
    /// Realistic feeds, singly and in bursts: the bytes that permessage-deflate saves
    Feeds(feeds::Options),
    /// Connections that only answer pings: what they cost
    Idle(idle::Options),
    /// Connects all at once
    Storm(storm::Options),
    /// Be the bare server to compare with
    #[command(hide = true)]
    Floor(floor::Options),
    /// Be between a server and the load generator, and end the one with the other
    #[command(hide = true)]
    Guard(guard::Options),
}

impl Scenario {
    /// Whether its report has a timeline to plot.
    pub fn has_timeline(&self) -> bool {
        matches!(
            self,
            Self::Broadcast(_)
                | Self::Burst(_)
                | Self::Single(_)
                | Self::Custom(_)
                | Self::Helpshift(_)
        )
    }

    /// Whether it asks nothing of a server that only fanfare has.
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
    /// What the options cannot say each for itself.
    pub fn check(&self) -> Result<(), Fault> {
        let Common {
            subject,
            against,
            pairs,
            ..
        } = self.common;
        let only_fanfare = subject == targets::Name::Fanfare
            && (pairs.is_none() || against == targets::Name::Fanfare);
        if only_fanfare || self.scenario.is_general() {
            return Ok(());
        }
        let text = "this scenario is about fanfare: not with --target, nor --pairs and --against";
        Err(Fault::Arguments(text.into()))
    }
}

#[derive(Clone, Debug, Args)]
pub struct Common {
    /// Where WebSocket clients connect to a running server. Without it one is started and ended
    #[arg(long, global = true)]
    pub url: Option<String>,
    /// What is measured
    #[arg(long = "target", global = true, value_enum, default_value_t = targets::Name::Fanfare)]
    pub subject: targets::Name,
    /// The fanfare to start; without it the one beside this program
    #[arg(long, global = true, value_name = "PATH", conflicts_with = "url")]
    pub server: Option<PathBuf>,
    /// A setting of the fanfare to start; may be repeated
    #[arg(
        long = "set",
        global = true,
        value_name = "SECTION.KEY=VALUE",
        conflicts_with = "url"
    )]
    pub settings: Vec<String>,
    /// The core for the server that is started; without it the second that is allowed
    #[arg(long, global = true, conflicts_with = "url")]
    pub server_core: Option<usize>,
    /// Measure so many pairs: the target and --against in turns, each started anew
    #[arg(long, global = true, conflicts_with = "url",
        value_parser = clap::value_parser!(u32).range(1..))]
    pub pairs: Option<u32>,
    /// What the target is compared with
    #[arg(long, global = true, value_enum, default_value_t = targets::Name::Floor)]
    pub against: targets::Name,
    #[command(flatten)]
    pub injection: Injection,
    /// The protocol of the target that runs.
    #[arg(skip = targets::FANFARE)]
    pub target: &'static dyn Target,
    /// Where publications are pushed: a PULL socket, or a ROUTER with --acknowledged; HOST:PORT
    /// of targets without ZeroMQ
    #[arg(long, global = true)]
    pub push: Option<String>,
    /// Publish through the ROUTER socket and await every reply
    #[arg(long, global = true)]
    pub acknowledged: bool,
    /// The admin port, for scenarios that read /metrics
    #[arg(long, global = true, default_value = "127.0.0.1:8001")]
    pub admin: String,
    /// The server's process id, for its CPU time and memory
    #[arg(long, global = true)]
    pub pid: Option<u32>,
    /// The core for everything the load generator does; without it the first that is allowed, if
    /// the server is started here
    #[arg(long, global = true)]
    pub core: Option<usize>,
    /// A core of its own for the publishing thread
    #[arg(long, global = true)]
    pub publisher_core: Option<usize>,
    /// Connects in progress at a time, so that a listener's backlog is not overrun
    #[arg(long, global = true, default_value_t = 256)]
    pub wave: usize,
    /// Negotiate permessage-deflate; `deflate` and `feeds` do so for half of what they measure
    #[arg(long, global = true)]
    pub deflate: bool,
    /// What publications are filled with
    #[arg(long, global = true, value_enum, default_value_t = Body::Padding)]
    pub body: Body,
    /// Decides who subscribes to what, and what is published when
    #[arg(long, global = true, default_value_t = 1)]
    pub seed: u64,
    /// Draws latency, throughput and CPU over time into this SVG file, for scenarios with a
    /// steady run
    #[arg(long, global = true)]
    pub plot: Option<PathBuf>,
    /// Print the result as one JSON object
    #[arg(long, global = true)]
    pub json: bool,
}

/// What the connections speak.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Protocol {
    /// Bare payloads on /raw
    Raw,
    /// The client protocol in JSON
    Client,
}

/// What stands in a payload behind its stamp.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Body {
    /// One letter, repeated: nothing compresses better
    Padding,
    /// JSON as services send it, many different ones
    Document,
}

/// Where fanfare listens unless told otherwise.
const DEFAULT_URL: &str = "ws://127.0.0.1:8000";

impl Common {
    /// The address behind `--url`.
    pub fn address(&self) -> Result<SocketAddr, Fault> {
        let url = self.url.as_deref().unwrap_or(DEFAULT_URL);
        let fault = || Fault::Url { url: url.into() };
        let rest = url.strip_prefix("ws://").ok_or_else(fault)?;
        let host = rest.split('/').next().unwrap_or_default();
        let mut addresses = host.to_socket_addrs().map_err(|_| fault())?;
        addresses.next().ok_or_else(fault)
    }

    /// The endpoint publications go to.
    pub fn endpoint(&self) -> String {
        let default = if self.acknowledged {
            "tcp://127.0.0.1:5563"
        } else {
            "tcp://127.0.0.1:5560"
        };
        self.push.clone().unwrap_or_else(|| default.to_owned())
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    /// Options of all scenarios and options of one meet in one parser, which finds out only when
    /// it runs that two have the same name.
    #[test]
    fn every_scenario_parses() {
        let command = Arguments::command();
        command.clone().debug_assert();
        for scenario in command.get_subcommands().filter(|each| !each.is_hide_set()) {
            let name = scenario.get_name();
            let parsed = Arguments::try_parse_from(["fanfare-bench", "--pairs", "2", name]);
            assert_eq!(parsed.unwrap().common.pairs, Some(2), "{name}");
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
}
