//! Tests with TCP connections of this process, which the test reads in place of libzmq.

use std::io::{ErrorKind, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::fd::AsRawFd;

use super::*;

const CHUNK: usize = 64 * 1024;
const MESSAGE_BYTES: usize = 1024 * 1024;
const BOUNDS: ReviewBounds = ReviewBounds {
    message_bytes: MESSAGE_BYTES as u64,
    heartbeat_bytes: 0,
};

/// One connection to a socket of ingest.
struct World {
    connections: Connections,
    publisher: TcpStream,
    accepted: TcpStream,
    endpoint: String,
}

impl World {
    fn new() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port is free");
        let address = listener.local_addr().expect("the listener is bound");
        let publisher = TcpStream::connect(address).expect("the listener accepts");
        let (accepted, _) = listener.accept().expect("a connection is waiting");
        let mut connections = Connections::default();
        let endpoint = format!("tcp://{address}");
        connections.add(accepted.as_raw_fd(), &endpoint);
        Self {
            connections,
            publisher,
            accepted,
            endpoint,
        }
    }

    /// Sends bytes, reads them as libzmq does, and reviews the connection.
    fn consume(&mut self, bytes: usize) {
        self.consume_bounded(bytes, BOUNDS);
    }

    fn consume_bounded(&mut self, bytes: usize, bounds: ReviewBounds) {
        let mut chunk = vec![0; CHUNK];
        let mut left = bytes;
        while left > 0 {
            let size = left.min(CHUNK);
            let sent = self.publisher.write_all(&chunk[..size]);
            sent.expect("the connection is open");
            let read = self.accepted.read_exact(&mut chunk[..size]);
            read.expect("the connection is open");
            left -= size;
        }
        self.connections.review(None, 1, bounds);
    }

    fn disconnect_overdue(&mut self, drained: Drained) -> Vec<Option<IpAddr>> {
        let mut spare = SpareDescriptor::open().expect("a descriptor is left");
        self.connections.disconnect_overdue(drained, &mut spare)
    }

    fn note_message(&mut self) {
        self.connections
            .note_message(Some(self.accepted.as_raw_fd()));
    }
}

#[test]
fn a_message_without_end_is_overdue_when_it_exceeds_the_bound() {
    let mut world = World::new();
    world.consume(OBSERVED_BYTES as usize);
    assert!(!world.connections.is_observing());
    world.consume(1);
    assert!(world.connections.is_observing());
    world.consume(MESSAGE_BYTES);
    assert!(!world.connections.is_overdue());
    world.consume(1);
    assert!(world.connections.is_overdue());
}

#[test]
fn an_overdue_connection_is_disconnected_once_and_its_peer_gets_a_reset() {
    let mut world = World::new();
    world.consume(OBSERVED_BYTES as usize + 1);
    world.consume(MESSAGE_BYTES + 1);
    let peer = "127.0.0.1".parse().ok();
    assert_eq!(world.disconnect_overdue(Drained::Empty), [peer]);
    assert_eq!(world.disconnect_overdue(Drained::Empty), []);
    assert!(!world.connections.is_observing());
    world.connections.review(None, 1, BOUNDS);
    assert!(!world.connections.is_observing());
    for end in [&mut world.accepted, &mut world.publisher] {
        let error = end.read(&mut [0]).err().map(|error| error.kind());
        assert_eq!(error, Some(ErrorKind::ConnectionReset));
    }
    world.connections.remove(world.accepted.as_raw_fd());
    assert_eq!(world.connections.len(), 0);
}

#[test]
fn a_review_in_slices_reviews_each_connection_once() {
    let mut world = World::new();
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port is free");
    let address = listener.local_addr().expect("the listener is bound");
    let connect = || TcpStream::connect(address).expect("the listener accepts");
    let streams: Vec<_> = std::iter::repeat_with(connect).take(4).collect();
    let accepted: Vec<_> = listener.incoming().take(streams.len()).flatten().collect();
    for stream in &accepted {
        let endpoint = format!("tcp://{address}");
        world.connections.add(stream.as_raw_fd(), &endpoint);
    }
    let (mut after, mut counts) = (None, Vec::new());
    loop {
        let reviewed = world.connections.review(after, 2, BOUNDS);
        counts.push(reviewed.count);
        let Some(last) = reviewed.last else {
            break;
        };
        assert!(after < Some(last));
        after = Some(last);
        // A connection that ends meanwhile changes nothing for the others.
        world.connections.remove(last);
    }
    assert_eq!(counts, [2, 2, 1, 0]);
}

