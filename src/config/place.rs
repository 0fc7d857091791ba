//! Where sockets bind, comparably: addresses and ZeroMQ endpoints. Pure.

use std::net::{IpAddr, SocketAddr};

use crate::limits;

/// Where a socket binds.
pub(super) struct Place {
    pub(super) name: String,
    /// `None`: an `ipc://` path, which is the name.
    tcp: Option<(Option<IpAddr>, u16)>,
}

impl Place {
    /// The place of a bound address.
    pub(super) fn of(address: SocketAddr) -> Self {
        let ip = Some(address.ip()).filter(|ip| !ip.is_unspecified());
        Self {
            name: address.to_string(),
            tcp: Some((ip, address.port())),
        }
    }

    /// A ZeroMQ endpoint that can be bound: `tcp://127.0.0.1:5560`, `tcp://*:5560`, `ipc:///path`.
    pub(super) fn parse(endpoint: &str) -> Result<Self, &'static str> {
        if let Some(path) = endpoint.strip_prefix("ipc://") {
            return match path.len() {
                0 => Err("has no path"),
                bytes if bytes > limits::IPC_PATH_BYTES => Err("is too long for a Unix socket"),
                _ => Ok(Self {
                    name: endpoint.into(),
                    tcp: None,
                }),
            };
        }
        let rest = endpoint
            .strip_prefix("tcp://")
            .ok_or("is neither tcp:// nor ipc://")?;
        let (host, port) = rest.rsplit_once(':').ok_or("has no port")?;
        let port = if port == "*" { "0" } else { port };
        let port = port.parse().map_err(|_| "has a port that is none")?;
        let host = host.trim_start_matches('[').trim_end_matches(']');
        let ip = match host {
            "" => return Err("has no host; `*` is every address"),
            "*" => None,
            // libzmq resolves interface names, `localhost` too; only equal names are compared.
            name => match name.parse::<IpAddr>() {
                Ok(ip) => Some(ip).filter(|ip| !ip.is_unspecified()),
                Err(_) => {
                    return Ok(Self {
                        name: endpoint.into(),
                        tcp: None,
                    });
                }
            },
        };
        Ok(Self {
            name: rest.into(),
            tcp: Some((ip, port)),
        })
    }

    /// Whether both cannot be bound at once. Port 0 is a fresh one each time.
    pub(super) fn meets(&self, other: &Self) -> bool {
        match (self.tcp, other.tcp) {
            (Some((_, 0)), _) | (_, Some((_, 0))) => false,
            (Some((one, port)), Some((two, same))) => {
                port == same && (one.is_none() || two.is_none() || one == two)
            }
            _ => self.name == other.name,
        }
    }
}
