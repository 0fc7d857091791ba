//! Logs: `tracing` to stderr, for people or as JSON lines, with a level that changes live. Set up
//! once on the main thread; any thread logs.

use std::io::IsTerminal as _;
use std::sync::OnceLock;

use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;
use tracing_subscriber::{EnvFilter, Layer, Registry, fmt, reload};

use crate::config::{Log, LogFormat};

/// The installed filter. `tracing` has one subscriber per process, so this is process-wide too.
static FILTER: OnceLock<reload::Handle<EnvFilter, Registry>> = OnceLock::new();

/// Installs the subscriber. A second call, as in tests, changes the level only.
pub fn init(log: &Log) {
    if FILTER.get().is_some() {
        return set_level(&log.level);
    }
    let (filter, handle) = reload::Layer::new(EnvFilter::new(&log.level));
    let lines = fmt::layer()
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal());
    let lines = match log.format {
        LogFormat::Human => lines.with_target(false).boxed(),
        LogFormat::Json => lines.json().flatten_event(true).boxed(),
    };
    let installed = tracing_subscriber::registry()
        .with(lines.with_filter(filter))
        .try_init();
    if installed.is_ok() {
        // Another thread cannot have come first: it would have installed its subscriber.
        let _ = FILTER.set(handle);
    }
}

/// Changes what is logged from now on. `level` has passed [`Config::check`](crate::config::Config),
/// so that it reads; before [`init`] there is nothing to change.
pub fn set_level(level: &str) {
    if let (Some(handle), Ok(filter)) = (FILTER.get(), EnvFilter::builder().parse(level)) {
        // Fails only once the subscriber is gone, which lasts as long as the process.
        let _ = handle.reload(filter);
    }
}

#[cfg(test)]
mod tests {
    use tracing::{Level, enabled};

    use super::*;

    #[test]
    fn the_level_changes_live() {
        init(&Log {
            format: LogFormat::Human,
            level: "error".into(),
        });
        assert!(enabled!(Level::ERROR) && !enabled!(Level::WARN));
        set_level("warn,fanfare::lifecycle=debug");
        assert!(enabled!(Level::DEBUG) && !enabled!(Level::TRACE));
        assert!(enabled!(target: "other", Level::WARN) && !enabled!(target: "other", Level::INFO));
        init(&Log {
            format: LogFormat::Json,
            level: "error".into(),
        });
        assert!(
            !enabled!(Level::WARN),
            "a second start changes the level only"
        );
    }
}
