//! Words that are permitted only in certain places: panics, clocks, the names of the runtime, and
//! remains of unfinished work.

use crate::rule::{Found, check, lines};
use crate::source::Source;

/// The files that may read a clock: the clock itself, and the layers that do IO.
const CLOCKS: [&str; 10] = [
    "src/observe/clock.rs",
    "src/admin/",
    "src/load/",
    "src/metrics/",
    "src/liveness/",
    "src/lifecycle/",
    "src/shard/",
    "src/cli",
    "src/engine.rs",
    "src/main.rs",
];

/// Remains of unfinished work. Each word is divided in two, so that this file does not contain it.
const UNFINISHED: [(&str, &str); 5] = [
    ("db", "g!"),
    ("to", "do!"),
    ("unimple", "mented!"),
    ("TO", "DO"),
    ("FIX", "ME"),
];

fn panics(source: &Source) -> Vec<Found> {
    let mut found = Vec::new();
    for at in source.find(".unwrap()").filter(|at| !source.is_test(*at)) {
        found.push((
            source.line(at),
            "`unwrap()` does not explain why it cannot fail".into(),
        ));
    }
    for at in source.find(".expect(").filter(|at| !source.is_test(*at)) {
        let argument = source.text[at + ".expect(".len()..].trim_start();
        let reason = argument
            .strip_prefix('"')
            .and_then(|text| text.split_once('"'));
        if reason.is_none_or(|(reason, _)| reason.split(' ').count() < 3) {
            found.push((
                source.line(at),
                "the message of `expect` explains in at least three words why it cannot fail"
                    .into(),
            ));
        }
    }
    found
}

fn unfinished(source: &Source) -> Vec<Found> {
    let mut found = Vec::new();
    for (at, line) in source.text.lines().enumerate() {
        for word in UNFINISHED.map(|(first, second)| [first, second].concat()) {
            if line.contains(&word) {
                found.push((at + 1, format!("`{word}` shows unfinished work")));
            }
        }
    }
    found
}

fn clocks(source: &Source) -> Vec<Found> {
    if CLOCKS
        .iter()
        .any(|allowed| source.path.starts_with(allowed))
    {
        return Vec::new();
    }
    let reads = ["Instant::now", "SystemTime::now", ".elapsed()"];
    let found = reads
        .iter()
        .flat_map(|read| source.find(read).map(move |at| (at, read)));
    let found = found.filter(|(at, _)| !source.is_test(*at));
    found
        .map(|(at, read)| {
            (
                source.line(at),
                format!("`{read}`: this layer takes time as an argument"),
            )
        })
        .collect()
}

fn runtime(source: &Source) -> Vec<Found> {
    if source.path.starts_with("src/shard/") {
        return Vec::new();
    }
    let names = ["glommio", "io_uring"];
    let found = names
        .iter()
        .flat_map(|name| source.find(name).map(move |at| (at, name)));
    found
        .map(|(at, name)| {
            (
                source.line(at),
                format!("`{name}` is permitted only in src/shard"),
            )
        })
        .collect()
}

#[test]
fn panics_explain_why_they_cannot_happen() {
    check(&["src"], panics);
    let text = "a.unwrap();\nb.expect(\"\");\nc.expect(why);\nd.expect(\"it is never empty\");\n";
    assert_eq!(lines(panics, "src/a.rs", text), [1, 2, 3]);
    assert_eq!(lines(panics, "src/a/tests.rs", text), [0; 0]);
}

#[test]
fn nothing_is_unfinished() {
    check(&["src", "tests", "bench"], unfinished);
    let text = UNFINISHED
        .map(|(first, second)| format!("{first}{second}\n"))
        .concat();
    assert_eq!(lines(unfinished, "src/a.rs", &text), [1, 2, 3, 4, 5]);
}

#[test]
fn only_the_upper_layers_read_clocks() {
    check(&["src"], clocks);
    let text = "let a = Instant::now();\nlet b = time::SystemTime::now();\na.elapsed();\n";
    assert_eq!(lines(clocks, "src/hub/mod.rs", text), [1, 2, 3]);
    assert_eq!(lines(clocks, "src/observe/clock.rs", text), [0; 0]);
}

#[test]
fn only_shards_use_the_runtime() {
    check(&["src"], runtime);
    let text = "//! Uses glommio.\nuse glommio::io;\nio_uring::f();\n";
    assert_eq!(lines(runtime, "src/engine.rs", text), [2, 3]);
    assert_eq!(lines(runtime, "src/shard/uring.rs", text), [0; 0]);
}
