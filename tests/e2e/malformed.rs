//! Malformed messages are rejected with a reason and do not affect others.

use super::client::Raw;
use super::publisher::Publisher;
use super::server::Server;

const MIB: usize = 1024 * 1024;

/// Returns malformed messages, each with the error code in the reply of the router.
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
fn a_malformed_request_is_answered_with_the_reason() {
    let server = Server::start(&[]);
    let publisher = Publisher::request(&server);
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
fn a_dealer_without_a_delimiter_receives_an_error() {
    let server = Server::start(&[]);
    let publisher = Publisher::dealer(&server);
    publisher.send_parts(&[b"a", b"1"]);
    let reply = publisher.reply();
    assert_eq!(reply[..2], [b"error".to_vec(), b"no_delimiter".to_vec()]);
}

#[test]
fn the_message_after_a_malformed_one_is_delivered() {
    let server = Server::start(&[]);
    let mut raw = Raw::connect(&server, &["a"]);
    let push = Publisher::push(&server);
    let publish = Publisher::publish(&server);
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
fn a_dealer_that_does_not_read_replies_does_not_delay_others() {
    let server = Server::start(&["ingest.high_water_mark=100"]);
    let mut raw = Raw::connect(&server, &["a"]);
    let endpoint = format!("tcp://127.0.0.1:{}", server.ports.router);
    let deaf = Publisher::connect_to(zmq::DEALER, &endpoint, |socket| {
        socket.set_rcvhwm(1).unwrap();
    });
    let polite = Publisher::request(&server);
    // Each reply has 16 KiB, so all replies exceed the buffers of the kernel.
    let leading = vec![b'x'; 16 * 1024];
    for number in 0..2_000 {
        deaf.send_parts(&[&leading, b"", b"a", number.to_string().as_bytes()]);
        assert_eq!(raw.next_text(), number.to_string());
    }
    assert!(server.metric("fanfare_replies_lost_total", &[]) > 0);
    polite.send_and_wait("a", "\"polite\"");
    assert_eq!(raw.next_text(), "\"polite\"");
}

#[test]
fn publishers_that_disconnect_before_the_reply_do_not_affect_others() {
    let server = Server::start(&[]);
    let mut raw = Raw::connect(&server, &["a"]);
    for _ in 0..50 {
        let hasty = Publisher::dealer(&server);
        hasty.socket.set_linger(5_000).unwrap();
        for number in 0..10 {
            hasty.send_parts(&[b"", b"a", number.to_string().as_bytes()]);
        }
        drop(hasty);
        for number in 0..10 {
            assert_eq!(raw.next_text(), number.to_string());
        }
    }
    Publisher::request(&server).send_and_wait("a", "1");
    assert_eq!(raw.next_text(), "1");
}
