//! Bounds the log lines that report what peers did wrong, and the text of a peer in such a line. No
//! IO: the time is an argument. Used by ingest and shard threads, each with its own limiter.

use crate::limits::{LOG_EXCERPT_BYTES, LOG_INTERVAL, LOG_LINES};

/// Whether an event is logged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogPermit {
    /// The event is logged. `suppressed` events of the same reason were not logged since the last
    /// line.
    Granted { suppressed: u64 },
    /// The event is counted, and reported with the next line.
    Suppressed,
}

/// Permits [`LOG_LINES`] lines per reason in [`LOG_INTERVAL`].
#[derive(Debug)]
pub struct LogLimiter<R> {
    /// One window per reason that occurred. Reasons are a fixed set, so the list is short.
    windows: Vec<Window<R>>,
}

/// The interval that began with a line about this reason.
#[derive(Debug)]
struct Window<R> {
    reason: R,
    end_us: u64,
    lines: u32,
    suppressed: u64,
}

impl<R> Default for LogLimiter<R> {
    fn default() -> Self {
        Self {
            windows: Vec::new(),
        }
    }
}

impl<R: Copy + PartialEq> LogLimiter<R> {
    /// Decides whether an event of this reason is logged.
    pub fn admit(&mut self, reason: R, now_us: u64) -> LogPermit {
        let known = self
            .windows
            .iter()
            .position(|window| window.reason == reason);
        let index = known.unwrap_or_else(|| {
            self.windows.push(Window {
                reason,
                end_us: 0,
                lines: 0,
                suppressed: 0,
            });
            self.windows.len() - 1
        });
        let window = &mut self.windows[index];
        if now_us >= window.end_us {
            window.end_us = now_us + LOG_INTERVAL.as_micros() as u64;
            window.lines = 0;
        }
        if window.lines == LOG_LINES {
            window.suppressed += 1;
            return LogPermit::Suppressed;
        }
        window.lines += 1;
        let suppressed = std::mem::take(&mut window.suppressed);
        LogPermit::Granted { suppressed }
    }
}

/// Returns text of a peer for a field of a log line, whose formatter escapes it: at most
/// [`LOG_EXCERPT_BYTES`] bytes of it, and `...` if it is longer.
pub fn clip(text: &[u8]) -> String {
    let kept = &text[..text.len().min(LOG_EXCERPT_BYTES)];
    let mut clipped = String::from_utf8_lossy(kept).into_owned();
    if kept.len() < text.len() {
        clipped.push_str("...");
    }
    clipped
}

/// Returns text of a peer for the message of a log line: as [`clip`], with escapes for quotes and
/// control characters.
pub fn excerpt(text: &[u8]) -> String {
    clip(text).escape_debug().to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    const INTERVAL_US: u64 = LOG_INTERVAL.as_micros() as u64;

    #[test]
    fn a_reason_gets_a_few_lines_per_interval_and_the_next_line_counts_the_rest() {
        let mut limiter = LogLimiter::default();
        let start_us = 7;
        for line in 0..LOG_LINES {
            let permit = limiter.admit("origin", start_us + u64::from(line));
            assert_eq!(permit, LogPermit::Granted { suppressed: 0 });
        }
        for _ in 0..3 {
            let permit = limiter.admit("origin", start_us + INTERVAL_US - 1);
            assert_eq!(permit, LogPermit::Suppressed);
        }
        let other = limiter.admit("limit", start_us + INTERVAL_US - 1);
        assert_eq!(other, LogPermit::Granted { suppressed: 0 });
        let next = limiter.admit("origin", start_us + INTERVAL_US);
        assert_eq!(next, LogPermit::Granted { suppressed: 3 });
        let after = limiter.admit("origin", start_us + INTERVAL_US);
        assert_eq!(after, LogPermit::Granted { suppressed: 0 });
    }

    #[test]
    fn an_excerpt_is_short_and_has_no_control_characters() {
        assert_eq!(excerpt(b"https://a.example"), "https://a.example");
        assert_eq!(excerpt(b"a\x1b[2J\n\"\xff"), "a\\u{1b}[2J\\n\\\"\u{fffd}");
        let long = excerpt(&[b'x'; LOG_EXCERPT_BYTES + 1]);
        assert_eq!(long, format!("{}...", "x".repeat(LOG_EXCERPT_BYTES)));
        let whole = excerpt(&[b'x'; LOG_EXCERPT_BYTES]);
        assert_eq!(whole.len(), LOG_EXCERPT_BYTES);
        let character_cut = clip(&[&[b'x'; LOG_EXCERPT_BYTES - 1], "\u{e9}".as_bytes()].concat());
        assert!(character_cut.ends_with("x\u{fffd}..."));
    }
}
