//! The load generator from the command line: one command starts a server, loads it, checks every
//! delivery, and leaves no process behind. The baseline server makes faults on purpose. The load
//! generator must count each of them exactly, and must exit with a code other than 0.

use std::fs;
use std::io::{BufRead, BufReader};
use std::process::{Command, Output, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::Value;

const BENCH: &str = env!("CARGO_BIN_EXE_fanfare-bench");
const FANFARE: &str = env!("CARGO_BIN_EXE_fanfare");

/// Exit codes of a run in which a check failed, and of a run that could not be carried out.
const CHECK_FAILED: Option<i32> = Some(1);
const NOT_RUN: Option<i32> = Some(2);

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

/// Maximum time for an event that an idle host handles at once.
const TIMEOUT: Duration = Duration::from_secs(20);

/// Runs the load generator with these arguments.
fn bench(arguments: &[&str]) -> Output {
    let output = Command::new(BENCH).args(arguments).output();
    output.expect("the binary was built with this test")
}

/// Returns the report and the exit code of a run of [`LOAD`] with further options.
fn report(options: &[&str]) -> (Value, Option<i32>) {
    scenario_report(&[options, &LOAD].concat())
}

/// Returns the report and the exit code of any run.
fn scenario_report(arguments: &[&str]) -> (Value, Option<i32>) {
    let output = bench(&[&["--json"], arguments].concat());
    let error = String::from_utf8_lossy(&output.stderr);
    let report = serde_json::from_slice(&output.stdout);
    (
        report.unwrap_or_else(|_| panic!("no report: {error}")),
        output.status.code(),
    )
}

/// Returns the missing, duplicate, disordered and foreign deliveries.
fn faulty(report: &Value) -> [u64; 4] {
    ["missing", "duplicate", "disordered", "foreign"]
        .map(|row| report["values"][row].as_u64().expect("a count"))
}

#[test]
fn a_run_against_a_correct_server_has_no_faults() {
    for target in ["floor", "fanfare"] {
        let (report, code) = report(&["--target", target]);
        assert_eq!(faulty(&report), [0; 4], "{target}");
        assert_eq!(report["values"]["received"], DELIVERIES, "{target}");
        assert!(report["values"]["server_cpu_us_per_delivery"].is_number());
        assert_eq!(code, Some(0), "{target}");
    }
}

#[test]
fn every_fault_of_the_server_is_counted() {
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
        assert_eq!(faulty(&report), counted, "{fault}");
        assert_eq!(
            (&report["ok"], code),
            (&Value::Bool(false), CHECK_FAILED),
            "{fault}"
        );
    }
}

