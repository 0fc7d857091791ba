//! The parameters of the methods. Members that are not known are ignored, as Centrifugo ignores
//! them. Control thread.

use std::fmt;
use std::marker::PhantomData;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::de::{IgnoredAny, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

use crate::admin::publication::present;
use crate::limits::API_REQUEST_ITEMS;

use super::answers::ApiError;

/// The methods.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Method {
    Publish,
    Broadcast,
    Info,
    Channels,
    Subscribe,
    Unsubscribe,
    Disconnect,
    Refresh,
    /// A method of Centrifugo that this server does not have.
    NotAvailable,
}

impl Method {
    /// Returns the method of this name; `None` if Centrifugo has none either.
    pub(super) fn from_name(name: &str) -> Option<Self> {
        match name {
            "publish" => Some(Self::Publish),
            "broadcast" => Some(Self::Broadcast),
            "info" => Some(Self::Info),
            "channels" => Some(Self::Channels),
            "subscribe" => Some(Self::Subscribe),
            "unsubscribe" => Some(Self::Unsubscribe),
            "disconnect" => Some(Self::Disconnect),
            "refresh" => Some(Self::Refresh),
            "presence" | "presence_stats" | "history" | "history_remove" | "rpc" => {
                Some(Self::NotAvailable)
            }
            _ => None,
        }
    }
}

/// The parameters of `publish`.
#[derive(Deserialize, Default)]
#[serde(default)]
pub(super) struct Publish<'a> {
    pub(super) channel: String,
    #[serde(borrow, deserialize_with = "present")]
    data: Option<&'a RawValue>,
    b64data: String,
}

/// The parameters of `broadcast`.
#[derive(Deserialize, Default)]
#[serde(default)]
pub(super) struct Broadcast<'a> {
    #[serde(deserialize_with = "bounded")]
    pub(super) channels: Vec<String>,
    #[serde(borrow, deserialize_with = "present")]
    data: Option<&'a RawValue>,
    b64data: String,
}

/// The parameters of `channels`.
#[derive(Deserialize, Default)]
#[serde(default)]
pub(super) struct Channels {
    pub(super) pattern: String,
}

/// The body of a batch. The commands are carried out in order, so `parallel` is ignored.
#[derive(Deserialize)]
pub(super) struct Batch<'a> {
    #[serde(borrow, deserialize_with = "bounded")]
    pub(super) commands: Vec<&'a RawValue>,
}

/// A command of the older form.
#[derive(Deserialize)]
pub(super) struct OlderCommand<'a> {
    pub(super) method: String,
    #[serde(borrow, default)]
    pub(super) params: Option<&'a RawValue>,
}

impl Publish<'_> {
    /// Returns the payload.
    pub(super) fn payload(&self) -> Result<Vec<u8>, ApiError> {
        payload(self.data, &self.b64data)
    }
}

impl Broadcast<'_> {
    /// Returns the payload.
    pub(super) fn payload(&self) -> Result<Vec<u8>, ApiError> {
        payload(self.data, &self.b64data)
    }
}

/// Returns the payload: `b64data` if it is given, as in Centrifugo, and otherwise `data`.
fn payload(data: Option<&RawValue>, b64data: &str) -> Result<Vec<u8>, ApiError> {
    if !b64data.is_empty() {
        let decoded = STANDARD.decode(b64data);
        return decoded.map_err(|_| ApiError::bad_request("`b64data` is not valid base64"));
    }
    match data {
        Some(json) => Ok(json.get().as_bytes().to_vec()),
        None => Err(ApiError::bad_request(
            "give the payload: JSON as `data`, anything else in base64 as `b64data`",
        )),
    }
}

/// Reads a list, or `null` for none. Of a list that is too long, keeps one item more than a request
/// may have: the caller refuses it, and the rest needs no memory.
pub(super) fn bounded<'de, D: Deserializer<'de>, T: Deserialize<'de>>(
    list: D,
) -> Result<Vec<T>, D::Error> {
    list.deserialize_any(BoundedList(PhantomData))
}

struct BoundedList<T>(PhantomData<T>);

