//! The process from the view of its supervisor: exit codes, restarts, stops.

use std::collections::BTreeMap;
use std::fs;
use std::io::Write;
use std::net::TcpListener;
use std::thread;
use std::time::{Duration, Instant};

use tungstenite::Message;

use crate::client::{RawSubscriber, WebSocketConnection};
use crate::publisher::Publisher;
use crate::server::{Ports, Server};
use crate::wait::TIMEOUT;

#[test]
fn an_occupied_port_is_reported_with_its_configuration_key() {
    let ports = Ports::free();
    for (key, port) in [
        ("ws.listen", ports.ws),
        ("ingest.pull", ports.pull),
        ("ingest.sub", ports.sub),
        ("ingest.router", ports.router),
        ("admin.listen", ports.admin),
    ] {
        let _occupied = TcpListener::bind(("127.0.0.1", port)).unwrap();
        let mut server = Server::spawn_on(ports, &[]);
        assert_eq!(server.await_exit().code(), Some(1), "{key}");
        let expected = format!("{key} = ");
        server.await_output(&expected);
        server.await_output("the address is taken");
        let owner = format!(", pid {}; stop that process", std::process::id());
        server.await_output(&owner);
    }
}

#[test]
fn the_threads_beside_the_data_path_run_on_the_core_of_ingest() {
    let server = Server::start(&[]);
    let tasks = format!("/proc/{}/task", server.process_id());
    let mut cores_by_name = BTreeMap::new();
    for task in fs::read_dir(tasks).unwrap() {
        let task = task.unwrap().path();
        let name = fs::read_to_string(task.join("comm")).unwrap();
        let status = fs::read_to_string(task.join("status")).unwrap();
        let mut lines = status.lines();
        let cores = lines.find_map(|line| line.strip_prefix("Cpus_allowed_list:"));
        cores_by_name.insert(name.trim().to_owned(), cores.unwrap().trim().to_owned());
    }
    let ingest = &cores_by_name["ingest"];
    assert_eq!(&cores_by_name["control"], ingest);
    assert_eq!(&cores_by_name["service"], ingest);
    assert!(ingest.parse::<usize>().is_ok(), "one core: {ingest}");
}

#[test]
fn a_second_server_on_the_same_address_is_refused() {
    let first = Server::start(&[]);
    let ports = Ports {
        ws: first.ports.ws,
        ..Ports::free()
    };
    let mut second = Server::spawn_on(ports, &[]);
    assert_eq!(second.await_exit().code(), Some(1));
    second.await_output("ws.listen = ");
    let owner = format!("taken by fanfare, pid {}; stop", first.process_id());
    second.await_output(&owner);
    // All listeners of the first server still accept connections.
    for _ in 0..20 {
        assert!(first.health().contains("\"ok\""));
    }
}

#[test]
fn an_unknown_configuration_key_is_a_usage_error() {
    let mut server = Server::spawn_on(Ports::free(), &["ws.pong_timeuot=1s"]);
    assert_eq!(server.await_exit().code(), Some(2));
    server.await_output("ws.pong_timeout");
}

#[test]
fn an_open_port_beyond_loopback_is_refused_and_the_default_is_explained() {
    let ports = Ports::free();
    let listen = format!("ws.listen=0.0.0.0:{}", ports.ws);
    let mut server = Server::spawn_on(ports, &[&listen]);
    assert_eq!(server.await_exit().code(), Some(2));
    server.await_output("is not a loopback address, and clients are not authenticated");
    assert_eq!(server.output().trim().lines().count(), 1);
    let server = Server::start(&[]);
    let output = server.output();
    let mut lines = output.lines();
    let line = lines.find(|line| line.contains("only clients of this host can connect"));
    let line = line.expect("the start explains the default");
    assert!(
        line.contains("[auth.token]") && line.contains("ws.listen"),
        "{line}"
    );
}

#[test]
fn a_killed_server_starts_again_on_the_same_ports() {
    let mut server = Server::start(&[]);
    for _ in 0..3 {
        let ports = server.ports;
        let publisher = Publisher::with_push(&server);
        let mut raws: Vec<_> = (0..20)
            .map(|_| RawSubscriber::connect(&server, &["a"]))
            .collect();
        publisher.send("a", "1");
        for raw in &mut raws {
            assert_eq!(raw.next_text(), "1");
        }
        server.kill();
        server = Server::start_on(ports, &[]);
    }
}

#[test]
fn a_stopped_server_does_not_block_publishers_and_continues() {
    let server = Server::start(&[]);
    let mut raw = RawSubscriber::connect(&server, &["a"]);
    let publisher = Publisher::with_pub(&server);
    let send_for = |period: Duration| {
        let started = Instant::now();
        let mut slowest = Duration::ZERO;
        while started.elapsed() < period {
            let send_started = Instant::now();
            publisher.send("load", "{}");
            slowest = slowest.max(send_started.elapsed());
            // Without a pause, the queue of the publisher would fill.
            thread::sleep(Duration::from_micros(50));
        }
        slowest
    };
    send_for(Duration::from_millis(200));
    server.signal("STOP");
    let slowest = send_for(Duration::from_secs(2));
    server.signal("CONT");
    assert!(slowest < Duration::from_millis(100), "{slowest:?}");
    publisher.send("a", "1");
    assert_eq!(raw.next_text(), "1");
}

#[test]
fn all_pings_that_arrive_while_the_server_is_stopped_are_answered() {
    let server = Server::start(&["cpu.shards=1"]);
    let mut connections = Vec::new();
    for _ in 0..600 {
        connections.push(WebSocketConnection::connect(&server, "/raw?topic=a"));
    }
    // More connections than the shard has receive buffers have input at once.
    let ping = [&[0x89, 0xfd, 0, 0, 0, 0][..], &[b'x'; 125]].concat();
    let pings = ping.repeat(100);
    server.signal("STOP");
    for connection in &mut connections {
        connection.stream().write_all(&pings).unwrap();
    }
    server.signal("CONT");
    for connection in &mut connections {
        for _ in 0..100 {
            let message = connection.read_within(TIMEOUT).expect("a pong arrives");
            assert_eq!(message, Message::Pong(vec![b'x'; 125].into()));
        }
    }
    assert!(server.metric("fanfare_receive_buffers_exhausted_total", &[]) > 0);
}
