//! Filters for log lines. Parsed when the configuration is read, installed by the main thread and
//! the control thread.

use std::fmt;

use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::{Directive, LevelFilter};

/// The filter for log lines: a level such as `info`, or directives such as
/// `info,fanfare::ingest=debug`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogFilter {
    /// The filter as the operator wrote it.
    text: String,
    directives: Vec<Directive>,
}

impl LogFilter {
    /// Parses a filter. A part that is a single word must be a level: `tracing` would take another
    /// word for the name of a module, so that a typing error in a level would disable most logs.
    pub fn parse(text: &str) -> Result<Self, String> {
        let mut directives = Vec::new();
        for part in text.split(',').map(str::trim) {
            let is_level = !part.is_empty() && part.parse::<LevelFilter>().is_ok();
            if !part.contains(['=', '[', ':']) && !is_level {
                return Err(format!(
                    "`{part}` is not a level; use error, warn, info, debug, trace or off"
                ));
            }
            let directive = part.parse::<Directive>();
            directives.push(directive.map_err(|error| error.to_string())?);
        }
        Ok(Self {
            text: text.into(),
            directives,
        })
    }

    /// Returns the filter for a `tracing` subscriber.
    pub fn to_env_filter(&self) -> EnvFilter {
        let directives = self.directives.iter().cloned();
        directives.fold(EnvFilter::default(), EnvFilter::add_directive)
    }
}

/// Logs of level `info` and above.
impl Default for LogFilter {
    fn default() -> Self {
        Self {
            text: "info".into(),
            directives: vec![LevelFilter::INFO.into()],
        }
    }
}

/// Displays the filter as the operator wrote it.
impl fmt::Display for LogFilter {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_default_is_info() {
        assert_eq!(LogFilter::parse("info"), Ok(LogFilter::default()));
    }

    #[test]
    fn a_filter_has_the_effect_of_its_text() {
        for text in ["warn", "info,fanfare::ingest=debug", "fanfare=trace", "off"] {
            let parsed = LogFilter::parse(text).expect("the filter is valid");
            let expected = EnvFilter::builder().parse(text).expect("the filter parses");
            assert_eq!(parsed.to_env_filter().to_string(), expected.to_string());
        }
    }
}
