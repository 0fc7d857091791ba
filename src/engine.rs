//! Starts all threads, waits for their end, and reports why the engine could not run. Main thread.

use std::fmt::Display;
use std::io::{self, Write as _};
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::thread::JoinHandle;

use crossbeam_channel::Receiver;

use crate::config::{Config, ConfigSource, Endpoint, Layout};
use crate::fabric::{
    DescriptorBudget, Fabric, ShardRequest, ThreadEvent, ThreadMonitor, ThreadName,
    TooFewDescriptors,
};
use crate::host::port_owner::TakenBy;
use crate::ingest;
use crate::lifecycle::{ControlError, ControlThread};
use crate::liveness::service_manager;
use crate::load::Monitor;
use crate::metrics::{Sampler, statsd::StatsdExporter};
use crate::service::{ServiceCallHandler, ServiceThread};
use crate::shard::{self, Shard, ShardOptions};

/// Why the engine could not start or did not end as it should. The text names the remedy.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    #[error(transparent)]
    Preflight(#[from] shard::PreflightError),
    #[error(
        "ws.listen = {address}: {by}{}", offset_advice(*address)
    )]
    AddressTaken { address: SocketAddr, by: TakenBy },
    #[error("ws.listen = {address}: {error}")]
    Listen {
        address: SocketAddr,
        error: io::Error,
    },
    #[error(transparent)]
    Bind(#[from] ingest::BindError),
    #[error(transparent)]
    Control(#[from] ControlError),
    #[error("a thread could not be started: {0}")]
    Thread(String),
    #[error("shard {index} ended: {error}")]
    Shard { index: usize, error: String },
    #[error("the thread {thread} ended, which the process cannot run without; see the log above")]
    ThreadEnded { thread: ThreadName },
    #[error(transparent)]
    Descriptors(#[from] TooFewDescriptors),
}

/// Runs the engine until it has drained.
pub fn run(config: Config, source: ConfigSource) -> Result<(), EngineError> {
    let config = Arc::new(config);
    let engine = Engine::start(&config, source)?;
    tracing::info!("{}", config.exposure());
    service_manager::ready();
    // A closed stdout is no reason to stop.
    let _ = writeln!(io::stdout(), "{}", engine.summary(&config));
    let outcome = engine.join();
    if outcome.is_ok() {
        tracing::info!("the drain is complete; the process ends");
    }
    outcome
}

/// Returns the end of the message about a taken address: the advice for a second instance, if the
/// address is the default one.
fn offset_advice(address: SocketAddr) -> &'static str {
    if address == Config::default().ws.listen {
        ". `-s port_offset=100` moves all default ports, for a second fanfare on the host"
    } else {
        ""
    }
}

/// A running engine.
struct Engine {
    fabric: Arc<Fabric>,
    layout: Layout,
    descriptors: DescriptorBudget,
    /// By index; `None` after the shard has been joined.
    shards: Vec<Option<Shard>>,
    ingest: JoinHandle<()>,
    service: ServiceThread,
    events: Receiver<ThreadEvent>,
}

impl Engine {
    /// Checks the host, binds every address, starts the threads and waits until all are ready.
    fn start(config: &Arc<Config>, source: ConfigSource) -> Result<Self, EngineError> {
        let layout = config.cpu.layout(&source.allowed_cores);
        let shard_count = layout.shards.len();
        // Threads inherit this: ingest, control, service and those of libzmq. Shards pin
        // themselves. Without it the engine works too, but the load of the cores is less even.
        let _pinned = core_affinity::set_for_current(core_affinity::CoreId { id: layout.ingest });
        let limit = shard::raise_descriptor_limit();
        let requests = config.auth.hooks.requests();
        let descriptors = DescriptorBudget::new(limit, shard_count, requests);
        descriptors.check()?;
        shard::preflight(shard_count)?;
        let listeners = listen(config.ws.listen, shard_count)?;
        let sockets = shard::with_private_files(|| ingest::bind(config))?;
        let control = ControlThread::open(config, &source)?;
        let max_connections = descriptors.max_connections(config.ws.max_connections);
        let fabric = build_fabric(shard_count, max_connections)?;
        let fabric = Arc::new(fabric.with_user_limit(config.auth.user_connection_limit));

        let threads = ThreadMonitor::default();
        let guard = threads.guard(ThreadName::Ingest);
        let ingest =
            ingest::spawn(sockets, config, Arc::clone(&fabric), guard).map_err(thread_error)?;
        let shards = start_shards(listeners, &layout, config, &fabric, &threads)?;
        let monitor = Monitor::new(config, &layout, Arc::clone(&fabric));
        let sampler = Arc::new(Sampler::new(Arc::clone(&fabric)));
        let statsd =
            StatsdExporter::new(&config.statsd, Arc::clone(&sampler), Arc::clone(&monitor));
        let calls = ServiceCallHandler::new(config, Arc::clone(&fabric));
        let guard = threads.guard(ThreadName::Service);
        let service = ServiceThread::spawn(calls, statsd, guard).map_err(thread_error)?;
        let guard = threads.guard(ThreadName::Control);
        let agent_port = control
            .spawn(Arc::clone(config), source, sampler, monitor, guard)
            .map_err(thread_error)?;

        let mut engine = Self {
            fabric,
            layout,
            descriptors,
            shards,
            ingest,
            service,
            events: threads.events,
        };
        engine.await_ready()?;
        agent_port.open(config)?;
        Ok(engine)
    }

    /// Waits until every thread is ready. Fails if one ends instead.
    fn await_ready(&mut self) -> Result<(), EngineError> {
        const OTHER_THREADS: usize = 3; // ingest, service, control
        for _ in 0..self.shards.len() + OTHER_THREADS {
            // The channel is never disconnected: each thread holds a guard until it ends.
            if let Ok(ThreadEvent::Ended(thread)) = self.events.recv() {
                self.end_of(thread)?;
                return Err(EngineError::ThreadEnded { thread });
            }
        }
        Ok(())
    }

    /// Waits until every shard has ended, which is the end of a drain, then ends the other threads.
    /// If a thread fails, all shards are stopped.
    fn join(mut self) -> Result<(), EngineError> {
        let mut outcome = Ok(());
        while self.shards.iter().any(Option::is_some) {
            let Ok(event) = self.events.recv() else {
                break; // All threads have ended, since none holds a guard any more.
            };
            let ThreadEvent::Ended(thread) = event else {
                continue;
            };
            if let Err(error) = self.end_of(thread) {
                self.stop_shards();
                outcome = outcome.and(Err(error));
            }
        }
        self.fabric.submissions.close();
        if self.ingest.join().is_err() && outcome.is_ok() {
            let thread = ThreadName::Ingest;
            outcome = Err(EngineError::ThreadEnded { thread });
        }
        self.service.stop();
        outcome
    }

    /// Returns the result of a thread that has ended. Only shards may end while the engine runs.
    fn end_of(&mut self, thread: ThreadName) -> Result<(), EngineError> {
        let ThreadName::Shard(index) = thread else {
            return Err(EngineError::ThreadEnded { thread });
        };
        let Some(shard) = self.shards[index].take() else {
            return Ok(());
        };
        let result = shard.join();
        result.map_err(|error| EngineError::Shard { index, error })
    }

    fn stop_shards(&self) {
        if let Err(error) = self.fabric.request_all(|| ShardRequest::Stop) {
            tracing::error!("some shards cannot be stopped: {error}");
        }
    }

    /// Describes the running engine: addresses, cores, and the number of connections that fit.
    fn summary(&self, config: &Config) -> String {
        let endpoints = |endpoints: &[Endpoint]| {
            let endpoints: Vec<_> = endpoints.iter().map(Endpoint::as_str).collect();
            match endpoints.as_slice() {
                [] => "off".to_owned(),
                endpoints => endpoints.join(", "),
            }
        };
        let shards: Vec<_> = self.layout.shards.iter().map(usize::to_string).collect();
        let admin = match config.admin.listen {
            Some(address) => format!("http://{address}"),
            None => "off".to_owned(),
        };
        format!(
            "fanfare {version}\n\
             \x20 WebSocket   ws://{listen}/connection/websocket  /raw?topic=NAME  /health\n\
             \x20 publish     PUSH {pull}  PUB {sub}  REQ, DEALER {router}\n\
             \x20 admin       {admin}\n\
             \x20 cores       ingest and control {ingest}, shards {shards}\n\
             \x20 connections up to {connections} ({limit} descriptors, {reserved} kept back)",
            version = env!("CARGO_PKG_VERSION"),
            listen = config.ws.listen,
            pull = endpoints(&config.ingest.pull),
            sub = endpoints(&config.ingest.sub),
            router = endpoints(&config.ingest.router),
            ingest = self.layout.ingest,
            shards = shards.join(", "),
            connections = self.fabric.max_connections(),
            limit = self.descriptors.limit(),
            reserved = self.descriptors.reserved(),
        )
    }
}

/// Opens one listener per shard on the same address.
fn listen(address: SocketAddr, shards: usize) -> Result<Vec<TcpListener>, EngineError> {
    shard::listen(address, shards).map_err(|error| match error.kind() {
        io::ErrorKind::AddrInUse => EngineError::AddressTaken {
            address,
            by: TakenBy::find(Some(address)),
        },
        _ => EngineError::Listen { address, error },
    })
}

fn build_fabric(shards: usize, max_connections: usize) -> Result<Fabric, EngineError> {
    let wake = || shard::wake().map_err(thread_error);
    let shard_wakes = (0..shards).map(|_| wake()).collect::<Result<_, _>>()?;
    Ok(Fabric::new(shard_wakes, wake()?, max_connections))
}

fn start_shards(
    listeners: Vec<TcpListener>,
    layout: &Layout,
    config: &Arc<Config>,
    fabric: &Arc<Fabric>,
    threads: &ThreadMonitor,
) -> Result<Vec<Option<Shard>>, EngineError> {
    let mut shards = Vec::new();
    for (index, listener) in listeners.into_iter().enumerate() {
        let options = ShardOptions {
            index,
            core: layout.shards[index],
            listener,
            config: Arc::clone(config),
            fabric: Arc::clone(fabric),
            guard: threads.guard(ThreadName::Shard(index)),
        };
        shards.push(Some(shard::spawn(options).map_err(thread_error)?));
    }
    Ok(shards)
}

fn thread_error(error: impl Display) -> EngineError {
    EngineError::Thread(error.to_string())
}
