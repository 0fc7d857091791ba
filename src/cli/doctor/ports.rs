//! Checks whether the addresses are free, and otherwise which process uses them.

use std::io::ErrorKind;
use std::net::{SocketAddr, TcpListener};

use fanfare::admin_client::AdminClient;
use fanfare::host::port_owner::PortOwner;

use super::finding::Finding;
use super::knob::Verdict;
use crate::cli::node_address::loopback;

/// Whether an address can be bound.
enum State {
    Free,
    /// The process is `None` if this user may not see it.
    Taken(Option<PortOwner>),
    Unusable(String),
}

/// An address that `serve` would bind.
struct Address {
    key: &'static str,
    bound_to: SocketAddr,
    state: State,
}

/// Checks whether addresses, each with its key, can be bound. The first one is `ws.listen`. If a
/// running fanfare has all of them, there is one finding.
pub(super) fn check(configured: &[(&'static str, SocketAddr)]) -> Vec<Finding> {
    let addresses: Vec<_> = configured
        .iter()
        .map(|(key, address)| Address {
            key,
            bound_to: *address,
            state: State::of(*address),
        })
        .collect();
    match running_server(&addresses) {
        Some(server) => vec![running(&server, addresses.len())],
        None => addresses.iter().map(Address::finding).collect(),
    }
}

/// Returns the fanfare that has all addresses, if there is one.
fn running_server(addresses: &[Address]) -> Option<String> {
    let mut owners = Vec::new();
    for address in addresses {
        let State::Taken(owner) = &address.state else {
            return None;
        };
        owners.push(owner);
    }
    let first = *owners.first()?;
    if owners.iter().any(|owner| *owner != first) {
        return None;
    }
    match first {
        Some(process) if process.name == "fanfare" => Some(process.to_string()),
        Some(_) => None,
        None => answers_as_fanfare(addresses.first()?.bound_to)
            .then(|| "a fanfare of another user".into()),
    }
}

/// Returns whether the port for clients is that of a fanfare, which answers `GET /` with its name.
fn answers_as_fanfare(address: SocketAddr) -> bool {
    let client = AdminClient::new(&loopback(address).to_string(), None);
    let response = client.and_then(|client| client.request("GET", "/"));
    response.is_ok_and(|response| response.body.contains("fanfare"))
}

fn running(server: &str, addresses: usize) -> Finding {
    Finding {
        name: "running server",
        verdict: Verdict::Fine,
        found: format!("{server}, listens on all {addresses} addresses"),
        wanted: "all addresses free, or used by one fanfare".into(),
        formula: "free, or used by one fanfare",
        source: "bind(2)",
        why: "Two processes cannot listen on the same address.",
        fix: "for a second fanfare on this host, set port_offset, for example to 100".into(),
    }
}

impl State {
    fn of(address: SocketAddr) -> Self {
        match TcpListener::bind(address) {
            Ok(_) => Self::Free,
            Err(error) if error.kind() == ErrorKind::AddrInUse => {
                Self::Taken(PortOwner::of(address))
            }
            Err(error) => Self::Unusable(error.to_string()),
        }
    }
}

impl Address {
    fn finding(&self) -> Finding {
        let (verdict, found) = match &self.state {
            State::Free => (Verdict::Fine, "free".into()),
            State::Taken(Some(owner)) => (Verdict::Blocks, format!("taken by {owner}")),
            State::Taken(None) => (Verdict::Blocks, "taken".into()),
            State::Unusable(error) => (Verdict::Blocks, error.clone()),
        };
        let (key, address) = (self.key, self.bound_to);
        Finding {
            name: key,
            verdict,
            found: format!("{address} is {found}"),
            wanted: "free".into(),
            formula: "free",
            source: "bind(2)",
            why: "Two processes cannot listen on the same address.",
            fix: format!(
                "stop what listens there, set {key} to another address, or set port_offset, for \
                 example to 100"
            ),
        }
    }
}
