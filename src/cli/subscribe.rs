//! `fanfare subscribe`: a WebSocket client that prints the payloads that it receives, one per line.
//! It uses the JSON codec of the Centrifugal client protocol, as the SDKs do.

mod reply;
mod stream;

use std::io::{self, Write};
use std::net::{TcpStream, ToSocketAddrs as _};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use clap::Args;
use fanfare::limits::PAYLOAD_CEILING_BYTES;
use fanfare::protocol;
use serde_json::json;
use tungstenite::client::client_with_config;
use tungstenite::http::{Response, Uri};
use tungstenite::protocol::WebSocketConfig;
use tungstenite::{HandshakeError, Message, WebSocket};

use super::arguments::{Settings, seconds};
use super::exit::{FAILURE, fail, report};
use super::node_address;
use super::printable::Destination;
use reply::{Disconnect, Push, Reply, ReplyError};
use stream::{BoundedStream, ReadLimit};

/// Print the publications of topics, one payload per line.
///
/// A payload of a JSON namespace is printed as it is. A payload of a text namespace is printed as a
/// JSON string, and one of a binary namespace as a JSON string of base64: the JSON form of the
/// protocol does not distinguish them from JSON strings.
///
/// On a terminal, control characters are printed as escapes such as `\u009b`. In a pipe or a file,
/// payloads are unchanged.
#[derive(Args)]
pub(super) struct Subscribe {
    /// Topics to subscribe to.
    #[arg(required = true, value_name = "TOPIC", value_parser = topic)]
    topics: Vec<String>,
    /// The engine's WebSocket address. Default: `ws.listen` of the configuration, which means
    /// `ws://127.0.0.1:8000/connection/websocket` if it is not set.
    #[arg(long, conflicts_with_all = ["file", "set"])]
    url: Option<String>,
    /// Exit after this many publications.
    #[arg(long, value_name = "N")]
    count: Option<u64>,
    /// Print the topic and a tab before each payload.
    #[arg(long = "topics")]
    with_topics: bool,
    /// Token of the connection, if the server demands one. `fanfare token` makes one. Other users
    /// of the host can read it in the list of processes.
    #[arg(
        long,
        value_name = "TOKEN",
        default_value = "",
        hide_default_value = true
    )]
    token: String,
    /// Seconds to wait for the connection and its replies, all together.
    #[arg(long, value_name = "SECONDS", default_value = "5", value_parser = seconds)]
    timeout: Duration,
    #[command(flatten)]
    settings: Settings,
}

/// The topics to subscribe to, and the server.
struct Request {
    url: String,
    /// Each topic once.
    topics: Vec<String>,
    /// Empty: no token is sent.
    token: String,
    count: Option<u64>,
    with_topics: bool,
    timeout: Duration,
    destination: Destination,
}

/// Accepts what the engine accepts as a topic.
fn topic(text: &str) -> Result<String, String> {
    let topic = protocol::topic::check(text.as_bytes());
    topic.map(str::to_owned).map_err(|error| error.to_string())
}

/// The reason why the command ended.
#[derive(Debug, thiserror::Error)]
enum SubscribeError {
    #[error("{0} is not a ws:// URL; this client does not speak TLS")]
    Url(String),
    #[error("{url}: {error}; is `fanfare serve` running there?")]
    Connect { url: String, error: io::Error },
    #[error("the handshake failed: {0}")]
    Handshake(String),
    #[error("the server refused the connection: {status}{explanation}")]
    HandshakeRefused {
        status: u16,
        /// Empty, or a colon and the body of the response.
        explanation: String,
    },
    #[error("{url} did not answer within {seconds} s")]
    Timeout { url: String, seconds: f64 },
    #[error("{command}: {code} {message}")]
    Refused {
        /// `connect`, or the topic of a subscribe command.
        command: String,
        code: u32,
        message: String,
    },
    #[error("the server closed the connection: {code} {reason}")]
    Closed { code: u16, reason: String },
    #[error("the connection was lost: {0}")]
    Lost(String),
    #[error("the server sent an invalid reply: {0}")]
    Reply(#[from] serde_json::Error),
    #[error(transparent)]
    Output(io::Error),
}

/// Maximum size of a message of the server: a payload of which each byte is escaped with six, and
/// what is around it.
const MESSAGE_BYTES: usize = 6 * PAYLOAD_CEILING_BYTES + 64 * 1024;

/// Maximum number of bytes of a refused handshake's body that are printed.
const EXPLANATION_BYTES: usize = 1024;

/// The close code with which `/raw` answers a message of the client protocol.
const UNSUPPORTED_DATA: u16 = 1003;

/// The close code of a client that connects without a token although it needs one.
const BAD_REQUEST: u16 = 3501;

/// How late a ping may be. The SDKs use the same value.
const PING_GRACE: Duration = Duration::from_secs(10);

pub(super) fn run(command: Subscribe) -> ExitCode {
    let url = match node_address::websocket(command.url, command.settings) {
        Ok(url) => url,
        Err(code) => return code,
    };
    let mut topics = Vec::new();
    for topic in command.topics {
        // The engine refuses a second subscription to a topic.
        if !topics.contains(&topic) {
            topics.push(topic);
        }
    }
    let request = Request {
        url,
        topics,
        token: command.token,
        count: command.count,
        with_topics: command.with_topics,
        timeout: command.timeout,
        destination: Destination::of(&io::stdout()),
    };
    let subscription = Subscription::open(&request);
    match subscription.and_then(|subscription| subscription.print(&mut io::stdout().lock())) {
        Ok(()) => ExitCode::SUCCESS,
        // The reader of stdout has closed it, as in `fanfare subscribe news | head -1`.
        Err(SubscribeError::Output(error)) if error.kind() == io::ErrorKind::BrokenPipe => {
            ExitCode::SUCCESS
        }
        Err(error) => fail(FAILURE, &error),
    }
}

/// A connection that has sent its commands: connect, and a subscribe for each topic.
struct Subscription<'a> {
    command: &'a Request,
    socket: WebSocket<BoundedStream>,
    /// Commands without a reply.
    pending_replies: usize,
    /// The wait for the next message after all replies: the ping interval plus [`PING_GRACE`],
    /// without a limit if the server does not send pings.
    idle: ReadLimit,
    printed: u64,
}

