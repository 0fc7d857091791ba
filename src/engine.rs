//! Starts the cores, joins them, drains them. Main thread.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::thread::JoinHandle;

use crossbeam_channel::{Receiver, unbounded};

use crate::config::{Config, ConfigSource, Layout};
use crate::fabric::{self, Fabric, Order};
use crate::shard::{self, Plan, Shard};
use crate::{control, ingest, limits};

/// Why the engine could not start, or did not end as it should; the text names the remedy.
#[derive(Debug, thiserror::Error)]
pub enum Fault {
    #[error(transparent)]
    Preflight(#[from] shard::Refused),
    #[error(
        "ws.listen = {address}: the address is taken; stop what listens there or choose another"
    )]
    Taken { address: SocketAddr },
    #[error("ws.listen = {address}: {error}")]
    Listen {
        address: SocketAddr,
        error: io::Error,
    },
    #[error(transparent)]
    Bind(#[from] ingest::BindError),
    #[error(transparent)]
    Control(#[from] control::Fault),
    #[error("a thread could not be started: {0}")]
    Thread(String),
    #[error("shard {index} ended: {error}")]
    Shard { index: usize, error: String },
}

/// A started engine.
pub struct Engine {
    pub fabric: Arc<Fabric>,
    pub layout: Layout,
    /// Descriptors this process may have.
    pub descriptors: u64,
    shards: Vec<Option<Shard>>,
    ended: Receiver<usize>,
    ingest: JoinHandle<()>,
}

impl Engine {
    /// Checks the host, binds every address, then starts the threads.
    pub fn start(config: &Arc<Config>, allowed_cores: &[usize]) -> Result<Self, Fault> {
        let layout = config.cpu.layout(allowed_cores);
        let descriptors = shard::raise_descriptor_limit();
        shard::preflight()?;
        let listeners = listen(config.ws.listen, layout.shards.len())?;
        let sockets = shard::with_private_files(|| ingest::bind(config))?;
        let fabric = Arc::new(build_fabric(config, descriptors, layout.shards.len())?);
        let ingest = ingest::spawn(
            layout.ingest,
            sockets,
            Arc::clone(config),
            Arc::clone(&fabric),
        )
        .map_err(|error| Fault::Thread(error.to_string()))?;
        let (ended_sender, ended) = unbounded();
        let mut shards = Vec::new();
        for (index, listener) in listeners.into_iter().enumerate() {
            let plan = Plan {
                index,
                core: layout.shards[index],
                listener,
                config: Arc::clone(config),
                fabric: Arc::clone(&fabric),
                ended: ended_sender.clone(),
            };
            let shard = shard::spawn(plan).map_err(|error| Fault::Thread(error.to_string()))?;
            shards.push(Some(shard));
        }
        Ok(Self {
            fabric,
            layout,
            descriptors,
            shards,
            ended,
            ingest,
        })
    }

    /// Waits until every shard has ended, then ends ingest. If one shard fails, all end.
    pub fn join(mut self) -> Result<(), Fault> {
        let mut outcome = Ok(());
        for _ in 0..self.shards.len() {
            // Each shard sends once, however it ends.
            let Ok(index) = self.ended.recv() else { break };
            let Some(shard) = self.shards[index].take() else {
                continue;
            };
            if let Err(error) = shard.join() {
                self.fabric.order(&Order::Stop);
                outcome = outcome.and(Err(Fault::Shard { index, error }));
            }
        }
        self.fabric.inlet.close();
        if self.ingest.join().is_err() {
            let fault = Fault::Thread("ingest panicked".into());
            outcome = outcome.and(Err(fault));
        }
        outcome
    }
}

fn listen(address: SocketAddr, shards: usize) -> Result<Vec<std::net::TcpListener>, Fault> {
    shard::listen(address, shards).map_err(|error| match error.kind() {
        io::ErrorKind::AddrInUse => Fault::Taken { address },
        _ => Fault::Listen { address, error },
    })
}

fn build_fabric(config: &Config, descriptors: u64, shards: usize) -> Result<Fabric, Fault> {
    let wake = || shard::wake().map_err(|error| Fault::Thread(error.to_string()));
    let wakes = (0..shards).map(|_| wake()).collect::<Result<_, _>>()?;
    let max_connections = fabric::max_connections(config, descriptors, shards);
    Ok(Fabric::new(wakes, wake()?, max_connections))
}

/// The screen that greets the operator: what listens where, which core does what, and how many
/// connections fit.
pub fn screen(engine: &Engine, config: &Config) -> String {
    let list = |endpoints: &[String]| match endpoints {
        [] => "off".to_owned(),
        endpoints => endpoints.join(", "),
    };
    let shards: Vec<_> = engine
        .layout
        .shards
        .iter()
        .map(ToString::to_string)
        .collect();
    let admin = config
        .admin
        .listen
        .map_or_else(|| "off".to_owned(), |address| format!("http://{address}"));
    format!(
        "fanfare {version}\n\
         \x20 WebSocket   ws://{listen}/connection/websocket  /raw?topic=NAME  /health\n\
         \x20 publish     PUSH {pull}  PUB {sub}  REQ, DEALER {router}\n\
         \x20 admin       {admin}\n\
         \x20 cores       ingest and control {ingest}, shards {shards}\n\
         \x20 connections up to {connections} ({descriptors} descriptors, {own} kept back)",
        version = env!("CARGO_PKG_VERSION"),
        listen = config.ws.listen,
        pull = list(&config.ingest.pull),
        sub = list(&config.ingest.sub),
        router = list(&config.ingest.router),
        ingest = engine.layout.ingest,
        shards = shards.join(", "),
        connections = engine.fabric.max_connections(),
        descriptors = engine.descriptors,
        own = limits::OWN_DESCRIPTORS
            + limits::REFUSAL_SOCKETS
            + shards.len() * limits::OWN_DESCRIPTORS_PER_SHARD,
    )
}

/// Runs the engine until it has drained.
pub fn run(config: Config, source: ConfigSource) -> Result<(), Fault> {
    let config = Arc::new(config);
    let engine = Engine::start(&config, &source.allowed_cores)?;
    let fabric = Arc::clone(&engine.fabric);
    control::spawn(engine.layout.ingest, Arc::clone(&config), source, fabric)?;
    println!("{}", screen(&engine, &config));
    engine.join()
}
