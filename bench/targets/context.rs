//! The server under test: starts it on its core, or connects to a running one. Main thread.

use std::net::{SocketAddr, TcpStream};
use std::thread;
use std::time::{Duration, Instant};

use crate::affinity;
use crate::error::BenchError;
use crate::options::CommonOptions;
use crate::publishing::address::PublisherAddress;
use crate::publishing::connection::PublisherConnection;
use crate::report::process::Process;
use crate::targets::baseline::BaselineTarget;
use crate::targets::cores::CoreAssignment;
use crate::targets::fanfare::Fanfare;
use crate::targets::guard::GuardedServer;
use crate::targets::name::TargetName;
use crate::targets::nats::Nats;
use crate::targets::nchan::Nchan;
use crate::targets::ports::PortAllocator;
use crate::targets::pushpin::Pushpin;
use crate::targets::target::{StartedServer, Target};

/// Maximum time until a server listens, and the interval of the attempts to connect.
const START_TIMEOUT: Duration = Duration::from_secs(10);
const START_INTERVAL: Duration = Duration::from_millis(10);

/// The options of a run and the server that it measures. Dropping it ends the server if the load
/// generator started it.
#[derive(Debug)]
pub struct RunContext {
    pub options: CommonOptions,
    pub target: &'static dyn Target,
    /// Where WebSocket clients connect.
    pub clients: SocketAddr,
    pub publishers: PublisherAddress,
    /// The admin port, HOST:PORT.
    pub admin: String,
    /// The process of the server, if it is known.
    pub server: Option<Process>,
    /// Held only for its `Drop`.
    _guard: Option<GuardedServer>,
}

impl RunContext {
    /// Describes the running server of `--url`.
    pub fn of_running_server(
        options: &CommonOptions,
        name: &TargetName,
    ) -> Result<Self, BenchError> {
        Ok(Self {
            options: options.clone(),
            target: target(name),
            clients: options.url_address()?,
            publishers: PublisherAddress {
                endpoint: options.push.clone(),
                acknowledged: options.acknowledged,
            },
            admin: options.admin.clone(),
            server: options.pid.map(Process::new).transpose()?,
            _guard: None,
        })
    }

    /// Opens a connection for publications.
    pub fn connect_publisher(&self) -> Result<PublisherConnection, BenchError> {
        self.target.connect_publisher(&self.publishers)
    }
}

/// Starts a server, or describes the running one of `--url`, and pins the calling thread to the
/// core of the load generator.
pub fn start(
    options: &CommonOptions,
    name: &TargetName,
    cores: CoreAssignment,
    ports: &mut PortAllocator,
) -> Result<RunContext, BenchError> {
    if options.url.is_some() {
        cores.generator.map_or(Ok(()), affinity::pin)?;
        return RunContext::of_running_server(options, name);
    }
    let mut options = options.clone();
    if let TargetName::Build(path) = name {
        options.server = Some(path.clone());
    }
    let target = target(name);
    // Processes and threads inherit the core of the thread that starts them.
    cores.server.map_or(Ok(()), affinity::pin)?;
    let started = target.start(&options, ports);
    cores.generator.map_or(Ok(()), affinity::pin)?;
    let StartedServer {
        server,
        clients,
        push,
        publishers,
        admin,
    } = started?;
    for address in [Some(clients), Some(publishers), admin]
        .into_iter()
        .flatten()
    {
        await_listening(name, &server, address)?;
    }
    let publishers = PublisherAddress {
        endpoint: Some(push),
        acknowledged: options.acknowledged,
    };
    let admin = admin.map_or_else(|| options.admin.clone(), |address| address.to_string());
    Ok(RunContext {
        options,
        target,
        clients,
        publishers,
        admin,
        server: Some(Process::new(server.pid())?),
        _guard: Some(server),
    })
}

/// Returns the implementation of a named server.
fn target(name: &TargetName) -> &'static dyn Target {
    match name {
        TargetName::Fanfare | TargetName::Build(_) => &Fanfare,
        TargetName::Baseline => &BaselineTarget::Stream,
        TargetName::BaselineZeroMq => &BaselineTarget::ZeroMq,
        TargetName::Nats => &Nats,
        TargetName::Nchan => &Nchan,
        TargetName::Pushpin => &Pushpin,
    }
}

/// Waits until the server accepts connections on an address. Fails if the server ends or does not
/// listen in time.
fn await_listening(
    name: &TargetName,
    server: &GuardedServer,
    address: SocketAddr,
) -> Result<(), BenchError> {
    let deadline = Instant::now() + START_TIMEOUT;
    while TcpStream::connect(address).is_err() {
        if server.has_ended() || Instant::now() > deadline {
            return Err(BenchError::Start(name.to_string()));
        }
        thread::sleep(START_INTERVAL);
    }
    Ok(())
}
