//! Metrics for statsd: the sums are correct, also after statsd was unavailable for a while.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, UdpSocket};
use std::thread;
use std::time::{Duration, Instant};

use super::client::Raw;
use super::publisher::Publisher;
use super::server::Server;
use super::wait::TIMEOUT;

/// A minimal statsd: sums of counters, last values of gauges, and values of timers.
#[derive(Debug, Default)]
struct Statsd {
    counters: BTreeMap<String, u64>,
    gauges: BTreeMap<String, f64>,
    /// Values of each timer, and their number according to their sampling rates.
    timers: BTreeMap<String, (Vec<f64>, f64)>,
}

impl Statsd {
    /// Receives packets until the packet `stop`.
    fn listen(socket: &UdpSocket) -> Self {
        let mut statsd = Self::default();
        let mut bytes = [0; 4096];
        loop {
            let length = socket.recv(&mut bytes).expect("a packet is received");
            assert!(length <= 1432, "{length}");
            let packet = std::str::from_utf8(&bytes[..length]).unwrap();
            if packet == "stop" {
                return statsd;
            }
            packet.lines().for_each(|line| statsd.add_line(line));
        }
    }

    fn add_line(&mut self, line: &str) {
        let (name, rest) = line.split_once(':').expect(line);
        let mut fields = rest.split('|');
        let (value, kind) = (fields.next().expect(line), fields.next().expect(line));
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

/// Returns a UDP port that is not used.
fn free_port() -> u16 {
    let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    socket.local_addr().unwrap().port()
}

#[test]
fn counters_add_up_after_an_outage_of_statsd_and_at_the_end_of_the_process() {
    let address = format!("127.0.0.1:{}", free_port());
    let settings = [
        format!("statsd.address={address}"),
        "statsd.interval=1s".into(),
        "drain.period=100ms".into(),
    ];
    let settings = settings.each_ref().map(String::as_str);
    let mut server = Server::start(&settings);
    let publisher = Publisher::push(&server);
    let mut raws: Vec<_> = (0..20).map(|_| Raw::connect(&server, &["a"])).collect();
    let mut send = |count: usize| {
        (0..count).for_each(|_| publisher.send("a", "1"));
        for raw in &mut raws {
            (0..count).for_each(|_| drop(raw.next()));
        }
    };
    send(100);
    server.await_output("keeping the counts");
    let socket = UdpSocket::bind(&address).unwrap();
    socket.set_read_timeout(Some(TIMEOUT)).unwrap();
    let statsd = thread::spawn(move || Statsd::listen(&socket));
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
