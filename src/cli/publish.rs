//! `fanfare publish`: sends one publication, or one per line of stdin, to the engine's ZeroMQ
//! router socket, and waits for each reply.

mod requester;

use std::io::{self, BufRead, Read as _, Write as _};
use std::process::ExitCode;
use std::thread;
use std::time::Duration;

use clap::Args;
use fanfare::fabric::{BUSY_CODE, Rejection};
use fanfare::limits::PAYLOAD_CEILING_BYTES;

use super::arguments::{Settings, seconds};
use super::exit::{FAILURE, fail, report};
use super::node_address::{self, UserAndPassword};
use requester::{Outcome, Requester};

/// Publish to a topic, and print whether the engine accepted it.
#[derive(Args)]
#[command(override_usage = "\
fanfare publish [OPTIONS] <TOPIC> <PAYLOAD>
       fanfare publish [OPTIONS] <TOPIC> -        (the payload is stdin)
       fanfare publish [OPTIONS] <TOPIC> --lines  (each line of stdin is a payload)")]
pub(super) struct Publish {
    /// The topic, such as `news` or `chat:lobby`.
    topic: String,
    /// The payload; `-` reads it from stdin, up to 64 MiB. A JSON namespace requires JSON:
    /// `{"a":1}`, `"hi"`, 7.
    #[arg(
        required_unless_present = "lines",
        conflicts_with = "lines",
        allow_negative_numbers = true
    )]
    payload: Option<String>,
    /// Publish each line of stdin separately. A line that is refused is reported with its number,
    /// and the next one is published; the exit code is then 1.
    #[arg(long)]
    lines: bool,
    /// The engine's ZeroMQ endpoint for REQ. Default: the first `ingest.router` of the
    /// configuration, which is `tcp://127.0.0.1:5563` if it is not set.
    #[arg(long, value_name = "ENDPOINT", conflicts_with_all = ["file", "set"])]
    to: Option<String>,
    /// Credentials, if the engine has `ingest.plain`. Default, without `--to`: the first entry of
    /// `ingest.plain` of the configuration.
    #[arg(long, value_name = "USER:PASSWORD")]
    plain: Option<String>,
    /// Seconds to wait for each reply.
    #[arg(long, value_name = "SECONDS", default_value = "5", value_parser = seconds)]
    timeout: Duration,
    #[command(flatten)]
    settings: Settings,
}

/// How often a publication is sent again that the engine answers with `busy`.
const BUSY_RETRIES: u32 = 10;

/// The pause before a publication is sent again.
const BUSY_PAUSE: Duration = Duration::from_millis(100);

/// The reason why publishing stopped.
#[derive(Debug, thiserror::Error)]
enum PublishError {
    #[error("cannot connect to {0}: {1}")]
    Connect(String, zmq::Error),
    #[error(
        "{to} did not answer within {seconds} s; is `fanfare serve` running, and is this its \
         ingest.router? If it has ingest.plain, give --plain"
    )]
    Timeout { to: String, seconds: f64 },
    #[error(
        "{to} closed the connection and did not reply. The payload has {bytes} bytes: if its \
         ingest.max_payload is smaller, shorten the payload or raise it; otherwise, was \
         `fanfare serve` restarted?"
    )]
    Closed { to: String, bytes: usize },
    #[error(
        "the payload has more than {PAYLOAD_CEILING_BYTES} bytes, the most that \
         ingest.max_payload can be set to"
    )]
    TooLong,
    #[error("refused: {code}: {text}")]
    Refused { code: String, text: String },
    #[error("{accepted} lines were accepted, {refused} refused")]
    Lines { accepted: u64, refused: u64 },
    #[error("line {line}, after {accepted} accepted and {refused} refused: {error}")]
    Stopped {
        line: u64,
        accepted: u64,
        refused: u64,
        error: Box<Self>,
    },
    #[error("{0} sent an invalid reply")]
    Reply(String),
    #[error("ZeroMQ: {0}")]
    Zmq(#[from] zmq::Error),
    #[error(transparent)]
    Io(#[from] io::Error),
}

pub(super) fn run(command: Publish) -> ExitCode {
    let plain = command.plain.as_deref().map(user_and_password);
    let (to, plain) = match node_address::router(command.to, plain, command.settings) {
        Ok(found) => found,
        Err(code) => return code,
    };
    let publisher = Publisher::connect(to, command.topic, plain.as_ref(), command.timeout);
    let outcome = publisher.and_then(|mut it| {
        if command.lines {
            it.publish_lines()
        } else {
            it.publish_one(command.payload.as_deref().unwrap_or_default())
        }
    });
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        // The reader of stdout has closed it. This is not an error.
        Err(PublishError::Io(error)) if error.kind() == io::ErrorKind::BrokenPipe => {
            ExitCode::SUCCESS
        }
        Err(error) => fail(FAILURE, &error),
    }
}

/// A connection to the engine for one topic.
struct Publisher {
    requester: Requester,
    to: String,
    topic: String,
    timeout: Duration,
}

