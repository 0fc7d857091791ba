//! Publications without subscribers: how many the server accepts, and the cost of a given rate. The
//! main thread measures, and one thread sends for each publishing connection.

use std::sync::Arc;

use clap::Args;

use crate::client::receiver::SILENCE_US;
use crate::clock::Clock;
use crate::error::BenchError;
use crate::payload;
use crate::publishing::senders::{MessageCycle, SendPace, Senders};
use crate::report::metrics::Scrape;
use crate::report::process::Process;
use crate::report::progress::ProgressIndicator;
use crate::report::results::{Bound, Report};
use crate::targets::context::RunContext;

/// Prefix of the names of the server's shard threads. All other threads run on the ingest core.
const SHARD_PREFIX: &str = "shard";

/// Interval of the scrapes while the server accepts the rest of the publications.
const SCRAPE_INTERVAL_US: u64 = 20_000;

#[derive(Clone, Debug, Args)]
pub struct IngestOptions {
    /// Bytes of a publication
    #[arg(long, default_value_t = 100)]
    payload: usize,
    /// Number of topics, which are used in turn
    #[arg(long, default_value_t = 1000)]
    topics: u32,
    /// Connections that send as fast as possible
    #[arg(long, default_value_t = 2)]
    senders: u32,
    /// Publications per second of the second phase
    #[arg(long, default_value_t = 60_000)]
    rate: u32,
    /// Interval in microseconds at which the sender of the second phase sends what is due
    #[arg(long, default_value_t = 1000)]
    tick_us: u64,
    /// Seconds before each phase
    #[arg(long, default_value_t = 1)]
    warm_up: u32,
    /// Seconds of each phase
    #[arg(long, default_value_t = 10)]
    seconds: u32,
    /// Minimum number of publications per second in the first phase
    #[arg(long, default_value_t = 1_000_000)]
    at_least: u32,
    /// Maximum share of the ingest core in percent in the second phase
    #[arg(long, default_value_t = 10.0)]
    at_most_percent: f64,
}

/// The figures of one phase.
struct IngestPhase {
    /// Publications sent in the whole phase, including the warm-up.
    sent: u64,
    /// Publications accepted in the whole phase.
    accepted: u64,
    /// Publications rejected in the whole phase.
    rejected: u64,
    accepted_per_second: f64,
    generator_percent: f64,
    /// Share of one core in percent by thread name.
    threads: Vec<(String, f64)>,
}

impl IngestPhase {
    /// Returns the share of all threads on the ingest core in percent.
    fn ingest_core_percent(&self) -> f64 {
        let threads = self.threads.iter();
        let ingest = threads.filter(|(name, _)| !name.starts_with(SHARD_PREFIX));
        ingest.map(|(_, percent)| percent).sum()
    }
}

impl IngestOptions {
    /// Returns the planned duration of a run in seconds.
    pub fn duration_s(&self) -> u32 {
        2 * (self.warm_up + self.seconds)
    }
}

pub fn run(context: &RunContext, options: &IngestOptions) -> Result<Report, BenchError> {
    if options.topics == 0 || options.senders == 0 || options.seconds == 0 || options.rate == 0 {
        let text = "--topics, --senders, --rate and --seconds: at least 1";
        return Err(BenchError::Arguments(text.into()));
    }
    if context.options.acknowledged || options.topics > payload::MAX_TOPICS {
        let text = "ingest: no --acknowledged, and at most a million --topics";
        return Err(BenchError::Arguments(text.into()));
    }
    let (rate, tick_us) = (options.rate, options.tick_us.max(1));
    let _indicator = ProgressIndicator::start("ingest", options.duration_s());
    let saturated = measure(context, options, options.senders, SendPace::Saturated)?;
    let fixed = measure(context, options, 1, SendPace::Fixed { rate, tick_us })?;

    let mut report = Report::new("ingest");
    report.add("payload_bytes", options.payload.max(payload::SMALLEST));
    add_phase(&mut report, "saturated", &saturated);
    add_phase(&mut report, "fixed", &fixed);
    report.check_bound(
        "saturated_accepted_per_second",
        saturated.accepted_per_second,
        Bound::AtLeast(f64::from(options.at_least)),
    );
    if context.server.is_some() {
        let most = Bound::AtMost(options.at_most_percent);
        let percent = fixed.ingest_core_percent();
        report.check_bound("fixed_ingest_core_percent", percent, most);
    }
    Ok(report)
}

