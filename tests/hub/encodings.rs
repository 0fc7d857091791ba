//! One topic with subscribers of every encoding: each receives the encoding that it negotiated, and
//! each encoding is made once and shared.

use fanfare::config::PayloadKind;
use fanfare::delivery::{Broadcast, Codec, Encoding, NamespaceRules};
use fanfare::hub::{ConnectionId, Egress};
use fanfare::wire::Deflater;
use fanfare::wire::deflate::DeflateWindow;

use crate::harness::HubHarness;
use crate::upstream::{JSON_RULES, config, joined_broadcast, push};
use crate::wire::{OFFER_FULL, OFFER_NARROW, ReceivedFrame, ServerFrame};

const RAW: &str = "/raw?topic=a";

/// Returns JSON of about `bytes` bytes that compresses well.
fn compressible_body(random: &mut fastrand::Rng, bytes: usize) -> String {
    let mut quotes = Vec::new();
    let mut length = 0;
    while length < bytes {
        let price = random.u32(10_000..99_999);
        let size = random.u32(1..900);
        let quote = format!(r#"{{"symbol":"FAN{size}","price":{price},"size":{size}}}"#);
        length += quote.len() + 1;
        quotes.push(quote);
    }
    format!("[{}]", quotes.join(","))
}

/// Returns JSON of random letters, in which nothing repeats: only entropy coding makes it smaller.
fn random_letters_body(random: &mut fastrand::Rng, bytes: usize) -> String {
    let alphabet: Vec<char> = ('#'..='~').filter(|letter| *letter != '\\').collect();
    let mut letters = String::new();
    for _ in 0..bytes {
        letters.push(*random.choice(&alphabet).expect("the alphabet has letters"));
    }
    format!("\"{letters}\"")
}

/// Number of subscribers of each codec in [`connect_all`].
const PER_CODEC: usize = 3;

/// Connects a subscriber of each encoding: plain, with the full and with the narrow window; first
/// of the client protocol, then raw.
fn connect_all(harness: &mut HubHarness) -> [ConnectionId; 6] {
    [
        harness.connect_subscriber(&["a"]),
        harness.connect_subscriber_with(OFFER_FULL, &["a"]),
        harness.connect_subscriber_with(OFFER_NARROW, &["a"]),
        harness.open_websocket(RAW),
        harness.open_websocket_with(RAW, OFFER_FULL),
        harness.open_websocket_with(RAW, OFFER_NARROW),
    ]
}

/// Returns the text that a subscriber of [`connect_all`] receives for a publication to topic `a`.
fn expected_text(position: usize, body: &str) -> String {
    if position < PER_CODEC {
        push("a", body)
    } else {
        body.to_owned()
    }
}

/// Returns the one message that a connection has received, which must have this text.
fn read_one(harness: &mut HubHarness, id: ConnectionId, text: &str) -> ReceivedFrame {
    let mut received = harness.read_received_frames(id);
    assert_eq!(received.len(), 1);
    let received = received.remove(0);
    assert_eq!(received.frame, ServerFrame::text(text));
    received
}

#[test]
fn subscribers_receive_the_same_message_compressed_only_if_they_negotiated_it() {
    let mut random = fastrand::Rng::with_seed(3);
    for bytes in [300, 1_000, 4_000, 4_200, 9_000, 40_000, 100_000] {
        let mut harness = HubHarness::new(config());
        let ids = connect_all(&mut harness);
        let body = compressible_body(&mut random, bytes);
        harness.publish("a", &body);
        let mut spared_bytes = 0;
        for (position, id) in ids.into_iter().enumerate() {
            let text = expected_text(position, &body);
            let received = read_one(&mut harness, id, &text);
            let negotiated_deflate = position % PER_CODEC > 0;
            assert_eq!(
                received.is_deflated, negotiated_deflate,
                "{bytes} bytes, {position}"
            );
            let header_bytes = if text.len() < 65_536 { 4 } else { 10 };
            spared_bytes += header_bytes + text.len() - received.wire_bytes;
        }
        let counts = harness.counts();
        assert_eq!(counts.deflate_spared_bytes, spared_bytes as u64);
        assert_eq!(counts.deflate_deliveries, 4);
        // A message that fits into the narrow window has one frame for both windows.
        let mut frames = 0;
        for message in [&push("a", &body), &body] {
            frames += if message.len() <= 4_096 { 1 } else { 2 };
        }
        assert_eq!(counts.deflate_compressed, frames, "{bytes} bytes");
        assert_eq!(
            (counts.deflate_small, counts.deflate_incompressible),
            (0, 0)
        );
        assert!(counts.deflate_bytes_after < counts.deflate_bytes_before / 2);
    }
}

#[test]
fn a_broadcast_is_compressed_once_for_all_shards_and_shared_by_reference() {
    let mut random = fastrand::Rng::with_seed(4);
    let mut harness = HubHarness::new(config());
    let ids: Vec<_> = (0..20)
        .map(|_| harness.connect_subscriber_with(OFFER_FULL, &["a"]))
        .collect();
    let encoding = Encoding {
        codec: Codec::Json,
        window: Some(DeflateWindow::Full),
    };
    for number in 1..=10 {
        let body = compressible_body(&mut random, 2_000);
        let broadcast = joined_broadcast(&harness.hasher, "a", &[&body], JSON_RULES, 0);
        // Two other shards use the broadcast before this one.
        let mut first_deflater = Deflater::new(1, 256);
        let mut second_deflater = Deflater::new(1, 256);
        let first = broadcast.frames(encoding, &mut first_deflater);
        let second = broadcast.frames(encoding, &mut second_deflater);
        assert_eq!(first.as_ptr(), second.as_ptr());
        assert_eq!(first_deflater.tally().compressed, 1);
        assert_eq!(second_deflater.tally().compressed, 0);
        harness.hub.publish(&broadcast, 0);
        for id in &ids {
            assert!(read_one(&mut harness, *id, &push("a", &body)).is_deflated);
        }
        let counts = harness.counts();
        assert_eq!(counts.deflate_compressed, 0, "another shard compressed it");
        assert_eq!(counts.deflate_deliveries, 20 * number);
    }
}

#[test]
fn outboxes_with_the_same_frames_are_gathered_once() {
    let mut random = fastrand::Rng::with_seed(9);
    let mut harness = HubHarness::new(config());
    for _ in 0..50 {
        harness.connect_subscriber_with(OFFER_FULL, &["a"]);
    }
    for _ in 0..3 {
        let body = compressible_body(&mut random, 1_000);
        harness.publish("a", &body);
    }
    let mut egress = Egress::default();
    assert!(harness.hub.poll_egress(&mut egress));
    assert_eq!(egress.sends().len(), 50);
    let sent_bytes = |at: usize| egress.bytes(&egress.sends()[at]);
    let first = sent_bytes(0);
    assert_eq!(harness.counts().pending_bytes, 50 * first.len() as u64);
    assert!((1..50).all(|at| std::ptr::eq(sent_bytes(at), first)));
}

#[test]
fn only_messages_below_the_threshold_are_sent_plain() {
    let mut random = fastrand::Rng::with_seed(5);
    let mut harness = HubHarness::new(config());
    let ids = connect_all(&mut harness);
    let threshold = config().ws.deflate.threshold;
    let push_overhead = push("a", "").len();
    let padding = "x".repeat(threshold - push_overhead - 2);
    let push_at_threshold = format!("\"{padding}\"");
    let push_below_threshold = format!("\"{}\"", &padding[1..]);
    // Body, subscribers that receive it compressed, total of messages below the threshold, total of
    // incompressible messages.
    let cases = [
        (
            push_at_threshold,
            [false, true, true, false, false, false],
            1,
            0,
        ),
        (push_below_threshold, [false; 6], 3, 0),
        (
            random_letters_body(&mut random, 300),
            [false, true, true, false, true, true],
            3,
            0,
        ),
    ];
    for (body, deflated, small, incompressible) in cases {
        harness.publish("a", &body);
        for (position, id) in ids.into_iter().enumerate() {
            let text = expected_text(position, &body);
            let received = read_one(&mut harness, id, &text);
            assert_eq!(
                received.is_deflated, deflated[position],
                "{body} {position}"
            );
        }
        let counts = harness.counts();
        assert_eq!(counts.deflate_small, small, "{body}");
        assert_eq!(counts.deflate_incompressible, incompressible, "{body}");
    }
}

#[test]
fn compression_of_incompressible_bytes_is_tried_once_for_both_windows() {
    let mut random = fastrand::Rng::with_seed(6);
    let mut harness = HubHarness::new(config());
    let full = harness.open_websocket_with(RAW, OFFER_FULL);
    let narrow = harness.open_websocket_with(RAW, OFFER_NARROW);
    let rules = NamespaceRules {
        payload_kind: PayloadKind::Binary,
        ..JSON_RULES
    };
    for (number, bytes) in [(1, 300), (2, 4_096)] {
        let payload: Vec<u8> = (0..bytes).map(|_| random.u8(..)).collect();
        let hash = harness.hasher.hash("a");
        let broadcast = Broadcast::new("a", hash, &payload, None, rules, 0);
        harness.hub.publish(&broadcast, 0);
        for id in [full, narrow] {
            let received = harness.read_received_frames(id);
            assert!(!received[0].is_deflated);
            assert_eq!(received[0].frame, ServerFrame::Binary(payload.clone()));
        }
        let counts = harness.counts();
        assert_eq!(
            counts.deflate_incompressible, number,
            "once for both windows"
        );
        assert_eq!(
            (counts.deflate_spared_bytes, counts.deflate_deliveries),
            (0, 0)
        );
    }
}

#[test]
fn publications_of_a_namespace_without_compression_are_sent_plain() {
    let mut harness = HubHarness::new(config());
    let ids = connect_all(&mut harness);
    let rules = NamespaceRules {
        may_deflate: false,
        ..JSON_RULES
    };
    let body = format!("\"{}\"", "x".repeat(10_000));
    let broadcast = joined_broadcast(&harness.hasher, "a", &[&body], rules, 0);
    harness.hub.publish(&broadcast, 0);
    for (position, id) in ids.into_iter().enumerate() {
        let text = expected_text(position, &body);
        assert!(!read_one(&mut harness, id, &text).is_deflated);
    }
    let counts = harness.counts();
    let compression_counts = [
        counts.deflate_compressed,
        counts.deflate_small,
        counts.deflate_incompressible,
        counts.deflate_deliveries,
    ];
    assert_eq!(compression_counts, [0; 4]);
}

#[test]
fn level_and_threshold_apply_to_publications_after_the_change() {
    let mut random = fastrand::Rng::with_seed(8);
    let mut harness = HubHarness::new(config());
    let id = harness.connect_subscriber_with(OFFER_FULL, &["a"]);
    harness.socket(id).room_bytes = 0;
    let body = compressible_body(&mut random, 3_000);
    for (level, threshold) in [(1, 256), (12, 256), (12, 1 << 20), (6, 0)] {
        let mut config = config();
        (config.ws.deflate.level, config.ws.deflate.threshold) = (level, threshold);
        harness.hub.reconfigure(config.into());
        harness.publish("a", &body);
    }
    harness.add_room(id, usize::MAX);
    let received = harness.read_received_frames(id);
    let deflated: Vec<_> = received.iter().map(|each| each.is_deflated).collect();
    assert_eq!(deflated, [true, true, false, true]);
    assert!(
        received[1].wire_bytes < received[0].wire_bytes,
        "level 12 makes the frame smaller"
    );
    for each in received {
        assert_eq!(each.frame, ServerFrame::text(&push("a", &body)));
    }
}
