//! Moves the default ports by `port_offset`, for several processes on one host. Used on the main
//! thread at start and on the control thread at a reload.

use super::configuration::Config;
use super::endpoint::Endpoint;

/// Adds `port_offset` to the port of each address whose key is not set. `is_set` returns whether a
/// key is set.
pub(super) fn apply(config: &mut Config, is_set: impl Fn(&str) -> bool) {
    let offset = config.instance.port_offset;
    // An offset that is too large is refused later.
    let moved = |port: u16| u16::try_from(u32::from(port).saturating_add(offset)).unwrap_or(port);
    let admin = config.admin.listen.as_mut();
    let agent = config.agent.listen.as_mut();
    for (key, address) in [
        ("ws.listen", Some(&mut config.ws.listen)),
        ("admin.listen", admin),
        ("agent.listen", agent),
    ] {
        if let Some(address) = address.filter(|_| !is_set(key)) {
            address.set_port(moved(address.port()));
        }
    }
    let ingest = &mut config.ingest;
    for (key, endpoints) in [
        ("ingest.pull", &mut ingest.pull),
        ("ingest.sub", &mut ingest.sub),
        ("ingest.router", &mut ingest.router),
    ] {
        if is_set(key) {
            continue;
        }
        for endpoint in endpoints {
            // The default endpoints are on the loopback interface.
            if let Some(address) = endpoint.socket_address() {
                *endpoint = Endpoint::loopback(moved(address.port()));
            }
        }
    }
}
