//! The fan-out of a production day: some topics for each of many connections, a steady rate.

use clap::Args;

use crate::arguments::{Common, Protocol};
use crate::clock::Clock;
use crate::connection::Plan;
use crate::deal::Deal;
use crate::fault::Fault;
use crate::fleet::Fleet;
use crate::ledger::Ledger;
use crate::payload;
use crate::process::{Meter, Process};
use crate::publisher::{Publisher, Schedule};
use crate::receiver::Receiver;
use crate::report::Report;

#[derive(Clone, Debug, Args)]
pub struct Options {
    #[arg(long, default_value_t = 3500)]
    connections: usize,
    #[arg(long, default_value_t = 700)]
    topics: u32,
    /// Topics of each connection
    #[arg(long, default_value_t = 10)]
    per_connection: usize,
    /// Publications per second, each on a random topic
    #[arg(long, default_value_t = 1500)]
    rate: u32,
    /// Bytes of a publication
    #[arg(long, default_value_t = 300)]
    payload: usize,
    #[arg(long, default_value_t = 60)]
    seconds: u32,
    #[arg(long, value_enum, default_value_t = Protocol::Raw)]
    protocol: Protocol,
}

pub fn run(common: &Common, options: &Options) -> Result<Report, Fault> {
    options.check()?;
    let clock = Clock::new();
    let deal = Deal::new(
        options.connections,
        options.topics,
        options.per_connection,
        common.seed,
    );
    let mut fleet = Fleet::new(common, clock, options.payload)?;
    for connection in 0..options.connections {
        let topics = deal.topics(connection).to_vec();
        fleet.add(Plan {
            protocol: options.protocol,
            topics,
            reads: true,
        });
    }
    fleet.open_all()?;

    let mut receiver = Receiver::new(Ledger::new(deal));
    let server = common.pid.map(Process::new).transpose()?;
    let server = server.map(Meter::start).transpose()?;
    let own = Meter::start(Process::own())?;
    let sequences = vec![0; options.topics as usize];
    let schedule = Schedule {
        rate: options.rate,
        seconds: options.seconds,
        payload: options.payload,
        body: common.body,
        sequences,
    };
    let begun_us = clock.now_us();
    let publisher = Publisher::start(common, clock, schedule)?;
    let sent = receiver.run(&mut fleet, publisher, clock)?;
    let elapsed_s = (clock.now_us() - begun_us) as f64 / 1e6;

    let mut report = Report::new("helpshift");
    let counts = receiver.ledger.counts;
    let expected = receiver.ledger.deal().deliveries(&sent.sequences);
    report.add("connections", options.connections);
    report.add(
        "published",
        u64::from(options.rate) * u64::from(options.seconds),
    );
    report.add_deliveries(expected, receiver.ledger.missing(&sent.sequences), counts);
    report.add_zero("closed", fleet.tally.closed);
    report.add_zero("unknown", fleet.tally.unknown);
    report.add_zero("rejected", sent.rejected);
    report.add_decimal("deliveries_per_second", counts.received as f64 / elapsed_s);
    report.add_latency("latency", &receiver.latency);
    report.add_latency("publisher_lateness", &sent.lateness);
    report.add_decimal("generator_cpu_percent", own.percent()?);
    if let Some(server) = server {
        report.add_decimal("server_cpu_percent", server.percent()?);
        let spent_us = server.spent_us()? as f64;
        report.add_decimal(
            "server_cpu_us_per_delivery",
            spent_us / counts.received.max(1) as f64,
        );
    }
    Ok(report)
}

impl Options {
    fn check(&self) -> Result<(), Fault> {
        let fault = |text: &str| Err(Fault::Arguments(text.to_owned()));
        match self {
            Self {
                per_connection: 0, ..
            } => fault("--per-connection: at least 1"),
            Self { rate: 0, .. } => fault("--rate: at least 1"),
            Self {
                topics,
                per_connection,
                ..
            } if (*topics as usize) < *per_connection => {
                fault("--topics: at least as many as --per-connection")
            }
            Self { topics, .. } if *topics > payload::MAX_TOPICS => fault("--topics: too many"),
            _ => Ok(()),
        }
    }
}
