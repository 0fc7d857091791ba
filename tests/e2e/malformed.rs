//! Malformed messages from publishers: each is rejected with its code and affects no other message.

use crate::client::RawSubscriber;
use crate::publisher::Publisher;
use crate::server::Server;

const MIB: usize = 1024 * 1024;

/// Returns malformed messages, each with the error code in the reply of the ROUTER socket.
fn malformed() -> Vec<(Vec<Vec<u8>>, &'static str)> {
    let parts = |parts: &[&[u8]]| parts.iter().map(|part| part.to_vec()).collect::<Vec<_>>();
    let deep = [vec![b'['; 65], vec![b']'; 65]].concat();
    vec![
        (parts(&[b"a"]), "parts"),
        (parts(&[b"a", b"1", b"{}", b""]), "parts"),
        (vec![b"a".to_vec(); 1_000], "parts"),
        (parts(&[b"", b"1"]), "topic_empty"),
        (parts(&[b"\xff", b"1"]), "topic_not_utf8"),
        (parts(&[b"a\n", b"1"]), "topic_control"),
        (parts(&[&[b'a'; 256], b"1"]), "topic_too_long"),
        (parts(&[b"fanfare.canary", b"1"]), "topic_reserved"),
        (parts(&[b"a", b""]), "payload_not_json"),
        (parts(&[b"a", b"{\"n\":}"]), "payload_not_json"),
        (parts(&[b"a", b"1 2"]), "payload_not_json"),
        (parts(&[b"a", b"\"\xff\""]), "payload_not_utf8"),
        (parts(&[b"a", &deep]), "payload_too_deep"),
        (parts(&[b"a", &vec![b'1'; 10 * MIB]]), "payload_too_large"),
        (parts(&[b"a", b"1", b"[]"]), "meta_not_object"),
        (parts(&[b"a", b"1", b"{\"id\":7}"]), "meta_invalid"),
        (parts(&[b"a", b"1", b"\xff"]), "meta_not_object"),
        (parts(&[b"a", b"1", &vec![b' '; 5_000]]), "meta_too_large"),
    ]
}

#[test]
fn the_reply_to_a_malformed_request_contains_the_reason() {
    let server = Server::start(&[]);
    let publisher = Publisher::with_req(&server);
    for (parts, code) in malformed() {
        publisher.socket.send_multipart(&parts, 0).unwrap();
        let reply = publisher.reply();
        assert_eq!(reply.len(), 3, "{code}");
        assert_eq!(reply[0], b"error");
        assert_eq!(reply[1], code.as_bytes());
        assert!(!reply[2].is_empty());
    }
    publisher.send_and_wait("a", "1");
    let rejected = malformed().len() as u64;
    server.await_metric("fanfare_rejected_total", &[], rejected);
    server.await_metric("fanfare_publications_total", &[], 1);
}

#[test]
fn a_message_from_a_dealer_without_a_delimiter_is_rejected() {
    let server = Server::start(&[]);
    let publisher = Publisher::with_dealer(&server);
    publisher.send_parts(&[b"a", b"1"]);
    let reply = publisher.reply();
    assert_eq!(reply[..2], [b"error".to_vec(), b"no_delimiter".to_vec()]);
}

#[test]
fn the_message_after_a_malformed_message_is_delivered() {
    let server = Server::start(&[]);
    let mut raw = RawSubscriber::connect(&server, &["a"]);
    let push = Publisher::with_push(&server);
    let publish = Publisher::with_pub(&server);
    for (number, (parts, code)) in malformed().iter().enumerate() {
        for publisher in [&push, &publish] {
            let after = number.to_string();
            publisher.socket.send_multipart(parts, 0).unwrap();
            publisher.send("a", &after);
            assert_eq!(raw.next_text(), after, "after {code}");
        }
    }
}

#[test]
fn a_dealer_that_does_not_read_replies_delays_no_other_publisher() {
    let server = Server::start(&["ingest.high_water_mark=100"]);
    let mut raw = RawSubscriber::connect(&server, &["a"]);
    let endpoint = format!("tcp://127.0.0.1:{}", server.ports.router);
    let without_reads = Publisher::connect_to(zmq::DEALER, &endpoint, |socket| {
        socket.set_rcvhwm(1).unwrap();
    });
    let other = Publisher::with_req(&server);
    // Each reply repeats the leading part of 16 KiB. The kernel cannot buffer all replies.
    let leading = vec![b'x'; 16 * 1024];
    for number in 0..2_000 {
        without_reads.send_parts(&[&leading, b"", b"a", number.to_string().as_bytes()]);
        assert_eq!(raw.next_text(), number.to_string());
    }
    assert!(server.metric("fanfare_replies_lost_total", &[]) > 0);
    other.send_and_wait("a", "\"other\"");
    assert_eq!(raw.next_text(), "\"other\"");
}

#[test]
fn publishers_that_disconnect_before_the_reply_affect_no_other_publisher() {
    let server = Server::start(&[]);
    let mut raw = RawSubscriber::connect(&server, &["a"]);
    for _ in 0..50 {
        let publisher = Publisher::with_dealer(&server);
        publisher.socket.set_linger(5_000).unwrap();
        for number in 0..10 {
            publisher.send_parts(&[b"", b"a", number.to_string().as_bytes()]);
        }
        drop(publisher);
        for number in 0..10 {
            assert_eq!(raw.next_text(), number.to_string());
        }
    }
    Publisher::with_req(&server).send_and_wait("a", "1");
    assert_eq!(raw.next_text(), "1");
}
