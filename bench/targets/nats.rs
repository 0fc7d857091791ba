//! nats-server: its text protocol, for clients inside WebSocket messages, for publishers over TCP.

use std::fs;
use std::io::Write;

use super::{Guarded, Item, Opening, Ports, Running, Target, installed};
use crate::arguments::{Common, Protocol};
use crate::fault::Fault;
use crate::frames;
use crate::line::Line;

/// Neither side wants an answer to every command.
const CONNECT: &str = "CONNECT {\"verbose\":false,\"pedantic\":false}\r\n";

#[derive(Debug)]
pub struct Nats;

impl Target for Nats {
    fn start(&self, _common: &Common, ports: &mut Ports) -> Result<Running, Fault> {
        let program = installed::find("nats-server", "nats-server")?;
        let (clients, publishers) = (ports.free()?, ports.free()?);
        let directory = installed::directory(clients.port())?;
        let file = directory.join("nats.conf");
        let configuration = format!(
            "listen: \"{publishers}\"\nlog_file: \"/dev/null\"\nmax_connections: 1000000\n\
             ping_interval: \"1h\"\nwebsocket {{ listen: \"{clients}\", no_tls: true }}\n"
        );
        fs::write(&file, configuration)?;
        let arguments = ["-c".to_owned(), installed::text(&file)];
        let server = Guarded::start_in(Some(&directory), program.as_os_str(), &arguments)?;
        Ok(Running {
            server,
            clients,
            push: publishers.to_string(),
            publishers,
            admin: None,
        })
    }

    fn resource(&self, _protocol: Protocol, _topics: &[String]) -> String {
        "/".to_owned()
    }

    /// The answer to the ping says that all before it was done.
    fn opening(&self, _protocol: Protocol, topics: &[String]) -> Option<Opening> {
        let subscribes = (1..).zip(topics);
        let subscribes = subscribes.map(|(id, name): (u32, _)| format!("SUB {name} {id}\r\n"));
        let message = [
            CONNECT.to_owned(),
            subscribes.collect(),
            "PING\r\n".to_owned(),
        ]
        .concat();
        Some(Opening {
            opcode: frames::BINARY,
            message: message.into_bytes(),
            replies: 1,
        })
    }

    fn item<'a>(
        &self,
        _protocol: Protocol,
        _opcode: u8,
        message: &'a [u8],
    ) -> Option<(Item<'a>, usize)> {
        item(message)
    }

    fn line(&self, common: &Common) -> Result<Line, Fault> {
        Line::stream(common, CONNECT.as_bytes(), publication)
    }
}

fn item(message: &[u8]) -> Option<(Item<'_>, usize)> {
    let end = message.windows(2).position(|two| two == b"\r\n")?;
    let (line, behind) = (&message[..end], end + 2);
    if line.starts_with(b"MSG ") {
        let len = line.rsplit(|&byte| byte == b' ').next()?;
        let Some(len) = number(len) else {
            return Some((Item::Unknown, message.len()));
        };
        let payload = message.get(behind..behind + len)?;
        let whole = behind + len + 2;
        return (message.len() >= whole).then_some((Item::Publication(payload), whole));
    }
    let item = match line {
        b"PONG" => Item::Reply(line),
        b"PING" => Item::Ping {
            opcode: frames::BINARY,
            answer: b"PONG\r\n",
        },
        _ if line.starts_with(b"INFO ") => Item::Aside,
        _ => Item::Unknown,
    };
    Some((item, behind))
}

fn number(digits: &[u8]) -> Option<usize> {
    std::str::from_utf8(digits).ok()?.parse().ok()
}

fn publication(topic: &[u8], payload: &[u8], out: &mut Vec<u8>) {
    out.extend_from_slice(b"PUB ");
    out.extend_from_slice(topic);
    // Writing to a buffer in memory does not fail.
    drop(write!(out, " {}\r\n", payload.len()));
    out.extend_from_slice(payload);
    out.extend_from_slice(b"\r\n");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_client_subscribes_and_asks_whether_that_is_done() {
        let topics = ["a".to_owned(), "b".to_owned()];
        let opening = Nats.opening(Protocol::Raw, &topics).unwrap();
        let text = String::from_utf8(opening.message).unwrap();
        assert_eq!(text, format!("{CONNECT}SUB a 1\r\nSUB b 2\r\nPING\r\n"));
    }

    #[test]
    fn items_are_told_apart_once_they_are_whole() {
        let message = b"MSG bench-000001 3 4\r\na\r\nb\r\nPONG\r\n";
        for cut in 0..message.len() - 6 {
            assert_eq!(item(&message[..cut]), None, "{cut}");
        }
        let (first, len) = item(message).unwrap();
        assert_eq!(first, Item::Publication(b"a\r\nb"));
        assert_eq!(item(&message[len..]), Some((Item::Reply(b"PONG"), 6)));
        assert_eq!(item(b"INFO {\"a\":1}\r\n"), Some((Item::Aside, 14)));
        assert_eq!(item(b"-ERR 'no'\r\n"), Some((Item::Unknown, 11)));
        assert_eq!(item(b"MSG a 1 x\r\n"), Some((Item::Unknown, 11)));
    }

    #[test]
    fn a_publication_names_its_topic_and_length() {
        let mut out = Vec::new();
        publication(b"a", b"xyz", &mut out);
        assert_eq!(out, b"PUB a 3\r\nxyz\r\n");
    }
}
