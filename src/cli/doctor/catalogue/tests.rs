//! Tests that the committed files match the list of knobs, and that the list is consistent.

use std::path::PathBuf;

use fanfare::config::{Config, Layout};
use proptest::prelude::*;

use super::*;
use crate::cli::doctor::knob::{Rule, Verdict};

fn plan(connections: u64, shards: usize, memory_bytes: u64) -> Plan {
    Plan {
        config: Config::default(),
        connections,
        is_requested: true,
        layout: Layout {
            ingest: 0,
            shards: (1..=shards).collect(),
        },
        cores: (0..=shards).collect(),
        memory_bytes,
    }
}

/// Returns the host that the committed files and tables are generated for.
fn example(connections: u64) -> Plan {
    plan(connections, 4, 16 << 30)
}

/// Checks a file of the package. `wanted` returns the expected text for the present one. With
/// `FANFARE_BLESS`, rewrites the file.
#[track_caller]
fn is_up_to_date(path: &str, wanted: impl Fn(&str) -> String) {
    let full = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(path);
    let found = std::fs::read_to_string(&full).unwrap_or_default();
    let wanted = wanted(&found);
    if std::env::var_os("FANFARE_BLESS").is_some() {
        std::fs::write(&full, &wanted).expect("the file can be written");
    } else {
        assert!(
            found == wanted,
            "{path} is stale; FANFARE_BLESS=1 rewrites it"
        );
    }
}

/// Defaults of Debian 12 that do not depend on the host.
const STOCK: [(&str, &str); 8] = [
    ("fs.nr_open", "1048576"),
    ("fs.file-max", "9223372036854775807"),
    ("net.core.somaxconn", "4096"),
    ("net.core.netdev_max_backlog", "1000"),
    ("net.ipv4.tcp_mem", "190545 254062 381090"),
    ("net.ipv4.tcp_rmem", "4096 131072 6291456"),
    ("net.ipv4.tcp_wmem", "4096 16384 4194304"),
    ("net.ipv4.tcp_slow_start_after_idle", "1"),
];

#[test]
fn the_committed_sysctl_file_is_that_of_debian_with_a_million_connections() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    for (key, value) in STOCK {
        let path = directory
            .path()
            .join("proc/sys")
            .join(key.replace('.', "/"));
        std::fs::create_dir_all(path.parent().expect("the path is below proc/sys"))
            .expect("a directory");
        std::fs::write(path, value).expect("the file can be written");
    }
    let host = Host::new(Some(directory.path().into()), None);
    let file = sysctl_file(&host, &example(1_000_000));
    is_up_to_date("tuning/sysctl.d/60-fanfare.conf", |_| file.clone());
}

#[test]
fn the_committed_limits_file_is_that_of_a_million_connections() {
    is_up_to_date("tuning/limits.d/60-fanfare.conf", |_| {
        limits_file(&example(1_000_000))
    });
}

#[test]
fn the_tables_of_the_tuning_page_are_up_to_date() {
    const BEGIN: &str = "<!-- What follows is written by the test that checks it. -->\n";
    const END: &str = "<!-- Up to here. -->\n";
    is_up_to_date("docs/TUNING.md", |page| {
        let (before, rest) = page
            .split_once(BEGIN)
            .expect("the page contains the begin mark");
        let (_, after) = rest
            .split_once(END)
            .expect("the page contains the end mark");
        let tables = tables(&example(10_000), &example(1_000_000));
        format!("{before}{BEGIN}\n{tables}\n{END}{after}")
    });
}

#[test]
fn names_are_unique_and_reasons_are_one_sentence() {
    let mut names: Vec<_> = knobs().iter().map(|knob| knob.name).collect();
    names.sort_unstable();
    let count = names.len();
    names.dedup();
    assert_eq!(names.len(), count);
    for knob in knobs() {
        assert!(
            knob.why.ends_with('.') && !knob.why.contains(". "),
            "{}",
            knob.name
        );
        assert!(
            !knob.formula.is_empty() && !knob.source.is_empty(),
            "{}",
            knob.name
        );
    }
}

/// Returns all sysctls in the list of knobs.
fn each_sysctl() -> Vec<(&'static str, Sysctl)> {
    let sysctls = knobs().into_iter().filter_map(|knob| match knob.kind {
        KnobKind::Sysctl(sysctl) => Some((knob.name, sysctl)),
        KnobKind::Other { .. } => None,
    });
    sysctls.collect()
}

proptest! {
    #[test]
    fn requirements_grow_with_connections_and_written_values_meet_them(
        connections in 1_u64..10_000_000,
        more in 0_u64..10_000_000,
        shards in 1_usize..64,
        memory_bytes in (1_u64 << 30)..(1 << 40),
        found in proptest::collection::vec(0_u64..10_000_000, 3),
    ) {
        let few = plan(connections, shards, memory_bytes);
        let many = plan(connections + more, shards, memory_bytes);
        for (key, sysctl) in each_sysctl() {
            let (less, wanted) = ((sysctl.wanted)(&few), (sysctl.wanted)(&many));
            prop_assert!(Rule::AtLeast.holds(&wanted, &less), "{key}");
            let written = sysctl.rule.to_write(&found[..wanted.len()], &wanted);
            prop_assert!(sysctl.rule.holds(&written, &wanted), "{key}");
        }
        prop_assert!(many.descriptor_limit() >= many.descriptors() + many.connections / 5);
        prop_assert!(many.loaded_bytes() >= many.idle_bytes());
    }
}

#[test]
fn tcp_memory_stays_within_half_of_the_host() {
    let tcp_mem = each_sysctl()
        .into_iter()
        .find(|(key, _)| *key == "net.ipv4.tcp_mem");
    let wanted = tcp_mem.expect("the sysctl is in the list").1.wanted;
    assert_eq!(
        wanted(&plan(1_000_000, 4, 4 << 30)),
        [262_144, 393_216, 524_288]
    );
    assert_eq!(
        wanted(&plan(1_000_000, 4, 64 << 30)),
        [1_000_000, 1_500_000, 2_000_000]
    );
    assert_eq!(
        wanted(&plan(5000, 4, 64 << 30)),
        [524_288, 786_432, 1_048_576]
    );
}

#[test]
fn verdicts_are_ordered_by_severity() {
    assert!(Verdict::Blocks > Verdict::Weak && Verdict::Weak > Verdict::Note);
    assert!(Verdict::Note > Verdict::Fine);
}

#[test]
fn numbers_are_formatted_with_separators_and_units() {
    let texts = [0, 999, 1000, 1_048_576].map(grouped);
    assert_eq!(texts, ["0", "999", "1,000", "1,048,576"]);
    let texts = [512, 1 << 20, 1_600_000, u64::MAX].map(amount);
    assert_eq!(texts, ["512 bytes", "1 MiB", "1.5 MiB", "unlimited"]);
}
