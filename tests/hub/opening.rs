//! From the socket to the WebSocket: paths, limits, what follows the request head at once.

use fanfare::limits::HANDSHAKE_BYTES;
use fanfare::observe::Health;

use crate::upstream::{config, push};
use crate::wire::{self, Frame, text, upgrade};
use crate::world::World;

const CLIENT: &str = "/connection/websocket";

#[test]
fn each_path_gets_its_answer() {
    let mut world = World::new(config());
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
        assert_eq!(world.open(target).1, status, "{target}");
    }
    let counts = world.counts();
    assert_eq!((counts.accepted, counts.upgraded), (8, 2));
    assert_eq!(counts.refused_request, 5);
}

#[test]
fn a_plain_get_of_a_websocket_path_is_told_to_upgrade() {
    let mut world = World::new(config());
    let id = world.accept();
    world.feed(
        id,
        b"GET /connection/websocket HTTP/1.1\r\nHost: example.org\r\n\r\n",
    );
    assert_eq!(world.response(id).0, 426);
    assert!(world.socket(id).write_ended);
}

#[test]
fn a_foreign_origin_is_refused_and_counted() {
    let mut world = World::new(config());
    let id = world.accept();
    let head = String::from_utf8(upgrade(CLIENT)).unwrap();
    let head = head.replace("Host:", "Origin: https://evil.example\r\nHost:");
    world.feed(id, head.as_bytes());
    assert_eq!(world.response(id).0, 403);
    assert_eq!(world.counts().refused_origin, 1);
    assert_eq!(world.upstream.0.borrow().codecs, [0, 0]);
}

