//! The log lines about what the server refuses: handshakes and publications.

use std::io::Write as _;
use std::net::TcpStream;

use crate::client::RawSubscriber;
use crate::publisher::Publisher;
use crate::server::{Server, exchange};

const HEAD: &str = "GET /connection/websocket HTTP/1.1\r\nHost: localhost\r\n\
     Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n\
     Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nOrigin: http://localhost:3000\r\n\r\n";

/// Returns the lines of the output that contain `text`.
fn lines(server: &Server, text: &str) -> Vec<String> {
    let output = server.output();
    let lines = output.lines().filter(|line| line.contains(text));
    lines.map(str::to_owned).collect()
}

#[test]
fn a_refused_page_is_logged_with_the_entry_that_allows_it() {
    let server = Server::start(&["cpu.shards=1"]);
    for _ in 0..30 {
        let response = exchange(server.ws_address(), HEAD.as_bytes());
        assert!(response.starts_with("HTTP/1.1 403 "), "{response}");
    }
    server.await_output("add \"http://localhost:3000\" to ws.origins");
    let logged = lines(&server, "refused a handshake: ");
    assert!((1..30).contains(&logged.len()), "{logged:#?}");
    assert!(logged[0].contains("reason=\"origin\""), "{}", logged[0]);
    assert!(logged[0].contains("peer=127.0.0.1:"), "{}", logged[0]);

    let remedied = Server::start(&["ws.origins=[\"http://localhost:3000\"]"]);
    let mut stream = TcpStream::connect(remedied.ws_address()).unwrap();
    stream.write_all(HEAD.as_bytes()).unwrap();
    remedied.await_metric("fanfare_upgraded_total", &[], 1);
    assert_eq!(lines(&remedied, "refused"), [""; 0]);
}

#[test]
fn a_rejected_publication_is_logged_with_its_topic_and_its_fault() {
    let server = Server::start(&[]);
    let mut subscriber = RawSubscriber::connect(&server, &["news"]);
    let publisher = Publisher::with_push(&server);
    for _ in 0..30 {
        publisher.send("news", "{secret: 1}");
    }
    publisher.send("\x1b[2Jnews", "1");
    publisher.send("news", "1");
    assert_eq!(subscriber.next_text(), "1");
    server.await_output("topic=\"\\u{1b}[2Jnews\"");
    let logged = lines(&server, "rejected a publication: ");
    let json: Vec<_> = logged
        .iter()
        .filter(|line| line.contains("reason=\"payload_not_json\""))
        .collect();
    assert!((1..30).contains(&json.len()), "{logged:#?}");
    for part in [
        "send JSON as the payload",
        "topic=\"news\"",
        "fault=\"key must be a string at line 1 column 2\"",
        "payload_bytes=11",
        "socket=\"pull\"",
        "peer=127.0.0.1 ",
    ] {
        assert!(json[0].contains(part), "{part}: {}", json[0]);
    }
    assert!(!server.output().contains("secret"));
}