#[test]
fn a_single_fault_fails_the_run() {
    for (fault, counted) in [
        ("drop", [1, 0, 0, 0]),
        ("duplicate", [0, 1, 0, 0]),
        ("reorder", [0, 0, 1, 0]),
    ] {
        let (report, code) = report(&["--target", "floor", "--fault", fault, "--every", "1600"]);
        assert_eq!((faulty(&report), code), (counted, CHECK_FAILED), "{fault}");
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
fn two_builds_are_compared_in_pairs() {
    let build = format!("build:{FANFARE}");
    let builds = ["--target", &build, "--against", &build, "--pairs", "2"];
    let (report, code) = report(&builds);
    let values = &report["values"];
    for row in ["build_missing", "build-opponent_missing"] {
        assert_eq!(values[row].as_f64(), Some(0.0), "{row}");
    }
    for figure in ["server_cpu_us_per_delivery", "latency_p50_us"] {
        assert!(values[format!("{figure}_ratio_of_medians")].as_f64() > Some(0.0));
        let ratios = values[format!("{figure}_ratios")].as_array();
        assert_eq!(ratios.map(Vec::len), Some(2), "{figure}");
    }
    assert_eq!(code, Some(0));
}

/// Small loads of the scenarios that publish and run against every target.
const PUBLISHING_SCENARIOS: [&[&str]; 4] = [
    &[
        "helpshift",
        "--connections=20",
        "--topics=10",
        "--per-connection=5",
        "--rate=500",
        "--seconds=1",
        "--warm-up=0",
    ],
    &[
        "broadcast",
        "--subscribers=20",
        "--seconds=1",
        "--warm-up=0",
        "--at-least=1",
    ],
    &["single", "--rate=1000", "--seconds=1", "--warm-up=0"],
    &[
        "burst",
        "--connections=20",
        "--answers=20",
        "--seconds=1",
        "--warm-up=0",
        "--protocol=raw",
    ],
];

#[test]
fn every_publishing_scenario_fails_on_faulty_deliveries() {
    for scenario in PUBLISHING_SCENARIOS {
        for (fault, row) in [
            ("drop", "missing"),
            ("duplicate", "duplicate"),
            ("reorder", "disordered"),
            ("close", "closed"),
        ] {
            let options = ["--target=floor", "--every=150", "--fault", fault];
            let (report, code) = scenario_report(&[scenario, &options].concat());
            let name = scenario[0];
            assert!(report["values"][row].as_u64() > Some(0), "{name} {fault}");
            assert_eq!(report["ok"], false, "{name} {fault}");
            assert_eq!(code, CHECK_FAILED, "{name} {fault}");
        }
    }
}

#[test]
fn connections_that_do_not_open_fail_the_run() {
    let options = ["--target=floor", "--fault=refuse", "--every=20"];
    let (report, code) = scenario_report(&[&["storm", "--connections=50"], &options[..]].concat());
    assert!(report["values"]["failed"].as_u64() > Some(0));
    assert_eq!((&report["ok"], code), (&Value::Bool(false), CHECK_FAILED));
    for scenario in [
        ["helpshift", "--connections=50"],
        ["broadcast", "--subscribers=50"],
        ["burst", "--connections=500"],
        ["idle", "--connections=100"],
    ] {
        let output = bench(&[&scenario, &options[..]].concat());
        assert_eq!(output.status.code(), NOT_RUN, "{scenario:?}");
        assert!(output.stdout.is_empty() && !output.stderr.is_empty());
    }
}

/// A small storm with tokens, one pair.
const TOKEN_STORM: [&str; 6] = [
    "storm",
    "--connections=300",
    "--others=20",
    "--rate=2000",
    "--seconds=1",
    "--pairs=1",
];

#[test]
fn a_storm_with_tokens_is_compared_with_one_without() {
    for (algorithm, protocol) in [("hs256", "client"), ("es256", "protobuf")] {
        let options = ["--token", algorithm, "--protocol", protocol];
        let (report, code) = scenario_report(&[&TOKEN_STORM[..], &options].concat());
        let values = &report["values"];
        for figure in [
            "server_cpu_us_per_connection",
            "server_cpu_us_per_connection_again",
            "others_latency_p99_us",
        ] {
            for label in [algorithm, "without"] {
                let name = format!("{label}_{figure}");
                assert!(values[&name].is_number(), "{name}: {report}");
            }
        }
        assert!(values[format!("{algorithm}_others_latency_p99_us")].as_f64() > Some(0.0));
        // The bounds of CPU and latency depend on the host. Every other check has to pass.
        let failures = report["failures"].as_array().expect("a list");
        let is_bound = |failure: &Value| failure.as_str().unwrap().starts_with("not met: ");
        assert!(failures.iter().all(is_bound), "{failures:?}");
        assert_eq!(code == Some(0), failures.is_empty(), "{failures:?}");
    }
}

#[test]
fn a_storm_with_tokens_that_the_server_refuses_has_no_report() {
    for options in [
        &["--token=hs256", "--set=auth.token.issuer=somebody else"][..],
        &["--token=hs256", "--target=floor"],
        &["--token=hs256", "--against=fanfare"],
        &["--token=es256", "--protocol=raw"],
        &["--token=es256", "--url=ws://127.0.0.1:1"],
        &["--token=none"],
    ] {
        let output = bench(&[&TOKEN_STORM[..], options].concat());
        assert_eq!(output.status.code(), NOT_RUN, "{options:?}");
        assert!(output.stdout.is_empty() && !output.stderr.is_empty());
    }
}

#[test]
fn scenarios_for_fanfare_fail_when_a_check_fails() {
    for arguments in [
        // No server can meet this throughput.
        &["ingest", "--seconds=1", "--at-least=4000000000"][..],
        // The p99 cannot be zero.
        &[
            "slow",
            "--readers=5",
            "--stuck=0",
            "--seconds=1",
            "--ratio=0",
        ],
        // A subscription needs a publication, and there are only 10.
        &["toggle", "--seconds=1", "--rate=10", "--toggles=1000"],
        // Compression cannot be free.
        &[
            "deflate",
            "--subscribers=20",
            "--seconds=1",
            "--rounds=1",
            "--ratio=0",
        ],
        // The server rejects the larger payloads, which are then missing.
        &[
            "feeds",
            "--subscribers=2",
            "--publications=40",
            "--set=ingest.max_payload=200",
        ],
    ] {
        let (report, code) = scenario_report(arguments);
        let failures = report["failures"].as_array().map(Vec::len);
        assert!(failures > Some(0), "{arguments:?}");
        assert_eq!((&report["ok"], code), (&Value::Bool(false), CHECK_FAILED));
    }
}

#[test]
fn a_plot_that_cannot_be_written_fails_after_the_report() {
    let output = bench(&[&["--target=floor", "--plot=/nowhere/plot.svg"], &LOAD[..]].concat());
    assert_eq!(output.status.code(), NOT_RUN);
    let (report, error) = (output.stdout, output.stderr);
    assert!(String::from_utf8_lossy(&report).ends_with("ok\n"));
    assert!(String::from_utf8_lossy(&error).contains("/nowhere/plot.svg"));
}

#[test]
fn a_server_that_cannot_start_gives_no_report() {
    for options in [
        &["--server", "/nowhere/fanfare"][..],
        &["--set", "ws.nonsense=1"],
        &["--target", "build:/nowhere/fanfare"],
        &["--url", "ws://127.0.0.1:1", "--pairs", "1"],
    ] {
        let output = bench(&[options, &LOAD].concat());
        assert_eq!(output.status.code(), NOT_RUN, "{options:?}");
        assert!(output.stdout.is_empty() && !output.stderr.is_empty());
    }
}

/// Returns the process IDs of all descendants of `parent`.
fn descendants(parent: u32) -> Vec<u32> {
    let children = format!("/proc/{parent}/task/{parent}/children");
    let children = fs::read_to_string(children).unwrap_or_default();
    let children = children
        .split_whitespace()
        .map(|pid| pid.parse().expect("a number"));
    children
        .flat_map(|pid| [vec![pid], descendants(pid)].concat())
        .collect()
}

/// Waits until a condition holds. Panics with `description` after [`TIMEOUT`].
fn await_that(description: &str, condition: impl Fn() -> bool) {
    let deadline = Instant::now() + TIMEOUT;
    while !condition() {
        assert!(Instant::now() < deadline, "{description}");
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
        // The load generator prints a line before it starts the servers of a pair.
        let mut line = String::new();
        BufReader::new(bench.stderr.take().unwrap())
            .read_line(&mut line)
            .unwrap();
        await_that("a guard and its server", || {
            descendants(bench.id()).len() == 2
        });
        let started = descendants(bench.id());
        bench.kill().unwrap();
        bench.wait().unwrap();
        for pid in started {
            await_that("the server has ended", || {
                !fs::exists(format!("/proc/{pid}")).unwrap()
            });
        }
    }
}
