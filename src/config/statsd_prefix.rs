//! The prefix of statsd names. Parsed when the configuration is read, used by the control thread.

use std::fmt;

use crate::limits;

/// The placeholder for the name of the host.
const HOST: &str = "{host}";

/// The text before every statsd name, such as `fanfare` or `edge.{host}.fanfare`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StatsdPrefix(String);

impl StatsdPrefix {
    /// Parses a prefix. The error completes the sentence "the prefix ...".
    pub(super) fn parse(text: &str) -> Result<Self, &'static str> {
        let example = text.replace(HOST, "host");
        if example.split('.').any(str::is_empty) {
            return Err("has an empty part between dots");
        }
        let is_kept = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.');
        if !example.bytes().all(is_kept) {
            return Err(
                "has characters that statsd removes from names; use letters, digits, `_`, `-` and `.`",
            );
        }
        if text.len() > limits::STATSD_PREFIX_BYTES {
            return Err(
                "is too long, so that names would not fit into a packet; use a shorter prefix",
            );
        }
        Ok(Self(text.into()))
    }

    /// Returns the prefix with `host` in place of `{host}`.
    pub fn for_host(&self, host: &str) -> String {
        self.0.replace(HOST, host)
    }
}

impl Default for StatsdPrefix {
    fn default() -> Self {
        Self("fanfare".into())
    }
}

/// Displays the prefix as the operator wrote it.
impl fmt::Display for StatsdPrefix {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_prefix_has_parts_of_plain_characters() {
        for good in ["fanfare", "edge.{host}.fanfare", "{host}", "a-b_c"] {
            assert!(StatsdPrefix::parse(good).is_ok(), "{good}");
        }
        for bad in ["", "a..b", "a.", "a b", "{node}", "a:b", "a|b", "a/b", "é"] {
            assert!(StatsdPrefix::parse(bad).is_err(), "{bad}");
        }
        let long = "a".repeat(limits::STATSD_PREFIX_BYTES + 1);
        assert!(StatsdPrefix::parse(&long).is_err());
    }

    #[test]
    fn the_host_replaces_its_placeholder() {
        let prefix = StatsdPrefix::parse("edge.{host}.fanfare").expect("the prefix is valid");
        assert_eq!(prefix.for_host("a_b"), "edge.a_b.fanfare");
    }
}
