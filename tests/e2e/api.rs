//! The server API on the admin port. The SDKs for it run in tests/clients.

use serde_json::{Value, json};

use crate::client::{ProtocolClient, RawSubscriber};
use crate::configured::ConfiguredServer;
use crate::server::{Server, exchange};
use crate::wait::{wait_for, wait_until};

/// Sends a request with these header lines. Returns the status and the body.
fn request(server: &Server, line: &str, headers: &str, body: &str) -> (u16, String) {
    let length = body.len();
    let head = format!(
        "{line} HTTP/1.1\r\nHost: fanfare.example\r\nConnection: close\r\n\
         Content-Length: {length}\r\n{headers}\r\n"
    );
    let response = exchange(server.admin_address(), format!("{head}{body}").as_bytes());
    let (head, body) = response.split_once("\r\n\r\n").expect("a response");
    let status = head.split(' ').nth(1).expect("a status line");
    (status.parse().unwrap(), body.to_owned())
}

/// Calls a method with the key `key`, and returns the JSON in the answer.
fn call(server: &Server, method: &str, parameters: &Value) -> Value {
    let target = format!("POST /api/{method}");
    let (status, body) = request(
        server,
        &target,
        "X-API-Key: key\r\n",
        &parameters.to_string(),
    );
    assert_eq!(status, 200, "{body}");
    serde_json::from_str(&body).unwrap()
}

fn start() -> Server {
    Server::start(&["admin.api_keys=key", "namespace.bytes.payload=binary"])
}

#[test]
fn publications_and_broadcasts_are_delivered_and_answered_per_channel() {
    let server = start();
    let channels = ["news", "bytes:a", "other"];
    let mut client = ProtocolClient::connect_subscribed(&server, &channels);
    let published = json!({"result": {}});
    let parameters = json!({
        "channel": "news", "data": {"a": 1}, "skip_history": true, "tags": {"a": "b"},
        "idempotency_key": "1",
    });
    assert_eq!(call(&server, "publish", &parameters), published);
    assert_eq!(client.next_publication().1, json!({"a": 1}));
    let parameters = json!({"channel": "news", "b64data": "WzEsMl0="});
    assert_eq!(call(&server, "publish", &parameters), published);
    assert_eq!(client.next_publication().1, json!([1, 2]));
    let wrong = json!({"channel": "news", "b64data": "/w=="});
    let answer = call(&server, "publish", &wrong);
    assert_eq!(answer["error"]["code"], 107);
    let message = answer["error"]["message"].as_str().unwrap();
    assert!(message.starts_with("bad request: "), "{message}");
    let answer = call(&server, "publish", &json!({"channel": "news"}));
    assert_eq!(answer["error"]["code"], 107);
    let parameters = json!({"channels": ["news", "", "other"], "data": "x"});
    let answer = call(&server, "broadcast", &parameters);
    let responses = answer["result"]["responses"].as_array().unwrap();
    let codes: Vec<_> = responses
        .iter()
        .map(|it| it["error"]["code"].as_u64())
        .collect();
    assert_eq!(codes, [None, Some(107), None]);
    for channel in ["news", "other"] {
        assert_eq!(client.next_publication(), (channel.to_owned(), json!("x")));
    }
    let many: Vec<_> = (0..1_000).map(|number| format!("many:{number}")).collect();
    let answer = call(&server, "broadcast", &json!({"channels": many, "data": 1}));
    assert_eq!(answer["result"]["responses"], json!(vec![published; 1_000]));
    server.await_metric("fanfare_received_total", &["admin"], 3 + 3 + 1_000);
    server.assert_accounted();
}

#[test]
fn batches_are_carried_out_in_order_in_both_forms() {
    let server = start();
    let mut client = ProtocolClient::connect_subscribed(&server, &["news"]);
    let commands = json!({"parallel": true, "commands": [
        {"publish": {"channel": "news", "data": 1}},
        {"presence": {"channel": "news"}},
        {"unheard_of": {}},
        {"publish": {"channel": "news", "data": 2}, "info": {}},
        {"broadcast": {"channels": ["news"], "data": 3}},
        {"channels": {}},
        {"channels": {}},
    ]});
    let replies = &call(&server, "batch", &commands)["replies"];
    let codes: Vec<_> = (0..7)
        .map(|it| replies[it]["error"]["code"].as_u64())
        .collect();
    let expected = [None, Some(108), Some(104), Some(107), None, None, Some(106)];
    assert_eq!(codes, expected, "{replies}");
    assert_eq!(replies[0], json!({"publish": {}}));
    assert_eq!(
        replies[4],
        json!({"broadcast": {"responses": [{"result": {}}]}})
    );
    assert_eq!(replies[5]["channels"]["channels"]["news"]["num_clients"], 1);
    let lines = "{\"method\":\"publish\",\"params\":{\"channel\":\"news\",\"data\":4}}\n\
                 {\"method\":\"history\",\"params\":{}}{\"method\":\"info\"}\n[]\n";
    let (status, body) = request(&server, "POST /api", "Authorization: apikey key\r\n", lines);
    assert_eq!(status, 200);
    let answers: Vec<Value> = body
        .split('\n')
        .map(|it| serde_json::from_str(it).unwrap())
        .collect();
    assert_eq!(answers[0], json!({"result": {}}));
    assert_eq!(answers[1]["error"]["code"], 108);
    assert_eq!(answers[2]["result"]["nodes"].as_array().unwrap().len(), 1);
    assert_eq!(
        (answers.len(), &answers[3]["error"]["code"]),
        (4, &json!(107))
    );
    for number in [1, 3, 4] {
        assert_eq!(client.next_publication().1, number);
    }
    for body in ["", "{", "{\"method\":\"publish\"} x"] {
        let answer = request(&server, "POST /api?api_key=key", "", body);
        let error: Value = serde_json::from_str(&answer.1).unwrap();
        assert_eq!(
            (answer.0, &error["error"]["code"]),
            (200, &json!(107)),
            "{body}"
        );
    }
    let many = json!({"commands": vec![json!({}); 10_001]});
    assert_eq!(call(&server, "batch", &many)["error"]["code"], 106);
    let many = "{}".repeat(10_001);
    let (_, body) = request(&server, "POST /api?api_key=key", "", &many);
    let error: Value = serde_json::from_str(&body).unwrap();
    assert_eq!(error["error"]["code"], 106);
}

