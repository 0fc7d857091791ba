//! `fanfare publish` with routers that send given replies.

use std::io::Write as _;
use std::net::TcpListener;
use std::process::Stdio;
use std::thread;

use crate::{closed_pipe, fanfare, result, run};

/// Starts a router on a free port that replies to each request with `reply`. The thread returns the
/// parts of the requests.
fn router(
    reply: &'static [&'static str],
    requests: usize,
) -> (String, thread::JoinHandle<Vec<Vec<u8>>>) {
    router_of(vec![reply; requests])
}

/// Starts a router on a free port that sends these replies, one to each request. The thread returns
/// the parts of the requests.
fn router_of(replies: Vec<&'static [&'static str]>) -> (String, thread::JoinHandle<Vec<Vec<u8>>>) {
    let socket = zmq::Context::new().socket(zmq::ROUTER).expect("a socket");
    socket.set_rcvtimeo(20_000).expect("a timeout can be set");
    socket.bind("tcp://127.0.0.1:*").expect("a free port");
    let endpoint = socket
        .get_last_endpoint()
        .expect("the socket is bound")
        .expect("the endpoint is UTF-8");
    let thread = thread::spawn(move || {
        let mut received = Vec::new();
        for reply in replies {
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

/// Publishes an input without an end: writes to stdin until the program closes it. Returns the
/// number of bytes that were written, at most `limit`, and the result.
fn publish_endless(arguments: &[&str], limit: usize) -> (usize, (i32, String, String)) {
    let mut command = fanfare(arguments);
    command.stdin(Stdio::piped());
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().expect("the program runs");
    let mut stdin = child.stdin.take().expect("a pipe");
    let (chunk, mut written) = (vec![b'7'; 1 << 20], 0);
    while written < limit && stdin.write_all(&chunk).is_ok() {
        written += chunk.len();
    }
    drop(stdin);
    let output = child.wait_with_output().expect("the process ends");
    (written, result(output))
}

/// Publishes these lines with `--lines`.
fn publish_lines(to: &str, lines: &[u8], further: &[&str]) -> (i32, String, String) {
    let mut command = fanfare(&["publish", "t", "--lines", "--to", to]);
    command.args(further).stdin(Stdio::piped());
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().expect("the program runs");
    let mut stdin = child.stdin.take().expect("a pipe");
    stdin.write_all(lines).expect("the program reads its input");
    drop(stdin);
    result(child.wait_with_output().expect("the process ends"))
}

#[test]
fn lines_that_are_refused_are_named_and_the_next_ones_are_published() {
    const OK: &[&str] = &["ok"];
    const BUSY: &[&str] = &["error", "busy", "try again"];
    const REFUSED: &[&str] = &["error", "payload_not_json", "send JSON"];
    let (to, got) = router_of(vec![OK, REFUSED, BUSY, BUSY, OK, REFUSED, OK]);
    let (code, out, error) = publish_lines(&to, b"1\nx\n3\n\n5\n", &[]);
    assert_eq!((code, out.as_str()), (1, "ok\nok\nok\n"));
    let expected = "fanfare: line 2: refused: payload_not_json: send JSON\n\
                    fanfare: line 4: refused: payload_not_json: send JSON\n\
                    fanfare: 3 lines were accepted, 2 refused\n";
    assert_eq!(error, expected);
    let got = got.join().expect("the thread ends");
    let payloads: Vec<_> = got.chunks(2).map(|pair| pair[1].as_slice()).collect();
    let sent: [&[u8]; 7] = [b"1", b"x", b"3", b"3", b"3", b"", b"5"];
    assert_eq!(payloads, sent, "busy lines are sent again");
}

#[test]
fn a_line_that_remains_busy_is_named_after_ten_retries() {
    const BUSY: &[&str] = &["error", "busy", "try again"];
    let mut replies = vec![BUSY; 11];
    replies.push(&["ok"]);
    let (to, got) = router_of(replies);
    let (code, out, error) = publish_lines(&to, b"1\n2\n", &[]);
    assert_eq!((code, out.as_str()), (1, "ok\n"));
    let expected = "fanfare: line 1: refused: busy: try again\n\
                    fanfare: 1 lines were accepted, 1 refused\n";
    assert_eq!(error, expected);
    got.join().expect("the thread ends");
}

#[test]
fn a_line_without_a_reply_ends_the_command_and_is_named() {
    let (to, got) = router_of(vec![&["ok"]]);
    let (code, out, error) = publish_lines(&to, b"1\n2\n3\n", &["--timeout", "0.3"]);
    assert_eq!((code, out.as_str()), (1, "ok\n"));
    assert!(
        error.starts_with("fanfare: line 2, after 1 accepted and 0 refused: "),
        "{error}"
    );
    got.join().expect("the thread ends");
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

/// Publishes to a socket with a limit: libzmq closes the connection of a peer that sends more.
#[test]
fn a_payload_that_closes_the_connection_is_named_with_its_size_and_the_key() {
    let socket = zmq::Context::new().socket(zmq::ROUTER).expect("a socket");
    socket.set_maxmsgsize(1_000).expect("a limit can be set");
    socket.bind("tcp://127.0.0.1:*").expect("a free port");
    let endpoint = socket.get_last_endpoint().expect("the socket is bound");
    let to = endpoint.expect("the endpoint is UTF-8");
    for payload in ["7".repeat(1_001), "7".repeat(100_000)] {
        let (code, out, error) = run(&["publish", "t", &payload, "--to", &to]);
        assert_eq!((code, out.as_str()), (1, ""));
        assert!(error.contains("closed the connection"), "{error}");
        assert!(error.contains("ingest.max_payload"), "{error}");
        assert!(
            error.contains(&format!(" {} bytes", payload.len())),
            "{error}"
        );
    }
    let (code, out, error) = publish_lines(&to, "7".repeat(2_000).as_bytes(), &[]);
    assert_eq!((code, out.as_str()), (1, ""));
    let begin = "fanfare: line 1, after 0 accepted and 0 refused: ";
    assert!(
        error.starts_with(begin) && error.contains(" 2000 bytes"),
        "{error}"
    );
}

#[test]
fn a_payload_that_is_refused_as_too_large_is_named_with_its_size() {
    const REPLY: &[&str] = &["error", "payload_too_large", "raise ingest.max_payload"];
    let (to, got) = router(REPLY, 1);
    let (code, _, error) = run(&["publish", "t", "12345", "--to", &to]);
    let expected =
        "fanfare: refused: payload_too_large: raise ingest.max_payload; it has 5 bytes\n";
    assert_eq!((code, error.as_str()), (1, expected));
    got.join().expect("the thread ends");
}

/// Checks that a connection that was closed before a line was sent is not held against the line.
#[test]
fn a_line_after_a_restart_of_the_engine_is_published() {
    let first = zmq::Context::new().socket(zmq::REP).expect("a socket");
    first.set_rcvtimeo(20_000).expect("a timeout can be set");
    first.bind("tcp://127.0.0.1:*").expect("a free port");
    let endpoint = first.get_last_endpoint().expect("the socket is bound");
    let to = endpoint.expect("the endpoint is UTF-8");
    let mut command = fanfare(&["publish", "t", "--lines", "--timeout", "20", "--to", &to]);
    command.stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut child = command.spawn().expect("the program runs");
    let mut stdin = child.stdin.take().expect("a pipe");
    let mut answer = |socket: &zmq::Socket, line: &str| {
        stdin
            .write_all(line.as_bytes())
            .expect("the program reads its input");
        let parts = socket.recv_multipart(0).expect("a request");
        assert_eq!(parts[1], line.trim_end().as_bytes());
        socket.send("ok", 0).expect("the reply is sent");
    };
    answer(&first, "1\n");
    drop(first);
    let context = zmq::Context::new();
    let monitor = context.socket(zmq::PAIR).expect("a socket");
    monitor.set_rcvtimeo(20_000).expect("a timeout can be set");
    let second = context.socket(zmq::REP).expect("a socket");
    let connected = zmq::SocketEvent::HANDSHAKE_SUCCEEDED.to_raw();
    second
        .monitor("inproc://events", connected.into())
        .expect("a monitor");
    monitor
        .connect("inproc://events")
        .expect("the monitor exists");
    second.set_rcvtimeo(20_000).expect("a timeout can be set");
    second.bind(&to).expect("the endpoint is free");
    monitor
        .recv_multipart(0)
        .expect("the program connects again");
    answer(&second, "2\n");
    drop(stdin);
    let (code, out, _) = result(child.wait_with_output().expect("the process ends"));
    assert_eq!((code, out.as_str()), (0, "ok\nok\n"));
}

#[test]
fn an_input_without_an_end_is_read_up_to_the_largest_payload() {
    const MIB: usize = 1 << 20;
    for argument in ["-", "--lines"] {
        let to = ["publish", "t", argument, "--to", "tcp://127.0.0.1:1"];
        let (written, (code, out, error)) = publish_endless(&to, 80 * MIB);
        assert!((64 * MIB..66 * MIB).contains(&written), "{written}");
        assert_eq!((code, out.as_str()), (1, ""));
        assert!(error.contains("more than 67108864 bytes"), "{error}");
        assert!(error.contains("ingest.max_payload"), "{error}");
    }
}

/// Publishes lines without a reader of the results: after the first line, the command reports that
/// it publishes no further line. After the last line, nothing is missing.
#[test]
fn lines_that_are_not_published_for_want_of_a_reader_are_a_failure() {
    let stopped = "fanfare: line 2, after 1 accepted and 0 refused: Broken pipe (os error 32)\n";
    for (lines, expected) in [(&b"1\n"[..], (0, "")), (b"1\n2\n", (1, stopped))] {
        let (to, got) = router(&["ok"], 1);
        let mut command = fanfare(&["publish", "t", "--lines", "--to", &to]);
        command.stdin(Stdio::piped());
        command.stdout(closed_pipe()).stderr(Stdio::piped());
        let mut child = command.spawn().expect("the program runs");
        let mut stdin = child.stdin.take().expect("a pipe");
        stdin.write_all(lines).expect("the program reads its input");
        drop(stdin);
        let (code, _, error) = result(child.wait_with_output().expect("the process ends"));
        assert_eq!((code, error.as_str()), expected);
        got.join().expect("the thread ends");
    }
}

#[test]
fn a_missing_payload_is_answered_with_the_ways_to_give_one() {
    let (code, _, error) = run(&["publish", "news"]);
    assert_eq!(code, 2);
    assert!(error.contains("<TOPIC> -  "), "{error}");
    assert!(error.contains("<TOPIC> --lines"), "{error}");
}
