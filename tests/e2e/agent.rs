//! The agent port for `HAProxy`, the load, and the metrics of the process.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};

use serde_json::Value;

use crate::client::RawSubscriber;
use crate::configured::ConfiguredServer;
use crate::publisher::Publisher;
use crate::server::{Ports, Server, exchange};
use crate::wait::{TIMEOUT, wait_until};

/// A server with an agent port.
struct ServerWithAgent {
    server: Server,
    address: SocketAddr,
}

impl ServerWithAgent {
    fn start(settings: &[&str]) -> Self {
        let (ports, agent_ports) = (Ports::free(), Ports::free());
        let address = SocketAddr::from(([127, 0, 0, 1], agent_ports.admin));
        let listen = format!("agent.listen={address}");
        let settings = [settings, &[listen.as_str()]].concat();
        let server = Server::start_on(ports, &settings);
        Self { server, address }
    }

    /// Sends `request` to the agent port and returns the response.
    fn response_to(&self, request: &str) -> String {
        exchange(self.address, request.as_bytes())
    }

    /// Returns the announced weight in percent. The response must be one complete line.
    fn weight(&self) -> u32 {
        let line = self.response_to("");
        let percent = line
            .strip_prefix("ready up ")
            .and_then(|rest| rest.strip_suffix("%\n"));
        percent.expect(&line).parse().expect(&line)
    }

    /// Waits until the agent announces the weight of an idle node.
    fn await_idle_weight(&self) {
        wait_until("the weight of an idle node", || self.weight() > 90);
    }
}

/// Returns the response of the admin port to `GET /load`.
pub fn load(server: &Server) -> Value {
    let head = "GET /load HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
    let response = exchange(server.admin_address(), head.as_bytes());
    let (_, body) = response.split_once("\r\n\r\n").expect("a response");
    serde_json::from_str(body).expect("JSON")
}

#[test]
fn the_agent_sends_one_complete_line_in_response_to_any_request() {
    let agent = ServerWithAgent::start(&["load.rise=100%"]);
    agent.await_idle_weight();
    let long = "x".repeat(3000);
    for request in ["edge1\n", "GET / HTTP/1.1\r\n\r\n", &long] {
        let line = agent.response_to(request);
        assert!(line.starts_with("ready up ") && line.ends_with("%\n"));
    }
}

#[test]
fn a_silent_peer_gets_the_line_and_is_disconnected() {
    let agent = ServerWithAgent::start(&[]);
    let mut silent = TcpStream::connect(agent.address).unwrap();
    silent.set_read_timeout(Some(TIMEOUT)).unwrap();
    let mut line = [0; 9];
    silent.read_exact(&mut line).unwrap();
    assert_eq!(&line, b"ready up ");
    // The peer does not close its side. After a timeout the agent closes the connection.
    wait_until("a write error", || silent.write_all(b"x").is_err());
}

#[test]
fn load_lowers_the_weight_and_a_drain_is_announced_at_once() {
    let settings = [
        "load.rise=100%",
        "load.egress=10KiB",
        "load.connections=10",
        "load.up=100ms",
        "drain.period=1h",
    ];
    let mut agent = ServerWithAgent::start(&settings);
    agent.await_idle_weight();
    let mut raw = RawSubscriber::connect(&agent.server, &["a"]);
    let publisher = Publisher::with_push(&agent.server);
    let text = format!("\"{}\"", "x".repeat(1000));
    wait_until("a lower weight", || {
        publisher.send("a", &text);
        raw.next_message();
        agent.weight() < 50
    });
    let load = load(&agent.server);
    assert_eq!(load["largest"], "egress");
    assert!(load["parts"]["egress"].as_f64() > Some(0.1), "{load}");
    assert!(load["connection"]["cost"].as_f64() > load["connection"]["planned"].as_f64());
    agent.server.signal("TERM");
    agent.server.await_output("draining");
    assert_eq!(agent.response_to(""), "drain\n");
    agent.server.assert_running();
}

#[test]
fn the_load_has_parts_and_a_scaling_advice() {
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
fn many_silent_peers_do_not_block_other_peers() {
    let agent = ServerWithAgent::start(&[]);
    let mut silent = Vec::new();
    for _ in 0..200 {
        silent.push(TcpStream::connect(agent.address).unwrap());
    }
    assert!((1..=100).contains(&agent.weight()));
    drop(silent);
}

#[test]
fn a_reload_changes_the_limits_of_the_load() {
    let configured = ConfiguredServer::start("scale.in_below = \"0%\"\nscale.in_after = \"0s\"\n");
    let server = &configured.server;
    assert_eq!(load(server)["advice"]["advice"], "hold");
    configured.reload("load.memory = \"1MiB\"\nscale.in_after = \"0s\"\n");
    server.await_output("load.memory");
    wait_until("a full node", || load(server)["raw"].as_f64() > Some(1.0));
    assert_eq!(load(server)["largest"], "memory");
}

#[test]
fn the_process_has_the_standard_process_metrics() {
    let server = Server::start(&[]);
    let open = server.metric("process_open_fds", &[]) as usize;
    // Before Linux 6.2, reserved descriptors count as open.
    let counted = server.descriptors();
    let expected = counted.saturating_sub(10)..counted + 300;
    assert!(expected.contains(&open), "{open} {counted}");
    let resident = server.metric("process_resident_memory_bytes", &[]) as usize;
    assert!(resident > server.resident_bytes() / 2);
}

#[test]
fn an_agent_port_in_use_is_a_startup_error() {
    let ports = Ports::free();
    let occupied = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = occupied.local_addr().unwrap();
    let mut server = Server::spawn_on(ports, &[&format!("agent.listen={address}")]);
    assert_eq!(server.await_exit().code(), Some(1));
    server.await_output("agent.listen");
}
