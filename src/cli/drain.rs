//! `fanfare drain`: requests a running node to close a share of its connections, so that their
//! clients reconnect to other nodes.

use std::process::ExitCode;
use std::time::Duration;

use clap::Args;
use fanfare::admin_client::{AdminClient, AdminClientError};
use fanfare::config;
use serde::Deserialize;

use super::arguments::Settings;
use super::exit::{FAILURE, SUCCESS, fail, print_result, report};
use super::node_address;

/// HTTP status of the response when the drain has begun.
const ACCEPTED: u16 = 202;

/// Close a share of a running node's connections, evenly over a period, so that the clients
/// reconnect to other nodes. During the drain the node's agent reports the lowest weight to load
/// balancers. To close all connections and end the process, send SIGTERM instead.
#[derive(Args)]
pub(super) struct Drain {
    /// The share of all connections, such as `20%` or `0.2`.
    #[arg(long, value_name = "SHARE", value_parser = share)]
    share: f64,
    /// The period over which the connections are closed.
    #[arg(long, value_name = "DURATION", default_value = "60s", value_parser = period)]
    period: Duration,
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
}

/// The reason why the drain did not begin.
#[derive(Debug, thiserror::Error)]
enum DrainError {
    #[error(transparent)]
    Admin(#[from] AdminClientError),
    #[error("{0} sent an unknown response; is the node of another version?")]
    Response(String),
}

/// The response of the admin port.
#[derive(Deserialize)]
struct Started {
    /// Connections that will be closed.
    leaving: u64,
    /// Open connections.
    connections: u64,
    /// Shards that did not accept the request.
    #[serde(default)]
    refused_shards: Vec<usize>,
}

fn share(text: &str) -> Result<f64, String> {
    config::share(text).ok_or_else(|| "expected a share such as 20% or 0.2, above 0".into())
}

fn period(text: &str) -> Result<Duration, String> {
    config::duration(text).ok_or_else(|| "expected a duration such as 60s, 500ms or 5m".into())
}

pub(super) fn run(command: Drain) -> ExitCode {
    let client = match node_address::admin(command.admin, command.token, command.settings) {
        Ok(client) => client,
        Err(code) => return code,
    };
    match drain(&client, command.share, command.period) {
        Ok(started) => started.print(command.period),
        Err(error) => fail(FAILURE, &error),
    }
}

fn drain(client: &AdminClient, share: f64, period: Duration) -> Result<Started, DrainError> {
    let period_ms = period.as_millis();
    let target = format!("/drain?share={share}&period={period_ms}ms");
    let answer = client.request("POST", &target)?;
    if answer.status != ACCEPTED {
        return Err(client.status_error(&target, &answer).into());
    }
    serde_json::from_str(&answer.body)
        .map_err(|_| DrainError::Response(client.address().to_owned()))
}

impl Started {
    /// Prints the effect of the request and returns the exit code.
    fn print(&self, period: Duration) -> ExitCode {
        let shards = &self.refused_shards;
        if !shards.is_empty() {
            report(&format_args!(
                "shards {shards:?} did not accept the request and close no connections"
            ));
        }
        let (leaving, connections) = (self.leaving, self.connections);
        let text = format!(
            "moving {leaving} of {connections} connections away over {period:?}; GET /load shows \
             the progress\n"
        );
        print_result(SUCCESS, &text)
    }
}
