//! Replies in JSON: one object on one line. Shard cores.

use std::io::Write;

use super::escape;
use crate::protocol::reply::{Expiry, Reply, ServerSubscription};

/// The ping of the server, and the pong of the client.
pub const PING: &[u8] = b"{}";

/// Appends the reply to the command with this id.
pub fn append(out: &mut Vec<u8>, id: u32, reply: &Reply<'_>) {
    match *reply {
        Reply::Connect {
            client,
            version,
            ping_s,
            expiry,
            subscriptions,
            data,
        } => result(out, id, "connect", |out| {
            identity(out, client, version);
            self::expiry(out, expiry);
            self::data(out, data);
            self::subscriptions(out, subscriptions);
            if ping_s > 0 {
                write(out, format_args!(",\"ping\":{ping_s},\"pong\":true"));
            }
        }),
        Reply::Refresh {
            client,
            version,
            expiry,
        } => result(out, id, "refresh", |out| {
            identity(out, client, version);
            self::expiry(out, expiry);
        }),
        Reply::Subscribe { expiry, data } => result(out, id, "subscribe", |out| {
            self::expiry(out, expiry);
            self::data(out, data);
        }),
        Reply::SubRefresh { expiry } => {
            result(out, id, "sub_refresh", |out| self::expiry(out, expiry));
        }
        Reply::Unsubscribe => result(out, id, "unsubscribe", |_| ()),
        Reply::Publish => result(out, id, "publish", |_| ()),
        Reply::Ping => result(out, id, "ping", |_| ()),
        Reply::Rpc { data } => result(out, id, "rpc", |out| self::data(out, data)),
        Reply::Error(error) => {
            self::error(
                out,
                id,
                error.code().into(),
                error.message(),
                error.temporary(),
            );
        }
        Reply::CustomError {
            code,
            message,
            temporary,
        } => error(out, id, code, message, temporary),
    }
}

/// Appends a reply with a result, whose members `write_members` appends.
fn result(out: &mut Vec<u8>, id: u32, method: &str, write_members: impl FnOnce(&mut Vec<u8>)) {
    write(out, format_args!("{{\"id\":{id},\"{method}\":{{"));
    write_members(out);
    out.extend_from_slice(b"}}");
}

/// Appends the first members of a result: the id of the client, and the version of the server.
fn identity(out: &mut Vec<u8>, client: &str, version: &str) {
    out.extend_from_slice(b"\"client\":");
    escape::string(out, client);
    out.extend_from_slice(b",\"version\":");
    escape::string(out, version);
}

fn expiry(out: &mut Vec<u8>, expiry: Option<Expiry>) {
    if let Some(Expiry { ttl_s }) = expiry {
        separate(out);
        write(out, format_args!("\"expires\":true,\"ttl\":{ttl_s}"));
    }
}

