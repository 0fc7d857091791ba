//! The list of all knobs, and the texts that are generated from it: the files that `apply.sh`
//! installs and the tables of docs/TUNING.md. Tests check that the committed texts are up to date.

use std::fmt::Write as _;

use fanfare::shard::memlock_wanted_bytes;

use super::host::Host;
use super::knob::{Knob, KnobKind, Sysctl, spaced};
use super::plan::{Plan, amount, grouped};
use super::{machine, process, sysctls};

/// The path at which `apply.sh` installs the result of [`sysctl_file`].
const INSTALLED_FILE: &str = "etc/sysctl.d/60-fanfare.conf";

/// Returns all knobs in the order of the report.
pub(super) fn knobs() -> Vec<Knob> {
    [process::knobs(), sysctls::knobs(), machine::knobs()].concat()
}

/// Returns a file for sysctl.d(5) with the settings that are insufficient on the host. It also
/// contains the settings of the installed file, so that the same plan always gives the same file.
/// Settings of the host that exceed the requirement are kept.
pub(super) fn sysctl_file(host: &Host, plan: &Plan) -> String {
    let mut file = format!(
        "# Kernel settings for {} connections on {} of memory: the settings that were insufficient.\n\
         # Written by `fanfare doctor --connections {} --print sysctl`; apply.sh installs it.\n",
        grouped(plan.connections),
        amount(plan.memory_bytes),
        plan.connections,
    );
    let installed = host.text(INSTALLED_FILE).unwrap_or_default();
    for knob in knobs() {
        let KnobKind::Sysctl(sysctl) = &knob.kind else {
            continue;
        };
        let Some(value) = to_write(knob.name, sysctl, host, plan, &installed) else {
            continue;
        };
        let comment = comment(&format!("{} Formula: {}.", knob.why, knob.formula));
        let value = spaced(&value);
        let _ = write!(file, "\n{comment}{} = {value}\n", knob.name);
    }
    file
}

/// Returns the numbers to write for a sysctl, or `None` if the host needs no change.
fn to_write(
    key: &str,
    sysctl: &Sysctl,
    host: &Host,
    plan: &Plan,
    installed: &str,
) -> Option<Vec<u64>> {
    let found = host.sysctl(key)?;
    let wanted = (sysctl.wanted)(plan);
    let mut keys = installed.lines().filter_map(|line| line.split_once(" = "));
    if keys.any(|(installed, _)| installed == key) {
        return Some(wanted);
    }
    let is_insufficient = (sysctl.matters)(host, plan) && !sysctl.rule.holds(&found, &wanted);
    is_insufficient.then(|| sysctl.rule.to_write(&found, &wanted))
}

/// Returns a file for limits.d(5). It applies to a fanfare that is started from a login session;
/// systemd units have limits of their own.
pub(super) fn limits_file(plan: &Plan) -> String {
    // 524,288 is the limit of every systemd service. A session should not have less.
    let descriptors = plan.descriptor_limit().max(524_288);
    let memory = memlock_wanted_bytes(plan.shards()).max(64 << 20) / 1024;
    format!(
        "# Limits of the user `fanfare` for {} connections, in sessions (PAM): su, cron, ssh.\n\
         # systemd units do not read this file; they use LimitNOFILE and LimitMEMLOCK.\n\
         # Written by `fanfare doctor --connections {} --print limits`; apply.sh installs it.\n\
         \n\
         # One descriptor per connection, a fifth more, and the process's own, rounded up to a power\n\
         # of two, but not less than systemd services have. fs.nr_open must not be lower, or sessions\n\
         # of this user cannot be opened.\n\
         fanfare soft nofile {descriptors}\n\
         fanfare hard nofile {descriptors}\n\
         \n\
         # Lockable memory in KiB: at least 512 for each shard.\n\
         fanfare soft memlock {memory}\n\
         fanfare hard memlock {memory}\n",
        grouped(plan.connections),
        plan.connections,
    )
}

/// Returns the tables of docs/TUNING.md, with the values for two numbers of connections.
#[cfg(test)]
fn tables(few: &Plan, many: &Plan) -> String {
    let mut page = format!(
        "### Kernel settings\n\nValues for a host with {} of memory and {} shards.\n\n\
         | knob | formula | for {} | for {} | why | if insufficient | source |\n|---|---|---|---|---|---|---|\n",
        amount(many.memory_bytes),
        many.shards(),
        grouped(few.connections),
        grouped(many.connections),
    );
    for knob in knobs() {
        if let KnobKind::Sysctl(sysctl) = &knob.kind {
            let values = [few, many].map(|plan| spaced(&(sysctl.wanted)(plan)));
            let _ = writeln!(
                page,
                "| `{}` | {} | {} | {} | {} | {} | {} |",
                knob.name,
                knob.formula,
                values[0],
                values[1],
                knob.why,
                sysctl.otherwise.word(),
                knob.source
            );
        }
    }
    page.push_str(
        "\n### Everything else\n\n| knob | wanted | why | how | source |\n|---|---|---|---|---|\n",
    );
    for knob in knobs() {
        if let KnobKind::Other { fix, .. } = &knob.kind {
            let Knob {
                name,
                formula,
                why,
                source,
                ..
            } = &knob;
            let _ = writeln!(page, "| {name} | {formula} | {why} | {fix} | {source} |");
        }
    }
    page.push_str("\n### Settings that do not matter\n\n| knob | why |\n|---|---|\n");
    for (name, why) in sysctls::NOT_NEEDED {
        let _ = writeln!(page, "| {name} | {why} |");
    }
    page
}

/// Formats a text as comment lines of at most 100 columns.
fn comment(text: &str) -> String {
    let mut lines = String::new();
    let mut width = 0;
    for word in text.replace('`', "").split_whitespace() {
        if width == 0 || width + word.len() >= 98 {
            lines.push_str(if width == 0 { "#" } else { "\n#" });
            width = 1;
        }
        lines.push(' ');
        lines.push_str(word);
        width += 1 + word.len();
    }
    lines + "\n"
}

#[cfg(test)]
mod tests;
