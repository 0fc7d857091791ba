//! What one send holds: small frames together, large ones from where they lie.

use bytes::Bytes;
use fanfare::fabric::Broadcast;
use fanfare::hub::{Egress, Encoding, Outgoing, Sent};
use fanfare::limits::GATHER_BYTES;
use fanfare::wire::{Deflater, encode};

use crate::upstream::{config, message};
use crate::world::World;

/// A publication whose frame is made once, as broadcasts' are.
struct Framed(Broadcast, Bytes);

impl Outgoing for Framed {
    fn topic(&self) -> &str {
        self.0.topic()
    }

    fn topic_hash(&self) -> u64 {
        self.0.topic_hash()
    }

    fn frames(&self, _: Encoding, _: &mut Deflater) -> Bytes {
        self.1.clone()
    }

    fn publications(&self) -> u32 {
        self.0.publications()
    }

    fn arrived_us(&self) -> u64 {
        self.0.arrived_us()
    }
}

#[test]
fn a_large_frame_is_sent_from_where_it_lies_wherever_it_stands() {
    let mut world = World::new(config());
    let id = world.upgraded("/raw?topic=a");
    let large = encode::text(&[b'x'; GATHER_BYTES]);
    let small = encode::text(b"7");
    for frame in [&small, &small, &large, &small] {
        let message = message(&world.hasher, "a", "", world.now_us);
        let framed = Framed(message, frame.clone());
        world.hub.publish(&framed, world.now_us);
    }
    let mut egress = Egress::default();
    let mut sends = Vec::new();
    while world.hub.poll_egress(&mut egress) {
        for send in egress.sends() {
            let bytes = egress.bytes(send);
            sends.push((bytes.to_vec(), bytes.as_ptr() == large.as_ptr()));
            let sent = Sent::Wrote(bytes.len() as u32);
            assert!(!world.hub.sent(id, sent, world.now_us));
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
