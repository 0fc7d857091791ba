//! Starts a target on its core, and aims the scenario at it.

use std::net::{SocketAddr, TcpStream};
use std::thread;
use std::time::{Duration, Instant};

use super::guard::Guarded;
use super::ports::Ports;
use super::{Cores, Name, Running, pin};
use crate::arguments::Common;
use crate::fault::Fault;

/// How long a server may take until it listens, and how often it is tried.
const PATIENCE: Duration = Duration::from_secs(10);
const INTERVAL: Duration = Duration::from_millis(10);

/// What a scenario runs against. Dropping it ends the server, if the load generator started it.
#[derive(Debug)]
pub struct Started {
    /// The command line, aimed at the server.
    pub common: Common,
    _server: Option<Guarded>,
}

/// Starts a target, or with `--url` aims at the running one, and pins the calling thread to the
/// core of the load generator.
pub fn start(
    common: &Common,
    name: Name,
    cores: Cores,
    ports: &mut Ports,
) -> Result<Started, Fault> {
    let (mut common, target) = (common.clone(), name.target());
    common.target = target;
    if common.url.is_some() {
        cores.own.map_or(Ok(()), pin)?;
        return Ok(Started {
            common,
            _server: None,
        });
    }
    // What a thread starts inherits its core.
    cores.server.map_or(Ok(()), pin)?;
    let running = target.start(&common, ports);
    cores.own.map_or(Ok(()), pin)?;
    let Running {
        server,
        clients,
        push,
        publishers,
        admin,
    } = running?;
    for address in [Some(clients), Some(publishers), admin]
        .into_iter()
        .flatten()
    {
        await_listening(name, &server, address)?;
    }
    common.url = Some(format!("ws://{clients}"));
    common.push = Some(push);
    common.pid = Some(server.pid());
    if let Some(admin) = admin {
        common.admin = admin.to_string();
    }
    Ok(Started {
        common,
        _server: Some(server),
    })
}

fn await_listening(name: Name, server: &Guarded, address: SocketAddr) -> Result<(), Fault> {
    let late = Instant::now() + PATIENCE;
    while TcpStream::connect(address).is_err() {
        if server.has_ended() || Instant::now() > late {
            return Err(Fault::Start(name.to_string()));
        }
        thread::sleep(INTERVAL);
    }
    Ok(())
}
