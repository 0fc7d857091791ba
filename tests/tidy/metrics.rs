//! The list of counters is the documentation of the metrics, so it must be consistent.

use std::collections::{BTreeMap, BTreeSet};

use fanfare::observe::{Counts, Description, IngestCounts, Kind, ShardCounts};

/// Returns the contradictions in a list of metrics.
fn contradictions(metrics: &[Description]) -> Vec<String> {
    let (mut found, mut seen) = (Vec::new(), BTreeSet::new());
    let mut families = BTreeMap::new();
    for metric in metrics {
        let Description {
            name,
            label,
            help,
            kind,
        } = metric;
        if !seen.insert((name, label)) {
            found.push(format!("{name} {label:?}: described twice"));
        }
        let family = (format!("{kind:?}"), help, label.map(|(key, _)| key));
        if *families.entry(name).or_insert_with(|| family.clone()) != family {
            found.push(format!(
                "{name} {label:?}: kind, help or label differ from those of the same name"
            ));
        }
        let is_plain = |byte: u8| matches!(byte, b'_' | b'a'..=b'z' | b'0'..=b'9');
        let (key, value) = label.unwrap_or_default();
        if name.is_empty()
            || ![name, key, value]
                .into_iter()
                .all(|word| word.bytes().all(is_plain))
        {
            found.push(format!(
                "{name} {label:?}: lower case, digits and underscores"
            ));
        }
        if help.is_empty() || help.ends_with('.') {
            found.push(format!(
                "{name} {label:?}: help is a phrase without a full stop"
            ));
        }
    }
    found
}

#[test]
fn every_metric_is_described_once() {
    let shard = ShardCounts::default().each().into_iter();
    let all = shard
        .chain(IngestCounts::default().each())
        .map(|(metric, _)| metric);
    let all: Vec<_> = all.collect();
    assert!(all.len() > 40);
    assert_eq!(contradictions(&all), [""; 0], "src/observe/counts.rs");
}

#[test]
fn contradictions_are_found() {
    let metric = |name, kind, label, help| Description {
        name,
        kind,
        label,
        help,
    };
    let reason = |value| Some(("reason", value));
    let cases = [
        (
            metric("a", Kind::Counter, reason("x"), "Help"),
            "described twice",
        ),
        (
            metric("a", Kind::Gauge, reason("y"), "Help"),
            "differ from those of the same name",
        ),
        (
            metric("a", Kind::Counter, reason("y"), "Other help"),
            "differ from those of the same name",
        ),
        (
            metric("a", Kind::Counter, None, "Help"),
            "differ from those of the same name",
        ),
        (metric("B", Kind::Counter, None, "Help"), "lower case"),
        (metric("b", Kind::Counter, None, "Help."), "full stop"),
    ];
    for (bad, fault) in cases {
        let found = contradictions(&[metric("a", Kind::Counter, reason("x"), "Help"), bad]);
        assert!(
            found.len() == 1 && found[0].contains(fault),
            "{bad:?}: {found:?}"
        );
    }
    let good = metric("a", Kind::Counter, reason("y"), "Help");
    assert_eq!(
        contradictions(&[metric("a", Kind::Counter, reason("x"), "Help"), good]),
        [""; 0]
    );
}
