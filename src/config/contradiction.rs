//! The errors of values that are valid on their own but cannot be used, alone or together. Returned
//! on the main thread at start and on the control thread at a reload.

/// Values that cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Contradiction {
    #[error("{key} is 0: {why}")]
    Zero {
        key: &'static str,
        why: &'static str,
    },
    #[error("{key} is {value}, above its ceiling of {ceiling}")]
    Ceiling {
        key: &'static str,
        value: String,
        ceiling: String,
    },
    #[error("{key} is {value}, below its minimum of {minimum}")]
    BelowMinimum {
        key: &'static str,
        value: String,
        minimum: String,
    },
    #[error(
        "ws.pong_timeout ({pong_timeout}) is not shorter than ws.ping ({ping}): the next ping would \
         be due before the previous one has timed out"
    )]
    PongAfterPing { pong_timeout: String, ping: String },
    #[error(
        "ws.outbox ({outbox}) is smaller than ingest.max_payload ({max_payload}): a publication of \
         that size could never be delivered"
    )]
    OutboxBelowPayload { outbox: String, max_payload: String },
    #[error("{first} and {second} both listen on {address}")]
    SameAddress {
        first: &'static str,
        second: &'static str,
        address: String,
    },
    #[error("{lower} ({low}%) is not below {upper} ({high}%): advice would contradict itself")]
    Disorder {
        lower: &'static str,
        low: u32,
        upper: &'static str,
        high: u32,
    },
    #[error("cpu.cores: core {core} is not one this process may use ({allowed})")]
    CoreNotAllowed { core: usize, allowed: String },
    #[error("cpu.cores names core {core} twice")]
    CoreTwice { core: usize },
    #[error("cpu.shards is {shards}, but there are only {cores} cores to pin them to")]
    MoreShardsThanCores { shards: usize, cores: usize },
    #[error("namespace `{name}` is given twice")]
    NamespaceTwice { name: String },
    #[error("namespace `{name}` {fault}", name = name.escape_debug())]
    NamespaceName { name: String, fault: &'static str },
}