#[test]
fn frames_right_behind_the_head_are_taken_however_the_bytes_are_cut() {
    let mut stream = upgrade(CLIENT);
    stream.extend(text(
        "{\"id\":1,\"connect\":{}}\n{\"id\":2,\"subscribe\":{\"channel\":\"a\"}}",
    ));
    for cut in 0..=stream.len() {
        let mut world = World::new(config());
        let id = world.accept();
        world.feed(id, &stream[..cut]);
        world.feed(id, &stream[cut..]);
        assert_eq!(world.response(id).0, 101);
        let texts = world.texts(id);
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
fn the_reply_to_connect_names_client_and_ping() {
    let mut world = World::new(config());
    let mut clients = Vec::new();
    for _ in 0..2 {
        let id = world.upgraded(CLIENT);
        world.say(id, r#"{"id":1,"connect":{}}"#);
        let reply: serde_json::Value = serde_json::from_str(&world.texts(id)[0]).unwrap();
        assert_eq!(reply["connect"]["ping"], 25);
        assert_eq!(reply["connect"]["pong"], true);
        let client = reply["connect"]["client"].as_str().unwrap().to_owned();
        assert_eq!(uuid::Uuid::parse_str(&client).unwrap().get_version_num(), 4);
        clients.push(client);
    }
    assert_ne!(clients[0], clients[1]);
}

#[test]
fn raw_topics_are_joined_once_each_and_bounded() {
    let mut config = config();
    config.ws.max_topics = 2;
    let mut world = World::new(config);
    let id = world.upgraded("/raw?topic=a&topic=b&topic=a&other=c");
    assert_eq!(world.counts().subscriptions, 2);
    world.publish("a", "1");
    world.publish("b", "[2]");
    world.publish("c", "3");
    assert_eq!(world.read(id), [Frame::text("1"), Frame::text("[2]")]);
    assert_eq!(world.open("/raw?topic=a&topic=b&topic=c").1, 400);
}

#[test]
fn a_topic_with_both_forms_is_encoded_for_each() {
    let mut world = World::new(config());
    let client = world.subscriber(&["a"]);
    let raw = world.upgraded("/raw?topic=a");
    assert_eq!(world.upstream.0.borrow().codecs, [1, 1]);
    world.publish("a", "7");
    assert_eq!(world.texts(client), [push("a", "7")]);
    assert_eq!(world.texts(raw), ["7"]);
}

#[test]
fn past_the_limit_upgrades_get_503_and_health_is_still_answered() {
    let mut world = World::new(config());
    world.upstream.0.borrow_mut().limit = 1;
    world.upstream.0.borrow_mut().ceiling = 3;
    let inside = world.client();
    let (refused, status) = world.open(CLIENT);
    assert_eq!(status, 503);
    world.upstream.0.borrow_mut().health = Health::Degraded(vec!["full".into()]);
    let health = world.accept();
    world.feed(health, b"GET /health HTTP/1.1\r\nHost: example.org\r\n\r\n");
    let expected = (
        200,
        r#"{"reasons":["full"],"status":"degraded"}"#.to_owned(),
    );
    assert_eq!(world.response(health), expected);
    assert_eq!(
        world.hub.accept(world.now_us),
        None,
        "beyond the sockets kept for refusals"
    );
    assert_eq!(world.counts().refused_limit, 2);

    for id in [refused, health] {
        assert!(world.socket(id).write_ended);
        world.hub.end_of_stream(id);
        assert_eq!(world.closed(id), Some(false));
    }
    world.hub.lost(inside);
    world.turn();
    assert_eq!(world.open(CLIENT).1, 101, "there is room again");
}

#[test]
fn the_processs_own_connections_need_no_place() {
    let mut world = World::new(config());
    world.upstream.0.borrow_mut().limit = 0;
    world.upstream.0.borrow_mut().ceiling = 0;
    let id = world.accept_internal();
    world.feed(id, &upgrade("/raw?topic=a"));
    world.turn();
    assert_eq!(world.response(id).0, 101);
    assert_eq!(world.counts().connections, 1);
    world.hub.end_of_stream(id);
    world.turn();
    let asked = world.upstream.0.borrow();
    assert_eq!((asked.admits, asked.leaves), (0, 0));
    assert_eq!(world.counts().connections, 0);
}

#[test]
fn the_reserved_topic_is_for_the_processs_own_connections() {
    let mut world = World::new(config());
    for target in [
        "/raw?topic=fanfare.canary",
        "/raw?topic=a&topic=fanfare%2Ecanary",
    ] {
        assert_eq!(world.open(target).1, 403, "{target}");
    }
    assert!(!world.wants("fanfare.canary") && !world.wants("a"));
    assert_eq!(world.counts().refused_request, 2);
    let own = world.accept_internal();
    world.feed(own, &upgrade("/raw?topic=fanfare.canary"));
    assert_eq!(world.response(own).0, 101);
    assert!(world.wants("fanfare.canary"));
}

#[test]
fn health_of_a_draining_process_is_503() {
    let mut world = World::new(config());
    world.upstream.0.borrow_mut().health = Health::Draining;
    let id = world.accept();
    world.feed(id, b"GET /health HTTP/1.1\r\nHost: example.org\r\n\r\n");
    assert_eq!(world.response(id).0, 503);
}

#[test]
fn echo_is_served_only_where_configured() {
    let mut config = config();
    config.ws.echo = true;
    let mut world = World::new(config);
    let id = world.upgraded("/echo");
    world.say(id, "hello");
    world.feed(id, &wire::masked(wire::BINARY, &[1, 2]));
    assert_eq!(
        world.read(id),
        [Frame::text("hello"), Frame::Binary(vec![1, 2])]
    );
}

#[test]
fn an_outbox_smaller_than_the_response_still_takes_it() {
    let mut config = config();
    config.ws.outbox = 16;
    let mut world = World::new(config);
    world.upgraded("/raw?topic=a");
    assert_eq!(world.counts().subscriptions, 1);
    assert!(world.wants("a"));
}

#[test]
fn a_head_that_comes_byte_by_byte_is_answered_at_its_empty_line() {
    let key = "Sec-WebSocket-Key";
    let whole = String::from_utf8(upgrade(CLIENT)).unwrap();
    let cases = [
        (whole.clone(), 101),
        (whole.replace(key, "X-Key"), 400),
        (whole.replace("\r\n", "\n"), 400),
        (format!("\r\n\r\n{whole}"), 101),
    ];
    for (head, status) in cases {
        let mut world = World::new(config());
        let id = world.accept();
        for byte in head.as_bytes() {
            assert_eq!(world.socket(id).unread, b"", "not before its end: {head:?}");
            world.feed(id, &[*byte]);
            world.turn();
        }
        assert_eq!(world.response(id).0, status, "{head:?}");
    }
}

#[test]
fn a_head_without_an_end_is_refused_at_the_bound_and_costs_no_parse_before() {
    // With a parse for each byte this would look at 32 MiB per head.
    for (start, status) in [("GET / HTTP/1.1\r\nX: ", 431), ("GET /", 414)] {
        let mut world = World::new(config());
        let id = world.accept();
        world.feed(id, start.as_bytes());
        for fed in start.len()..HANDSHAKE_BYTES {
            assert_eq!(world.socket(id).unread, b"", "after {fed} bytes");
            world.feed(id, b"x");
            world.turn();
        }
        assert_eq!(world.response(id).0, status);
    }
}
