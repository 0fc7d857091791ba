//! The admin port: its responses, and the access to it.

use std::net::SocketAddr;

use serde_json::Value;

use super::client::Client;
use super::publisher::Publisher;
use super::server::{Ports, Server, exchange};
use super::wait::until;

struct Admin {
    server: Server,
    address: SocketAddr,
}

impl Admin {
    fn start(settings: &[&str]) -> Self {
        let ports = Ports::free();
        let address = SocketAddr::from(([127, 0, 0, 1], ports.admin));
        let listen = format!("admin.listen={address}");
        let settings: Vec<&str> = settings.iter().copied().chain([listen.as_str()]).collect();
        Self {
            server: Server::start_on(ports, &settings),
            address,
        }
    }

    /// Returns the complete response to a request. `headers` are additional header lines.
    fn request(&self, request: &str, headers: &[&str], body: &str) -> String {
        let headers = headers.join("\r\n");
        let length = body.len();
        let head = format!(
            "{request} HTTP/1.1\r\nConnection: close\r\nContent-Length: {length}\r\n{headers}\r\n\r\n"
        );
        exchange(self.address, format!("{head}{body}").as_bytes())
    }

    fn get(&self, path: &str) -> String {
        self.request(&format!("GET {path}"), &["Host: localhost:8001"], "")
    }

    fn publish(&self, body: &str) -> String {
        let headers = ["Host: 127.0.0.1", "Content-Type: application/json"];
        self.request("POST /publish", &headers, body)
    }

    /// Returns the sum of a metric over all shards and labels.
    fn metric(&self, name: &str) -> u64 {
        let lines = self.get("/metrics");
        let values = lines.lines().filter(|line| line.starts_with(name));
        values
            .map(|line| line.rsplit(' ').next().unwrap().parse::<u64>().unwrap())
            .sum()
    }
}

fn status(answer: &str) -> u16 {
    let code = answer.split(' ').nth(1).expect("a status line");
    code.parse().unwrap()
}

#[test]
fn metrics_are_openmetrics_and_add_up() {
    let admin = Admin::start(&[]);
    let mut client = Client::subscribed(&admin.server, &["news"]);
    let publisher = Publisher::push(&admin.server);
    for number in 0..100 {
        publisher.send("news", number.to_string());
    }
    for _ in 0..100 {
        client.next();
    }
    // Each thread publishes its own counters, so those of ingest may be updated later than those of
    // the shard.
    until("the counters of received and written publications", || {
        let received = admin.metric("fanfare_received_total{socket=\"pull\"}");
        (received == 100 && admin.metric("fanfare_written_total") == 100).then_some(())
    });
    let answer = admin.get("/metrics");
    assert!(answer.contains("content-type: application/openmetrics-text; version=1.0.0"));
    assert!(answer.ends_with("# EOF\n"));
    assert_eq!(admin.metric("fanfare_matched_total"), 100);
    assert_eq!(admin.metric("fanfare_dropped_total"), 0);
    assert_eq!(admin.metric("fanfare_delivery_seconds_count"), 100);
}

#[test]
fn stats_contain_the_counters_and_quantiles() {
    let admin = Admin::start(&[]);
    let mut client = Client::subscribed(&admin.server, &["news"]);
    assert_eq!(
        status(&admin.publish(r#"{"channel":"news","data":1}"#)),
        200
    );
    client.next();
    let stats = until("the counter of the delivery", || {
        let answer = admin.get("/stats");
        let (_, body) = answer.split_once("\r\n\r\n").unwrap();
        let stats: Value = serde_json::from_str(body).unwrap();
        // Each thread publishes its own counters, so those of ingest may be updated later than
        // those of the shard.
        let received = stats["ingest"]["received"]["admin"] == 1;
        (received && stats["total"]["written"] == 1).then_some(stats)
    });
    assert_eq!(stats["total"]["delivery_us"]["count"], 1);
    assert_eq!(stats["shards"].as_array().unwrap().len(), 2);
    assert_eq!(stats["total"]["dropped"]["slow"], 0);
}

#[test]
fn a_publication_over_http_reaches_subscribers_or_is_refused_with_a_reason() {
    let admin = Admin::start(&[
        "namespace.notes.payload=text",
        "namespace.bytes.payload=binary",
    ]);
    let mut client = Client::subscribed(&admin.server, &["news", "notes:a", "bytes:a"]);
    for (body, data) in [
        (
            r#"{"channel":"news","data":{"a": [1, 2]}}"#,
            r#"{"a":[1,2]}"#,
        ),
        (r#"{"channel":"notes:a","text":"ünï"}"#, r#""ünï""#),
        (r#"{"channel":"bytes:a","b64data":"AAEC"}"#, r#""AAEC""#),
    ] {
        assert_eq!(status(&admin.publish(body)), 200, "{body}");
        assert_eq!(client.next().1.to_string(), data);
    }
    for (body, code, word) in [
        (r#"{"channel":"","data":1}"#, 400, "topic_empty"),
        (
            r#"{"channel":"news","text":"no json"}"#,
            400,
            "payload_not_json",
        ),
        (r#"{"channel":"news"}"#, 400, "exactly one"),
        (
            r#"{"channel":"news","data":1,"text":"a"}"#,
            400,
            "exactly one",
        ),
        (r#"{"channel":"news","b64data":"%"}"#, 400, "base64"),
        ("{", 400, ""),
        (r#"{"channel":1,"data":1}"#, 422, ""),
    ] {
        let answer = admin.publish(body);
        assert_eq!(status(&answer), code, "{body}: {answer}");
        assert!(answer.contains(word), "{body}: {answer}");
    }
}

#[test]
fn a_web_page_cannot_publish() {
    let admin = Admin::start(&[]);
    let body = r#"{"channel":"news","data":1}"#;
    let plain = ["Host: localhost", "Content-Type: text/plain"];
    assert_eq!(status(&admin.request("POST /publish", &plain, body)), 415);
    let rebound = ["Host: example.com", "Content-Type: application/json"];
    assert_eq!(status(&admin.request("POST /publish", &rebound, body)), 421);
    assert_eq!(admin.metric("fanfare_received_total"), 0);
}

#[test]
fn other_paths_and_methods_are_refused() {
    let admin = Admin::start(&["ingest.max_payload=3000"]);
    assert_eq!(status(&admin.get("/")), 404);
    assert_eq!(status(&admin.get("/publish")), 405);
    assert_eq!(
        status(&admin.request("POST /metrics", &["Host: localhost"], "")),
        405
    );
    let body = format!(
        r#"{{"channel":"news","text":"{}"}}"#,
        "x".repeat(9 * 1024 * 1024)
    );
    assert_eq!(status(&admin.publish(&body)), 413);
    assert!(admin.get("/health").ends_with(r#""status":"ok"}"#));
}

#[test]
fn a_configured_token_is_required() {
    let admin = Admin::start(&["admin.token=secret"]);
    let status_with = |headers: &[&str]| status(&admin.request("GET /metrics", headers, ""));
    assert_eq!(status_with(&["Host: localhost"]), 401);
    assert_eq!(
        status_with(&["Host: localhost", "Authorization: Bearer wrong!"]),
        401
    );
    assert_eq!(
        status_with(&["Host: localhost", "Authorization: Bearer secret"]),
        200
    );
}
