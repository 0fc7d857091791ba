//! A steady load: warm-up, then a window in which everything is timed and metered. What comes is
//! checked in both. Scenarios set its numbers and what they expect of the outcome. Both threads.

use crate::arguments::{Common, Protocol};
use crate::clock::Clock;
use crate::connection::Plan;
use crate::deal::Deal;
use crate::fault::Fault;
use crate::fleet::Fleet;
use crate::ledger::Ledger;
use crate::payload;
use crate::process::{Meter, Process};
use crate::progress::Indicator;
use crate::publisher::{Published, Publisher, Schedule};
use crate::receiver::Receiver;
use crate::report::{Bar, Report};
use crate::timeline::Timeline;

/// The numbers of a load.
#[derive(Clone, Debug)]
pub struct Load {
    pub scenario: &'static str,
    pub connections: usize,
    pub topics: u32,
    /// Topics of each connection.
    pub per_connection: usize,
    /// Publications per second, each on a random topic.
    pub rate: u32,
    /// Bytes of a publication.
    pub payload: usize,
    /// Seconds before the window.
    pub warm_up: u32,
    /// Seconds of the window.
    pub seconds: u32,
    pub protocol: Protocol,
}

impl Load {
    fn check(&self) -> Result<(), Fault> {
        let fault = |text: &str| Err(Fault::Arguments(text.to_owned()));
        match self {
            Self { connections: 0, .. } => fault("--connections: at least 1"),
            Self {
                per_connection: 0, ..
            } => fault("--per-connection: at least 1"),
            Self { rate: 0, .. } => fault("--rate: at least 1"),
            Self { seconds: 0, .. } => fault("--seconds: at least 1"),
            Self { topics, .. } if (*topics as usize) < self.per_connection => {
                fault("--topics: at least as many as --per-connection")
            }
            Self { topics, .. } if *topics > payload::MAX_TOPICS => fault("--topics: too many"),
            _ => Ok(()),
        }
    }

    /// The connections, all open, and who subscribes to what.
    fn open(&self, common: &Common, clock: Clock) -> Result<(Fleet, Deal), Fault> {
        let deal = Deal::new(
            self.connections,
            self.topics,
            self.per_connection,
            common.seed,
        );
        let mut fleet = Fleet::new(common, clock, self.payload)?;
        for connection in 0..self.connections {
            fleet.add(Plan {
                protocol: self.protocol,
                topics: deal.topics(connection).to_vec(),
                reads: true,
            });
        }
        fleet.open_all()?;
        Ok((fleet, deal))
    }
}

/// What the window used.
struct Used {
    /// Deliveries and seconds of the window.
    deliveries: u64,
    elapsed_s: f64,
    server: Option<Meter>,
    own: Meter,
}

/// Runs a load. The report has everything but what the scenario expects.
pub fn run(common: &Common, load: &Load) -> Result<(Report, Receiver), Fault> {
    load.check()?;
    let clock = Clock::new();
    let server = common.pid.map(Process::new).transpose()?;
    let (mut fleet, deal) = load.open(common, clock)?;
    let mut receiver = Receiver::new(Ledger::new(deal));
    let schedule = Schedule {
        rate: load.rate,
        seconds: load.warm_up + load.seconds,
        warm_up: load.warm_up,
        payload: load.payload,
        body: common.body,
        sequences: vec![0; load.topics as usize],
    };
    let _indicator = Indicator::start(load.scenario, load.warm_up + load.seconds);
    let publisher = Publisher::start(common, clock, schedule)?;
    let start_us = clock.now_us() + u64::from(load.warm_up) * 1_000_000;
    while clock.now_us() < start_us {
        fleet.turn(&mut receiver)?;
    }
    receiver.begin(start_us, Timeline::start(server, start_us));
    let before = receiver.ledger.counts.received;
    let (server, own) = (
        server.map(Meter::start).transpose()?,
        Meter::start(Process::own())?,
    );
    let sent = receiver.run(&mut fleet, publisher, clock)?;
    let now_us = clock.now_us();
    let used = Used {
        deliveries: receiver.ledger.counts.received - before,
        elapsed_s: (now_us - start_us) as f64 / 1e6,
        server,
        own,
    };
    let mut report = report(load, &fleet, &receiver, &sent, &used)?;
    if let Some(timeline) = receiver.timeline.take() {
        report.set_timeline(timeline.finish(now_us));
    }
    Ok((report, receiver))
}

/// States what latencies may be at most, in microseconds, where that is given.
pub fn gate(report: &mut Report, receiver: &Receiver, p50_us: Option<u32>, p99_us: Option<u32>) {
    for (name, quantile, most_us) in [
        ("latency_p50_us", 0.5, p50_us),
        ("latency_p99_us", 0.99, p99_us),
    ] {
        if let Some(most_us) = most_us {
            let value_us = receiver.latency.value_at_quantile(quantile) as f64;
            report.gate(name, value_us, Bar::AtMost(f64::from(most_us)));
        }
    }
}

fn report(
    load: &Load,
    fleet: &Fleet,
    receiver: &Receiver,
    sent: &Published,
    used: &Used,
) -> Result<Report, Fault> {
    let mut report = Report::new(load.scenario);
    let published: u64 = sent.sequences.iter().map(|&last| u64::from(last)).sum();
    let sequences = &sent.sequences;
    let expected = receiver.ledger.deal().deliveries(sequences);
    report.add("connections", load.connections);
    report.add("published", published);
    report.add_deliveries(
        expected,
        receiver.ledger.missing(sequences),
        receiver.ledger.counts,
    );
    report.add_zero("closed", fleet.tally.closed);
    report.add_zero("unknown", fleet.tally.unknown);
    report.add_zero("rejected", sent.rejected);
    let deliveries = used.deliveries as f64;
    report.add_decimal("deliveries_per_second", deliveries / used.elapsed_s);
    report.add_latency("latency", &receiver.latency);
    report.add_latency("publisher_lateness", &sent.lateness);
    report.add_decimal("generator_cpu_percent", used.own.percent()?);
    if let Some(server) = used.server {
        report.add_decimal("server_cpu_percent", server.percent()?);
        let each_us = server.spent_us()? as f64 / deliveries.max(1.0);
        report.add_decimal("server_cpu_us_per_delivery", each_us);
    }
    if fleet.tally.deflated > 0 {
        report.add("deflated_messages", fleet.tally.deflated);
        report.add("received_bytes", fleet.tally.received_bytes);
    }
    Ok(report)
}
