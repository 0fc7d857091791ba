//! Logs to stderr, as text or as JSON lines. The level can change while the process runs. Installed
//! on the main thread, used by any thread.

use std::io::IsTerminal as _;
use std::sync::OnceLock;

use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;
use tracing_subscriber::{EnvFilter, Layer, Registry, fmt, reload};

use crate::config::{LogConfig, LogFilter, LogFormat};

/// The installed filter. It is global, like the subscriber of `tracing`.
static FILTER: OnceLock<reload::Handle<EnvFilter, Registry>> = OnceLock::new();

/// Installs the subscriber. Another call, which tests make, changes the level only.
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
        // The filter is not set yet, because only the call that installs the subscriber sets it.
        let _ = FILTER.set(handle);
    }
}

/// Changes the level of all further log lines. Before [`init`] this has no effect.
pub fn set_level(level: &LogFilter) {
    if let Some(handle) = FILTER.get() {
        // Fails only if the subscriber is dropped, and it exists as long as the process.
        let _ = handle.reload(level.to_env_filter());
    }
}

#[cfg(test)]
mod tests {
    use tracing::{Level, enabled};

    use super::*;

    #[test]
    fn the_level_can_be_changed() {
        let filter = |text| LogFilter::parse(text).expect("the filter is valid");
        init(&LogConfig {
            format: LogFormat::Human,
            level: filter("error"),
        });
        assert!(enabled!(Level::ERROR) && !enabled!(Level::WARN));
        set_level(&filter("warn,fanfare::lifecycle=debug"));
        assert!(enabled!(Level::DEBUG) && !enabled!(Level::TRACE));
        assert!(enabled!(target: "other", Level::WARN) && !enabled!(target: "other", Level::INFO));
        init(&LogConfig {
            format: LogFormat::Json,
            level: filter("error"),
        });
        assert!(
            !enabled!(Level::WARN),
            "another call changes the level only"
        );
    }
}
