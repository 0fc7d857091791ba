//! Figures of requests over HTTP: calls of hooks and fetches of key sets. The service thread
//! writes them, any thread may read them.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use super::histogram::Histogram;
use crate::config::HookKind;

/// The result of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RequestResult {
    /// A complete response with the status 200.
    Ok,
    Status4xx,
    Status5xx,
    /// A complete response with another status.
    StatusOther,
    /// There was no complete response in time.
    Timeout,
    /// The request waited for its turn longer than its time and was not sent.
    NotSent,
    /// No connection: the name, the port or the certificate is at fault.
    Connect,
    /// The connection broke, or the response was not HTTP.
    Broken,
    TooLarge,
    /// The hook is off.
    Off,
    /// The content of the response cannot be used.
    Invalid,
    /// The process ended meanwhile.
    Cancelled,
}

impl RequestResult {
    pub const ALL: [Self; 12] = [
        Self::Ok,
        Self::Status4xx,
        Self::Status5xx,
        Self::StatusOther,
        Self::Timeout,
        Self::NotSent,
        Self::Connect,
        Self::Broken,
        Self::TooLarge,
        Self::Off,
        Self::Invalid,
        Self::Cancelled,
    ];

    /// Returns the result of a complete response.
    pub fn of_status(status: u16) -> Self {
        match status {
            200 => Self::Ok,
            400..500 => Self::Status4xx,
            500..600 => Self::Status5xx,
            _ => Self::StatusOther,
        }
    }

    /// Returns the name as a metric label.
    pub fn name(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Status4xx => "status_4xx",
            Self::Status5xx => "status_5xx",
            Self::StatusOther => "status_other",
            Self::Timeout => "timeout",
            Self::NotSent => "not_sent",
            Self::Connect => "connect",
            Self::Broken => "broken",
            Self::TooLarge => "too_large",
            Self::Off => "off",
            Self::Invalid => "invalid",
            Self::Cancelled => "cancelled",
        }
    }
}

/// A number for each result.
#[derive(Debug, Default)]
pub struct ResultCounts([AtomicU64; RequestResult::ALL.len()]);

impl ResultCounts {
    /// Counts one request. Called by the service thread only.
    pub fn add(&self, result: RequestResult) {
        self.0[result as usize].fetch_add(1, Ordering::Relaxed);
    }

    pub fn get(&self, result: RequestResult) -> u64 {
        self.0[result as usize].load(Ordering::Relaxed)
    }
}

/// The figures of one hook.
#[derive(Debug, Default)]
pub struct HookMeters {
    /// Whether the hook is or was on, so that its figures are of interest.
    pub is_in_use: AtomicBool,
    pub results: ResultCounts,
    /// Calls that wait for a place among the requests that are under way.
    pub waiting: AtomicU64,
    pub under_way: AtomicU64,
    /// Time from the question of the shard to the result, in microseconds.
    pub duration: Histogram,
}

/// The figures of the service thread.
#[derive(Debug, Default)]
pub struct ServiceMeters {
    hooks: [HookMeters; HookKind::ALL.len()],
    pub key_set_fetches: ResultCounts,
}

impl ServiceMeters {
    /// Returns the figures of a hook.
    pub fn hook(&self, kind: HookKind) -> &HookMeters {
        &self.hooks[kind as usize]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_hook_and_each_result_has_its_own_place() {
        let meters = ServiceMeters::default();
        for (index, kind) in HookKind::ALL.into_iter().enumerate() {
            assert_eq!(kind as usize, index);
            meters
                .hook(kind)
                .waiting
                .store(index as u64, Ordering::Relaxed);
        }
        for (index, result) in RequestResult::ALL.into_iter().enumerate() {
            assert_eq!(result as usize, index);
            assert_eq!(meters.key_set_fetches.get(result), 0);
            meters.key_set_fetches.add(result);
            assert_eq!(meters.key_set_fetches.get(result), 1);
        }
        let waiting = HookKind::ALL.map(|kind| meters.hook(kind).waiting.load(Ordering::Relaxed));
        assert_eq!(waiting, [0, 1, 2, 3, 4, 5]);
        assert_eq!(RequestResult::of_status(204), RequestResult::StatusOther);
    }
}
