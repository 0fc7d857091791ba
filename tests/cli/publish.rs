//! `fanfare publish` with routers that send given replies.

use std::io::Write as _;
use std::net::TcpListener;
use std::process::Stdio;
use std::thread;

use crate::{fanfare, result, run};

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
