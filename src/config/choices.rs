//! Configuration values that are one of several named choices. Used on every thread.

/// How a connection with a full outbox is handled.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SlowPolicy {
    /// The connection is closed with code 3008. The client connects again and subscribes again.
    #[default]
    Disconnect,
    /// The oldest pending publications are dropped.
    DropOldest,
    /// Only the latest publication of each topic is kept until the client catches up.
    Conflate,
}

impl SlowPolicy {
    /// The names in the configuration.
    pub(super) const NAMES: &'static [(&'static str, Self)] = &[
        ("disconnect", Self::Disconnect),
        ("drop_oldest", Self::DropOldest),
        ("conflate", Self::Conflate),
    ];
}

/// The type of the payloads in a namespace. Payloads are checked when they are received.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum PayloadKind {
    #[default]
    Json,
    /// UTF-8 text.
    Text,
    Binary,
}

impl PayloadKind {
    /// The names in the configuration.
    pub(super) const NAMES: &'static [(&'static str, Self)] = &[
        ("json", Self::Json),
        ("text", Self::Text),
        ("binary", Self::Binary),
    ];
}

/// How an offer of compression from an Apple client is answered.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ApplePolicy {
    /// The offer is ignored, because some versions fail on compressed frames.
    #[default]
    Decline,
    /// The offer is accepted as from any other client.
    On,
}

impl ApplePolicy {
    /// The names in the configuration.
    pub(super) const NAMES: &'static [(&'static str, Self)] =
        &[("decline", Self::Decline), ("on", Self::On)];
}

/// The format of log lines.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LogFormat {
    /// Text for people.
    #[default]
    Human,
    /// One JSON object per line.
    Json,
}

impl LogFormat {
    /// The names in the configuration.
    pub(super) const NAMES: &'static [(&'static str, Self)] =
        &[("human", Self::Human), ("json", Self::Json)];
}
