//! Compressed messages from clients: commands as any other, and faults that end one connection.

use crate::upstream::{config, push};
use crate::wire::{self, FULL, Frame, NARROW, masked_deflated};
use crate::world::World;
use crate::zlib::deflate;

const SUBSCRIBE: &str = r#"{"id":2,"subscribe":{"channel":"a"}}"#;

/// A hub with a bystander who has also agreed on compression.
struct Scene {
    world: World,
    bystander: fanfare::hub::ConnectionId,
}

impl Scene {
    fn new() -> Self {
        let mut world = World::new(config());
        let bystander = world.subscriber_with(FULL, &["a"]);
        Self { world, bystander }
    }

    /// Nothing that happened to others has changed anything for the bystander.
    fn check(&mut self) {
        let Self { world, bystander } = self;
        world.feed(
            *bystander,
            &masked_deflated(wire::TEXT, &deflate(br#"{"id":9,"ping":{}}"#)),
        );
        world.publish("a", "1");
        let expected = [r#"{"id":9,"ping":{}}"#.to_owned(), push("a", "1")];
        assert_eq!(world.texts(*bystander), expected);
    }
}

#[test]
fn compressed_commands_are_carried_out_however_they_are_cut() {
    let message = ["{\"id\":1,\"connect\":{}}", SUBSCRIBE].join("\n");
    for headers in [FULL, NARROW] {
        let frame = masked_deflated(wire::TEXT, &deflate(message.as_bytes()));
        for cut in 0..=frame.len() {
            let mut world = World::new(config());
            let id = world.upgraded_with("/connection/websocket", headers);
            world.feed(id, &frame[..cut]);
            world.feed(id, &frame[cut..]);
            let texts = world.texts(id);
            assert!(
                texts[0].ends_with("\n{\"id\":2,\"subscribe\":{}}"),
                "{texts:?}"
            );
            world.publish("a", "1");
            assert_eq!(world.texts(id), [push("a", "1")], "cut at {cut}");
        }
    }
}

#[test]
fn compressed_and_plain_messages_may_come_in_turn() {
    let mut scene = Scene::new();
    let id = scene.world.client_with(FULL);
    for number in 2..40 {
        let command = format!(r#"{{"id":{number},"ping":{{}}}}"#);
        if number % 2 == 0 {
            scene.world.say(id, &command);
        } else {
            let frame = masked_deflated(wire::TEXT, &deflate(command.as_bytes()));
            scene.world.feed(id, &frame);
        }
        assert_eq!(scene.world.texts(id), [command]);
    }
    scene.check();
}

#[test]
fn a_bomb_ends_its_connection_with_1009_and_no_other() {
    let max_message = config().ws.max_message;
    let mut scene = Scene::new();
    for (bytes, code) in [(max_message + 1, 1009), (4 << 20, 1009)] {
        let id = scene.world.client_with(FULL);
        let bomb = deflate(&vec![b' '; bytes]);
        assert!(bomb.len() < 100_000);
        scene.world.feed(id, &masked_deflated(wire::TEXT, &bomb));
        assert_eq!(
            scene.world.read(id),
            [Frame::Close(Some(code))],
            "{bytes} bytes"
        );
        scene.check();
    }
    let counts = scene.world.counts();
    assert_eq!((counts.closed_too_big, counts.connections_deflate), (2, 1));
}

#[test]
fn the_largest_message_is_still_taken_compressed() {
    let mut scene = Scene::new();
    let id = scene.world.client_with(FULL);
    let command = r#"{"id":5,"ping":{}}"#;
    let padding = " ".repeat(config().ws.max_message - command.len());
    let frame = masked_deflated(
        wire::TEXT,
        &deflate(format!("{command}{padding}").as_bytes()),
    );
    scene.world.feed(id, &frame);
    assert_eq!(scene.world.texts(id), [command]);
    scene.check();
}

#[test]
fn garbage_is_1007_and_rsv1_where_it_may_not_be_is_1002() {
    let mut scene = Scene::new();
    let not_utf8 = deflate(b"\"\xff\xfe\"");
    let cases = [
        (masked_deflated(wire::TEXT, b"\xff\xff\xff"), FULL, 1007),
        (masked_deflated(wire::TEXT, &not_utf8), FULL, 1007),
        // A block of 5 bytes of which 2 are there.
        (
            masked_deflated(wire::TEXT, b"\x00\x05\x00\xfa\xffab"),
            FULL,
            1007,
        ),
        (masked_deflated(wire::PING, b""), FULL, 1002),
        (masked_deflated(wire::TEXT, &deflate(b"{}")), "", 1002),
    ];
    for (number, (frame, headers, code)) in cases.into_iter().enumerate() {
        let id = scene.world.client_with(headers);
        scene.world.feed(id, &frame);
        assert_eq!(
            scene.world.read(id),
            [Frame::Close(Some(code))],
            "case {number}"
        );
        scene.check();
    }
    assert_eq!(scene.world.counts().closed_fault, 5);
    assert_eq!(scene.world.counts().connections_deflate, 1);
}

#[test]
fn echo_compresses_what_is_worth_it_whatever_came() {
    let mut config = config();
    config.ws.echo = true;
    let mut world = World::new(config);
    let ids = [FULL, NARROW, ""].map(|headers| world.upgraded_with("/echo", headers));
    for bytes in [0, 10, 1_000, 60_000] {
        let message = "hello ".repeat(bytes / 6);
        for id in ids {
            let agreed = world.socket(id).window_bits.is_some();
            world.say(id, &message);
            let mut count = 1;
            if agreed {
                world.feed(
                    id,
                    &masked_deflated(wire::TEXT, &deflate(message.as_bytes())),
                );
                count = 2;
            }
            let taken = world.take(id);
            assert_eq!(taken.len(), count);
            for taken in taken {
                assert_eq!(taken.frame, Frame::text(&message));
                assert_eq!(taken.is_deflated, agreed && bytes >= 1_000, "{bytes} bytes");
            }
        }
    }
}
