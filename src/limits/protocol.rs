//! Bounds on HTTP requests, WebSocket messages, client commands and JSON texts. Used by ingest and
//! shard threads.

use std::time::Duration;

/// Maximum length of a topic name. The SDKs of the client protocol use the same bound.
pub const TOPIC_BYTES: usize = 255;

/// Maximum length of an HTTP request head: the request line and all headers. Proxies commonly use
/// 8 KiB.
pub const HANDSHAKE_BYTES: usize = 8 * 1024;

/// Maximum number of headers of an HTTP request. Headers of 32 bytes on average fill
/// [`HANDSHAKE_BYTES`] with this number, and browsers behind proxies send fewer than 50. The
/// parser's list of the headers uses 8 KiB of the stack.
pub const REQUEST_HEADERS: usize = 256;

/// Maximum length of one line of the request head. A query string with 32 topics fits.
pub const REQUEST_TARGET_BYTES: usize = 4 * 1024;

/// Time that a client should wait before it connects again after a 503 (`Retry-After`). It is
/// longer than a restart of the process, and short enough for a waiting person.
pub const RETRY_AFTER: Duration = Duration::from_secs(5);

/// Maximum payload of a control frame (RFC 6455, section 5.5).
pub const CONTROL_PAYLOAD_BYTES: usize = 125;

/// Maximum length of the reason in a close frame: a control payload without the 2-byte status code.
pub const CLOSE_REASON_BYTES: usize = CONTROL_PAYLOAD_BYTES - 2;

/// Bytes per second that are read from a connection after its last bytes were queued. The close
/// frame of a client that sends without end may never arrive, and reading up to it would take as
/// much time as without the close. Clients rarely have more than this on the way; those that do
/// have received the close frame, and are reset at the close timeout.
pub const CLOSING_RECEIVE_RATE: usize = 16 * 1024;

/// Maximum number of fragments in one message. A client that sends empty fragments without end is
/// disconnected after less than 1 MB. The Autobahn test suite sends 4 MiB in 65,536 fragments.
pub const FRAGMENTS: u32 = 128 * 1024;

/// Payload size from which a fragment does not count toward `ws.max_command_rate`. The cost of its
/// bytes exceeds that of its frame, and `ws.max_receive_rate` bounds the bytes. A message of 16 MiB
/// in fragments of 4 KiB has 4,096 of them.
pub const LONG_FRAGMENT_BYTES: usize = 1024;

/// Maximum number of client commands in one WebSocket message. After a reconnect, SDKs send all
/// subscriptions in one message.
pub const COMMANDS_PER_MESSAGE: usize = 256;

/// Maximum number of commands of one connection that wait for their answers: several full messages
/// of commands. Only a client that never waits for replies reaches the bound.
pub const PENDING_COMMANDS: usize = 4 * COMMANDS_PER_MESSAGE;

/// Maximum number of commands of one shard that wait for their answers. With about 64 bytes for
/// each command, they use a few megabytes.
pub const PENDING_COMMANDS_PER_SHARD: usize = 64 * 1024;

/// Maximum bytes of the publications that the clients of one shard send within one turn. It is a
/// few times the memory of the receive buffers, because messages may be compressed. One publication
/// may exceed it.
pub const PENDING_QUESTION_BYTES: usize = 16 * 1024 * 1024;

/// Time that a command waits for its answer. SDKs give up after 5 s, so the error reply reaches
/// them before that. Nothing that was answered so is published later: see
/// [`SUBMISSION_TIMEOUT`](super::SUBMISSION_TIMEOUT).
pub const PENDING_COMMAND_TIMEOUT: Duration = Duration::from_secs(4);

/// Maximum nesting of arrays and objects in a JSON payload, whichever way it arrives. Real messages
/// nest fewer than 10 levels. The parsers of browsers and SDKs are recursive, so deep nesting could
/// exhaust their stack.
pub const JSON_DEPTH: usize = 64;

/// Maximum nesting of a client's command in JSON: the data of a publish command is a member of the
/// object of its parameters, which is a member of the object of the command.
pub const COMMAND_DEPTH: usize = JSON_DEPTH + 2;

/// Memory that a JSON parse buffer keeps between two parses. A parse needs up to 24 times the size
/// of the text, so the memory for a rare large text must be released.
pub const JSON_KEPT_BYTES: usize = 256 * 1024;

/// Time of one turn that a shard may verify tokens. A signature takes up to half a millisecond, and
/// the deliveries of other connections wait meanwhile. A storm of connections with tokens that take
/// 50 us each is worked off at many thousands in a second beside full load.
pub const TURN_TOKEN_TIME: Duration = Duration::from_micros(500);
