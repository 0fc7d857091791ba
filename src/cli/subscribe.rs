//! `fanfare subscribe`: a client of the WebSocket port that prints what it receives, one payload a
//! line. It speaks the Centrifugal client protocol in its JSON form, as the SDKs do.

use std::io::{self, Write};
use std::net::{TcpStream, ToSocketAddrs as _};
use std::process::ExitCode;
use std::time::Duration;

use clap::Args;
use serde::Deserialize;
use serde_json::value::RawValue;
use tungstenite::http::Uri;
use tungstenite::{Message, WebSocket};

use super::{fail, number_of_seconds};

/// Print what is published to topics, one payload a line.
#[derive(Args)]
pub(super) struct Subscribe {
    /// Topics to subscribe to.
    #[arg(required = true, value_name = "TOPIC")]
    topics: Vec<String>,
    /// The engine's WebSocket address.
    #[arg(long, default_value = "ws://127.0.0.1:8000/connection/websocket")]
    url: String,
    /// End after this many publications.
    #[arg(long, value_name = "N")]
    count: Option<u64>,
    /// Print each payload's topic in front of it, with a tab between.
    #[arg(long = "topics")]
    with_topics: bool,
    /// Seconds to wait for the connection and its replies.
    #[arg(long, value_name = "SECONDS", default_value = "5", value_parser = number_of_seconds)]
    timeout: Duration,
}

/// Why there is nothing more to print.
#[derive(Debug, thiserror::Error)]
enum Fault {
    #[error("{0} is no ws:// address; this client does not speak TLS")]
    Url(String),
    #[error("{url}: {error}; is `fanfare serve` running there?")]
    Connect { url: String, error: io::Error },
    #[error("the handshake failed: {0}")]
    Handshake(String),
    #[error("{url} did not answer within {seconds} s")]
    Silence { url: String, seconds: f64 },
    #[error("{what}: {code} {message}")]
    Refused {
        what: String,
        code: u32,
        message: String,
    },
    #[error("the server closed the connection: {code} {reason}")]
    Closed { code: u16, reason: String },
    #[error("the connection was lost: {0}")]
    Lost(String),
    #[error("the server sent something that is no reply: {0}")]
    Reply(#[from] serde_json::Error),
    #[error(transparent)]
    Output(io::Error),
}

/// How late a ping may be, as SDKs have it.
const PING_GRACE: Duration = Duration::from_secs(10);

/// One line of a message from the server. An empty object is a ping.
#[derive(Deserialize)]
struct Reply<'a> {
    id: Option<u32>,
    error: Option<ReplyError>,
    connect: Option<Connected>,
    #[serde(borrow)]
    push: Option<Push<'a>>,
}

/// Seconds between the server's pings; 0 for none.
#[derive(Deserialize)]
struct Connected {
    #[serde(default)]
    ping: u64,
}

#[derive(Deserialize)]
struct ReplyError {
    code: u32,
    message: String,
}

#[derive(Deserialize)]
struct Push<'a> {
    #[serde(default)]
    channel: String,
    #[serde(borrow, rename = "pub")]
    publication: Option<Publication<'a>>,
    disconnect: Option<Disconnect>,
}

#[derive(Deserialize)]
struct Publication<'a> {
    #[serde(borrow)]
    data: &'a RawValue,
}

#[derive(Deserialize)]
struct Disconnect {
    code: u16,
    #[serde(default)]
    reason: String,
}

pub(super) fn run(command: &Subscribe) -> ExitCode {
    let subscription = Subscription::open(command);
    match subscription.and_then(|subscription| subscription.print(&mut io::stdout().lock())) {
        Ok(()) => ExitCode::SUCCESS,
        // The reader of our output has gone, as in `fanfare subscribe news | head -1`.
        Err(Fault::Output(error)) if error.kind() == io::ErrorKind::BrokenPipe => ExitCode::SUCCESS,
        Err(fault) => fail(1, &fault),
    }
}

/// A connection that has asked for its topics.
struct Subscription<'a> {
    command: &'a Subscribe,
    socket: WebSocket<TcpStream>,
    /// Replies still due: one for connect, one for each topic.
    replies_due: usize,
    /// How long the server may be silent: its pings' interval and then some.
    patience: Option<Duration>,
    printed: u64,
}

