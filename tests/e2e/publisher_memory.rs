//! Publishers that make libzmq hold as much as it can: memory stays below the documented bounds and
//! is returned, and the messages of other publishers arrive.

use std::io::Write;
use std::panic::{self, AssertUnwindSafe};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use crate::client::RawSubscriber;
use crate::publisher::Publisher;
use crate::server::{Server, exchange};
use crate::wait::wait_until;
use crate::zmtp::{ZmtpPeer, frame, message};

const MIB: usize = 1024 * 1024;

/// Memory of a publisher in these tests, of which the default is larger.
const PUBLISHER_MEMORY: &str = "ingest.publisher_memory=64MiB";

/// The memory of the process while `attack` runs, beside an honest publisher.
struct Attacked {
    /// How much larger the memory was at most than before.
    peak_bytes: usize,
    /// The longest time that the reply to an honest request took.
    slowest_reply: Duration,
}

/// Runs `attack` while an honest publisher sends numbers and a subscriber receives all of them.
/// Then the function waits until the server has returned the memory of the attack.
fn attack(server: &Server, attack: impl FnOnce()) -> Attacked {
    let before_bytes = server.resident_bytes();
    let (peak_bytes, stop) = (AtomicUsize::new(0), AtomicBool::new(false));
    let mut subscriber = RawSubscriber::connect(server, &["honest"]);
    let slowest_reply = thread::scope(|scope| {
        scope.spawn(|| {
            while !stop.load(Ordering::Relaxed) {
                peak_bytes.fetch_max(server.resident_bytes(), Ordering::Relaxed);
                thread::sleep(Duration::from_millis(5));
            }
        });
        let honest = scope.spawn(|| {
            let publisher = Publisher::with_req(server);
            let (mut number, mut slowest) = (0, Duration::ZERO);
            while !stop.load(Ordering::Relaxed) || number < 10 {
                let sent = Instant::now();
                publisher.send_and_wait("honest", number.to_string());
                slowest = slowest.max(sent.elapsed());
                assert_eq!(subscriber.next_text(), number.to_string());
                number += 1;
            }
            slowest
        });
        // If the attack fails, the threads must end too.
        let attacked = panic::catch_unwind(AssertUnwindSafe(attack));
        stop.store(true, Ordering::Relaxed);
        if let Err(failure) = attacked {
            panic::resume_unwind(failure);
        }
        honest.join().expect("every honest message arrives")
    });
    wait_until("memory as before", || {
        server.resident_bytes() < before_bytes + 50 * MIB
    });
    server.assert_accounted();
    Attacked {
        peak_bytes: peak_bytes.into_inner().saturating_sub(before_bytes),
        slowest_reply,
    }
}

/// Sends `bytes` again and again until the server disconnects the peer. Returns the bytes sent.
fn send_until_disconnected(mut peer: ZmtpPeer, bytes: &[u8]) -> usize {
    let mut sent = 0;
    while peer.0.write_all(bytes).is_ok() {
        sent += bytes.len();
        assert!(sent < 2_000 * MIB, "the server reads without end");
    }
    sent
}

#[test]
fn a_publisher_that_never_ends_a_message_is_disconnected() {
    let server = Server::start(&[]);
    let parts = [
        // Each empty part takes two bytes on the wire and 64 bytes in libzmq.
        ("empty parts", [1, 0].repeat(MIB / 2), 400),
        (
            "parts of 64 KiB",
            frame(&vec![b'x'; 64 * 1024], true).repeat(16),
            400,
        ),
        ("parts of 40 MiB", frame(&vec![b'x'; 40 * MIB], true), 400),
    ];
    for (number, (name, bytes, most_mib)) in parts.iter().enumerate() {
        for socket_type in ["PUSH", "DEALER"] {
            let port = match socket_type {
                "PUSH" => server.ports.pull,
                _ => server.ports.router,
            };
            let attacked = attack(&server, || {
                send_until_disconnected(ZmtpPeer::connect(port, socket_type), bytes);
            });
            let peak_bytes = attacked.peak_bytes;
            assert!(peak_bytes < most_mib * MIB, "{name}: {peak_bytes} bytes");
            assert!(attacked.slowest_reply < Duration::from_secs(1), "{name}");
        }
        let disconnected = 2 * (number as u64 + 1);
        server.await_metric("fanfare_denied_total", &["unfinished"], disconnected);
    }
    server.await_output("denied a publisher: it sent a message that exceeds ingest.max_payload");
    server.await_metric("fanfare_rejected_total", &[], 0);
}

#[test]
fn a_publisher_with_the_last_descriptor_is_disconnected() {
    let server = Server::start_in_shell("ulimit -n 200", &[]);
    let connect = || ZmtpPeer::try_connect(server.ports.pull, "PUSH", Duration::from_secs(1));
    // The last connection that the server accepts has taken its last descriptor.
    let mut peers: Vec<_> = std::iter::from_fn(connect).collect();
    assert!(peers.len() < 200);
    let last = peers.pop().expect("the server accepts connections");
    send_until_disconnected(last, &frame(&vec![b'x'; 64 * 1024], true));
    drop(peers);
    server.await_metric("fanfare_denied_total", &["unfinished"], 1);
}

