//! Connections of the Protobuf codec: how it is selected, commands and replies, pings, and topics
//! whose subscribers use different codecs.

use fanfare::config::{Namespace, PayloadKind, SlowPolicy};
use fanfare::delivery::NamespaceRules;
use fanfare::hub::{ConnectionId, PublishAnswer};
use prost::Message;

use crate::client_proto::{self, Command, Empty, PublishRequest, Reply, SubscribeRequest};
use crate::harness::{HubHarness, SECOND_US};
use crate::upstream::{JSON_RULES, config, joined_broadcast, namespace, push};
use crate::wire::{self, OFFER_FULL, ServerFrame};

const CLIENT: &str = "/connection/websocket";
const OFFER_PROTOBUF: &str = "Sec-WebSocket-Protocol: centrifuge-protobuf\r\n";

/// Sends commands in one message.
fn send(harness: &mut HubHarness, id: ConnectionId, commands: &[Command]) {
    let mut message = Vec::new();
    for command in commands {
        command.encode_length_delimited(&mut message).unwrap();
    }
    harness.send_bytes(id, &wire::client_frame(wire::BINARY, &message));
}

/// Returns the replies and pushes of each message that has arrived.
fn read(harness: &mut HubHarness, id: ConnectionId) -> Vec<Vec<Reply>> {
    let frames = harness.read_frames(id).into_iter();
    frames
        .map(|frame| match frame {
            ServerFrame::Binary(message) => client_proto::delimited(&message),
            other => panic!("not a binary frame: {other:?}"),
        })
        .collect()
}

fn connect() -> Command {
    Command {
        id: 1,
        connect: Some(client_proto::ConnectRequest::default()),
        ..Command::default()
    }
}

fn subscribe(id: u32, channel: &str) -> Command {
    let subscribe = SubscribeRequest {
        channel: channel.into(),
        ..SubscribeRequest::default()
    };
    Command {
        id,
        subscribe: Some(subscribe),
        ..Command::default()
    }
}

fn publish(id: u32, channel: &str, data: &[u8]) -> Command {
    Command {
        id,
        publish: Some(PublishRequest {
            channel: channel.into(),
            data: data.into(),
        }),
        ..Command::default()
    }
}

fn subscribed(id: u32) -> Reply {
    Reply {
        id,
        subscribe: Some(client_proto::SubscribeResult::default()),
        ..Reply::default()
    }
}

/// Returns the reply with this error.
fn error(id: u32, code: u32, message: &str) -> Reply {
    Reply {
        id,
        error: Some(client_proto::Error {
            code,
            message: message.into(),
            temporary: false,
        }),
        ..Reply::default()
    }
}

/// Connects a client and subscribes it to a topic.
fn connect_subscriber(harness: &mut HubHarness, headers: &str, topic: &str) -> ConnectionId {
    let headers = format!("{OFFER_PROTOBUF}{headers}");
    let id = harness.open_websocket_with(CLIENT, &headers);
    send(harness, id, &[connect(), subscribe(2, topic)]);
    let replies = read(harness, id);
    assert_eq!(replies.len(), 1, "one message for all replies");
    assert!(replies[0][0].connect.is_some());
    assert_eq!(replies[0][1..], [subscribed(2)]);
    id
}

