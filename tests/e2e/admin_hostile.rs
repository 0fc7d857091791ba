//! The admin port against clients that hold its connections and its memory: scrapes get through.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use fanfare::limits::{
    ADMIN_BODIES_BYTES, ADMIN_BODY_BYTES, ADMIN_CONNECTIONS, ADMIN_DISCARD_TIMEOUT,
    ADMIN_HEAD_TIMEOUT, ADMIN_SMALL_BODY_BYTES,
};

use crate::server::{Server, exchange};
use crate::wait::{TIMEOUT, wait_until};

/// How long a scrape may take.
const SCRAPE_TIME: Duration = Duration::from_secs(2);

/// Memory that connections with unfinished bodies may use: the bodies, and 16 MiB for buffers and
/// pages of the allocator.
const HELD_BYTES: usize =
    ADMIN_BODIES_BYTES + ADMIN_CONNECTIONS * ADMIN_SMALL_BODY_BYTES + 16 * 1024 * 1024;

const SCRAPE: &[u8] = b"GET /metrics HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";

/// Scrapes, and checks the time.
fn scrape(server: &Server) {
    let began = Instant::now();
    let response = exchange(server.admin_address(), SCRAPE);
    assert!(response.ends_with("# EOF\n"), "{response:.200}");
    assert!(began.elapsed() < SCRAPE_TIME, "{:?}", began.elapsed());
}

fn connect(server: &Server) -> TcpStream {
    let stream = TcpStream::connect(server.admin_address()).expect("the port accepts");
    stream.set_read_timeout(Some(TIMEOUT)).unwrap();
    stream
}

/// Returns a POST with a body of this length that has not begun.
fn head(length: usize, more: &str) -> String {
    format!("POST /publish HTTP/1.1\r\nHost: localhost\r\nContent-Length: {length}\r\n{more}\r\n")
}

/// Sends a body of the largest size without its last byte. Returns the bytes that were taken.
fn send_unfinished(stream: &mut TcpStream) -> usize {
    let timeout = Duration::from_millis(500);
    stream.set_write_timeout(Some(timeout)).unwrap();
    let _ = stream.write_all(head(ADMIN_BODY_BYTES, "").as_bytes());
    let chunk = vec![b' '; 64 * 1024];
    let mut sent = 0;
    while sent + chunk.len() < ADMIN_BODY_BYTES {
        match stream.write(&chunk) {
            Ok(bytes) => sent += bytes,
            Err(_) => break, // The server does not read on, or has closed the connection.
        }
    }
    sent
}

#[test]
fn scrapes_get_through_idle_connections_and_unfinished_bodies() {
    let server = Server::start(&[]);
    scrape(&server);
    let before = server.resident_bytes();
    let (stop, sent) = (AtomicBool::new(false), AtomicUsize::new(0));
    thread::scope(|scope| {
        let largest = scope.spawn(|| {
            let mut largest = 0;
            while !stop.load(Ordering::Relaxed) {
                largest = largest.max(server.resident_bytes());
                thread::sleep(Duration::from_millis(5));
            }
            largest
        });
        let mut bodies: Vec<_> = (0..64).map(|_| connect(&server)).collect();
        thread::scope(|scope| {
            for body in &mut bodies {
                scope.spawn(|| sent.fetch_add(send_unfinished(body), Ordering::Relaxed));
            }
        });
        scrape(&server);
        let idle: Vec<_> = (0..1_000)
            .map(|number| {
                if number % 100 == 0 {
                    scrape(&server);
                }
                connect(&server)
            })
            .collect();
        for _ in 0..10 {
            scrape(&server);
        }
        stop.store(true, Ordering::Relaxed);
        let largest = largest.join().unwrap();
        let grown = largest.saturating_sub(before);
        assert!(grown < HELD_BYTES, "{} MiB", grown >> 20);
        drop((bodies, idle));
    });
    // The test did hold memory: four whole bodies arrived.
    assert!(sent.load(Ordering::Relaxed) > ADMIN_BODIES_BYTES - 4 * 64 * 1024);
}

