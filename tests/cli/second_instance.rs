//! A server on moved ports, and the commands that find it by the same key.

use std::io::{BufRead as _, BufReader};
use std::process::{Child, Stdio};

use crate::{fanfare, result, run};

/// A running fanfare whose default ports are moved by an offset.
struct Node(Child);

impl Node {
    fn start(offset: &str) -> Self {
        let setting = format!("port_offset={offset}");
        let mut command = fanfare(&["serve", "-s", &setting, "-s", "cpu.shards=1"]);
        command.stdout(Stdio::null()).stderr(Stdio::null());
        Self(command.spawn().expect("the program runs"))
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn one_key_moves_all_ports_and_doctor_recognises_the_running_server() {
    let offset = "13370";
    let node = Node::start(offset);
    let setting = format!("port_offset={offset}");
    let publish = ["publish", "-s", &setting, "news", "1"];
    // REQ waits until the server listens.
    assert_eq!(run(&publish), (0, "ok\n".into(), String::new()));

    let subscribe = ["subscribe", "-s", &setting, "news", "--count", "1"];
    let mut subscriber = fanfare(&subscribe);
    subscriber.stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut subscriber = subscriber.spawn().expect("the program runs");
    let mut line = String::new();
    let mut stderr = BufReader::new(subscriber.stderr.take().expect("a pipe"));
    stderr.read_line(&mut line).expect("a line");
    assert_eq!(line, "fanfare: subscribed to news\n");
    let mut command = fanfare(&["publish", "news", "2"]);
    command.env("FANFARE_PORT_OFFSET", offset);
    assert_eq!(result(command.output().expect("it runs")).0, 0);
    let (code, out, _) = result(subscriber.wait_with_output().expect("it ends"));
    assert_eq!((code, out.as_str()), (0, "2\n"));

    let (code, out, error) = run(&["top", "-s", &setting, "--once", "--interval", "0.1"]);
    assert!(code == 0 && out.contains("127.0.0.1:21371"), "{out}{error}");
    let (code, out, error) = run(&["drain", "-s", &setting, "--share", "20%"]);
    assert!(
        code == 0 && out.starts_with("moving 0 of 0"),
        "{out}{error}"
    );

    let (_, out, _) = run(&["doctor", "-s", &setting]);
    let line = out.lines().find(|line| line.contains("running server"));
    let line = line.expect("the server is recognised");
    let expected = format!("fanfare, pid {}, listens on all 5 addresses", node.0.id());
    assert!(line.starts_with("ok") && line.contains(&expected), "{line}");
    assert!(!out.contains("ws.listen"), "{out}");

    // A fanfare that has only some of the addresses would not let another one start.
    let (code, out, _) = run(&[
        "doctor",
        "-s",
        &setting,
        "-s",
        "agent.listen=127.0.0.1:21399",
    ]);
    assert_eq!(code, 1);
    assert!(
        out.lines().any(|line| line.starts_with("FAIL  ws.listen")),
        "{out}"
    );
    assert!(
        out.lines()
            .any(|line| line.starts_with("ok    agent.listen")),
        "{out}"
    );
    assert!(out.contains("set port_offset"), "{out}");
}
