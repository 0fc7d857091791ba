//! Tests of the program: its output and its exit codes. The commands that need a peer have files of
//! their own.

mod publish;
mod second_instance;
mod subscribe;
mod token;

use std::net::TcpListener;
use std::process::{Command, Output, Stdio};

pub(crate) fn fanfare(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_fanfare"));
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("FANFARE_") {
            command.env_remove(name);
        }
    }
    command.args(arguments).stdin(Stdio::null());
    command
}

pub(crate) fn run(arguments: &[&str]) -> (i32, String, String) {
    result(fanfare(arguments).output().expect("the program runs"))
}

/// Returns the end of a pipe whose reader has closed the other end.
pub(crate) fn closed_pipe() -> Stdio {
    let (reader, writer) = std::io::pipe().expect("a pipe");
    drop(reader);
    writer.into()
}

pub(crate) fn result(output: Output) -> (i32, String, String) {
    let text = |bytes| String::from_utf8(bytes).expect("the output is UTF-8");
    (
        output.status.code().expect("the program exits"),
        text(output.stdout),
        text(output.stderr),
    )
}

#[test]
fn wrong_arguments_print_the_usage() {
    for arguments in [
        &[][..],
        &["serve", "--nonsense"],
        &["publish"],
        &["subscribe"],
        &["top", "now"],
        &["dance"],
    ] {
        let (code, _, error) = run(arguments);
        assert_eq!(code, 2, "{arguments:?}");
        assert!(error.contains("Usage"), "{arguments:?}: {error}");
    }
    let (code, out, _) = run(&["--version"]);
    assert_eq!(
        (code, out.trim()),
        (0, concat!("fanfare ", env!("CARGO_PKG_VERSION")))
    );
    let (code, out, _) = run(&["--help"]);
    assert_eq!(code, 0);
    for command in [
        "serve",
        "check",
        "keys",
        "publish",
        "subscribe",
        "top",
        "doctor",
    ] {
        assert!(out.contains(command), "{out}");
    }
}

#[test]
fn a_reader_that_closes_the_output_is_not_an_error() {
    for (arguments, expected) in [
        (&["keys"][..], 0),
        (&["check"], 0),
        (&["doctor", "--print", "sysctl"], 0),
        (&["doctor", "--connections", "0"], 2),
    ] {
        let mut command = fanfare(arguments);
        command.stdout(closed_pipe());
        let (code, _, error) = result(command.output().expect("the program runs"));
        assert_eq!(code, expected, "{arguments:?}: {error}");
        assert!(!error.contains("Broken pipe"), "{arguments:?}: {error}");
    }
}

#[test]
fn check_prints_settings_that_differ_from_the_defaults() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let path = directory.path().join("fanfare.toml");
    std::fs::write(&path, "[ws]\nping = '30s'\n[admin]\ntoken = 'hush'\n")
        .expect("the file is written");
    let path = path.to_str().expect("a path in UTF-8");
    let mut command = fanfare(&["check", "-c", path, "-s", "drain.period=1m"]);
    command.env("FANFARE_WS_MAX_TOPICS", "64");
    let (code, out, _) = result(command.output().expect("the program runs"));
    assert_eq!(code, 0);
    let wanted =
        "  ws.ping = 30s\n  ws.max_topics = 64\n  admin.token = ***\n  drain.period = 1m\n";
    assert_eq!(out, format!("{path}: ok\n{wanted}"));
    assert_eq!(run(&["check"]), (0, "defaults: ok\n".into(), String::new()));
}

#[test]
fn a_wrong_configuration_has_exit_code_2() {
    for command in ["check", "serve", "doctor"] {
        let (code, out, error) = run(&[command, "-s", "ws.png=1s"]);
        assert_eq!((code, out.as_str()), (2, ""), "{command}");
        assert_eq!(
            error,
            "fanfare: -s ws.png=1s: unknown key `ws.png`, did you mean `ws.ping`?\n"
        );
        let (code, _, error) = run(&[command, "-c", "/nonexistent/fanfare.toml"]);
        assert_eq!(code, 2);
        assert!(error.contains("/nonexistent/fanfare.toml"), "{error}");
    }
}

#[test]
fn every_error_of_a_configuration_is_printed_on_a_line() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let path = directory.path().join("fanfare.toml");
    std::fs::write(&path, "[ws]\nping = 3\n[log]\nformat = 'xml'\n").expect("the file is written");
    let path = path.to_str().expect("a path in UTF-8");
    for command in ["check", "serve", "doctor"] {
        let (code, out, error) = run(&[command, "-c", path, "-s", "ws.max_topics=0"]);
        assert_eq!((code, out.as_str()), (2, ""), "{command}");
        let lines: Vec<_> = error.lines().collect();
        let places = [
            format!("fanfare: {path}:2:8: ws.ping: "),
            format!("fanfare: {path}:4:10: log.format: "),
            "fanfare: -s ws.max_topics=0: ws.max_topics must not be 0".into(),
        ];
        assert_eq!(lines.len(), places.len(), "{error}");
        for (line, place) in lines.iter().zip(places) {
            assert!(line.starts_with(&place), "{line}");
        }
    }
}

