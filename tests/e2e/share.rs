//! `fanfare drain` closes a share of the connections, evenly over a period. The other connections
//! are not affected.

use std::process::{Command, Output};
use std::time::{Duration, Instant};

use serde_json::json;
use tungstenite::Message;

use super::agent::load;
use super::client::{Client, Raw};
use super::publisher::Publisher;
use super::server::{BINARY, Server, exchange};
use super::wait::until;

fn drain(server: &Server, arguments: &[&str]) -> Output {
    let admin = format!("http://127.0.0.1:{}", server.ports.admin);
    let mut command = Command::new(BINARY);
    command.args(["drain", "--admin", &admin]).args(arguments);
    command.output().expect("the binary runs")
}

fn text(output: &Output) -> String {
    let both = [&output.stdout[..], &output.stderr[..]].concat();
    String::from_utf8(both).expect("UTF-8")
}

#[test]
fn exactly_the_share_is_closed_and_the_rest_is_served() {
    let server = Server::start(&["drain.dwell=1h"]);
    let mut clients: Vec<_> = (0..30)
        .map(|_| Client::subscribed(&server, &["a"]))
        .collect();
    let mut raws: Vec<_> = (0..10).map(|_| Raw::connect(&server, &["a"])).collect();
    server.await_metric("fanfare_connections", &[], 40);
    let began = Instant::now();
    let output = drain(&server, &["--share", "25%", "--period", "2s"]);
    assert!(output.status.success(), "{}", text(&output));
    assert!(text(&output).starts_with("moving 10 of 40 connections away over 2s"));
    assert_eq!(load(&server)["weight"], 1, "the weight is lowered at once");
    let new_client = Client::subscribed(&server, &["a"]);
    until("half of the closings", || {
        let closed = server.metric("fanfare_closed_total", &["shutdown"]);
        (closed >= 5).then_some(())
    });
    let half = began.elapsed();
    assert!((600..1_500).contains(&half.as_millis()), "{half:?}");
    until("all closings", || {
        let load = load(&server);
        let drain = &load["drain"];
        (drain["told"] == 10 && drain["stage"] == "dwelling").then_some(())
    });
    assert_eq!(
        load(&server)["weight"],
        1,
        "the weight stays low for a while"
    );
    Publisher::request(&server).send_and_wait("a", "7");
    let mut gone = 0;
    for client in &mut clients {
        match client.socket.read_within(Duration::from_secs(10)) {
            Some(Message::Close(frame)) => {
                assert_eq!(frame.map(|frame| u16::from(frame.code)), Some(3001));
                gone += 1;
            }
            other => assert!(matches!(other, Some(Message::Text(_))), "{other:?}"),
        }
    }
    for raw in &mut raws {
        match raw.next() {
            Message::Close(frame) => {
                assert_eq!(frame.map(|frame| u16::from(frame.code)), Some(3001));
                gone += 1;
            }
            other => assert_eq!(other, Message::text("7")),
        }
    }
    assert_eq!(gone, 10);
    let mut new_client = new_client;
    assert_eq!(new_client.next(), ("a".into(), json!(7)));
    assert!(server.health().contains("\"ok\""));
}

#[test]
fn a_second_share_is_refused_and_so_is_one_during_shutdown() {
    let mut server = Server::start(&["drain.period=1h"]);
    let _client = Client::subscribed(&server, &["a"]);
    assert!(
        drain(&server, &["--share", "0.5", "--period", "1h"])
            .status
            .success()
    );
    let second = drain(&server, &["--share", "0.5"]);
    assert_eq!(second.status.code(), Some(1));
    assert!(text(&second).contains("409"), "{}", text(&second));
    server.signal("TERM");
    server.await_output("draining");
    let late = drain(&server, &["--share", "0.5"]);
    assert!(text(&late).contains("on its way out"), "{}", text(&late));
    server.assert_running();
}

#[test]
fn invalid_requests_close_no_connections() {
    let server = Server::start(&[]);
    for wrong in [
        &["--share", "0"][..],
        &["--share", "20"],
        &["--share", "20%", "--period", "60"],
        &[],
    ] {
        assert_eq!(drain(&server, wrong).status.code(), Some(2), "{wrong:?}");
    }
    let admin = ([127, 0, 0, 1], server.ports.admin).into();
    let ask = |target: &str, header: &str| {
        let head = format!(
            "POST {target} HTTP/1.1\r\nHost: localhost\r\n{header}Connection: close\r\n\
             Content-Length: 0\r\n\r\n"
        );
        let answer = exchange(admin, head.as_bytes());
        answer.split(' ').nth(1).expect("a status").to_owned()
    };
    assert_eq!(ask("/drain", ""), "400");
    assert_eq!(ask("/drain?share=2", ""), "400");
    assert_eq!(ask("/drain?share=0.1&period=25h", ""), "400");
    assert_eq!(ask("/drain?share=0.1&periods=1s", ""), "400");
    assert_eq!(
        ask("/drain?share=0.1", "Origin: https://a.example\r\n"),
        "403"
    );
    assert_eq!(ask("/drain?share=0.1&period=0s", ""), "202");
}
