//! What answers a command. Shard cores.
//!
//! Each function appends one reply, a JSON object on one line; the caller joins the replies of
//! one batch with a newline and frames them.

use std::io::Write;

use super::codes::ClientError;
use super::escape;

/// What the server sends as a ping; the client answers with the same bytes.
pub const PING: &[u8] = b"{}";

/// Appends the reply to a connect. `ping_s` is the server's ping interval in seconds: the client
/// reconnects if none comes in time, and answers each. 0: no pings.
pub fn connect(out: &mut Vec<u8>, id: u32, client: &str, version: &str, ping_s: u32) {
    write(out, format_args!("{{\"id\":{id},\"connect\":{{\"client\":"));
    escape::string(out, client);
    out.extend_from_slice(b",\"version\":");
    escape::string(out, version);
    if ping_s > 0 {
        write(out, format_args!(",\"ping\":{ping_s},\"pong\":true"));
    }
    out.extend_from_slice(b"}}");
}

/// Appends the reply to a subscribe: not recoverable, not positioned, no channel id.
pub fn subscribe(out: &mut Vec<u8>, id: u32) {
    write(out, format_args!("{{\"id\":{id},\"subscribe\":{{}}}}"));
}

/// Appends the reply to an unsubscribe.
pub fn unsubscribe(out: &mut Vec<u8>, id: u32) {
    write(out, format_args!("{{\"id\":{id},\"unsubscribe\":{{}}}}"));
}

/// Appends the reply to a publish.
pub fn publish(out: &mut Vec<u8>, id: u32) {
    write(out, format_args!("{{\"id\":{id},\"publish\":{{}}}}"));
}

/// Appends the reply to a ping command, which is not the answer to the server's own ping.
pub fn ping(out: &mut Vec<u8>, id: u32) {
    write(out, format_args!("{{\"id\":{id},\"ping\":{{}}}}"));
}

/// Appends the reply to a command that failed.
pub fn error(out: &mut Vec<u8>, id: u32, error: ClientError) {
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

    #[test]
    fn replies() {
        let cases = [
            (
                text(|out| connect(out, 1, "9f3c", "fanfare 0.1.0", 25)),
                r#"{"id":1,"connect":{"client":"9f3c","version":"fanfare 0.1.0","ping":25,"pong":true}}"#,
            ),
            (
                text(|out| connect(out, 1, "a\"b", "", 0)),
                r#"{"id":1,"connect":{"client":"a\"b","version":""}}"#,
            ),
            (text(|out| subscribe(out, 2)), r#"{"id":2,"subscribe":{}}"#),
            (
                text(|out| unsubscribe(out, u32::MAX)),
                r#"{"id":4294967295,"unsubscribe":{}}"#,
            ),
            (text(|out| publish(out, 4)), r#"{"id":4,"publish":{}}"#),
            (text(|out| ping(out, 5)), r#"{"id":5,"ping":{}}"#),
            (
                text(|out| error(out, 6, ClientError::BadRequest)),
                r#"{"id":6,"error":{"code":107,"message":"bad request"}}"#,
            ),
            (
                text(|out| error(out, 7, ClientError::TooManyRequests)),
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
            let reply = text(|out| error(out, 1, each));
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
