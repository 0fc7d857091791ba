//! Logs: `tracing` to stderr, for people or as JSON lines, with a level that changes live. Set up
//! once on the main thread; any thread logs.

use std::io::IsTerminal as _;
use std::sync::OnceLock;

use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;
use tracing_subscriber::{EnvFilter, Layer, Registry, fmt, reload};

use crate::config::{LogConfig, LogFilter, LogFormat};

/// The installed filter. `tracing` has one subscriber per process, so this is process-wide too.
static FILTER: OnceLock<reload::Handle<EnvFilter, Registry>> = OnceLock::new();

/// Installs the subscriber. A second call, as in tests, changes the level only.
pub fn init(log: &LogConfig) {
    if FILTER.get().is_some() {
        return set_level(&log.level);
    }
    let (filter, handle) = reload::Layer::new(log.level.to_env_filter());
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

/// Changes what is logged. Before [`init`] there is nothing to change.
pub fn set_level(level: &LogFilter) {
    if let Some(handle) = FILTER.get() {
        // Fails only once the subscriber is gone, which lasts as long as the process.
        let _ = handle.reload(level.to_env_filter());
    }
}

#[cfg(test)]
mod tests {
    use tracing::{Level, enabled};

    use super::*;

    #[test]
    fn the_level_changes_live() {
        let filter = |text| LogFilter::parse(text).expect("the filter is valid");
        init(&LogConfig {
            format: LogFormat::Human,
            level: filter("error"),
        });
        assert!(enabled!(Level::ERROR) && !enabled!(Level::WARN));
        set_level(&filter("warn,fanfare::control=debug"));
        assert!(enabled!(Level::DEBUG) && !enabled!(Level::TRACE));
        assert!(enabled!(target: "other", Level::WARN) && !enabled!(target: "other", Level::INFO));
        init(&LogConfig {
            format: LogFormat::Json,
            level: filter("error"),
        });
        assert!(
            !enabled!(Level::WARN),
            "a second start changes the level only"
        );
    }
}
