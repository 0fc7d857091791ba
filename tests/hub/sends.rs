//! What one send contains: small frames are copied together, large ones are sent without a copy.

use bytes::Bytes;
use fanfare::delivery::{Codec, Encoding};
use fanfare::hub::{Egress, SendOutcome, Writability};
use fanfare::limits::GATHER_BYTES;
use fanfare::wire::Deflater;

use crate::upstream::{config, message};
use crate::world::World;

#[test]
fn a_large_frame_is_sent_from_where_it_lies_wherever_it_stands() {
    let mut world = World::new(config());
    let id = world.upgraded("/raw?topic=a");
    let body = "x".repeat(GATHER_BYTES);
    let broadcasts = ["7", "7", &body, "7"].map(|body| {
        let broadcast = message(&world.hasher, "a", body, world.now_us);
        world.hub.publish(&broadcast, world.now_us);
        broadcast
    });
    let mut deflater = Deflater::new(1, 0);
    let mut frames = |index: usize| -> Bytes {
        broadcasts[index].frames(Encoding::plain(Codec::Raw), &mut deflater)
    };
    let (small, large) = (frames(0), frames(2));
    let mut egress = Egress::default();
    let mut sends = Vec::new();
    while world.hub.poll_egress(&mut egress) {
        for send in egress.sends() {
            let bytes = egress.bytes(send);
            sends.push((bytes.to_vec(), bytes.as_ptr() == large.as_ptr()));
            let sent = SendOutcome::Written(bytes.len() as u32);
            assert_eq!(world.hub.sent(id, sent, world.now_us), Writability::Ready);
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
