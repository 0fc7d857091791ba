//! One topic to all connections, first without and then with clients that never read. Those clients
//! must not slow down the others, and must not cost the server more memory than their outboxes.
//! Receiving thread.

use clap::{Args, ValueEnum};
use hdrhistogram::Histogram;

use crate::client::assignment::TopicAssignment;
use crate::client::connection::{ConnectionPlan, ReadMode};
use crate::client::fleet::Fleet;
use crate::client::ledger::Ledger;
use crate::client::receiver::Receiver;
use crate::clock::Clock;
use crate::error::BenchError;
use crate::options::Protocol;
use crate::publishing::publisher::{Published, Publisher, PublishingSchedule};
use crate::report::latency;
use crate::report::metrics::Scrape;
use crate::report::monitor::{MetricsMonitor, MonitorResult};
use crate::report::process::{CpuMeter, Process};
use crate::report::progress::ProgressIndicator;
use crate::report::results::Report;
use crate::targets::context::RunContext;

#[derive(Clone, Debug, Args)]
pub struct SlowOptions {
    #[arg(long, default_value_t = 1000)]
    readers: usize,
    /// Clients that subscribe and never read
    #[arg(long, default_value_t = 200)]
    stuck: usize,
    /// Publications per second
    #[arg(long, default_value_t = 500)]
    rate: u32,
    /// Bytes of a publication; the default fills the kernel's buffers (4 MiB) and the outbox before
    /// a missing pong ends a stuck client
    #[arg(long, default_value_t = 400)]
    payload: usize,
    /// Seconds of each of the two phases
    #[arg(long, default_value_t = 32)]
    seconds: u32,
    /// The server's policy for slow clients
    #[arg(long, value_enum, default_value_t = SlowPolicy::Disconnect)]
    policy: SlowPolicy,
    /// The server's `ws.outbox` in bytes
    #[arg(long, default_value_t = 1024 * 1024)]
    outbox: u64,
    /// Maximum p99 of the readers with stuck clients, as a multiple of that without
    #[arg(long, default_value_t = 2.0)]
    ratio: f64,
    #[arg(long, value_enum, default_value_t = Protocol::Raw)]
    protocol: Protocol,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum SlowPolicy {
    Disconnect,
    DropOldest,
    Conflate,
}

/// The results of both phases.
struct SlowOutcome {
    latency_without: Histogram<u64>,
    latency_with: Histogram<u64>,
    sent: Published,
    monitor: MonitorResult,
    metrics_before: Scrape,
    metrics_after: Scrape,
    rss_bytes_before: Option<u64>,
}

impl SlowOptions {
    /// Returns the planned duration of a run in seconds.
    pub fn duration_s(&self) -> u32 {
        2 * self.seconds
    }
}

pub fn run(context: &RunContext, options: &SlowOptions) -> Result<Report, BenchError> {
    if options.readers == 0 || options.rate == 0 {
        return Err(BenchError::Arguments(
            "--readers and --rate: at least 1".into(),
        ));
    }
    let clock = Clock::new();
    let mut fleet = Fleet::new(context, clock, options.payload)?;
    add_clients(&mut fleet, options, options.readers, ReadMode::Always);
    fleet.open_all()?;
    let assignment = TopicAssignment::single_topic(options.readers);
    let mut receiver = Receiver::new(Ledger::new(assignment));
    let generator = CpuMeter::start(Process::own())?;
    let _indicator = ProgressIndicator::start("slow", options.duration_s());
    let outcome = measure(context, options, clock, &mut fleet, &mut receiver)?;

    let mut report = Report::new("slow");
    report.add("readers", options.readers);
    report.add("stuck", options.stuck);
    let sequences = &outcome.sent.sequences;
    report.add_deliveries(
        receiver.ledger.assignment().deliveries(sequences),
        receiver.ledger.missing(sequences),
        receiver.ledger.counts,
    );
    report.add_zero("readers_closed", fleet.counts.closed);
    report.add_zero("unknown", fleet.counts.unknown);
    report.add_zero("rejected", outcome.sent.rejected);
    add_latencies(&mut report, options, &outcome);
    add_policy(&mut report, options, &outcome);
    add_accounting(&mut report, &outcome);
    add_memory(&mut report, options, &outcome);
    report.add_decimal("generator_cpu_percent", generator.percent()?);
    Ok(report)
}

/// Runs both phases while the monitor scrapes the server.
fn measure(
    context: &RunContext,
    options: &SlowOptions,
    clock: Clock,
    fleet: &mut Fleet,
    receiver: &mut Receiver,
) -> Result<SlowOutcome, BenchError> {
    let schedule = |sequences| PublishingSchedule {
        rate: options.rate,
        seconds: options.seconds,
        warm_up: 0,
        payload: options.payload,
        body: context.options.body,
        sequences,
    };
    let metrics_before = Scrape::read(&context.admin)?;
    let rss_bytes_before = context.server.map(Process::rss_bytes).transpose()?;
    let monitor = MetricsMonitor::start(&context.admin, context.server)?;
    let publisher = Publisher::start(context, clock, schedule(vec![0]))?;
    let sent = receiver.run(fleet, publisher, clock)?;
    let latency_without = std::mem::replace(&mut receiver.latency, latency::histogram());

    add_clients(fleet, options, options.stuck, ReadMode::NeverOnceOpen);
    fleet.open_all()?;
    let publisher = Publisher::start(context, clock, schedule(sent.sequences))?;
    let sent = receiver.run(fleet, publisher, clock)?;
    let latency_with = std::mem::replace(&mut receiver.latency, latency::histogram());
    Ok(SlowOutcome {
        latency_without,
        latency_with,
        sent,
        monitor: monitor.join(),
        metrics_before,
        metrics_after: Scrape::read(&context.admin)?,
        rss_bytes_before,
    })
}

fn add_clients(fleet: &mut Fleet, options: &SlowOptions, count: usize, read_mode: ReadMode) {
    for _ in 0..count {
        fleet.add(ConnectionPlan {
            protocol: options.protocol,
            topics: vec![0],
            read_mode,
            token: None,
        });
    }
}

fn add_latencies(report: &mut Report, options: &SlowOptions, outcome: &SlowOutcome) {
    report.add_latency("latency_without", &outcome.latency_without);
    report.add_latency("latency_with", &outcome.latency_with);
    report.add_latency("publisher_lateness", &outcome.sent.lateness);
    let p99 = |histogram: &Histogram<u64>| histogram.value_at_quantile(0.99).max(1) as f64;
    let ratio = p99(&outcome.latency_with) / p99(&outcome.latency_without);
    report.add_decimal("p99_ratio", ratio);
    let most = options.ratio;
    report.check(ratio <= most, || {
        format!("p99_ratio: {ratio:.2}, expected at most {most}")
    });
}

/// Adds what the server did with the stuck clients, from its own counters: clients that do not read
/// cannot count.
fn add_policy(report: &mut Report, options: &SlowOptions, outcome: &SlowOutcome) {
    let increase = |name: &str, reason: &str| {
        let sum = |scrape: &Scrape| scrape.sum(name, Some(("reason", reason)));
        sum(&outcome.metrics_after).saturating_sub(sum(&outcome.metrics_before))
    };
    let closed = increase("fanfare_closed_total", "slow");
    report.add("closed_as_slow", closed);
    report.add(
        "closed_without_pong",
        increase("fanfare_closed_total", "no_pong"),
    );
    for reason in ["slow", "oldest", "conflated", "closed"] {
        report.add(
            format!("dropped_{reason}"),
            increase("fanfare_dropped_total", reason),
        );
    }
    let (expected_closed, drop_reason) = match options.policy {
        SlowPolicy::Disconnect => (options.stuck as u64, "slow"),
        SlowPolicy::DropOldest => (0, "oldest"),
        SlowPolicy::Conflate => (0, "conflated"),
    };
    report.check(closed == expected_closed, || {
        format!(
            "closed_as_slow: {closed}, expected {expected_closed}; if less, raise --seconds or \
             --payload"
        )
    });
    let dropped = increase("fanfare_dropped_total", drop_reason);
    report.check(dropped > 0 || options.stuck == 0, || {
        "nothing was dropped because the outboxes did not fill; raise --seconds or --payload".into()
    });
}

/// Checks that the server accounts for every delivery.
fn add_accounting(report: &mut Report, outcome: &SlowOutcome) {
    let monitor = &outcome.monitor;
    report.add("scrapes", monitor.scrapes);
    report.add_zero("scrapes_failed", monitor.failed);
    report.add("scrapes_unaccounted", monitor.unaccounted.len());
    report.add("peak_pending", monitor.peak_pending);
    let last = outcome.metrics_after.unaccounted();
    if let Some(text) = monitor.unaccounted.iter().chain(&last).next() {
        report.check(false, || text.clone());
    }
    report.check(monitor.scrapes > 0, || "scrapes: none".into());
}

/// Checks that the memory of the server grew by no more than the outboxes of the stuck clients.
fn add_memory(report: &mut Report, options: &SlowOptions, outcome: &SlowOutcome) {
    let Some(before_bytes) = outcome.rss_bytes_before else {
        return;
    };
    let peak_bytes = outcome.monitor.peak_rss_bytes;
    let growth_bytes = peak_bytes.saturating_sub(before_bytes);
    let allowed_bytes = options.stuck as u64 * options.outbox;
    report.add("server_rss_bytes_before", before_bytes);
    report.add("server_rss_bytes_peak", peak_bytes);
    report.add("server_rss_bytes_allowed_growth", allowed_bytes);
    report.check(growth_bytes <= allowed_bytes, || {
        format!("memory grew by {growth_bytes} bytes, expected at most {allowed_bytes}")
    });
}
