//! Thousands of hostile peers on every port, while a client receives all of its publications.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, ScopedJoinHandle};
use std::time::Duration;

use fastrand::Rng;
use socket2::SockRef;

use crate::client::{ProtocolClient, RawSubscriber};
use crate::publisher::Publisher;
use crate::server::Server;
use crate::wait::wait_until;

const ATTACKERS: usize = 4;
const UPGRADE: &[u8] = b"GET /raw?topic=busy HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\n\
    Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n\
    Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
const CLIENT_UPGRADE: &[u8] = b"GET /connection/websocket HTTP/1.1\r\nHost: a\r\n\
    Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n\
    Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
/// The first bytes of a ZMTP 3.1 peer.
const ZMTP_GREETING: &[u8] = b"\xff\0\0\0\0\0\0\0\x01\x7f\x03\x01NULL";

/// Returns the number of hostile peers, all attackers together. `FANFARE_E2E_PEERS` sets it.
fn peers() -> usize {
    let wanted = std::env::var("FANFARE_E2E_PEERS").ok();
    wanted.map_or(2_000, |count| count.parse().expect("a number of peers"))
}

/// Returns at least 1 and at most `max` random bytes.
fn random_bytes(random: &mut Rng, max: usize) -> Vec<u8> {
    let mut bytes = vec![0; random.usize(1..=max)];
    random.fill(&mut bytes);
    bytes
}

/// Returns a frame with a mask of zeros, which leaves the payload unchanged.
fn zero_masked_frame(first: u8, payload: &[u8]) -> Vec<u8> {
    let length = payload.len() as u8;
    assert!(length < 126);
    [&[first, 0x80 | length, 0, 0, 0, 0], payload].concat()
}

/// Returns hostile input for the WebSocket port.
fn hostile_input(random: &mut Rng) -> Vec<u8> {
    let noise = random_bytes(random, 3_000);
    match random.usize(0..12) {
        0 => noise,
        1 => UPGRADE[..random.usize(..UPGRADE.len())].to_vec(),
        2 => [b"GET / HTTP/1.1\r\nX: ", &vec![b'x'; 20_000][..]].concat(),
        3 => [&b"GET /"[..], &vec![b'y'; 20_000]].concat(),
        // A text frame of 2^63 bytes, a text frame of 60,000 bytes without its payload, and a text
        // frame without a mask.
        4 => [UPGRADE, b"\x81\xff\x80\0\0\0\0\0\0\0abcd", &noise].concat(),
        5 => [UPGRADE, b"\x81\xfe\xea\x60\0\0\0\0", &noise].concat(),
        6 => [UPGRADE, b"\x81\x05hello"].concat(),
        7 => [UPGRADE, &noise].concat(),
        8 => [
            UPGRADE,
            &zero_masked_frame(0x01, b"part").repeat(random.usize(1..200)),
        ]
        .concat(),
        9 => [
            CLIENT_UPGRADE,
            &zero_masked_frame(0x81, &noise[..noise.len().min(125)]),
        ]
        .concat(),
        10 => {
            let connect = br#"{"id":1,"connect":{}}"#;
            let subscribe = br#"{"id":2,"subscribe":{"channel":"busy"}}"#;
            let commands = [
                zero_masked_frame(0x81, connect),
                zero_masked_frame(0x81, subscribe),
            ]
            .concat();
            [CLIENT_UPGRADE, &commands, &noise].concat()
        }
        _ => [UPGRADE, &zero_masked_frame(0x89, b"ping").repeat(100)].concat(),
    }
}

/// Returns hostile input for a ZeroMQ port.
fn hostile_zmtp_input(random: &mut Rng) -> Vec<u8> {
    let noise = random_bytes(random, 3_000);
    let greeting = [ZMTP_GREETING, &[0; 48]].concat();
    match random.usize(0..4) {
        0 => noise,
        1 => greeting[..random.usize(..greeting.len())].to_vec(),
        // A part of a READY command, and a frame of 2^62 bytes.
        2 => [
            &greeting[..],
            b"\x04\x19\x05READY\x0bSocket-Type\0\0\0\x04PU",
        ]
        .concat(),
        _ => [&greeting[..], b"\x02\x40\0\0\0\0\0\0\0", &noise].concat(),
    }
}

