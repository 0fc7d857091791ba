//! Too few descriptors: the server refuses connections, reports it, continues to work, and
//! recovers.

use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::thread;
use std::time::Duration;

use super::client::{Raw, Socket};
use super::publisher::Publisher;
use super::server::Server;
use super::wait::{TIMEOUT, until};

/// The limit that `ulimit -n 200` sets.
const LIMIT: usize = 200;

#[test]
fn upgrades_above_a_low_limit_are_refused() {
    let mut server = Server::start_after("ulimit -n 200", &[]);
    let room = server.metric("fanfare_max_connections", &[]);
    let outcomes: Vec<_> = (0..500)
        .map(|_| Socket::try_connect(&server, "/raw?topic=a"))
        .collect();
    let refused = outcomes.iter().filter_map(|outcome| outcome.as_ref().err());
    assert!(refused.clone().all(|status| matches!(status, 503 | 0)));
    assert_eq!(500 - refused.count() as u64, room);
    assert!(server.health().contains("degraded"));
    Publisher::request(&server).send_and_wait("a", "1");
    for socket in outcomes.into_iter().flatten() {
        assert_eq!(Raw(socket).next_text(), "1");
    }
    server.await_health("ok");
    server.assert_running();
}

#[test]
fn sockets_above_all_limits_are_closed_at_once() {
    let settings = ["ws.handshake_timeout=2s"];
    let mut server = Server::start_after("ulimit -n 200", &settings);
    let idle = server.settled_descriptors();
    let sockets: Vec<_> = (0..500)
        .map(|_| TcpStream::connect(server.ws_address()).unwrap())
        .collect();
    let closed = sockets.iter().filter(|stream| {
        let mut stream = *stream;
        stream.set_read_timeout(Some(TIMEOUT)).unwrap();
        // Sockets above the limits are closed at once, the others at their deadline.
        stream.read(&mut [0]).unwrap_or(0) == 0
    });
    assert_eq!(closed.count(), 500);
    // A burst may use the last descriptors before its first sockets are closed.
    let refused = |reason| server.metric("fanfare_refused_total", &[reason]);
    assert!(refused("limit") + refused("descriptors") > 300);
    drop(sockets);
    server.await_health("ok");
    server.await_metric("fanfare_connections", &[], 0);
    until("the number of descriptors of an idle server", || {
        (server.descriptors() <= idle).then_some(())
    });
    server.assert_running();
}

/// Accepted connections without a request. They can send a request while the server cannot accept
/// new connections.
struct Waiting(Vec<TcpStream>);

impl Waiting {
    fn open(server: &Server) -> Self {
        let connect = |_| TcpStream::connect(server.ws_address()).unwrap();
        let waiting = Self((0..30).map(connect).collect());
        server.await_metric("fanfare_connections", &[], 31);
        waiting
    }

    fn health(&mut self) -> String {
        let mut stream = self.0.pop().expect("enough connections are open");
        let request = b"GET /health HTTP/1.1\r\nHost: a\r\n\r\n";
        stream.write_all(request).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer
    }
}

#[test]
fn a_server_without_descriptors_continues_and_recovers() {
    let mut server = Server::start_after("ulimit -n 200", &["ws.handshake_timeout=60s"]);
    let idle = server.settled_descriptors();
    let mut observer = Raw::connect(&server, &["a"]);
    let publisher = Publisher::request(&server);
    publisher.send_and_wait("a", "0");
    assert_eq!(observer.next_text(), "0");
    let mut waiting = Waiting::open(&server);
    until("the end of the requests of this test", || {
        (server.descriptors() == idle + waiting.0.len() + 2).then_some(())
    });

    // Publishers use all remaining descriptors. With one more publisher, libzmq would retry without
    // a pause and use the descriptor that the shards keep in reserve for refusals.
    let pull = ("127.0.0.1", server.ports.pull);
    let mut publishers = Vec::new();
    let used = || server.descriptors_below(LIMIT);
    while used() < LIMIT {
        let before = used();
        publishers.push(TcpStream::connect(pull).unwrap());
        until("an accepted publisher", || (used() > before).then_some(()));
    }
    let mut refused = Vec::new();
    let health = until("a shortage of descriptors", || {
        refused.push(TcpStream::connect(server.ws_address()).unwrap());
        thread::sleep(Duration::from_millis(100));
        let health = waiting.health();
        health.contains("file descriptors").then_some(health)
    });
    assert!(health.contains("degraded"), "{health}");
    for number in 1..100 {
        publisher.send_and_wait("a", number.to_string());
        assert_eq!(observer.next_text(), number.to_string());
    }
    // The last connections are refused at once.
    let last = refused.last_mut().expect("some connections were refused");
    last.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
    match last.read(&mut [0]) {
        Ok(read) => assert_eq!(read, 0),
        Err(error) => assert_eq!(error.kind(), ErrorKind::ConnectionReset),
    }
    let warnings = server.output().matches("cannot accept").count();
    assert!(
        (1..=2).contains(&warnings),
        "{warnings} warnings, at most one per shard"
    );

    drop((refused, waiting, publishers));
    server.await_health("ok");
    server.await_output("descriptors are back");
    let mut fresh = Raw::connect(&server, &["a"]);
    publisher.send_and_wait("a", "\"back\"");
    assert_eq!(fresh.next_text(), "\"back\"");
    assert_eq!(observer.next_text(), "\"back\"");
    assert!(server.metric("fanfare_refused_total", &["descriptors"]) > 0);
    server.assert_running();
}
