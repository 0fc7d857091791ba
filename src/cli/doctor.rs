//! `fanfare doctor`: examines the host and reports each property: the value found, the value wanted
//! for a number of connections, the reason, and how to correct the difference. It changes nothing.

mod addresses;
mod catalogue;
mod examine;
mod finding;
mod host;
mod knob;
mod machine;
mod plan;
mod ports;
mod process;
mod report;
mod services;
mod sysctls;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, ValueEnum};
use fanfare::config::Config;
use fanfare::limits::EXPECTED_CONNECTIONS;

use super::arguments::Settings;
use super::exit::{FAILURE, USAGE, fail, fail_each, print_result};
use host::Host;
use knob::Verdict;
use plan::Plan;

/// Report what this host offers, what the engine needs, and how to fix the difference.
///
/// Each knob is `ok`, `note` (a recommendation), `weak` (too small for this number of connections,
/// or slower than necessary) or `FAIL` (serve would not start, or would not accept this number of
/// connections). Key sets and hooks of the configuration get one request each. The exit code is 1
/// if a knob is FAIL, 2 if the configuration is wrong, and otherwise 0.
#[derive(Args)]
pub(super) struct Doctor {
    #[command(flatten)]
    settings: Settings,
    /// Examine the host for N connections. Default: `ws.max_connections`, or 10,000 if that is
    /// auto.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..=100_000_000))]
    connections: Option<u64>,
    /// Print JSON.
    #[arg(long, conflicts_with = "print")]
    json: bool,
    /// Print a file for sysctl.d or limits.d that corrects insufficient settings. apply.sh uses it.
    #[arg(long, value_name = "FILE")]
    print: Option<Print>,
    /// Examine the limits of this process, a running fanfare, instead of those of the shell.
    #[arg(long, value_name = "PID")]
    pid: Option<u32>,
    /// Read proc, sys and etc below this directory: copies from another host.
    #[arg(long, value_name = "DIR")]
    root: Option<PathBuf>,
}

#[derive(Clone, Copy, ValueEnum)]
enum Print {
    Sysctl,
    Limits,
}

pub(super) fn run(doctor: Doctor) -> ExitCode {
    let Doctor {
        settings,
        connections,
        json,
        print,
        pid,
        root,
    } = doctor;
    let host = Host::new(root, pid);
    if let Some(pid) = pid
        && !host.has_process()
    {
        return fail(
            USAGE,
            &format!("there is no process {pid}, or its files cannot be read"),
        );
    }
    let mut source = settings.into_source();
    if !host.is_for_new_process() {
        source.allowed_cores = host.cores();
    }
    let config = match source.load() {
        Ok(config) => config,
        Err(errors) => return fail_each(USAGE, errors),
    };
    let plan = plan(&host, config, source.allowed_cores, connections);
    let (text, verdict) = match print {
        Some(Print::Sysctl) => (catalogue::sysctl_file(&host, &plan), Verdict::Fine),
        Some(Print::Limits) => (catalogue::limits_file(&plan), Verdict::Fine),
        None => {
            let findings = examine::examine(&host, &plan);
            let text = if json {
                match report::json(&plan, &findings) {
                    Ok(text) => text,
                    Err(error) => return fail(FAILURE, &error),
                }
            } else {
                report::text(&plan, &findings)
            };
            (text, finding::worst(&findings))
        }
    };
    print_result(u8::from(verdict == Verdict::Blocks), &text)
}

fn plan(host: &Host, config: Config, cores: Vec<usize>, argument: Option<u64>) -> Plan {
    let configured = config.ws.max_connections.map(|count| count as u64);
    let requested = argument.or(configured);
    Plan {
        connections: requested.unwrap_or(EXPECTED_CONNECTIONS),
        is_requested: requested.is_some(),
        layout: config.cpu.layout(&cores),
        cores,
        memory_bytes: host.memory_bytes(),
        config,
    }
}