/// Connects one hostile peer, sends its input in pieces of a random size, and ends the connection
/// in one of several ways.
fn attack(address: SocketAddr, bytes: &[u8], random: &mut Rng) {
    let Ok(mut stream) = TcpStream::connect(address) else {
        return;
    };
    stream.set_nodelay(true).unwrap();
    stream
        .set_read_timeout(Some(Duration::from_millis(5)))
        .unwrap();
    let piece_bytes = *random.choice(&[1, 7, 100_000]).expect("there are sizes");
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

/// Connects this attacker's part of the hostile peers, one after another.
fn attack_repeatedly(server: &Server, seed: u64) {
    let mut random = Rng::with_seed(seed);
    let ports = server.ports;
    for _ in 0..peers() / ATTACKERS {
        if random.usize(0..5) == 0 {
            let port = *random
                .choice(&[ports.pull, ports.sub, ports.router])
                .expect("there are ports");
            let bytes = hostile_zmtp_input(&mut random);
            attack(
                SocketAddr::from(([127, 0, 0, 1], port)),
                &bytes,
                &mut random,
            );
        } else {
            let bytes = hostile_input(&mut random);
            attack(server.ws_address(), &bytes, &mut random);
        }
    }
}

/// Publishes a number and reads it with two subscribers, again and again until `stop` is set.
/// Returns the number of publications.
pub fn publish_and_read(server: &Server, stop: &AtomicBool) -> u64 {
    let mut client = ProtocolClient::connect_subscribed(server, &["busy"]);
    let mut raw = RawSubscriber::connect(server, &["busy"]);
    let publisher = Publisher::with_req(server);
    let mut number = 0;
    while !stop.load(Ordering::Relaxed) {
        publisher.send_and_wait("busy", number.to_string());
        assert_eq!(client.next_publication().1, number);
        assert_eq!(raw.next_text(), number.to_string());
        number += 1;
    }
    number
}

#[test]
fn hostile_peers_leave_no_connections_descriptors_or_memory() {
    let seed = fastrand::u64(..);
    println!("seed {seed}");
    // Without pings, only the attacks and the publications wake a shard.
    let mut server = Server::start(&["ws.handshake_timeout=1s", "ws.ping=10m"]);
    let descriptors = server.settled_descriptors();
    let resident_bytes = server.resident_bytes();
    let stop = AtomicBool::new(false);
    thread::scope(|scope| {
        let reader = scope.spawn(|| publish_and_read(&server, &stop));
        let server = &server;
        let mut attackers = Vec::new();
        for number in 0..ATTACKERS as u64 {
            attackers.push(scope.spawn(move || attack_repeatedly(server, seed ^ number)));
        }
        let attacks: Vec<_> = attackers.into_iter().map(ScopedJoinHandle::join).collect();
        stop.store(true, Ordering::Relaxed);
        let publications = reader.join().expect("every publication arrived in order");
        assert!(publications > 100, "{publications}");
        assert!(attacks.iter().all(Result::is_ok));
    });
    server.assert_running();
    server.await_metric("fanfare_connections", &[], 0);
    server.await_metric("fanfare_subscriptions", &[], 0);
    server.await_metric("fanfare_pending_bytes", &[], 0);
    server.assert_accounted();
    wait_until("as few descriptors as before", || {
        // libzmq closes its last descriptors with a delay.
        server.descriptors() <= descriptors
    });
    let grown = server.resident_bytes().saturating_sub(resident_bytes);
    assert!(grown < 32 * 1024 * 1024, "grew by {grown} bytes");
    server.await_health("ok");
}
