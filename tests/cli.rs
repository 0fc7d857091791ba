//! Tests of the program: its output and its exit codes.

use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::process::{Command, Output, Stdio};
use std::thread;
use std::time::Duration;

use tungstenite::protocol::CloseFrame;
use tungstenite::{Message, WebSocket};

fn fanfare(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_fanfare"));
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("FANFARE_") {
            command.env_remove(name);
        }
    }
    command.args(arguments).stdin(Stdio::null());
    command
}

fn run(arguments: &[&str]) -> (i32, String, String) {
    result(fanfare(arguments).output().expect("the program runs"))
}

fn result(output: Output) -> (i32, String, String) {
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
        out.starts_with("ws.listen = 0.0.0.0:8000\n    address; changes at a restart."),
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

/// Starts a router on a free port that replies to each request with `reply`. The thread returns the
/// parts of the requests.
fn router(
    reply: &'static [&'static str],
    requests: usize,
) -> (String, thread::JoinHandle<Vec<Vec<u8>>>) {
    let socket = zmq::Context::new().socket(zmq::ROUTER).expect("a socket");
    socket.set_rcvtimeo(20_000).expect("a timeout can be set");
    socket.bind("tcp://127.0.0.1:*").expect("a free port");
    let endpoint = socket
        .get_last_endpoint()
        .expect("the socket is bound")
        .expect("the endpoint is UTF-8");
    let thread = thread::spawn(move || {
        let mut received = Vec::new();
        for _ in 0..requests {
            let parts = socket.recv_multipart(0).expect("a request");
            assert!(parts[1].is_empty(), "REQ sends an empty delimiter");
            let words = reply.iter().map(|word| word.as_bytes());
            let reply = parts[..2].iter().map(Vec::as_slice).chain(words);
            socket.send_multipart(reply, 0).expect("the reply is sent");
            received.extend(parts.into_iter().skip(2));
        }
        received
    });
    (endpoint, thread)
}

