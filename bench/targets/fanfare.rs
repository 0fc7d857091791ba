//! The fanfare target: all client protocols, publications through ZeroMQ. Main thread.

use std::path::PathBuf;

use crate::client::frames;
use crate::error::BenchError;
use crate::options::{CommonOptions, Protocol};
use crate::payload;
use crate::publishing::address::PublisherAddress;
use crate::publishing::connection::PublisherConnection;
use crate::targets::guard::GuardedServer;
use crate::targets::ports::PortAllocator;
use crate::targets::protobuf;
use crate::targets::target::{FirstMessage, ServerItem, StartedServer, Target};

#[derive(Debug)]
pub struct Fanfare;

impl Target for Fanfare {
    fn start(
        &self,
        options: &CommonOptions,
        ports: &mut PortAllocator,
    ) -> Result<StartedServer, BenchError> {
        let program = program(options)?;
        let [clients, pull, sub, router, admin] = [
            ports.allocate()?,
            ports.allocate()?,
            ports.allocate()?,
            ports.allocate()?,
            ports.allocate()?,
        ];
        let publishers = if options.acknowledged { router } else { pull };
        let settings = [
            format!("ws.listen={clients}"),
            format!("ingest.pull=tcp://{pull}"),
            format!("ingest.sub=tcp://{sub}"),
            format!("ingest.router=tcp://{router}"),
            format!("admin.listen={admin}"),
            "cpu.shards=1".to_owned(),
            "log.level=error".to_owned(),
        ];
        let settings = settings.into_iter().chain(options.settings.iter().cloned());
        let mut arguments = vec!["serve".to_owned()];
        arguments.extend(settings.flat_map(|setting| ["-s".to_owned(), setting]));
        Ok(StartedServer {
            server: GuardedServer::start(program.as_os_str(), &arguments)?,
            clients,
            push: format!("tcp://{publishers}"),
            publishers,
            admin: Some(admin),
        })
    }

    fn request_target(&self, protocol: Protocol, topics: &[String]) -> String {
        match protocol {
            Protocol::Client => "/connection/websocket".to_owned(),
            Protocol::Protobuf => "/connection/websocket?cf_protocol=protobuf".to_owned(),
            Protocol::Raw => raw_request_target(topics),
        }
    }

