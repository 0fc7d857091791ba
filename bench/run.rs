//! Runs the scenario of the command line, once or in pairs, and prints its report. Main thread.

use std::io::{self, Write as _};
use std::path::Path;
use std::process::ExitCode;

use crate::arguments::{Arguments, Scenario};
use crate::error::BenchError;
use crate::report::results::Report;
use crate::report::schedule::PairSchedule;
use crate::report::{pairs, plot};
use crate::scenarios::{
    broadcast, burst, custom, deflate, feeds, helpshift, idle, ingest, single, slow, storm, toggle,
};
use crate::targets::context::{self, RunContext};
use crate::targets::cores::CoreAssignment;
use crate::targets::ports::PortAllocator;

/// Exit code of a run in which a check failed.
const CHECK_FAILED: u8 = 1;

/// Exit code of a run that could not be carried out or whose results could not be written.
const NOT_RUN: u8 = 2;

/// Runs the scenario and prints its report. Returns the exit code of the program: 0 if every
/// check passed, 1 if one failed, 2 if the scenario could not be run.
pub fn run(arguments: &Arguments) -> ExitCode {
    let report = match measure(arguments) {
        Ok(report) => report,
        Err(error) => return not_run(&error),
    };
    let text = if arguments.options.json {
        format!("{}\n", report.json())
    } else {
        report.table()
    };
    // That the reader of stdout has closed it, as in `fanfare-bench ... | head`, is not an error.
    if let Err(error) = io::stdout().write_all(text.as_bytes())
        && error.kind() != io::ErrorKind::BrokenPipe
    {
        return not_run(&error.into());
    }
    if let Some(file) = &arguments.options.plot
        && let Err(error) = write_plot(file, &report)
    {
        return not_run(&error);
    }
    if report.is_passed() {
        ExitCode::SUCCESS
    } else {
        ExitCode::from(CHECK_FAILED)
    }
}

fn not_run(error: &BenchError) -> ExitCode {
    eprintln!("fanfare-bench: {error}");
    ExitCode::from(NOT_RUN)
}

fn measure(arguments: &Arguments) -> Result<Report, BenchError> {
    arguments.check()?;
    let Arguments { options, scenario } = arguments;
    // The soft limit on descriptors is often 1,024. The hard limit must suffice.
    rlimit::increase_nofile_limit(u64::MAX)?;
    let cores = CoreAssignment::new(options);
    if let Scenario::Storm(storm) = scenario
        && let Some(algorithm) = storm.token
    {
        return storm::tokens::run(options, storm, algorithm, cores);
    }
    if let Some(count) = options.pairs {
        let (name, run_s) = scenario.plan();
        let schedule = PairSchedule::start(name, count, run_s);
        return pairs::run(options, &schedule, cores, |context| {
            run_scenario(scenario, context)
        });
    }
    let mut ports = PortAllocator::new();
    let context = context::start(options, &options.target, cores, &mut ports)?;
    run_scenario(scenario, &context)
}

/// Runs a scenario against a server that accepts connections.
fn run_scenario(scenario: &Scenario, context: &RunContext) -> Result<Report, BenchError> {
    match scenario {
        Scenario::Broadcast(options) => broadcast::run(context, options),
        Scenario::Burst(options) => burst::run(context, options),
        Scenario::Single(options) => single::run(context, options),
        Scenario::Ingest(options) => ingest::run(context, options),
        Scenario::Custom(options) => custom::run(context, options),
        Scenario::Helpshift(options) => helpshift::run(context, options),
        Scenario::Slow(options) => slow::run(context, options),
        Scenario::Toggle(options) => toggle::run(context, options),
        Scenario::Deflate(options) => deflate::run(context, options),
        Scenario::Feeds(options) => feeds::run(context, options),
        Scenario::Idle(options) => idle::run(context, options),
        Scenario::Storm(options) => storm::run(context, options),
        Scenario::Floor(_) | Scenario::Guard(_) => {
            unreachable!("main runs these subcommands itself")
        }
    }
}

/// Draws the run over time into an SVG file.
fn write_plot(file: &Path, report: &Report) -> Result<(), BenchError> {
    let words: Vec<_> = std::env::args().skip(1).collect();
    let command = format!("fanfare-bench {}", words.join(" "));
    let svg = plot::svg(report.scenario(), &command, report.timeline());
    std::fs::write(file, svg).map_err(|error| BenchError::Plot {
        file: file.to_owned(),
        error,
    })
}
