//! `fanfare publish`: sends one publication, or one per line of stdin, to the engine's ZeroMQ
//! router socket, and waits for each reply.

use std::io::{self, BufRead as _, Read as _, Write as _};
use std::process::ExitCode;
use std::time::Duration;

use clap::Args;

use super::arguments::seconds;
use super::exit::{FAILURE, fail};

/// Publish to a topic, and print whether the engine accepted it.
#[derive(Args)]
pub(super) struct Publish {
    /// The topic, such as `news` or `chat:lobby`.
    topic: String,
    /// The payload; `-` reads it from stdin. A JSON namespace requires JSON: `{"a":1}`, `"hi"`, 7.
    #[arg(
        required_unless_present = "lines",
        conflicts_with = "lines",
        allow_negative_numbers = true
    )]
    payload: Option<String>,
    /// Publish each line of stdin separately.
    #[arg(long)]
    lines: bool,
    /// The engine's `ingest.router`.
    #[arg(long, value_name = "ENDPOINT", default_value = "tcp://127.0.0.1:5563")]
    to: String,
    /// Credentials, if the engine has `ingest.plain`.
    #[arg(long, value_name = "USER:PASSWORD")]
    plain: Option<String>,
    /// Seconds to wait for each reply.
    #[arg(long, value_name = "SECONDS", default_value = "5", value_parser = seconds)]
    timeout: Duration,
}

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
    #[error("refused: {code}: {text}")]
    Refused { code: String, text: String },
    #[error("{0} sent an invalid reply")]
    Reply(String),
    #[error("ZeroMQ: {0}")]
    Zmq(#[from] zmq::Error),
    #[error(transparent)]
    Io(#[from] io::Error),
}

pub(super) fn run(command: &Publish) -> ExitCode {
    match publish(command) {
        Ok(()) => ExitCode::SUCCESS,
        // The reader of stdout has closed it. This is not an error.
        Err(PublishError::Io(error)) if error.kind() == io::ErrorKind::BrokenPipe => {
            ExitCode::SUCCESS
        }
        Err(error) => fail(FAILURE, &error),
    }
}

fn publish(command: &Publish) -> Result<(), PublishError> {
    let socket = connect(command)?;
    let mut out = io::stdout().lock();
    if command.lines {
        for line in io::stdin().lock().split(b'\n') {
            request(&socket, command, &line?)?;
            writeln!(out, "ok")?;
        }
        return Ok(());
    }
    let mut payload = Vec::new();
    match command.payload.as_deref() {
        Some("-") => drop(io::stdin().lock().read_to_end(&mut payload)?),
        argument => payload.extend(argument.unwrap_or_default().bytes()),
    }
    request(&socket, command, &payload)?;
    writeln!(out, "ok")?;
    Ok(())
}

fn connect(command: &Publish) -> Result<zmq::Socket, PublishError> {
    let socket = zmq::Context::new().socket(zmq::REQ)?;
    // Discard unsent messages at exit: the reply has already timed out.
    socket.set_linger(0)?;
    let timeout_ms = i32::try_from(command.timeout.as_millis()).unwrap_or(i32::MAX);
    socket.set_sndtimeo(timeout_ms)?;
    socket.set_rcvtimeo(timeout_ms)?;
    if let Some((user, password)) = command.plain.as_deref().map(user_and_password) {
        socket.set_plain_username(Some(user))?;
        socket.set_plain_password(Some(password))?;
    }
    let refused = |error| PublishError::Connect(command.to.clone(), error);
    socket.connect(&command.to).map_err(refused)?;
    Ok(socket)
}

fn user_and_password(pair: &str) -> (&str, &str) {
    pair.split_once(':').unwrap_or((pair, ""))
}

fn request(socket: &zmq::Socket, command: &Publish, payload: &[u8]) -> Result<(), PublishError> {
    let to = || command.to.clone();
    let describe = |error| match error {
        zmq::Error::EAGAIN => PublishError::Timeout {
            to: to(),
            seconds: command.timeout.as_secs_f64(),
        },
        other => PublishError::Zmq(other),
    };
    socket
        .send_multipart([command.topic.as_bytes(), payload], 0)
        .map_err(describe)?;
    let reply = socket.recv_multipart(0).map_err(describe)?;
    let words: Vec<_> = reply
        .iter()
        .map(|part| String::from_utf8_lossy(part))
        .collect();
    match words.as_slice() {
        [ok] if ok == "ok" => Ok(()),
        [error, code, text] if error == "error" => Err(PublishError::Refused {
            code: code.to_string(),
            text: text.to_string(),
        }),
        _ => Err(PublishError::Reply(to())),
    }
}
