//! permessage-deflate: one compression for the whole process, changes by a reload, and hostile
//! messages.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use fastrand::Rng;

use crate::configured::ConfiguredServer;
use crate::frame_client::FrameClient;
use crate::hostile::publish_and_read;
use crate::publisher::Publisher;
use crate::server::Server;
use crate::wait::wait_until;
use crate::wire::{self, OFFER_FULL, OFFER_NARROW};
use crate::zlib;

const PUBLICATIONS: u64 = 1_000;

/// Returns JSON of about 400 bytes that compresses well.
fn payload(number: u64) -> String {
    let mut quotes = Vec::new();
    for index in 0..8 {
        let price = number * 17 % 1_000 + index;
        quotes.push(format!(
            r#"{{"symbol":"FAN{index}","price":{price},"size":100}}"#
        ));
    }
    format!(r#"{{"n":{number},"quotes":[{}]}}"#, quotes.join(","))
}

/// Connects subscribers that send these header lines, until each of the two shards has one.
fn connect_on_both_shards(server: &Server, headers: &str) -> Vec<FrameClient> {
    let mut clients = Vec::new();
    wait_until("a subscriber on each shard", || {
        clients.push(FrameClient::connect_subscribed(server, headers, &["a"]));
        let first = server.metric("fanfare_subscriptions", &["shard=\"0\""]);
        let second = server.metric("fanfare_subscriptions", &["shard=\"1\""]);
        first > 0 && second > 0 && clients.len() >= 6
    });
    clients
}

/// Publishes to subscribers on both shards, and asserts that each broadcast is compressed once.
fn assert_compressed_once(batch_setting: &str) -> Server {
    let server = Server::start(&[batch_setting, "ws.outbox=4MiB"]);
    let mut clients = connect_on_both_shards(&server, OFFER_FULL);
    let publisher = Publisher::with_push(&server);
    for number in 0..PUBLICATIONS {
        publisher.send("a", payload(number));
    }
    for client in &mut clients {
        let mut expected = 0;
        while expected < PUBLICATIONS {
            for publication in client.next_publications() {
                assert_eq!(publication["n"], expected);
                expected += 1;
            }
        }
        assert_eq!(client.deflated, client.messages, "every message compresses");
    }
    let deliveries = PUBLICATIONS * clients.len() as u64;
    server.await_metric("fanfare_written_total", &[], deliveries);
    server.assert_accounted();
    let deflated = server.metric("fanfare_deflate_deliveries_total", &[]);
    assert_eq!(deflated, deliveries);
    // Both shards want every broadcast, so that each shard counts all of them.
    let broadcasts = server.metric("fanfare_broadcasts_total", &["shard=\"0\""]);
    let on_other_shard = server.metric("fanfare_broadcasts_total", &["shard=\"1\""]);
    assert_eq!(broadcasts, on_other_shard);
    assert_eq!(broadcasts, clients[0].messages);
    let frames = |outcome: &str| server.metric("fanfare_deflate_frames_total", &[outcome]);
    assert_eq!(frames("compressed"), broadcasts);
    assert_eq!((frames("small"), frames("incompressible")), (0, 0));
    server
}

#[test]
fn each_broadcast_is_compressed_once_for_both_shards() {
    let server = assert_compressed_once("ws.batch=0");
    let compressed = server.metric("fanfare_deflate_frames_total", &["compressed"]);
    assert_eq!(compressed, PUBLICATIONS);
}

#[test]
fn each_joined_broadcast_is_compressed_once_for_both_shards() {
    assert_compressed_once("ws.batch=8KiB");
}

/// Replaces the configuration and waits until the server has reported this number of reloads.
fn reload(configured: &ConfiguredServer, text: &str, number: usize) {
    configured.reload(text);
    wait_until("the reload", || {
        configured.server.output().matches("reload").count() >= number
    });
}

/// Publishes until all clients receive compressed messages, or until none does. Shards apply a new
/// configuration shortly after the reload.
fn await_compression(clients: &mut [FrameClient], publisher: &Publisher, wanted: bool) {
    wait_until("the new configuration in force", || {
        publisher.send_and_wait("a", payload(1));
        let mut all_as_wanted = true;
        for client in &mut *clients {
            let deflated_before = client.deflated;
            assert_eq!(client.next_publications().len(), 1);
            let is_deflated = client.deflated > deflated_before;
            all_as_wanted &= is_deflated == wanted;
        }
        all_as_wanted
    });
}

#[test]
fn disabling_applies_to_new_connections_and_the_threshold_to_all() {
    let configured = ConfiguredServer::start("[ws.deflate]\nenabled = true\n");
    let server = &configured.server;
    let publisher = Publisher::with_req(server);
    let mut clients = connect_on_both_shards(server, OFFER_FULL);
    for client in &clients {
        assert_eq!(client.window_bits, Some(15));
    }
    await_compression(&mut clients, &publisher, true);
    reload(&configured, "[ws.deflate]\nenabled = false\n", 1);
    wait_until("a connection without compression", || {
        let client = FrameClient::connect(server, "/connection/websocket", OFFER_FULL);
        client.window_bits.is_none()
    });
    await_compression(&mut clients, &publisher, true);
    let high_threshold = "[ws.deflate]\nenabled = false\nthreshold = '1MiB'\n";
    reload(&configured, high_threshold, 2);
    await_compression(&mut clients, &publisher, false);
    let no_threshold = "[ws.deflate]\nenabled = false\nlevel = 12\nthreshold = 0\n";
    reload(&configured, no_threshold, 3);
    await_compression(&mut clients, &publisher, true);
    server.assert_accounted();
}

/// Returns a hostile message, and the close codes that the server may answer with.
fn hostile_message(random: &mut Rng, bomb: &[u8]) -> (Vec<u8>, &'static [u16]) {
    let mut noise = vec![0; random.usize(1..2_000)];
    random.fill(&mut noise);
    match random.u32(..5) {
        0 => (wire::deflated_client_frame(wire::TEXT, bomb), &[1009]),
        // A block of the reserved type.
        1 => (
            wire::deflated_client_frame(wire::TEXT, &[&[7][..], &noise].concat()),
            &[1007],
        ),
        // If the noise inflates, the result may be invalid UTF-8 or an invalid command.
        2 => (
            wire::deflated_client_frame(wire::TEXT, &noise),
            &[1007, 1009, 3501],
        ),
        3 => (
            wire::deflated_client_frame(wire::TEXT, &zlib::deflate(&noise)),
            &[1007, 3501],
        ),
        _ => (wire::deflated_client_frame(wire::PING, b""), &[1002]),
    }
}

#[test]
fn hostile_messages_close_their_connections_and_affect_no_other_client() {
    let seed = fastrand::u64(..);
    println!("seed {seed}");
    let mut server = Server::start(&["ws.ping=10m"]);
    let resident_bytes = server.resident_bytes();
    let bomb = zlib::deflate(&vec![b' '; 8 << 20]);
    let stop = AtomicBool::new(false);
    thread::scope(|scope| {
        let reader = scope.spawn(|| publish_and_read(&server, &stop));
        let mut random = Rng::with_seed(seed);
        for number in 0..1_000 {
            let headers = if random.bool() {
                OFFER_FULL
            } else {
                OFFER_NARROW
            };
            let mut client = FrameClient::connect_subscribed(&server, headers, &["busy"]);
            let (bytes, codes) = hostile_message(&mut random, &bomb);
            client.send(&bytes);
            let code = client
                .read_close_code()
                .expect("the close frame has a code");
            assert!(
                codes.contains(&code),
                "{number}: {code} is not in {codes:?}"
            );
        }
        stop.store(true, Ordering::Relaxed);
        let publications = reader.join().expect("every publication arrived in order");
        assert!(publications > 10, "{publications}");
    });
    server.assert_running();
    server.await_metric("fanfare_connections", &[], 0);
    server.await_metric("fanfare_connections_deflate", &[], 0);
    server.assert_accounted();
    let grown = server.resident_bytes().saturating_sub(resident_bytes);
    assert!(grown < 32 * 1024 * 1024, "grew by {grown} bytes");
}
