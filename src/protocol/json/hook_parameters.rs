//! The parameters of commands that only hooks get, in JSON. Shard cores.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::protocol::hook_parameters::{BadParameters, HookParameters};

#[derive(Deserialize)]
struct Line<'a> {
    #[serde(borrow)]
    connect: Option<Parameters<'a>>,
    #[serde(borrow)]
    subscribe: Option<Parameters<'a>>,
    #[serde(borrow)]
    rpc: Option<Parameters<'a>>,
}

#[derive(Default, Deserialize)]
struct Parameters<'a> {
    #[serde(borrow)]
    data: Option<&'a RawValue>,
    name: Option<String>,
    version: Option<String>,
    #[serde(borrow)]
    subs: Option<BTreeMap<String, &'a RawValue>>,
    method: Option<String>,
}

/// Reads the parameters of the method in one line. A null member counts as absent.
pub fn hook_parameters(line: &[u8]) -> Result<HookParameters<'_>, BadParameters> {
    let line: Line<'_> = serde_json::from_slice(line).map_err(|_| BadParameters)?;
    let Line {
        connect,
        subscribe,
        rpc,
    } = line;
    let parameters = connect.or(subscribe).or(rpc).unwrap_or_default();
    Ok(HookParameters {
        data: parameters.data.map(|data| data.get().as_bytes()),
        name: parameters.name.unwrap_or_default(),
        version: parameters.version.unwrap_or_default(),
        topics: parameters.subs.unwrap_or_default().into_keys().collect(),
        method: parameters.method.unwrap_or_default(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_are_read_from_the_method_of_the_command() {
        let line = br#"{"id":1,"connect":{"data": {"a": [1]},"name":"j\u0073","version":"5","subs":{"b":{},"a":null}}}"#;
        let parameters = hook_parameters(line).unwrap();
        assert_eq!(parameters.data, Some(&br#"{"a": [1]}"#[..]));
        assert_eq!((&*parameters.name, &*parameters.version), ("js", "5"));
        assert_eq!(parameters.topics, ["a", "b"]);
        let rpc = hook_parameters(br#"{"id":1,"rpc":{"method":"sum","data":null}}"#).unwrap();
        assert_eq!((rpc.data, &*rpc.method), (None, "sum"));
        assert_eq!(
            hook_parameters(br#"{"connect":{},"id":1}"#),
            Ok(HookParameters::default())
        );
    }

    #[test]
    fn parameters_of_wrong_types_are_refused() {
        for line in [
            r#"{"id":1,"connect":{"name":1}}"#,
            r#"{"id":1,"connect":{"subs":["a"]}}"#,
            r#"{"id":1,"connect":{"data":1,"data":2}}"#,
            r#"{"id":1,"rpc":{"method":{}}}"#,
            r#"{"id":1,"rpc":{"method":"\ud800"}}"#,
            r#"{"id":1,"rpc":[]}"#,
        ] {
            let read = hook_parameters(line.as_bytes());
            let is_empty = read == Ok(HookParameters::default());
            assert!(read.is_err() || is_empty, "{line}");
        }
    }
}