#[test]
fn an_ordinary_publication_passes_while_large_bodies_wait() {
    let server = Server::start(&[]);
    let mut bodies: Vec<_> = (0..8).map(|_| connect(&server)).collect();
    thread::scope(|scope| {
        for body in &mut bodies {
            scope.spawn(|| send_unfinished(body));
        }
    });
    let body = r#"{"channel":"news","data":null}"#;
    let request = head(body.len(), "Connection: close\r\n") + body;
    let response = exchange(server.admin_address(), request.as_bytes());
    assert!(response.starts_with("HTTP/1.1 200"), "{response}");
    // Those without memory are refused, those that do not end are cut.
    let mut statuses: Vec<_> = bodies
        .iter_mut()
        .map(|stream| {
            let mut response = Vec::new();
            let _ = stream.read_to_end(&mut response);
            String::from_utf8_lossy(&response)
                .chars()
                .skip(9)
                .take(3)
                .collect::<String>()
        })
        .collect();
    statuses.sort();
    assert_eq!(&statuses[..4], ["408"; 4], "{statuses:?}");
    server.await_health("ok");
}

#[test]
fn a_connection_is_cut_within_seconds_only_if_it_has_no_request() {
    let server = Server::start(&[]);
    let (mut fresh, mut used) = (connect(&server), connect(&server));
    let mut ask = || {
        used.write_all(b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n")
            .unwrap();
        let mut status = [0; 15];
        used.read_exact(&mut status).expect("an answer");
        assert_eq!(&status, b"HTTP/1.1 200 OK");
        let mut rest = [0; 512];
        let length = used.read(&mut rest).unwrap();
        assert!(rest[..length].ends_with(b"}"), "the whole answer");
    };
    ask();
    let began = Instant::now();
    let mut response = Vec::new();
    // The server ends the stream. A time limit of the socket would be an error.
    fresh
        .read_to_end(&mut response)
        .expect("the connection is closed");
    assert!(began.elapsed() < ADMIN_HEAD_TIMEOUT + SCRAPE_TIME);
    thread::sleep((ADMIN_HEAD_TIMEOUT + SCRAPE_TIME).saturating_sub(began.elapsed()));
    ask();
}

#[test]
fn the_token_is_checked_before_the_body_and_the_refusal_arrives() {
    let server = Server::start(&["admin.token=secret", "admin.scrape_token=scrape"]);
    // Nothing of the body was sent: the server does not wait for it for long.
    let mut stream = connect(&server);
    stream
        .write_all(head(ADMIN_BODY_BYTES, "").as_bytes())
        .unwrap();
    let began = Instant::now();
    let mut status = [0; 12];
    stream.read_exact(&mut status).unwrap();
    assert_eq!(&status, b"HTTP/1.1 401");
    assert!(began.elapsed() < ADMIN_DISCARD_TIMEOUT + SCRAPE_TIME);
    // A client that waits for `100 Continue` gets the refusal instead of it.
    let mut stream = connect(&server);
    let expect = head(ADMIN_BODY_BYTES, "Expect: 100-continue\r\n");
    stream.write_all(expect.as_bytes()).unwrap();
    stream.read_exact(&mut status).unwrap();
    assert_eq!(&status, b"HTTP/1.1 401");
    // A client that sends everything before it reads gets it, and the body is not kept.
    let before = server.resident_bytes();
    let request = head(ADMIN_BODY_BYTES, "Connection: close\r\n");
    let request = [request.as_bytes(), &vec![b' '; ADMIN_BODY_BYTES]].concat();
    let response = exchange(server.admin_address(), &request);
    assert!(response.starts_with("HTTP/1.1 401"), "{response}");
    assert!(server.resident_bytes() < before + ADMIN_BODY_BYTES / 2);
    let authorized = |method: &str, path: &str| {
        let request = format!(
            "{method} {path} HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer scrape\r\n\
             Content-Length: 0\r\nConnection: close\r\n\r\n"
        );
        exchange(server.admin_address(), request.as_bytes())
    };
    assert!(authorized("GET", "/metrics").ends_with("# EOF\n"));
    assert!(authorized("POST", "/drain?share=1").starts_with("HTTP/1.1 403"));
}

#[test]
fn a_request_that_is_answered_is_not_cut_off_for_idle_connections() {
    let server = Server::start(&[]);
    let mut stream = connect(&server);
    let body = r#"{"channel":"news","data":1}"#;
    let request = head(body.len(), "Connection: close\r\n");
    stream.write_all(request.as_bytes()).unwrap();
    stream.write_all(body.as_bytes()).unwrap();
    let idle: Vec<_> = (0..200).map(|_| connect(&server)).collect();
    let mut response = String::new();
    stream.read_to_string(&mut response).unwrap();
    assert!(response.starts_with("HTTP/1.1 200"), "{response}");
    drop(idle);
    stream.shutdown(Shutdown::Both).unwrap_or_default();
    wait_until("the log names the cause", || {
        server
            .output()
            .contains("the admin port has 64 connections")
    });
}