    /// Returns a connect and the subscribes in one batch with the ids 1, 2, and so on.
    fn first_message(
        &self,
        protocol: Protocol,
        topics: &[String],
        token: Option<&str>,
    ) -> Option<FirstMessage> {
        match protocol {
            Protocol::Raw => return None,
            Protocol::Protobuf => return Some(protobuf::first_message(topics, token)),
            Protocol::Client => {}
        }
        let subscribe = |(id, name): (usize, &String)| {
            format!(r#"{{"id":{id},"subscribe":{{"channel":"{name}"}}}}"#)
        };
        let token = token.map(|token| format!(r#""token":"{token}""#));
        let connect = token.unwrap_or_default();
        let mut commands = vec![format!(r#"{{"id":1,"connect":{{{connect}}}}}"#)];
        commands.extend((2..).zip(topics).map(subscribe));
        Some(FirstMessage {
            opcode: frames::TEXT,
            replies: commands.len(),
            message: commands.join("\n").into_bytes(),
        })
    }

    /// Splits a message of the client protocol: a server may join several replies and pushes.
    fn first_item<'a>(
        &self,
        protocol: Protocol,
        opcode: u8,
        message: &'a [u8],
    ) -> Option<(ServerItem<'a>, usize)> {
        if message.is_empty() {
            return None;
        }
        match (protocol, opcode) {
            (Protocol::Raw, _) => Some((ServerItem::Publication(message), message.len())),
            (Protocol::Client, frames::TEXT) => {
                let end = message.iter().position(|&byte| byte == b'\n');
                let line = &message[..end.unwrap_or(message.len())];
                Some((line_item(line), end.map_or(message.len(), |end| end + 1)))
            }
            (Protocol::Protobuf, frames::BINARY) => Some(protobuf::first_item(message)),
            (Protocol::Client | Protocol::Protobuf, _) => {
                Some((ServerItem::Unknown, message.len()))
            }
        }
    }

    fn connect_publisher(
        &self,
        address: &PublisherAddress,
    ) -> Result<PublisherConnection, BenchError> {
        PublisherConnection::zeromq(address, None)
    }
}

/// Returns the request target of a client that receives only payloads.
pub fn raw_request_target(topics: &[String]) -> String {
    let topics: Vec<_> = topics.iter().map(|name| format!("topic={name}")).collect();
    format!("/raw?{}", topics.join("&"))
}

/// Parses one line of the client protocol.
fn line_item(line: &[u8]) -> ServerItem<'_> {
    if let Some(payload) = payload::unwrap_push(line) {
        ServerItem::Publication(payload)
    } else if line == b"{}" {
        ServerItem::Ping {
            opcode: frames::TEXT,
            answer: b"{}",
        }
    } else if line.starts_with(br#"{"id":"#) {
        ServerItem::Reply(line)
    } else {
        ServerItem::Unknown
    }
}

/// Returns the path of `--server`, or of the binary in the directory of this program.
fn program(options: &CommonOptions) -> Result<PathBuf, BenchError> {
    let default = || std::env::current_exe().map(|own| own.with_file_name("fanfare"));
    let program = options.server.clone().map_or_else(default, Ok)?;
    if program.exists() {
        return Ok(program);
    }
    let program = program.display();
    Err(BenchError::Arguments(format!(
        "{program} does not exist: build it with `cargo build --release`, name another binary with \
         --server, or use a running server with --url"
    )))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn items(message: &[u8]) -> Vec<ServerItem<'_>> {
        let (mut items, mut rest) = (Vec::new(), message);
        while let Some((item, len)) = Fanfare.first_item(Protocol::Client, frames::TEXT, rest) {
            items.push(item);
            rest = &rest[len..];
        }
        items
    }

    #[test]
    fn requests_and_commands_name_the_topics() {
        let topics = ["bench-000001".to_owned(), "bench-000022".to_owned()];
        let raw = Fanfare.request_target(Protocol::Raw, &topics);
        assert_eq!(raw, "/raw?topic=bench-000001&topic=bench-000022");
        assert_eq!(Fanfare.first_message(Protocol::Raw, &topics, None), None);
        let client = Fanfare.request_target(Protocol::Client, &topics);
        assert_eq!(client, "/connection/websocket");
        let first = Fanfare
            .first_message(Protocol::Client, &topics[1..], None)
            .unwrap();
        let commands = "{\"id\":1,\"connect\":{}}\n\
            {\"id\":2,\"subscribe\":{\"channel\":\"bench-000022\"}}";
        assert_eq!(first.message, commands.as_bytes());
        assert_eq!((first.opcode, first.replies), (frames::TEXT, 2));
        let first = Fanfare.first_message(Protocol::Client, &[], Some("a.b.c"));
        assert_eq!(
            first.unwrap().message,
            br#"{"id":1,"connect":{"token":"a.b.c"}}"#
        );
    }

    #[test]
    fn messages_are_split_at_newlines() {
        let reply: &[u8] = br#"{"id":1,"connect":{}}"#;
        let ping = ServerItem::Ping {
            opcode: frames::TEXT,
            answer: b"{}",
        };
        let message = [reply, b"\n{}\nwhat"].concat();
        assert_eq!(
            items(&message),
            [ServerItem::Reply(reply), ping, ServerItem::Unknown]
        );
        assert_eq!(items(b""), []);
        let binary = Fanfare.first_item(Protocol::Client, frames::BINARY, b"{}");
        assert_eq!(binary, Some((ServerItem::Unknown, 2)));
    }
}
