//! Access to the ingest sockets: allowed networks, passwords, and modes of socket files.

use std::os::unix::fs::PermissionsExt;

use crate::client::RawSubscriber;
use crate::publisher::Publisher;
use crate::server::{Ports, Server};
use crate::wait::wait_until;

/// Starts a server whose PULL socket is a socket file, and connects a publisher to the file.
fn start_with_ipc(settings: &[&str]) -> (Server, Publisher, tempfile::TempDir) {
    let directory = tempfile::tempdir().unwrap();
    let endpoint = format!("ipc://{}/pull", directory.path().display());
    let pull = format!("ingest.pull={endpoint}");
    let server = Server::start(&[&[pull.as_str()], settings].concat());
    let publisher = Publisher::connect_to(zmq::PUSH, &endpoint, |_| {});
    (server, publisher, directory)
}

#[test]
fn only_publishers_from_allowed_networks_are_accepted() {
    let (server, local, _directory) = start_with_ipc(&["ingest.allow=10.0.0.0/8"]);
    let mut raw = RawSubscriber::connect(&server, &["a"]);
    let outsider = Publisher::with_dealer(&server);
    let denied = || server.metric("fanfare_denied_total", &["address"]);
    outsider.try_send("a", "\"outside\"");
    wait_until("a denied publisher", || denied() > 0);
    server.await_output("add its network to ingest.allow");
    // Allowed networks do not apply to socket files. The mode of the file restricts access.
    local.send("a", "\"inside\"");
    assert_eq!(raw.next_text(), "\"inside\"");
    assert_eq!(server.metric("fanfare_received_total", &["router"]), 0);
}

#[test]
fn only_publishers_with_a_known_password_are_accepted() {
    let server = Server::start(&["ingest.plain=ann:secret"]);
    let mut raw = RawSubscriber::connect(&server, &["a"]);
    let endpoint = format!("tcp://127.0.0.1:{}", server.ports.router);
    let publisher = |credentials: Option<(&str, &str)>| {
        Publisher::connect_to(zmq::DEALER, &endpoint, |socket| {
            if let Some((user, password)) = credentials {
                socket.set_plain_username(Some(user)).unwrap();
                socket.set_plain_password(Some(password)).unwrap();
            }
        })
    };
    let denied = || server.metric("fanfare_denied_total", &["password"]);
    for password in ["Secret", "secret ", "s"] {
        let before = denied();
        let wrong = publisher(Some(("ann", password)));
        wrong.try_send("a", "\"wrong\"");
        wait_until("a denied publisher", || denied() > before);
    }
    server.await_output("denied a publisher: correct its user or password");
    let anonymous = publisher(None);
    anonymous.try_send("a", "\"anonymous\"");
    let mismatches = || server.metric("fanfare_denied_total", &["handshake"]);
    wait_until("a publisher without PLAIN", || mismatches() > 0);
    server.await_output("set the user and the password in the publisher");
    let output = server.output();
    let port = format!(":{}\"", server.ports.router);
    assert!(output.contains(&port), "the endpoint is named: {output}");
    assert!(!output.contains("Secret"), "no password is logged");
    let right = publisher(Some(("ann", "secret")));
    right.send_parts(&[b"", b"a", b"\"right\""]);
    assert_eq!(right.reply(), [&b""[..], b"ok"]);
    assert_eq!(raw.next_text(), "\"right\"");
    server.await_metric("fanfare_received_total", &["router"], 1);
}

#[test]
fn a_publisher_with_a_password_where_none_is_asked_for_is_counted() {
    let server = Server::start(&[]);
    let endpoint = format!("tcp://127.0.0.1:{}", server.ports.pull);
    let mismatches = || server.metric("fanfare_denied_total", &["handshake"]);
    // The server sees the mismatch if its side reads the greeting first. Otherwise the publisher
    // closes the connection, and never connects again.
    let mut publishers = Vec::new();
    wait_until("a publisher with PLAIN", || {
        publishers.push(Publisher::connect_to(zmq::PUSH, &endpoint, |socket| {
            socket.set_plain_username(Some("ann")).unwrap();
            socket.set_plain_password(Some("secret")).unwrap();
        }));
        mismatches() > 0
    });
    server.await_output("denied a publisher: its handshake failed");
}

#[test]
fn socket_files_have_the_configured_mode() {
    for (settings, mode) in [(&[][..], 0o600), (&["ingest.ipc_mode=0660"][..], 0o660)] {
        let (server, publisher, directory) = start_with_ipc(settings);
        let mut raw = RawSubscriber::connect(&server, &["a"]);
        publisher.send("a", "1");
        assert_eq!(raw.next_text(), "1");
        let file = std::fs::metadata(directory.path().join("pull")).unwrap();
        assert_eq!(file.permissions().mode() & 0o777, mode);
    }
}

#[test]
fn a_server_takes_over_only_a_socket_file_that_is_not_in_use() {
    let (mut first, publisher, directory) = start_with_ipc(&[]);
    let pull = format!("ingest.pull=ipc://{}/pull", directory.path().display());
    let mut second = Server::spawn_on(Ports::free(), &[&pull]);
    assert_eq!(second.await_exit().code(), Some(1));
    second.await_output("ingest.pull = ");
    let mut raw = RawSubscriber::connect(&first, &["a"]);
    publisher.send("a", "1");
    assert_eq!(raw.next_text(), "1");
    // The file that a killed server leaves behind is not in use.
    first.kill();
    let third = Server::start(&[&pull]);
    let mut raw = RawSubscriber::connect(&third, &["a"]);
    publisher.send("a", "2");
    assert_eq!(raw.next_text(), "2");
}