#[test]
fn publish_prints_the_reply() {
    let (to, got) = router(&["ok"], 1);
    let answer = run(&["publish", "news", r#"{"a":1}"#, "--to", &to]);
    assert_eq!(answer, (0, "ok\n".into(), String::new()));
    assert_eq!(
        got.join().expect("the thread or process ends"),
        [b"news".to_vec(), br#"{"a":1}"#.to_vec()]
    );

    let (to, got) = router(&["error", "payload", "not JSON"], 1);
    let (code, out, error) = run(&["publish", "news", "x", "--to", &to]);
    assert_eq!((code, out.as_str()), (1, ""));
    assert_eq!(error, "fanfare: refused: payload: not JSON\n");
    got.join().expect("the thread or process ends");
}

#[test]
fn publish_sends_stdin_as_one_publication_or_by_lines() {
    for (argument, wanted) in [("-", &["1\n2\n"][..]), ("--lines", &["1", "2"])] {
        let (to, got) = router(&["ok"], wanted.len());
        let mut command = fanfare(&["publish", "t", argument, "--to", &to]);
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().expect("the program runs");
        child
            .stdin
            .take()
            .expect("a pipe")
            .write_all(b"1\n2\n")
            .expect("the program reads its input");
        let (code, out, _) = result(
            child
                .wait_with_output()
                .expect("the thread or process ends"),
        );
        assert_eq!((code, out), (0, "ok\n".repeat(wanted.len())));
        let got = got.join().expect("the thread or process ends");
        let payloads: Vec<_> = got.chunks(2).map(|pair| pair[1].as_slice()).collect();
        let wanted: Vec<_> = wanted.iter().map(|text| text.as_bytes()).collect();
        assert_eq!(payloads, wanted, "{argument}");
    }
}

#[test]
fn publish_without_a_server_ends_with_a_hint() {
    let free = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let to = format!("tcp://{}", free.local_addr().expect("the socket is bound"));
    drop(free);
    let (code, _, error) = run(&["publish", "t", "1", "--to", &to, "--timeout", "0.2"]);
    assert_eq!(code, 1);
    assert!(error.contains("is `fanfare serve` running"), "{error}");
}

/// Starts a WebSocket server for one client. `talk` is called after the client has sent its
/// commands.
fn server(
    talk: impl FnOnce(WebSocket<TcpStream>) + Send + 'static,
) -> (String, thread::JoinHandle<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = listener.local_addr().expect("the socket is bound");
    let thread = thread::spawn(move || {
        let (stream, _) = listener.accept().expect("a client");
        stream
            .set_read_timeout(Some(Duration::from_secs(20)))
            .expect("a timeout can be set");
        let mut socket = tungstenite::accept(stream).expect("a handshake");
        let commands = socket.read().expect("commands").into_text().expect("text");
        let wanted = "{\"id\":1,\"connect\":{}}\n{\"id\":2,\"subscribe\":{\"channel\":\"a\"}}";
        assert_eq!(commands.as_str(), wanted);
        talk(socket);
    });
    (format!("ws://{address}/connection/websocket"), thread)
}

const REPLIES: &str = "{\"id\":1,\"connect\":{\"client\":\"c\",\"ping\":25,\"pong\":true}}\n{\"id\":2,\"subscribe\":{}}";

fn publication(data: &str) -> String {
    format!(r#"{{"push":{{"channel":"a","pub":{{"data":{data}}}}}}}"#)
}

#[test]
fn subscribe_prints_payloads_answers_pings_and_exits_after_count() {
    let (url, served) = server(|mut socket| {
        socket.send(Message::text(REPLIES)).expect("sent");
        socket.send(Message::text("{}")).expect("sent");
        assert_eq!(
            socket
                .read()
                .expect("a pong")
                .into_text()
                .expect("text")
                .as_str(),
            "{}"
        );
        let batch = [
            publication(r#"{ "x": 1.50 }"#),
            publication("\"two\""),
            publication("3"),
        ];
        socket.send(Message::text(batch.join("\n"))).expect("sent");
        assert!(
            matches!(socket.read(), Ok(Message::Close(_))),
            "the client sends a close frame"
        );
    });
    let (code, out, error) = run(&["subscribe", "a", "--url", &url, "--count", "2", "--topics"]);
    assert_eq!(
        (code, out.as_str()),
        (0, "a\t{ \"x\": 1.50 }\na\t\"two\"\n")
    );
    assert_eq!(error, "fanfare: subscribed to a\n");
    served.join().expect("the assertions of the server hold");
}

#[test]
fn subscribe_prints_the_reason_of_its_end() {
    let (url, served) = server(|mut socket| {
        let frame = CloseFrame {
            code: 3001.into(),
            reason: "shutdown".into(),
        };
        socket.close(Some(frame)).expect("sent");
        let _ = socket.read();
    });
    let (code, out, error) = run(&["subscribe", "a", "--url", &url]);
    assert_eq!((code, out.as_str()), (1, ""));
    assert_eq!(
        error,
        "fanfare: the server closed the connection: 3001 shutdown\n"
    );
    served.join().expect("the server ends");

    let (url, served) = server(|mut socket| {
        let refusal = r#"{"id":2,"error":{"code":106,"message":"limit exceeded"}}"#;
        socket.send(Message::text(refusal)).expect("sent");
        let _ = socket.read();
    });
    let (code, _, error) = run(&["subscribe", "a", "--url", &url]);
    assert_eq!(
        (code, error.as_str()),
        (1, "fanfare: a: 106 limit exceeded\n")
    );
    served.join().expect("the server ends");

    let (code, _, error) = run(&["subscribe", "a", "--url", "wss://127.0.0.1/"]);
    assert_eq!(code, 1);
    assert!(error.contains("does not speak TLS"), "{error}");
}

#[test]
fn subscribe_succeeds_when_the_reader_of_its_output_closes() {
    let (url, served) = server(|mut socket| {
        socket.send(Message::text(REPLIES)).expect("sent");
        // Sends until the client ends. The client fails to write its second line.
        while socket.send(Message::text(publication("1"))).is_ok() {
            thread::sleep(Duration::from_millis(1));
        }
    });
    let mut command = fanfare(&["subscribe", "a", "--url", &url]);
    let mut child = command
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the program runs");
    let mut line = [0; 2];
    child
        .stdout
        .take()
        .expect("a pipe")
        .read_exact(&mut line)
        .expect("a line");
    assert_eq!(&line, b"1\n");
    let (code, _, error) = result(
        child
            .wait_with_output()
            .expect("the thread or process ends"),
    );
    assert_eq!((code, error.as_str()), (0, "fanfare: subscribed to a\n"));
    served.join().expect("the server ends");
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
