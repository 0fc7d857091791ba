//! The nesting of a payload has one bound, whichever way the payload arrives. A payload that is
//! nested deeper is an error for its publisher and affects no connection.

use prost::Message as _;
use serde_json::{Value, json};
use tungstenite::Message;

use crate::client::{ProtocolClient, RawSubscriber, WebSocketConnection};
use crate::client_proto::{self, Command, ConnectRequest, PublishRequest};
use crate::publisher::Publisher;
use crate::server::{Server, exchange};
use crate::wait::TIMEOUT;

/// The bound that docs/PUBLISHING.md promises.
const DEEPEST: usize = 64;

/// Whether a publication was accepted, as its publisher reads it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Outcome {
    Accepted,
    Rejected,
}

/// Returns payloads of one level less than the bound, of the bound, and of one level more.
fn payloads() -> Vec<(String, Outcome)> {
    let mut payloads = Vec::new();
    for depth in DEEPEST - 1..=DEEPEST + 1 {
        let outcome = if depth > DEEPEST {
            Outcome::Rejected
        } else {
            Outcome::Accepted
        };
        payloads.push((["[".repeat(depth), "]".repeat(depth)].concat(), outcome));
        let objects = ["{\"a\":".repeat(depth), "0".into(), "}".repeat(depth)];
        payloads.push((objects.concat(), outcome));
    }
    payloads
}

/// Publishes each payload to the topic `a` and checks its outcome and its delivery.
fn check(server: &Server, mut publish: impl FnMut(&str) -> Outcome) {
    let mut raw = RawSubscriber::connect(server, &["a"]);
    for (payload, expected) in payloads() {
        assert_eq!(publish(&payload), expected, "{payload}");
        if expected == Outcome::Accepted {
            assert_eq!(raw.next_text(), payload);
        }
    }
    assert_eq!(publish("1"), Outcome::Accepted);
    assert_eq!(raw.next_text(), "1");
}

#[test]
fn requests_over_zeromq() {
    let server = Server::start(&[]);
    let publisher = Publisher::with_req(&server);
    check(&server, |payload| {
        publisher.send("a", payload);
        match publisher.reply().as_slice() {
            [ok] if ok == b"ok" => Outcome::Accepted,
            [error, code, _] => {
                assert_eq!(
                    (&error[..], &code[..]),
                    (&b"error"[..], &b"payload_too_deep"[..])
                );
                Outcome::Rejected
            }
            other => panic!("not a reply: {other:?}"),
        }
    });
}

#[test]
fn messages_without_a_reply() {
    let server = Server::start(&[]);
    let publisher = Publisher::with_push(&server);
    let mut rejected = 0;
    check(&server, |payload| {
        publisher.send("a", payload);
        let is_too_deep = payloads().contains(&(payload.to_owned(), Outcome::Rejected));
        if !is_too_deep {
            return Outcome::Accepted;
        }
        rejected += 1;
        server.await_metric("fanfare_rejected_total", &["payload_too_deep"], rejected);
        Outcome::Rejected
    });
    server.await_metric("fanfare_rejected_total", &[], 2);
}

#[test]
fn publishing_over_http() {
    let server = Server::start(&[]);
    check(&server, |payload| {
        let body = format!(r#"{{"channel":"a","data":{payload}}}"#);
        let head = format!(
            "POST /publish HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\
             Content-Type: application/json\r\nContent-Length: {}\r\n\r\n",
            body.len()
        );
        let response = exchange(server.admin_address(), format!("{head}{body}").as_bytes());
        if response.starts_with("HTTP/1.1 200 ") {
            return Outcome::Accepted;
        }
        assert!(response.starts_with("HTTP/1.1 400 "), "{response}");
        assert!(response.contains("\"payload_too_deep\""), "{response}");
        Outcome::Rejected
    });
}

#[test]
fn json_clients() {
    let server = Server::start(&["namespace..publish=true"]);
    let mut client = ProtocolClient::connect(&server);
    check(&server, |payload| {
        let data: Value = serde_json::from_str(payload).unwrap();
        let reply = client.command("publish", &json!({ "channel": "a", "data": data }));
        if reply["publish"].is_object() {
            return Outcome::Accepted;
        }
        assert_eq!(reply["error"]["code"], 107, "{reply}");
        Outcome::Rejected
    });
}

#[test]
fn protobuf_clients() {
    let server = Server::start(&["namespace..publish=true"]);
    let mut client = ProtobufClient::connect(&server);
    check(&server, |payload| {
        let reply = client.command(Command {
            publish: Some(PublishRequest {
                channel: "a".into(),
                data: payload.into(),
            }),
            ..Command::default()
        });
        match reply.error {
            None => Outcome::Accepted,
            Some(error) => {
                assert_eq!(error.code, 107, "{error:?}");
                Outcome::Rejected
            }
        }
    });
}

/// A client of the Protobuf form.
struct ProtobufClient {
    connection: WebSocketConnection,
    last_id: u32,
}

impl ProtobufClient {
    fn connect(server: &Server) -> Self {
        let target = "/connection/websocket?format=protobuf";
        let mut client = Self {
            connection: WebSocketConnection::connect(server, target),
            last_id: 0,
        };
        let reply = client.command(Command {
            connect: Some(ConnectRequest::default()),
            ..Command::default()
        });
        assert!(reply.connect.is_some(), "{reply:?}");
        client
    }

    /// Sends a command with the next id and returns its reply.
    fn command(&mut self, command: Command) -> client_proto::Reply {
        self.last_id += 1;
        let id = self.last_id;
        let message = Command { id, ..command }.encode_length_delimited_to_vec();
        self.connection.send(Message::binary(message));
        loop {
            let message = self.connection.read_within(TIMEOUT).expect("a reply");
            let replies: Vec<client_proto::Reply> = client_proto::delimited(&message.into_data());
            if let Some(reply) = replies.into_iter().find(|reply| reply.id == id) {
                return reply;
            }
        }
    }
}