#[test]
fn a_message_without_end_is_found_in_a_socket_that_is_never_empty() {
    let server = Server::start(&[PUBLISHER_MEMORY]);
    let payload = format!("\"{}\"", "x".repeat(64 * 1024));
    let publication = message(&[b"flood", payload.as_bytes()]);
    let endless = frame(&vec![b'x'; 64 * 1024], true);
    let attacked = attack(&server, || {
        thread::scope(|scope| {
            let peer = ZmtpPeer::connect(server.ports.pull, "PUSH");
            let endless = scope.spawn(|| send_until_disconnected(peer, &endless));
            let mut push = ZmtpPeer::connect(server.ports.pull, "PUSH");
            while !endless.is_finished() {
                push.0.write_all(&publication).expect("the server reads");
            }
        });
    });
    server.await_metric("fanfare_denied_total", &["unfinished"], 1);
    let peak_bytes = attacked.peak_bytes;
    assert!(peak_bytes < 400 * MIB, "{peak_bytes} bytes");
}

#[test]
fn publishers_of_whole_messages_are_not_disconnected() {
    let server = Server::start(&[]);
    let mut large = RawSubscriber::connect(&server, &["large"]);
    let mut small = RawSubscriber::connect(&server, &["small"]);
    let (first, second) = (Publisher::with_push(&server), Publisher::with_push(&server));
    let payload = format!("\"{}\"", "x".repeat(MIB - 2));
    for number in 0..40 {
        first.send("large", &payload);
        // The second publisher is silent most of the time, after it has sent much at once.
        if number % 20 == 0 {
            for _ in 0..5_000 {
                second.send("small", &payload[..1]);
            }
            second.send("small", "1");
        }
        assert_eq!(large.next_text().len(), payload.len());
    }
    assert_eq!(small.next_text(), "1");
    assert_eq!(small.next_text(), "1");
    // A slow publisher may take any time for a message.
    let mut slow = ZmtpPeer::connect(server.ports.pull, "PUSH");
    for part in message(&[b"large", payload.as_bytes()]).chunks(MIB / 20) {
        slow.0.write_all(part).expect("the connection is open");
        thread::sleep(Duration::from_millis(50));
    }
    assert_eq!(large.next_text().len(), payload.len());
    assert_eq!(server.metric("fanfare_denied_total", &[]), 0);
}

#[test]
fn a_dealer_that_never_reads_its_replies_is_bounded() {
    let server = Server::start(&[]);
    let attacked = attack(&server, || {
        let mut dealer = ZmtpPeer::connect(server.ports.router, "DEALER");
        let leading = vec![b'c'; 30 * 1024];
        let request = message(&[&leading, b"", b"other", b"1"]);
        for _ in 0..20_000 {
            dealer.0.write_all(&request).expect("the server reads");
        }
        wait_until("a reply that is lost", || {
            server.metric("fanfare_replies_lost_total", &[]) > 10_000
        });
    });
    let peak_bytes = attacked.peak_bytes;
    assert!(peak_bytes < (256 + 50) * MIB, "{peak_bytes} bytes");
    assert!(attacked.slowest_reply < Duration::from_secs(1));
}

#[test]
fn a_request_whose_reply_would_be_too_large_is_rejected() {
    let server = Server::start(&[]);
    let dealer = Publisher::with_dealer(&server);
    dealer.send_parts(&[&vec![b'c'; 33 * 1024], b"", b"a", b"1"]);
    let reply = dealer.reply();
    assert_eq!(
        reply[..2],
        [b"error".to_vec(), b"envelope_too_large".to_vec()]
    );
    server.await_metric("fanfare_rejected_total", &["envelope_too_large"], 1);
    server.await_output("shorten the routing frames before the topic to 32768 bytes");
}

#[test]
fn a_flood_of_large_payloads_is_bounded_and_delays_no_request() {
    let server = Server::start(&[]);
    let publication = message(&[b"flood", format!("\"{}\"", "x".repeat(MIB - 2)).as_bytes()]);
    let attacked = attack(&server, || {
        let mut push = ZmtpPeer::connect(server.ports.pull, "PUSH");
        let end = Instant::now() + Duration::from_secs(3);
        let mut number = 0;
        while Instant::now() < end {
            push.0.write_all(&publication).expect("the server reads");
            number += 1;
            if number % 16 == 0 {
                publish_over_http(&server);
            }
        }
    });
    let peak_bytes = attacked.peak_bytes;
    assert!(peak_bytes < (256 + 50) * MIB, "{peak_bytes} bytes");
    // A debug build takes about 15 ms for 1 MiB of JSON.
    assert!(
        attacked.slowest_reply < Duration::from_secs(1),
        "{:?}",
        attacked.slowest_reply
    );
}

/// Publishes over HTTP and asserts that the publication was accepted.
fn publish_over_http(server: &Server) {
    let body = r#"{"topic":"other","data":1}"#;
    let request = format!(
        "POST /publish HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\
         Content-Length: {}\r\n\r\n{body}",
        body.len()
    );
    let response = exchange(server.admin_address(), request.as_bytes());
    assert!(response.starts_with("HTTP/1.1 200"), "{response}");
}

#[test]
fn the_memory_of_a_rejected_message_is_returned() {
    let server = Server::start(&[]);
    // The server may cut off a publisher after 11 MiB of one message, so that only the first two
    // messages are rejected for certain.
    for (parts, bytes) in [(33, 300 * 1024), (2, 5 * MIB), (33, 20 * MIB)] {
        let attacked = attack(&server, || {
            let push = Publisher::with_push(&server);
            push.socket.set_linger(20_000).unwrap();
            let part = vec![b'x'; bytes];
            let parts: Vec<_> = std::iter::repeat_n(&part[..], parts).collect();
            push.send_parts(&parts);
        });
        assert!(
            attacked.peak_bytes < 400 * MIB,
            "{} bytes",
            attacked.peak_bytes
        );
    }
    server.await_metric("fanfare_rejected_total", &[], 2);
}
