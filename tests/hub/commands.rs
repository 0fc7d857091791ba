//! Commands of the client protocol, and what ends a connection that gets them wrong.

use fanfare::config::{Config, PayloadKind};
use fanfare::hub::PublishAnswer;

use crate::upstream::{config, namespace};
use crate::wire::{self, Frame};
use crate::world::{SECOND_US, World};

use fanfare::config::SlowPolicy::Disconnect;

/// What a client gets for one message.
fn answer(config: Config, message: &str) -> Vec<Frame> {
    let mut world = World::new(config);
    let id = world.client();
    world.say(id, message);
    world.read(id)
}

fn replies(config: Config, message: &str) -> String {
    match &answer(config, message)[..] {
        [Frame::Text(text)] => text.clone(),
        other => panic!("not one text frame: {other:?}"),
    }
}

fn error(id: u32, code: u16, message: &str) -> String {
    format!(r#"{{"id":{id},"error":{{"code":{code},"message":"{message}"}}}}"#)
}

#[test]
fn several_commands_in_one_message_are_answered_in_order_in_one_frame() {
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
fn subscribing_twice_is_105_and_changes_nothing() {
    let mut world = World::new(config());
    let id = world.subscriber(&["a"]);
    world.say(id, r#"{"id":3,"subscribe":{"channel":"a"}}"#);
    assert_eq!(world.texts(id), [error(3, 105, "already subscribed")]);
    world.publish("a", "1");
    assert_eq!(world.read(id).len(), 1, "once");
    let counts = world.counts();
    assert_eq!((counts.subscriptions, counts.command_errors), (1, 1));
}

#[test]
fn one_topic_more_than_max_topics_is_106() {
    let mut config = config();
    config.ws.max_topics = 2;
    let mut world = World::new(config);
    let id = world.subscriber(&["a", "b"]);
    world.say(id, r#"{"id":3,"subscribe":{"channel":"c"}}"#);
    assert_eq!(world.texts(id), [error(3, 106, "limit exceeded")]);
    assert!(!world.wants("c"));
    world.say(id, "{\"id\":4,\"unsubscribe\":{\"channel\":\"a\"}}");
    world.say(id, "{\"id\":5,\"subscribe\":{\"channel\":\"c\"}}");
    assert_eq!(
        world.texts(id).last().unwrap(),
        r#"{"id":5,"subscribe":{}}"#
    );
}

#[test]
fn a_name_that_is_no_topic_is_107() {
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
fn publishing_is_103_unless_the_namespace_allows_it() {
    let mut config = config();
    let open = || namespace("open", Disconnect);
    config.namespaces.push(fanfare::config::Namespace {
        publish: true,
        ..open()
    });
    config.namespaces.push(fanfare::config::Namespace {
        name: "text".into(),
        publish: true,
        payload: PayloadKind::Text,
        ..open()
    });
    config.ingest.max_payload = 8;
    let mut world = World::new(config);
    let id = world.client();
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
        world.say(id, &message);
        assert_eq!(world.texts(id), [expected], "{message}");
    }
    assert_eq!(world.published, [("open:a".to_owned(), b"[1,2]".to_vec())]);

    world.publish_answer = Some(PublishAnswer::Busy);
    world.say(id, &publish("open:a", "1"));
    let busy = r#"{"id":2,"error":{"code":111,"message":"too many requests","temporary":true}}"#;
    assert_eq!(world.texts(id), [busy]);
}

#[test]
fn the_reserved_topic_is_103_even_where_everybody_may_publish() {
    let mut config = config();
    for namespace in &mut config.namespaces {
        namespace.publish = true;
    }
    let mut world = World::new(config);
    let id = world.client();
    let commands = [
        r#"{"id":2,"subscribe":{"channel":"fanfare.canary"}}"#,
        r#"{"id":2,"publish":{"channel":"fanfare.canary","data":1}}"#,
        r#"{"id":2,"subscribe":{"channel":"fanfare.\u0063anary"}}"#,
    ];
    for command in commands {
        world.say(id, command);
        assert_eq!(world.texts(id), [error(2, 103, "permission denied")]);
    }
    assert!(!world.wants("fanfare.canary"));
    assert_eq!(world.published, []);
    world.say(id, r#"{"id":2,"publish":{"channel":"a","data":1}}"#);
    assert_eq!(world.texts(id), [r#"{"id":2,"publish":{}}"#]);
}

#[test]
fn what_is_no_command_is_3501() {
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
            answer(config(), message),
            [Frame::Close(Some(3501))],
            "{message}"
        );
    }
}

#[test]
fn a_command_before_connect_is_3501() {
    for message in [
        r#"{"id":1,"subscribe":{"channel":"a"}}"#,
        r#"{"id":1,"ping":{}}"#,
        "{}",
    ] {
        let mut world = World::new(config());
        let id = world.upgraded("/connection/websocket");
        world.say(id, message);
        assert_eq!(world.read(id), [Frame::Close(Some(3501))], "{message}");
        assert_eq!(world.counts().closed_bad_request, 1);
    }
}

#[test]
fn a_binary_message_is_3501_and_a_message_to_raw_is_1003() {
    let mut world = World::new(config());
    let id = world.client();
    world.feed(id, &wire::masked(wire::BINARY, b"x"));
    assert_eq!(world.read(id), [Frame::Close(Some(3501))]);
    let raw = world.upgraded("/raw?topic=a");
    world.say(raw, "x");
    assert_eq!(world.read(raw), [Frame::Close(Some(1003))]);
}

#[test]
fn replies_before_a_bad_command_still_go_out() {
    let frames = answer(
        config(),
        "{\"id\":2,\"ping\":{}}\nnonsense\n{\"id\":3,\"ping\":{}}",
    );
    assert_eq!(
        frames,
        [
            Frame::text(r#"{"id":2,"ping":{}}"#),
            Frame::Close(Some(3501))
        ]
    );
}

#[test]
fn more_commands_in_a_message_than_the_bound_are_3501() {
    let line = r#"{"id":2,"ping":{}}"#;
    let most = vec![line; fanfare::limits::COMMANDS_PER_MESSAGE];
    assert_eq!(
        replies(config(), &most.join("\n")).lines().count(),
        most.len()
    );
    let frames = answer(config(), &[&most[..], &[line]].concat().join("\n"));
    assert_eq!(frames.last(), Some(&Frame::Close(Some(3501))));
}

#[test]
fn more_commands_in_a_second_than_allowed_are_3013() {
    let mut config = config();
    config.ws.max_command_rate = 3;
    let ping = r#"{"id":2,"ping":{}}"#;
    let mut world = World::new(config);
    let id = world.client(); // One command of this second is spent.
    world.say(id, &[ping; 2].join("\n"));
    assert_eq!(world.read(id).len(), 1);
    world.wait(SECOND_US);
    for _ in 0..3 {
        world.say(id, ping);
        assert_eq!(world.texts(id), [ping]);
    }
    world.say(id, ping);
    assert_eq!(world.read(id), [Frame::Close(Some(3013))]);
    assert_eq!(world.counts().closed_too_fast, 1);
}

#[test]
fn every_command_of_a_message_is_charged() {
    let mut config = config();
    config.ws.max_command_rate = 3;
    let ping = r#"{"id":2,"ping":{}}"#;
    let mut world = World::new(config);
    let id = world.client();
    world.wait(SECOND_US);
    world.say(id, &[ping; 4].join("\n"));
    let answered = Frame::text(&[ping; 3].join("\n"));
    assert_eq!(world.read(id), [answered, Frame::Close(Some(3013))]);
}

#[test]
fn control_frames_are_charged_like_commands() {
    let mut config = config();
    config.ws.max_command_rate = 3;
    let mut world = World::new(config);
    let id = world.client();
    for _ in 0..3 {
        world.feed(id, &wire::masked(wire::PING, b""));
    }
    let pong = Frame::Pong(Vec::new());
    assert_eq!(
        world.read(id),
        [pong.clone(), pong, Frame::Close(Some(3013))]
    );
}

#[test]
fn a_client_of_the_first_second_is_served() {
    let mut world = World::new(config());
    world.now_us = 0;
    let id = world.client();
    world.say(id, r#"{"id":2,"ping":{}}"#);
    assert_eq!(world.texts(id), [r#"{"id":2,"ping":{}}"#]);
}
