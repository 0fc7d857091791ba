//! The pattern that the names of a namespace have to match. Parsed when the configuration is read;
//! used on shards.

use std::fmt;

use regex::{Regex, RegexBuilder};

use crate::limits;

/// A regular expression, whose matching time is linear in the length of the name.
#[derive(Clone, Debug)]
pub struct ChannelRegex(Regex);

impl ChannelRegex {
    /// Parses a pattern. The error completes the sentence "the pattern ...".
    pub fn parse(text: &str) -> Result<Self, String> {
        let regex = RegexBuilder::new(text)
            .size_limit(limits::CHANNEL_REGEX_BYTES)
            .build();
        regex.map(Self).map_err(|error| match error {
            regex::Error::CompiledTooBig(_) => "is too large; use fewer repetitions".into(),
            error => format!("is not a regular expression: {error}"),
        })
    }

    /// Returns whether a part of `name` matches. `^` and `$` in the pattern stand for its ends.
    pub fn matches(&self, name: &str) -> bool {
        self.0.is_match(name)
    }
}

impl PartialEq for ChannelRegex {
    fn eq(&self, other: &Self) -> bool {
        self.0.as_str() == other.0.as_str()
    }
}

impl Eq for ChannelRegex {}

impl fmt::Display for ChannelRegex {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(self.0.as_str())
    }
}
