//! Publications that nobody wants: how many the server takes in, and what a given rate costs. A
//! thread for each sending connection.

mod senders;

use std::sync::Arc;

use clap::Args;

use crate::arguments::Common;
use crate::clock::Clock;
use crate::fault::Fault;
use crate::metrics::Scrape;
use crate::payload;
use crate::process::Process;
use crate::progress::Indicator;
use crate::receiver::SILENCE_US;
use crate::report::{Bar, Report};

use senders::{Cycle, Pace, Senders};

/// The server's own name for its shard threads begins so; all others run on the ingest core.
const SHARD: &str = "shard";

/// How often metrics are read while the server takes in the rest.
const REST_US: u64 = 20_000;

#[derive(Clone, Debug, Args)]
pub struct Options {
    /// Bytes of a publication
    #[arg(long, default_value_t = 100)]
    payload: usize,
    /// Topics in turn
    #[arg(long, default_value_t = 1000)]
    topics: u32,
    /// Connections that send as fast as they can
    #[arg(long, default_value_t = 2)]
    senders: u32,
    /// Publications per second of the second phase
    #[arg(long, default_value_t = 60_000)]
    rate: u32,
    /// How often a paced sender sends what is due, microseconds
    #[arg(long, default_value_t = 1000)]
    tick_us: u64,
    /// Seconds before each phase
    #[arg(long, default_value_t = 1)]
    warm_up: u32,
    /// Seconds of each phase
    #[arg(long, default_value_t = 10)]
    seconds: u32,
    /// Publications per second that are expected
    #[arg(long, default_value_t = 1_000_000)]
    at_least: u32,
    /// What `--rate` may take of the ingest core, percent
    #[arg(long, default_value_t = 10.0)]
    at_most_percent: f64,
}

/// What one phase found.
struct Phase {
    sent: u64,
    /// Over the whole phase, so that it compares to `sent`.
    accepted: u64,
    rejected: u64,
    accepted_per_second: f64,
    own_percent: f64,
    /// Shares of one core by the name of the thread, in percent.
    threads: Vec<(String, f64)>,
}

impl Phase {
    /// The share of all threads whose name begins so, or of all others.
    fn percent(&self, shards: bool) -> f64 {
        let wanted = |thread: &&(String, f64)| thread.0.starts_with(SHARD) == shards;
        self.threads
            .iter()
            .filter(wanted)
            .map(|thread| thread.1)
            .sum()
    }
}

/// CPU times of the server's threads now.
fn cpu(process: Option<Process>) -> Result<Vec<(String, u64)>, Fault> {
    process.map_or(Ok(Vec::new()), Process::threads_cpu_us)
}

/// What each thread used between two readings, in percent; by name, so those of one name are one.
fn shares(before: &[(String, u64)], after: &[(String, u64)], span_us: u64) -> Vec<(String, f64)> {
    let mut names: Vec<_> = after.iter().map(|(name, _)| name).collect();
    names.dedup();
    let sum = |of: &[(String, u64)], name: &str| -> u64 {
        let same = of.iter().filter(|thread| thread.0 == name);
        same.map(|thread| thread.1).sum()
    };
    let share = |name: &String| {
        let used_us = sum(after, name).saturating_sub(sum(before, name));
        (name.clone(), used_us as f64 * 100.0 / span_us.max(1) as f64)
    };
    names.into_iter().map(share).collect()
}

fn accepted(scrape: &Scrape) -> u64 {
    scrape.sum("fanfare_publications_total", None)
}

