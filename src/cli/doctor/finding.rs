//! The result of examining one knob or address.

use serde::Serialize;

use super::knob::Verdict;

/// One entry of the report. The names of the fields are those of `--json`.
#[derive(Serialize)]
pub(super) struct Finding {
    /// The name of the knob, or the configuration key of the address.
    pub name: &'static str,
    pub verdict: Verdict,
    /// The value that the host has.
    pub found: String,
    /// The value that the plan requires.
    pub wanted: String,
    /// How the required value is computed.
    pub formula: &'static str,
    /// The reason for the requirement.
    pub why: &'static str,
    /// The documentation or measurement that the requirement is based on.
    pub source: &'static str,
    /// How to correct the host. May be given even if the verdict is `ok`.
    pub fix: String,
}

/// Returns the most severe verdict.
pub(super) fn worst(findings: &[Finding]) -> Verdict {
    let verdicts = findings.iter().map(|finding| finding.verdict);
    verdicts.max().unwrap_or(Verdict::Fine)
}
