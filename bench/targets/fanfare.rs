//! fanfare itself: both protocols, ZeroMQ in.

use std::path::PathBuf;

use super::{Guarded, Item, Opening, Ports, Running, Target};
use crate::arguments::{Common, Protocol};
use crate::fault::Fault;
use crate::frames;
use crate::line::Line;
use crate::payload;

#[derive(Debug)]
pub struct Fanfare;

impl Target for Fanfare {
    fn start(&self, common: &Common, ports: &mut Ports) -> Result<Running, Fault> {
        let program = program(common)?;
        let [clients, pull, sub, router, admin] = [
            ports.free()?,
            ports.free()?,
            ports.free()?,
            ports.free()?,
            ports.free()?,
        ];
        let publishers = if common.acknowledged { router } else { pull };
        let settings = [
            format!("ws.listen={clients}"),
            format!("ingest.pull=tcp://{pull}"),
            format!("ingest.sub=tcp://{sub}"),
            format!("ingest.router=tcp://{router}"),
            format!("admin.listen={admin}"),
            "cpu.shards=1".to_owned(),
            "log.level=error".to_owned(),
        ];
        let settings = settings.into_iter().chain(common.settings.iter().cloned());
        let mut arguments = vec!["serve".to_owned()];
        arguments.extend(settings.flat_map(|setting| ["-s".to_owned(), setting]));
        Ok(Running {
            server: Guarded::start(program.as_os_str(), &arguments)?,
            clients,
            push: format!("tcp://{publishers}"),
            publishers,
            admin: Some(admin),
        })
    }

    fn resource(&self, protocol: Protocol, topics: &[String]) -> String {
        match protocol {
            Protocol::Client => "/connection/websocket".to_owned(),
            Protocol::Raw => raw_resource(topics),
        }
    }

    /// A connect and the subscribes, in one batch; the ids are 1 and up.
    fn opening(&self, protocol: Protocol, topics: &[String]) -> Option<Opening> {
        if protocol == Protocol::Raw {
            return None;
        }
        let subscribe = |(id, name): (usize, &String)| {
            format!(r#"{{"id":{id},"subscribe":{{"channel":"{name}"}}}}"#)
        };
        let mut commands = vec![r#"{"id":1,"connect":{}}"#.to_owned()];
        commands.extend((2..).zip(topics).map(subscribe));
        Some(Opening {
            opcode: frames::TEXT,
            replies: commands.len(),
            message: commands.join("\n").into_bytes(),
        })
    }

    /// Servers join messages of the client protocol with newlines.
    fn item<'a>(
        &self,
        protocol: Protocol,
        opcode: u8,
        message: &'a [u8],
    ) -> Option<(Item<'a>, usize)> {
        if message.is_empty() {
            return None;
        }
        match (protocol, opcode) {
            (Protocol::Raw, _) => Some((Item::Publication(message), message.len())),
            (Protocol::Client, frames::TEXT) => {
                let end = message.iter().position(|&byte| byte == b'\n');
                let line = &message[..end.unwrap_or(message.len())];
                Some((line_item(line), end.map_or(message.len(), |end| end + 1)))
            }
            (Protocol::Client, _) => Some((Item::Unknown, message.len())),
        }
    }

    fn line(&self, common: &Common) -> Result<Line, Fault> {
        Line::zeromq(common, None)
    }
}

/// The request of bare payloads.
pub fn raw_resource(topics: &[String]) -> String {
    let topics: Vec<_> = topics.iter().map(|name| format!("topic={name}")).collect();
    format!("/raw?{}", topics.join("&"))
}

fn line_item(line: &[u8]) -> Item<'_> {
    if let Some(payload) = payload::unwrap_push(line) {
        Item::Publication(payload)
    } else if line == b"{}" {
        Item::Ping {
            opcode: frames::TEXT,
            answer: b"{}",
        }
    } else if line.starts_with(br#"{"id":"#) {
        Item::Reply(line)
    } else {
        Item::Unknown
    }
}

/// `--server`, or the binary that was built with this one.
fn program(common: &Common) -> Result<PathBuf, Fault> {
    let beside = || std::env::current_exe().map(|own| own.with_file_name("fanfare"));
    let program = common.server.clone().map_or_else(beside, Ok)?;
    if program.exists() {
        return Ok(program);
    }
    let program = program.display();
    Err(Fault::Arguments(format!(
        "{program} is not there: build it with `cargo build --release`, name another with \
         --server, or aim at a running one with --url"
    )))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn items(message: &[u8]) -> Vec<Item<'_>> {
        let (mut items, mut rest) = (Vec::new(), message);
        while let Some((item, len)) = Fanfare.item(Protocol::Client, frames::TEXT, rest) {
            items.push(item);
            rest = &rest[len..];
        }
        items
    }

    #[test]
    fn requests_and_commands_name_the_topics() {
        let topics = ["bench-000001".to_owned(), "bench-000022".to_owned()];
        let raw = Fanfare.resource(Protocol::Raw, &topics);
        assert_eq!(raw, "/raw?topic=bench-000001&topic=bench-000022");
        assert_eq!(Fanfare.opening(Protocol::Raw, &topics), None);
        let client = Fanfare.resource(Protocol::Client, &topics);
        assert_eq!(client, "/connection/websocket");
        let opening = Fanfare.opening(Protocol::Client, &topics[1..]).unwrap();
        let commands = "{\"id\":1,\"connect\":{}}\n\
            {\"id\":2,\"subscribe\":{\"channel\":\"bench-000022\"}}";
        assert_eq!(opening.message, commands.as_bytes());
        assert_eq!((opening.opcode, opening.replies), (frames::TEXT, 2));
    }

    #[test]
    fn messages_come_apart_at_newlines() {
        let reply: &[u8] = br#"{"id":1,"connect":{}}"#;
        let ping = Item::Ping {
            opcode: frames::TEXT,
            answer: b"{}",
        };
        let message = [reply, b"\n{}\nwhat"].concat();
        assert_eq!(items(&message), [Item::Reply(reply), ping, Item::Unknown]);
        assert_eq!(items(b""), []);
        let binary = Fanfare.item(Protocol::Client, frames::BINARY, b"{}");
        assert_eq!(binary, Some((Item::Unknown, 2)));
    }
}
