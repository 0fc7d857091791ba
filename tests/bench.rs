//! The load generator as its users run it: one command that starts a server, loads it, checks
//! everything that comes, and leaves nothing behind. Its own floor makes faults on purpose, and
//! each must be counted, no more and no less.

use std::fs;
use std::io::{BufRead, BufReader};
use std::process::{Command, Output, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::Value;

const BENCH: &str = env!("CARGO_BIN_EXE_fanfare-bench");

/// 12 subscriptions, 3 of each topic, and 1,000 publications: 3,000 deliveries.
const LOAD: [&str; 17] = [
    "custom",
    "--connections",
    "6",
    "--topics",
    "4",
    "--per-connection",
    "2",
    "--rate",
    "1000",
    "--seconds",
    "1",
    "--payload",
    "100",
    "--warm-up",
    "0",
    "--protocol",
    "raw",
];
const DELIVERIES: u64 = 3000;

/// How long what must happen at once may take on a busy host.
const PATIENCE: Duration = Duration::from_secs(20);

fn bench(options: &[&str]) -> Output {
    let options = [options, &LOAD].concat();
    let output = Command::new(BENCH).args(options).output();
    output.expect("the binary was built with this test")
}

/// What a run reports, and its exit code.
fn report(options: &[&str]) -> (Value, Option<i32>) {
    let output = bench(&[options, &["--json"]].concat());
    let error = String::from_utf8_lossy(&output.stderr);
    let report = serde_json::from_slice(&output.stdout);
    (
        report.unwrap_or_else(|_| panic!("no report: {error}")),
        output.status.code(),
    )
}

/// Missing, duplicate, disordered and foreign deliveries.
fn wrong(report: &Value) -> [u64; 4] {
    ["missing", "duplicate", "disordered", "foreign"]
        .map(|row| report["values"][row].as_u64().expect("a count"))
}

#[test]
fn a_clean_server_has_no_faults() {
    for target in ["floor", "fanfare"] {
        let (report, code) = report(&["--target", target]);
        assert_eq!(wrong(&report), [0; 4], "{target}");
        assert_eq!(report["values"]["received"], DELIVERIES, "{target}");
        assert!(report["values"]["server_cpu_us_per_delivery"].is_number());
        assert_eq!(code, Some(0), "{target}");
    }
}

#[test]
fn every_fault_that_a_server_makes_is_counted() {
    const EVERY: u64 = 70;
    let faults = DELIVERIES / EVERY;
    for (fault, counted) in [
        ("drop", [faults, 0, 0, 0]),
        ("duplicate", [0, faults, 0, 0]),
        ("reorder", [0, 0, faults, 0]),
    ] {
        let every = EVERY.to_string();
        let (report, code) = report(&["--target", "floor", "--fault", fault, "--every", &every]);
        assert_eq!(report["values"]["expected"], DELIVERIES);
        assert_eq!(wrong(&report), counted, "{fault}");
        assert_eq!(
            (&report["ok"], code),
            (&Value::Bool(false), Some(1)),
            "{fault}"
        );
    }
}

#[test]
fn one_fault_in_a_run_is_enough() {
    for (fault, counted) in [
        ("drop", [1, 0, 0, 0]),
        ("duplicate", [0, 1, 0, 0]),
        ("reorder", [0, 0, 1, 0]),
    ] {
        let (report, code) = report(&["--target", "floor", "--fault", fault, "--every", "1600"]);
        assert_eq!((wrong(&report), code), (counted, Some(1)), "{fault}");
    }
}

#[test]
fn pairs_compare_both_servers_under_the_same_load() {
    let (report, code) = report(&["--target", "floor", "--against", "floor", "--pairs", "2"]);
    let values = &report["values"];
    assert_eq!(values["pairs"], 2);
    for row in ["floor_missing", "floor_missing_most"] {
        assert_eq!(values[row].as_f64(), Some(0.0), "{row}");
    }
    assert!(values["floor_latency_p50_us_least"].as_f64() > Some(0.0));
    assert!(values["latency_p50_us_ratio_of_medians"].as_f64() > Some(0.0));
    assert_eq!(code, Some(0));
}

#[test]
fn a_server_that_cannot_start_is_no_result() {
    for options in [
        &["--server", "/nowhere/fanfare"][..],
        &["--set", "ws.nonsense=1"],
        &["--url", "ws://127.0.0.1:1", "--pairs", "1"],
    ] {
        let output = bench(options);
        assert_eq!(output.status.code(), Some(2), "{options:?}");
        assert!(output.stdout.is_empty() && !output.stderr.is_empty());
    }
}

/// The processes that `parent` has started, and those that they have.
fn offspring(parent: u32) -> Vec<u32> {
    let children = format!("/proc/{parent}/task/{parent}/children");
    let children = fs::read_to_string(children).unwrap_or_default();
    let children = children
        .split_whitespace()
        .map(|pid| pid.parse().expect("a number"));
    children
        .flat_map(|pid| [vec![pid], offspring(pid)].concat())
        .collect()
}

fn await_that(what: &str, condition: impl Fn() -> bool) {
    let late = Instant::now() + PATIENCE;
    while !condition() {
        assert!(Instant::now() < late, "{what}");
        thread::sleep(Duration::from_millis(5));
    }
}

#[test]
fn killing_the_load_generator_ends_the_server() {
    for target in ["floor", "fanfare"] {
        let options = [
            "--pairs",
            "1",
            "--target",
            target,
            "helpshift",
            "--connections",
            "10",
        ];
        let mut bench = Command::new(BENCH)
            .args(options)
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        // A pair is announced before its servers start.
        let mut line = String::new();
        BufReader::new(bench.stderr.take().unwrap())
            .read_line(&mut line)
            .unwrap();
        await_that("a guard and its server", || {
            offspring(bench.id()).len() == 2
        });
        let started = offspring(bench.id());
        bench.kill().unwrap();
        bench.wait().unwrap();
        for pid in started {
            await_that("the server has ended", || {
                !fs::exists(format!("/proc/{pid}")).unwrap()
            });
        }
    }
}