/// Sends for a while, and waits until the server has taken in everything.
fn phase(common: &Common, options: &Options, senders: u32, pace: Pace) -> Result<Phase, Fault> {
    let clock = Clock::new();
    let process = common.pid.map(Process::new).transpose()?;
    let cycle = Arc::new(Cycle::new(options.topics, options.payload));
    let first = Scrape::take(&common.admin)?;
    let senders = Senders::start(common, clock, &cycle, senders, pace)?;
    clock.sleep_until(clock.now_us() + u64::from(options.warm_up) * 1_000_000);

    let (before, begun_us) = (Scrape::take(&common.admin)?, clock.now_us());
    let (threads, own) = (cpu(process)?, Process::own().cpu_us()?);
    clock.sleep_until(begun_us + u64::from(options.seconds) * 1_000_000);
    let (after, threads_after) = (Scrape::take(&common.admin)?, cpu(process)?);
    let span_us = clock.now_us() - begun_us;
    let own_us = Process::own().cpu_us()? - own;

    let sent = senders.join()?;
    let mut last = Scrape::take(&common.admin)?;
    let rejected = |last: &Scrape| {
        let sum = |scrape: &Scrape| scrape.sum("fanfare_rejected_total", None);
        sum(last) - sum(&first)
    };
    let end_us = clock.now_us() + SILENCE_US;
    while accepted(&last) - accepted(&first) + rejected(&last) < sent && clock.now_us() < end_us {
        clock.sleep_until(clock.now_us() + REST_US);
        last = Scrape::take(&common.admin)?;
    }
    let taken = accepted(&after) - accepted(&before);
    Ok(Phase {
        sent,
        accepted: accepted(&last) - accepted(&first),
        rejected: rejected(&last),
        accepted_per_second: taken as f64 * 1e6 / span_us as f64,
        own_percent: own_us as f64 * 100.0 / span_us as f64,
        threads: shares(&threads, &threads_after, span_us),
    })
}

pub fn run(common: &Common, options: &Options) -> Result<Report, Fault> {
    if options.topics == 0 || options.senders == 0 || options.seconds == 0 || options.rate == 0 {
        let text = "--topics, --senders, --rate and --seconds: at least 1";
        return Err(Fault::Arguments(text.into()));
    }
    if common.acknowledged || options.topics > payload::MAX_TOPICS {
        let text = "ingest: no --acknowledged, and at most a million --topics";
        return Err(Fault::Arguments(text.into()));
    }
    let (rate, tick_us) = (options.rate, options.tick_us.max(1));
    let _indicator = Indicator::start("ingest", 2 * (options.warm_up + options.seconds));
    let saturated = phase(common, options, options.senders, Pace::Saturated)?;
    let fixed = phase(common, options, 1, Pace::Fixed { rate, tick_us })?;

    let mut report = Report::new("ingest");
    report.add("payload_bytes", options.payload.max(payload::SMALLEST));
    add(&mut report, "saturated", &saturated);
    add(&mut report, "fixed", &fixed);
    let least = f64::from(options.at_least);
    let per_second = saturated.accepted_per_second;
    report.gate(
        "saturated_accepted_per_second",
        per_second,
        Bar::AtLeast(least),
    );
    if common.pid.is_some() {
        let most = Bar::AtMost(options.at_most_percent);
        report.gate("fixed_ingest_core_percent", fixed.percent(false), most);
    }
    Ok(report)
}

fn add(report: &mut Report, name: &str, phase: &Phase) {
    report.add(format!("{name}_sent"), phase.sent);
    let missing = phase.sent.saturating_sub(phase.accepted + phase.rejected);
    report.add_zero(&format!("{name}_missing"), missing);
    report.add_zero(&format!("{name}_rejected"), phase.rejected);
    let per_second = phase.accepted_per_second;
    report.add_decimal(format!("{name}_accepted_per_second"), per_second);
    report.add_decimal(format!("{name}_generator_cpu_percent"), phase.own_percent);
    if phase.threads.is_empty() {
        return;
    }
    for (thread, percent) in &phase.threads {
        report.add_decimal(format!("{name}_thread_{thread}_cpu_percent"), *percent);
    }
    let percent = phase.percent(false);
    report.add_decimal(format!("{name}_ingest_core_percent"), percent);
    let each_ns = percent * 1e7 / per_second.max(1.0);
    report.add_decimal(format!("{name}_ingest_cpu_ns_per_publication"), each_ns);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn threads_of_one_name_share_a_row() {
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
        let found = shares(&before, &after, 1000);
        let names: Vec<_> = found.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names, ["fanfare", "ingest", "shard-0"]);
        let phase = Phase {
            sent: 0,
            accepted: 0,
            rejected: 0,
            accepted_per_second: 0.0,
            own_percent: 0.0,
            threads: found,
        };
        assert!((phase.percent(true) - 10.0).abs() < 1e-9);
        assert!((phase.percent(false) - 40.7).abs() < 1e-9);
    }
}