impl<'a> Subscription<'a> {
    /// Connects and sends the commands.
    fn open(command: &'a Request) -> Result<Self, SubscribeError> {
        let deadline = Instant::now() + command.timeout;
        let stream = connect(&command.url, deadline)?;
        let stream = BoundedStream::new(stream, ReadLimit::Until(deadline));
        let limits = WebSocketConfig::default()
            .max_message_size(Some(MESSAGE_BYTES))
            .max_frame_size(Some(MESSAGE_BYTES));
        let opened = client_with_config(&command.url, stream, Some(limits));
        let (socket, _) = opened.map_err(|error| match error {
            HandshakeError::Failure(error) if is_timeout(&error) => command.timed_out(),
            HandshakeError::Failure(tungstenite::Error::Http(response)) => refused(&response),
            error => SubscribeError::Handshake(error.to_string()),
        })?;
        let pending_replies = command.topics.len() + 1;
        let mut subscription = Self {
            command,
            socket,
            pending_replies,
            idle: ReadLimit::Unlimited,
            printed: 0,
        };
        let parameters = match command.token.as_str() {
            "" => json!({}),
            token => json!({ "token": token }),
        };
        let mut commands = vec![format!("{{\"id\":1,\"connect\":{parameters}}}")];
        for (index, topic) in command.topics.iter().enumerate() {
            let subscribe = json!({ "id": index + 2, "subscribe": { "channel": topic } });
            commands.push(subscribe.to_string());
        }
        subscription.send(commands.join("\n"))?;
        Ok(subscription)
    }

    /// Prints publications until `--count` is reached or the connection ends.
    fn print(mut self, out: &mut impl Write) -> Result<(), SubscribeError> {
        while self.command.count.is_none_or(|count| self.printed < count) {
            let message = self.socket.read().map_err(|error| self.describe(&error))?;
            match message {
                Message::Text(text) => {
                    for line in text.split('\n').filter(|line| !line.is_empty()) {
                        self.handle(serde_json::from_str(line)?, out)?;
                    }
                }
                Message::Close(Some(frame)) => {
                    let code = frame.code.into();
                    let reason = format!("{}{}", frame.reason, self.advice(code));
                    return Err(SubscribeError::Closed { code, reason });
                }
                Message::Close(None) => {
                    return Err(SubscribeError::Closed {
                        code: 1005,
                        reason: "without a reason".into(),
                    });
                }
                // tungstenite answers WebSocket pings. The JSON codec has no binary messages.
                _ => {}
            }
        }
        // All publications are printed, so an error does not matter.
        let _ = self.socket.close(None);
        let _ = self.socket.flush();
        Ok(())
    }

