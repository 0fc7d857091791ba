//! The names of the servers on the command line and in reports. Main thread.

use std::fmt::{self, Display};
use std::path::PathBuf;
use std::str::FromStr;

/// The prefix of a target that is a fanfare binary at a given path.
const BUILD_PREFIX: &str = "build:";

/// A server to measure.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TargetName {
    /// The fanfare binary of `--server`, or the one in the directory of this program.
    Fanfare,
    /// The fanfare binary at a path, such as an earlier build.
    Build(PathBuf),
    /// The baseline: a bare epoll and send loop inside this program.
    Baseline,
    /// The baseline with publications through libzmq.
    BaselineZeroMq,
    /// nats-server, from the Debian package of that name.
    Nats,
    /// nginx with nchan, from the Debian packages nginx-light and libnginx-mod-nchan.
    Nchan,
    /// pushpin, from the Debian package of that name.
    Pushpin,
}

impl TargetName {
    /// Returns the name in reports. It is the name on the command line without a path.
    pub fn label(&self) -> &'static str {
        match self {
            Self::Fanfare => "fanfare",
            Self::Build(_) => "build",
            Self::Baseline => "floor",
            Self::BaselineZeroMq => "floor-zeromq",
            Self::Nats => "nats",
            Self::Nchan => "nchan",
            Self::Pushpin => "pushpin",
        }
    }

    /// Returns whether the server is a build of fanfare.
    pub fn is_fanfare(&self) -> bool {
        matches!(self, Self::Fanfare | Self::Build(_))
    }
}

impl Display for TargetName {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Build(path) => write!(out, "{BUILD_PREFIX}{}", path.display()),
            _ => out.write_str(self.label()),
        }
    }
}

/// The message for a name that is not known.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("use fanfare, build:PATH, floor, floor-zeromq, nats, nchan or pushpin")]
pub struct UnknownTarget;

impl FromStr for TargetName {
    type Err = UnknownTarget;

    fn from_str(text: &str) -> Result<Self, UnknownTarget> {
        if let Some(path) = text.strip_prefix(BUILD_PREFIX) {
            return if path.is_empty() {
                Err(UnknownTarget)
            } else {
                Ok(Self::Build(path.into()))
            };
        }
        let names = [
            Self::Fanfare,
            Self::Baseline,
            Self::BaselineZeroMq,
            Self::Nats,
            Self::Nchan,
            Self::Pushpin,
        ];
        let mut names = names.into_iter();
        names.find(|name| name.label() == text).ok_or(UnknownTarget)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_parsed_and_displayed() {
        for text in [
            "fanfare",
            "build:/old/fanfare",
            "floor",
            "floor-zeromq",
            "nats",
            "nchan",
            "pushpin",
        ] {
            let name: TargetName = text.parse().unwrap();
            assert_eq!(name.to_string(), text);
        }
        let build: TargetName = "build:/old/fanfare".parse().unwrap();
        assert_eq!(build, TargetName::Build("/old/fanfare".into()));
        assert_eq!(build.label(), "build");
        for text in ["", "build", "build:", "baseline", "Fanfare"] {
            assert_eq!(text.parse::<TargetName>(), Err(UnknownTarget), "{text}");
        }
    }
}
