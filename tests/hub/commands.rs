//! Commands of the client protocol: replies, errors, and messages that close the connection.

use fanfare::config::{Config, Namespace, PayloadKind, SlowPolicy};
use fanfare::hub::{PublishAnswer, Reading};
use fanfare::limits::{COMMANDS_PER_MESSAGE, LONG_FRAGMENT_BYTES, RECEIVE_BUFFER_BYTES};

use crate::harness::{HubHarness, SECOND_US};
use crate::upstream::{config, namespace};
use crate::wire::{self, ServerFrame};

/// Returns the frames that a client receives after it sent one message.
fn frames_after(config: Config, message: &str) -> Vec<ServerFrame> {
    let mut harness = HubHarness::new(config);
    let id = harness.connect_client();
    harness.send_text(id, message);
    harness.read_frames(id)
}

/// Returns the message with the replies to the commands of one message.
fn replies(config: Config, message: &str) -> String {
    match &frames_after(config, message)[..] {
        [ServerFrame::Text(text)] => text.clone(),
        other => panic!("not one text frame: {other:?}"),
    }
}

/// Returns the reply to a command that failed.
fn error(id: u32, code: u16, message: &str) -> String {
    format!(r#"{{"id":{id},"error":{{"code":{code},"message":"{message}"}}}}"#)
}

#[test]
fn the_replies_to_the_commands_of_one_message_are_in_order_in_one_frame() {
    let message = [
        r#"{"id":2,"subscribe":{"channel":"a"}}"#,
        r#"{"id":3,"ping":{}}"#,
        r#"{"id":4,"history":{"channel":"a"}}"#,
        "{}",
        r#"{"send":{"data":1}}"#,
        r#"{"id":5,"unsubscribe":{"channel":"a"}}"#,
        r#"{"id":6,"unsubscribe":{"channel":"a"}}"#,
    ];
    let expected = [
        r#"{"id":2,"subscribe":{}}"#.to_owned(),
        r#"{"id":3,"ping":{}}"#.to_owned(),
        error(4, 108, "not available"),
        r#"{"id":5,"unsubscribe":{}}"#.to_owned(),
        r#"{"id":6,"unsubscribe":{}}"#.to_owned(),
    ];
    assert_eq!(replies(config(), &message.join("\n")), expected.join("\n"));
}

#[test]
fn a_second_subscribe_to_the_same_topic_is_error_105_and_changes_nothing() {
    let mut harness = HubHarness::new(config());
    let id = harness.connect_subscriber(&["a"]);
    harness.send_text(id, r#"{"id":3,"subscribe":{"channel":"a"}}"#);
    assert_eq!(
        harness.read_texts(id),
        [error(3, 105, "already subscribed")]
    );
    harness.publish("a", "1");
    assert_eq!(
        harness.read_frames(id).len(),
        1,
        "one delivery for one subscription"
    );
    let counts = harness.counts();
    assert_eq!((counts.subscriptions, counts.command_errors), (1, 1));
}

#[test]
fn a_subscribe_beyond_max_topics_is_error_106() {
    let mut config = config();
    config.ws.max_topics = 2;
    let mut harness = HubHarness::new(config);
    let id = harness.connect_subscriber(&["a", "b"]);
    harness.send_text(id, r#"{"id":3,"subscribe":{"channel":"c"}}"#);
    assert_eq!(harness.read_texts(id), [error(3, 106, "limit exceeded")]);
    assert!(!harness.wants("c"));
    harness.send_text(id, "{\"id\":4,\"unsubscribe\":{\"channel\":\"a\"}}");
    harness.send_text(id, "{\"id\":5,\"subscribe\":{\"channel\":\"c\"}}");
    assert_eq!(
        harness.read_texts(id).last().unwrap(),
        r#"{"id":5,"subscribe":{}}"#
    );
}

#[test]
fn an_invalid_topic_is_error_107() {
    let long = "x".repeat(256);
    for name in ["", "a\\u0000", &long] {
        let message = format!(r#"{{"id":2,"subscribe":{{"channel":"{name}"}}}}"#);
        assert_eq!(
            replies(config(), &message),
            error(2, 107, "bad request"),
            "{name:?}"
        );
    }
}

#[test]
fn a_publish_is_error_103_unless_the_namespace_allows_it() {
    let mut config = config();
    config.namespaces.push(Namespace {
        publish: true,
        ..namespace("open", SlowPolicy::Disconnect)
    });
    config.namespaces.push(Namespace {
        publish: true,
        payload: PayloadKind::Text,
        ..namespace("text", SlowPolicy::Disconnect)
    });
    config.ingest.max_payload = 8;
    let mut harness = HubHarness::new(config);
    let id = harness.connect_client();
    let publish = |topic: &str, data: &str| {
        format!(r#"{{"id":2,"publish":{{"channel":"{topic}","data":{data}}}}}"#)
    };
    let cases = [
        (publish("a", "1"), error(2, 103, "permission denied")),
        (publish("other:a", "1"), error(2, 103, "permission denied")),
        (publish("text:a", "1"), error(2, 108, "not available")),
        (
            publish("open:a", "[1, 2]"),
            r#"{"id":2,"publish":{}}"#.to_owned(),
        ),
        (
            publish("open:a", "123456789"),
            error(2, 106, "limit exceeded"),
        ),
    ];
    for (message, expected) in cases {
        harness.send_text(id, &message);
        assert_eq!(harness.read_texts(id), [expected], "{message}");
    }
    assert_eq!(
        harness.published,
        [("open:a".to_owned(), b"[1,2]".to_vec())]
    );

    harness.immediate_answer = Some(PublishAnswer::Busy);
    harness.send_text(id, &publish("open:a", "1"));
    let busy = r#"{"id":2,"error":{"code":111,"message":"too many requests","temporary":true}}"#;
    assert_eq!(harness.read_texts(id), [busy]);
}

#[test]
fn the_reserved_topic_is_error_103_although_all_clients_may_publish() {
    let mut config = config();
    for namespace in &mut config.namespaces {
        namespace.publish = true;
    }
    let mut harness = HubHarness::new(config);
    let id = harness.connect_client();
    let commands = [
        r#"{"id":2,"subscribe":{"channel":"fanfare.canary"}}"#,
        r#"{"id":2,"publish":{"channel":"fanfare.canary","data":1}}"#,
        r#"{"id":2,"subscribe":{"channel":"fanfare.\u0063anary"}}"#,
    ];
    for command in commands {
        harness.send_text(id, command);
        assert_eq!(harness.read_texts(id), [error(2, 103, "permission denied")]);
    }
    assert!(!harness.wants("fanfare.canary"));
    assert_eq!(harness.published, []);
    harness.send_text(id, r#"{"id":2,"publish":{"channel":"a","data":1}}"#);
    assert_eq!(harness.read_texts(id), [r#"{"id":2,"publish":{}}"#]);
}

#[test]
fn an_invalid_command_closes_with_3501() {
    let cases = [
        "nonsense",
        "[]",
        r#"{"id":0,"ping":{}}"#,
        r#"{"ping":{}}"#,
        r#"{"id":2,"connect":{}}"#,
        r#"{"id":2}"#,
    ];
    for message in cases {
        assert_eq!(
            frames_after(config(), message),
            [ServerFrame::Close(Some(3501))],
            "{message}"
        );
    }
}

#[test]
fn a_command_that_is_nested_too_deep_is_error_107() {
    let deep = |depth| ["[".repeat(depth), "]".repeat(depth)].concat();
    let message = [
        format!(
            r#"{{"publish":{{"channel":"a","data":{}}},"id":2}}"#,
            deep(65)
        ),
        format!(r#"{{"id":3,"ping":{{"later":{}}}}}"#, deep(10_000)),
        r#"{"id":4,"ping":{}}"#.to_owned(),
    ];
    let expected = [
        error(2, 107, "bad request"),
        error(3, 107, "bad request"),
        r#"{"id":4,"ping":{}}"#.to_owned(),
    ];
    assert_eq!(replies(config(), &message.join("\n")), expected.join("\n"));
    let without_id = format!(r#"{{"send":{{"data":{}}}}}"#, deep(10_000));
    let close = ServerFrame::Close(Some(3501));
    assert_eq!(frames_after(config(), &without_id), [close]);
}

#[test]
fn a_command_before_connect_closes_with_3501() {
    for message in [
        r#"{"id":1,"subscribe":{"channel":"a"}}"#,
        r#"{"id":1,"ping":{}}"#,
        "{}",
    ] {
        let mut harness = HubHarness::new(config());
        let id = harness.open_websocket("/connection/websocket");
        harness.send_text(id, message);
        assert_eq!(
            harness.read_frames(id),
            [ServerFrame::Close(Some(3501))],
            "{message}"
        );
        assert_eq!(harness.counts().closed_bad_request, 1);
    }
}

#[test]
fn a_binary_message_closes_with_3501_and_a_message_to_raw_with_1003() {
    let mut harness = HubHarness::new(config());
    let id = harness.connect_client();
    harness.send_bytes(id, &wire::client_frame(wire::BINARY, b"x"));
    assert_eq!(harness.read_frames(id), [ServerFrame::Close(Some(3501))]);
    let raw = harness.open_websocket("/raw?topic=a");
    harness.send_text(raw, "x");
    assert_eq!(harness.read_frames(raw), [ServerFrame::Close(Some(1003))]);
}

#[test]
fn replies_to_commands_before_an_invalid_one_are_sent() {
    let frames = frames_after(
        config(),
        "{\"id\":2,\"ping\":{}}\nnonsense\n{\"id\":3,\"ping\":{}}",
    );
    assert_eq!(
        frames,
        [
            ServerFrame::text(r#"{"id":2,"ping":{}}"#),
            ServerFrame::Close(Some(3501))
        ]
    );
}

#[test]
fn too_many_commands_in_a_message_close_with_3501() {
    let command = r#"{"id":2,"ping":{}}"#;
    let largest = vec![command; COMMANDS_PER_MESSAGE].join("\n");
    let replies = replies(config(), &largest);
    assert_eq!(replies.lines().count(), COMMANDS_PER_MESSAGE);
    let too_large = format!("{largest}\n{command}");
    let frames = frames_after(config(), &too_large);
    assert_eq!(frames.last(), Some(&ServerFrame::Close(Some(3501))));
}

#[test]
fn too_many_commands_in_a_second_close_with_3013() {
    let mut config = config();
    config.ws.max_command_rate = 3;
    let ping = r#"{"id":2,"ping":{}}"#;
    let mut harness = HubHarness::new(config);
    let id = harness.connect_client(); // The connect command counts, too.
    harness.send_text(id, &[ping; 2].join("\n"));
    assert_eq!(harness.read_frames(id).len(), 1);
    harness.advance_clock(SECOND_US);
    for _ in 0..3 {
        harness.send_text(id, ping);
        assert_eq!(harness.read_texts(id), [ping]);
    }
    harness.send_text(id, ping);
    assert_eq!(harness.read_frames(id), [ServerFrame::Close(Some(3013))]);
    assert_eq!(harness.counts().closed_too_fast, 1);
}

#[test]
fn every_command_of_a_message_counts_toward_the_rate() {
    let mut config = config();
    config.ws.max_command_rate = 3;
    let ping = r#"{"id":2,"ping":{}}"#;
    let mut harness = HubHarness::new(config);
    let id = harness.connect_client();
    harness.advance_clock(SECOND_US);
    harness.send_text(id, &[ping; 4].join("\n"));
    let answered = ServerFrame::text(&[ping; 3].join("\n"));
    assert_eq!(
        harness.read_frames(id),
        [answered, ServerFrame::Close(Some(3013))]
    );
}

#[test]
fn control_frames_count_toward_the_command_rate() {
    let mut config = config();
    config.ws.max_command_rate = 3;
    let mut harness = HubHarness::new(config);
    let id = harness.connect_client();
    for _ in 0..3 {
        harness.send_bytes(id, &wire::client_frame(wire::PING, b""));
    }
    let pong = ServerFrame::Pong(Vec::new());
    assert_eq!(
        harness.read_frames(id),
        [pong.clone(), pong, ServerFrame::Close(Some(3013))]
    );
}

#[test]
fn echo_connections_have_no_command_rate() {
    let mut config = config();
    config.ws.echo = true;
    config.ws.max_command_rate = 3;
    let mut harness = HubHarness::new(config);
    let id = harness.open_websocket("/echo");
    for _ in 0..10 {
        harness.send_text(id, "x");
    }
    assert_eq!(harness.read_texts(id), ["x"; 10]);
}

#[test]
fn commands_in_the_first_second_of_the_clock_are_within_the_rate() {
    let mut harness = HubHarness::new(config());
    harness.now_us = 0;
    let id = harness.connect_client();
    harness.send_text(id, r#"{"id":2,"ping":{}}"#);
    assert_eq!(harness.read_texts(id), [r#"{"id":2,"ping":{}}"#]);
}

#[test]
fn fragments_count_toward_the_rate_even_if_their_message_never_ends() {
    let mut config = config();
    config.ws.max_command_rate = 5;
    let mut harness = HubHarness::new(config);
    let id = harness.connect_client();
    harness.advance_clock(SECOND_US);
    harness.send_bytes(id, &wire::fragment(wire::TEXT, b"{"));
    for _ in 0..5 {
        harness.send_bytes(id, &wire::fragment(wire::CONTINUATION, b" "));
        assert_eq!(harness.read_frames(id), []);
    }
    harness.advance_clock(SECOND_US);
    // All in one read, and with the end of the message.
    let mut bytes = wire::fragment(wire::CONTINUATION, b" ").repeat(5);
    bytes.extend(wire::client_frame(wire::CONTINUATION, b"}"));
    harness.send_bytes(id, &bytes);
    assert_eq!(
        harness.read_frames(id).last(),
        Some(&ServerFrame::Close(Some(3013)))
    );
    assert_eq!(harness.counts().closed_too_fast, 1);
}

#[test]
fn a_message_in_some_fragments_is_accepted() {
    let mut config = config();
    config.ws.max_command_rate = 5;
    let mut harness = HubHarness::new(config);
    let id = harness.connect_client();
    harness.advance_clock(SECOND_US);
    let mut bytes = wire::fragment(wire::TEXT, br#"{"id":2,"#);
    bytes.extend(wire::fragment(wire::CONTINUATION, br#""ping""#));
    bytes.extend(wire::client_frame(wire::CONTINUATION, b":{}}"));
    harness.send_bytes(id, &bytes);
    assert_eq!(harness.read_texts(id), [r#"{"id":2,"ping":{}}"#]);
}

#[test]
fn only_fragments_below_1_kib_count_toward_the_rate() {
    let mut config = config();
    config.ws.max_command_rate = 5;
    let message_bytes = config.ws.max_message;
    let mut harness = HubHarness::new(config);
    let id = harness.connect_client();
    let (start, end) = (r#"{"id":2,"#, r#""ping":{}}"#);
    let message = format!(
        "{start}{:1$}{end}",
        "",
        message_bytes - start.len() - end.len()
    );
    let in_fragments = |fragment_bytes: usize| {
        let (first, rest) = message.as_bytes().split_at(fragment_bytes);
        let mut bytes = wire::fragment(wire::TEXT, first);
        for payload in rest.chunks(fragment_bytes) {
            bytes.extend(wire::fragment(wire::CONTINUATION, payload));
        }
        bytes.extend(wire::client_frame(wire::CONTINUATION, b""));
        bytes
    };
    for fragment_bytes in [LONG_FRAGMENT_BYTES, RECEIVE_BUFFER_BYTES] {
        harness.advance_clock(SECOND_US);
        harness.send_bytes(id, &in_fragments(fragment_bytes));
        assert_eq!(harness.read_texts(id), [r#"{"id":2,"ping":{}}"#]);
    }
    harness.advance_clock(SECOND_US);
    harness.send_bytes(id, &in_fragments(LONG_FRAGMENT_BYTES - 1));
    assert_eq!(
        harness.read_frames(id).last(),
        Some(&ServerFrame::Close(Some(3013)))
    );
}

#[test]
fn a_client_above_the_receive_rate_is_read_again_in_the_next_second() {
    let mut config = config();
    config.ws.max_receive_rate = 1000;
    let mut harness = HubHarness::new(config);
    let id = harness.connect_client();
    harness.advance_clock(SECOND_US);
    let second_us = harness.now_us / SECOND_US * SECOND_US;
    let mut receive = |bytes: usize, now_us: u64| {
        let mut frame = wire::client_frame(wire::PONG, &[b'x'; 100]);
        frame.truncate(bytes);
        harness.hub.receive(id, &mut frame, now_us)
    };
    let frame_bytes = wire::client_frame(wire::PONG, &[b'x'; 100]).len();
    for _ in 0..1000 / frame_bytes {
        assert_eq!(receive(frame_bytes, second_us + 1), Reading::Continues);
    }
    let until_us = second_us + SECOND_US;
    assert_eq!(
        receive(frame_bytes, second_us + 2),
        Reading::Paused { until_us }
    );
    assert_eq!(receive(frame_bytes, until_us), Reading::Continues);
    assert_eq!(harness.read_frames(id), [], "the connection stays open");
}
