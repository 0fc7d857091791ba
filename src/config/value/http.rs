//! Formats of what requests over HTTP consist of. Errors do not contain values that may be secret.
//! Used on the main thread at start and on the control thread at a reload.

use hyper::header::HeaderName;

use super::format::{ValueFormat, Visibility};
use super::lists::show_list;
use super::raw::RawValue;
use crate::config::hook::StatusMapping;
use crate::config::http_header::{self, StaticHeader};
use crate::config::http_url::HttpUrl;

pub(in crate::config) const HTTP_URL: ValueFormat<Option<HttpUrl>> = ValueFormat {
    name: "URL",
    visibility: Visibility::Secret,
    read: |raw| {
        let text = raw.word().map_err(|_| "expected a URL as text")?;
        if text.is_empty() {
            return Ok(None);
        }
        let url = HttpUrl::parse(text).map_err(|fault| format!("the URL {fault}"))?;
        Ok(Some(url))
    },
    show: |value| value.as_ref().map(ToString::to_string).unwrap_or_default(),
};

pub(in crate::config) const HEADER_NAMES: ValueFormat<Vec<HeaderName>> = ValueFormat {
    name: "list of header names",
    visibility: Visibility::Public,
    read: header_names,
    show: |value| show_list(value, ToString::to_string),
};

pub(in crate::config) const STATIC_HEADERS: ValueFormat<Vec<StaticHeader>> = ValueFormat {
    name: "list of `Name: value`",
    visibility: Visibility::Secret,
    read: static_headers,
    show: |value| show_list(value, ToString::to_string),
};

pub(in crate::config) const STATUS_MAPPINGS: ValueFormat<Vec<StatusMapping>> = ValueFormat {
    name: "list of `STATUS OUTCOME CODE TEXT`",
    visibility: Visibility::Public,
    read: status_mappings,
    show: |value| show_list(value, ToString::to_string),
};

fn header_names(raw: &RawValue) -> Result<Vec<HeaderName>, String> {
    let mut names = Vec::new();
    for item in raw.list()? {
        let text = item.word()?;
        let name = http_header::parse_name(text);
        let name = name.map_err(|fault| format!("the header `{text}` {fault}"))?;
        if names.contains(&name) {
            return Err(format!("the header `{name}` is named twice; remove one"));
        }
        names.push(name);
    }
    Ok(names)
}

/// Parses headers. Errors name an entry by its number, because its text may be a secret.
fn static_headers(raw: &RawValue) -> Result<Vec<StaticHeader>, String> {
    let items = raw.list().map_err(|_| "expected a list")?;
    let mut headers: Vec<StaticHeader> = Vec::new();
    for (entry, item) in (1..).zip(&items) {
        let text = item.word().map_err(|_| "is not text");
        let header = text.and_then(StaticHeader::parse);
        let header = header.map_err(|fault| format!("entry {entry} {fault}"))?;
        if headers.iter().any(|each| each.name() == header.name()) {
            let name = header.name();
            return Err(format!("entry {entry} sets `{name}` again; remove one"));
        }
        headers.push(header);
    }
    Ok(headers)
}

fn status_mappings(raw: &RawValue) -> Result<Vec<StatusMapping>, String> {
    let mut mappings: Vec<StatusMapping> = Vec::new();
    for item in raw.list()? {
        let text = item.word()?;
        let mapping = StatusMapping::parse(text).map_err(|fault| format!("`{text}` {fault}"))?;
        if mappings.iter().any(|each| each.status == mapping.status) {
            return Err(format!("`{text}` maps a status again; remove one"));
        }
        mappings.push(mapping);
    }
    Ok(mappings)
}
