//! The body of `POST /publish`: a JSON object with a topic and a payload. Control thread.

use axum::http::StatusCode;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

use crate::fabric::SubmittedPublication;

const TOPIC_MISSING: &str = "`channel` is missing: it names the topic, and may be called `topic`";
const PAYLOAD_COUNT: &str = "give exactly one of `data` (or `payload`), `text` and `b64data`: the \
                             payload as JSON, as text or as base64";

/// The members of a body, of which each may be missing. A member that is `null` is present.
#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields, default)]
struct Members<'a> {
    #[serde(borrow, deserialize_with = "present")]
    channel: Option<&'a RawValue>,
    #[serde(borrow, deserialize_with = "present")]
    topic: Option<&'a RawValue>,
    #[serde(borrow, deserialize_with = "present")]
    data: Option<&'a RawValue>,
    #[serde(borrow, deserialize_with = "present")]
    payload: Option<&'a RawValue>,
    #[serde(borrow, deserialize_with = "present")]
    text: Option<&'a RawValue>,
    #[serde(borrow, deserialize_with = "present")]
    b64data: Option<&'a RawValue>,
}

/// Reads a member that is present, even if it is `null`.
pub(super) fn present<'de, D: Deserializer<'de>>(
    value: D,
) -> Result<Option<&'de RawValue>, D::Error> {
    <&RawValue>::deserialize(value).map(Some)
}

/// Why a body is not a publication. `Display` is a text for the author of the publisher.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum BodyError {
    #[error(
        "the body is not a JSON object: {0}; send it as {{\"channel\":\"news\",\"data\":{{…}}}}"
    )]
    NotJson(String),
    #[error("the body has a wrong member: {0}")]
    Member(String),
    #[error("the member `{0}` must be a string")]
    NotString(&'static str),
    #[error("`channel` and `topic` are both given; remove one")]
    TopicTwice,
    #[error("{TOPIC_MISSING}")]
    TopicMissing,
    #[error("{TOPIC_MISSING}; and the payload: {PAYLOAD_COUNT}")]
    Empty,
    #[error("the payload is missing: {PAYLOAD_COUNT}")]
    PayloadMissing,
    #[error("there are several payloads: {PAYLOAD_COUNT}")]
    Payloads,
    #[error("`b64data` is not valid base64")]
    Base64,
}

impl BodyError {
    /// Returns the error code and the status of the response: 400 if the body cannot be read, and
    /// 422 if it is read but its members are wrong.
    pub(super) fn code_and_status(&self) -> (&'static str, StatusCode) {
        match self {
            Self::NotJson(_) => ("body", StatusCode::BAD_REQUEST),
            Self::PayloadMissing | Self::Payloads | Self::Base64 => {
                ("payload", StatusCode::BAD_REQUEST)
            }
            Self::Member(_)
            | Self::NotString(_)
            | Self::TopicTwice
            | Self::TopicMissing
            | Self::Empty => ("member", StatusCode::UNPROCESSABLE_ENTITY),
        }
    }
}

/// Parses a body.
pub(super) fn parse(body: &[u8]) -> Result<SubmittedPublication, BodyError> {
    let members = members(body)?;
    let topic = match (members.channel, members.topic) {
        (Some(_), Some(_)) => return Err(BodyError::TopicTwice),
        (Some(name), None) => string("channel", name)?,
        (None, Some(name)) => string("topic", name)?,
        (None, None) if !members.has_payload() => return Err(BodyError::Empty),
        (None, None) => return Err(BodyError::TopicMissing),
    };
    let payload = members.read_payload()?;
    Ok(SubmittedPublication {
        topic,
        payload,
        info: None,
    })
}

fn members(body: &[u8]) -> Result<Members<'_>, BodyError> {
    // serde would read an array as the members in order.
    if body.trim_ascii_start().first() != Some(&b'{') {
        return Err(BodyError::NotJson("it does not begin with `{`".into()));
    }
    serde_json::from_slice(body).map_err(|error| match error.classify() {
        serde_json::error::Category::Data => BodyError::Member(error.to_string()),
        _ => BodyError::NotJson(error.to_string()),
    })
}

impl Members<'_> {
    fn has_payload(&self) -> bool {
        let payloads = [self.data, self.payload, self.text, self.b64data];
        payloads.iter().any(Option::is_some)
    }

    fn read_payload(&self) -> Result<Vec<u8>, BodyError> {
        match (self.data, self.payload, self.text, self.b64data) {
            (None, None, None, None) => Err(BodyError::PayloadMissing),
            (Some(json), None, None, None) | (None, Some(json), None, None) => {
                Ok(json.get().as_bytes().to_vec())
            }
            (None, None, Some(text), None) => string("text", text).map(String::into_bytes),
            (None, None, None, Some(encoded)) => {
                let encoded = string("b64data", encoded)?;
                STANDARD.decode(encoded).map_err(|_| BodyError::Base64)
            }
            _ => Err(BodyError::Payloads),
        }
    }
}

fn string(name: &'static str, value: &RawValue) -> Result<String, BodyError> {
    serde_json::from_str(value.get()).map_err(|_| BodyError::NotString(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_topic_and_the_payload_have_two_names() {
        for body in [
            r#"{"channel":"a","data":{"x": 1}}"#,
            r#" {"topic":"a","payload":{"x": 1}} "#,
            r#"{"channel":"a","payload":{"x": 1}}"#,
            r#"{"topic":"a","text":"{\"x\": 1}"}"#,
            r#"{"topic":"a","b64data":"eyJ4IjogMX0="}"#,
        ] {
            let expected = SubmittedPublication {
                topic: "a".into(),
                payload: br#"{"x": 1}"#.to_vec(),
                info: None,
            };
            assert_eq!(parse(body.as_bytes()), Ok(expected), "{body}");
        }
        let null = parse(br#"{"channel":"a","data":null}"#);
        assert_eq!(null.map(|it| it.payload), Ok(b"null".to_vec()));
    }

    #[test]
    fn errors_name_the_member() {
        for (body, code, words) in [
            ("", 400, "does not begin with `{`"),
            ("channel=a&data=1", 400, r#"{"channel":"news""#),
            (r#"["a",1]"#, 400, "does not begin with `{`"),
            (r#"{"channel":"a""#, 400, "line 1 column 14"),
            (r#"{"channel":"a","data":1} x"#, 400, "trailing characters"),
            ("{}", 422, "and the payload"),
            (r#"{"data":1}"#, 422, "`channel` is missing"),
            (r#"{"channel":"a","topic":"a","data":1}"#, 422, "remove one"),
            (r#"{"topic":1,"data":1}"#, 422, "`topic` must be a string"),
            (r#"{"channel":null,"data":1}"#, 422, "`channel` must be"),
            (
                r#"{"channel":"a","text":1}"#,
                422,
                "`text` must be a string",
            ),
            (r#"{"channel":"a","dta":1}"#, 422, "unknown field `dta`"),
            (r#"{"channel":"a","channel":"a"}"#, 422, "field `channel`"),
            (r#"{"channel":"a"}"#, 400, "payload is missing"),
            (r#"{"channel":"a","data":1,"payload":1}"#, 400, "several"),
            (r#"{"channel":"a","b64data":"%"}"#, 400, "base64"),
        ] {
            let error = parse(body.as_bytes()).expect_err(body);
            let text = error.to_string();
            assert!(text.contains(words), "{body}: {text}");
            assert_eq!(error.code_and_status().1, code, "{body}");
        }
    }
}
