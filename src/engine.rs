//! Starts the cores, joins them, drains them. Main thread.

use std::io::{self, Write as _};
use std::net::SocketAddr;
use std::sync::Arc;
use std::thread::JoinHandle;

use crossbeam_channel::Receiver;

use crate::config::{Config, ConfigSource, Endpoint, Layout};
use crate::fabric::{self, Core, Fabric, Notice, Order, Watchtower};
use crate::shard::{self, Shard, ShardOptions};
use crate::{control, ingest};

/// Why the engine could not start, or did not end as it should; the text names the remedy.
#[derive(Debug, thiserror::Error)]
pub enum Fault {
    #[error(transparent)]
    Preflight(#[from] shard::PreflightError),
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
    #[error("a thread the process cannot do without ended: {core:?}; see the log above")]
    Ended { core: Core },
    #[error("RLIMIT_NOFILE is {0}, too few for the process itself: raise LimitNOFILE (ulimit -n)")]
    Descriptors(u64),
}

/// A started engine.
pub struct Engine {
    pub fabric: Arc<Fabric>,
    pub layout: Layout,
    /// Descriptors this process may have.
    pub descriptors: u64,
    shards: Vec<Option<Shard>>,
    notices: Receiver<Notice>,
    ingest: JoinHandle<()>,
    farewell: control::Farewell,
}

impl Engine {
    /// Checks the host, binds every address, then starts the threads and waits until all do
    /// their work.
    pub fn start(config: &Arc<Config>, source: ConfigSource) -> Result<Self, Fault> {
        let layout = config.cpu.layout(&source.allowed_cores);
        let count = layout.shards.len();
        // What starts from this thread stays on the ingest core, libzmq's threads too; shards
        // pin themselves. Unpinned it would all work, only less evenly.
        let _pinned = core_affinity::set_for_current(core_affinity::CoreId { id: layout.ingest });
        let descriptors = shard::raise_descriptor_limit();
        fabric::check_descriptors(descriptors, count)
            .map_err(|error| Fault::Descriptors(error.limit))?;
        shard::preflight(count)?;
        let listeners = listen(config.ws.listen, count)?;
        let sockets = shard::with_private_files(|| ingest::bind(config))?;
        let control = control::Control::open(config)?;
        let fabric = Arc::new(build_fabric(config, descriptors, count)?);

        let tower = Watchtower::default();
        let thread = |error: &dyn std::fmt::Display| Fault::Thread(error.to_string());
        let ingest = ingest::spawn(
            sockets,
            config,
            Arc::clone(&fabric),
            tower.watch(Core::Ingest),
        )
        .map_err(|error| thread(&error))?;
        let mut shards = Vec::new();
        for (index, listener) in listeners.into_iter().enumerate() {
            let options = ShardOptions {
                index,
                core: layout.shards[index],
                listener,
                config: Arc::clone(config),
                fabric: Arc::clone(&fabric),
                watch: tower.watch(Core::Shard(index)),
            };
            shards.push(Some(shard::spawn(options).map_err(|error| thread(&error))?));
        }
        let (gate, farewell) = control
            .spawn(
                Arc::clone(config),
                source,
                Arc::clone(&fabric),
                tower.watch(Core::Control),
            )
            .map_err(|error| thread(&error))?;
        let mut engine = Self {
            fabric,
            layout,
            descriptors,
            shards,
            notices: tower.notices,
            ingest,
            farewell,
        };
        engine.await_ready()?;
        gate.open(config)?;
        Ok(engine)
    }

    /// Waits until every core does its work. One that ends instead says why.
    fn await_ready(&mut self) -> Result<(), Fault> {
        let cores = self.shards.len() + 2;
        for _ in 0..cores {
            if let Ok(Notice::Ended(core)) = self.notices.recv() {
                return Err(self.fault_of(core).unwrap_or(Fault::Ended { core }));
            }
        }
        Ok(())
    }

    /// Waits until every shard has ended, then ends ingest. If any core fails, all end.
    pub fn join(mut self) -> Result<(), Fault> {
        let mut outcome = Ok(());
        while self.shards.iter().any(Option::is_some) {
            let Ok(Notice::Ended(core)) = self.notices.recv() else {
                continue; // Each core has a watch, so its end will come.
            };
            let fault = match core {
                Core::Shard(_) => self.fault_of(core),
                Core::Control | Core::Ingest => Some(Fault::Ended { core }),
            };
            if let Some(fault) = fault {
                self.fabric.order(&Order::Stop);
                outcome = outcome.and(Err(fault));
            }
        }
        self.fabric.submissions.close();
        if self.ingest.join().is_err() && outcome.is_ok() {
            outcome = Err(Fault::Ended { core: Core::Ingest });
        }
        self.farewell.wait();
        outcome
    }

    /// Joins a shard that has ended. `None`: it ended as it should.
    fn fault_of(&mut self, core: Core) -> Option<Fault> {
        let Core::Shard(index) = core else {
            return None;
        };
        let error = self.shards[index].take()?.join().err()?;
        Some(Fault::Shard { index, error })
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
    let list = |endpoints: &[Endpoint]| {
        let endpoints: Vec<_> = endpoints.iter().map(Endpoint::as_str).collect();
        match endpoints.as_slice() {
            [] => "off".to_owned(),
            endpoints => endpoints.join(", "),
        }
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
        own = fabric::own_descriptors(shards.len()),
    )
}

/// Runs the engine until it has drained.
pub fn run(config: Config, source: ConfigSource) -> Result<(), Fault> {
    let config = Arc::new(config);
    let engine = Engine::start(&config, source)?;
    control::notify::ready();
    // The greeting is a courtesy: a closed stdout is no reason to stop.
    let _ = writeln!(io::stdout(), "{}", screen(&engine, &config));
    engine.join()
}
