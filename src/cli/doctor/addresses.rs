//! The addresses that `serve` would bind.

use std::net::SocketAddr;

use fanfare::config::Config;

/// Returns the configured addresses, each with its key.
pub(super) fn configured(config: &Config) -> Vec<(&'static str, SocketAddr)> {
    let mut addresses = vec![("ws.listen", config.ws.listen)];
    if let Some(address) = config.admin.listen {
        addresses.push(("admin.listen", address));
    }
    let ingest = &config.ingest;
    let endpoints = [
        ("ingest.pull", &ingest.pull),
        ("ingest.sub", &ingest.sub),
        ("ingest.router", &ingest.router),
    ];
    for (key, endpoints) in endpoints {
        for endpoint in endpoints {
            if let Some(address) = address(endpoint) {
                addresses.push((key, address));
            }
        }
    }
    addresses
}

/// Returns the address of a `tcp://` endpoint, or `None` for `ipc://` and for names of interfaces,
/// which only libzmq resolves.
fn address(endpoint: &str) -> Option<SocketAddr> {
    let rest = endpoint.strip_prefix("tcp://")?;
    rest.replacen("*:", "0.0.0.0:", 1)
        .replace(":*", ":0")
        .parse()
        .ok()
}
