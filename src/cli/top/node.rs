//! Queries the admin port of a node. Fields that a node of another version does not report are left
//! at their defaults.

use std::collections::BTreeMap;

use fanfare::admin_client::AdminClient;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer};

use super::error::TopError;

/// A running node.
pub(super) struct Node {
    client: AdminClient,
}

/// The responses of a node at one moment.
#[derive(Clone, Debug, Default)]
pub(super) struct Sample {
    /// HOST:PORT of the admin port.
    pub(super) address: String,
    pub(super) stats: Stats,
    pub(super) health: Health,
    pub(super) connections: Connections,
}

/// The response of `GET /stats`. Counters begin at the start of the node.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Stats {
    pub(super) version: String,
    pub(super) uptime_s: f64,
    pub(super) max_connections: u64,
    pub(super) ingest: Ingest,
    pub(super) total: Shard,
    pub(super) shards: Vec<Shard>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Ingest {
    /// Messages by socket.
    pub(super) received: BTreeMap<String, u64>,
    /// Messages by reason.
    pub(super) rejected: BTreeMap<String, u64>,
    pub(super) lane_dropped: u64,
}

/// The counters of one shard, or their sum over all shards.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Shard {
    pub(super) connections: u64,
    pub(super) topics: u64,
    pub(super) matched: u64,
    pub(super) written: u64,
    pub(super) written_bytes: u64,
    /// Deliveries by reason.
    pub(super) dropped: BTreeMap<String, u64>,
    pub(super) pending: u64,
    pub(super) lane_queued_batches: u64,
    pub(super) turns: u64,
    pub(super) parks: u64,
    /// Total time of the turns.
    pub(super) busy_us: Option<u64>,
    #[serde(rename = "delivery_us")]
    pub(super) latency_us: Option<Quantiles>,
    pub(super) lag_us: Option<Quantiles>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Deserialize)]
#[serde(default)]
pub(super) struct Quantiles {
    #[serde(deserialize_with = "or_zero")]
    pub(super) p50: f64,
    #[serde(deserialize_with = "or_zero")]
    pub(super) p99: f64,
    #[serde(deserialize_with = "or_zero")]
    pub(super) p999: f64,
    #[serde(deserialize_with = "or_zero")]
    pub(super) max: f64,
    pub(super) count: u64,
}

/// Reads a quantile, which is null if the interval has no values.
fn or_zero<'de, D: Deserializer<'de>>(input: D) -> Result<f64, D::Error> {
    Ok(Option::deserialize(input)?.unwrap_or_default())
}

/// The response of `GET /health`.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default)]
pub(super) struct Health {
    pub(super) status: String,
    pub(super) reasons: Vec<String>,
}

/// The response of `GET /connections`: the slowest connections.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Connections {
    pub(super) connections: Vec<Slow>,
    pub(super) silent_shards: Vec<usize>,
}

/// One of the slowest connections.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default)]
pub(super) struct Slow {
    pub(super) shard: usize,
    pub(super) id: String,
    pub(super) client: Option<String>,
    pub(super) user: Option<String>,
    pub(super) peer: Option<String>,
    pub(super) protocol: String,
    pub(super) topics: u64,
    pub(super) pending: u64,
    pub(super) pending_bytes: u64,
    pub(super) behind_us: Option<u64>,
    pub(super) blocked: bool,
    pub(super) deflate: bool,
}

impl Node {
    pub(super) fn new(client: AdminClient) -> Self {
        Self { client }
    }

    /// Queries all figures of a screen.
    pub(super) fn sample(&self) -> Result<Sample, TopError> {
        let stats = self.client.get("/stats")?;
        // A draining node responds with status 503 and a body.
        let health = self.client.request("GET", "/health")?.body;
        let connections = self.client.request("GET", "/connections")?;
        let connections = match connections.status {
            200 => self.parse("/connections", &connections.body)?,
            // The node is of another version, or too many clients query it.
            _ => Connections::default(),
        };
        Ok(Sample {
            address: self.client.address().to_owned(),
            stats: self.parse("/stats", &stats)?,
            health: self.parse("/health", &health)?,
            connections,
        })
    }

    fn parse<T: DeserializeOwned>(&self, target: &'static str, body: &str) -> Result<T, TopError> {
        serde_json::from_str(body).map_err(|error| TopError::Response {
            address: self.client.address().to_owned(),
            target,
            error,
        })
    }
}
