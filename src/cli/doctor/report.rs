//! Formats findings: one to three lines of text each, or JSON.

use std::fmt::Write as _;

use serde::Serialize;

use super::finding::{Finding, worst};
use super::knob::Verdict;
use super::plan::{Plan, amount, grouped};

/// The output of `--json`.
#[derive(Serialize)]
struct Page<'a> {
    connections: u64,
    shards: usize,
    memory_bytes: u64,
    verdict: Verdict,
    knobs: &'a [Finding],
}

/// Formats the report as text. The last line is a summary.
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
    let _ = writeln!(text, "\n{}", summary(plan, findings));
    text
}

fn summary(plan: &Plan, findings: &[Finding]) -> String {
    let count = |verdict| findings.iter().filter(|it| it.verdict == verdict).count();
    let shards = match plan.shards() {
        1 => "1 shard".into(),
        shards => format!("{shards} shards"),
    };
    let default = if plan.is_requested {
        ""
    } else {
        " (the default; see --connections)"
    };
    format!(
        "For {} connections{default} on {shards} and {} of memory: {} FAIL, {} weak, {} note.",
        grouped(plan.connections),
        amount(plan.memory_bytes),
        count(Verdict::Blocks),
        count(Verdict::Weak),
        count(Verdict::Note),
    )
}

/// Formats the report as JSON.
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
