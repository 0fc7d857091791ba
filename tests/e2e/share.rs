//! `fanfare drain` with a share: a part of the connections is closed over a period, and the rest is
//! served.

use std::process::{Command, Output};
use std::time::{Duration, Instant};

use serde_json::json;
use tungstenite::Message;

use crate::agent::load;
use crate::client::{ProtocolClient, RawSubscriber};
use crate::publisher::Publisher;
use crate::server::{BINARY, Server, exchange};
use crate::wait::wait_until;

/// Runs `fanfare drain` with these arguments.
fn drain(server: &Server, arguments: &[&str]) -> Output {
    let admin = format!("http://{}", server.admin_address());
    let mut command = Command::new(BINARY);
    command.args(["drain", "--admin", &admin]).args(arguments);
    command.output().expect("the binary runs")
}

/// Returns the output to stdout and stderr.
fn output_text(output: &Output) -> String {
    let both = [&output.stdout[..], &output.stderr[..]].concat();
    String::from_utf8(both).expect("UTF-8")
}

#[test]
fn exactly_the_share_is_closed_and_the_rest_is_served() {
    let server = Server::start(&["drain.dwell=1h"]);
    let mut clients: Vec<_> = (0..30)
        .map(|_| ProtocolClient::connect_subscribed(&server, &["a"]))
        .collect();
    let mut raws: Vec<_> = (0..10)
        .map(|_| RawSubscriber::connect(&server, &["a"]))
        .collect();
    server.await_metric("fanfare_connections", &[], 40);
    let started = Instant::now();
    let output = drain(&server, &["--share", "25%", "--period", "2s"]);
    assert!(output.status.success(), "{}", output_text(&output));
    assert!(output_text(&output).starts_with("moving 10 of 40 connections away over 2s"));
    assert_eq!(load(&server)["weight"], 1, "the weight is low at once");
    let mut new_client = ProtocolClient::connect_subscribed(&server, &["a"]);
    wait_until("5 closed connections", || {
        server.metric("fanfare_closed_total", &["shutdown"]) >= 5
    });
    let half = started.elapsed();
    assert!((600..1_500).contains(&half.as_millis()), "{half:?}");
    wait_until("10 closed connections", || {
        let load = load(&server);
        let drain = &load["drain"];
        drain["told"] == 10 && drain["stage"] == "dwelling"
    });
    assert_eq!(
        load(&server)["weight"],
        1,
        "the weight stays low after the drain"
    );
    Publisher::with_req(&server).send_and_wait("a", "7");
    let mut closed = 0;
    for client in &mut clients {
        match client.connection.read_within(Duration::from_secs(10)) {
            Some(Message::Close(frame)) => {
                assert_eq!(frame.map(|frame| u16::from(frame.code)), Some(3001));
                closed += 1;
            }
            other => assert!(matches!(other, Some(Message::Text(_))), "{other:?}"),
        }
    }
    for raw in &mut raws {
        match raw.next_message() {
            Message::Close(frame) => {
                assert_eq!(frame.map(|frame| u16::from(frame.code)), Some(3001));
                closed += 1;
            }
            other => assert_eq!(other, Message::text("7")),
        }
    }
    assert_eq!(closed, 10);
    assert_eq!(new_client.next_publication(), ("a".into(), json!(7)));
    assert!(server.health().contains("\"ok\""));
}

#[test]
fn a_second_drain_and_a_drain_during_a_shutdown_are_refused() {
    let mut server = Server::start(&["drain.period=1h"]);
    let _client = ProtocolClient::connect_subscribed(&server, &["a"]);
    let first = drain(&server, &["--share", "0.5", "--period", "1h"]);
    assert!(first.status.success());
    let second = drain(&server, &["--share", "0.5"]);
    assert_eq!(second.status.code(), Some(1));
    assert!(
        output_text(&second).contains("409"),
        "{}",
        output_text(&second)
    );
    server.signal("TERM");
    server.await_output("draining");
    let during_shutdown = drain(&server, &["--share", "0.5"]);
    assert!(
        output_text(&during_shutdown).contains("on its way out"),
        "{}",
        output_text(&during_shutdown)
    );
    server.assert_running();
}

#[test]
fn invalid_drain_requests_are_refused() {
    let server = Server::start(&[]);
    for arguments in [
        &["--share", "0"][..],
        &["--share", "20"],
        &["--share", "20%", "--period", "60"],
        &[],
    ] {
        let output = drain(&server, arguments);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}");
    }
    let status_of = |target: &str, header: &str| {
        let head = format!(
            "POST {target} HTTP/1.1\r\nHost: localhost\r\n{header}Connection: close\r\n\
             Content-Length: 0\r\n\r\n"
        );
        let response = exchange(server.admin_address(), head.as_bytes());
        response.split(' ').nth(1).expect("a status").to_owned()
    };
    assert_eq!(status_of("/drain", ""), "400");
    assert_eq!(status_of("/drain?share=2", ""), "400");
    assert_eq!(status_of("/drain?share=0.1&period=25h", ""), "400");
    assert_eq!(status_of("/drain?share=0.1&periods=1s", ""), "400");
    assert_eq!(
        status_of("/drain?share=0.1", "Origin: https://a.example\r\n"),
        "403"
    );
    assert_eq!(status_of("/drain?share=0.1&period=0s", ""), "202");
}