impl<'a> Subscription<'a> {
    fn open(command: &'a Subscribe) -> Result<Self, Fault> {
        let stream = connect(&command.url, command.timeout)?;
        let (socket, _) = tungstenite::client(&command.url, stream)
            .map_err(|error| Fault::Handshake(error.to_string()))?;
        let replies_due = command.topics.len() + 1;
        let mut subscription = Self {
            command,
            socket,
            replies_due,
            patience: None,
            printed: 0,
        };
        let topics = command.topics.iter().enumerate().map(|(index, topic)| {
            serde_json::json!({ "id": index + 2, "subscribe": { "channel": topic } }).to_string()
        });
        let commands: Vec<_> = [r#"{"id":1,"connect":{}}"#.into()]
            .into_iter()
            .chain(topics)
            .collect();
        subscription.send(commands.join("\n"))?;
        Ok(subscription)
    }

    fn print(mut self, out: &mut impl Write) -> Result<(), Fault> {
        while self.command.count.is_none_or(|count| self.printed < count) {
            let message = self.socket.read().map_err(|error| self.fault(error))?;
            match message {
                Message::Text(text) => {
                    for line in text.split('\n').filter(|line| !line.is_empty()) {
                        self.take(serde_json::from_str(line)?, out)?;
                    }
                }
                Message::Close(Some(frame)) => {
                    let (code, reason) = (frame.code.into(), frame.reason.to_string());
                    return Err(Fault::Closed { code, reason });
                }
                Message::Close(None) => {
                    return Err(Fault::Closed {
                        code: 1005,
                        reason: "without a reason".into(),
                    });
                }
                // tungstenite answers pings by itself; the JSON protocol has no binary messages.
                _ => {}
            }
        }
        // Only a courtesy: all that was asked for has been printed.
        let _ = self.socket.close(None);
        let _ = self.socket.flush();
        Ok(())
    }

    fn take(&mut self, reply: Reply<'_>, out: &mut impl Write) -> Result<(), Fault> {
        match reply {
            Reply {
                error: Some(ReplyError { code, message }),
                id,
                ..
            } => {
                let topic =
                    id.and_then(|id| self.command.topics.get((id as usize).wrapping_sub(2)));
                let what = topic.map_or("connect", String::as_str).into();
                Err(Fault::Refused {
                    what,
                    code,
                    message,
                })
            }
            Reply {
                push: Some(push), ..
            } => self.push(&push, out),
            Reply {
                id: Some(_),
                connect,
                ..
            } => {
                let ping = connect.map(|connected| connected.ping);
                let ping = ping.filter(|seconds| *seconds > 0).map(Duration::from_secs);
                self.patience = ping.map(|ping| ping + PING_GRACE).or(self.patience);
                self.confirm()
            }
            Reply { .. } => self.send("{}".into()),
        }
    }

    fn push(&mut self, push: &Push<'_>, out: &mut impl Write) -> Result<(), Fault> {
        if let Some(Disconnect { code, reason }) = &push.disconnect {
            return Err(Fault::Closed {
                code: *code,
                reason: reason.clone(),
            });
        }
        let wanted = self.command.count.is_none_or(|count| self.printed < count);
        let Some(publication) = push.publication.as_ref().filter(|_| wanted) else {
            return Ok(());
        };
        let topic = if self.command.with_topics {
            format!("{}\t", push.channel)
        } else {
            String::new()
        };
        writeln!(out, "{topic}{}", publication.data).map_err(Fault::Output)?;
        out.flush().map_err(Fault::Output)?;
        self.printed += 1;
        Ok(())
    }

    /// Counts a reply; after the last, says so and waits for publications while pings come.
    fn confirm(&mut self) -> Result<(), Fault> {
        self.replies_due = self.replies_due.saturating_sub(1);
        if self.replies_due == 0 {
            eprintln!("fanfare: subscribed to {}", self.command.topics.join(", "));
            let lost = |error: io::Error| Fault::Lost(error.to_string());
            let stream = self.socket.get_ref();
            stream.set_read_timeout(self.patience).map_err(lost)?;
        }
        Ok(())
    }

    fn send(&mut self, text: String) -> Result<(), Fault> {
        self.socket
            .send(Message::text(text))
            .map_err(|error| self.fault(error))
    }

    fn fault(&self, error: tungstenite::Error) -> Fault {
        match error {
            tungstenite::Error::Io(error)
                if matches!(
                    error.kind(),
                    io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut
                ) =>
            {
                if self.replies_due == 0 {
                    return Fault::Lost("nothing comes any more, not even a ping".into());
                }
                let seconds = self.command.timeout.as_secs_f64();
                Fault::Silence {
                    url: self.command.url.clone(),
                    seconds,
                }
            }
            other => Fault::Lost(other.to_string()),
        }
    }
}

/// Connects to the first address of the URL's host that answers. Reads wait no longer than
/// `timeout` until all replies have come.
fn connect(url: &str, timeout: Duration) -> Result<TcpStream, Fault> {
    let not_ours = || Fault::Url(url.into());
    let uri: Uri = url.parse().map_err(|_| not_ours())?;
    if uri.scheme_str() != Some("ws") {
        return Err(not_ours());
    }
    let host = uri.host().ok_or_else(not_ours)?.trim_matches(['[', ']']);
    let failed = |error| Fault::Connect {
        url: url.into(),
        error,
    };
    let mut outcome = Err(failed(io::ErrorKind::NotFound.into()));
    for address in (host, uri.port_u16().unwrap_or(80))
        .to_socket_addrs()
        .map_err(failed)?
    {
        match TcpStream::connect_timeout(&address, timeout) {
            Ok(stream) => {
                stream.set_read_timeout(Some(timeout)).map_err(failed)?;
                stream.set_nodelay(true).map_err(failed)?;
                return Ok(stream);
            }
            Err(error) => outcome = Err(failed(error)),
        }
    }
    outcome
}
