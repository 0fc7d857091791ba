//! Metrics for a statsd server: its totals are exact, even if the server starts late.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, UdpSocket};
use std::thread;
use std::time::{Duration, Instant};

use crate::client::RawSubscriber;
use crate::publisher::Publisher;
use crate::server::Server;
use crate::wait::TIMEOUT;

/// The totals of a minimal statsd server.
#[derive(Debug, Default)]
struct StatsdTotals {
    /// Sums of the counter values.
    counters: BTreeMap<String, u64>,
    /// Last values of the gauges.
    gauges: BTreeMap<String, f64>,
    /// Values of the timers, and the number of events that values and sampling rates stand for.
    timers: BTreeMap<String, (Vec<f64>, f64)>,
}

impl StatsdTotals {
    /// Receives packets until the packet `stop`.
    fn receive(socket: &UdpSocket) -> Self {
        let mut totals = Self::default();
        let mut bytes = [0; 4096];
        loop {
            let length = socket.recv(&mut bytes).expect("the packet `stop` arrives");
            assert!(length <= 1432, "{length}");
            let packet = std::str::from_utf8(&bytes[..length]).unwrap();
            if packet == "stop" {
                return totals;
            }
            for line in packet.lines() {
                totals.add(line);
            }
        }
    }

    /// Adds one line, such as `fanfare.written:7|c`.
    fn add(&mut self, line: &str) {
        let (name, rest) = line.split_once(':').expect(line);
        let mut fields = rest.split('|');
        let value = fields.next().expect(line);
        let kind = fields.next().expect(line);
        let rate = fields
            .next()
            .map(|rate| rate.strip_prefix('@').expect(line));
        match kind {
            "c" => *self.counters.entry(name.into()).or_default() += value.parse::<u64>().unwrap(),
            "g" => {
                self.gauges.insert(name.into(), value.parse().unwrap());
            }
            "ms" => {
                let (values, count) = self.timers.entry(name.into()).or_default();
                values.push(value.parse().unwrap());
                *count += 1.0 / rate.map_or(1.0, |rate| rate.parse().unwrap());
            }
            _ => panic!("an unknown type: {line}"),
        }
    }
}

/// Returns a UDP port that is not in use.
fn free_port() -> u16 {
    let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    socket.local_addr().unwrap().port()
}

#[test]
fn deltas_add_up_if_the_statsd_server_starts_late_and_the_process_ends() {
    let address = format!("127.0.0.1:{}", free_port());
    let settings = [
        format!("statsd.address={address}"),
        "statsd.interval=1s".into(),
        "drain.period=100ms".into(),
    ];
    let settings = settings.each_ref().map(String::as_str);
    let mut server = Server::start(&settings);
    let publisher = Publisher::with_push(&server);
    let mut raws: Vec<_> = (0..20)
        .map(|_| RawSubscriber::connect(&server, &["a"]))
        .collect();
    let mut send = |count: usize| {
        for _ in 0..count {
            publisher.send("a", "1");
        }
        for raw in &mut raws {
            for _ in 0..count {
                raw.next_message();
            }
        }
    };
    send(100);
    server.await_output("keeping the counts");
    let socket = UdpSocket::bind(&address).unwrap();
    socket.set_read_timeout(Some(TIMEOUT)).unwrap();
    let statsd = thread::spawn(move || StatsdTotals::receive(&socket));
    server.await_output("statsd: back");
    send(100);
    drop(raws);
    server.await_metric("fanfare_connections", &[], 0);
    server.assert_accounted();
    server.signal("TERM");
    assert_eq!(server.await_exit().code(), Some(0));
    let stop = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    stop.send_to(b"stop", &address).unwrap();
    let statsd = statsd.join().unwrap();

    let counter = |name: &str| statsd.counters[&format!("fanfare.{name}")];
    assert_eq!(counter("received.pull"), 200);
    assert_eq!((counter("matched"), counter("written")), (4000, 4000));
    assert_eq!((counter("upgraded"), counter("dropped.slow")), (20, 0));
    assert!(statsd.gauges["fanfare.connections"].abs() < 0.5);
    let (values, count) = &statsd.timers["fanfare.delivery"];
    assert!((count - 4000.0).abs() < 1e-6, "{count}");
    assert!((1000..=4000).contains(&values.len()), "{}", values.len());
}

#[test]
fn a_host_name_that_does_not_resolve_delays_neither_the_admin_port_nor_the_end() {
    let settings = ["statsd.address=statsd.invalid:8125", "statsd.interval=1s"];
    let mut server = Server::start(&[&settings[..], &["drain.period=100ms"]].concat());
    server.await_output("keeping the counts");
    let began = Instant::now();
    assert!(server.health().contains("\"ok\""));
    assert!(began.elapsed() < Duration::from_secs(1));
    server.signal("TERM");
    assert_eq!(server.await_exit().code(), Some(0));
    assert!(began.elapsed() < Duration::from_secs(5));
}