#[test]
fn channels_and_info_count_the_clients_of_all_shards() {
    let server = start();
    assert_eq!(
        call(&server, "channels", &json!({})),
        json!({"result": {"channels": {}}})
    );
    // The connections are on both shards: they spread by a hash of their addresses.
    let clients: Vec<_> = (0..16)
        .map(|_| ProtocolClient::connect_subscribed(&server, &["news:a", "é"]))
        .collect();
    let raw = RawSubscriber::connect(&server, &["news:b"]);
    let sixteen = json!({"num_clients": 16});
    let one = json!({"num_clients": 1});
    for (pattern, expected) in [
        (
            json!({}),
            json!({"news:a": sixteen, "news:b": one, "é": sixteen}),
        ),
        (
            json!({"pattern": "news:*"}),
            json!({"news:a": sixteen, "news:b": one}),
        ),
        (json!({"pattern": "?"}), json!({"é": sixteen})),
        (json!({"pattern": "new"}), json!({})),
    ] {
        let found = call(&server, "channels", &pattern);
        assert_eq!(
            found,
            json!({"result": {"channels": expected}}),
            "{pattern}"
        );
    }
    let node = wait_for("the counts of both shards", || {
        let node = call(&server, "info", &json!({}))["result"]["nodes"][0].clone();
        (node["num_clients"] == 17).then_some(node)
    });
    assert_eq!(
        (&node["num_subs"], &node["num_users"]),
        (&json!(33), &json!(0))
    );
    assert_eq!(node["version"], env!("CARGO_PKG_VERSION"));
    let again = call(&server, "info", &json!(null))["result"]["nodes"][0].clone();
    assert_eq!(
        (&again["uid"], &again["name"]),
        (&node["uid"], &node["name"])
    );
    drop((clients, raw));
    wait_until("the end of all subscriptions", || {
        call(&server, "channels", &json!({})) == json!({"result": {"channels": {}}})
    });
}

#[test]
fn a_request_needs_a_key_and_a_key_gives_nothing_but_the_api() {
    let server = Server::start(&["admin.api_keys=key", "admin.token=token"]);
    let body = r#"{"channel":"news","data":1}"#;
    for (line, headers, expected) in [
        ("POST /api/publish", "X-API-Key: key\r\n", 200),
        ("POST /api/publish", "Authorization: apikey key\r\n", 200),
        ("POST /api/publish?api_key=key", "", 200),
        ("POST /api/publish", "", 401),
        ("POST /api/publish", "X-API-Key: other\r\n", 401),
        ("POST /api/publish", "Authorization: Bearer token\r\n", 401),
        ("POST /api/nothing", "X-API-Key: other\r\n", 401),
        ("POST /api/nothing", "X-API-Key: key\r\n", 404),
        ("POST /api/publish/x", "X-API-Key: key\r\n", 404),
        ("GET /api/publish", "X-API-Key: key\r\n", 405),
        ("POST /publish", "X-API-Key: key\r\n", 401),
        ("POST /publish?api_key=key", "", 401),
        ("GET /metrics", "X-API-Key: key\r\n", 401),
    ] {
        let (status, text) = request(&server, line, headers, body);
        assert_eq!(status, expected, "{line} {headers}{text}");
    }
}

#[test]
fn a_reload_changes_the_keys_and_without_keys_the_api_is_off() {
    let configured = ConfiguredServer::start("");
    let server = &configured.server;
    let status = |key: &str| {
        let header = format!("X-API-Key: {key}\r\n");
        request(server, "POST /api/info", &header, "{}")
    };
    let (code, text) = status("");
    assert_eq!(code, 401);
    assert!(text.contains("admin.api_keys"), "{text}");
    let client = ProtocolClient::connect_subscribed(server, &["news"]);
    configured.reload("admin.api_keys = [\"first-key\", \"second-key\"]\n");
    wait_until("the new keys", || status("first-key").0 == 200);
    assert_eq!((status("second-key").0, status("third-key").0), (200, 401));
    configured.reload("admin.api_keys = [\"second-key\"]\n");
    wait_until("the end of a key", || status("first-key").0 == 401);
    assert_eq!(status("second-key").0, 200);
    let output = server.output();
    assert!(output.contains("changed=admin.api_keys"), "{output}");
    assert!(!output.contains("second-key"), "{output}");
    drop(client);
    assert_eq!(server.metric("fanfare_upgraded_total", &[]), 1);
}
