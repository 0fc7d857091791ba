//! `fanfare top`: shows the activity of a running node in a terminal, once per second.
//!
//! ```text
//! node    queries the admin port and returns a sample
//! model   computes the figures of a screen from two samples
//! units   formats figures with units
//! view    draws a screen into terminal cells
//! head    lays out the figures above the tables
//! columns chooses the columns of the tables
//! live    sets up the terminal, draws, reads keys and restores the terminal
//! ```

mod columns;
mod error;
mod head;
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

use super::arguments::{Settings, seconds};
use super::exit::{FAILURE, fail};
use super::node_address;
use error::TopError;
use model::Screen;
use node::Node;

/// Watch a running node: rates, latencies, drops, shards, the slowest connections.
#[derive(Args)]
pub(super) struct Top {
    /// The node's admin port. Default: `admin.listen` of the configuration, which is
    /// `http://127.0.0.1:8001` if it is not set.
    #[arg(long, value_name = "URL", conflicts_with_all = ["file", "set"])]
    admin: Option<String>,
    /// The node's `admin.token`. Default: that of the configuration, or with `--admin` the
    /// environment variable `FANFARE_ADMIN_TOKEN`.
    #[arg(long, value_name = "TOKEN")]
    token: Option<String>,
    #[command(flatten)]
    settings: Settings,
    /// Seconds over which rates are measured, at least 0.1.
    #[arg(long, value_name = "SECONDS", default_value = "1s", value_parser = interval)]
    interval: Duration,
    /// Print one screen as text and exit. This is also done if the output is not a terminal.
    #[arg(long)]
    once: bool,
}

/// Minimum of `--interval`: each query takes time of the node's control thread.
const INTERVAL_MIN: Duration = Duration::from_millis(100);

fn interval(text: &str) -> Result<Duration, String> {
    let interval = seconds(text)?;
    if interval < INTERVAL_MIN {
        return Err("expected 0.1 seconds or more".into());
    }
    Ok(interval)
}

pub(super) fn run(command: Top) -> ExitCode {
    let node = match node_address::admin(command.admin, command.token, command.settings) {
        Ok(client) => Node::new(client),
        Err(code) => return code,
    };
    let is_terminal = io::stdout().is_terminal() && io::stdin().is_terminal();
    let outcome = if command.once || !is_terminal {
        print_once(&node, command.interval)
    } else {
        live::run(node, command.interval)
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        // The reader of stdout has closed it. This is not an error.
        Err(TopError::Output(error)) if error.kind() == io::ErrorKind::BrokenPipe => {
            ExitCode::SUCCESS
        }
        Err(error) => fail(FAILURE, &error),
    }
}

/// Takes two samples an interval apart and prints the screen.
fn print_once(node: &Node, interval: Duration) -> Result<(), TopError> {
    let before = node.sample()?;
    thread::sleep(interval);
    let screen = Screen::of(Some(&before), &node.sample()?);
    let text = view::text(&screen);
    io::stdout()
        .write_all(text.as_bytes())
        .map_err(TopError::Output)
}
