//! Replies in Protobuf. Shard cores.

use super::write::{bytes_field, bytes_field_header, delimited, message_field, number_field};
use crate::protocol::reply::{Expiry, Reply, ServerSubscription};

/// The ping of the server, and the pong of the client: an empty message, after its length.
pub const PING: &[u8] = b"\0";

/// Fields of `Reply`.
const ID: u8 = 1;
const ERROR: u8 = 2;
const CONNECT: u8 = 5;
const SUBSCRIBE: u8 = 6;
const UNSUBSCRIBE: u8 = 7;
const PUBLISH: u8 = 8;
const PONG: u8 = 12;
const RPC: u8 = 13;
const REFRESH: u8 = 14;
const SUB_REFRESH: u8 = 15;

/// A field of `ConnectResult`: a map from topics to `SubscribeResult`.
const SUBSCRIPTIONS: u8 = 6;

/// A field of `SubscribeResult`.
const SUBSCRIPTION_DATA: u8 = 11;

/// Fields of an entry of a map.
const KEY: u8 = 1;
const VALUE: u8 = 2;

/// Appends the reply to the command with this id, with its length in front.
pub fn append(out: &mut Vec<u8>, id: u32, reply: &Reply<'_>) {
    delimited(out, |out| {
        number_field(out, ID, id.into());
        match *reply {
            Reply::Connect {
                client,
                version,
                ping_s,
                expiry,
                subscriptions,
                data,
            } => message_field(out, CONNECT, |out| {
                identity(out, client, version);
                self::expiry(out, 3, expiry);
                bytes_field(out, 5, data.unwrap_or_default());
                for subscription in subscriptions {
                    message_field(out, SUBSCRIPTIONS, |out| entry(out, subscription));
                }
                number_field(out, 7, ping_s.into());
                // The client answers each ping.
                number_field(out, 8, u64::from(ping_s > 0));
            }),
            Reply::Refresh {
                client,
                version,
                expiry,
            } => message_field(out, REFRESH, |out| {
                identity(out, client, version);
                self::expiry(out, 3, expiry);
            }),
            Reply::Subscribe { expiry, data } => message_field(out, SUBSCRIBE, |out| {
                self::expiry(out, 1, expiry);
                bytes_field(out, SUBSCRIPTION_DATA, data.unwrap_or_default());
            }),
            Reply::SubRefresh { expiry } => {
                message_field(out, SUB_REFRESH, |out| self::expiry(out, 1, expiry));
            }
            Reply::Unsubscribe => bytes_field_header(out, UNSUBSCRIBE, 0),
            Reply::Publish => bytes_field_header(out, PUBLISH, 0),
            Reply::Ping => bytes_field_header(out, PONG, 0),
            Reply::Rpc { data } => message_field(out, RPC, |out| {
                bytes_field(out, 1, data.unwrap_or_default());
            }),
            Reply::Error(error) => message_field(out, ERROR, |out| {
                self::error(out, error.code().into(), error.message(), error.temporary());
            }),
            Reply::CustomError {
                code,
                message,
                temporary,
            } => message_field(out, ERROR, |out| error(out, code, message, temporary)),
        }
    });
}

/// Appends the first fields of `ConnectResult` and `RefreshResult`.
fn identity(out: &mut Vec<u8>, client: &str, version: &str) {
    bytes_field(out, 1, client.as_bytes());
    bytes_field(out, 2, version.as_bytes());
}

/// Appends the fields `expires`, whose number is given, and `ttl`, whose number is the next one.
fn expiry(out: &mut Vec<u8>, expires: u8, expiry: Option<Expiry>) {
    if let Some(Expiry { ttl_s }) = expiry {
        number_field(out, expires, 1);
        number_field(out, expires + 1, ttl_s.into());
    }
}

/// Appends the topic of a server-side subscription and its `SubscribeResult`. An empty result is
/// written too, because some decoders return null for an entry without one.
fn entry(out: &mut Vec<u8>, subscription: &ServerSubscription<'_>) {
    bytes_field(out, KEY, subscription.topic.as_bytes());
    message_field(out, VALUE, |out| {
        expiry(out, 1, subscription.expiry);
        bytes_field(
            out,
            SUBSCRIPTION_DATA,
            subscription.data.unwrap_or_default(),
        );
    });
}

fn error(out: &mut Vec<u8>, code: u32, message: &str, temporary: bool) {
    number_field(out, 1, code.into());
    bytes_field(out, 2, message.as_bytes());
    number_field(out, 3, temporary.into());
}
