//! The definition of a knob: a property of the host with a name, a formula, a reason and a check.

use serde::Serialize;

use super::host::Host;
use super::plan::Plan;

/// A property of the host that the engine has a requirement for.
#[derive(Clone)]
pub(super) struct Knob {
    /// The name for operators. For [`KnobKind::Sysctl`], the key.
    pub name: &'static str,
    /// How the required value is computed. N is the number of connections.
    pub formula: &'static str,
    /// The reason for the requirement, in one sentence.
    pub why: &'static str,
    /// The documentation or measurement that the requirement is based on.
    pub source: &'static str,
    pub kind: KnobKind,
}

/// How a knob is checked.
#[derive(Clone)]
pub(super) enum KnobKind {
    Sysctl(Sysctl),
    Other {
        /// How to correct the host, unless the observation has a more specific text.
        fix: &'static str,
        /// Returns `None` if the host does not have the property.
        check: fn(&Host, &Plan) -> Option<Observation>,
    },
}

/// Numbers in /proc/sys, which apply.sh can write.
#[derive(Clone)]
pub(super) struct Sysctl {
    pub rule: Rule,
    /// Returns the wanted numbers.
    pub wanted: fn(&Plan) -> Vec<u64>,
    /// The verdict if the rule does not hold.
    pub otherwise: Verdict,
    /// Returns whether the sysctl matters on the host.
    pub matters: fn(&Host, &Plan) -> bool,
}

/// How the numbers of the host compare with the wanted ones.
#[derive(Clone, Copy)]
pub(super) enum Rule {
    /// Each number must be at least the wanted one.
    AtLeast,
    /// Each number must be at most the wanted one.
    AtMost,
    /// Each number must equal the wanted one.
    Exactly,
}

/// The result of checking a knob.
pub(super) struct Observation {
    pub verdict: Verdict,
    pub found: String,
    pub wanted: String,
    /// How to correct the host. `None` if the text of the knob applies.
    pub fix: Option<String>,
}

/// How severe a finding is, in ascending order.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Verdict {
    #[serde(rename = "ok")]
    Fine,
    /// A recommendation. Nothing fails without it.
    Note,
    /// The engine runs, but more slowly, or not with this number of connections.
    Weak,
    /// `serve` would not start, or would not accept this number of connections.
    Blocks,
}

impl Verdict {
    /// Returns the word in the text report.
    pub(super) fn word(self) -> &'static str {
        match self {
            Self::Fine => "ok",
            Self::Note => "note",
            Self::Weak => "weak",
            Self::Blocks => "FAIL",
        }
    }

    /// Returns `Fine` if the condition holds, and `otherwise` if it does not.
    pub(super) fn fine_if(condition: bool, otherwise: Self) -> Self {
        if condition { Self::Fine } else { otherwise }
    }
}

impl Knob {
    /// Checks the host. Returns `None` if the host does not have the property, or the property does
    /// not matter for the plan.
    pub(super) fn check(&self, host: &Host, plan: &Plan) -> Option<Observation> {
        match &self.kind {
            KnobKind::Other { check, .. } => check(host, plan),
            KnobKind::Sysctl(sysctl) => sysctl.check(self.name, host, plan),
        }
    }
}

impl Sysctl {
    fn check(&self, key: &str, host: &Host, plan: &Plan) -> Option<Observation> {
        if !(self.matters)(host, plan) {
            return None;
        }
        let found = host.sysctl(key)?;
        let wanted = (self.wanted)(plan);
        let text = spaced(&wanted);
        Some(Observation {
            verdict: Verdict::fine_if(self.rule.holds(&found, &wanted), self.otherwise),
            found: spaced(&found),
            wanted: match self.rule {
                Rule::AtLeast => format!("{text} or more"),
                Rule::AtMost => format!("{text} or less"),
                Rule::Exactly => text.clone(),
            },
            fix: Some(format!(
                "sysctl -w {key}='{text}'; apply.sh makes it permanent"
            )),
        })
    }
}

impl Rule {
    /// Returns whether all numbers follow the rule.
    pub(super) fn holds(self, found: &[u64], wanted: &[u64]) -> bool {
        found.len() == wanted.len()
            && found.iter().zip(wanted).all(|(found, wanted)| match self {
                Self::AtLeast => found >= wanted,
                Self::AtMost => found <= wanted,
                Self::Exactly => found == wanted,
            })
    }

    /// Returns the numbers to write. With `AtLeast`, numbers that exceed the wanted ones are kept.
    pub(super) fn to_write(self, found: &[u64], wanted: &[u64]) -> Vec<u64> {
        match self {
            Self::AtLeast if found.len() == wanted.len() => {
                found.iter().zip(wanted).map(|(a, b)| *a.max(b)).collect()
            }
            _ => wanted.to_vec(),
        }
    }
}

/// Formats several numbers as sysctl(8) does, separated by spaces.
pub(super) fn spaced(numbers: &[u64]) -> String {
    let texts: Vec<_> = numbers.iter().map(ToString::to_string).collect();
    texts.join(" ")
}
