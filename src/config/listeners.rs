//! Finds sockets of the configuration that would listen on the same address, and sockets that other
//! hosts can reach. Used on the main thread at start and on the control thread at a reload.

use std::net::{IpAddr, SocketAddr};

use super::configuration::Config;
use super::contradiction::Contradiction;
use super::endpoint::{Endpoint, TcpHost, Transport};

/// A socket that the server binds.
struct Listener {
    key: &'static str,
    /// The address as it is shown in messages.
    text: String,
    address: BindAddress,
}

/// A bind address in a form that can be compared.
enum BindAddress {
    /// `ip` is `None` for every address of the host.
    Tcp { ip: Option<IpAddr>, port: u16 },
    /// The name of a host or interface, which libzmq resolves. Only equal names are compared.
    TcpName { name: String, port: u16 },
    /// The path or the name of a Unix socket.
    Unix(String),
}

/// Returns the sockets that would listen on the address of an earlier one.
pub(super) fn check(config: &Config) -> Vec<Contradiction> {
    let mut found = Vec::new();
    let listeners = listeners(config);
    for (index, second) in listeners.iter().enumerate() {
        let first = listeners[..index]
            .iter()
            .find(|first| first.address.conflicts_with(&second.address));
        if let Some(first) = first {
            found.push(Contradiction::SameAddress {
                first: first.key,
                second: second.key,
                address: second.text.clone(),
            });
        }
    }
    found
}

/// Returns key and address of every socket that other hosts can reach.
pub(super) fn reachable_from_other_hosts(config: &Config) -> Vec<String> {
    let listeners = listeners(config).into_iter();
    let reachable = listeners.filter(|listener| listener.address.is_reachable_from_other_hosts());
    let text = |Listener { key, text, .. }| format!("{key} = {text}");
    reachable.map(text).collect()
}

/// Returns whether other hosts can reach a socket that listens on `address`.
pub(super) fn is_reachable_from_other_hosts(address: SocketAddr) -> bool {
    BindAddress::of_ip(address.ip(), address.port()).is_reachable_from_other_hosts()
}

fn listeners(config: &Config) -> Vec<Listener> {
    let mut listeners = vec![Listener::of_address("ws.listen", config.ws.listen)];
    if let Some(address) = config.admin.listen {
        listeners.push(Listener::of_address("admin.listen", address));
    }
    if let Some(address) = config.agent.listen {
        listeners.push(Listener::of_address("agent.listen", address));
    }
    let ingest = &config.ingest;
    for (key, endpoints) in [
        ("ingest.pull", &ingest.pull),
        ("ingest.sub", &ingest.sub),
        ("ingest.router", &ingest.router),
    ] {
        for endpoint in endpoints {
            listeners.push(Listener::of_endpoint(key, endpoint));
        }
    }
    listeners
}

impl Listener {
    fn of_address(key: &'static str, address: SocketAddr) -> Self {
        Self {
            key,
            text: address.to_string(),
            address: BindAddress::of_ip(address.ip(), address.port()),
        }
    }

    fn of_endpoint(key: &'static str, endpoint: &Endpoint) -> Self {
        let address = match endpoint.transport() {
            Transport::Tcp { host, port } => match host {
                TcpHost::Any => BindAddress::Tcp {
                    ip: None,
                    port: *port,
                },
                TcpHost::Address(ip) => BindAddress::of_ip(*ip, *port),
                TcpHost::Name(name) => BindAddress::TcpName {
                    name: name.clone(),
                    port: *port,
                },
            },
            Transport::IpcFile(_) | Transport::IpcAbstract(_) => {
                BindAddress::Unix(endpoint.to_string())
            }
        };
        Self {
            key,
            text: endpoint.to_string(),
            address,
        }
    }
}

impl BindAddress {
    fn of_ip(ip: IpAddr, port: u16) -> Self {
        let ip = Some(ip).filter(|ip| !ip.is_unspecified());
        Self::Tcp { ip, port }
    }

    fn is_reachable_from_other_hosts(&self) -> bool {
        match self {
            Self::Tcp { ip, .. } => ip.is_none_or(|ip| !ip.to_canonical().is_loopback()),
            Self::TcpName { name, .. } => name != "localhost",
            Self::Unix(_) => false,
        }
    }

    /// Returns whether the two addresses cannot be bound at the same time. The kernel chooses a
    /// different port each time for port 0.
    fn conflicts_with(&self, other: &Self) -> bool {
        match (self, other) {
            (
                Self::Tcp { ip, port },
                Self::Tcp {
                    ip: other_ip,
                    port: other_port,
                },
            ) => {
                let is_same_ip = ip.is_none() || other_ip.is_none() || ip == other_ip;
                *port != 0 && port == other_port && is_same_ip
            }
            (
                Self::TcpName { name, port },
                Self::TcpName {
                    name: other_name,
                    port: other_port,
                },
            ) => *port != 0 && port == other_port && name == other_name,
            (Self::Unix(name), Self::Unix(other_name)) => name == other_name,
            _ => false,
        }
    }
}
