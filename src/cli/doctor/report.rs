//! What the doctor says: findings for people, one to three lines each, or as JSON.

use std::fmt::Write as _;

use serde::Serialize;

use super::host::Host;
use super::knob::{Kind, Knob, Verdict};
use super::plan::{Plan, amount, grouped};
use super::{catalogue, ports};

/// One line of the report.
#[derive(Serialize)]
pub(super) struct Finding {
    pub name: &'static str,
    pub verdict: Verdict,
    pub found: String,
    pub wanted: String,
    pub formula: &'static str,
    pub why: &'static str,
    pub source: &'static str,
    pub fix: String,
}

/// What `--json` prints.
#[derive(Serialize)]
struct Page<'a> {
    connections: u64,
    shards: usize,
    memory_bytes: u64,
    verdict: Verdict,
    knobs: &'a [Finding],
}

/// Looks at every knob that this host has and that matters for the plan.
pub(super) fn examine(host: &Host, plan: &Plan) -> Vec<Finding> {
    let mut findings: Vec<_> = catalogue::knobs()
        .iter()
        .filter_map(|knob| finding(knob, host, plan))
        .collect();
    if host.is_to_start() {
        let addresses = ports::configured(&plan.config);
        findings.extend(addresses.iter().map(|(key, at)| ports::free(key, *at)));
    }
    findings
}

fn finding(knob: &Knob, host: &Host, plan: &Plan) -> Option<Finding> {
    let seen = knob.look(host, plan)?;
    let fix = match &knob.kind {
        Kind::Other { fix, .. } => fix,
        Kind::Sysctl(_) => "",
    };
    Some(Finding {
        name: knob.name,
        verdict: seen.verdict,
        found: seen.found,
        wanted: seen.wanted,
        formula: knob.formula,
        why: knob.why,
        source: knob.source,
        fix: seen.fix.unwrap_or_else(|| fix.into()),
    })
}

/// The gravest of all.
pub(super) fn worst(findings: &[Finding]) -> Verdict {
    let verdicts = findings.iter().map(|finding| finding.verdict);
    verdicts.max().unwrap_or(Verdict::Fine)
}

pub(super) fn text(plan: &Plan, findings: &[Finding]) -> String {
    let mut text = String::new();
    for finding in findings {
        let word = finding.verdict.word();
        let Finding {
            name,
            found,
            wanted,
            why,
            fix,
            ..
        } = finding;
        let _ = writeln!(text, "{word:<5} {name:<34} {found} (wanted: {wanted})");
        if finding.verdict != Verdict::Fine {
            let _ = writeln!(text, "{:6}why: {why}\n{:6}fix: {fix}", "", "");
        }
    }
    let count = |verdict| findings.iter().filter(|it| it.verdict == verdict).count();
    let (blocks, weak, notes) = (
        count(Verdict::Blocks),
        count(Verdict::Weak),
        count(Verdict::Note),
    );
    let wrong = match (blocks, weak) {
        (0, 0) => "nothing wrong".into(),
        (0, weak) => format!("{weak} too small or weak"),
        (blocks, weak) => format!("{blocks} in the way, {weak} too small or weak"),
    };
    let default = if plan.asked {
        ""
    } else {
        " (--connections N or ws.max_connections for another number)"
    };
    let _ = writeln!(
        text,
        "\nFor {} connections on {} and {} of memory{default}: {wrong}, {notes} to note.",
        grouped(plan.connections),
        match plan.shards() {
            1 => "1 shard".into(),
            shards => format!("{shards} shards"),
        },
        amount(plan.memory_bytes),
    );
    text
}

pub(super) fn json(plan: &Plan, findings: &[Finding]) -> serde_json::Result<String> {
    let page = Page {
        connections: plan.connections,
        shards: plan.shards(),
        memory_bytes: plan.memory_bytes,
        verdict: worst(findings),
        knobs: findings,
    };
    Ok(serde_json::to_string_pretty(&page)? + "\n")
}