/// Appends the server-side subscriptions, if there are any: an object with a member per topic.
fn subscriptions(out: &mut Vec<u8>, subscriptions: &[ServerSubscription<'_>]) {
    if subscriptions.is_empty() {
        return;
    }
    out.extend_from_slice(b",\"subs\":{");
    for subscription in subscriptions {
        separate(out);
        escape::string(out, subscription.topic);
        out.extend_from_slice(b":{");
        expiry(out, subscription.expiry);
        data(out, subscription.data);
        out.push(b'}');
    }
    out.push(b'}');
}

/// Appends data for the application, which is one JSON value without line ends.
fn data(out: &mut Vec<u8>, data: Option<&[u8]>) {
    if let Some(data) = data {
        separate(out);
        out.extend_from_slice(b"\"data\":");
        out.extend_from_slice(data);
    }
}

/// Separates the next member of an object from the member before it, if there is one.
fn separate(out: &mut Vec<u8>) {
    if out.last() != Some(&b'{') {
        out.push(b',');
    }
}

fn error(out: &mut Vec<u8>, id: u32, code: u32, message: &str, temporary: bool) {
    write(
        out,
        format_args!("{{\"id\":{id},\"error\":{{\"code\":{code},\"message\":"),
    );
    escape::string(out, message);
    if temporary {
        out.extend_from_slice(b",\"temporary\":true");
    }
    out.extend_from_slice(b"}}");
}

fn write(out: &mut Vec<u8>, text: std::fmt::Arguments<'_>) {
    out.write_fmt(text).expect("a Vec takes every write");
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::codes::ClientError;

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
            expiry: None,
            subscriptions: &[],
            data: None,
        }
    }

    fn custom_error(message: &str, temporary: bool) -> Reply<'_> {
        Reply::CustomError {
            code: 1000,
            message,
            temporary,
        }
    }

    #[test]
    fn replies() {
        let subscribed = Reply::Subscribe {
            expiry: None,
            data: None,
        };
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
                text(|out| append(out, 2, &subscribed)),
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
            (
                text(|out| append(out, 8, &Reply::Rpc { data: None })),
                r#"{"id":8,"rpc":{}}"#,
            ),
            (
                text(|out| append(out, 8, &Reply::Rpc { data: Some(b"7") })),
                r#"{"id":8,"rpc":{"data":7}}"#,
            ),
            (
                text(|out| append(out, 9, &custom_error("a \"b\"\n", true))),
                r#"{"id":9,"error":{"code":1000,"message":"a \"b\"\n","temporary":true}}"#,
            ),
            (
                text(|out| append(out, 9, &custom_error("", false))),
                r#"{"id":9,"error":{"code":1000,"message":""}}"#,
            ),
        ];
        for (reply, expected) in cases {
            assert_eq!(reply, expected);
            serde_json::from_str::<serde_json::Value>(&reply).unwrap();
        }
    }

    #[test]
    fn expiries() {
        let expiry = |ttl_s| Some(Expiry { ttl_s });
        let refresh = |expiry| Reply::Refresh {
            client: "9f3c",
            version: "v",
            expiry,
        };
        let cases = [
            (
                Reply::Subscribe {
                    expiry: expiry(60),
                    data: Some(b"[1]"),
                },
                r#"{"id":1,"subscribe":{"expires":true,"ttl":60,"data":[1]}}"#,
            ),
            (
                Reply::Subscribe {
                    expiry: expiry(0),
                    data: None,
                },
                r#"{"id":1,"subscribe":{"expires":true,"ttl":0}}"#,
            ),
            (
                Reply::SubRefresh {
                    expiry: expiry(u32::MAX),
                },
                r#"{"id":1,"sub_refresh":{"expires":true,"ttl":4294967295}}"#,
            ),
            (
                Reply::SubRefresh { expiry: None },
                r#"{"id":1,"sub_refresh":{}}"#,
            ),
            (
                refresh(expiry(60)),
                r#"{"id":1,"refresh":{"client":"9f3c","version":"v","expires":true,"ttl":60}}"#,
            ),
            (
                refresh(None),
                r#"{"id":1,"refresh":{"client":"9f3c","version":"v"}}"#,
            ),
        ];
        for (reply, expected) in cases {
            assert_eq!(text(|out| append(out, 1, &reply)), expected);
            serde_json::from_str::<serde_json::Value>(expected).unwrap();
        }
    }

    #[test]
    fn server_side_subscriptions() {
        let subscription = |topic, expiry, data: Option<&'static str>| ServerSubscription {
            topic,
            expiry,
            data: data.map(str::as_bytes),
        };
        let subscriptions = [
            subscription("a\"b", None, None),
            subscription("c", Some(Expiry { ttl_s: 7 }), None),
            subscription("d", None, Some(r#"{"n": [1]}"#)),
            subscription("e", Some(Expiry { ttl_s: 8 }), Some("null")),
        ];
        let reply = Reply::Connect {
            client: "9f3c",
            version: "v",
            ping_s: 25,
            expiry: Some(Expiry { ttl_s: 60 }),
            subscriptions: &subscriptions,
            data: Some(b"{}"),
        };
        let expected = concat!(
            r#"{"id":1,"connect":{"client":"9f3c","version":"v","expires":true,"ttl":60,"data":{},"subs":{"#,
            r#""a\"b":{},"c":{"expires":true,"ttl":7},"d":{"data":{"n": [1]}},"#,
            r#""e":{"expires":true,"ttl":8,"data":null}},"ping":25,"pong":true}}"#,
        );
        assert_eq!(text(|out| append(out, 1, &reply)), expected);
        serde_json::from_str::<serde_json::Value>(expected).unwrap();
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
