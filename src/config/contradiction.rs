//! Errors for well-formed values that are out of range or conflict with other values. Returned on
//! the main thread at start and on the control thread at a reload.

/// A well-formed value that is out of range, or values that conflict.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Contradiction {
    #[error("{key} must not be 0: {why}")]
    Zero {
        key: &'static str,
        why: &'static str,
    },
    #[error("{key} must be at most {ceiling}, but is {value}")]
    Ceiling {
        key: &'static str,
        value: String,
        ceiling: String,
    },
    #[error("{key} must be at least {minimum}, but is {value}")]
    BelowMinimum {
        key: &'static str,
        value: String,
        minimum: String,
    },
    #[error(
        "ws.pong_timeout ({pong_timeout}) must be shorter than ws.ping ({ping}): otherwise the next \
         ping is due before the previous one has timed out"
    )]
    PongAfterPing { pong_timeout: String, ping: String },
    #[error(
        "ws.outbox ({outbox}) must not be smaller than ingest.max_payload ({max_payload}): otherwise \
         a publication of that size is never delivered"
    )]
    OutboxBelowPayload { outbox: String, max_payload: String },
    #[error("{first} and {second} use the same address {address}; change one")]
    SameAddress {
        first: &'static str,
        second: &'static str,
        address: String,
    },
    #[error(
        "admin.scrape_token {fault}; set admin.token to a value that only operators and publishers \
         know"
    )]
    ScrapeToken { fault: &'static str },
    #[error(
        "auth is set, but no client could connect; set a key of [auth.token], hooks.connect.endpoint, \
         auth.allow_anonymous = true, or auth.insecure = true to let everyone connect"
    )]
    AuthWithoutKey {
        /// The keys of `[auth]` and of the tables within it.
        keys: Vec<&'static str>,
    },
    #[error(
        "ws.listen ({address}) is not a loopback address, and clients are not authenticated, so \
         everyone who reaches it could subscribe to every topic; set a key of [auth.token], or \
         auth.insecure = true to let everyone connect"
    )]
    OpenToOtherHosts {
        address: String,
        /// `ws.listen`, the keys of `[auth]` and of the tables within it.
        keys: Vec<&'static str>,
    },
    #[error(
        "ingest.publish_allow names the user `{user}`, but ingest.plain does not; add the pair to \
         ingest.plain, or correct the name"
    )]
    UnknownPublisher { user: String },
    #[error(
        "auth.personal_channel_namespace is `{name}`, but no namespace has this name; add a \
         [[namespace]] with it",
        name = name.escape_debug()
    )]
    PersonalNamespace { name: String },
    #[error(
        "auth.personal_channel = true, but auth.user_boundary is empty, so that every user could \
         subscribe to the personal channels of others; set auth.user_boundary, or remove \
         auth.personal_channel"
    )]
    PersonalBoundary,
    #[error("{lower} ({low}%) must be below {upper} ({high}%); otherwise {consequence}")]
    Disorder {
        lower: &'static str,
        low: u32,
        upper: &'static str,
        high: u32,
        /// Completes the sentence "otherwise ...".
        consequence: &'static str,
    },
    #[error("cpu.cores: this process may not run on core {core}; allowed cores: {allowed}")]
    CoreNotAllowed { core: usize, allowed: String },
    #[error("cpu.cores names core {core} twice; remove one")]
    CoreTwice { core: usize },
    #[error("cpu.shards is {shards}; set it to at most {cores}, the number of available cores")]
    MoreShardsThanCores { shards: usize, cores: usize },
    #[error("namespace `{name}` is given twice; remove one")]
    NamespaceTwice { name: String },
    #[error(
        "namespace `{name}` has {flag} = true, but {endpoint} is empty; set it to a URL, or remove \
         {flag}"
    )]
    NoEndpoint {
        name: String,
        flag: &'static str,
        endpoint: &'static str,
    },
    #[error("namespace `{name}` {fault}", name = name.escape_debug())]
    NamespaceName { name: String, fault: &'static str },
}

impl Contradiction {
    /// Returns the keys outside namespaces whose values are at fault together.
    pub(super) fn keys(&self) -> Vec<&'static str> {
        match self {
            Self::Zero { key, .. } | Self::Ceiling { key, .. } | Self::BelowMinimum { key, .. } => {
                vec![key]
            }
            Self::PongAfterPing { .. } => vec!["ws.pong_timeout", "ws.ping"],
            Self::OutboxBelowPayload { .. } => vec!["ws.outbox", "ingest.max_payload"],
            Self::ScrapeToken { .. } => vec!["admin.scrape_token", "admin.token"],
            Self::AuthWithoutKey { keys } | Self::OpenToOtherHosts { keys, .. } => keys.clone(),
            Self::UnknownPublisher { .. } => vec!["ingest.publish_allow", "ingest.plain"],
            Self::SameAddress { first, second, .. } => vec![first, second],
            Self::Disorder { lower, upper, .. } => vec![lower, upper],
            Self::PersonalNamespace { .. } => vec!["auth.personal_channel_namespace"],
            Self::PersonalBoundary => vec!["auth.personal_channel", "auth.user_boundary"],
            Self::CoreNotAllowed { .. } | Self::CoreTwice { .. } => vec!["cpu.cores"],
            Self::MoreShardsThanCores { .. } => vec!["cpu.shards", "cpu.cores"],
            Self::NoEndpoint { endpoint, .. } => vec![endpoint],
            Self::NamespaceTwice { .. } | Self::NamespaceName { .. } => Vec::new(),
        }
    }

    /// Returns the namespace that is at fault.
    pub(super) fn namespace(&self) -> Option<&str> {
        match self {
            Self::NamespaceTwice { name }
            | Self::NamespaceName { name, .. }
            | Self::NoEndpoint { name, .. } => Some(name),
            _ => None,
        }
    }
}
