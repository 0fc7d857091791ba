//! Thousands of malicious clients and publishers on all ports, while an observer receives
//! everything in order.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, ScopedJoinHandle};
use std::time::Duration;

use fastrand::Rng;
use socket2::SockRef;

use super::client::{Client, Raw};
use super::publisher::Publisher;
use super::server::Server;
use super::wait::until;

const ATTACKERS: usize = 4;
const UPGRADE: &[u8] = b"GET /raw?topic=busy HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\n\
    Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n\
    Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
const CLIENT_UPGRADE: &[u8] = b"GET /connection/websocket HTTP/1.1\r\nHost: a\r\n\
    Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n\
    Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
/// The greeting of ZMTP 3.1.
const ZMTP_GREETING: &[u8] = b"\xff\0\0\0\0\0\0\0\x01\x7f\x03\x01NULL";

/// Returns the number of malicious connections of all attackers together.
fn peers() -> usize {
    let wanted = std::env::var("FANFARE_E2E_PEERS").ok();
    wanted.map_or(2_000, |count| count.parse().expect("a number of peers"))
}

fn random_bytes(random: &mut Rng, most: usize) -> Vec<u8> {
    let mut bytes = vec![0; random.usize(1..=most)];
    random.fill(&mut bytes);
    bytes
}

/// Returns a masked frame with the mask 0, which does not change the payload.
fn masked(first: u8, payload: &[u8]) -> Vec<u8> {
    let length = payload.len() as u8;
    assert!(length < 126);
    [&[first, 0x80 | length, 0, 0, 0, 0], payload].concat()
}

/// Returns malicious bytes for the WebSocket port.
fn malicious_bytes(random: &mut Rng) -> Vec<u8> {
    let noise = random_bytes(random, 3_000);
    match random.usize(0..12) {
        0 => noise,
        1 => UPGRADE[..random.usize(..UPGRADE.len())].to_vec(),
        2 => [b"GET / HTTP/1.1\r\nX: ", &vec![b'x'; 20_000][..]].concat(),
        3 => [&b"GET /"[..], &vec![b'y'; 20_000]].concat(),
        // A text frame of 2^63 bytes, one of 60,000 bytes that are not sent, one without a mask.
        4 => [UPGRADE, b"\x81\xff\x80\0\0\0\0\0\0\0abcd", &noise].concat(),
        5 => [UPGRADE, b"\x81\xfe\xea\x60\0\0\0\0", &noise].concat(),
        6 => [UPGRADE, b"\x81\x05hello"].concat(),
        7 => [UPGRADE, &noise].concat(),
        8 => [UPGRADE, &masked(0x01, b"part").repeat(random.usize(1..200))].concat(),
        9 => [
            CLIENT_UPGRADE,
            &masked(0x81, &noise[..noise.len().min(125)]),
        ]
        .concat(),
        10 => {
            let connect = br#"{"id":1,"connect":{}}"#;
            let subscribe = br#"{"id":2,"subscribe":{"channel":"busy"}}"#;
            let commands = [masked(0x81, connect), masked(0x81, subscribe)].concat();
            [CLIENT_UPGRADE, &commands, &noise].concat()
        }
        _ => [UPGRADE, &masked(0x89, b"ping").repeat(100)].concat(),
    }
}

/// Returns malicious bytes for a ZeroMQ port.
fn malicious_zmtp_bytes(random: &mut Rng) -> Vec<u8> {
    let noise = random_bytes(random, 3_000);
    let greeting = [ZMTP_GREETING, &[0; 48]].concat();
    match random.usize(0..4) {
        0 => noise,
        1 => greeting[..random.usize(..greeting.len())].to_vec(),
        // A truncated READY command, and a frame of 2^62 bytes.
        2 => [
            &greeting[..],
            b"\x04\x19\x05READY\x0bSocket-Type\0\0\0\x04PU",
        ]
        .concat(),
        _ => [&greeting[..], b"\x02\x40\0\0\0\0\0\0\0", &noise].concat(),
    }
}