    /// Returns what to do about a close code, after a semicolon, or an empty text.
    fn advice(&self, code: u16) -> &'static str {
        if code == UNSUPPORTED_DATA {
            "; give the --url of /connection/websocket"
        } else if code == BAD_REQUEST && self.command.token.is_empty() {
            "; if the server has [auth], give a --token, which `fanfare token` makes"
        } else {
            ""
        }
    }

    fn handle(&mut self, reply: Reply<'_>, out: &mut impl Write) -> Result<(), SubscribeError> {
        match reply {
            Reply {
                error: Some(ReplyError { code, message }),
                id,
                ..
            } => {
                let topic =
                    id.and_then(|id| self.command.topics.get((id as usize).wrapping_sub(2)));
                let command = topic.map_or("connect", String::as_str).into();
                Err(SubscribeError::Refused {
                    command,
                    code,
                    message,
                })
            }
            Reply {
                push: Some(push), ..
            } => self.print_push(&push, out),
            Reply {
                id: Some(_),
                connect,
                ..
            } => {
                let ping = connect.map(|connected| connected.ping);
                if let Some(seconds) = ping.filter(|seconds| *seconds > 0) {
                    self.idle =
                        ReadLimit::Each(Duration::from_secs(seconds).saturating_add(PING_GRACE));
                }
                self.count_reply();
                Ok(())
            }
            Reply { .. } => self.send("{}".into()),
        }
    }

    fn print_push(&mut self, push: &Push<'_>, out: &mut impl Write) -> Result<(), SubscribeError> {
        if let Some(Disconnect { code, reason }) = &push.disconnect {
            return Err(SubscribeError::Closed {
                code: *code,
                reason: reason.clone(),
            });
        }
        let is_wanted = self.command.count.is_none_or(|count| self.printed < count);
        let Some(publication) = push.publication.as_ref().filter(|_| is_wanted) else {
            return Ok(());
        };
        let topic = if self.command.with_topics {
            format!("{}\t", self.command.destination.show(&push.channel))
        } else {
            String::new()
        };
        let data = self.command.destination.show(publication.data.get());
        writeln!(out, "{topic}{data}").map_err(SubscribeError::Output)?;
        out.flush().map_err(SubscribeError::Output)?;
        self.printed += 1;
        Ok(())
    }

    /// Counts a reply. After the last one, reports the subscription and waits for messages without
    /// the timeout of the command.
    fn count_reply(&mut self) {
        self.pending_replies = self.pending_replies.saturating_sub(1);
        if self.pending_replies == 0 {
            let topics = self.command.topics.join(", ");
            report(&format_args!("subscribed to {topics}"));
            self.socket.get_mut().set_limit(self.idle);
        }
    }

    fn send(&mut self, text: String) -> Result<(), SubscribeError> {
        self.socket
            .send(Message::text(text))
            .map_err(|error| self.describe(&error))
    }

    fn describe(&self, error: &tungstenite::Error) -> SubscribeError {
        if !is_timeout(error) {
            return SubscribeError::Lost(error.to_string());
        }
        if self.pending_replies > 0 {
            return self.command.timed_out();
        }
        SubscribeError::Lost("no message or ping was received within the ping interval".into())
    }
}

/// Returns the error for a response that refuses the handshake.
fn refused(response: &Response<Option<Vec<u8>>>) -> SubscribeError {
    let body = response.body().as_deref().unwrap_or_default();
    let body = String::from_utf8_lossy(&body[..body.len().min(EXPLANATION_BYTES)]);
    let explanation = match body.trim() {
        "" => String::new(),
        text => format!(": {}", text.escape_debug()),
    };
    SubscribeError::HandshakeRefused {
        status: response.status().as_u16(),
        explanation,
    }
}

fn is_timeout(error: &tungstenite::Error) -> bool {
    matches!(error, tungstenite::Error::Io(error) if error.kind() == io::ErrorKind::TimedOut)
}

impl Request {
    fn timed_out(&self) -> SubscribeError {
        SubscribeError::Timeout {
            url: self.url.clone(),
            seconds: self.timeout.as_secs_f64(),
        }
    }
}

/// Connects to the first address of the URL's host that accepts the connection before the deadline.
fn connect(url: &str, deadline: Instant) -> Result<TcpStream, SubscribeError> {
    let invalid = || SubscribeError::Url(url.into());
    let uri: Uri = url.parse().map_err(|_| invalid())?;
    if uri.scheme_str() != Some("ws") {
        return Err(invalid());
    }
    let host = uri.host().ok_or_else(invalid)?.trim_matches(['[', ']']);
    let failed = |error| SubscribeError::Connect {
        url: url.into(),
        error,
    };
    let mut outcome = Err(failed(io::ErrorKind::NotFound.into()));
    for address in (host, uri.port_u16().unwrap_or(80))
        .to_socket_addrs()
        .map_err(failed)?
    {
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(failed(io::ErrorKind::TimedOut.into()));
        }
        match TcpStream::connect_timeout(&address, left) {
            Ok(stream) => {
                stream.set_nodelay(true).map_err(failed)?;
                return Ok(stream);
            }
            Err(error) => outcome = Err(failed(error)),
        }
    }
    outcome
}
