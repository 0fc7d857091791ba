//! The pushpin target: WebSocket in front of an HTTP backend, which the load generator provides,
//! and publications through ZeroMQ. Main thread.

mod origin;

use std::fs;
use std::net::TcpListener;

use serde_json::json;

use crate::error::BenchError;
use crate::options::{CommonOptions, Protocol};
use crate::publishing::address::PublisherAddress;
use crate::publishing::connection::PublisherConnection;
use crate::targets::fanfare::raw_request_target;
use crate::targets::guard::GuardedServer;
use crate::targets::installed;
use crate::targets::ports::PortAllocator;
use crate::targets::target::{StartedServer, Target};

#[derive(Debug)]
pub struct Pushpin;

impl Target for Pushpin {
    /// Starts pushpin, which consists of several processes. `message_rate=0` turns off its rate
    /// limit for deliveries.
    fn start(
        &self,
        _options: &CommonOptions,
        ports: &mut PortAllocator,
    ) -> Result<StartedServer, BenchError> {
        let program = installed::find("pushpin", "pushpin")?;
        let (clients, publishers) = (ports.allocate()?, ports.allocate()?);
        let [sub, http, command] = [ports.allocate()?, ports.allocate()?, ports.allocate()?];
        let backend = ports.allocate()?;
        origin::start(TcpListener::bind(backend)?)?;
        let directory = installed::directory(clients.port())?;
        let prefix = installed::text(&directory);
        let configuration = format!(
            "[global]\ninclude={{libdir}}/internal.conf\nrundir={prefix}\nipc_prefix=p\n\
             port_offset=0\n\n\
             [runner]\nservices=condure,zurl,pushpin-proxy,pushpin-handler\nhttp_port={clients}\n\
             logdir={prefix}\nlog_level=0\nclient_buffer_size=8192\nclient_maxconn=50000\n\n\
             [proxy]\nzurl_out_specs=ipc://{prefix}/pzurl-in\n\
             zurl_out_stream_specs=ipc://{prefix}/pzurl-in-stream\n\
             zurl_in_specs=ipc://{prefix}/pzurl-out\nroutesfile={prefix}/routes\nupdates_check=off\n\n\
             [handler]\npush_in_spec=tcp://{publishers}\npush_in_sub_specs=tcp://{sub}\n\
             push_in_http_addr=127.0.0.1\npush_in_http_port={http}\n\
             command_spec=tcp://{command}\nstats_spec=ipc://{prefix}/stats\n\
             message_rate=0\nmessage_hwm=1000000\nconnection_subscription_max=1000\n",
            http = http.port(),
        );
        fs::write(directory.join("pushpin.conf"), configuration)?;
        fs::write(directory.join("routes"), format!("* {backend},over_http\n"))?;
        let arguments = [format!("--config={prefix}/pushpin.conf")];
        let server = GuardedServer::start_in(Some(&directory), program.as_os_str(), &arguments)?;
        Ok(StartedServer {
            server,
            clients,
            push: format!("tcp://{publishers}"),
            publishers,
            admin: None,
        })
    }

    fn request_target(&self, _protocol: Protocol, topics: &[String]) -> String {
        raw_request_target(topics)
    }

    fn connect_publisher(
        &self,
        address: &PublisherAddress,
    ) -> Result<PublisherConnection, BenchError> {
        PublisherConnection::zeromq(address, Some(append_publication))
    }
}

/// Appends a publication: the letter J, which announces JSON, and one item.
fn append_publication(topic: &[u8], payload: &[u8], out: &mut Vec<u8>) {
    let [topic, content] = [topic, payload].map(String::from_utf8_lossy);
    let formats = json!({ "ws-message": { "content": content } });
    let item = json!({ "channel": topic, "formats": formats });
    out.extend_from_slice(format!("J{item}").as_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_publication_is_one_item_for_one_channel() {
        let mut out = Vec::new();
        append_publication(b"a", br#"{"b":1}"#, &mut out);
        let text = r#"J{"channel":"a","formats":{"ws-message":{"content":"{\"b\":1}"}}}"#;
        assert_eq!(String::from_utf8(out).unwrap(), text);
    }
}