#[test]
fn an_overdue_connection_that_sends_a_message_is_kept() {
    let mut world = World::new();
    world.consume(OBSERVED_BYTES as usize + 1);
    world.consume(MESSAGE_BYTES + 1);
    world.note_message();
    assert_eq!(world.disconnect_overdue(Drained::Empty), []);
    assert!(!world.connections.is_overdue() && !world.connections.is_observing());
    // It is overdue a second time before the first time is reviewed.
    for _ in 0..2 {
        world.consume(OBSERVED_BYTES as usize + 1);
        world.consume(MESSAGE_BYTES + 1);
        world.note_message();
    }
    world.consume(OBSERVED_BYTES as usize + 1);
    world.consume(MESSAGE_BYTES + 1);
    let peers = world.disconnect_overdue(Drained::Empty);
    assert_eq!(peers.len(), 1);
    assert!(!world.connections.is_overdue());
}

#[test]
fn in_a_socket_that_is_never_empty_many_messages_of_others_are_enough() {
    let mut world = World::new();
    world.consume(OBSERVED_BYTES as usize + 1);
    world.consume(MESSAGE_BYTES + 1);
    let enough = OVERDUE_MESSAGES + OVERDUE_ROUNDS;
    for number in 1..=enough {
        world.connections.note_message(None);
        let disconnected = world.disconnect_overdue(Drained::BoundReached);
        assert_eq!(disconnected.len(), usize::from(number == enough));
    }
}

#[test]
fn a_connection_with_whole_messages_is_never_overdue() {
    let mut world = World::new();
    for _ in 0..8 {
        world.consume(MESSAGE_BYTES);
        world.note_message();
        assert!(!world.connections.is_observing());
    }
    // A message that begins after a whole message is observed from its beginning.
    world.consume(OBSERVED_BYTES as usize + 1);
    world.consume(MESSAGE_BYTES);
    world.note_message();
    world.consume(OBSERVED_BYTES as usize);
    assert!(!world.connections.is_observing());
}

#[test]
fn heartbeats_do_not_count_and_are_no_credit() {
    let bounds = ReviewBounds {
        heartbeat_bytes: CHUNK as u64,
        ..BOUNDS
    };
    let mut world = World::new();
    for _ in 0..2 * OBSERVED_BYTES as usize / CHUNK {
        world.consume_bounded(CHUNK, bounds);
        assert!(!world.connections.is_observing());
    }
    // While the publisher is silent, it gains nothing.
    world.consume_bounded(0, bounds);
    world.consume_bounded(OBSERVED_BYTES as usize + CHUNK + 1, bounds);
    assert!(world.connections.is_observing());
    for _ in 0..2 * MESSAGE_BYTES / CHUNK {
        world.consume_bounded(CHUNK, bounds);
        assert!(!world.connections.is_overdue());
    }
    world.consume_bounded(0, bounds);
    world.consume_bounded(MESSAGE_BYTES + CHUNK + 1, bounds);
    assert!(world.connections.is_overdue());
}

#[test]
fn bytes_that_libzmq_has_not_read_do_not_count() {
    let mut world = World::new();
    let unread = vec![0; OBSERVED_BYTES as usize / 2];
    world.consume(OBSERVED_BYTES as usize - 1);
    world
        .publisher
        .write_all(&unread)
        .expect("the kernel has room");
    world.connections.review(None, 1, BOUNDS);
    assert!(!world.connections.is_observing());
    let sum = OBSERVED_BYTES - 1;
    assert_eq!(world.connections.take_consumed(), sum);
}

#[test]
fn a_message_of_another_connection_changes_nothing() {
    let mut world = World::new();
    world.consume(OBSERVED_BYTES as usize + 1);
    world.connections.note_message(Some(-1));
    assert!(world.connections.is_observing());
    world.connections.remove(-1);
    assert!(world.connections.is_observing());
    world.connections.remove(world.accepted.as_raw_fd());
    assert!(!world.connections.is_observing());
}

#[test]
fn only_tcp_connections_to_the_endpoint_are_watched() {
    let mut world = World::new();
    let descriptor = world.accepted.as_raw_fd();
    for endpoint in ["ipc:///run/a", "tcp://127.0.0.1:1", "tcp://", ""] {
        world.connections.add(descriptor, endpoint);
        assert_eq!(world.connections.len(), 0, "{endpoint}");
    }
    let file = tempfile::tempfile().expect("a file can be opened");
    world.connections.add(file.as_raw_fd(), &world.endpoint);
    world.connections.add(-1, &world.endpoint);
    assert_eq!(world.connections.len(), 0);
    world.connections.add(descriptor, &world.endpoint);
    assert_eq!(world.connections.len(), 1);
}

#[test]
fn a_duplicate_is_closed_when_it_is_dropped() {
    let World {
        mut publisher,
        accepted,
        ..
    } = World::new();
    let mut spare = SpareDescriptor::open().expect("a descriptor is left");
    let duplicate = spare.duplicate(accepted.as_raw_fd());
    let duplicate = duplicate.expect("the connection is open");
    let cookie = system::cookie(accepted.as_raw_fd()).ok();
    assert_eq!(duplicate.socket().cookie().ok(), cookie);
    drop(accepted);
    drop(duplicate);
    let read = publisher.read(&mut [0]);
    assert_eq!(read.ok(), Some(0), "no descriptor of the other end is left");
    assert!(spare.duplicate(-1).is_err());
}
