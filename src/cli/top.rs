//! `fanfare top`: what a running node does, in a terminal, once a second.
//!
//! ```text
//! node    asks the admin port: one sample
//! model   two samples make the figures of a screen
//! units   figures as people read them
//! view    a screen, drawn into cells
//! live    the terminal: draws, reads keys, gives the terminal back
//! ```

mod live;
mod model;
mod node;
mod units;
mod view;

use std::io::{self, IsTerminal as _, Write as _};
use std::process::ExitCode;
use std::thread;
use std::time::Duration;

use clap::Args;
use fanfare::admin_client::{AdminClient, AdminClientError};

use super::{USAGE, fail, number_of_seconds};
use model::Screen;
use node::Node;

/// Watch a running node: rates, latencies, drops, shards, the slowest connections.
#[derive(Args)]
pub(super) struct Top {
    /// The node's `admin.listen`.
    #[arg(long, value_name = "URL", default_value = "http://127.0.0.1:8001")]
    admin: String,
    /// The node's `admin.token`; without this, the environment's `FANFARE_ADMIN_TOKEN`.
    #[arg(long, value_name = "TOKEN")]
    token: Option<String>,
    /// Seconds that rates are taken over, 0.1 at least.
    #[arg(long, value_name = "SECONDS", default_value = "1s", value_parser = interval)]
    interval: Duration,
    /// Print one screen as text and end; so it does when the output is no terminal.
    #[arg(long)]
    once: bool,
}

/// Why there is nothing to see.
#[derive(Debug, thiserror::Error)]
enum Fault {
    #[error(transparent)]
    Admin(#[from] AdminClientError),
    #[error("{target} of {address} is not understood: {error}; is it another version's?")]
    Answer {
        address: String,
        target: &'static str,
        error: serde_json::Error,
    },
    #[error("the terminal: {0}")]
    Terminal(io::Error),
    #[error("the thread that asks the node has ended")]
    Sampler,
    #[error(transparent)]
    Output(io::Error),
}

/// Asking takes the node's control thread some of its time.
const SHORTEST: Duration = Duration::from_millis(100);

fn interval(text: &str) -> Result<Duration, String> {
    let interval = number_of_seconds(text)?;
    let long_enough = interval >= SHORTEST;
    long_enough
        .then_some(interval)
        .ok_or_else(|| "expected 0.1 seconds or more".into())
}

pub(super) fn run(command: Top) -> ExitCode {
    let environment = || std::env::var("FANFARE_ADMIN_TOKEN").ok();
    let token = command.token.or_else(environment);
    let node = match AdminClient::new(&command.admin, token) {
        Ok(client) => Node::new(client),
        Err(fault) => return fail(USAGE, &fault),
    };
    let is_terminal = io::stdout().is_terminal() && io::stdin().is_terminal();
    let outcome = if command.once || !is_terminal {
        once(&node, command.interval)
    } else {
        live::run(node, command.interval)
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        // The reader of our output has gone; nothing is wrong.
        Err(Fault::Output(error)) if error.kind() == io::ErrorKind::BrokenPipe => ExitCode::SUCCESS,
        Err(fault) => fail(1, &fault),
    }
}

/// Two samples an interval apart, and the screen that they make.
fn once(node: &Node, interval: Duration) -> Result<(), Fault> {
    let before = node.sample()?;
    thread::sleep(interval);
    let screen = Screen::of(Some(&before), &node.sample()?);
    let text = view::text(&screen);
    io::stdout()
        .write_all(text.as_bytes())
        .map_err(Fault::Output)
}
