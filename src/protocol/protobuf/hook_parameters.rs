//! The parameters of commands that only hooks get, in Protobuf. Shard cores.

use super::fields::{Fields, Malformed, Value};
use crate::protocol::hook_parameters::{BadParameters, HookParameters};

/// Fields of `Command`.
const CONNECT: u32 = 4;
const SUBSCRIBE: u32 = 5;
const RPC: u32 = 13;

/// The key of an entry of a map.
const KEY: u32 = 1;

impl From<Malformed> for BadParameters {
    fn from(_: Malformed) -> Self {
        Self
    }
}

/// Reads the parameters of the method of a command. Empty data counts as absent.
pub fn hook_parameters(command: &[u8]) -> Result<HookParameters<'_>, BadParameters> {
    let mut parameters = HookParameters::default();
    for field in Fields::new(command) {
        let (method, Value::Bytes(message)) = field? else {
            continue;
        };
        for field in Fields::new(message) {
            let (number, Value::Bytes(content)) = field? else {
                continue;
            };
            match (method, number) {
                (CONNECT, 2) | (SUBSCRIBE, 8) | (RPC, 1) => {
                    parameters.data = (!content.is_empty()).then_some(content);
                }
                (CONNECT, 3) => parameters.topics.push(key(content)?),
                (CONNECT, 4) => parameters.name = text(content)?,
                (CONNECT, 5) => parameters.version = text(content)?,
                (RPC, 2) => parameters.method = text(content)?,
                _ => {}
            }
        }
    }
    Ok(parameters)
}

/// Returns the key of an entry of a map.
fn key(entry: &[u8]) -> Result<String, BadParameters> {
    let mut key = String::new();
    for field in Fields::new(entry) {
        if let (KEY, Value::Bytes(content)) = field? {
            key = text(content)?;
        }
    }
    Ok(key)
}

fn text(content: &[u8]) -> Result<String, BadParameters> {
    let text = str::from_utf8(content).map_err(|_| BadParameters)?;
    Ok(text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_are_read_from_the_method_of_the_command() {
        // Data, two entries of `subs`, name and version.
        let connect =
            b"\x08\x01\x22\x13\x12\x01d\x1a\x03\x0a\x01a\x1a\x03\x0a\x01b\x22\x01n\x2a\x01v";
        let expected = HookParameters {
            data: Some(b"d"),
            name: "n".into(),
            version: "v".into(),
            topics: vec!["a".into(), "b".into()],
            method: String::new(),
        };
        assert_eq!(hook_parameters(connect), Ok(expected));
        let rpc = hook_parameters(b"\x08\x01\x6a\x06\x0a\x01d\x12\x01m").unwrap();
        assert_eq!((rpc.data, &*rpc.method), (Some(&b"d"[..]), "m"));
        let subscribe = hook_parameters(b"\x08\x01\x2a\x06\x0a\x01a\x42\x01d").unwrap();
        assert_eq!(subscribe.data, Some(&b"d"[..]));
    }

    #[test]
    fn text_that_is_not_utf_8_is_refused() {
        assert_eq!(
            hook_parameters(b"\x08\x01\x6a\x03\x12\x01\xff"),
            Err(BadParameters)
        );
    }
}
