//! Hooks: which there are, and what the status of a response means. Parsed when the configuration
//! is read; used on shards and on the service thread.

use std::fmt;

use crate::limits;

/// Which hook is called. Each has its own endpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum HookKind {
    Connect,
    Refresh,
    Subscribe,
    SubRefresh,
    Publish,
    Rpc,
}

impl HookKind {
    pub const ALL: [Self; 6] = [
        Self::Connect,
        Self::Refresh,
        Self::Subscribe,
        Self::SubRefresh,
        Self::Publish,
        Self::Rpc,
    ];

    /// Returns the name, which is the one of the table in the configuration and the metric label.
    pub fn name(self) -> &'static str {
        match self {
            Self::Connect => "connect",
            Self::Refresh => "refresh",
            Self::Subscribe => "subscribe",
            Self::SubRefresh => "sub_refresh",
            Self::Publish => "publish",
            Self::Rpc => "rpc",
        }
    }
}

/// The outcome for the client if a hook responds with a certain status, written
/// `STATUS OUTCOME CODE TEXT`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StatusMapping {
    pub status: u16,
    pub outcome: StatusOutcome,
}

/// The outcome of a command whose hook has responded with a certain status.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StatusOutcome {
    /// The command fails, and the client may not repeat it.
    Error { code: u32, message: Box<str> },
    /// The command fails, and the client may repeat it later.
    TemporaryError { code: u32, message: Box<str> },
    /// The connection is closed.
    Disconnect { code: u16, reason: Box<str> },
}

impl StatusMapping {
    /// Parses a mapping. The error completes the sentence "the entry ...".
    pub fn parse(text: &str) -> Result<Self, &'static str> {
        let mut words = text.trim().splitn(4, ' ');
        let mut word = || words.next().unwrap_or_default().trim();
        let (status, outcome, code, text) = (word(), word(), word(), word());
        let status: u16 = status.parse().unwrap_or_default();
        if !(100..600).contains(&status) || status == 200 {
            return Err("does not begin with a status from 100 to 599 other than 200");
        }
        if text.is_empty() {
            return Err(
                "is not `STATUS error CODE MESSAGE`, `STATUS temporary_error CODE MESSAGE` \
                        or `STATUS disconnect CODE REASON`",
            );
        }
        if !text.bytes().all(|byte| matches!(byte, b' '..=b'~')) {
            return Err("has a text with other characters than ASCII");
        }
        if text.len() > limits::CLOSE_REASON_BYTES {
            return Err("has a text that is longer than 123 bytes");
        }
        let number: u16 = code.parse().unwrap_or_default();
        let (code, message) = (u32::from(number), Box::from(text));
        let is_error = (100..2000).contains(&number);
        let outcome = match outcome {
            "error" if is_error => StatusOutcome::Error { code, message },
            "temporary_error" if is_error => StatusOutcome::TemporaryError { code, message },
            "error" | "temporary_error" => {
                return Err(
                    "has a code that is no error; use 400 to 1999, or 100 to 399 for an \
                            error of the protocol",
                );
            }
            "disconnect" if (3000..5000).contains(&number) => StatusOutcome::Disconnect {
                code: number,
                reason: message,
            },
            "disconnect" => {
                return Err(
                    "has a code that cannot close a connection; use 4000 to 4499 if the \
                            client should connect again, otherwise 4500 to 4999",
                );
            }
            _ => return Err("has an outcome that is not error, temporary_error or disconnect"),
        };
        Ok(Self { status, outcome })
    }
}

impl fmt::Display for StatusMapping {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let status = self.status;
        match &self.outcome {
            StatusOutcome::Error { code, message } => {
                write!(out, "{status} error {code} {message}")
            }
            StatusOutcome::TemporaryError { code, message } => {
                write!(out, "{status} temporary_error {code} {message}")
            }
            StatusOutcome::Disconnect { code, reason } => {
                write!(out, "{status} disconnect {code} {reason}")
            }
        }
    }
}
