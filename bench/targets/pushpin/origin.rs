//! The HTTP backend of pushpin (WebSocket-over-HTTP): it accepts every WebSocket and subscribes it
//! to the topics of its request. Threads of the load generator on the core of the server. Pushpin
//! calls the backend when clients connect, not for publications.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::iter;
use std::net::{TcpListener, TcpStream};
use std::thread;

/// Maximum size of a request body in bytes. The events of an opening take some tens of bytes.
const BODY_BYTES: u64 = 64 * 1024;

/// Starts a thread that accepts connections, and one thread for each connection. The threads end
/// with the load generator.
pub fn start(listener: TcpListener) -> io::Result<()> {
    let accept = move || {
        for stream in listener.incoming().flatten() {
            // If a connection fails, pushpin refuses the client, and the load generator counts
            // that.
            drop(
                thread::Builder::new()
                    .name("origin".into())
                    .spawn(|| serve(stream)),
            );
        }
    };
    thread::Builder::new().name("origin".into()).spawn(accept)?;
    Ok(())
}

/// Answers the requests of one connection until the peer closes it.
fn serve(stream: TcpStream) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let mut writer = stream.try_clone()?;
    let mut reader = BufReader::new(stream);
    loop {
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") {
            if reader.read_line(&mut head)? == 0 {
                return Ok(());
            }
        }
        let mut body = Vec::new();
        let len = body_len(&head).min(BODY_BYTES);
        reader.by_ref().take(len).read_to_end(&mut body)?;
        writer.write_all(&response(&head, &body))?;
    }
}

/// Returns the value of Content-Length, or 0 without the header.
fn body_len(head: &str) -> u64 {
    let headers = head.lines().filter_map(|line| line.split_once(':'));
    let mut lengths = headers.filter(|(name, _)| name.eq_ignore_ascii_case("content-length"));
    let length = lengths
        .next()
        .and_then(|(_, value)| value.trim().parse().ok());
    length.unwrap_or(0)
}

/// Returns the response to a request. An opening is answered with an opening and a subscribe
/// message for each topic, anything else with an empty body.
fn response(head: &str, body: &[u8]) -> Vec<u8> {
    let mut events = String::new();
    if body.starts_with(b"OPEN\r\n") {
        let controls = topics(head).map(|topic| {
            let control = format!(r#"c:{{"type":"subscribe","channel":"{topic}"}}"#);
            format!("TEXT {:x}\r\n{control}\r\n", control.len())
        });
        events = iter::once("OPEN\r\n".to_owned()).chain(controls).collect();
    }
    let len = events.len();
    let head = format!(
        "HTTP/1.1 200 OK\r\nContent-Type: application/websocket-events\r\n\
         Sec-WebSocket-Extensions: grip\r\nContent-Length: {len}\r\n\r\n"
    );
    [head, events].concat().into_bytes()
}

/// Returns the topics in the query of the request target.
fn topics(head: &str) -> impl Iterator<Item = &str> {
    let request_target = head.split(' ').nth(1).unwrap_or_default();
    let query = request_target
        .split_once('?')
        .map_or("", |(_, query)| query);
    query
        .split('&')
        .filter_map(|pair| pair.strip_prefix("topic="))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_opening_subscribes_and_a_close_is_answered_with_nothing() {
        let head = "POST /raw?topic=a&topic=bc HTTP/1.1\r\ncontent-length: 6\r\n\r\n";
        assert_eq!(body_len(head), 6);
        let text = String::from_utf8(response(head, b"OPEN\r\n")).unwrap();
        let events = "OPEN\r\nTEXT 24\r\nc:{\"type\":\"subscribe\",\"channel\":\"a\"}\r\n\
            TEXT 25\r\nc:{\"type\":\"subscribe\",\"channel\":\"bc\"}\r\n";
        assert!(text.ends_with(&format!("Content-Length: {}\r\n\r\n{events}", events.len())));
        let text = String::from_utf8(response(head, b"CLOSE\r\n")).unwrap();
        assert!(text.ends_with("Content-Length: 0\r\n\r\n"));
    }
}
