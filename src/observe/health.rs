//! The health state that load balancers and operators query. Used on any thread.

/// The health state, which `/health` reports.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Health {
    Ok,
    /// The process serves clients, but something is at its limit. Each reason is one sentence.
    Degraded(Vec<String>),
    /// The process is shutting down and refuses new connections.
    Draining,
}

impl Health {
    /// Returns the HTTP status: 200 while the process serves clients, 503 while it drains.
    pub fn http_status(&self) -> u16 {
        match self {
            Self::Ok | Self::Degraded(_) => 200,
            Self::Draining => 503,
        }
    }

    /// Returns the state as JSON, such as `{"status":"degraded","reasons":["…"]}`.
    pub fn json(&self) -> String {
        let (status, reasons) = match self {
            Self::Ok => ("ok", &[][..]),
            Self::Degraded(reasons) => ("degraded", &reasons[..]),
            Self::Draining => ("draining", &[][..]),
        };
        serde_json::json!({ "status": status, "reasons": reasons }).to_string()
    }
}
