//! `fanfare doctor`: reads the host and says, line by line, what was found, what is wanted and how
//! to get from one to the other. It changes nothing.

mod host;
mod ports;

use std::io::Write as _;
use std::process::ExitCode;

use super::{Settings, USAGE, fail};

/// What a check found.
struct Finding {
    verdict: Verdict,
    what: &'static str,
    found: String,
    wanted: String,
    /// How to get there; shown unless all is well.
    fix: String,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Verdict {
    Fine,
    /// It runs, but not at its best.
    Weak,
    /// `serve` would not start, or not hold what is configured.
    Blocks,
}

impl Finding {
    fn line(&self) -> String {
        let Self {
            verdict,
            what,
            found,
            wanted,
            fix,
        } = self;
        let word = match verdict {
            Verdict::Fine => "ok",
            Verdict::Weak => "weak",
            Verdict::Blocks => "FAIL",
        };
        let fix = match verdict {
            Verdict::Fine => String::new(),
            _ => format!("\n      {:<18} fix: {fix}", ""),
        };
        format!("{word:<5} {what:<18} {found} (wanted: {wanted}){fix}")
    }
}

pub(super) fn run(settings: Settings) -> ExitCode {
    let (config, source) = match settings.load() {
        Ok(loaded) => loaded,
        Err(fault) => return fail(USAGE, &fault),
    };
    let layout = config.cpu.layout(&source.allowed_cores);
    let mut findings = vec![
        host::kernel(),
        host::io_uring_allowed(),
        host::ring(layout.shards.len()),
        host::descriptors(&config, layout.shards.len()),
        host::lockable_memory(layout.shards.len()),
        host::accept_queue(),
        host::cores(&source.allowed_cores, &layout),
    ];
    findings.extend(ports::check(&config));

    let lines: Vec<_> = findings.iter().map(Finding::line).collect();
    if let Err(error) = writeln!(std::io::stdout(), "{}", lines.join("\n")) {
        return fail(1, &error);
    }
    let blocks = findings
        .iter()
        .any(|finding| finding.verdict == Verdict::Blocks);
    if blocks {
        ExitCode::FAILURE
    } else {
        ExitCode::SUCCESS
    }
}