impl Publisher {
    fn connect(
        to: String,
        topic: String,
        plain: Option<&UserAndPassword>,
        timeout: Duration,
    ) -> Result<Self, PublishError> {
        let plain = plain.map(|(user, word)| (user.as_str(), word.as_str()));
        match Requester::connect(&to, plain, timeout) {
            Ok(requester) => Ok(Self {
                requester,
                to,
                topic,
                timeout,
            }),
            Err(error) => Err(PublishError::Connect(to, error)),
        }
    }

    /// Publishes the argument, or stdin as a whole if it is `-`.
    fn publish_one(&mut self, argument: &str) -> Result<(), PublishError> {
        let mut payload = Vec::new();
        match argument {
            "-" => {
                let mut input = io::stdin().lock().take(PAYLOAD_CEILING_BYTES as u64 + 1);
                input.read_to_end(&mut payload)?;
            }
            argument => payload.extend(argument.bytes()),
        }
        self.publish(&payload)?;
        writeln!(io::stdout(), "ok")?;
        Ok(())
    }

    /// Publishes each line of stdin. Reports a line that is refused and goes on with the next one.
    fn publish_lines(&mut self) -> Result<(), PublishError> {
        let (mut input, mut out) = (io::stdin().lock(), io::stdout().lock());
        let (mut accepted, mut refused) = (0, 0);
        let mut line = Vec::new();
        let mut printed = Ok(());
        loop {
            let read = read_line(&mut input, &mut line);
            if matches!(read, Ok(0)) {
                break;
            }
            let number = accepted + refused + 1;
            // Without a reader of its results, the command publishes no further line.
            let read = printed.and(read).map_err(PublishError::Io);
            printed = Ok(());
            match read.and_then(|_| self.publish(&line)) {
                Ok(()) => {
                    accepted += 1;
                    printed = writeln!(out, "ok");
                }
                Err(error @ PublishError::Refused { .. }) => {
                    refused += 1;
                    report(&format_args!("line {number}: {error}"));
                }
                // Without a reply, the socket cannot send the next line.
                Err(error) => {
                    return Err(PublishError::Stopped {
                        line: number,
                        accepted,
                        refused,
                        error: Box::new(error),
                    });
                }
            }
        }
        match refused {
            0 => printed.map_err(PublishError::Io),
            refused => Err(PublishError::Lines { accepted, refused }),
        }
    }

    /// Publishes a payload. While the engine is busy, tries again [`BUSY_RETRIES`] times.
    fn publish(&mut self, payload: &[u8]) -> Result<(), PublishError> {
        if payload.len() > PAYLOAD_CEILING_BYTES {
            return Err(PublishError::TooLong);
        }
        let mut retries = 0..BUSY_RETRIES;
        loop {
            match self.request(payload) {
                Err(PublishError::Refused { code, .. })
                    if code == BUSY_CODE && retries.next().is_some() =>
                {
                    thread::sleep(BUSY_PAUSE);
                }
                outcome => return outcome,
            }
        }
    }

    fn request(&mut self, payload: &[u8]) -> Result<(), PublishError> {
        let reply = match self.requester.request([self.topic.as_bytes(), payload])? {
            Outcome::Reply(parts) => parts,
            Outcome::Timeout => {
                return Err(PublishError::Timeout {
                    to: self.to.clone(),
                    seconds: self.timeout.as_secs_f64(),
                });
            }
            Outcome::Closed => {
                return Err(PublishError::Closed {
                    to: self.to.clone(),
                    bytes: payload.len(),
                });
            }
        };
        let words: Vec<_> = reply
            .iter()
            .map(|part| String::from_utf8_lossy(part))
            .collect();
        match words.as_slice() {
            [ok] if ok == "ok" => Ok(()),
            [error, code, text]
                if error == "error" && code == Rejection::PayloadTooLarge.name() =>
            {
                Err(PublishError::Refused {
                    code: code.to_string(),
                    text: format!("{text}; it has {} bytes", payload.len()),
                })
            }
            [error, code, text] if error == "error" => Err(PublishError::Refused {
                code: code.to_string(),
                text: text.to_string(),
            }),
            _ => Err(PublishError::Reply(self.to.clone())),
        }
    }
}

/// Reads a line without its newline, and of a line that is too long only the beginning. Returns the
/// number of bytes read, which is 0 at the end of the input.
fn read_line(input: &mut impl BufRead, line: &mut Vec<u8>) -> io::Result<usize> {
    line.clear();
    // One byte more than a payload may have, and the newline.
    let mut input = input.take(PAYLOAD_CEILING_BYTES as u64 + 2);
    let read = input.read_until(b'\n', line)?;
    if line.last() == Some(&b'\n') {
        line.pop();
    }
    Ok(read)
}

fn user_and_password(pair: &str) -> UserAndPassword {
    let (user, password) = pair.split_once(':').unwrap_or((pair, ""));
    (user.into(), password.into())
}
