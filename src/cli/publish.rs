//! `fanfare publish`: one publication, or one per line of stdin, over ZeroMQ to the router, which
//! answers each.

use std::io::{self, BufRead as _, Read as _, Write as _};
use std::process::ExitCode;
use std::time::Duration;

use clap::Args;

use super::{fail, number_of_seconds};

/// Publish to a topic, and say whether it was taken.
#[derive(Args)]
pub(super) struct Publish {
    /// Where it goes, such as `news` or `chat:lobby`.
    topic: String,
    /// What to publish; `-` is all of stdin. A JSON namespace wants JSON: `{"a":1}`, `"hi"`, 7.
    #[arg(
        required_unless_present = "lines",
        conflicts_with = "lines",
        allow_negative_numbers = true
    )]
    payload: Option<String>,
    /// Publish each line of stdin by itself.
    #[arg(long)]
    lines: bool,
    /// The engine's `ingest.router`.
    #[arg(long, value_name = "ENDPOINT", default_value = "tcp://127.0.0.1:5563")]
    to: String,
    /// For an engine with `ingest.plain`.
    #[arg(long, value_name = "USER:PASSWORD")]
    plain: Option<String>,
    /// Seconds to wait for each answer.
    #[arg(long, value_name = "SECONDS", default_value = "5", value_parser = number_of_seconds)]
    timeout: Duration,
}

/// Why publishing stopped.
#[derive(Debug, thiserror::Error)]
enum Fault {
    #[error("{0} cannot be connected to: {1}")]
    Connect(String, zmq::Error),
    #[error(
        "{to} did not answer within {seconds} s; is `fanfare serve` running, and is this its \
         ingest.router? If it has ingest.plain, give --plain"
    )]
    Silence { to: String, seconds: f64 },
    #[error("refused: {code}: {text}")]
    Refused { code: String, text: String },
    #[error("{0} answered with something that is no reply")]
    Answer(String),
    #[error("ZeroMQ: {0}")]
    Zmq(#[from] zmq::Error),
    #[error(transparent)]
    Io(#[from] io::Error),
}

pub(super) fn run(command: &Publish) -> ExitCode {
    match publish(command) {
        Ok(()) => ExitCode::SUCCESS,
        // The reader of our output has gone; nothing is wrong.
        Err(Fault::Io(error)) if error.kind() == io::ErrorKind::BrokenPipe => ExitCode::SUCCESS,
        Err(fault) => fail(1, &fault),
    }
}

fn publish(command: &Publish) -> Result<(), Fault> {
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

fn connect(command: &Publish) -> Result<zmq::Socket, Fault> {
    let socket = zmq::Context::new().socket(zmq::REQ)?;
    // What was not sent by then is not worth waiting for at exit.
    socket.set_linger(0)?;
    let timeout_ms = i32::try_from(command.timeout.as_millis()).unwrap_or(i32::MAX);
    socket.set_sndtimeo(timeout_ms)?;
    socket.set_rcvtimeo(timeout_ms)?;
    if let Some((user, password)) = command.plain.as_deref().map(user_and_password) {
        socket.set_plain_username(Some(user))?;
        socket.set_plain_password(Some(password))?;
    }
    let refused = |error| Fault::Connect(command.to.clone(), error);
    socket.connect(&command.to).map_err(refused)?;
    Ok(socket)
}

fn user_and_password(pair: &str) -> (&str, &str) {
    pair.split_once(':').unwrap_or((pair, ""))
}

fn request(socket: &zmq::Socket, command: &Publish, payload: &[u8]) -> Result<(), Fault> {
    let to = || command.to.clone();
    let silence = |error| match error {
        zmq::Error::EAGAIN => Fault::Silence {
            to: to(),
            seconds: command.timeout.as_secs_f64(),
        },
        other => Fault::Zmq(other),
    };
    socket
        .send_multipart([command.topic.as_bytes(), payload], 0)
        .map_err(silence)?;
    let reply = socket.recv_multipart(0).map_err(silence)?;
    let words: Vec<_> = reply
        .iter()
        .map(|part| String::from_utf8_lossy(part))
        .collect();
    match words.as_slice() {
        [ok] if ok == "ok" => Ok(()),
        [error, code, text] if error == "error" => Err(Fault::Refused {
            code: code.to_string(),
            text: text.to_string(),
        }),
        _ => Err(Fault::Answer(to())),
    }
}
