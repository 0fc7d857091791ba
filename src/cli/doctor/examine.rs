//! Examines all knobs, the addresses that `serve` would bind, and the services that it would call.

use super::addresses;
use super::catalogue;
use super::finding::Finding;
use super::host::Host;
use super::knob::{Knob, KnobKind};
use super::plan::Plan;
use super::ports;
use super::services;

/// Examines the knobs that this host has and that matter for the plan.
pub(super) fn examine(host: &Host, plan: &Plan) -> Vec<Finding> {
    let mut findings: Vec<_> = catalogue::knobs()
        .iter()
        .filter_map(|knob| finding(knob, host, plan))
        .collect();
    if host.is_for_new_process() {
        findings.extend(ports::check(&addresses::configured(&plan.config)));
        findings.extend(services::check(&plan.config));
    }
    findings
}

fn finding(knob: &Knob, host: &Host, plan: &Plan) -> Option<Finding> {
    let observation = knob.check(host, plan)?;
    let fix = match &knob.kind {
        KnobKind::Other { fix, .. } => fix,
        KnobKind::Sysctl(_) => "",
    };
    Some(Finding {
        name: knob.name,
        verdict: observation.verdict,
        found: observation.found,
        wanted: observation.wanted,
        formula: knob.formula,
        why: knob.why,
        source: knob.source,
        fix: observation.fix.unwrap_or_else(|| fix.into()),
    })
}
