//! Whether the configured addresses are free, and if not, who has them.

use std::collections::HashSet;
use std::fs;
use std::io::ErrorKind;
use std::net::{SocketAddr, TcpListener};

use fanfare::config::Config;

use super::knob::Verdict;
use super::report::Finding;

/// The state column of a listening socket in /proc/net/tcp.
const LISTEN: &str = "0A";

/// The addresses that `serve` would bind, each with the key that says so.
pub(super) fn configured(config: &Config) -> Vec<(&'static str, SocketAddr)> {
    let ingest = &config.ingest;
    let endpoints = [
        ("ingest.pull", &ingest.pull),
        ("ingest.sub", &ingest.sub),
        ("ingest.router", &ingest.router),
    ];
    let endpoints = endpoints.into_iter().flat_map(|(key, list)| {
        list.iter()
            .filter_map(move |endpoint| Some((key, address(endpoint)?)))
    });
    let http = [
        ("ws.listen", Some(config.ws.listen)),
        ("admin.listen", config.admin.listen),
    ];
    let http = http
        .into_iter()
        .filter_map(|(key, address)| Some((key, address?)));
    http.chain(endpoints).collect()
}

/// The address of a `tcp://` endpoint; interface names and `ipc://` are left to libzmq.
fn address(endpoint: &str) -> Option<SocketAddr> {
    let rest = endpoint.strip_prefix("tcp://")?;
    rest.replacen("*:", "0.0.0.0:", 1)
        .replace(":*", ":0")
        .parse()
        .ok()
}

/// Whether the address of this key can be bound now.
pub(super) fn free(key: &'static str, address: SocketAddr) -> Finding {
    let (verdict, found) = match TcpListener::bind(address) {
        Ok(_) => (Verdict::Fine, "free".into()),
        Err(error) if error.kind() == ErrorKind::AddrInUse => {
            let owner = owner(address.port());
            (
                Verdict::Blocks,
                owner.map_or_else(|| "taken".into(), |who| format!("taken by {who}")),
            )
        }
        Err(error) => (Verdict::Blocks, error.to_string()),
    };
    Finding {
        name: key,
        verdict,
        found: format!("{address} is {found}"),
        wanted: "free, unless fanfare runs already".into(),
        formula: "free",
        source: "bind(2)",
        why: "Two processes cannot listen on the same address.",
        fix: format!("stop what listens there, or set {key} to another address"),
    }
}

/// Name and process id of who listens on `port`, as far as this user may look.
fn owner(port: u16) -> Option<String> {
    let sockets: HashSet<String> = ["/proc/net/tcp", "/proc/net/tcp6"]
        .iter()
        .filter_map(|path| fs::read_to_string(path).ok())
        .flat_map(|table| listeners(&table, port))
        .collect();
    for process in fs::read_dir("/proc").ok()?.flatten() {
        let descriptors = fs::read_dir(process.path().join("fd"))
            .into_iter()
            .flatten()
            .flatten();
        let mut links = descriptors.filter_map(|descriptor| fs::read_link(descriptor.path()).ok());
        if links.any(|link| link.to_str().is_some_and(|link| sockets.contains(link))) {
            let name = fs::read_to_string(process.path().join("comm")).unwrap_or_default();
            return Some(format!(
                "{}, pid {}",
                name.trim(),
                process.file_name().display()
            ));
        }
    }
    None
}

/// The sockets that listen on `port`, written as links in /proc/PID/fd show them.
fn listeners(table: &str, port: u16) -> Vec<String> {
    let local = format!(":{port:04X}");
    let rows = table
        .lines()
        .map(|line| line.split_whitespace().collect::<Vec<_>>());
    rows.filter(|row| row.len() > 9 && row[1].ends_with(&local) && row[3] == LISTEN)
        .map(|row| format!("socket:[{}]", row[9]))
        .collect()
}
