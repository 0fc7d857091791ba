//! What a knob is: a name, a formula, a reason, and how to look at it. Plain values.

use serde::Serialize;

use super::host::Host;
use super::plan::Plan;

/// One thing of the host that connections, shards or memory want something of.
#[derive(Clone)]
pub(super) struct Knob {
    /// What operators call it; of a [`Kind::Sysctl`] its key.
    pub name: &'static str,
    /// How what is wanted comes about. N: connections.
    pub formula: &'static str,
    /// One sentence.
    pub why: &'static str,
    pub source: &'static str,
    pub kind: Kind,
}

#[derive(Clone)]
pub(super) enum Kind {
    Sysctl(Sysctl),
    Other {
        /// What to do, unless a look says it more exactly.
        fix: &'static str,
        /// `None`: this host does not have it.
        look: fn(&Host, &Plan) -> Option<Seen>,
    },
}

/// Numbers below /proc/sys, which apply.sh can write.
#[derive(Clone)]
pub(super) struct Sysctl {
    pub rule: Rule,
    pub wanted: fn(&Plan) -> Vec<u64>,
    /// What it is when the rule is broken.
    pub short: Verdict,
    /// Whether it matters on this host.
    pub matters: fn(&Host, &Plan) -> bool,
}

#[derive(Clone, Copy)]
pub(super) enum Rule {
    /// More is fine, number by number.
    AtLeast,
    AtMost,
    Exactly,
}

/// What a look at a knob has shown.
pub(super) struct Seen {
    pub verdict: Verdict,
    pub found: String,
    pub wanted: String,
    /// Instead of the knob's own.
    pub fix: Option<String>,
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Verdict {
    #[serde(rename = "ok")]
    Fine,
    /// Worth knowing; nothing is lost without it.
    Note,
    /// It runs, but not at its best, or not with so many.
    Weak,
    /// `serve` would not start, or not hold so many.
    Blocks,
}

impl Verdict {
    pub(super) fn word(self) -> &'static str {
        match self {
            Self::Fine => "ok",
            Self::Note => "note",
            Self::Weak => "weak",
            Self::Blocks => "FAIL",
        }
    }

    pub(super) fn fine_if(fine: bool, otherwise: Self) -> Self {
        if fine { Self::Fine } else { otherwise }
    }
}

impl Knob {
    /// `None`: this host does not have it, or it does not matter here.
    pub(super) fn look(&self, host: &Host, plan: &Plan) -> Option<Seen> {
        match &self.kind {
            Kind::Other { look, .. } => look(host, plan),
            Kind::Sysctl(sysctl) => sysctl.look(self.name, host, plan),
        }
    }
}

impl Sysctl {
    fn look(&self, key: &str, host: &Host, plan: &Plan) -> Option<Seen> {
        if !(self.matters)(host, plan) {
            return None;
        }
        let found = host.sysctl(key)?;
        let wanted = (self.wanted)(plan);
        let text = spaced(&wanted);
        Some(Seen {
            verdict: Verdict::fine_if(self.rule.holds(&found, &wanted), self.short),
            found: spaced(&found),
            wanted: match self.rule {
                Rule::AtLeast => format!("{text} or more"),
                Rule::AtMost => format!("{text} or less"),
                Rule::Exactly => text.clone(),
            },
            fix: Some(format!("sysctl -w {key}='{text}'; apply.sh makes it last")),
        })
    }
}

impl Rule {
    pub(super) fn holds(self, found: &[u64], wanted: &[u64]) -> bool {
        found.len() == wanted.len()
            && found.iter().zip(wanted).all(|(found, wanted)| match self {
                Self::AtLeast => found >= wanted,
                Self::AtMost => found <= wanted,
                Self::Exactly => found == wanted,
            })
    }

    /// What to write: nothing that is more than wanted already is made less.
    pub(super) fn settle(self, found: &[u64], wanted: &[u64]) -> Vec<u64> {
        match self {
            Self::AtLeast if found.len() == wanted.len() => {
                found.iter().zip(wanted).map(|(a, b)| *a.max(b)).collect()
            }
            _ => wanted.to_vec(),
        }
    }
}

/// As sysctl(8) writes several numbers.
pub(super) fn spaced(numbers: &[u64]) -> String {
    let texts: Vec<_> = numbers.iter().map(ToString::to_string).collect();
    texts.join(" ")
}