#[test]
fn keys_are_listed() {
    let (code, out, error) = run(&["keys"]);
    assert_eq!((code, error.as_str()), (0, ""));
    assert!(
        out.contains("\n\nws.listen = 127.0.0.1:8000\n    address; changes at a restart."),
        "{out}"
    );
    let (_, out, _) = run(&["keys", "deflate.level"]);
    assert!(out.starts_with("ws.deflate.level = 1\n"), "{out}");
    assert!(out.contains("1 to 12"), "{out}");
    let (code, out, error) = run(&["keys", "nonsense"]);
    assert_eq!((code, out.as_str()), (2, ""));
    assert_eq!(
        error,
        "fanfare: no key contains `nonsense`; `fanfare keys` lists all keys\n"
    );
}

#[test]
fn doctor_names_the_process_that_uses_a_port() {
    let taken = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = taken.local_addr().expect("the socket is bound").to_string();
    let (code, out, _) = run(&["doctor", "-s", &format!("admin.listen={address}")]);
    assert_eq!(code, 1);
    let line = out
        .lines()
        .find(|line| line.contains("admin.listen"))
        .expect("a line for it");
    let found = format!("{address} is taken by ");
    assert!(line.starts_with("FAIL") && line.contains(&found), "{line}");
    assert!(
        line.contains(&format!("pid {}", std::process::id())),
        "{line}"
    );
    assert!(out.contains("fix: stop what listens there"), "{out}");
    for name in [
        "kernel",
        "io_uring",
        "descriptors",
        "lockable memory",
        "net.core.somaxconn",
        "cores",
    ] {
        assert!(out.contains(name), "{name}: {out}");
    }
}

#[test]
fn doctor_examines_the_host_for_the_given_number_of_connections() {
    let (_, out, _) = run(&["doctor", "--connections", "3000", "--json"]);
    let page: serde_json::Value = serde_json::from_str(&out).expect("the output is JSON");
    assert_eq!(page["connections"], 3000);
    let knobs = page["knobs"].as_array().expect("a list of knobs");
    for knob in knobs {
        for part in [
            "name", "verdict", "found", "wanted", "formula", "why", "source", "fix",
        ] {
            assert!(knob[part].is_string(), "{part} of {knob}");
        }
    }
    assert!(knobs.iter().any(|knob| knob["name"] == "memory"));
    let (code, _, error) = run(&["doctor", "--connections", "0"]);
    assert_eq!(code, 2, "{error}");
}

#[test]
fn doctor_respects_the_memory_limit_of_a_parent_control_group() {
    let root = tempfile::tempdir().expect("a directory");
    for (path, content) in [
        ("proc/meminfo", "MemTotal: 8388608 kB\n"),
        ("proc/self/cgroup", "0::/system.slice/fanfare.service\n"),
        ("sys/fs/cgroup/system.slice/memory.max", "536870912\n"),
        (
            "sys/fs/cgroup/system.slice/fanfare.service/memory.max",
            "max\n",
        ),
    ] {
        let path = root.path().join(path);
        std::fs::create_dir_all(path.parent().expect("a file in a directory")).expect("created");
        std::fs::write(path, content).expect("written");
    }
    let root = root.path().to_str().expect("it is UTF-8");
    let (_, out, error) = run(&["doctor", "--root", root, "--json"]);
    let page: serde_json::Value = serde_json::from_str(&out).expect(&error);
    let knobs = page["knobs"].as_array().expect("a list of knobs");
    let memory = knobs.iter().find(|knob| knob["name"] == "memory");
    assert_eq!(memory.expect("a knob")["found"], "512 MiB");
}

#[test]
fn top_without_a_node_fails_with_a_hint() {
    let free = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let admin = free.local_addr().expect("the socket is bound").to_string();
    drop(free);
    let (code, out, error) = run(&["top", "--once", "--admin", &admin]);
    assert_eq!((code, out.as_str()), (1, ""));
    assert!(error.contains("is this its admin.listen"), "{error}");
    let (code, _, error) = run(&["top", "--once", "--admin", "https://127.0.0.1:1"]);
    assert_eq!(code, 2, "{error}");
    let (code, _, error) = run(&["top", "--once", "--interval", "0.01"]);
    assert!(code == 2 && error.contains("0.1 seconds"), "{error}");
}
