//! The nats-server target: its text protocol in WebSocket messages for clients, and over TCP for
//! publishers. Main thread.

use std::fs;
use std::io::Write;

use crate::client::frames;
use crate::error::BenchError;
use crate::options::{CommonOptions, Protocol};
use crate::publishing::address::PublisherAddress;
use crate::publishing::connection::PublisherConnection;
use crate::targets::guard::GuardedServer;
use crate::targets::installed;
use crate::targets::ports::PortAllocator;
use crate::targets::target::{FirstMessage, ServerItem, StartedServer, Target};

/// The CONNECT command. It turns off the acknowledgement of every command.
const CONNECT: &str = "CONNECT {\"verbose\":false,\"pedantic\":false}\r\n";

#[derive(Debug)]
pub struct Nats;

impl Target for Nats {
    fn start(
        &self,
        _options: &CommonOptions,
        ports: &mut PortAllocator,
    ) -> Result<StartedServer, BenchError> {
        let program = installed::find("nats-server", "nats-server")?;
        let (clients, publishers) = (ports.allocate()?, ports.allocate()?);
        let directory = installed::directory(clients.port())?;
        let file = directory.join("nats.conf");
        let configuration = format!(
            "listen: \"{publishers}\"\nlog_file: \"/dev/null\"\nmax_connections: 1000000\n\
             ping_interval: \"1h\"\nwebsocket {{ listen: \"{clients}\", no_tls: true }}\n"
        );
        fs::write(&file, configuration)?;
        let arguments = ["-c".to_owned(), installed::text(&file)];
        let server = GuardedServer::start_in(Some(&directory), program.as_os_str(), &arguments)?;
        Ok(StartedServer {
            server,
            clients,
            push: publishers.to_string(),
            publishers,
            admin: None,
        })
    }

    fn request_target(&self, _protocol: Protocol, _topics: &[String]) -> String {
        "/".to_owned()
    }

    /// Returns CONNECT, the SUBs and a PING. The PONG means that the SUBs are in force.
    fn first_message(
        &self,
        _protocol: Protocol,
        topics: &[String],
        _token: Option<&str>,
    ) -> Option<FirstMessage> {
        let subscribes = (1..).zip(topics);
        let subscribes = subscribes.map(|(id, name): (u32, _)| format!("SUB {name} {id}\r\n"));
        let message = [
            CONNECT.to_owned(),
            subscribes.collect(),
            "PING\r\n".to_owned(),
        ]
        .concat();
        Some(FirstMessage {
            opcode: frames::BINARY,
            message: message.into_bytes(),
            replies: 1,
        })
    }

    fn first_item<'a>(
        &self,
        _protocol: Protocol,
        _opcode: u8,
        message: &'a [u8],
    ) -> Option<(ServerItem<'a>, usize)> {
        parse_item(message)
    }

    fn connect_publisher(
        &self,
        address: &PublisherAddress,
    ) -> Result<PublisherConnection, BenchError> {
        PublisherConnection::stream(address, CONNECT.as_bytes(), append_publication)
    }
}

/// Parses the first item of `message`: a line, or a line and a payload. Returns `None` if the item
/// is incomplete.
fn parse_item(message: &[u8]) -> Option<(ServerItem<'_>, usize)> {
    let end = message.windows(2).position(|two| two == b"\r\n")?;
    let (line, line_len) = (&message[..end], end + 2);
    if line.starts_with(b"MSG ") {
        let len = line.rsplit(|&byte| byte == b' ').next()?;
        let Some(len) = parse_number(len) else {
            return Some((ServerItem::Unknown, message.len()));
        };
        let payload = message.get(line_len..line_len + len)?;
        let item_len = line_len + len + 2;
        return (message.len() >= item_len).then_some((ServerItem::Publication(payload), item_len));
    }
    let item = match line {
        b"PONG" => ServerItem::Reply(line),
        b"PING" => ServerItem::Ping {
            opcode: frames::BINARY,
            answer: b"PONG\r\n",
        },
        _ if line.starts_with(b"INFO ") => ServerItem::Ignored,
        _ => ServerItem::Unknown,
    };
    Some((item, line_len))
}

fn parse_number(digits: &[u8]) -> Option<usize> {
    std::str::from_utf8(digits).ok()?.parse().ok()
}

/// Appends a PUB command.
fn append_publication(topic: &[u8], payload: &[u8], out: &mut Vec<u8>) {
    out.extend_from_slice(b"PUB ");
    out.extend_from_slice(topic);
    // Writing to a vector cannot fail.
    drop(write!(out, " {}\r\n", payload.len()));
    out.extend_from_slice(payload);
    out.extend_from_slice(b"\r\n");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_client_subscribes_and_sends_a_ping() {
        let topics = ["a".to_owned(), "b".to_owned()];
        let first = Nats.first_message(Protocol::Raw, &topics, None).unwrap();
        let text = String::from_utf8(first.message).unwrap();
        assert_eq!(text, format!("{CONNECT}SUB a 1\r\nSUB b 2\r\nPING\r\n"));
    }

    #[test]
    fn items_are_parsed_when_they_are_complete() {
        let message = b"MSG bench-000001 3 4\r\na\r\nb\r\nPONG\r\n";
        for cut in 0..message.len() - 6 {
            assert_eq!(parse_item(&message[..cut]), None, "{cut}");
        }
        let (first, len) = parse_item(message).unwrap();
        assert_eq!(first, ServerItem::Publication(b"a\r\nb"));
        assert_eq!(
            parse_item(&message[len..]),
            Some((ServerItem::Reply(b"PONG"), 6))
        );
        assert_eq!(
            parse_item(b"INFO {\"a\":1}\r\n"),
            Some((ServerItem::Ignored, 14))
        );
        assert_eq!(
            parse_item(b"-ERR 'no'\r\n"),
            Some((ServerItem::Unknown, 11))
        );
        assert_eq!(
            parse_item(b"MSG a 1 x\r\n"),
            Some((ServerItem::Unknown, 11))
        );
    }

    #[test]
    fn a_publication_contains_topic_and_length() {
        let mut out = Vec::new();
        append_publication(b"a", b"xyz", &mut out);
        assert_eq!(out, b"PUB a 3\r\nxyz\r\n");
    }
}
