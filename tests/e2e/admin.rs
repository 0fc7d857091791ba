//! The admin port: metrics, stats, publishing, and access.

use serde_json::Value;

use crate::client::ProtocolClient;
use crate::publisher::Publisher;
use crate::server::{Server, exchange};
use crate::wait::{wait_for, wait_until};

/// A server, and requests to its admin port.
struct AdminPort {
    server: Server,
}

impl AdminPort {
    fn start(settings: &[&str]) -> Self {
        Self {
            server: Server::start(settings),
        }
    }

    /// Sends a request, such as `GET /stats`, with these header lines. Returns the response.
    fn request(&self, request: &str, headers: &[&str], body: &str) -> String {
        let headers = headers.join("\r\n");
        let length = body.len();
        let head = format!(
            "{request} HTTP/1.1\r\nConnection: close\r\nContent-Length: {length}\r\n{headers}\r\n\r\n"
        );
        let address = self.server.admin_address();
        exchange(address, format!("{head}{body}").as_bytes())
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
        let response = self.get("/metrics");
        let mut sum = 0;
        for line in response.lines().filter(|line| line.starts_with(name)) {
            let value = line.rsplit(' ').next().unwrap();
            sum += value.parse::<u64>().unwrap();
        }
        sum
    }
}

/// Returns the status of an HTTP response.
fn status(response: &str) -> u16 {
    let code = response.split(' ').nth(1).expect("a status line");
    code.parse().unwrap()
}

#[test]
fn metrics_are_in_the_openmetrics_format_and_add_up() {
    let admin = AdminPort::start(&[]);
    let mut client = ProtocolClient::connect_subscribed(&admin.server, &["news"]);
    let publisher = Publisher::with_push(&admin.server);
    for number in 0..100 {
        publisher.send("news", number.to_string());
    }
    for _ in 0..100 {
        client.next_publication();
    }
    // Each thread publishes its own counters. Those of ingest may appear after those of the shard.
    wait_until("100 received and 100 written publications", || {
        let received = admin.metric("fanfare_received_total{socket=\"pull\"}");
        received == 100 && admin.metric("fanfare_written_total") == 100
    });
    let response = admin.get("/metrics");
    assert!(response.contains("content-type: application/openmetrics-text; version=1.0.0"));
    assert!(response.ends_with("# EOF\n"));
    assert_eq!(admin.metric("fanfare_matched_total"), 100);
    assert_eq!(admin.metric("fanfare_dropped_total"), 0);
    assert_eq!(admin.metric("fanfare_delivery_seconds_count"), 100);
}

