//! `fanfare subscribe` with servers that send given messages.

use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::process::Stdio;
use std::thread;
use std::time::Duration;

use tungstenite::protocol::CloseFrame;
use tungstenite::{Message, WebSocket};

use crate::{fanfare, result, run};

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
fn subscribe_without_a_token_names_the_option() {
    let (url, served) = server(|mut socket| {
        let frame = CloseFrame {
            code: 3501.into(),
            reason: "bad request".into(),
        };
        socket.close(Some(frame)).expect("sent");
        let _ = socket.read();
    });
    let (code, _, error) = run(&["subscribe", "a", "--url", &url]);
    assert!(code == 1 && error.contains("--token"), "{error}");
    served.join().expect("the server ends");
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
fn subscribe_takes_a_topic_once_and_refuses_empty_names() {
    let (url, served) = server(|mut socket| {
        socket.send(Message::text(REPLIES)).expect("sent");
        socket.send(Message::text(publication("1"))).expect("sent");
        let _ = socket.read();
    });
    let (code, out, error) = run(&["subscribe", "a", "a", "--url", &url, "--count", "1"]);
    assert_eq!((code, out.as_str()), (0, "1\n"));
    assert_eq!(error, "fanfare: subscribed to a\n");
    served.join().expect("the server ends");
    for (topic, reason) in [("", "is empty"), ("a\nb", "control character")] {
        let (code, _, error) = run(&["subscribe", "news", topic]);
        assert_eq!(code, 2);
        assert!(error.contains(reason), "{error}");
    }
}

/// Checks that `--timeout` bounds the wait for all replies together: neither pings nor a response
/// that arrives in pieces prolong it.
#[test]
fn subscribe_waits_for_all_replies_until_its_timeout() {
    // Without the bound, the servers end after 10 s, and the reason is another one.
    const PIECES: usize = 200;
    let pause = || thread::sleep(Duration::from_millis(50));
    let (pinging, pings) = server(move |mut socket| {
        for _ in 0..PIECES {
            if socket.send(Message::text("{}")).is_err() {
                break;
            }
            pause();
        }
    });
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = listener.local_addr().expect("the socket is bound");
    let dripping = format!("ws://{address}/connection/websocket");
    let drops = thread::spawn(move || {
        let (mut stream, _) = listener.accept().expect("a client");
        let response = format!(
            "HTTP/1.1 101 Switching Protocols\r\nX: {}",
            "x".repeat(PIECES)
        );
        for byte in response.into_bytes() {
            if stream.write_all(&[byte]).is_err() {
                break;
            }
            pause();
        }
    });
    for (url, served) in [(pinging, pings), (dripping, drops)] {
        let (code, out, error) = run(&["subscribe", "a", "--url", &url, "--timeout", "0.5"]);
        assert_eq!((code, out.as_str()), (1, ""));
        let expected = format!("fanfare: {url} did not answer within 0.5 s\n");
        assert_eq!(error, expected);
        served.join().expect("the server ends");
    }
}

#[test]
fn subscribe_waits_for_publications_without_its_timeout() {
    for ping in ["25", "0", "18446744073709551615"] {
        let (url, served) = server(move |mut socket| {
            socket
                .send(Message::text(REPLIES.replace("25", ping)))
                .expect("sent");
            thread::sleep(Duration::from_millis(400));
            socket.send(Message::text(publication("1"))).expect("sent");
            let _ = socket.read();
        });
        let timeout = ["--timeout", "0.2", "--count", "1"];
        let (code, out, error) = run(&[&["subscribe", "a", "--url", &url][..], &timeout].concat());
        assert_eq!((code, out.as_str()), (0, "1\n"), "{error}");
        served.join().expect("the server ends");
    }
}

#[test]
fn subscribe_writes_payloads_unchanged_into_a_pipe() {
    let data = "\"\u{1b}\u{9b}2J\u{7f}\u{202e}\"".replace('\u{1b}', "\\u001b");
    let sent = publication(&data);
    let (url, served) = server(move |mut socket| {
        socket.send(Message::text(REPLIES)).expect("sent");
        socket.send(Message::text(sent)).expect("sent");
        let _ = socket.read();
    });
    let (code, out, _) = run(&["subscribe", "a", "--url", &url, "--count", "1"]);
    assert_eq!((code, out), (0, format!("{data}\n")));
    served.join().expect("the server ends");
}

#[test]
fn subscribe_prints_payloads_of_the_largest_size() {
    let data = format!("\"{}\"", "x".repeat(64 << 20));
    let sent = publication(&data);
    let (url, served) = server(move |mut socket| {
        socket.send(Message::text(REPLIES)).expect("sent");
        socket.send(Message::text(sent)).expect("sent");
        let _ = socket.read();
    });
    let timeout = ["--timeout", "20", "--count", "1"];
    let (code, out, error) = run(&[&["subscribe", "a", "--url", &url][..], &timeout].concat());
    assert_eq!((code, out.len()), (0, data.len() + 1), "{error}");
    served.join().expect("the server ends");
}

#[test]
fn subscribe_prints_why_the_handshake_is_refused() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = listener.local_addr().expect("the socket is bound");
    let served = thread::spawn(move || {
        let (mut stream, _) = listener.accept().expect("a client");
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            let mut byte = [0];
            stream.read_exact(&mut byte).expect("a request");
            head.push(byte[0]);
        }
        let body = "not found: it has\u{1b}[2J /raw\n";
        let length = body.len();
        let response = format!("HTTP/1.1 404 Not Found\r\nContent-Length: {length}\r\n\r\n{body}");
        stream.write_all(response.as_bytes()).expect("sent");
    });
    let url = format!("ws://{address}/nowhere");
    let (code, out, error) = run(&["subscribe", "a", "--url", &url]);
    assert_eq!((code, out.as_str()), (1, ""));
    let expected = "fanfare: the server refused the connection: 404: \
                    not found: it has\\u{1b}[2J /raw\n";
    assert_eq!(error, expected);
    served.join().expect("the server ends");
}

#[test]
fn subscribe_names_the_path_for_itself_when_it_is_given_that_of_raw() {
    let (url, served) = server(|mut socket| {
        let frame = CloseFrame {
            code: 1003.into(),
            reason: "raw connections take no messages".into(),
        };
        socket.close(Some(frame)).expect("sent");
        let _ = socket.read();
    });
    let (code, _, error) = run(&["subscribe", "a", "--url", &url]);
    assert_eq!(code, 1);
    assert!(error.contains("--url of /connection/websocket"), "{error}");
    served.join().expect("the server ends");
}
