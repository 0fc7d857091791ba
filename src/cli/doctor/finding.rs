//! The result of examining one knob or address.

use serde::Serialize;

use super::knob::Verdict;

/// One entry of the report. The names of the fields are those of `--json`.
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

/// Returns the most severe verdict.
pub(super) fn worst(findings: &[Finding]) -> Verdict {
    let verdicts = findings.iter().map(|finding| finding.verdict);
    verdicts.max().unwrap_or(Verdict::Fine)
}
