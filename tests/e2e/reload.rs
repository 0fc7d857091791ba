//! Reloads: many in a short time under load, and of files that cannot be reloaded.

use std::fs;
use std::io::Write as _;
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use serde_json::json;
use tungstenite::Message;

use crate::client::{ProtocolClient, WebSocketConnection};
use crate::configured::ConfiguredServer;
use crate::publisher::Publisher;
use crate::server::{Ports, Server};
use crate::wait::{TIMEOUT, wait_until};

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
    // The clients do not read during the reloads, and so would not answer a ping.
    const NO_PING: &str = "ws.ping = '300s'\n";
    let configured = ConfiguredServer::start(NO_PING);
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
                "{NO_PING}ws.max_topics = {topics}\ningest.max_payload = {payload}\n"
            ));
        }
        // The log names the key that only the last file has.
        let last = "ws.max_topics = 3\ningest.max_payload = 100\ndrain.dwell = '7s'\n";
        configured.reload(&format!("{NO_PING}{last}"));
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

/// Asks for a reload and checks that it is refused with this text, that the values stay, and that
/// the control thread goes on.
fn assert_refused(server: &mut Server, text: &str) {
    server.signal("HUP");
    server.await_output(text);
    server.await_output("nothing has changed");
    assert_eq!(server.metric("fanfare_config_version", &[]), 1);
    let mut client = ProtocolClient::connect(server);
    assert_eq!(max_topics(&mut client), 3);
    drop(client);
    server.signal("TERM");
    assert!(server.await_exit().success());
}

#[test]
fn a_pipe_as_configuration_is_read_once() {
    // A shell passes `-c <(...)` as a descriptor of a pipe, too.
    let (reader, mut writer) = std::io::pipe().unwrap();
    writer.write_all(b"ws.max_topics = 3\n").unwrap();
    drop(writer);
    let mut server = Server::start_with_input(reader.into(), &["-c", "/dev/stdin"]);
    assert_refused(&mut server, "/dev/stdin is not a regular file");
}

#[test]
fn a_fifo_as_configuration_is_read_once_and_blocks_no_signal() {
    let directory = tempfile::tempdir().unwrap();
    let fifo = directory.path().join("fanfare.toml");
    let path = fifo.to_str().expect("the path is UTF-8");
    assert!(Command::new("mkfifo").arg(path).status().unwrap().success());
    let mut server = thread::scope(|scope| {
        scope.spawn(|| fs::write(&fifo, "ws.max_topics = 3\n"));
        Server::start_with_arguments(&["-c", path], &[])
    });
    assert_refused(&mut server, "is not a regular file");
}

#[test]
fn a_file_without_settings_does_not_drop_those_that_are_in_force() {
    for empty in ["", "# a comment\n[ws]\n\n[ingest]\n"] {
        let mut configured = ConfiguredServer::start("ws.max_topics = 3\n");
        configured.write(empty);
        assert_refused(&mut configured.server, "dropped=ws.max_topics");
    }
    // It may stay as empty as it was.
    let configured = ConfiguredServer::start("");
    configured.reload("# a comment\n");
    configured.server.await_output("changed=nothing");
}

#[test]
fn a_reload_cannot_open_a_port_that_other_hosts_reach() {
    let ports = Ports::free();
    let file = |host: &str, auth: &str| {
        let Ports {
            ws,
            pull,
            sub,
            router,
            admin,
        } = ports;
        let local = "tcp://127.0.0.1";
        format!(
            "cpu.shards = 2\nws.listen = '{host}:{ws}'\nadmin.listen = '127.0.0.1:{admin}'\n\
             ingest.pull = '{local}:{pull}'\ningest.sub = '{local}:{sub}'\n\
             ingest.router = '{local}:{router}'\n{auth}\n"
        )
    };
    let secret = "auth.token.hmac_secret_key = '0123456789abcdef0123456789abcdef'";
    let configured = ConfiguredServer::start_on(ports, &file("0.0.0.0", secret));
    let server = &configured.server;
    let is_open = || {
        let mut client = WebSocketConnection::connect(server, "/connection/websocket");
        client.send(Message::text(r#"{"id":1,"connect":{}}"#));
        matches!(client.read_within(TIMEOUT), Some(Message::Text(_)))
    };
    assert!(!is_open());
    // By itself, this file is valid. The running listener stays, so it must not apply.
    configured.reload(&file("127.0.0.1", ""));
    server.await_output("auth.insecure = true to let everyone connect; nothing has changed");
    assert!(!is_open());
    configured.reload(&file("0.0.0.0", "auth.insecure = true"));
    server.await_output("auth.insecure, auth.token.hmac_secret_key");
    wait_until("the open mode", is_open);
}