#[test]
fn stats_contain_counters_and_quantiles() {
    let admin = AdminPort::start(&[]);
    let mut client = ProtocolClient::connect_subscribed(&admin.server, &["news"]);
    assert_eq!(
        status(&admin.publish(r#"{"channel":"news","data":1}"#)),
        200
    );
    client.next_publication();
    let stats = wait_for("a counted delivery", || {
        let response = admin.get("/stats");
        let (_, body) = response.split_once("\r\n\r\n").unwrap();
        let stats: Value = serde_json::from_str(body).unwrap();
        // Each thread publishes its own counters. Those of ingest may appear after those of the
        // shard.
        let is_received = stats["ingest"]["received"]["admin"] == 1;
        let is_written = stats["total"]["written"] == 1;
        (is_received && is_written).then_some(stats)
    });
    assert_eq!(stats["total"]["delivery_us"]["count"], 1);
    assert_eq!(stats["shards"].as_array().unwrap().len(), 2);
    assert_eq!(stats["total"]["dropped"]["slow"], 0);
}

#[test]
fn a_publication_over_http_is_delivered_or_refused_with_the_reason() {
    let admin = AdminPort::start(&[
        "namespace.notes.payload=text",
        "namespace.bytes.payload=binary",
    ]);
    let mut client =
        ProtocolClient::connect_subscribed(&admin.server, &["news", "notes:a", "bytes:a"]);
    for (body, data) in [
        (
            r#"{"channel":"news","data":{"a": [1, 2]}}"#,
            r#"{"a":[1,2]}"#,
        ),
        (r#"{"channel":"news","data":null}"#, "null"),
        (r#"{"channel":"notes:a","text":"ünï"}"#, r#""ünï""#),
        (r#"{"channel":"bytes:a","b64data":"AAEC"}"#, r#""AAEC""#),
    ] {
        assert_eq!(status(&admin.publish(body)), 200, "{body}");
        assert_eq!(client.next_publication().1.to_string(), data);
    }
    let publisher = Publisher::with_push(&admin.server);
    publisher.send("news", "null");
    let (_, data) = client.next_publication();
    assert_eq!(data, Value::Null, "PUSH takes it, too");
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
        (
            r#"{"channel":1,"data":1}"#,
            422,
            "`channel` must be a string",
        ),
        (r#"{"data":1}"#, 422, "`channel` is missing"),
        (
            r#"{"topic":"news","channel":"news","data":1}"#,
            422,
            "remove one",
        ),
        (
            r#"{"channel":"news","data":1,"payload":1}"#,
            400,
            "exactly one",
        ),
    ] {
        let response = admin.publish(body);
        assert_eq!(status(&response), code, "{body}: {response}");
        assert!(response.contains(word), "{body}: {response}");
    }
}

#[test]
fn a_web_page_cannot_publish_drain_or_call_the_server_api() {
    let admin = AdminPort::start(&["admin.api_keys=key"]);
    let body = r#"{"channel":"news","data":1}"#;
    for kind in [
        // Browsers send these types without asking the server first, and name the site of the page.
        "Content-Type: text/plain",
        "Content-Type: application/x-www-form-urlencoded",
        "Content-Type: multipart/form-data; boundary=b",
        "Content-Type: application/jsonp",
        "Accept: */*",
        // A page of the same site, as after DNS rebinding, may send this one.
        "Content-Type: application/json",
    ] {
        for site in [
            "Origin: http://localhost:3000",
            "Origin: http://localhost",
            "Origin: null",
            "Sec-Fetch-Site: cross-site",
            "Sec-Fetch-Site: same-site",
        ] {
            let headers = ["Host: localhost", "X-API-Key: key", kind, site];
            for target in ["/publish", "/api/publish", "/api", "/drain?share=20%25"] {
                let response = admin.request(&format!("POST {target}"), &headers, body);
                assert_eq!(status(&response), 403, "{target} {headers:?}");
                assert!(response.contains("web pages may not"), "{response}");
            }
        }
    }
    // The permission that a browser asks for before it sends JSON to another site.
    let preflight = ["Host: localhost", "Origin: http://localhost:3000"];
    let response = admin.request("OPTIONS /publish", &preflight, "");
    assert!(!response.to_lowercase().contains("access-control-allow"));
    assert_eq!(status(&response), 403);
    // The header of a request after DNS rebinding.
    let rebound = ["Host: example.com", "Content-Type: application/json"];
    for target in ["POST /publish", "POST /drain?share=20%25", "GET /stats"] {
        assert_eq!(status(&admin.request(target, &rebound, body)), 421);
    }
    assert_eq!(admin.metric("fanfare_received_total"), 0);
}

#[test]
fn the_type_of_the_body_does_not_matter_outside_of_browsers() {
    let admin = AdminPort::start(&[]);
    let mut client = ProtocolClient::connect_subscribed(&admin.server, &["news"]);
    for (number, kind) in [
        "Content-Type: application/x-www-form-urlencoded", // curl -d, urllib
        "Content-Type: text/plain;charset=UTF-8",          // fetch of Node
        "Content-Type: application/json; charset=utf-8",
        "Accept: */*", // No type at all.
    ]
    .into_iter()
    .enumerate()
    {
        let body = format!(r#"{{"topic":"news","payload":{number}}}"#);
        let response = admin.request("POST /publish", &["Host: localhost", kind], &body);
        assert_eq!(status(&response), 200, "{kind}: {response}");
        assert_eq!(client.next_publication().1, number);
    }
}

#[test]
fn the_root_of_both_ports_lists_their_paths() {
    let admin = AdminPort::start(&[]);
    let response = admin.get("/");
    assert_eq!(status(&response), 200);
    let (_, index) = response.split_once("\r\n\r\n").unwrap();
    let lines = index.lines().filter_map(|line| line.split_once(" /"));
    let mut paths = 0;
    for (method, rest) in lines {
        let path = rest.split(' ').next().unwrap();
        let request = format!("{} /{path}", method.trim());
        let response = admin.request(&request, &["Host: localhost"], "");
        // POST without a body or a query is refused, but not as unknown.
        assert!(
            ![404, 405].contains(&status(&response)),
            "{request}: {response}"
        );
        paths += 1;
    }
    assert_eq!(paths, 8, "{index}");

    let request = b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n";
    let response = exchange(admin.server.ws_address(), request);
    assert_eq!(
        status(&response),
        404,
        "a load balancer must not take it for health"
    );
    for path in ["/connection/websocket", "/raw?topic=NAME", "/health"] {
        assert!(response.contains(path), "{response}");
    }
    assert_eq!(admin.metric("fanfare_refused_total"), 0);
}

#[test]
fn unknown_paths_methods_and_large_bodies_are_refused() {
    let admin = AdminPort::start(&["ingest.max_payload=3000"]);
    assert_eq!(status(&admin.get("/nothing")), 404);
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
fn an_unknown_path_and_a_wrong_method_are_answered_with_the_way_to_the_index() {
    let admin = AdminPort::start(&[]);
    for (request, expected, allowed, named) in [
        ("GET /metric?a=b", 404, None, "/metric "),
        ("POST /nothing", 404, None, "/nothing "),
        ("GET /publish", 405, Some("POST"), "/publish has no GET"),
        (
            "POST /metrics",
            405,
            Some("GET,HEAD"),
            "/metrics has no POST",
        ),
        ("DELETE /drain", 405, Some("POST"), "/drain has no DELETE"),
    ] {
        let response = admin.request(request, &["Host: localhost"], "");
        assert_eq!(status(&response), expected, "{response}");
        let (head, body) = response.split_once("\r\n\r\n").unwrap();
        assert!(
            body.contains(named) && body.contains("GET / lists"),
            "{body}"
        );
        let mut lines = head.lines();
        assert!(lines.any(|line| line == "content-type: text/plain; charset=utf-8"));
        let allow = head.lines().find_map(|line| line.strip_prefix("allow: "));
        assert_eq!(allow, allowed, "{head}");
    }
    for (request, expected) in [("HEAD /nothing", 404), ("HEAD /publish", 405)] {
        let response = admin.request(request, &["Host: localhost"], "");
        assert_eq!(status(&response), expected, "{response}");
        assert!(response.ends_with("\r\n\r\n"), "{response}");
    }
}

#[test]
fn requests_need_the_token_if_one_is_configured() {
    let admin = AdminPort::start(&["admin.token=secret"]);
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
