//! The bytes of one send: small frames are copied together, large frames are sent without a copy.

use bytes::Bytes;

use fanfare::delivery::{Codec, Encoding};
use fanfare::hub::{Egress, SendOutcome, Writability};
use fanfare::limits::GATHER_BYTES;
use fanfare::wire::Deflater;

use crate::harness::HubHarness;
use crate::upstream::{JSON_RULES, config, joined_broadcast};

#[test]
fn a_large_frame_is_sent_without_a_copy_and_small_frames_are_gathered() {
    let mut harness = HubHarness::new(config());
    let id = harness.open_websocket("/raw?topic=a");
    let large_body = "x".repeat(GATHER_BYTES);
    let broadcasts = ["7", "7", &large_body, "7"].map(|body| {
        let now_us = harness.now_us;
        let broadcast = joined_broadcast(&harness.hasher, "a", &[body], JSON_RULES, now_us);
        harness.hub.publish(&broadcast, now_us);
        broadcast
    });
    let mut deflater = Deflater::new(1, 0);
    let raw = Encoding::plain(Codec::Raw);
    let small: Bytes = broadcasts[0].frames(raw, &mut deflater);
    let large: Bytes = broadcasts[2].frames(raw, &mut deflater);
    let mut egress = Egress::default();
    // The bytes of each send, and whether they are the frame of the broadcast itself.
    let mut sends = Vec::new();
    while harness.hub.poll_egress(&mut egress) {
        for send in egress.sends() {
            let bytes = egress.bytes(send);
            sends.push((bytes.to_vec(), bytes.as_ptr() == large.as_ptr()));
            let outcome = SendOutcome::Written(bytes.len() as u32);
            let writability = harness.hub.sent(id, outcome, harness.now_us);
            assert_eq!(writability, Writability::Ready);
        }
        egress.clear();
    }
    let expected = [
        (small.repeat(2), false),
        (large.to_vec(), true),
        (small.to_vec(), false),
    ];
    assert_eq!(sends, expected);
}
