//! The thread beside the data path: signals, and the operators' HTTP port. Ingest core.
//!
//! ```text
//! signals      drain, stop, reload
//! reload       a new configuration for running cores, as far as it can change live
//! admin        the HTTP server: who may ask, how many at once
//! routes       what it answers
//! publish      publications over HTTP
//! connections  those with the most pending
//! load         how full the node is: weight, advice, shares of connections
//! agent        what `HAProxy` is told of it
//! sampler      reads all counters at an interval
//! window       what happened in the last ten seconds
//! metrics      counters and histograms as OpenMetrics
//! stats        the same as JSON
//! statsd       the same to a statsd, over UDP
//! notify       what the service manager is told
//! watchdog     tells it that every core works, as far as canaries come back
//! vigil        what that takes: the judgement, without IO
//! canary       a connection to a shard that carries canaries
//! process      what the kernel says of the process
//! log          log lines and their level
//! client       the other end of the admin port, for the programs that ask it
//! ```
//!
//! It reads what the cores publish and hands them orders; it never makes one of them wait.

mod admin;
mod agent;
mod canary;
pub mod client;
mod connections;
mod load;
pub mod log;
mod metrics;
pub mod notify;
mod process;
mod publish;
mod reload;
mod routes;
mod sampler;
mod signals;
mod stats;
mod statsd;
mod vigil;
mod watchdog;
mod window;

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::thread;

use crossbeam_channel::Receiver;
use tokio::runtime::{Builder, Runtime};
use tokio::sync::oneshot;

use crate::config::{Config, ConfigSource};
use crate::fabric::{Fabric, Watch};
use crate::limits;

/// A port could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum Fault {
    #[error("{key} = {address}: the address is taken; choose another, or off")]
    Taken {
        key: &'static str,
        address: SocketAddr,
    },
    #[error("{key} = {address}: {error}")]
    Listen {
        key: &'static str,
        address: SocketAddr,
        error: io::Error,
    },
    #[error("the control thread could not be started: {0}")]
    Thread(io::Error),
}

/// The agent's port before it is open.
pub struct Gate(oneshot::Sender<TcpListener>);

impl Gate {
    /// Opens the port, now that every core does its work: from here on load balancers are told.
    pub fn open(self, config: &Config) -> Result<(), Fault> {
        if let Some(address) = config.agent.listen {
            // A control thread that has ended gave its own notice.
            let _ = self.0.send(open("agent.listen", address)?);
        }
        Ok(())
    }
}

/// The control thread before its start: the admin port is open, signals are held.
pub struct Control {
    runtime: Runtime,
    signals: signals::Signals,
    listener: Option<TcpListener>,
}

/// The control thread's last word, held by the main thread until all else has ended.
pub struct Farewell {
    wanted: oneshot::Sender<()>,
    said: Receiver<()>,
}

impl Farewell {
    /// Lets control send what it has counted up to now; waits for it, but not for long.
    pub fn wait(self) {
        drop(self.wanted);
        // Control drops its end when it has done or has nothing to do; no word is ever sent.
        let _ = self.said.recv_timeout(limits::STATSD_FINAL_FLUSH_TIMEOUT);
    }
}

impl Control {
    /// Opens the admin port and takes the signals over.
    pub fn open(config: &Config) -> Result<Self, Fault> {
        let listener = config.admin.listen;
        let listener = listener.map(|address| open("admin.listen", address));
        let listener = listener.transpose()?;
        let runtime = Builder::new_current_thread().enable_all().build();
        let runtime = runtime.map_err(Fault::Thread)?;
        let signals = {
            let _entered = runtime.enter();
            signals::Signals::install().map_err(Fault::Thread)?
        };
        Ok(Self {
            runtime,
            signals,
            listener,
        })
    }

    /// Starts the control thread, on the core of the thread that calls. It ends with the process.
    pub fn spawn(
        self,
        config: Arc<Config>,
        source: ConfigSource,
        fabric: Arc<Fabric>,
        watch: Watch,
    ) -> io::Result<(Gate, Farewell)> {
        let Self {
            runtime,
            signals,
            listener,
        } = self;
        let layout = config.cpu.layout(&source.allowed_cores);
        let (gate, agent) = oneshot::channel();
        let (wanted, end) = oneshot::channel();
        let (done, said) = crossbeam_channel::bounded(0);
        let run = async move {
            let monitor = load::Monitor::new(&config, &layout, Arc::clone(&fabric));
            tokio::spawn(Arc::clone(&monitor).run());
            watch.ready();
            let sampler = Arc::new(sampler::Sampler::new(Arc::clone(&fabric)));
            tokio::spawn(Arc::clone(&sampler).run());
            if let Some(listener) = listener {
                let admin = admin::Admin::new(&config, Arc::clone(&sampler), Arc::clone(&monitor));
                tokio::spawn(admin.serve(listener));
            }
            if let Some(push) = statsd::Push::new(&config.statsd, sampler, Arc::clone(&monitor)) {
                tokio::spawn(push.run(end, done));
            } else {
                drop(done);
            }
            tokio::spawn(notify::report(Arc::clone(&fabric)));
            if let Some(watchdog) = watchdog::Watchdog::wanted(&fabric) {
                tokio::spawn(watchdog.run());
            }
            let told = Arc::clone(&monitor);
            tokio::spawn(async move {
                if let Ok(listener) = agent.await {
                    agent::serve(listener, told).await;
                }
            });
            let reload = reload::Reload::new(config, source, Arc::clone(&fabric), monitor);
            signals.act(reload, &fabric).await;
        };
        let thread = thread::Builder::new().name("control".into());
        thread.spawn(move || runtime.block_on(run))?;
        Ok((Gate(gate), Farewell { wanted, said }))
    }
}

fn open(key: &'static str, address: SocketAddr) -> Result<TcpListener, Fault> {
    let fault = |error: io::Error| match error.kind() {
        io::ErrorKind::AddrInUse => Fault::Taken { key, address },
        _ => Fault::Listen {
            key,
            address,
            error,
        },
    };
    let listener = TcpListener::bind(address).map_err(fault)?;
    listener.set_nonblocking(true).map_err(fault)?;
    Ok(listener)
}
