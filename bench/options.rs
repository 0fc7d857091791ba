//! The options that all scenarios have in common. Main thread.

use std::net::{SocketAddr, ToSocketAddrs};
use std::path::PathBuf;

use clap::{Args, ValueEnum};

use crate::baseline::injection::FaultInjection;
use crate::error::BenchError;
use crate::targets::name::TargetName;

/// The WebSocket address that fanfare listens on by default.
const DEFAULT_URL: &str = "ws://127.0.0.1:8000";

#[derive(Clone, Debug, Args)]
pub struct CommonOptions {
    /// WebSocket address of a server that already runs; without it the load generator starts one
    #[arg(long, global = true)]
    pub url: Option<String>,
    /// Server to measure: fanfare, build:PATH, floor, floor-zeromq, nats, nchan or pushpin
    ///
    /// build:PATH is the fanfare binary at PATH. floor is the baseline, a bare epoll and send loop
    /// inside this program; floor-zeromq is the same with publications through libzmq. nats, nchan
    /// and pushpin are servers from Debian packages.
    #[arg(long, global = true, default_value_t = TargetName::Fanfare)]
    pub target: TargetName,
    /// The fanfare binary to start; default: the one in the directory of this program
    #[arg(long, global = true, value_name = "PATH", conflicts_with = "url")]
    pub server: Option<PathBuf>,
    /// A setting for the fanfare that is started; may be repeated
    #[arg(
        long = "set",
        global = true,
        value_name = "SECTION.KEY=VALUE",
        conflicts_with = "url"
    )]
    pub settings: Vec<String>,
    /// Core of the server that is started; default: the second allowed core
    #[arg(long, global = true, conflicts_with = "url")]
    pub server_core: Option<usize>,
    /// Number of pairs to measure: alternately --target and --against, each in a new process
    #[arg(long, global = true, conflicts_with = "url",
        value_parser = clap::value_parser!(u32).range(1..))]
    pub pairs: Option<u32>,
    /// Server that --pairs compares the target with; values as for --target
    #[arg(long, global = true, default_value_t = TargetName::Baseline)]
    pub against: TargetName,
    #[command(flatten)]
    pub injection: FaultInjection,
    /// Where to publish: a PULL socket, or a ROUTER socket with --acknowledged; HOST:PORT for
    /// targets without ZeroMQ
    #[arg(long, global = true)]
    pub push: Option<String>,
    /// Publish through the ROUTER socket and wait for every reply
    #[arg(long, global = true)]
    pub acknowledged: bool,
    /// The admin port, for scenarios that read /metrics
    #[arg(long, global = true, default_value = "127.0.0.1:8001")]
    pub admin: String,
    /// Process ID of the server, to read its CPU time and memory
    #[arg(long, global = true)]
    pub pid: Option<u32>,
    /// Core of the load generator; default: the first allowed core if the load generator starts
    /// the server
    #[arg(long, global = true)]
    pub core: Option<usize>,
    /// Separate core for the publishing thread
    #[arg(long, global = true)]
    pub publisher_core: Option<usize>,
    /// Maximum number of connects in progress, so that the listener's backlog does not overflow
    #[arg(long, global = true, default_value_t = 256)]
    pub wave: usize,
    /// Negotiate permessage-deflate; `deflate` and `feeds` always do so on half of their
    /// connections
    #[arg(long, global = true)]
    pub deflate: bool,
    /// Content of the payloads
    #[arg(long, global = true, value_enum, default_value_t = PayloadBody::Padding)]
    pub body: PayloadBody,
    /// Seed for the choice of topics and for the order of publications
    #[arg(long, global = true, default_value_t = 1)]
    pub seed: u64,
    /// SVG file for a plot of latency, throughput and CPU over time, for scenarios with a steady
    /// load
    #[arg(long, global = true)]
    pub plot: Option<PathBuf>,
    /// Print the report as one JSON object
    #[arg(long, global = true)]
    pub json: bool,
}

/// The client protocol of the connections.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Protocol {
    /// Bare payloads on /raw
    Raw,
    /// The client protocol in JSON
    Client,
    /// The client protocol in Protobuf
    Protobuf,
}

/// The content of a payload after its stamp.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum PayloadBody {
    /// One repeated letter, which compresses best
    Padding,
    /// JSON documents as services send them, many different ones
    Document,
}

impl CommonOptions {
    /// Returns the address of `--url`, or the default address of fanfare.
    pub fn url_address(&self) -> Result<SocketAddr, BenchError> {
        let url = self.url.as_deref().unwrap_or(DEFAULT_URL);
        let error = || BenchError::Url { url: url.into() };
        let rest = url.strip_prefix("ws://").ok_or_else(error)?;
        let host = rest.split('/').next().unwrap_or_default();
        let mut addresses = host.to_socket_addrs().map_err(|_| error())?;
        addresses.next().ok_or_else(error)
    }
}
