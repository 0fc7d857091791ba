//! Checks whether an address is free, and otherwise which process uses it.

use std::collections::HashSet;
use std::fs;
use std::io::ErrorKind;
use std::net::{SocketAddr, TcpListener};

use super::finding::Finding;
use super::knob::Verdict;

/// Columns of /proc/net/tcp (proc(5)): local address and port, state, and inode of the socket.
const LOCAL_ADDRESS: usize = 1;
const STATE: usize = 3;
const INODE: usize = 9;

/// The state of a listening socket in /proc/net/tcp.
const LISTEN: &str = "0A";

/// Checks whether the address of `key` can be bound.
pub(super) fn check(key: &'static str, address: SocketAddr) -> Finding {
    let (verdict, found) = match TcpListener::bind(address) {
        Ok(_) => (Verdict::Fine, "free".into()),
        Err(error) if error.kind() == ErrorKind::AddrInUse => {
            let found = match owner(address.port()) {
                Some(owner) => format!("taken by {owner}"),
                None => "taken".into(),
            };
            (Verdict::Blocks, found)
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

/// Returns the name and the id of the process that listens on `port`, if this user may see it.
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

/// Returns the sockets that listen on `port`, in the form of the links in /proc/PID/fd.
fn listeners(table: &str, port: u16) -> Vec<String> {
    let local = format!(":{port:04X}");
    let rows = table
        .lines()
        .map(|line| line.split_whitespace().collect::<Vec<_>>());
    rows.filter(|row| row.len() > INODE)
        .filter(|row| row[LOCAL_ADDRESS].ends_with(&local) && row[STATE] == LISTEN)
        .map(|row| format!("socket:[{}]", row[INODE]))
        .collect()
}
