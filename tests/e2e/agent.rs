//! The agent for `HAProxy`, the load, and the figures of the process.

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};

use serde_json::Value;

use super::client::Raw;
use super::publisher::Publisher;
use super::server::{Ports, Server, exchange};
use super::wait::{TIMEOUT, until};

struct Agent {
    server: Server,
    address: SocketAddr,
}

impl Agent {
    fn start(settings: &[&str]) -> Self {
        let (ports, spare) = (Ports::free(), Ports::free());
        let address = SocketAddr::from(([127, 0, 0, 1], spare.admin));
        let listen = format!("agent.listen={address}");
        let settings: Vec<&str> = settings.iter().copied().chain([listen.as_str()]).collect();
        let server = Server::start_on(ports, &settings);
        Self { server, address }
    }

    /// Sends a text to the agent and returns its response.
    fn exchange(&self, sent: &str) -> String {
        exchange(self.address, sent.as_bytes())
    }

    /// Returns the announced weight. The response has to be one complete line.
    fn weight(&self) -> u32 {
        let line = self.exchange("");
        let percent = line
            .strip_prefix("ready up ")
            .and_then(|rest| rest.strip_suffix("%\n"));
        percent.expect(&line).parse().expect(&line)
    }
}

/// Returns the response of the admin port to `GET /load`.
pub fn load(server: &Server) -> Value {
    let admin = SocketAddr::from(([127, 0, 0, 1], server.ports.admin));
    let head = "GET /load HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
    let answer = exchange(admin, head.as_bytes());
    let (_, body) = answer.split_once("\r\n\r\n").expect("an answer");
    serde_json::from_str(body).expect("JSON")
}

#[test]
fn the_response_is_one_line_whatever_is_sent() {
    let agent = Agent::start(&["load.rise=100%"]);
    until("an idle node's weight", || {
        (agent.weight() > 90).then_some(())
    });
    let long = "x".repeat(3000);
    for sent in ["edge1\n", "GET / HTTP/1.1\r\n\r\n", &long] {
        let line = agent.exchange(sent);
        assert!(line.starts_with("ready up ") && line.ends_with("%\n"));
    }
}

#[test]
fn a_client_that_sends_nothing_is_answered_and_disconnected() {
    let agent = Agent::start(&[]);
    let mut silent = TcpStream::connect(agent.address).unwrap();
    silent.set_read_timeout(Some(TIMEOUT)).unwrap();
    let mut line = [0; 9];
    silent.read_exact(&mut line).unwrap();
    assert_eq!(&line, b"ready up ");
    // The client neither closes the connection nor sends anything, for longer than the time limit.
    until("a reset or a failure to send", || {
        silent.write_all(b"x").is_err().then_some(())
    });
}

#[test]
fn work_lowers_the_weight_and_a_drain_is_announced_at_once() {
    let settings = [
        "load.rise=100%",
        "load.egress=10KiB",
        "load.connections=10",
        "load.up=100ms",
        "drain.period=1h",
    ];
    let mut agent = Agent::start(&settings);
    until("an idle node's weight", || {
        (agent.weight() > 90).then_some(())
    });
    let mut raw = Raw::connect(&agent.server, &["a"]);
    let publisher = Publisher::push(&agent.server);
    let text = format!("\"{}\"", "x".repeat(1000));
    until("a lower weight", || {
        publisher.send("a", &text);
        raw.next();
        (agent.weight() < 50).then_some(())
    });
    let load = load(&agent.server);
    assert_eq!(load["largest"], "egress");
    assert!(load["parts"]["egress"].as_f64() > Some(0.1), "{load}");
    assert!(load["connection"]["cost"].as_f64() > load["connection"]["planned"].as_f64());
    agent.server.signal("TERM");
    agent.server.await_output("draining");
    assert_eq!(agent.exchange(""), "drain\n");
    agent.server.assert_running();
}

#[test]
fn the_load_is_reported_with_its_parts_and_advice() {
    let server = Server::start(&["scale.in_after=0s"]);
    let load = load(&server);
    let parts = load["parts"].as_object().expect("parts");
    assert_eq!(parts.len(), 6, "{load}");
    assert!(parts["memory"].as_f64() > Some(0.0), "{load}");
    assert_eq!(load["advice"]["advice"], "scale-in");
    let reason = load["advice"]["reason"].as_str().expect("a reason");
    assert!(reason.contains("below 30 %"), "{reason}");
    assert_eq!(server.metric("fanfare_load_ratio", &["part=\"egress\""]), 0);
    assert_eq!(server.metric("fanfare_scale_advice", &["advice=\"in\""]), 1);
    assert_eq!(
        server.metric("fanfare_scale_advice", &["advice=\"out\""]),
        0
    );
}

#[test]
fn many_idle_clients_do_not_delay_others_for_long() {
    let agent = Agent::start(&[]);
    let connect = |_| TcpStream::connect(agent.address).unwrap();
    let silent: Vec<_> = (0..200).map(connect).collect();
    assert!((1..=100).contains(&agent.weight()));
    drop(silent);
}

#[test]
fn a_reload_changes_the_full_load_of_a_node() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("fanfare.toml");
    fs::write(&file, "scale.in_below = \"0%\"\nscale.in_after = \"0s\"\n").unwrap();
    let server = Server::start_with(&["-c", file.to_str().unwrap()], &[]);
    assert_eq!(load(&server)["advice"]["advice"], "hold");
    fs::write(&file, "load.memory = \"1MiB\"\nscale.in_after = \"0s\"\n").unwrap();
    server.signal("HUP");
    server.await_output("load.memory");
    until("a full node", || {
        (load(&server)["raw"].as_f64() > Some(1.0)).then_some(())
    });
    assert_eq!(load(&server)["largest"], "memory");
}

#[test]
fn the_process_has_its_standard_figures() {
    let server = Server::start(&[]);
    let open = server.metric("process_open_fds", &[]) as usize;
    // Before Linux 6.2, descriptors that are kept in reserve are counted as open.
    let counted = server.descriptors();
    let expected = counted.saturating_sub(10)..counted + 300;
    assert!(expected.contains(&open), "{open} {counted}");
    let resident = server.metric("process_resident_memory_bytes", &[]) as usize;
    assert!(resident > server.resident_bytes() / 2);
}

#[test]
fn the_server_does_not_start_if_the_agent_cannot_listen() {
    let ports = Ports::free();
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap();
    let mut server = Server::try_start_on(ports, &[&format!("agent.listen={address}")]);
    assert_eq!(server.await_exit().code(), Some(1));
    server.await_output("agent.listen");
}
