//! Replies in JSON: one object on one line. Shard cores.

use std::io::Write;

use super::escape;
use crate::protocol::codes::ClientError;
use crate::protocol::reply::Reply;

/// The ping of the server, and the pong of the client.
pub const PING: &[u8] = b"{}";

/// Appends the reply to the command with this id.
pub fn append(out: &mut Vec<u8>, id: u32, reply: &Reply<'_>) {
    match *reply {
        Reply::Connect {
            client,
            version,
            ping_s,
        } => connect(out, id, client, version, ping_s),
        Reply::Subscribe => empty(out, id, "subscribe"),
        Reply::Unsubscribe => empty(out, id, "unsubscribe"),
        Reply::Publish => empty(out, id, "publish"),
        Reply::Ping => empty(out, id, "ping"),
        Reply::Error(error) => self::error(out, id, error),
    }
}

fn connect(out: &mut Vec<u8>, id: u32, client: &str, version: &str, ping_s: u32) {
    write(out, format_args!("{{\"id\":{id},\"connect\":{{\"client\":"));
    escape::string(out, client);
    out.extend_from_slice(b",\"version\":");
    escape::string(out, version);
    if ping_s > 0 {
        write(out, format_args!(",\"ping\":{ping_s},\"pong\":true"));
    }
    out.extend_from_slice(b"}}");
}

/// Appends a result without members.
fn empty(out: &mut Vec<u8>, id: u32, method: &str) {
    write(out, format_args!("{{\"id\":{id},\"{method}\":{{}}}}"));
}

fn error(out: &mut Vec<u8>, id: u32, error: ClientError) {
    let (code, message) = (error.code(), error.message());
    let temporary = if error.temporary() {
        ",\"temporary\":true"
    } else {
        ""
    };
    write(
        out,
        format_args!(
            "{{\"id\":{id},\"error\":{{\"code\":{code},\"message\":\"{message}\"{temporary}}}}}"
        ),
    );
}

fn write(out: &mut Vec<u8>, text: std::fmt::Arguments<'_>) {
    out.write_fmt(text).expect("a Vec takes every write");
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(write: impl FnOnce(&mut Vec<u8>)) -> String {
        let mut out = b"before\n".to_vec();
        write(&mut out);
        let text = String::from_utf8(out).unwrap();
        text.strip_prefix("before\n").expect("appended").to_owned()
    }

    fn connect<'a>(client: &'a str, version: &'a str, ping_s: u32) -> Reply<'a> {
        Reply::Connect {
            client,
            version,
            ping_s,
        }
    }

    #[test]
    fn replies() {
        let cases = [
            (
                text(|out| append(out, 1, &connect("9f3c", "fanfare 0.1.0", 25))),
                r#"{"id":1,"connect":{"client":"9f3c","version":"fanfare 0.1.0","ping":25,"pong":true}}"#,
            ),
            (
                text(|out| append(out, 1, &connect("a\"b", "", 0))),
                r#"{"id":1,"connect":{"client":"a\"b","version":""}}"#,
            ),
            (
                text(|out| append(out, 2, &Reply::Subscribe)),
                r#"{"id":2,"subscribe":{}}"#,
            ),
            (
                text(|out| append(out, u32::MAX, &Reply::Unsubscribe)),
                r#"{"id":4294967295,"unsubscribe":{}}"#,
            ),
            (
                text(|out| append(out, 4, &Reply::Publish)),
                r#"{"id":4,"publish":{}}"#,
            ),
            (
                text(|out| append(out, 5, &Reply::Ping)),
                r#"{"id":5,"ping":{}}"#,
            ),
            (
                text(|out| append(out, 6, &Reply::Error(ClientError::BadRequest))),
                r#"{"id":6,"error":{"code":107,"message":"bad request"}}"#,
            ),
            (
                text(|out| append(out, 7, &Reply::Error(ClientError::TooManyRequests))),
                r#"{"id":7,"error":{"code":111,"message":"too many requests","temporary":true}}"#,
            ),
        ];
        for (reply, expected) in cases {
            assert_eq!(reply, expected);
            serde_json::from_str::<serde_json::Value>(&reply).unwrap();
        }
    }

    #[test]
    fn every_error_is_valid_json() {
        for each in ClientError::ALL {
            let reply = text(|out| append(out, 1, &Reply::Error(each)));
            let value: serde_json::Value = serde_json::from_str(&reply).unwrap();
            assert_eq!(value["error"]["code"], each.code());
            assert_eq!(value["error"]["message"], each.message());
            assert_eq!(
                value["error"]["temporary"].as_bool().unwrap_or(false),
                each.temporary()
            );
        }
    }
}
