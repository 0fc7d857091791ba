//! `fanfare-bench`: a load generator that checks what it receives. One thread receives on one
//! core, one publishes; a scenario is one file here.

#![expect(
    unreachable_pub,
    reason = "nothing reaches into a binary; pub means: beyond this file"
)]

mod arguments;
mod broadcast;
mod burst;
mod clock;
mod connection;
mod custom;
mod deal;
mod deflate;
mod fault;
mod feeds;
mod fleet;
mod floor;
mod frames;
mod helpshift;
mod idle;
mod inflate;
mod ingest;
mod latency;
mod ledger;
mod line;
mod metrics;
mod pairs;
mod payload;
mod plot;
mod process;
mod progress;
mod publisher;
mod receiver;
mod report;
mod single;
mod slow;
mod steady;
mod storm;
mod targets;
mod timeline;
mod toggle;
mod words;
mod zmtp;

use std::process::ExitCode;

use clap::Parser;

use arguments::{Arguments, Common, Scenario};
use fault::Fault;
use report::Report;
use targets::{Cores, Ports, guard};

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    match &arguments.scenario {
        Scenario::Floor(options) => return floor::main(options, &arguments.common.injection),
        Scenario::Guard(options) => return guard::run(options),
        _ => {}
    }
    let outcome = run(&arguments).and_then(|report| {
        plot(&arguments, &report)?;
        Ok(report)
    });
    match outcome {
        Ok(report) => {
            if arguments.common.json {
                println!("{}", report.json());
            } else {
                print!("{}", report.table());
            }
            if report.is_met() {
                ExitCode::SUCCESS
            } else {
                ExitCode::from(1)
            }
        }
        Err(fault) => {
            eprintln!("fanfare-bench: {fault}");
            ExitCode::from(2)
        }
    }
}

fn run(arguments: &Arguments) -> Result<Report, Fault> {
    arguments.check()?;
    let common = &arguments.common;
    // The soft limit is often 1,024; what the hard limit allows must do.
    rlimit::increase_nofile_limit(u64::MAX)?;
    if common.plot.is_some() && (common.pairs.is_some() || !arguments.scenario.has_timeline()) {
        let text = "--plot: not in this scenario, nor with --pairs";
        return Err(Fault::Arguments(text.into()));
    }
    let cores = Cores::new(common);
    let measure = |common: &Common| measure(&arguments.scenario, common);
    if let Some(count) = common.pairs {
        return pairs::run(common, count, cores, measure);
    }
    let started = targets::start(common, common.subject, cores, &mut Ports::new())?;
    measure(&started.common)
}

/// Runs a scenario against a server that is there.
fn measure(scenario: &Scenario, common: &Common) -> Result<Report, Fault> {
    match scenario {
        Scenario::Broadcast(options) => broadcast::run(common, options),
        Scenario::Burst(options) => burst::run(common, options),
        Scenario::Single(options) => single::run(common, options),
        Scenario::Ingest(options) => ingest::run(common, options),
        Scenario::Custom(options) => custom::run(common, options),
        Scenario::Helpshift(options) => helpshift::run(common, options),
        Scenario::Slow(options) => slow::run(common, options),
        Scenario::Toggle(options) => toggle::run(common, options),
        Scenario::Deflate(options) => deflate::run(common, options),
        Scenario::Feeds(options) => feeds::run(common, options),
        Scenario::Idle(options) => idle::run(common, options),
        Scenario::Storm(options) => storm::run(common, options),
        Scenario::Floor(_) | Scenario::Guard(_) => unreachable!("these are servers, run above"),
    }
}

/// Draws the run over time, if that was asked for.
fn plot(arguments: &Arguments, report: &Report) -> Result<(), Fault> {
    let Some(file) = &arguments.common.plot else {
        return Ok(());
    };
    let words: Vec<_> = std::env::args().skip(1).collect();
    let command = format!("fanfare-bench {}", words.join(" "));
    let svg = plot::svg(report.scenario(), &command, report.timeline());
    std::fs::write(file, svg).map_err(|error| {
        let file = file.display();
        Fault::Arguments(format!("--plot {file}: {error}"))
    })
}