/// Sends for one phase and waits until the server has accepted or rejected everything.
fn measure(
    context: &RunContext,
    options: &IngestOptions,
    senders: u32,
    pace: SendPace,
) -> Result<IngestPhase, BenchError> {
    let clock = Clock::new();
    let admin = &context.admin;
    let cycle = Arc::new(MessageCycle::new(options.topics, options.payload));
    let first = Scrape::read(admin)?;
    let senders = Senders::start(&context.publishers, clock, &cycle, senders, pace)?;
    clock.sleep_until(clock.now_us() + u64::from(options.warm_up) * 1_000_000);

    let (before, start_us) = (Scrape::read(admin)?, clock.now_us());
    let threads_before = threads_cpu_us(context.server)?;
    let generator_before_us = Process::own().cpu_us()?;
    clock.sleep_until(start_us + u64::from(options.seconds) * 1_000_000);
    let (after, threads_after) = (Scrape::read(admin)?, threads_cpu_us(context.server)?);
    let span_us = clock.now_us() - start_us;
    let generator_us = Process::own().cpu_us()? - generator_before_us;

    let sent = senders.join()?;
    let last = await_handled(admin, &first, sent, clock)?;
    let accepted_in_span = accepted(&after) - accepted(&before);
    Ok(IngestPhase {
        sent,
        accepted: accepted(&last) - accepted(&first),
        rejected: rejected(&last) - rejected(&first),
        accepted_per_second: accepted_in_span as f64 * 1e6 / span_us as f64,
        generator_percent: generator_us as f64 * 100.0 / span_us as f64,
        threads: thread_shares(&threads_before, &threads_after, span_us),
    })
}

/// Waits until the server has accepted or rejected `sent` publications since the scrape `first`, or
/// until its counters have not changed for [`SILENCE_US`]. Returns the last scrape.
fn await_handled(
    admin: &str,
    first: &Scrape,
    sent: u64,
    clock: Clock,
) -> Result<Scrape, BenchError> {
    let handled = |scrape: &Scrape| accepted(scrape) + rejected(scrape);
    let mut last = Scrape::read(admin)?;
    let mut progress_us = clock.now_us();
    while handled(&last) - handled(first) < sent && clock.now_us() - progress_us < SILENCE_US {
        clock.sleep_until(clock.now_us() + SCRAPE_INTERVAL_US);
        let current = Scrape::read(admin)?;
        if handled(&current) > handled(&last) {
            progress_us = clock.now_us();
        }
        last = current;
    }
    Ok(last)
}

fn accepted(scrape: &Scrape) -> u64 {
    scrape.sum("fanfare_publications_total", None)
}

fn rejected(scrape: &Scrape) -> u64 {
    scrape.sum("fanfare_rejected_total", None)
}

/// Returns the CPU times of the server's threads, or none if its process is not known.
fn threads_cpu_us(process: Option<Process>) -> Result<Vec<(String, u64)>, BenchError> {
    process.map_or(Ok(Vec::new()), Process::threads_cpu_us)
}

/// Returns the share of each thread between two readings, in percent of one core. Threads of the
/// same name are added up.
fn thread_shares(
    before: &[(String, u64)],
    after: &[(String, u64)],
    span_us: u64,
) -> Vec<(String, f64)> {
    let mut names: Vec<_> = after.iter().map(|(name, _)| name).collect();
    names.dedup();
    let sum = |threads: &[(String, u64)], name: &str| -> u64 {
        let same = threads.iter().filter(|thread| thread.0 == name);
        same.map(|thread| thread.1).sum()
    };
    let share = |name: &String| {
        let used_us = sum(after, name).saturating_sub(sum(before, name));
        (name.clone(), used_us as f64 * 100.0 / span_us.max(1) as f64)
    };
    names.into_iter().map(share).collect()
}

fn add_phase(report: &mut Report, name: &str, phase: &IngestPhase) {
    report.add(format!("{name}_sent"), phase.sent);
    let handled = phase.accepted + phase.rejected;
    report.add_zero(
        &format!("{name}_missing"),
        phase.sent.saturating_sub(handled),
    );
    report.add_zero(
        &format!("{name}_surplus"),
        handled.saturating_sub(phase.sent),
    );
    report.add_zero(&format!("{name}_rejected"), phase.rejected);
    let per_second = phase.accepted_per_second;
    report.add_decimal(format!("{name}_accepted_per_second"), per_second);
    let generator_percent = phase.generator_percent;
    report.add_decimal(format!("{name}_generator_cpu_percent"), generator_percent);
    if phase.threads.is_empty() {
        return;
    }
    for (thread, percent) in &phase.threads {
        report.add_decimal(format!("{name}_thread_{thread}_cpu_percent"), *percent);
    }
    let percent = phase.ingest_core_percent();
    report.add_decimal(format!("{name}_ingest_core_percent"), percent);
    let per_publication_ns = percent * 1e7 / per_second.max(1.0);
    report.add_decimal(
        format!("{name}_ingest_cpu_ns_per_publication"),
        per_publication_ns,
    );
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn threads_of_the_same_name_are_added_up() {
        let owned = |threads: &[(&str, u64)]| -> Vec<(String, u64)> {
            let each = threads.iter().map(|(name, us)| ((*name).to_owned(), *us));
            each.collect()
        };
        let before = owned(&[("fanfare", 100), ("fanfare", 0), ("shard-0", 50)]);
        let after = owned(&[
            ("fanfare", 200),
            ("fanfare", 300),
            ("ingest", 7),
            ("shard-0", 150),
        ]);
        let threads = thread_shares(&before, &after, 1000);
        let names: Vec<_> = threads.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names, ["fanfare", "ingest", "shard-0"]);
        assert!((threads[2].1 - 10.0).abs() < 1e-9);
        let phase = IngestPhase {
            sent: 0,
            accepted: 0,
            rejected: 0,
            accepted_per_second: 0.0,
            generator_percent: 0.0,
            threads,
        };
        assert!((phase.ingest_core_percent() - 40.7).abs() < 1e-9);
    }
}
