//! A shortage of descriptors: the server refuses connections, reports it, serves the existing
//! connections, and recovers.

use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::thread;
use std::time::Duration;

use crate::client::{RawSubscriber, WebSocketConnection};
use crate::publisher::Publisher;
use crate::server::Server;
use crate::wait::{TIMEOUT, wait_for, wait_until};

/// The limit on descriptors that `ulimit -n 200` sets.
const LIMIT: usize = 200;

#[test]
fn over_a_low_limit_upgrades_are_refused() {
    let mut server = Server::start_in_shell("ulimit -n 200", &[]);
    let max_connections = server.metric("fanfare_max_connections", &[]);
    let mut connections = Vec::new();
    for _ in 0..500 {
        match WebSocketConnection::try_connect(&server, "/raw?topic=a") {
            Ok(connection) => connections.push(connection),
            Err(status) => assert!(matches!(status, 503 | 0), "{status}"),
        }
    }
    assert_eq!(connections.len() as u64, max_connections);
    assert!(server.health().contains("degraded"));
    Publisher::with_req(&server).send_and_wait("a", "1");
    for connection in connections {
        assert_eq!(RawSubscriber(connection).next_text(), "1");
    }
    server.await_health("ok");
    server.assert_running();
}

#[test]
fn silent_sockets_over_all_limits_are_closed() {
    let settings = ["ws.handshake_timeout=2s"];
    let mut server = Server::start_in_shell("ulimit -n 200", &settings);
    let idle = server.settled_descriptors();
    let sockets: Vec<_> = (0..500)
        .map(|_| TcpStream::connect(server.ws_address()).unwrap())
        .collect();
    // Sockets over the limits are closed at once, the others at their deadline.
    for mut stream in &sockets {
        stream.set_read_timeout(Some(TIMEOUT)).unwrap();
        assert_eq!(stream.read(&mut [0]).unwrap_or(0), 0);
    }
    // A burst may use the last descriptors before its first sockets are closed.
    let refused = |reason| server.metric("fanfare_refused_total", &[reason]);
    assert!(refused("limit") + refused("descriptors") > 300);
    drop(sockets);
    server.await_health("ok");
    server.await_metric("fanfare_connections", &[], 0);
    wait_until("as few descriptors as before", || {
        server.descriptors() <= idle
    });
    server.assert_running();
}

/// Accepted connections that have sent no request. They can request the health when no new
/// connection is accepted.
struct IdleConnections(Vec<TcpStream>);

impl IdleConnections {
    fn open(server: &Server) -> Self {
        let mut streams = Vec::new();
        for _ in 0..30 {
            streams.push(TcpStream::connect(server.ws_address()).unwrap());
        }
        server.await_metric("fanfare_connections", &[], 31);
        Self(streams)
    }

    /// Requests the health over one of the connections. Returns the response.
    fn request_health(&mut self) -> String {
        let mut stream = self.0.pop().expect("there are connections left");
        let request = b"GET /health HTTP/1.1\r\nHost: a\r\n\r\n";
        stream.write_all(request).unwrap();
        let mut response = String::new();
        stream.read_to_string(&mut response).unwrap();
        response
    }
}

#[test]
fn without_descriptors_the_server_continues_and_recovers() {
    let mut server = Server::start_in_shell("ulimit -n 200", &["ws.handshake_timeout=60s"]);
    let idle = server.settled_descriptors();
    let mut subscriber = RawSubscriber::connect(&server, &["a"]);
    let publisher = Publisher::with_req(&server);
    publisher.send_and_wait("a", "0");
    assert_eq!(subscriber.next_text(), "0");
    let mut idle_connections = IdleConnections::open(&server);
    // The metrics requests of this test have closed their descriptors.
    wait_until("the expected number of descriptors", || {
        server.descriptors() == idle + idle_connections.0.len() + 2
    });

    // Publishers use all remaining descriptors. With one more publisher, libzmq, which retries
    // without a pause, would use the descriptor that the shards reserve for refusals.
    let pull = ("127.0.0.1", server.ports.pull);
    let mut publishers = Vec::new();
    let used = || server.descriptors_below(LIMIT);
    while used() < LIMIT {
        let before = used();
        publishers.push(TcpStream::connect(pull).unwrap());
        wait_until("an accepted publisher", || used() > before);
    }
    let mut refused = Vec::new();
    let health = wait_for("a degraded health", || {
        refused.push(TcpStream::connect(server.ws_address()).unwrap());
        thread::sleep(Duration::from_millis(100));
        let health = idle_connections.request_health();
        health.contains("file descriptors").then_some(health)
    });
    assert!(health.contains("degraded"), "{health}");
    for number in 1..100 {
        publisher.send_and_wait("a", number.to_string());
        assert_eq!(subscriber.next_text(), number.to_string());
    }
    // A connection that cannot be accepted is closed at once.
    let last = refused.last_mut().expect("there are refused connections");
    last.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
    match last.read(&mut [0]) {
        Ok(read) => assert_eq!(read, 0),
        Err(error) => assert_eq!(error.kind(), ErrorKind::ConnectionReset),
    }
    let warnings = server.output().matches("cannot accept").count();
    assert!(
        (1..=2).contains(&warnings),
        "{warnings} warnings: at most one for each shard"
    );

    drop((refused, idle_connections, publishers));
    server.await_health("ok");
    server.await_output("descriptors are back");
    let mut new_subscriber = RawSubscriber::connect(&server, &["a"]);
    publisher.send_and_wait("a", "\"back\"");
    assert_eq!(new_subscriber.next_text(), "\"back\"");
    assert_eq!(subscriber.next_text(), "\"back\"");
    assert!(server.metric("fanfare_refused_total", &["descriptors"]) > 0);
    server.assert_running();
}
