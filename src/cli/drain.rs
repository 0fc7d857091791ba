//! `fanfare drain`: asks a running node to move a share of its connections away, so that they come
//! back elsewhere.

use std::io::{self, Write as _};
use std::process::ExitCode;
use std::time::Duration;

use clap::Args;
use fanfare::admin_client::{AdminClient, AdminClientError};
use fanfare::config;
use serde::Deserialize;

use super::{USAGE, fail};

/// What the admin port says once it has begun.
const ACCEPTED: u16 = 202;

/// Move a share of a running node's connections away, evenly over a period. Clients reconnect by
/// themselves; the node's agent announces the least weight meanwhile, so that they come back
/// elsewhere. For all of them, and the end of the process, send SIGTERM.
#[derive(Args)]
pub(super) struct Drain {
    /// The part of all connections, such as `20%` or `0.2`.
    #[arg(long, value_name = "SHARE", value_parser = share)]
    share: f64,
    /// Over how long they are closed.
    #[arg(long, value_name = "DURATION", default_value = "60s", value_parser = period)]
    period: Duration,
    /// The node's `admin.listen`.
    #[arg(long, value_name = "URL", default_value = "http://127.0.0.1:8001")]
    admin: String,
    /// The node's `admin.token`; without this, the environment's `FANFARE_ADMIN_TOKEN`.
    #[arg(long, value_name = "TOKEN")]
    token: Option<String>,
}

/// Why nothing moves.
#[derive(Debug, thiserror::Error)]
enum Fault {
    #[error(transparent)]
    Admin(#[from] AdminClientError),
    #[error("{0} answered with something else than what is moved; is it another version's?")]
    Answer(String),
    #[error(transparent)]
    Output(#[from] io::Error),
}

#[derive(Deserialize)]
struct Moving {
    leaving: u64,
    connections: u64,
    #[serde(default)]
    refused_shards: Vec<usize>,
}

fn share(text: &str) -> Result<f64, String> {
    config::share(text).ok_or_else(|| "expected a part such as 20% or 0.2, above 0".into())
}

fn period(text: &str) -> Result<Duration, String> {
    config::duration(text).ok_or_else(|| "expected a duration such as 60s, 500ms or 5m".into())
}

pub(super) fn run(command: Drain) -> ExitCode {
    match drain(command) {
        Ok(()) => ExitCode::SUCCESS,
        Err(Fault::Admin(fault @ AdminClientError::Address(_))) => fail(USAGE, &fault),
        Err(fault) => fail(1, &fault),
    }
}

fn drain(command: Drain) -> Result<(), Fault> {
    let token = command.token;
    let token = token.or_else(|| std::env::var("FANFARE_ADMIN_TOKEN").ok());
    let client = AdminClient::new(&command.admin, token)?;
    let period_ms = command.period.as_millis();
    let target = format!("/drain?share={}&period={period_ms}ms", command.share);
    let answer = client.request("POST", &target)?;
    if answer.status != ACCEPTED {
        return Err(client.status_error(&target, &answer).into());
    }
    let moving: Moving = serde_json::from_str(&answer.body)
        .map_err(|_| Fault::Answer(client.address().to_owned()))?;
    writeln!(
        io::stdout(),
        "moving {} of {} connections away over {:?}; GET /load says how far it is",
        moving.leaving,
        moving.connections,
        command.period,
    )?;
    if !moving.refused_shards.is_empty() {
        let shards = moving.refused_shards;
        writeln!(
            io::stderr(),
            "shards {shards:?} do not take orders, and move nobody"
        )?;
    }
    Ok(())
}
