//! nginx with nchan: a WebSocket subscribes to the channels that its request names, a POST
//! publishes to one.

use std::fs;
use std::io::Write;
use std::path::Path;

use super::{Guarded, Ports, Running, Target, installed};
use crate::arguments::{Common, Protocol};
use crate::fault::Fault;
use crate::line::Line;

/// Where Debian puts the modules of nginx.
const MODULE: &str = "/usr/lib/nginx/modules/ngx_nchan_module.so";

const PACKAGES: &str = "nginx-light, with libnginx-mod-nchan";

#[derive(Debug)]
pub struct Nchan;

impl Target for Nchan {
    /// One process, so that one process id is all of it.
    fn start(&self, _common: &Common, ports: &mut Ports) -> Result<Running, Fault> {
        let program = installed::find("nginx", PACKAGES)?;
        if !Path::new(MODULE).is_file() {
            return Err(Fault::NotInstalled {
                program: "ngx_nchan_module.so",
                package: PACKAGES,
            });
        }
        let (clients, publishers) = (ports.free()?, ports.free()?);
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
        let server = Guarded::start_in(Some(&directory), program.as_os_str(), &arguments)?;
        Ok(Running {
            server,
            clients,
            push: publishers.to_string(),
            publishers,
            admin: None,
        })
    }

    fn resource(&self, _protocol: Protocol, topics: &[String]) -> String {
        format!("/raw?topic={}", topics.join(","))
    }

    fn line(&self, common: &Common) -> Result<Line, Fault> {
        Line::stream(common, b"", publication)
    }
}

fn publication(topic: &[u8], payload: &[u8], out: &mut Vec<u8>) {
    out.extend_from_slice(b"POST /pub?topic=");
    out.extend_from_slice(topic);
    let len = payload.len();
    // Writing to a buffer in memory does not fail.
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
    fn requests_name_their_channels() {
        let topics = ["a".to_owned(), "b".to_owned()];
        assert_eq!(Nchan.resource(Protocol::Raw, &topics), "/raw?topic=a,b");
        let mut out = Vec::new();
        publication(b"a", b"xyz", &mut out);
        let text = "POST /pub?topic=a HTTP/1.1\r\nHost: bench\r\nContent-Length: 3\r\n\r\nxyz";
        assert_eq!(out, text.as_bytes());
    }
}