#[test]
fn subprotocol_or_query_selects_the_codec_and_the_first_known_subprotocol_is_confirmed() {
    let offer = |names: &str| format!("Sec-WebSocket-Protocol: {names}\r\n");
    let cases = [
        ("", String::new(), None, false),
        ("", offer("centrifuge-json"), Some("centrifuge-json"), false),
        (
            "",
            offer("centrifuge-protobuf"),
            Some("centrifuge-protobuf"),
            true,
        ),
        (
            "",
            offer("x, centrifuge-protobuf, centrifuge-json"),
            Some("centrifuge-protobuf"),
            true,
        ),
        (
            "",
            offer("centrifuge-json, centrifuge-protobuf"),
            Some("centrifuge-json"),
            false,
        ),
        ("", offer("x"), None, false),
        ("?cf_protocol=protobuf", String::new(), None, true),
        ("?a=b&format=protobuf", String::new(), None, true),
        ("?format=json", String::new(), None, false),
        (
            "?format=protobuf",
            offer("centrifuge-json"),
            Some("centrifuge-json"),
            false,
        ),
    ];
    for (query, headers, confirmed, is_protobuf) in cases {
        let mut harness = HubHarness::new(config());
        let id = harness.accept();
        let request = wire::upgrade_request_with(&format!("{CLIENT}{query}"), &headers);
        harness.send_bytes(id, &request);
        harness.run_turn();
        let response = String::from_utf8(harness.socket(id).unread.clone()).unwrap();
        let line = response
            .lines()
            .find_map(|line| line.strip_prefix("Sec-WebSocket-Protocol: "));
        assert_eq!(line, confirmed, "{query} {headers}");
        assert_eq!(harness.read_response(id).0, 101);
        if is_protobuf {
            send(&mut harness, id, &[connect()]);
            assert!(read(&mut harness, id)[0][0].connect.is_some());
        } else {
            harness.send_text(id, r#"{"id":1,"connect":{}}"#);
            assert_eq!(harness.read_texts(id).len(), 1);
        }
    }
}

#[test]
fn commands_are_answered_in_one_binary_message() {
    let mut harness = HubHarness::new(config());
    let id = connect_subscriber(&mut harness, "", "a");
    let ping = Command {
        id: 4,
        ping: Some(Empty {}),
        ..Command::default()
    };
    let history = Command {
        id: 5,
        history: Some(client_proto::ChannelRequest {
            channel: "a".into(),
        }),
        ..Command::default()
    };
    let empty = Command::default();
    let commands = [subscribe(3, "a"), ping, empty, history, subscribe(6, "")];
    send(&mut harness, id, &commands);
    let ping_reply = Reply {
        id: 4,
        ping: Some(Empty {}),
        ..Reply::default()
    };
    assert_eq!(
        read(&mut harness, id),
        [[
            error(3, 105, "already subscribed"),
            ping_reply,
            error(5, 108, "not available"),
            error(6, 107, "bad request"),
        ]]
    );
}

#[test]
fn a_text_message_or_a_malformed_one_closes_the_connection_with_3501() {
    for message in [
        wire::client_frame(wire::TEXT, b"{}"),
        wire::client_frame(wire::BINARY, b"\x05\x08"),
        wire::client_frame(wire::BINARY, b"\x01\xff"),
    ] {
        let mut harness = HubHarness::new(config());
        let id = connect_subscriber(&mut harness, "", "a");
        harness.send_bytes(id, &message);
        assert_eq!(harness.read_frames(id), [ServerFrame::Close(Some(3501))]);
    }
}

#[test]
fn commands_before_a_malformed_one_are_answered() {
    let mut harness = HubHarness::new(config());
    let id = connect_subscriber(&mut harness, "", "a");
    let mut message = subscribe(3, "b").encode_length_delimited_to_vec();
    message.extend_from_slice(b"\x05\x08");
    harness.send_bytes(id, &wire::client_frame(wire::BINARY, &message));
    let reply = subscribed(3).encode_length_delimited_to_vec();
    assert_eq!(
        harness.read_frames(id),
        [ServerFrame::Binary(reply), ServerFrame::Close(Some(3501))]
    );
}

#[test]
fn pings_and_pongs_are_empty_messages() {
    let mut harness = HubHarness::new(config());
    let id = connect_subscriber(&mut harness, "", "a");
    let ping = ServerFrame::Binary(b"\0".into());
    for _ in 0..100 {
        harness.advance_clock(SECOND_US);
        let frames = harness.read_frames(id);
        assert!(frames.is_empty() || frames == [ping.clone()], "{frames:?}");
        if !frames.is_empty() {
            harness.send_bytes(id, &wire::client_frame(wire::BINARY, b"\0"));
        }
    }
    assert!((3..=4).contains(&harness.counts().pings), "one in 25 s");
    // The next ping is not answered.
    harness.advance_clock(40 * SECOND_US);
    let close = ServerFrame::Close(Some(3012));
    assert_eq!(harness.read_frames(id), [ping, close]);
}

#[test]
fn subscribers_of_all_codecs_share_the_encodings_of_a_broadcast() {
    let mut harness = HubHarness::new(config());
    let json = harness.connect_subscriber(&["a"]);
    let raw = harness.open_websocket("/raw?topic=a");
    let plain: Vec<_> = (0..3)
        .map(|_| connect_subscriber(&mut harness, "", "a"))
        .collect();
    let deflated: Vec<_> = (0..3)
        .map(|_| connect_subscriber(&mut harness, OFFER_FULL, "a"))
        .collect();
    assert_eq!(harness.upstream.state().connections_by_codec, [1, 6, 1]);
    let bodies = [format!("[{}7]", "1,".repeat(500)), "8".to_owned()];
    harness.publish_joined("a", &bodies.each_ref().map(String::as_str));
    let pushes = bodies.each_ref().map(|body| push("a", body));
    assert_eq!(harness.read_texts(json), [pushes.join("\n")]);
    assert_eq!(harness.read_texts(raw), bodies);
    let expected = bodies
        .each_ref()
        .map(|body| client_proto::push("a", body.as_bytes()).encode_length_delimited_to_vec())
        .concat();
    for (ids, is_deflated) in [(plain, false), (deflated, true)] {
        for id in ids {
            let received = harness.read_received_frames(id);
            assert_eq!(received.len(), 1);
            assert_eq!(received[0].frame, ServerFrame::Binary(expected.clone()));
            assert_eq!(received[0].is_deflated, is_deflated);
        }
    }
    assert_eq!(harness.counts().deflate_compressed, 1, "once for all three");
}

#[test]
fn payloads_of_every_kind_arrive_as_they_are() {
    let bodies = ["", "two\nlines", "\"quoted\" \u{1}"];
    for kind in [PayloadKind::Text, PayloadKind::Binary] {
        let mut harness = HubHarness::new(config());
        let id = connect_subscriber(&mut harness, "", "a");
        let rules = NamespaceRules {
            payload_kind: kind,
            ..JSON_RULES
        };
        let broadcast = joined_broadcast(&harness.hasher, "a", &bodies, rules, 0);
        harness.hub.publish(&broadcast, 0);
        let expected = bodies.map(|body| client_proto::push("a", body.as_bytes()));
        assert_eq!(read(&mut harness, id), [expected]);
    }
}

#[test]
fn a_client_may_publish_payloads_of_every_kind() {
    let mut config = config();
    config.namespaces = [
        ("", PayloadKind::Json),
        ("text", PayloadKind::Text),
        ("binary", PayloadKind::Binary),
    ]
    .map(|(name, payload)| Namespace {
        payload,
        publish: true,
        ..namespace(name, SlowPolicy::Disconnect)
    })
    .into();
    let mut harness = HubHarness::new(config);
    let id = connect_subscriber(&mut harness, "", "a");
    let publications: [(&str, &[u8]); 3] = [
        ("a", b"{\"a\":\n1}"),
        ("text:a", "日本\n".as_bytes()),
        ("binary:a", b"\x00\xff"),
    ];
    for (topic, data) in publications {
        send(&mut harness, id, &[publish(3, topic, data)]);
        let accepted = Reply {
            id: 3,
            publish: Some(Empty {}),
            ..Reply::default()
        };
        assert_eq!(read(&mut harness, id), [[accepted]]);
    }
    let expected = publications.map(|(topic, data)| (topic.to_owned(), data.to_vec()));
    assert_eq!(harness.published, expected);
    // Ingest checks the payload. Here it finds that the payload is no JSON.
    harness.immediate_answer = Some(PublishAnswer::Rejected);
    send(&mut harness, id, &[publish(4, "a", b"{")]);
    assert_eq!(read(&mut harness, id), [[error(4, 107, "bad request")]]);
}
