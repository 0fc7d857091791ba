//! Formats of texts. Used on the main thread at start and on the control thread at a reload.

use super::format::{ValueFormat, Visibility};
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
