//! Compressed messages from clients: commands, limits, and violations that close one connection and
//! do not affect another.

use fanfare::hub::ConnectionId;

use crate::harness::HubHarness;
use crate::upstream::{config, push};
use crate::wire::{self, OFFER_FULL, OFFER_NARROW, ServerFrame, deflated_client_frame};
use crate::zlib::deflate;

const SUBSCRIBE: &str = r#"{"id":2,"subscribe":{"channel":"a"}}"#;

/// A hub with a subscriber that also uses compression.
struct HubWithSubscriber {
    harness: HubHarness,
    subscriber: ConnectionId,
}

impl HubWithSubscriber {
    fn new() -> Self {
        let mut harness = HubHarness::new(config());
        let subscriber = harness.connect_subscriber_with(OFFER_FULL, &["a"]);
        Self {
            harness,
            subscriber,
        }
    }

    /// Asserts that the messages of other connections have not affected the subscriber.
    fn assert_subscriber_is_served(&mut self) {
        let ping = r#"{"id":9,"ping":{}}"#;
        self.harness
            .send_bytes(self.subscriber, &deflated_text_frame(ping));
        self.harness.publish("a", "1");
        let expected = [ping.to_owned(), push("a", "1")];
        assert_eq!(self.harness.read_texts(self.subscriber), expected);
    }
}

/// Returns a compressed text message from a client.
fn deflated_text_frame(message: &str) -> Vec<u8> {
    deflated_client_frame(wire::TEXT, &deflate(message.as_bytes()))
}

#[test]
fn compressed_commands_may_arrive_in_two_parts_of_any_length() {
    let message = ["{\"id\":1,\"connect\":{}}", SUBSCRIBE].join("\n");
    for headers in [OFFER_FULL, OFFER_NARROW] {
        let frame = deflated_text_frame(&message);
        for cut in 0..=frame.len() {
            let mut harness = HubHarness::new(config());
            let id = harness.open_websocket_with("/connection/websocket", headers);
            harness.send_bytes(id, &frame[..cut]);
            harness.send_bytes(id, &frame[cut..]);
            let texts = harness.read_texts(id);
            assert!(
                texts[0].ends_with("\n{\"id\":2,\"subscribe\":{}}"),
                "{texts:?}"
            );
            harness.publish("a", "1");
            assert_eq!(harness.read_texts(id), [push("a", "1")], "cut at {cut}");
        }
    }
}

#[test]
fn compressed_and_plain_messages_may_alternate() {
    let mut hub = HubWithSubscriber::new();
    let id = hub.harness.connect_client_with(OFFER_FULL);
    for number in 2..40 {
        let command = format!(r#"{{"id":{number},"ping":{{}}}}"#);
        if number % 2 == 0 {
            hub.harness.send_text(id, &command);
        } else {
            let frame = deflated_text_frame(&command);
            hub.harness.send_bytes(id, &frame);
        }
        assert_eq!(hub.harness.read_texts(id), [command]);
    }
    hub.assert_subscriber_is_served();
}

#[test]
fn a_decompression_bomb_closes_only_its_own_connection_with_1009() {
    let max_message = config().ws.max_message;
    let mut hub = HubWithSubscriber::new();
    for bytes in [max_message + 1, 4 << 20] {
        let id = hub.harness.connect_client_with(OFFER_FULL);
        let bomb = deflate(&vec![b' '; bytes]);
        assert!(bomb.len() < 100_000);
        hub.harness
            .send_bytes(id, &deflated_client_frame(wire::TEXT, &bomb));
        assert_eq!(
            hub.harness.read_frames(id),
            [ServerFrame::Close(Some(1009))],
            "{bytes} bytes"
        );
        hub.assert_subscriber_is_served();
    }
    let counts = hub.harness.counts();
    assert_eq!((counts.closed_too_big, counts.connections_deflate), (2, 1));
}

#[test]
fn the_largest_message_is_accepted_in_compressed_form() {
    let mut hub = HubWithSubscriber::new();
    let id = hub.harness.connect_client_with(OFFER_FULL);
    let command = r#"{"id":5,"ping":{}}"#;
    let padding = " ".repeat(config().ws.max_message - command.len());
    let frame = deflated_text_frame(&format!("{command}{padding}"));
    hub.harness.send_bytes(id, &frame);
    assert_eq!(hub.harness.read_texts(id), [command]);
    hub.assert_subscriber_is_served();
}

#[test]
fn invalid_data_closes_with_1007_and_a_forbidden_rsv1_bit_with_1002() {
    let mut hub = HubWithSubscriber::new();
    let not_utf8 = deflate(b"\"\xff\xfe\"");
    let cases = [
        (
            deflated_client_frame(wire::TEXT, b"\xff\xff\xff"),
            OFFER_FULL,
            1007,
        ),
        (
            deflated_client_frame(wire::TEXT, &not_utf8),
            OFFER_FULL,
            1007,
        ),
        // A stored block of 5 bytes that ends after 2 bytes.
        (
            deflated_client_frame(wire::TEXT, b"\x00\x05\x00\xfa\xffab"),
            OFFER_FULL,
            1007,
        ),
        (deflated_client_frame(wire::PING, b""), OFFER_FULL, 1002),
        (deflated_client_frame(wire::TEXT, &deflate(b"{}")), "", 1002),
    ];
    for (number, (frame, headers, code)) in cases.into_iter().enumerate() {
        let id = hub.harness.connect_client_with(headers);
        hub.harness.send_bytes(id, &frame);
        assert_eq!(
            hub.harness.read_frames(id),
            [ServerFrame::Close(Some(code))],
            "case {number}"
        );
        hub.assert_subscriber_is_served();
    }
    assert_eq!(hub.harness.counts().closed_fault, 5);
    assert_eq!(hub.harness.counts().connections_deflate, 1);
}

#[test]
fn echo_compresses_a_message_if_that_makes_it_smaller() {
    let mut config = config();
    config.ws.echo = true;
    let mut harness = HubHarness::new(config);
    let ids =
        [OFFER_FULL, OFFER_NARROW, ""].map(|headers| harness.open_websocket_with("/echo", headers));
    for bytes in [0, 10, 1_000, 60_000] {
        let message = "hello ".repeat(bytes / 6);
        for id in ids {
            let agreed = harness.socket(id).window_bits.is_some();
            harness.send_text(id, &message);
            let mut count = 1;
            if agreed {
                harness.send_bytes(id, &deflated_text_frame(&message));
                count = 2;
            }
            let received = harness.read_received_frames(id);
            assert_eq!(received.len(), count);
            for received in received {
                assert_eq!(received.frame, ServerFrame::text(&message));
                assert_eq!(
                    received.is_deflated,
                    agreed && bytes >= 1_000,
                    "{bytes} bytes"
                );
            }
        }
    }
}
