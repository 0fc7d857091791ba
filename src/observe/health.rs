//! How the process is, in the words that balancers and operators read. Any core.

/// The state that `/health` answers with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Health {
    Ok,
    /// It serves, but something is at its limit; each reason is one sentence.
    Degraded(Vec<String>),
    /// It is on its way out and takes no new connections.
    Draining,
}

impl Health {
    /// 200 while it serves, 503 while it drains.
    pub fn http_status(&self) -> u16 {
        match self {
            Self::Ok | Self::Degraded(_) => 200,
            Self::Draining => 503,
        }
    }

    /// `{"status":"degraded","reasons":["…"]}`.
    pub fn json(&self) -> String {
        let (status, reasons) = match self {
            Self::Ok => ("ok", &[][..]),
            Self::Degraded(reasons) => ("degraded", &reasons[..]),
            Self::Draining => ("draining", &[][..]),
        };
        serde_json::json!({ "status": status, "reasons": reasons }).to_string()
    }
}
