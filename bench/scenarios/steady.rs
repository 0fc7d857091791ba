//! A steady load for several scenarios: a warm-up, then a window in which everything is timed and
//! measured. Deliveries are checked in both. Receiving thread.

use crate::client::assignment::TopicAssignment;
use crate::client::connection::ConnectionPlan;
use crate::client::fleet::Fleet;
use crate::client::ledger::Ledger;
use crate::client::receiver::Receiver;
use crate::clock::Clock;
use crate::error::BenchError;
use crate::options::Protocol;
use crate::payload;
use crate::publishing::publisher::{Published, Publisher, PublishingSchedule};
use crate::report::progress::ProgressIndicator;
use crate::report::results::{Bound, Report};
use crate::report::timeline::Timeline;
use crate::report::usage::{Usage, UsageMeter};
use crate::targets::context::RunContext;

/// The numbers of a load.
#[derive(Clone, Debug)]
pub struct SteadyLoad {
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

/// The measurements of the window.
struct Window {
    deliveries: u64,
    elapsed_s: f64,
    usage: Usage,
}

/// Runs a load. The report contains everything except the checks of the scenario.
pub fn run(context: &RunContext, load: &SteadyLoad) -> Result<(Report, Receiver), BenchError> {
    load.check()?;
    let clock = Clock::new();
    let (mut fleet, assignment) = load.open(context, clock)?;
    let mut receiver = Receiver::new(Ledger::new(assignment));
    let schedule = PublishingSchedule {
        rate: load.rate,
        seconds: load.warm_up + load.seconds,
        warm_up: load.warm_up,
        payload: load.payload,
        body: context.options.body,
        sequences: vec![0; load.topics as usize],
    };
    let _indicator = ProgressIndicator::start(load.scenario, load.warm_up + load.seconds);
    let publisher = Publisher::start(context, clock, schedule)?;
    let start_us = clock.now_us() + u64::from(load.warm_up) * 1_000_000;
    while clock.now_us() < start_us {
        fleet.poll(&mut receiver)?;
    }
    receiver.end_warm_up(start_us, Timeline::start(context.server, start_us));
    let before = receiver.ledger.counts.received;
    let meter = UsageMeter::start(context.server)?;
    let sent = receiver.run(&mut fleet, publisher, clock)?;
    let end_us = clock.now_us();
    let window = Window {
        deliveries: receiver.ledger.counts.received - before,
        elapsed_s: (end_us - start_us) as f64 / 1e6,
        usage: meter.finish()?,
    };
    let mut report = report(load, &fleet, &receiver, &sent, &window);
    if let Some(timeline) = receiver.timeline.take() {
        report.set_timeline(timeline.finish(end_us));
    }
    Ok((report, receiver))
}

/// Checks the given maximum latencies in microseconds.
pub fn check_latency(
    report: &mut Report,
    receiver: &Receiver,
    p50_us: Option<u32>,
    p99_us: Option<u32>,
) {
    for (name, quantile, most_us) in [
        ("latency_p50_us", 0.5, p50_us),
        ("latency_p99_us", 0.99, p99_us),
    ] {
        if let Some(most_us) = most_us {
            let value_us = receiver.latency.value_at_quantile(quantile) as f64;
            report.check_bound(name, value_us, Bound::AtMost(f64::from(most_us)));
        }
    }
}

impl SteadyLoad {
    fn check(&self) -> Result<(), BenchError> {
        let error = |text: &str| Err(BenchError::Arguments(text.to_owned()));
        match self {
            Self { connections: 0, .. } => error("--connections: at least 1"),
            Self {
                per_connection: 0, ..
            } => error("--per-connection: at least 1"),
            Self { rate: 0, .. } => error("--rate: at least 1"),
            Self { seconds: 0, .. } => error("--seconds: at least 1"),
            Self { topics, .. } if (*topics as usize) < self.per_connection => {
                error("--topics: at least as many as --per-connection")
            }
            Self { topics, .. } if *topics > payload::MAX_TOPICS => {
                error("--topics: at most a million")
            }
            _ => Ok(()),
        }
    }

    /// Opens all connections. Returns them and the assignment of topics.
    fn open(
        &self,
        context: &RunContext,
        clock: Clock,
    ) -> Result<(Fleet, TopicAssignment), BenchError> {
        let assignment = TopicAssignment::new(
            self.connections,
            self.topics,
            self.per_connection,
            context.options.seed,
        );
        let mut fleet = Fleet::new(context, clock, self.payload)?;
        for connection in 0..self.connections {
            let topics = assignment.topics(connection).to_vec();
            fleet.add(ConnectionPlan::new(self.protocol, topics));
        }
        fleet.open_all()?;
        Ok((fleet, assignment))
    }
}

fn report(
    load: &SteadyLoad,
    fleet: &Fleet,
    receiver: &Receiver,
    sent: &Published,
    window: &Window,
) -> Report {
    let mut report = Report::new(load.scenario);
    let sequences = &sent.sequences;
    let publications: u64 = sequences.iter().map(|&last| u64::from(last)).sum();
    report.add("connections", load.connections);
    report.add("published", publications);
    report.add_deliveries(
        receiver.ledger.assignment().deliveries(sequences),
        receiver.ledger.missing(sequences),
        receiver.ledger.counts,
    );
    report.add_zero("closed", fleet.counts.closed);
    report.add_zero("unknown", fleet.counts.unknown);
    report.add_zero("rejected", sent.rejected);
    let per_second = window.deliveries as f64 / window.elapsed_s;
    report.add_decimal("deliveries_per_second", per_second);
    report.add_latency("latency", &receiver.latency);
    report.add_latency("publisher_lateness", &sent.lateness);
    window.usage.add_to(&mut report, window.deliveries);
    if load.warm_up > 0 {
        let warm_up = load.warm_up;
        report.add_note(format!(
            "  note    published, expected and received include the warm-up of {warm_up} s"
        ));
    }
    if fleet.counts.deflated > 0 {
        report.add("deflated_messages", fleet.counts.deflated);
        report.add("received_bytes", fleet.counts.received_bytes);
    }
    report
}
