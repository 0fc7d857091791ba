//! Formats of addresses. Used on the main thread at start and on the control thread at a reload.

use std::net::SocketAddr;

use super::format::{ValueFormat, Visibility};
use crate::config::host_and_port::HostAndPort;

pub(in crate::config) const ADDRESS: ValueFormat<SocketAddr> = ValueFormat {
    name: "address",
    visibility: Visibility::Public,
    read: |raw| {
        let address = raw.text().and_then(|text| text.parse().ok());
        address.ok_or_else(|| raw.expected("an address such as 0.0.0.0:8000 or [::]:8000"))
    },
    show: ToString::to_string,
};

pub(in crate::config) const ADDRESS_OR_OFF: ValueFormat<Option<SocketAddr>> = ValueFormat {
    name: "address or `off`",
    visibility: Visibility::Public,
    read: |raw| {
        if raw.is_off() {
            return Ok(None);
        }
        let address = raw.text().and_then(|text| text.parse().ok());
        let address =
            address.ok_or_else(|| raw.expected("an address such as 127.0.0.1:8001, or off"))?;
        Ok(Some(address))
    },
    show: |value| value.map_or_else(|| "off".into(), |address| address.to_string()),
};

/// The destination of datagrams. Unlike an address to listen on, it may be a name.
pub(in crate::config) const HOST_AND_PORT_OR_OFF: ValueFormat<Option<HostAndPort>> = ValueFormat {
    name: "`host:port` or `off`",
    visibility: Visibility::Public,
    read: |raw| {
        if raw.is_off() {
            return Ok(None);
        }
        let server = raw.word().ok().and_then(HostAndPort::parse);
        let server =
            server.ok_or_else(|| raw.expected("a host and port such as 127.0.0.1:8125, or off"))?;
        Ok(Some(server))
    },
    show: |value| {
        value
            .as_ref()
            .map_or_else(|| "off".into(), ToString::to_string)
    },
};
