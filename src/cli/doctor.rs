//! `fanfare doctor`: reads the host and says, line by line, what was found, what is wanted for so
//! many connections, why, and how to get from one to the other. It changes nothing.

mod catalogue;
mod host;
mod knob;
mod machine;
mod plan;
mod ports;
mod process;
mod report;
mod sysctls;

use std::io::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, ValueEnum};
use fanfare::config::{Config, ConfigSource};
use fanfare::limits::EXPECTED_CONNECTIONS;

use super::{Settings, USAGE, fail};
use host::Host;
use knob::Verdict;
use plan::Plan;

/// Say what this host offers, what the engine wants, and how to fix the difference.
///
/// Each knob is `ok`, `note` (worth knowing, nothing is lost), `weak` (too small for so many, or
/// slower than need be) or `FAIL` (serve would not start, or not hold so many). The exit code is 1
/// if one is FAIL, 2 if the configuration is wrong, and otherwise 0.
#[derive(Args)]
pub(super) struct Doctor {
    #[command(flatten)]
    settings: Settings,
    /// Look at the host for N connections. Without it: `ws.max_connections`, or 10,000 if that is
    /// auto.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..=100_000_000))]
    connections: Option<u64>,
    /// Print JSON.
    #[arg(long, conflicts_with = "print")]
    json: bool,
    /// Print the file that would set what falls short, for sysctl.d or limits.d. apply.sh does.
    #[arg(long, value_name = "FILE")]
    print: Option<Print>,
    /// The limits of this process, a running fanfare, instead of those of the shell.
    #[arg(long, value_name = "PID")]
    pid: Option<u32>,
    /// Read proc, sys and etc below this directory instead: another host's, copied.
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
        return fail(USAGE, &format!("there is no process {pid} to look at"));
    }
    let mut source = ConfigSource::of_process(settings.file, settings.set);
    if !host.is_to_start() {
        source.allowed_cores = host.cores();
    }
    let config = match source.load() {
        Ok(config) => config,
        Err(fault) => return fail(USAGE, &fault),
    };
    let plan = plan(&host, config, source.allowed_cores, connections);
    let (text, verdict) = match print {
        Some(Print::Sysctl) => (catalogue::sysctl_file(&host, &plan), Verdict::Fine),
        Some(Print::Limits) => (catalogue::limits_file(&plan), Verdict::Fine),
        None => {
            let findings = report::examine(&host, &plan);
            let text = if json {
                match report::json(&plan, &findings) {
                    Ok(text) => text,
                    Err(error) => return fail(1, &error),
                }
            } else {
                report::text(&plan, &findings)
            };
            (text, report::worst(&findings))
        }
    };
    if let Err(error) = std::io::stdout().write_all(text.as_bytes()) {
        return fail(1, &error);
    }
    ExitCode::from(u8::from(verdict == Verdict::Blocks))
}

fn plan(host: &Host, config: Config, cores: Vec<usize>, asked: Option<u64>) -> Plan {
    let configured = config.ws.max_connections.map(|count| count as u64);
    let asked = asked.or(configured);
    Plan {
        connections: asked.unwrap_or(EXPECTED_CONNECTIONS),
        asked: asked.is_some(),
        layout: config.cpu.layout(&cores),
        cores,
        memory_bytes: host.memory_bytes(),
        config,
    }
}
