//! Every knob there is, and what is written from them: the tables of docs/TUNING.md and the files
//! that `apply.sh` installs. Tests compare the committed ones.

use std::fmt::Write as _;

use fanfare::shard::memlock_wanted_bytes;

use super::host::Host;
use super::knob::{Kind, Knob, Sysctl, spaced};
use super::plan::{Plan, amount, grouped};
use super::{machine, process, sysctls};

/// Where `apply.sh` installs what [`sysctl_file`] writes.
const INSTALLED: &str = "etc/sysctl.d/60-fanfare.conf";

/// In the order of the report.
pub(super) fn knobs() -> Vec<Knob> {
    [process::knobs(), sysctls::knobs(), machine::knobs()].concat()
}

/// sysctl.d(5): what falls short on this host, and what an earlier file of ours set, so that the
/// same plan always gives the same file. What the host itself has more of stays.
pub(super) fn sysctl_file(host: &Host, plan: &Plan) -> String {
    let mut file = format!(
        "# Kernel settings for {} connections on {} of memory: what the host had too little of.\n\
         # Written by `fanfare doctor --connections {} --print sysctl`; apply.sh installs it.\n",
        grouped(plan.connections),
        amount(plan.memory_bytes),
        plan.connections,
    );
    let installed = host.text(INSTALLED).unwrap_or_default();
    for knob in knobs() {
        let Kind::Sysctl(sysctl) = &knob.kind else {
            continue;
        };
        let Some(value) = to_write(knob.name, sysctl, host, plan, &installed) else {
            continue;
        };
        let (text, value) = (
            format!("{} Formula: {}.", knob.why, knob.formula),
            spaced(&value),
        );
        let _ = write!(file, "\n{}{} = {value}\n", comment(&text), knob.name);
    }
    file
}

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
    let short = (sysctl.matters)(host, plan) && !sysctl.rule.holds(&found, &wanted);
    short.then(|| sysctl.rule.settle(&found, &wanted))
}

/// limits.d(5), for a fanfare that a login session starts. Units have limits of their own.
pub(super) fn limits_file(plan: &Plan) -> String {
    // What systemd gives every service; less would only surprise.
    let descriptors = plan.descriptor_limit().max(524_288);
    let memory = memlock_wanted_bytes(plan.shards()).max(64 << 20) / 1024;
    format!(
        "# Limits of the user `fanfare` for {} connections, in sessions (PAM): su, cron, ssh.\n\
         # systemd units do not read this; theirs are LimitNOFILE and LimitMEMLOCK.\n\
         # Written by `fanfare doctor --connections {} --print limits`; apply.sh installs it.\n\
         \n\
         # One descriptor for each connection, a fifth more, and the process's own, as a power of\n\
         # two, and no fewer than services have. fs.nr_open has to be as high, or sessions of this\n\
         # user do not open.\n\
         fanfare soft nofile {descriptors}\n\
         fanfare hard nofile {descriptors}\n\
         \n\
         # KiB that may be locked: 512 for each shard, and plenty.\n\
         fanfare soft memlock {memory}\n\
         fanfare hard memlock {memory}\n",
        grouped(plan.connections),
        plan.connections,
    )
}

/// The part of docs/TUNING.md that says what is wanted, for two numbers of connections.
#[cfg(test)]
fn tables(few: &Plan, many: &Plan) -> String {
    let mut page = format!(
        "### Kernel settings\n\nNumbers for a host of {} with {} shards.\n\n\
         | knob | formula | for {} | for {} | why | if short | source |\n|---|---|---|---|---|---|---|\n",
        amount(many.memory_bytes),
        many.shards(),
        grouped(few.connections),
        grouped(many.connections),
    );
    for knob in knobs() {
        if let Kind::Sysctl(sysctl) = &knob.kind {
            let values = [few, many].map(|plan| spaced(&(sysctl.wanted)(plan)));
            let _ = writeln!(
                page,
                "| `{}` | {} | {} | {} | {} | {} | {} |",
                knob.name,
                knob.formula,
                values[0],
                values[1],
                knob.why,
                sysctl.short.word(),
                knob.source
            );
        }
    }
    page.push_str(
        "\n### Everything else\n\n| knob | wanted | why | how | source |\n|---|---|---|---|---|\n",
    );
    for knob in knobs() {
        if let Kind::Other { fix, .. } = &knob.kind {
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
    page.push_str("\n### Looked at and left alone\n\n| knob | why |\n|---|---|\n");
    for (name, why) in sysctls::LEFT_ALONE {
        let _ = writeln!(page, "| {name} | {why} |");
    }
    page
}

/// Wraps a text into comment lines.
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