/// Connects, sends bytes in pieces, and ends the connection in one of several ways.
fn attack(address: SocketAddr, bytes: &[u8], random: &mut Rng) {
    let Ok(mut stream) = TcpStream::connect(address) else {
        return;
    };
    stream.set_nodelay(true).unwrap();
    stream
        .set_read_timeout(Some(Duration::from_millis(5)))
        .unwrap();
    let piece_bytes = *random.choice(&[1, 7, 100_000]).expect("not empty");
    for piece in bytes.chunks(piece_bytes).take(500) {
        if stream.write_all(piece).is_err() {
            break; // The server has closed the connection.
        }
    }
    match random.usize(0..4) {
        0 => SockRef::from(&stream)
            .set_linger(Some(Duration::ZERO))
            .unwrap(),
        1 => drop(stream.shutdown(Shutdown::Write)),
        2 => drop(stream.read(&mut [0; 64])),
        _ => {}
    }
}

fn attack_for_long(server: &Server, seed: u64) {
    let mut random = Rng::with_seed(seed);
    let ports = server.ports;
    for _ in 0..peers() / ATTACKERS {
        if random.usize(0..5) == 0 {
            let port = *random
                .choice(&[ports.pull, ports.sub, ports.router])
                .expect("there are three ports");
            let bytes = malicious_zmtp_bytes(&mut random);
            attack(
                SocketAddr::from(([127, 0, 0, 1], port)),
                &bytes,
                &mut random,
            );
        } else {
            let bytes = malicious_bytes(&mut random);
            attack(server.ws_address(), &bytes, &mut random);
        }
    }
}

/// Publishes and reads the publication repeatedly, until `over` is set. Returns the number of
/// rounds.
pub(super) fn publish_and_read(server: &Server, over: &AtomicBool) -> u64 {
    let mut client = Client::subscribed(server, &["busy"]);
    let mut raw = Raw::connect(server, &["busy"]);
    let publisher = Publisher::request(server);
    let mut number = 0;
    while !over.load(Ordering::Relaxed) {
        publisher.send_and_wait("busy", number.to_string());
        assert_eq!(client.next().1, number);
        assert_eq!(raw.next_text(), number.to_string());
        number += 1;
    }
    number
}

#[test]
fn malicious_connections_leave_no_descriptors_or_memory() {
    let seed = fastrand::u64(..);
    println!("seed {seed}");
    // Without pings, only the attacks and the messages of the observer wake a shard.
    let mut server = Server::start(&["ws.handshake_timeout=1s", "ws.ping=10m"]);
    let descriptors = server.settled_descriptors();
    let resident_bytes = server.resident_bytes();
    let over = AtomicBool::new(false);
    thread::scope(|scope| {
        let observer = scope.spawn(|| publish_and_read(&server, &over));
        let server = &server;
        let attackers = (0..ATTACKERS as u64)
            .map(|number| scope.spawn(move || attack_for_long(server, seed ^ number)));
        let attackers: Vec<_> = attackers.collect();
        let attacks = attackers.into_iter().map(ScopedJoinHandle::join);
        let attacks: Vec<_> = attacks.collect();
        over.store(true, Ordering::Relaxed);
        let rounds = observer
            .join()
            .expect("the observer received everything in order");
        assert!(rounds > 100, "{rounds}");
        assert!(attacks.iter().all(Result::is_ok));
    });
    server.assert_running();
    server.await_metric("fanfare_connections", &[], 0);
    server.await_metric("fanfare_subscriptions", &[], 0);
    server.await_metric("fanfare_pending_bytes", &[], 0);
    server.assert_accounted();
    until("the number of descriptors as before", || {
        // libzmq closes its last descriptors with a delay.
        (server.descriptors() <= descriptors).then_some(())
    });
    let grown = server.resident_bytes().saturating_sub(resident_bytes);
    assert!(grown < 32 * 1024 * 1024, "grew by {grown} bytes");
    server.await_health("ok");
}
