//! ZeroMQ endpoints that a socket binds. Parsed when the configuration is read, used by the ingest
//! thread.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};

use crate::limits;

/// A ZeroMQ endpoint: `tcp://127.0.0.1:5560`, `tcp://*:5560` or `ipc:///path`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endpoint {
    /// The endpoint as the operator wrote it. libzmq receives this text.
    text: String,
    transport: Transport,
}

/// The transport of an endpoint with its address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Transport {
    /// Port 0, written as `0` or `*`: the kernel chooses a port.
    Tcp { host: TcpHost, port: u16 },
    /// A Unix socket with a file.
    IpcFile(PathBuf),
    /// A Unix socket in the abstract namespace of Linux (`unix(7)`), written `ipc://@name`.
    IpcAbstract(String),
}

/// The host of a TCP endpoint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TcpHost {
    /// Every address of the host, written `*`.
    Any,
    Address(IpAddr),
    /// The name of a host or of a network interface, which libzmq resolves.
    Name(String),
}

impl Endpoint {
    /// Parses an endpoint. The error completes the sentence "the endpoint ...".
    pub(super) fn parse(text: &str) -> Result<Self, &'static str> {
        let transport = if let Some(path) = text.strip_prefix("ipc://") {
            parse_ipc(path)?
        } else if let Some(rest) = text.strip_prefix("tcp://") {
            parse_tcp(rest)?
        } else {
            return Err("is neither tcp:// nor ipc://; fanfare supports only these transports");
        };
        Ok(Self {
            text: text.into(),
            transport,
        })
    }

    /// Returns `tcp://127.0.0.1:PORT`.
    pub(super) fn loopback(port: u16) -> Self {
        let host = TcpHost::Address(IpAddr::V4(Ipv4Addr::LOCALHOST));
        Self {
            text: format!("tcp://127.0.0.1:{port}"),
            transport: Transport::Tcp { host, port },
        }
    }

    /// Returns the endpoint as the operator wrote it.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    pub fn transport(&self) -> &Transport {
        &self.transport
    }

    /// Returns the file of a Unix socket. Other endpoints have no file.
    pub fn socket_file(&self) -> Option<&Path> {
        match &self.transport {
            Transport::IpcFile(path) => Some(path),
            Transport::Tcp { .. } | Transport::IpcAbstract(_) => None,
        }
    }

    /// Returns the address of a TCP endpoint if it is known without resolving a name.
    pub fn socket_address(&self) -> Option<SocketAddr> {
        match &self.transport {
            Transport::Tcp { host, port } => match host {
                TcpHost::Any => Some(SocketAddr::from((Ipv4Addr::UNSPECIFIED, *port))),
                TcpHost::Address(ip) => Some(SocketAddr::new(*ip, *port)),
                TcpHost::Name(_) => None,
            },
            Transport::IpcFile(_) | Transport::IpcAbstract(_) => None,
        }
    }

    /// Returns whether other hosts may be able to connect.
    pub(super) fn is_reachable_from_other_hosts(&self) -> bool {
        match &self.transport {
            Transport::Tcp { host, .. } => match host {
                TcpHost::Any => true,
                TcpHost::Address(ip) => !ip.is_loopback(),
                TcpHost::Name(name) => name != "localhost",
            },
            Transport::IpcFile(_) | Transport::IpcAbstract(_) => false,
        }
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.text)
    }
}

fn parse_ipc(path: &str) -> Result<Transport, &'static str> {
    if path.is_empty() {
        return Err("has no path; write it as ipc:///run/fanfare/pull");
    }
    if path.len() > limits::IPC_PATH_BYTES {
        return Err("is too long for a Unix socket; use a shorter path");
    }
    Ok(match path.strip_prefix('@') {
        Some(name) => Transport::IpcAbstract(name.into()),
        None => Transport::IpcFile(path.into()),
    })
}

fn parse_tcp(rest: &str) -> Result<Transport, &'static str> {
    let (host, port) = rest
        .rsplit_once(':')
        .ok_or("has no port; write it as tcp://127.0.0.1:5560")?;
    let port = match port {
        "*" => 0,
        number => number
            .parse()
            .map_err(|_| "has an invalid port; write a number up to 65535")?,
    };
    let host = match host.trim_start_matches('[').trim_end_matches(']') {
        "" => return Err("has no host; `*` means every address"),
        "*" => TcpHost::Any,
        name => match name.parse() {
            Ok(ip) => TcpHost::Address(ip),
            Err(_) => TcpHost::Name(name.into()),
        },
    };
    Ok(Transport::Tcp { host, port })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn endpoints_are_displayed_as_they_were_written() {
        for text in [
            "tcp://127.0.0.1:5560",
            "tcp://*:05560",
            "tcp://[::1]:*",
            "tcp://eth0:5560",
            "ipc:///run/fanfare/pull",
            "ipc://@abstract",
        ] {
            let endpoint = Endpoint::parse(text).expect("the endpoint is valid");
            assert_eq!(endpoint.to_string(), text);
        }
        assert_eq!(
            Endpoint::parse("tcp://127.0.0.1:5560"),
            Ok(Endpoint::loopback(5560))
        );
    }

    #[test]
    fn addresses_and_files_are_known() {
        let endpoint = |text| Endpoint::parse(text).expect("the endpoint is valid");
        let address = |text| endpoint(text).socket_address().map(|it| it.to_string());
        assert_eq!(address("tcp://*:5560").as_deref(), Some("0.0.0.0:5560"));
        assert_eq!(address("tcp://[::1]:*").as_deref(), Some("[::1]:0"));
        assert_eq!(address("tcp://eth0:5560"), None);
        assert_eq!(address("ipc:///run/pull"), None);
        let file = |text| endpoint(text).socket_file().map(Path::to_owned);
        assert_eq!(file("ipc:///run/pull"), Some("/run/pull".into()));
        assert_eq!(file("ipc://@pull"), None);
    }

    #[test]
    fn loopback_and_unix_sockets_are_not_reachable_from_other_hosts() {
        let reachable = |text| {
            Endpoint::parse(text)
                .expect("the endpoint is valid")
                .is_reachable_from_other_hosts()
        };
        for text in [
            "tcp://127.0.0.2:1",
            "tcp://localhost:1",
            "tcp://[::1]:1",
            "ipc:///a",
        ] {
            assert!(!reachable(text), "{text}");
        }
        for text in ["tcp://*:1", "tcp://0.0.0.0:1", "tcp://eth0:1"] {
            assert!(reachable(text), "{text}");
        }
    }
}
