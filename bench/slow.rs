//! One topic to all, without and then with clients that never read: they must cost the others
//! nothing, and the server no more than their outboxes.

use clap::{Args, ValueEnum};
use hdrhistogram::Histogram;

use crate::arguments::{Common, Protocol};
use crate::clock::Clock;
use crate::connection::Plan;
use crate::deal::Deal;
use crate::fault::Fault;
use crate::fleet::Fleet;
use crate::latency;
use crate::ledger::Ledger;
use crate::metrics::{Scrape, Watch, Watched};
use crate::process::{Meter, Process};
use crate::progress::Indicator;
use crate::publisher::{Published, Publisher, Schedule};
use crate::receiver::Receiver;
use crate::report::Report;

#[derive(Clone, Debug, Args)]
pub struct Options {
    #[arg(long, default_value_t = 1000)]
    readers: usize,
    /// Clients that subscribe and never read
    #[arg(long, default_value_t = 200)]
    stuck: usize,
    /// Publications per second
    #[arg(long, default_value_t = 500)]
    rate: u32,
    /// Bytes of a publication: with the default ones, the kernel's buffers (4 MiB) and the outbox
    /// are full before a missing pong would end a stuck client
    #[arg(long, default_value_t = 400)]
    payload: usize,
    /// Seconds of each of the two phases
    #[arg(long, default_value_t = 32)]
    seconds: u32,
    /// The server's policy for such clients
    #[arg(long, value_enum, default_value_t = Policy::Disconnect)]
    policy: Policy,
    /// The server's `ws.outbox`, bytes
    #[arg(long, default_value_t = 1024 * 1024)]
    outbox: u64,
    /// What the readers' p99 may become, times what it was
    #[arg(long, default_value_t = 2.0)]
    ratio: f64,
    #[arg(long, value_enum, default_value_t = Protocol::Raw)]
    protocol: Protocol,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Policy {
    Disconnect,
    DropOldest,
    Conflate,
}

/// What the run leaves for the report.
struct Outcome {
    without: Histogram<u64>,
    with: Histogram<u64>,
    sent: Published,
    watched: Watched,
    before: Scrape,
    after: Scrape,
    rss_bytes: Option<u64>,
}

pub fn run(common: &Common, options: &Options) -> Result<Report, Fault> {
    if options.readers == 0 || options.rate == 0 {
        return Err(Fault::Arguments("--readers and --rate: at least 1".into()));
    }
    let clock = Clock::new();
    let mut fleet = Fleet::new(common, clock, options.payload)?;
    add(&mut fleet, options, options.readers, true);
    fleet.open_all()?;
    let deal = Deal::new(options.readers, 1, 1, common.seed);
    let mut receiver = Receiver::new(Ledger::new(deal));
    let own = Meter::start(Process::own())?;
    let _indicator = Indicator::start("slow", 2 * options.seconds);
    let outcome = measure(common, options, clock, &mut fleet, &mut receiver)?;

    let mut report = Report::new("slow");
    report.add("readers", options.readers);
    report.add("stuck", options.stuck);
    let sequences = &outcome.sent.sequences;
    let expected = receiver.ledger.deal().deliveries(sequences);
    report.add_deliveries(
        expected,
        receiver.ledger.missing(sequences),
        receiver.ledger.counts,
    );
    report.add_zero("readers_closed", fleet.tally.closed);
    report.add_zero("rejected", outcome.sent.rejected);
    add_latencies(&mut report, options, &outcome);
    add_policy(&mut report, options, &outcome);
    add_accounts(&mut report, options, &outcome);
    report.add_decimal("generator_cpu_percent", own.percent()?);
    Ok(report)
}

/// Both phases, watched.
fn measure(
    common: &Common,
    options: &Options,
    clock: Clock,
    fleet: &mut Fleet,
    receiver: &mut Receiver,
) -> Result<Outcome, Fault> {
    let server = common.pid.map(Process::new).transpose()?;
    let schedule = |sequences| Schedule {
        rate: options.rate,
        seconds: options.seconds,
        warm_up: 0,
        payload: options.payload,
        body: common.body,
        sequences,
    };
    let before = Scrape::take(&common.admin)?;
    let rss_bytes = server.map(Process::rss_bytes).transpose()?;
    let watch = Watch::start(&common.admin, server)?;
    let publisher = Publisher::start(common, clock, schedule(vec![0]))?;
    let sent = receiver.run(fleet, publisher, clock)?;
    let without = std::mem::replace(&mut receiver.latency, latency::histogram());

    add(fleet, options, options.stuck, false);
    fleet.open_all()?;
    let publisher = Publisher::start(common, clock, schedule(sent.sequences))?;
    let sent = receiver.run(fleet, publisher, clock)?;
    let with = std::mem::replace(&mut receiver.latency, latency::histogram());
    let watched = watch.join();
    let after = Scrape::take(&common.admin)?;
    Ok(Outcome {
        without,
        with,
        sent,
        watched,
        before,
        after,
        rss_bytes,
    })
}

fn add(fleet: &mut Fleet, options: &Options, count: usize, reads: bool) {
    for _ in 0..count {
        fleet.add(Plan {
            protocol: options.protocol,
            topics: vec![0],
            reads,
        });
    }
}

fn add_latencies(report: &mut Report, options: &Options, outcome: &Outcome) {
    report.add_latency("latency_without", &outcome.without);
    report.add_latency("latency_with", &outcome.with);
    report.add_latency("publisher_lateness", &outcome.sent.lateness);
    let p99 = |histogram: &Histogram<u64>| histogram.value_at_quantile(0.99).max(1) as f64;
    let ratio = p99(&outcome.with) / p99(&outcome.without);
    report.add_decimal("p99_ratio", ratio);
    let most = options.ratio;
    report.expect(ratio <= most, || {
        format!("p99_ratio: {ratio:.2}, expected at most {most}")
    });
}

/// What the stuck clients got: by the server's own counters, since they cannot tell.
fn add_policy(report: &mut Report, options: &Options, outcome: &Outcome) {
    let since = |name: &str, reason: &str| {
        let sum = |scrape: &Scrape| scrape.sum(name, Some(("reason", reason)));
        sum(&outcome.after).saturating_sub(sum(&outcome.before))
    };
    let closed = since("fanfare_closed_total", "slow");
    report.add("closed_as_slow", closed);
    report.add(
        "closed_without_pong",
        since("fanfare_closed_total", "no_pong"),
    );
    for reason in ["slow", "oldest", "conflated", "closed"] {
        report.add(
            format!("dropped_{reason}"),
            since("fanfare_dropped_total", reason),
        );
    }
    let (wanted, dropped) = match options.policy {
        Policy::Disconnect => (options.stuck as u64, since("fanfare_dropped_total", "slow")),
        Policy::DropOldest => (0, since("fanfare_dropped_total", "oldest")),
        Policy::Conflate => (0, since("fanfare_dropped_total", "conflated")),
    };
    report.expect(closed == wanted, || {
        format!(
            "closed_as_slow: {closed}, expected {wanted}; if less, raise --seconds or --payload"
        )
    });
    report.expect(dropped > 0 || options.stuck == 0, || {
        "nothing was dropped: the outboxes did not fill; raise --seconds or --payload".into()
    });
}

fn add_accounts(report: &mut Report, options: &Options, outcome: &Outcome) {
    let Watched {
        scrapes,
        failed,
        unaccounted,
        peak_rss_bytes,
        peak_pending,
    } = &outcome.watched;
    report.add("scrapes", *scrapes);
    report.add_zero("scrapes_failed", *failed);
    report.add("scrapes_unaccounted", unaccounted.len());
    report.add("peak_pending", *peak_pending);
    let last = outcome.after.unaccounted();
    if let Some(text) = unaccounted.iter().chain(&last).next() {
        report.expect(false, || text.clone());
    }
    report.expect(*scrapes > 0, || "scrapes: none".into());
    if let Some(rss_bytes) = outcome.rss_bytes {
        let grown = peak_rss_bytes.saturating_sub(rss_bytes);
        let most = options.stuck as u64 * options.outbox;
        report.add("server_rss_bytes_before", rss_bytes);
        report.add("server_rss_bytes_peak", *peak_rss_bytes);
        report.add("server_rss_bytes_allowed_growth", most);
        report.expect(grown <= most, || {
            format!("memory grew by {grown} bytes, over {most}")
        });
    }
}