impl<'de, T: Deserialize<'de>> Visitor<'de> for BoundedList<T> {
    type Value = Vec<T>;

    fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("a list")
    }

    fn visit_unit<E>(self) -> Result<Vec<T>, E> {
        Ok(Vec::new())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Vec<T>, A::Error> {
        let mut items = Vec::new();
        while items.len() <= API_REQUEST_ITEMS {
            let Some(item) = list.next_element()? else {
                return Ok(items);
            };
            items.push(item);
        }
        while list.next_element::<IgnoredAny>()?.is_some() {}
        Ok(items)
    }
}

/// Reads a JSON object. Nothing at all is an object without members.
pub(super) fn object<'a, T: Deserialize<'a>>(json: &'a [u8]) -> Result<T, ApiError> {
    let json = match json.trim_ascii() {
        [] => b"{}",
        json => json,
    };
    // serde would read an array as the members in order.
    if json.first() != Some(&b'{') {
        return Err(ApiError::bad_request("send a JSON object"));
    }
    serde_json::from_slice(json).map_err(|error| ApiError::bad_request(error.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn publish(json: &str) -> Result<(String, String), String> {
        let text = |error: ApiError| serde_json::to_string(&error).unwrap();
        let request: Publish<'_> = object(json.as_bytes()).map_err(text)?;
        let payload = request.payload().map_err(text)?;
        Ok((request.channel, String::from_utf8(payload).unwrap()))
    }

    #[test]
    fn a_payload_is_json_or_base64() {
        for (json, payload) in [
            (r#" {"channel":"a","data":{"x": 1}} "#, r#"{"x": 1}"#),
            (r#"{"channel":"a","data":null}"#, "null"),
            (r#"{"channel":"a","data":"é"}"#, "\"é\""),
            (r#"{"channel":"a","b64data":"eyJ4IjogMX0="}"#, r#"{"x": 1}"#),
            (r#"{"channel":"a","b64data":"MQ==","data":2}"#, "1"),
            (r#"{"channel":"a","b64data":"","data":2}"#, "2"),
            (
                r#"{"channel":"a","data":1,"tags":{"a":"b"},"skip_history":true,"other":[]}"#,
                "1",
            ),
        ] {
            let expected = Ok(("a".to_owned(), payload.to_owned()));
            assert_eq!(publish(json), expected, "{json}");
        }
        assert_eq!(publish(r#"{"data":1}"#), Ok((String::new(), "1".into())));
    }

    #[test]
    fn of_a_list_that_is_too_long_one_item_more_is_kept() {
        for (given, kept) in [
            (API_REQUEST_ITEMS, API_REQUEST_ITEMS),
            (API_REQUEST_ITEMS + 1, API_REQUEST_ITEMS + 1),
            (3 * API_REQUEST_ITEMS, API_REQUEST_ITEMS + 1),
        ] {
            let json = serde_json::json!({"commands": vec![1; given], "channels": vec![""; given]});
            let json = json.to_string();
            let batch: Batch<'_> = object(json.as_bytes()).unwrap();
            assert_eq!(batch.commands.len(), kept);
            let broadcast: Broadcast<'_> = object(json.as_bytes()).unwrap();
            assert_eq!(broadcast.channels.len(), kept);
        }
        for json in [
            r#"{"channels":{}}"#,
            r#"{"channels":[1]}"#,
            r#"{"channels":["a"}"#,
        ] {
            assert!(object::<Broadcast<'_>>(json.as_bytes()).is_err(), "{json}");
        }
    }

    #[test]
    fn bad_requests_are_code_107_and_name_the_fault() {
        for (json, words) in [
            ("", "give the payload"),
            ("[\"a\",1]", "JSON object"),
            ("null", "JSON object"),
            ("channel=a", "JSON object"),
            (r#"{"channel":1,"data":1}"#, "expected a string"),
            (r#"{"channel":"a","channel":"b"}"#, "duplicate field"),
            (r#"{"channel":"a"}"#, "give the payload"),
            (r#"{"channel":"a","data":}"#, "line 1 column"),
            (r#"{"channel":"a","data":1} {}"#, "trailing characters"),
            (r#"{"channel":"a","b64data":"%"}"#, "base64"),
        ] {
            let error = publish(json).expect_err(json);
            assert!(error.contains(r#""code":107"#), "{json}: {error}");
            assert!(error.contains(words), "{json}: {error}");
        }
    }
}
