//! Formats of lists. Used on the main thread at start and on the control thread at a reload.

use std::net::IpAddr;

use ipnet::IpNet;

use super::format::{ValueFormat, Visibility};
use super::raw::RawValue;
use crate::config::credentials::{ApiKey, PlainCredential};
use crate::config::endpoint::Endpoint;
use crate::config::origin::OriginRule;
use crate::config::publish_rule::PublishRule;
use crate::config::units;

pub(in crate::config) const ORIGINS: ValueFormat<Vec<OriginRule>> = ValueFormat {
    name: "list of origins",
    visibility: Visibility::Public,
    read: origins,
    show: |value| show_list(value, ToString::to_string),
};

pub(in crate::config) const ENDPOINTS: ValueFormat<Vec<Endpoint>> = ValueFormat {
    name: "list of endpoints",
    visibility: Visibility::Public,
    read: |raw| raw.list()?.iter().map(endpoint).collect(),
    show: |value| show_list(value, ToString::to_string),
};

pub(in crate::config) const CREDENTIALS: ValueFormat<Vec<PlainCredential>> = ValueFormat {
    name: "list of `user:password`",
    visibility: Visibility::Secret,
    read: credentials,
    show: |value| show_list(value, ToString::to_string),
};

pub(in crate::config) const API_KEYS: ValueFormat<Vec<ApiKey>> = ValueFormat {
    name: "list of keys",
    visibility: Visibility::Secret,
    read: api_keys,
    show: |value| show_list(value, |key| format!("{key:?}")),
};

pub(in crate::config) const NETWORKS: ValueFormat<Vec<IpNet>> = ValueFormat {
    name: "list of networks",
    visibility: Visibility::Public,
    read: |raw| raw.list()?.iter().map(network).collect(),
    show: |value| show_list(value, ToString::to_string),
};

pub(in crate::config) const PUBLISH_RULES: ValueFormat<Vec<PublishRule>> = ValueFormat {
    name: "list of `PUBLISHERS=TOPICS`",
    visibility: Visibility::Public,
    read: |raw| raw.list()?.iter().map(publish_rule).collect(),
    show: |value| show_list(value, ToString::to_string),
};

pub(in crate::config) const CORES: ValueFormat<Vec<usize>> = ValueFormat {
    name: "list of cores",
    visibility: Visibility::Public,
    read: |raw| {
        let items = raw.list()?;
        let ranges: Result<Vec<_>, _> = items.iter().map(cores).collect();
        Ok(ranges?.concat())
    },
    show: |value| show_list(value, ToString::to_string),
};

fn origins(raw: &RawValue) -> Result<Vec<OriginRule>, String> {
    let mut rules = Vec::new();
    for item in raw.list()? {
        let text = item.word()?;
        let rule = OriginRule::parse(text).map_err(|fault| format!("`{text}` {fault}"))?;
        rules.push(rule);
    }
    if rules.len() > 1 && rules.iter().any(OriginRule::allows_any) {
        return Err("`*` allows any origin, so the other origins have no effect".into());
    }
    Ok(rules)
}

fn endpoint(raw: &RawValue) -> Result<Endpoint, String> {
    let text = raw.word()?;
    Endpoint::parse(text).map_err(|fault| format!("`{text}` {fault}"))
}

/// Parses user and password pairs. Errors name an entry by its number, because its text contains a
/// password.
fn credentials(raw: &RawValue) -> Result<Vec<PlainCredential>, String> {
    let mut parsed: Vec<PlainCredential> = Vec::new();
    let items = raw.list().map_err(|_| "expected a list")?;
    for (entry, item) in (1..).zip(&items) {
        let text = item
            .word()
            .map_err(|_| format!("entry {entry} is not text"))?;
        let credential =
            PlainCredential::parse(text).map_err(|fault| format!("entry {entry} {fault}"))?;
        if parsed.iter().any(|it| it.user() == credential.user()) {
            return Err(format!(
                "entry {entry} names a user that an earlier entry names"
            ));
        }
        parsed.push(credential);
    }
    Ok(parsed)
}

/// Parses keys of the server API. Errors name an entry by its number, because its text is a secret.
fn api_keys(raw: &RawValue) -> Result<Vec<ApiKey>, String> {
    let items = raw.list().map_err(|_| "expected a list")?;
    let parse = |(entry, item): (usize, &RawValue)| {
        let text = item.word().map_err(|_| "is not text");
        let key = text.and_then(ApiKey::parse);
        key.map_err(|fault| format!("entry {entry} {fault}"))
    };
    (1..).zip(&items).map(parse).collect()
}

/// Parses a network. A single address is a network with one address.
fn network(raw: &RawValue) -> Result<IpNet, String> {
    let text = raw.word()?;
    let address = || text.parse::<IpAddr>().map(IpNet::from);
    let network = text.parse().or_else(|_| address());
    network.map_err(|_| raw.expected("a network such as 10.0.0.0/8 or an IP address"))
}

fn publish_rule(raw: &RawValue) -> Result<PublishRule, String> {
    let text = raw.word()?;
    PublishRule::parse(text).map_err(|fault| format!("`{text}` {fault}"))
}

fn cores(raw: &RawValue) -> Result<Vec<usize>, String> {
    let cores = raw.text().and_then(|text| units::cores(&text));
    cores.ok_or_else(|| raw.expected("a core such as 2, or a range such as \"2-5\""))
}

pub(super) fn show_list<T>(items: &[T], show: impl Fn(&T) -> String) -> String {
    let items: Vec<_> = items
        .iter()
        .map(|item| format!("{:?}", show(item)))
        .collect();
    format!("[{}]", items.join(", "))
}
