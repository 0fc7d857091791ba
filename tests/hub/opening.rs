//! From an accepted socket to a WebSocket: paths, limits, request heads and frames that follow them
//! at once.

use fanfare::limits::HANDSHAKE_BYTES;
use fanfare::observe::Health;

use crate::harness::{CloseKind, HubHarness};
use crate::upstream::{config, push};
use crate::wire::{self, ServerFrame, text_frame, upgrade_request};

const CLIENT: &str = "/connection/websocket";
const HEALTH_REQUEST: &[u8] = b"GET /health HTTP/1.1\r\nHost: example.org\r\n\r\n";

#[test]
fn each_path_has_its_own_response() {
    let mut harness = HubHarness::new(config());
    let cases = [
        (CLIENT, 101),
        ("/raw?topic=a", 101),
        ("/raw", 400),
        ("/raw?topic=", 400),
        ("/raw?topic=a%00", 400),
        ("/echo", 404),
        ("/nowhere", 404),
        ("/health", 200),
    ];
    for (target, status) in cases {
        assert_eq!(harness.request_upgrade(target).1, status, "{target}");
    }
    let counts = harness.counts();
    assert_eq!((counts.accepted, counts.upgraded), (8, 2));
    assert_eq!(counts.refused_request, 5);
}

#[test]
fn a_request_without_an_upgrade_gets_426() {
    let mut harness = HubHarness::new(config());
    let id = harness.accept();
    harness.send_bytes(
        id,
        b"GET /connection/websocket HTTP/1.1\r\nHost: example.org\r\n\r\n",
    );
    assert_eq!(harness.read_response(id).0, 426);
    assert!(harness.socket(id).is_write_shut_down);
}

#[test]
fn a_foreign_origin_is_refused_and_counted() {
    let mut harness = HubHarness::new(config());
    let id = harness.accept();
    let head = String::from_utf8(upgrade_request(CLIENT)).unwrap();
    let head = head.replace("Host:", "Origin: https://evil.example\r\nHost:");
    harness.send_bytes(id, head.as_bytes());
    assert_eq!(harness.read_response(id).0, 403);
    assert_eq!(harness.counts().refused_origin, 1);
    assert_eq!(harness.upstream.state().connections_by_codec, [0; 3]);
}

