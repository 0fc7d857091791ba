//! Hooks of a back end over HTTP, with a real server, a real back end and real clients.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::client::ProtocolClient;
use crate::configured::ConfiguredServer;
use crate::hook_server::{Call, HookServer};
use crate::publisher::Publisher;
use crate::wait::wait_until;

/// Returns the answer of a back end that accepts everything.
fn accept(call: &Call) -> (u16, Value) {
    let result = match call.path.as_str() {
        "/connect" => {
            json!({"user": "42", "data": {"n": 1}, "channels": ["mine"], "meta": {"m": 1}})
        }
        "/publish" => json!({"data": {"checked": call.body["data"]}}),
        "/rpc" => json!({"data": call.body["method"]}),
        _ => json!({}),
    };
    (200, json!({ "result": result }))
}

const NAMESPACE: &str = "[[namespace]]\nname = \"\"\nsubscribe_hook = true\npublish_hook = true\n";

/// Starts a server that asks these hooks of a back end.
fn start(back_end: &HookServer, hooks: &[&str], settings: &str) -> ConfiguredServer {
    let endpoints: String = hooks.iter().map(|hook| back_end.endpoint(hook)).collect();
    ConfiguredServer::start(&format!("{settings}\n{endpoints}{NAMESPACE}"))
}

const ALL: [&str; 4] = ["connect", "subscribe", "publish", "rpc"];

#[test]
fn a_back_end_decides_about_the_commands_of_a_client() {
    let back_end = HookServer::start(accept);
    let settings = "[hooks]\nstatic_headers = [\"X-Key: k\"]\n";
    let server = start(&back_end, &ALL, settings);
    let mut client = ProtocolClient::open(&server.server);
    let reply = client.command("connect", &json!({"data": {"from": "client"}}));
    assert_eq!(reply["connect"]["data"], json!({"n": 1}));
    assert_eq!(reply["connect"]["subs"], json!({"mine": {}}));
    client.subscribe("news");
    let publication = json!({"channel": "news", "data": [7]});
    let reply = client.command("publish", &publication);
    assert!(reply["publish"].is_object(), "{reply}");
    let published = ("news".to_owned(), json!({"checked": [7]}));
    assert_eq!(client.next_publication(), published);
    let reply = client.command("rpc", &json!({"method": "sum"}));
    assert_eq!(reply["rpc"]["data"], "sum");
    let push = Publisher::with_push(&server.server);
    push.send("mine", "1");
    assert_eq!(client.next_publication(), ("mine".to_owned(), json!(1)));

    let calls = back_end.calls();
    let paths: Vec<_> = calls.iter().map(|call| call.path.as_str()).collect();
    assert_eq!(paths, ["/connect", "/subscribe", "/publish", "/rpc"]);
    assert_eq!(calls[0].body["data"], json!({"from": "client"}));
    for call in &calls[1..] {
        assert_eq!(
            (&call.body["user"], &call.body["meta"]),
            (&json!("42"), &json!({"m": 1}))
        );
    }
    for call in &calls {
        assert!(call.headers.contains(&"x-key: k".to_owned()), "{call:?}");
        assert!(
            call.headers
                .contains(&"content-type: application/json".to_owned())
        );
    }
    let answers = server
        .server
        .metric("fanfare_hook_answers_total", &["result"]);
    assert_eq!(answers, 4);
}

