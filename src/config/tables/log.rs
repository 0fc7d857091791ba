//! `[log]`: what is logged, and how. Used by the main thread at start and by the control thread.

use crate::config::choices::LogFormat;
use crate::config::log_filter::LogFilter;
use crate::config::table::table;

table! {
    /// Logs, which are written to stderr.
    pub struct LogConfig at "log" {
        /// `human` writes text for people, `json` writes one JSON object per line.
        format: LogFormat as LOG_FORMAT = LogFormat::Human, Restart;
        /// `error`, `warn`, `info`, `debug` or `trace`, or a filter such as
        /// `info,fanfare::ingest=debug`.
        level: LogFilter as LOG_FILTER = LogFilter::default(), Live;
    }
}
