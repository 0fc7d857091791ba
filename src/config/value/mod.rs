//! Values of configuration keys: as they are given, and the formats that turn them into typed
//! values. Used on the main thread at start and on the control thread at a reload.

mod addresses;
mod choices;
mod format;
mod http;
mod lists;
mod numbers;
mod raw;
mod texts;
mod token_keys;

pub(super) use addresses::{ADDRESS, ADDRESS_OR_OFF, HOST_AND_PORT_OR_OFF};
pub(super) use choices::{APPLE_POLICY, BOOLEAN, LOG_FORMAT, PAYLOAD_KIND, SLOW_POLICY};
pub(super) use format::{ValueFormat, Visibility};
pub(super) use http::{HEADER_NAMES, HTTP_URL, STATIC_HEADERS, STATUS_MAPPINGS};
pub(super) use lists::{API_KEYS, CORES, CREDENTIALS, ENDPOINTS, NETWORKS, ORIGINS, PUBLISH_RULES};
pub(super) use numbers::{
    COUNT, COUNT_OR_AUTO, COUNT_U32, DEFLATE_LEVEL, DURATION, FILE_MODE, PERCENT, SIZE,
    SIZE_OR_AUTO, SIZE_OR_OFF,
};
pub(super) use raw::RawValue;
pub(super) use texts::{BEARER_TOKEN, CHANNEL_REGEX, CLAIM_NAME, LOG_FILTER, NAME, STATSD_PREFIX};
pub(super) use token_keys::{
    ECDSA_PUBLIC_KEY, ED25519_PUBLIC_KEY, HMAC_SECRET, RSA_PUBLIC_KEY, UNIX_SECONDS,
};
