//! Reloads: many in a short time under load.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use serde_json::json;

use crate::client::ProtocolClient;
use crate::configured::ConfiguredServer;
use crate::publisher::Publisher;
use crate::server::Server;
use crate::wait::wait_until;

/// The threads that apply a configuration.
const THREADS: [&str; 3] = ["ingest", "shard-0", "shard-1"];

/// Waits until every thread has applied the newest configuration.
fn await_applied(server: &Server) {
    let applied = |thread: &&str| server.metric("fanfare_config_applied_version", &[*thread]);
    wait_until("the newest configuration in every thread", || {
        let version = server.metric("fanfare_config_version", &[]);
        THREADS.iter().all(|thread| applied(thread) == version)
    });
}

/// Returns how many topics a client may subscribe to, up to 8.
fn max_topics(client: &mut ProtocolClient) -> usize {
    (0..8)
        .take_while(|number| {
            let channel = format!("topic-{number}");
            let reply = client.command("subscribe", &json!({ "channel": channel }));
            reply.get("error").is_none()
        })
        .count()
}

#[test]
fn a_thousand_reloads_under_load_end_with_the_last_file_in_every_thread() {
    let configured = ConfiguredServer::start("");
    let server = &configured.server;
    // The connections are on both shards: they spread by a hash of their addresses.
    let mut clients: Vec<_> = (0..16).map(|_| ProtocolClient::connect(server)).collect();
    assert_eq!(server.metric("fanfare_config_version", &[]), 1);
    let stop = AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| {
            let publisher = Publisher::with_push(server);
            while !stop.load(Ordering::Relaxed) {
                publisher.send("load", "1");
            }
        });
        for number in 0..999 {
            let (topics, payload) = (4 + number % 5, 10 + number % 80);
            configured.reload(&format!(
                "ws.max_topics = {topics}\ningest.max_payload = {payload}\n"
            ));
        }
        // The log names the key that only the last file has.
        configured.reload("ws.max_topics = 3\ningest.max_payload = 100\ndrain.dwell = '7s'\n");
        server.await_output("drain.dwell");
        await_applied(server);
        stop.store(true, Ordering::Relaxed);
    });
    assert!(server.metric("fanfare_config_version", &[]) > 2);
    for client in &mut clients {
        assert_eq!(max_topics(client), 3);
    }
    let publisher = Publisher::with_req(server);
    publisher.send_and_wait("a", format!("\"{}\"", "x".repeat(98)));
    publisher.send_parts(&[b"a", format!("\"{}\"", "x".repeat(99)).as_bytes()]);
    assert_eq!(publisher.reply()[1], b"payload_too_large");
    server.assert_accounted();
}
