//! A key set that an issuer publishes over HTTP, for clients of two shards.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::TcpListener;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use serde_json::{Value, json};

use crate::client::WebSocketConnection;

use crate::server::{Server, get};

fn fixtures() -> Value {
    serde_json::from_str(include_str!("../access/key_set.json")).unwrap()
}

/// Serves a key set. Returns its URL, and the number of requests.
fn issuer(key_set: &Value) -> (String, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/keys", listener.local_addr().unwrap());
    let requests = Arc::new(AtomicUsize::new(0));
    let (body, counted) = (key_set.to_string(), Arc::clone(&requests));
    thread::spawn(move || {
        while let Ok((mut socket, _)) = listener.accept() {
            let mut lines = BufReader::new(socket.try_clone().unwrap()).lines();
            while lines
                .next()
                .is_some_and(|line| line.is_ok_and(|line| !line.is_empty()))
            {}
            counted.fetch_add(1, Ordering::Relaxed);
            let length = body.len();
            let head = format!("HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: {length}");
            let _ = socket.write_all(format!("{head}\r\n\r\n{body}").as_bytes());
        }
    });
    (url, requests)
}

fn start(url: &str) -> Server {
    Server::start(&[
        &format!("auth.token.jwks_public_endpoint={url}"),
        "namespace.chat.allow_subscribe_for_client=true",
    ])
}

/// Requests a raw connection with a token of this algorithm. Fails with the status of a refusal.
fn connect(server: &Server, algorithm: &str) -> Result<WebSocketConnection, u16> {
    let tokens = &fixtures()["tokens"];
    let token = tokens[algorithm].as_str().unwrap();
    WebSocketConnection::try_connect(server, &format!("/raw?topic=chat:a&token={token}"))
}

#[test]
fn clients_connect_with_the_keys_of_an_issuer() {
    let (url, requests) = issuer(&fixtures()["key_set"]);
    let server = start(&url);
    let open: Vec<_> = ["RS256", "ES256", "ES384", "EdDSA", "PS512"]
        .iter()
        .cycle()
        .take(40)
        .map(|algorithm| connect(&server, algorithm).expect("the token is valid"))
        .collect();
    assert_eq!(open.len(), 40);
    assert_eq!(
        requests.load(Ordering::Relaxed),
        1,
        "all clients share a fetch"
    );
    server.await_metric("fanfare_tokens_total", &["valid"], 40);
    let fetches = |result| server.metric("fanfare_key_set_fetches_total", &[result]);
    assert_eq!((fetches("\"ok\""), fetches("\"timeout\"")), (1, 0));
    server.await_output("key set: fetched");
}

#[test]
fn without_the_issuer_clients_are_asked_to_come_back_later() {
    let (url, _) = issuer(&json!({"keys": []}));
    let server = start(&url);
    assert_eq!(connect(&server, "ES256").err(), Some(401));
    let server = start("http://127.0.0.1:1/keys");
    assert_eq!(connect(&server, "ES256").err(), Some(503));
    server.await_metric("fanfare_tokens_total", &["unverified"], 1);
    server.await_output("cannot connect");
    assert!(!server.output().contains("eyJ"), "no token is logged");
}

#[test]
fn the_metrics_of_a_hook_appear_with_its_endpoint() {
    let server = Server::start(&["hooks.rpc.endpoint=http://127.0.0.1:1/rpc?key=hunter2"]);
    let metrics = get(server.admin_address(), "/metrics");
    for line in [
        "fanfare_hook_calls_total{hook=\"rpc\",result=\"ok\"} 0",
        "fanfare_hook_calls_waiting{hook=\"rpc\"} 0",
        "fanfare_hook_calls_under_way{hook=\"rpc\"} 0",
        "fanfare_hook_duration_seconds_count{hook=\"rpc\"} 0",
        "fanfare_hook_duration_seconds_bucket{le=\"+Inf\",hook=\"rpc\"} 0",
        "fanfare_delivery_seconds_count 0",
        "fanfare_delivery_seconds_bucket{le=\"+Inf\"} 0",
    ] {
        assert!(metrics.lines().any(|it| it == line), "{line}: {metrics}");
    }
    assert!(!metrics.contains("hook=\"connect\""));
    assert!(!server.output().contains("hunter2"));
}
