//! Which topics publishers may publish to: `ingest.publish_allow`, and the reserved topic.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;

use serde_json::{Value, json};

use crate::client::{ProtocolClient, RawSubscriber};
use crate::publisher::Publisher;
use crate::server::{Server, exchange};
use crate::wait::{TIMEOUT, wait_until};
use crate::zmtp::message;

/// Returns what the ROUTER socket answers to a publication of a REQ socket: `ok` or a code.
fn answer(publisher: &Publisher, topic: &str) -> String {
    publisher.send(topic, "1");
    let reply = publisher.reply();
    String::from_utf8(reply[reply.len().min(2) - 1].clone()).unwrap()
}

/// Connects a REQ socket from an address of the loopback network, as a user if one is given.
fn requester(server: &Server, source: &str, user: Option<&str>) -> Publisher {
    let endpoint = format!("tcp://{source}:0;127.0.0.1:{}", server.ports.router);
    Publisher::connect_to(zmq::REQ, &endpoint, |socket| {
        if user.is_some() {
            socket.set_plain_username(user).unwrap();
            socket.set_plain_password(Some("secret")).unwrap();
        }
    })
}

#[test]
fn a_user_publishes_only_to_the_topics_of_its_rules() {
    let server = Server::start(&[
        "ingest.plain=ann:secret,bob:secret",
        "ingest.publish_allow=user:ann=orders:*,user:ann=news,user:bob=*",
    ]);
    let mut raw = RawSubscriber::connect(&server, &["orders:1", "prices:1"]);
    let ann = requester(&server, "127.0.0.1", Some("ann"));
    assert_eq!(answer(&ann, "orders:1"), "ok");
    assert_eq!(answer(&ann, "news"), "ok");
    assert_eq!(answer(&ann, "news2"), "not_allowed");
    assert_eq!(answer(&ann, "prices:1"), "not_allowed");
    assert_eq!(answer(&ann, "fanfare.canary"), "not_allowed");
    let bob = requester(&server, "127.0.0.1", Some("bob"));
    assert_eq!(answer(&bob, "prices:1"), "ok");
    assert_eq!(answer(&bob, "fanfare.canary"), "topic_reserved");
    for _ in 0..2 {
        assert_eq!(raw.next_text(), "1");
    }
    let rejected = server.metric("fanfare_rejected_total", &["not_allowed"]);
    assert_eq!(rejected, 3);
    server.await_output("choose a topic that ingest.publish_allow lets this publisher publish to");
    let output = server.output();
    let line = output.lines().find(|line| line.contains("not_allowed"));
    let line = line.expect("the rejection is logged");
    assert!(line.contains("ann") && line.contains("news2"), "{line}");
    server.assert_accounted();
}

#[test]
fn the_network_of_a_publisher_decides_for_every_kind_of_socket() {
    let directory = tempfile::tempdir().unwrap();
    let file = format!("ipc://{}/pull", directory.path().display());
    let server = Server::start(&[
        "ingest.publish_allow=127.0.0.2/31=a:*,ipc=b:*",
        &format!("ingest.router=tcp://127.0.0.1:0,{file}"),
    ]);
    let allowed = |kind, port: u16| {
        let endpoint = format!("tcp://127.0.0.3:0;127.0.0.1:{port}");
        Publisher::connect_to(kind, &endpoint, |_| {})
    };
    let mut raw = RawSubscriber::connect(&server, &["a:1", "b:1"]);
    let refused = |count| server.await_metric("fanfare_rejected_total", &["not_allowed"], count);
    let (inside, outside) = (
        allowed(zmq::PUSH, server.ports.pull),
        Publisher::with_push(&server),
    );
    outside.send("a:1", "\"outside\"");
    refused(1);
    inside.send("b:1", "\"another topic\"");
    refused(2);
    inside.send("a:1", "\"push\"");
    assert_eq!(raw.next_text(), "\"push\"");
    let publisher = allowed(zmq::PUB, server.ports.sub);
    // The first publications are lost until the subscription of the server has arrived.
    wait_until("a publication of a PUB socket", || {
        publisher.send("b:2", "1");
        server.metric("fanfare_rejected_total", &["not_allowed"]) > 2
    });
    publisher.send("a:1", "\"pub\"");
    assert_eq!(raw.next_text(), "\"pub\"");
    let local = Publisher::connect_to(zmq::REQ, &file, |_| {});
    assert_eq!(answer(&local, "a:1"), "not_allowed");
    assert_eq!(answer(&local, "b:1"), "ok");
    assert_eq!(raw.next_text(), "1");
}