#[test]
fn errors_disconnects_and_statuses_reach_the_client() {
    let back_end = HookServer::start(|call| match (&*call.path, &call.body["method"]) {
        ("/rpc", Value::String(method)) if method == "error" => {
            (200, json!({"error": {"code": 1000, "message": "no"}}))
        }
        ("/rpc", Value::String(method)) if method == "status" => (404, json!("not JSON")),
        ("/rpc", Value::String(method)) if method == "broken" => (500, json!({"result": {}})),
        ("/rpc", _) => (200, json!({"disconnect": {"code": 4501, "reason": "bye"}})),
        _ => accept(call),
    });
    let settings = "[hooks]\nstatus_to_code = [\"404 error 1404 not found\"]\n";
    let server = start(&back_end, &ALL, settings);
    let mut client = ProtocolClient::connect(&server.server);
    let mut error = |method: &str| {
        let reply = client.command("rpc", &json!({ "method": method }));
        reply["error"]["code"].as_u64()
    };
    assert_eq!(error("error"), Some(1000));
    assert_eq!(error("status"), Some(1404));
    assert_eq!(error("broken"), Some(100));
    server
        .server
        .await_output("the hook responded with status 500");
    let command = json!({"id": 9, "rpc": {}}).to_string();
    client.connection.send(tungstenite::Message::text(command));
    assert_eq!(client.connection.read_close_code(), Some(4501));
}

#[test]
fn a_hook_that_does_not_respond_delays_only_those_who_asked() {
    let back_end = HookServer::start(|call| {
        if call.path == "/rpc" {
            std::thread::sleep(Duration::from_secs(30));
        }
        accept(call)
    });
    let server = start(&back_end, &ALL, "[hooks]\ntimeout = \"2s\"\n");
    let mut waiting = ProtocolClient::connect(&server.server);
    let mut other = ProtocolClient::connect_subscribed(&server.server, &["news"]);
    let commands = "{\"id\":8,\"rpc\":{}}\n{\"id\":9,\"ping\":{}}";
    waiting
        .connection
        .send(tungstenite::Message::text(commands));
    wait_until("the call", || {
        back_end.calls().iter().any(|call| call.path == "/rpc")
    });
    let began = Instant::now();
    other.command("ping", &json!({}));
    other.command("publish", &json!({"channel": "news", "data": 1}));
    assert!(other.next_publication().1["checked"] == 1);
    assert!(
        began.elapsed() < Duration::from_millis(1500),
        "no other client waits"
    );
    // The command fails, and the one behind it is executed.
    let reply = waiting.connection.read_within(Duration::from_secs(10));
    let Some(tungstenite::Message::Text(text)) = reply else {
        panic!("not a text message: {reply:?}");
    };
    let lines: Vec<Value> = text
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(
        (&lines[0]["id"], &lines[0]["error"]["code"]),
        (&json!(8), &json!(100))
    );
    assert_eq!(lines[1], json!({"id": 9, "ping": {}}));
    let failed = server
        .server
        .metric("fanfare_hook_answers_total", &["failed"]);
    assert_eq!(failed, 1);
}

#[test]
fn the_server_extends_a_connection_until_the_back_end_ends_it() {
    let unix_s = || {
        let now = std::time::SystemTime::now();
        now.duration_since(std::time::UNIX_EPOCH).unwrap().as_secs()
    };
    let asked = std::sync::atomic::AtomicU32::new(0);
    let back_end = HookServer::start(move |call| {
        let result = match call.path.as_str() {
            "/connect" => json!({"user": "42", "expire_at": unix_s() + 2}),
            "/refresh" => match asked.fetch_add(1, std::sync::atomic::Ordering::Relaxed) {
                0 => json!({"expire_at": unix_s() + 2}),
                _ => json!({"expired": true}),
            },
            _ => json!({}),
        };
        (200, json!({ "result": result }))
    });
    let server = start(
        &back_end,
        &["connect", "refresh", "subscribe", "publish"],
        "",
    );
    let mut client = ProtocolClient::open(&server.server);
    let reply = client.command("connect", &json!({}));
    assert_eq!(reply["connect"].get("expires"), None);
    assert_eq!(client.connection.read_close_code(), Some(3005));
    let calls = back_end.calls();
    let paths: Vec<_> = calls.iter().map(|call| call.path.as_str()).collect();
    assert_eq!(paths, ["/connect", "/refresh", "/refresh"]);
    assert_eq!(calls[1].body["user"], "42");
}
