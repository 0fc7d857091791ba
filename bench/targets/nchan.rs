//! The nchan target, a module of nginx: a client names its channels in the WebSocket request, and a
//! POST publishes to one channel. Main thread.

use std::fs;
use std::io::Write;
use std::path::Path;

use crate::error::BenchError;
use crate::options::{CommonOptions, Protocol};
use crate::publishing::address::PublisherAddress;
use crate::publishing::connection::PublisherConnection;
use crate::targets::guard::GuardedServer;
use crate::targets::installed;
use crate::targets::ports::PortAllocator;
use crate::targets::target::{StartedServer, Target};

/// Path of the module in Debian's package.
const MODULE: &str = "/usr/lib/nginx/modules/ngx_nchan_module.so";

/// The Debian packages, as the error message names them.
const PACKAGES: &str = "nginx-light, with libnginx-mod-nchan";

#[derive(Debug)]
pub struct Nchan;

impl Target for Nchan {
    /// Starts nginx as a single process, so that one process ID covers all of its CPU time.
    fn start(
        &self,
        _options: &CommonOptions,
        ports: &mut PortAllocator,
    ) -> Result<StartedServer, BenchError> {
        let program = installed::find("nginx", PACKAGES)?;
        if !Path::new(MODULE).is_file() {
            return Err(BenchError::NotInstalled {
                program: "ngx_nchan_module.so",
                package: PACKAGES,
            });
        }
        let (clients, publishers) = (ports.allocate()?, ports.allocate()?);
        let directory = installed::directory(clients.port())?;
        let prefix = installed::text(&directory);
        let file = directory.join("nginx.conf");
        let configuration = format!(
            "load_module {MODULE};\ndaemon off;\nmaster_process off;\npid {prefix}/pid;\n\
             error_log stderr crit;\nworker_rlimit_nofile 1000000;\n\
             events {{ worker_connections 200000; multi_accept on; }}\n\
             http {{\n  access_log off;\n  keepalive_requests 1000000000;\n\
             client_body_temp_path {prefix};\n  client_body_buffer_size 1m;\n  tcp_nodelay on;\n\
             nchan_max_reserved_memory 512M;\n\
             server {{ listen {clients} backlog=16384; location /raw {{\n    nchan_subscriber websocket;\n\
             nchan_channel_id $arg_topic; nchan_channel_id_split_delimiter ',';\n\
             nchan_subscriber_first_message newest;\n  }} }}\n\
             server {{ listen {publishers}; location /pub {{\n    nchan_publisher http;\n\
             nchan_channel_id $arg_topic; nchan_message_buffer_length 100;\n  }} }}\n}}\n"
        );
        fs::write(&file, configuration)?;
        let arguments = ["-p", &prefix, "-e", "stderr", "-c", &installed::text(&file)];
        let arguments = arguments.map(str::to_owned);
        let server = GuardedServer::start_in(Some(&directory), program.as_os_str(), &arguments)?;
        Ok(StartedServer {
            server,
            clients,
            push: publishers.to_string(),
            publishers,
            admin: None,
        })
    }

    fn request_target(&self, _protocol: Protocol, topics: &[String]) -> String {
        format!("/raw?topic={}", topics.join(","))
    }

    fn connect_publisher(
        &self,
        address: &PublisherAddress,
    ) -> Result<PublisherConnection, BenchError> {
        PublisherConnection::stream(address, b"", append_publication)
    }
}

/// Appends a POST request that publishes `payload`.
fn append_publication(topic: &[u8], payload: &[u8], out: &mut Vec<u8>) {
    out.extend_from_slice(b"POST /pub?topic=");
    out.extend_from_slice(topic);
    let len = payload.len();
    // Writing to a vector cannot fail.
    drop(write!(
        out,
        " HTTP/1.1\r\nHost: bench\r\nContent-Length: {len}\r\n\r\n"
    ));
    out.extend_from_slice(payload);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_contain_the_channels() {
        let topics = ["a".to_owned(), "b".to_owned()];
        assert_eq!(
            Nchan.request_target(Protocol::Raw, &topics),
            "/raw?topic=a,b"
        );
        let mut out = Vec::new();
        append_publication(b"a", b"xyz", &mut out);
        let text = "POST /pub?topic=a HTTP/1.1\r\nHost: bench\r\nContent-Length: 3\r\n\r\nxyz";
        assert_eq!(out, text.as_bytes());
    }
}