#[test]
fn frames_may_follow_the_request_head_at_once() {
    let mut stream = upgrade_request(CLIENT);
    stream.extend(text_frame(
        "{\"id\":1,\"connect\":{}}\n{\"id\":2,\"subscribe\":{\"channel\":\"a\"}}",
    ));
    for cut in 0..=stream.len() {
        let mut harness = HubHarness::new(config());
        let id = harness.accept();
        harness.send_bytes(id, &stream[..cut]);
        harness.send_bytes(id, &stream[cut..]);
        assert_eq!(harness.read_response(id).0, 101);
        let texts = harness.read_texts(id);
        assert_eq!(texts.len(), 1, "cut at {cut}");
        assert!(
            texts[0].starts_with(r#"{"id":1,"connect":{"client":""#),
            "{texts:?}"
        );
        assert!(
            texts[0].ends_with("\n{\"id\":2,\"subscribe\":{}}"),
            "{texts:?}"
        );
    }
}

#[test]
fn the_reply_to_connect_contains_client_id_and_ping_interval() {
    let mut harness = HubHarness::new(config());
    let mut clients = Vec::new();
    for _ in 0..2 {
        let id = harness.open_websocket(CLIENT);
        harness.send_text(id, r#"{"id":1,"connect":{}}"#);
        let reply: serde_json::Value = serde_json::from_str(&harness.read_texts(id)[0]).unwrap();
        assert_eq!(reply["connect"]["ping"], 25);
        assert_eq!(reply["connect"]["pong"], true);
        let client = reply["connect"]["client"].as_str().unwrap().to_owned();
        assert_eq!(uuid::Uuid::parse_str(&client).unwrap().get_version_num(), 4);
        clients.push(client);
    }
    assert_ne!(clients[0], clients[1]);
}

#[test]
fn a_raw_connection_is_subscribed_once_to_each_of_its_topics() {
    let mut config = config();
    config.ws.max_topics = 2;
    let mut harness = HubHarness::new(config);
    let id = harness.open_websocket("/raw?topic=a&topic=b&topic=a&other=c");
    assert_eq!(harness.counts().subscriptions, 2);
    harness.publish("a", "1");
    harness.publish("b", "[2]");
    harness.publish("c", "3");
    assert_eq!(
        harness.read_frames(id),
        [ServerFrame::text("1"), ServerFrame::text("[2]")]
    );
    assert_eq!(
        harness.request_upgrade("/raw?topic=a&topic=b&topic=c").1,
        400
    );
}

#[test]
fn a_topic_with_subscribers_of_two_codecs_is_encoded_in_both() {
    let mut harness = HubHarness::new(config());
    let client = harness.connect_subscriber(&["a"]);
    let raw = harness.open_websocket("/raw?topic=a");
    assert_eq!(harness.upstream.state().connections_by_codec, [1, 0, 1]);
    harness.publish("a", "7");
    assert_eq!(harness.read_texts(client), [push("a", "7")]);
    assert_eq!(harness.read_texts(raw), ["7"]);
}

#[test]
fn over_the_limit_upgrades_get_503_and_health_is_answered() {
    let mut harness = HubHarness::new(config());
    harness.upstream.state_mut().max_connections = 1;
    harness.upstream.state_mut().max_sockets = 3;
    let admitted = harness.connect_client();
    let (refused, status) = harness.request_upgrade(CLIENT);
    assert_eq!(status, 503);
    harness.upstream.state_mut().health = Health::Degraded(vec!["full".into()]);
    let health = harness.accept();
    harness.send_bytes(health, HEALTH_REQUEST);
    let expected = (
        200,
        r#"{"reasons":["full"],"status":"degraded"}"#.to_owned(),
    );
    assert_eq!(harness.read_response(health), expected);
    assert_eq!(
        harness.hub.accept(harness.now_us),
        None,
        "the sockets kept for refusals are in use"
    );
    assert_eq!(harness.counts().refused_limit, 2);

    for id in [refused, health] {
        assert!(harness.socket(id).is_write_shut_down);
        harness.hub.end_of_stream(id);
        assert_eq!(harness.closed(id), Some(CloseKind::Orderly));
    }
    harness.hub.lost(admitted);
    harness.run_turn();
    assert_eq!(
        harness.request_upgrade(CLIENT).1,
        101,
        "there is room again"
    );
}

#[test]
fn internal_connections_do_not_count_toward_the_limit() {
    let mut harness = HubHarness::new(config());
    harness.upstream.state_mut().max_connections = 0;
    harness.upstream.state_mut().max_sockets = 0;
    let id = harness.accept_internal();
    harness.send_bytes(id, &upgrade_request("/raw?topic=a"));
    harness.run_turn();
    assert_eq!(harness.read_response(id).0, 101);
    assert_eq!(harness.counts().connections, 1);
    harness.hub.end_of_stream(id);
    harness.run_turn();
    let state = harness.upstream.state();
    assert_eq!((state.admitted, state.left), (0, 0));
    assert_eq!(harness.counts().connections, 0);
}

#[test]
fn only_internal_connections_may_subscribe_to_the_reserved_topic() {
    let mut harness = HubHarness::new(config());
    for target in [
        "/raw?topic=fanfare.canary",
        "/raw?topic=a&topic=fanfare%2Ecanary",
    ] {
        assert_eq!(harness.request_upgrade(target).1, 403, "{target}");
    }
    assert!(!harness.wants("fanfare.canary") && !harness.wants("a"));
    assert_eq!(harness.counts().refused_request, 2);
    let internal = harness.accept_internal();
    harness.send_bytes(internal, &upgrade_request("/raw?topic=fanfare.canary"));
    assert_eq!(harness.read_response(internal).0, 101);
    assert!(harness.wants("fanfare.canary"));
}

#[test]
fn the_health_of_a_draining_process_is_503() {
    let mut harness = HubHarness::new(config());
    harness.upstream.state_mut().health = Health::Draining;
    let id = harness.accept();
    harness.send_bytes(id, HEALTH_REQUEST);
    assert_eq!(harness.read_response(id).0, 503);
}

#[test]
fn echo_returns_every_message_if_configured() {
    let mut config = config();
    config.ws.echo = true;
    let mut harness = HubHarness::new(config);
    let id = harness.open_websocket("/echo");
    harness.send_text(id, "hello");
    harness.send_bytes(id, &wire::client_frame(wire::BINARY, &[1, 2]));
    assert_eq!(
        harness.read_frames(id),
        [ServerFrame::text("hello"), ServerFrame::Binary(vec![1, 2])]
    );
}

#[test]
fn an_upgrade_succeeds_with_an_outbox_smaller_than_the_response() {
    let mut config = config();
    config.ws.outbox = 16;
    let mut harness = HubHarness::new(config);
    harness.open_websocket("/raw?topic=a");
    assert_eq!(harness.counts().subscriptions, 1);
    assert!(harness.wants("a"));
}

#[test]
fn a_request_head_in_single_bytes_is_answered_at_its_empty_line() {
    let key = "Sec-WebSocket-Key";
    let valid = String::from_utf8(upgrade_request(CLIENT)).unwrap();
    let cases = [
        (valid.clone(), 101),
        (valid.replace(key, "X-Key"), 400),
        (valid.replace("\r\n", "\n"), 400),
        (format!("\r\n\r\n{valid}"), 101),
    ];
    for (head, status) in cases {
        let mut harness = HubHarness::new(config());
        let id = harness.accept();
        for byte in head.as_bytes() {
            assert_eq!(
                harness.socket(id).unread,
                b"",
                "no response before the end of the head: {head:?}"
            );
            harness.send_bytes(id, &[*byte]);
            harness.run_turn();
        }
        assert_eq!(harness.read_response(id).0, status, "{head:?}");
    }
}

#[test]
fn an_endless_request_head_is_refused_at_the_bound() {
    // A parser that starts again with every byte would process 32 MiB for each head.
    for (start, status) in [("GET / HTTP/1.1\r\nX: ", 431), ("GET /", 414)] {
        let mut harness = HubHarness::new(config());
        let id = harness.accept();
        harness.send_bytes(id, start.as_bytes());
        for fed in start.len()..HANDSHAKE_BYTES {
            assert_eq!(
                harness.socket(id).unread,
                b"",
                "no response after {fed} bytes"
            );
            harness.send_bytes(id, b"x");
            harness.run_turn();
        }
        assert_eq!(harness.read_response(id).0, status);
    }
}
