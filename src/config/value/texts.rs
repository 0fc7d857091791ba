//! Formats of texts. Used on the main thread at start and on the control thread at a reload.

use super::format::{ValueFormat, Visibility};
use crate::config::channel_regex::ChannelRegex;
use crate::config::credentials::BearerToken;
use crate::config::log_filter::LogFilter;
use crate::config::statsd_prefix::StatsdPrefix;

pub(in crate::config) const NAME: ValueFormat<String> = ValueFormat {
    name: "text",
    visibility: Visibility::Public,
    read: |raw| raw.word().map(Into::into),
    show: Clone::clone,
};

pub(in crate::config) const BEARER_TOKEN: ValueFormat<Option<BearerToken>> = ValueFormat {
    name: "text",
    visibility: Visibility::Secret,
    read: |raw| {
        let text = raw.word().map_err(|_| "expected text")?;
        let token = BearerToken::parse(text).map_err(|fault| format!("the token {fault}"))?;
        Ok(Some(token))
    },
    show: |value| {
        value
            .as_ref()
            .map_or_else(|| "none".into(), |_| "***".into())
    },
};

pub(in crate::config) const LOG_FILTER: ValueFormat<LogFilter> = ValueFormat {
    name: "level or filter",
    visibility: Visibility::Public,
    read: |raw| {
        let text = raw.word()?;
        LogFilter::parse(text).map_err(|fault| format!("`{text}`: {fault}"))
    },
    show: ToString::to_string,
};

pub(in crate::config) const STATSD_PREFIX: ValueFormat<StatsdPrefix> = ValueFormat {
    name: "text",
    visibility: Visibility::Public,
    read: |raw| {
        let text = raw.word()?;
        StatsdPrefix::parse(text).map_err(|fault| format!("`{text}` {fault}"))
    },
    show: ToString::to_string,
};

/// Claims of tokens that have a meaning of their own, so that they cannot name the user.
const OTHER_CLAIMS: [&str; 13] = [
    "exp",
    "nbf",
    "iat",
    "aud",
    "iss",
    "info",
    "b64info",
    "channels",
    "subs",
    "meta",
    "expire_at",
    "channel",
    "client",
];

pub(in crate::config) const CLAIM_NAME: ValueFormat<String> = ValueFormat {
    name: "name of a claim",
    visibility: Visibility::Public,
    read: |raw| match raw.word()? {
        "" => Err("expected the name of a claim such as sub, found nothing".into()),
        name if OTHER_CLAIMS.contains(&name) => Err(format!(
            "the claim `{name}` cannot name the user: it has another meaning"
        )),
        name => Ok(name.into()),
    },
    show: Clone::clone,
};

pub(in crate::config) const CHANNEL_REGEX: ValueFormat<Option<ChannelRegex>> = ValueFormat {
    name: "regular expression",
    visibility: Visibility::Public,
    read: |raw| {
        let text = raw.word()?;
        if text.is_empty() {
            return Ok(None);
        }
        let regex = ChannelRegex::parse(text).map_err(|fault| format!("`{text}` {fault}"))?;
        Ok(Some(regex))
    },
    show: |value| value.as_ref().map(ToString::to_string).unwrap_or_default(),
};
