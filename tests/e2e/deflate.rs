//! Compression: once per process, changed by a reload, and with malicious clients.

use std::fs;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use fastrand::Rng;

use super::hostile::publish_and_read;
use super::peer::Peer;
use super::publisher::Publisher;
use super::server::Server;
use super::wait::until;
use super::wire::{self, FULL, NARROW};
use super::zlib;

const PUBLICATIONS: u64 = 1_000;

/// Returns JSON of about 400 bytes.
fn payload(number: u64) -> String {
    let quotes = (0..8).map(|each| {
        let price = number * 17 % 1_000 + each;
        format!(r#"{{"symbol":"FAN{each}","price":{price},"size":100}}"#)
    });
    let quotes: Vec<_> = quotes.collect();
    format!(r#"{{"n":{number},"quotes":[{}]}}"#, quotes.join(","))
}

/// Connects subscribers with this offer until both shards have some.
fn on_both_shards(server: &Server, headers: &str) -> Vec<Peer> {
    let mut peers = Vec::new();
    until("a subscriber on each shard", || {
        peers.push(Peer::subscribed(server, headers, &["a"]));
        let on = |shard: &str| server.metric("fanfare_subscriptions", &[shard]);
        (on("shard=\"0\"") > 0 && on("shard=\"1\"") > 0 && peers.len() >= 6).then_some(())
    });
    peers
}

fn compressed_once(batch: &str) -> Server {
    let server = Server::start(&[batch, "ws.outbox=4MiB"]);
    let mut peers = on_both_shards(&server, FULL);
    let publisher = Publisher::push(&server);
    for number in 0..PUBLICATIONS {
        publisher.send("a", payload(number));
    }
    for peer in &mut peers {
        let mut expected = 0;
        while expected < PUBLICATIONS {
            for publication in peer.next_publications() {
                assert_eq!(publication["n"], expected);
                expected += 1;
            }
        }
        assert_eq!(peer.deflated, peer.messages, "every message was compressed");
    }
    let deliveries = PUBLICATIONS * peers.len() as u64;
    server.await_metric("fanfare_written_total", &[], deliveries);
    server.assert_accounted();
    let shares = server.metric("fanfare_deflate_deliveries_total", &[]);
    assert_eq!(shares, deliveries);
    // Both shards had subscribers of every broadcast, so each of them counts all broadcasts.
    let on = |shard: &str| server.metric("fanfare_broadcasts_total", &[shard]);
    let broadcasts = on("shard=\"0\"");
    assert_eq!(broadcasts, on("shard=\"1\""));
    assert_eq!(broadcasts, peers[0].messages);
    let outcome = |word: &str| server.metric("fanfare_deflate_frames_total", &[word]);
    assert_eq!(outcome("compressed"), broadcasts);
    assert_eq!((outcome("small"), outcome("incompressible")), (0, 0));
    server
}

#[test]
fn each_broadcast_is_compressed_once_although_both_shards_need_it() {
    let server = compressed_once("ws.batch=0");
    let compressed = server.metric("fanfare_deflate_frames_total", &["compressed"]);
    assert_eq!(compressed, PUBLICATIONS);
}

#[test]
fn each_shared_broadcast_is_compressed_once_too() {
    compressed_once("ws.batch=8KiB");
}

/// A server with a configuration that can be rewritten.
struct Live {
    server: Server,
    directory: tempfile::TempDir,
}

impl Live {
    fn start(deflate: &str) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("fanfare.toml");
        fs::write(&file, deflate).unwrap();
        let server = Server::start_with(&["-c", file.to_str().unwrap()], &[]);
        Self { server, directory }
    }

    /// Rewrites the configuration and waits until the `number`th reload is reported.
    fn reload(&self, deflate: &str, number: usize) {
        fs::write(self.directory.path().join("fanfare.toml"), deflate).unwrap();
        self.server.signal("HUP");
        until("the reload", || {
            let reloads = self.server.output().matches("reload").count();
            (reloads >= number).then_some(())
        });
    }
}

#[test]
fn disabling_applies_to_new_connections_and_the_threshold_to_all() {
    let live = Live::start("[ws.deflate]\nenabled = true\n");
    let server = &live.server;
    let publisher = Publisher::request(server);
    let mut before = on_both_shards(server, FULL);
    assert!(before.iter().all(|peer| peer.window_bits == Some(15)));
    // Waits until the shards have applied the new rules.
    let await_deflated = |peers: &mut [Peer], wanted: bool| {
        until("the new rules", || {
            publisher.send_and_wait("a", payload(1));
            let deflated = peers.iter_mut().map(|peer| {
                let before = peer.deflated;
                assert_eq!(peer.next_publications().len(), 1);
                peer.deflated > before
            });
            let deflated: Vec<_> = deflated.collect();
            deflated.iter().all(|each| *each == wanted).then_some(())
        });
    };
    await_deflated(&mut before, true);
    live.reload("[ws.deflate]\nenabled = false\n", 1);
    until("a connection without compression", || {
        let peer = Peer::connect(server, "/connection/websocket", FULL);
        peer.window_bits.is_none().then_some(())
    });
    await_deflated(&mut before, true);
    live.reload("[ws.deflate]\nenabled = false\nthreshold = '1MiB'\n", 2);
    await_deflated(&mut before, false);
    live.reload(
        "[ws.deflate]\nenabled = false\nlevel = 12\nthreshold = 0\n",
        3,
    );
    await_deflated(&mut before, true);
    server.assert_accounted();
}

/// Returns an invalid message, and the close codes that may answer it.
fn invalid_message(random: &mut Rng, bomb: &[u8]) -> (Vec<u8>, &'static [u16]) {
    let mut noise = vec![0; random.usize(1..2_000)];
    random.fill(&mut noise);
    match random.u32(..5) {
        0 => (wire::masked_deflated(wire::TEXT, bomb), &[1009]),
        // A reserved type of block.
        1 => (
            wire::masked_deflated(wire::TEXT, &[&[7][..], &noise].concat()),
            &[1007],
        ),
        // The inflated bytes may be invalid text or an invalid command.
        2 => (
            wire::masked_deflated(wire::TEXT, &noise),
            &[1007, 1009, 3501],
        ),
        3 => (
            wire::masked_deflated(wire::TEXT, &zlib::deflate(&noise)),
            &[1007, 3501],
        ),
        _ => (wire::masked_deflated(wire::PING, b""), &[1002]),
    }
}

#[test]
fn compression_bombs_and_invalid_data_close_only_their_own_connections() {
    let seed = fastrand::u64(..);
    println!("seed {seed}");
    let mut server = Server::start(&["ws.ping=10m"]);
    let resident_bytes = server.resident_bytes();
    let bomb = zlib::deflate(&vec![b' '; 8 << 20]);
    let over = AtomicBool::new(false);
    thread::scope(|scope| {
        let observer = scope.spawn(|| publish_and_read(&server, &over));
        let mut random = Rng::with_seed(seed);
        for number in 0..1_000 {
            let headers = if random.bool() { FULL } else { NARROW };
            let mut peer = Peer::subscribed(&server, headers, &["busy"]);
            let (bytes, codes) = invalid_message(&mut random, &bomb);
            peer.send(&bytes);
            let code = peer.close_code().expect("the close frame has a code");
            assert!(
                codes.contains(&code),
                "{number}: {code} is not one of {codes:?}"
            );
        }
        over.store(true, Ordering::Relaxed);
        let rounds = observer
            .join()
            .expect("the observer received everything in order");
        assert!(rounds > 10, "{rounds}");
    });
    server.assert_running();
    server.await_metric("fanfare_connections", &[], 0);
    server.await_metric("fanfare_connections_deflate", &[], 0);
    server.assert_accounted();
    let grown = server.resident_bytes().saturating_sub(resident_bytes);
    assert!(grown < 32 * 1024 * 1024, "grew by {grown} bytes");
}