#[test]
fn a_publisher_cannot_name_its_own_group_or_address() {
    let server = Server::start(&["ingest.publish_allow=127.0.0.2=*"]);
    let mut stream = TcpStream::connect(("127.0.0.1", server.ports.pull)).unwrap();
    stream.set_read_timeout(Some(TIMEOUT)).unwrap();
    let mut greeting = [0; 64];
    greeting[..16].copy_from_slice(b"\xff\0\0\0\0\0\0\0\0\x7f\x03\0NULL");
    stream.write_all(&greeting).unwrap();
    stream.read_exact(&mut greeting).unwrap();
    let mut ready = b"\x05READY".to_vec();
    for (name, value) in [
        ("Socket-Type", "PUSH"),
        ("User-Id", "0 ann"),
        ("Peer-Address", "127.0.0.2"),
    ] {
        ready.push(name.len() as u8);
        ready.extend(name.as_bytes());
        ready.extend((value.len() as u32).to_be_bytes());
        ready.extend(value.as_bytes());
    }
    stream.write_all(&[4, ready.len() as u8]).unwrap();
    stream.write_all(&ready).unwrap();
    stream.write_all(&message(&[b"a", b"1"])).unwrap();
    // The first group is that of a publisher that may publish to everything.
    let endpoint = format!("tcp://127.0.0.2:0;127.0.0.1:{}", server.ports.router);
    let publisher = Publisher::connect_to(zmq::REQ, &endpoint, |_| {});
    assert_eq!(answer(&publisher, "a"), "ok");
    server.await_metric("fanfare_rejected_total", &["not_allowed"], 1);
    stream.write_all(&message(&[b"a", b"1"])).unwrap();
    server.await_metric("fanfare_rejected_total", &["not_allowed"], 2);
    server.await_metric("fanfare_publications_total", &[], 1);
}

/// Sends a JSON body to the admin port and returns the response.
fn post(server: &Server, target: &str, body: &Value) -> String {
    let body = body.to_string();
    let request = format!(
        "POST {target} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nX-API-Key: key\r\n\
         Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    );
    exchange(server.admin_address(), request.as_bytes())
}

#[test]
fn the_reserved_topic_is_refused_on_every_way_in() {
    let server = Server::start(&["admin.api_keys=key", "namespace..publish=true"]);
    let topic = "fanfare.canary";
    let mut refused = 0;
    let mut await_refused = || {
        refused += 1;
        server.await_metric("fanfare_rejected_total", &["topic_reserved"], refused);
    };
    let push = Publisher::with_push(&server);
    push.send(topic, "1");
    await_refused();
    let publisher = Publisher::with_pub(&server);
    publisher.send(topic, "1");
    await_refused();
    assert_eq!(
        answer(&Publisher::with_req(&server), topic),
        "topic_reserved"
    );
    await_refused();
    let dealer = Publisher::with_dealer(&server);
    dealer.send_parts(&[b"", topic.as_bytes(), b"1"]);
    assert_eq!(dealer.reply()[2], b"topic_reserved");
    await_refused();
    let publication = json!({"channel": topic, "data": 1});
    let response = post(&server, "/publish", &publication);
    assert!(response.contains("topic_reserved"), "{response}");
    await_refused();
    let response = post(&server, "/api/publish", &publication);
    assert!(response.contains(r#""code":107"#), "{response}");
    await_refused();
    let broadcast = json!({"channels": ["a", topic], "data": 1});
    let response = post(&server, "/api/broadcast", &broadcast);
    assert!(
        response.contains(r#"[{"result":{}},{"error":{"code":107"#),
        "{response}"
    );
    await_refused();
    // A client is refused before its publication reaches the ingest thread.
    let mut client = ProtocolClient::connect(&server);
    let reply = client.command("publish", &json!({"channel": "a", "data": 1}));
    assert!(reply["publish"].is_object(), "{reply:?}");
    let reply = client.command("publish", &publication);
    assert_eq!(reply["error"]["code"], 103, "{reply:?}");
    server.await_metric("fanfare_rejected_total", &["topic_reserved"], refused);
}
