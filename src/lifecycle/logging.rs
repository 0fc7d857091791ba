//! Logs to stderr, as text or as JSON lines. The level can change while the process runs. Installed
//! on the main thread, used by any thread.

use std::io::IsTerminal as _;
use std::sync::OnceLock;

use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;
use tracing_subscriber::{EnvFilter, Layer, Registry, fmt, reload};

use crate::config::{Log, LogFormat};

/// The installed filter. It is global, like the subscriber of `tracing`.
static FILTER: OnceLock<reload::Handle<EnvFilter, Registry>> = OnceLock::new();

/// Installs the subscriber. Another call, which tests make, changes the level only.
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
        // The filter is not set yet, because only the call that installs the subscriber sets it.
        let _ = FILTER.set(handle);
    }
}

/// Changes the level of all further log lines. `level` has passed
/// [`Config::check`](crate::config::Config), so that it is valid. Before [`init`] this has no
/// effect.
pub fn set_level(level: &str) {
    if let (Some(handle), Ok(filter)) = (FILTER.get(), EnvFilter::builder().parse(level)) {
        // Fails only if the subscriber is dropped, and it exists as long as the process.
        let _ = handle.reload(filter);
    }
}

#[cfg(test)]
mod tests {
    use tracing::{Level, enabled};

    use super::*;

    #[test]
    fn the_level_can_be_changed() {
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
            "another call changes the level only"
        );
    }
}
