//! The memory that an idle connection of the client protocol costs the hub, without and with an
//! identity, counted by the allocator of this program.

#![allow(clippy::unwrap_used, unreachable_pub, dead_code)]

use std::alloc::System;
use std::sync::Arc;

use cap::Cap;
use fanfare::config::Config;
use fanfare::delivery::TopicHasher;
use fanfare::hub::{ConnectionId, Egress, Hub, Parking, SendOutcome, Writability};
use serde_json::json;

#[path = "hub/tokens.rs"]
mod tokens;
#[path = "hub/upstream.rs"]
mod upstream;
#[path = "hub/wire.rs"]
mod wire;
#[path = "hub/zlib.rs"]
mod zlib;

use upstream::RecordingUpstream;

/// Counts the bytes that are allocated.
#[global_allocator]
static ALLOCATOR: Cap<System> = Cap::new(System, usize::MAX);

/// Connections in each half of the measurement. The second half is measured, because the first half
/// also pays for what all connections share.
const HALF: usize = 7_680;

const SECOND_US: u64 = 1_000_000;

fn send_all(hub: &mut Hub, egress: &mut Egress, now_us: u64) {
    while hub.poll_egress(egress) {
        for send in egress.sends() {
            let outcome = SendOutcome::Written(egress.bytes(send).len() as u32);
            assert_eq!(hub.sent(send.id, outcome, now_us), Writability::Ready);
        }
        egress.clear();
    }
}

/// Opens a connection that is subscribed to one topic.
fn open(hub: &mut Hub, index: usize, token: &str, now_us: u64) -> ConnectionId {
    let id = hub.accept(now_us).expect("there is no limit");
    hub.receive(
        id,
        &mut wire::upgrade_request("/connection/websocket"),
        now_us,
    );
    let commands = format!(
        "{{\"id\":1,\"connect\":{{\"token\":\"{token}\"}}}}\n{{\"id\":2,\"subscribe\":{{\"channel\":\"t{}\"}}}}",
        index % 1000
    );
    hub.receive(id, &mut wire::text_frame(&commands), now_us);
    id
}

/// Returns the bytes that each idle connection costs. `token_of` returns the token of a connection.
fn connection_bytes(config: Config, token_of: impl Fn(usize) -> String) -> usize {
    let hasher = TopicHasher::default();
    let upstream = Box::new(RecordingUpstream::default());
    let mut hub = Hub::new(Arc::new(config), upstream, hasher, Arc::default(), 1);
    hub.set_unix_time(tokens::NOW_S);
    let (mut egress, mut now_us) = (Egress::default(), 0);
    let mut ids = Vec::with_capacity(2 * HALF);
    let mut allocated_bytes = [0; 2];
    for half in &mut allocated_bytes {
        for index in 0..HALF {
            ids.push(open(&mut hub, index, &token_of(ids.len()), now_us));
            while hub.resume_parked(now_us) == Parking::Occupied {}
            if index % 64 == 0 {
                send_all(&mut hub, &mut egress, now_us);
            }
        }
        // A minute of pings and pongs.
        for _ in 0..600 {
            now_us += SECOND_US / 10;
            hub.tick(now_us);
            send_all(&mut hub, &mut egress, now_us);
            if now_us % (5 * SECOND_US) == 0 {
                for id in &ids {
                    hub.receive(*id, &mut wire::text_frame("{}"), now_us);
                }
            }
        }
        *half = ALLOCATOR.allocated();
    }
    let counts = hub.counts();
    assert_eq!(
        (counts.connections, counts.pending_bytes),
        (2 * HALF as u64, 0)
    );
    assert_eq!(counts.subscriptions, 2 * HALF as u64);
    assert!(counts.pings >= 2 * HALF as u64);
    (allocated_bytes[1] - allocated_bytes[0]) / HALF
}

#[test]
fn an_idle_connection_costs_the_hub_few_bytes_and_an_identity_not_many_more() {
    let bytes = connection_bytes(upstream::config(), |_| String::new());
    println!("{bytes} bytes for each connection");
    assert!(bytes < 230, "{bytes} bytes for each connection");
    let mut config = upstream::config();
    tokens::demand(&mut config);
    config.namespaces[0].allow_subscribe_for_client = true;
    let with_identity = connection_bytes(config, |number| {
        let (user, info) = (number.to_string(), "x".repeat(62));
        tokens::token(&json!({"sub": user, "info": info, "exp": tokens::NOW_S + 3_600}))
    });
    let more = with_identity - bytes;
    println!("{more} bytes more with user, information and expiry");
    assert!(more <= 200, "{more} bytes more");
}
