//! The process that listens on a TCP address, from /proc. Any thread; it reads the descriptors of
//! all processes, which may take a second, so it is for messages about errors only.

use std::collections::HashSet;
use std::fmt;
use std::fs;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

/// Columns of /proc/net/tcp (`proc_pid_net(5)`): local address and port, state, and inode of the
/// socket.
const LOCAL_ADDRESS: usize = 1;
const STATE: usize = 3;
const INODE: usize = 9;

/// The state of a listening socket in /proc/net/tcp.
const LISTEN: &str = "0A";

/// A process that listens on an address. `Display` is its name and its process id.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PortOwner {
    /// The name of its program, at most 15 bytes.
    pub name: String,
    pub pid: String,
}

/// The process that has taken an address, or `None` if this user may not see it. `Display` is the
/// end of a message about the address: the fault and its remedy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TakenBy(Option<PortOwner>);

impl PortOwner {
    /// Returns the process that listens on the address, or on one that contains it. `None` if this
    /// user may not see the process, or there is none.
    pub fn of(address: SocketAddr) -> Option<Self> {
        let sockets: HashSet<String> = ["/proc/net/tcp", "/proc/net/tcp6"]
            .iter()
            .filter_map(|path| fs::read_to_string(path).ok())
            .flat_map(|table| listeners(&table, address))
            .collect();
        for process in fs::read_dir("/proc").ok()?.flatten() {
            let pid = process.file_name().display().to_string();
            if pid.parse::<u32>().is_err() {
                continue; // Such as `self`, which is this process under another name.
            }
            let descriptors = fs::read_dir(process.path().join("fd"))
                .into_iter()
                .flatten()
                .flatten();
            let mut links =
                descriptors.filter_map(|descriptor| fs::read_link(descriptor.path()).ok());
            if links.any(|link| link.to_str().is_some_and(|link| sockets.contains(link))) {
                let name = fs::read(process.path().join("comm")).unwrap_or_default();
                return Some(Self {
                    name: String::from_utf8_lossy(&name).trim().into(),
                    pid,
                });
            }
        }
        None
    }
}

impl fmt::Display for PortOwner {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}, pid {}", self.name, self.pid)
    }
}

impl TakenBy {
    /// Finds the process that has taken an address. `None` stands for an address that is no TCP
    /// address, or not known as one.
    pub fn find(address: Option<SocketAddr>) -> Self {
        Self(address.and_then(PortOwner::of))
    }
}

impl fmt::Display for TakenBy {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Some(owner) => write!(
                out,
                "the address is taken by {owner}; stop that process or choose another address"
            ),
            None => out.write_str(
                "the address is taken; stop the process that listens there (`sudo ss -tlnp` names \
                 it) or choose another address",
            ),
        }
    }
}

/// Returns the sockets that listen on the address, in the form of the links in /proc/PID/fd.
fn listeners(table: &str, address: SocketAddr) -> Vec<String> {
    let rows = table
        .lines()
        .map(|line| line.split_whitespace().collect::<Vec<_>>());
    rows.filter(|row| row.len() > INODE && row[STATE] == LISTEN)
        .filter(|row| parse(row[LOCAL_ADDRESS]).is_some_and(|local| overlap(local, address)))
        .map(|row| format!("socket:[{}]", row[INODE]))
        .collect()
}

/// Returns whether two sockets cannot listen on both addresses.
fn overlap(first: SocketAddr, second: SocketAddr) -> bool {
    let is_every = |address: SocketAddr| address.ip().is_unspecified();
    let same_ip = first.ip().to_canonical() == second.ip().to_canonical();
    first.port() == second.port() && (same_ip || is_every(first) || is_every(second))
}

/// Parses an address of /proc/net/tcp: the kernel prints the memory of an address as numbers of 32
/// bits, and the port, all in hexadecimal digits.
fn parse(text: &str) -> Option<SocketAddr> {
    let (ip, port) = text.split_once(':')?;
    let port = u16::from_str_radix(port, 16).ok()?;
    let mut bytes = Vec::new();
    for digits in ip.as_bytes().chunks(8) {
        let digits = std::str::from_utf8(digits).ok()?;
        bytes.extend(u32::from_str_radix(digits, 16).ok()?.to_ne_bytes());
    }
    let ip: IpAddr = match bytes.len() {
        4 => Ipv4Addr::from(<[u8; 4]>::try_from(bytes).ok()?).into(),
        16 => Ipv6Addr::from(<[u8; 16]>::try_from(bytes).ok()?).into(),
        _ => return None,
    };
    Some(SocketAddr::new(ip, port))
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;

    #[test]
    fn the_owner_of_an_address_is_this_process() {
        for address in ["127.0.0.1:0", "[::1]:0", "0.0.0.0:0"] {
            let Ok(listener) = TcpListener::bind(address) else {
                println!("SKIPPED {address}: the host has no such address");
                continue;
            };
            let address = listener.local_addr().unwrap();
            let owner = PortOwner::of(address).expect("it is this process");
            assert_eq!(owner.pid, std::process::id().to_string());
            assert!(!owner.name.is_empty());
            let text = TakenBy::find(Some(address)).to_string();
            assert!(text.starts_with(&format!("the address is taken by {owner}; ")));
        }
        let unknown = TakenBy::find(None).to_string();
        assert!(
            unknown.starts_with("the address is taken; stop"),
            "{unknown}"
        );
    }

    #[test]
    fn a_listener_on_another_address_of_the_port_is_not_the_owner() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let mut address = listener.local_addr().unwrap();
        address.set_ip(Ipv4Addr::new(127, 0, 0, 2).into());
        assert_eq!(PortOwner::of(address), None);
        address.set_ip(Ipv4Addr::UNSPECIFIED.into());
        assert!(PortOwner::of(address).is_some(), "it contains the other");
        address.set_ip(Ipv6Addr::UNSPECIFIED.into());
        assert!(PortOwner::of(address).is_some(), "IPv4 is included");
    }
}
