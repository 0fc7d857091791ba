//! The addresses that `serve` would bind.

use std::net::SocketAddr;

use fanfare::config::Config;

/// Returns the configured addresses, each with its key.
pub(super) fn configured(config: &Config) -> Vec<(&'static str, SocketAddr)> {
    let mut addresses = vec![("ws.listen", config.ws.listen)];
    if let Some(address) = config.admin.listen {
        addresses.push(("admin.listen", address));
    }
    if let Some(address) = config.agent.listen {
        addresses.push(("agent.listen", address));
    }
    let ingest = &config.ingest;
    let endpoints = [
        ("ingest.pull", &ingest.pull),
        ("ingest.sub", &ingest.sub),
        ("ingest.router", &ingest.router),
    ];
    for (key, endpoints) in endpoints {
        for endpoint in endpoints {
            if let Some(address) = endpoint.socket_address() {
                addresses.push((key, address));
            }
        }
    }
    addresses
}
