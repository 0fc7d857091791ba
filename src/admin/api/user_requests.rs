//! The parameters of the methods that act on the connections of a user. Control thread.

use std::ops::RangeInclusive;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::de::IgnoredAny;
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;
use uuid::Uuid;

use crate::hub::{ServerSubscribe, UserAction, UserEffect};
use crate::limits::{API_REQUEST_ITEMS, CLOSE_REASON_BYTES, HOOK_KEPT_BYTES, JSON_DEPTH};
use crate::protocol::codes::{ClientError, Disconnect as CloseCode};
use crate::protocol::{json, topic};

use super::answers::ApiError;
use super::requests::{Method, bounded, object};

/// The close codes that the client protocol has, and those that are free for applications.
const CLOSE_CODES: RangeInclusive<u16> = 3000..=4999;

/// The parameters that name the connections.
#[derive(Deserialize, Default)]
#[serde(default)]
struct Target {
    #[serde(deserialize_with = "or_default")]
    user: String,
    #[serde(deserialize_with = "or_default")]
    client: String,
    #[serde(deserialize_with = "or_default")]
    session: String,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Subscribe<'a> {
    #[serde(deserialize_with = "or_default")]
    channel: String,
    #[serde(borrow)]
    info: Option<&'a RawValue>,
    #[serde(deserialize_with = "or_default")]
    b64info: String,
    #[serde(borrow)]
    data: Option<&'a RawValue>,
    #[serde(deserialize_with = "or_default")]
    b64data: String,
    #[serde(deserialize_with = "or_default")]
    expire_at: i64,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Unsubscribe {
    #[serde(deserialize_with = "or_default")]
    channel: String,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Disconnect {
    disconnect: Option<CustomDisconnect>,
    #[serde(deserialize_with = "bounded")]
    whitelist: Vec<String>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct CustomDisconnect {
    #[serde(deserialize_with = "or_default")]
    code: i64,
    #[serde(deserialize_with = "or_default")]
    reason: String,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Refresh<'a> {
    #[serde(deserialize_with = "or_default")]
    expired: bool,
    #[serde(deserialize_with = "or_default")]
    expire_at: i64,
    #[serde(borrow)]
    info: Option<&'a RawValue>,
}

/// Parses the parameters of a method that acts on the connections of a user. Returns `None` if no
/// connection can be meant. `unix_s` is the time of the wall clock.
pub(super) fn parse(
    method: Method,
    parameters: &[u8],
    unix_s: u64,
) -> Result<Option<UserAction>, ApiError> {
    let target: Target = object(parameters)?;
    let effect = match method {
        Method::Subscribe => UserEffect::Subscribe(subscribe(parameters, unix_s)?),
        Method::Unsubscribe => {
            let Unsubscribe { channel } = object(parameters)?;
            UserEffect::Unsubscribe {
                topic: topic_of(channel)?,
            }
        }
        Method::Disconnect => disconnect(parameters)?,
        Method::Refresh => refresh(parameters)?,
        Method::Publish
        | Method::Broadcast
        | Method::Info
        | Method::Channels
        | Method::NotAvailable => {
            let text = "the method does not act on the connections of a user";
            return Err(ApiError::new(ClientError::Internal, text));
        }
    };
    target.action(effect)
}

impl Target {
    /// Returns the action on these connections; `None` if there can be none.
    fn action(self, effect: UserEffect) -> Result<Option<UserAction>, ApiError> {
        if !self.session.is_empty() {
            let text = "connections of this server have no session; name a `client`";
            return Err(ApiError::new(ClientError::NotAvailable, text));
        }
        if self.user.is_empty() && self.client.is_empty() {
            return Err(ApiError::bad_request("name a `user` or a `client`"));
        }
        let client = match &*self.client {
            "" => None,
            client => match Uuid::try_parse(client) {
                Ok(client) => Some(client),
                Err(_) => return Ok(None), // The id of every client is a UUID.
            },
        };
        let user = Some(self.user).filter(|user| !user.is_empty());
        Ok(Some(UserAction {
            user,
            client,
            effect,
        }))
    }
}

fn subscribe(parameters: &[u8], unix_s: u64) -> Result<ServerSubscribe, ApiError> {
    let parameters: Subscribe<'_> = object(parameters)?;
    let expires_at_s = time(parameters.expire_at);
    if expires_at_s.is_some_and(|expires_at_s| expires_at_s <= unix_s) {
        let text = "`expire_at` is in the past; give a time in seconds since 1970";
        return Err(ApiError::new(ClientError::Expired, text));
    }
    Ok(ServerSubscribe {
        info: info(parameters.info, &parameters.b64info)?,
        data: value("data", parameters.data, &parameters.b64data)?,
        topic: topic_of(parameters.channel)?,
        expires_at_s,
    })
}

fn disconnect(parameters: &[u8]) -> Result<UserEffect, ApiError> {
    let Disconnect {
        disconnect,
        whitelist,
    } = object(parameters)?;
    if whitelist.len() > API_REQUEST_ITEMS {
        let text = format!("`whitelist` has more than {API_REQUEST_ITEMS} clients");
        return Err(ApiError::new(ClientError::LimitExceeded, text));
    }
    let spared = whitelist.iter().flat_map(|client| Uuid::try_parse(client));
    let mut spared = spared.collect::<Vec<_>>();
    spared.sort_unstable();
    let Some(CustomDisconnect { code, reason }) = disconnect else {
        let default = CloseCode::ForceNoReconnect;
        return Ok(UserEffect::Disconnect {
            code: default.code(),
            reason: default.reason().into(),
            spared,
        });
    };
    let code = u16::try_from(code).ok();
    let Some(code) = code.filter(|code| CLOSE_CODES.contains(code)) else {
        let text = "the `code` of `disconnect` must be 3000 to 4999";
        return Err(ApiError::bad_request(text));
    };
    if reason.len() > CLOSE_REASON_BYTES {
        let text =
            format!("the `reason` of `disconnect` must have at most {CLOSE_REASON_BYTES} bytes");
        return Err(ApiError::bad_request(text));
    }
    Ok(UserEffect::Disconnect {
        code,
        reason,
        spared,
    })
}

fn refresh(parameters: &[u8]) -> Result<UserEffect, ApiError> {
    let parameters: Refresh<'_> = object(parameters)?;
    if parameters.expired {
        return Ok(UserEffect::Expire);
    }
    Ok(UserEffect::Refresh {
        expires_at_s: time(parameters.expire_at),
        info: info(parameters.info, "")?,
    })
}

/// Returns the topic of a method. That of the watchdog is refused.
fn topic_of(channel: String) -> Result<String, ApiError> {
    if channel == topic::RESERVED {
        return Err(ApiError::bad_request("the channel is reserved"));
    }
    match topic::check(channel.as_bytes()) {
        Ok(_) => Ok(channel),
        Err(fault) => Err(ApiError::bad_request(fault.to_string())),
    }
}

/// Returns a time in seconds since 1970; `None` for 0 and less, which means never.
fn time(expire_at: i64) -> Option<u64> {
    u64::try_from(expire_at).ok().filter(|time_s| *time_s > 0)
}

/// Returns information about a user. Each connection of the user keeps it, and each publication of
/// the user contains it.
fn info(json: Option<&RawValue>, base64: &str) -> Result<Option<Box<[u8]>>, ApiError> {
    let info = value("info", json, base64)?;
    if info
        .as_ref()
        .is_some_and(|info| info.len() > HOOK_KEPT_BYTES)
    {
        let text = format!("`info` has more than {HOOK_KEPT_BYTES} bytes");
        return Err(ApiError::new(ClientError::LimitExceeded, text));
    }
    Ok(info)
}

/// Returns a JSON value on one line: that in base64, if it is given, as in Centrifugo, and
/// otherwise the other one. Clients receive the value in JSON, so it must not be anything else.
fn value(name: &str, json: Option<&RawValue>, base64: &str) -> Result<Option<Box<[u8]>>, ApiError> {
    let fault = |fault: &str| ApiError::bad_request(format!("`{name}` {fault}"));
    let decoded = match (json, base64) {
        (None, "") => return Ok(None),
        (Some(json), "") => json.get().as_bytes().to_vec(),
        (_, base64) => {
            let decoded = STANDARD.decode(base64);
            decoded.map_err(|_| fault("is not valid base64"))?
        }
    };
    let is_json = serde_json::from_slice::<IgnoredAny>(&decoded).is_ok();
    if !is_json || json::depth(&decoded) > JSON_DEPTH {
        return Err(fault("must be JSON with at most 64 levels"));
    }
    Ok(Some(json::compact(&decoded).into()))
}

/// Reads a member that may be `null`, which means its default.
fn or_default<'de, D: Deserializer<'de>, T: Deserialize<'de> + Default>(
    value: D,
) -> Result<T, D::Error> {
    Ok(Option::deserialize(value)?.unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    const NOW_S: u64 = 1_700_000_000;
    const CLIENT: &str = "6fa459ea-ee8a-4ca4-894e-db77e160355e";

    fn parsed(method: Method, parameters: &Value) -> Result<Option<UserAction>, u16> {
        let parsed = parse(method, parameters.to_string().as_bytes(), NOW_S);
        parsed.map_err(|error| error.kind().code())
    }

    #[test]
    fn the_connections_are_those_of_a_user_or_a_client() {
        let meant = |parameters| {
            let action = parsed(Method::Refresh, &parameters)?;
            Ok(action.map(|action| (action.user, action.client.is_some())))
        };
        let ann = Some("ann".to_owned());
        for (parameters, expected) in [
            (json!({"user": "ann"}), Ok(Some((ann.clone(), false)))),
            (
                json!({"user": "ann", "client": null, "session": null, "other": 1}),
                Ok(Some((ann.clone(), false))),
            ),
            (
                json!({"user": "ann", "client": CLIENT}),
                Ok(Some((ann, true))),
            ),
            (json!({"client": CLIENT}), Ok(Some((None, true)))),
            (json!({"user": "ann", "client": "x"}), Ok(None)),
            (json!({"user": "ann", "session": "x"}), Err(108)),
            (json!({"user": ""}), Err(107)),
            (json!({}), Err(107)),
            (json!({"user": 1}), Err(107)),
            (json!([]), Err(107)),
        ] {
            assert_eq!(meant(parameters.clone()), expected, "{parameters}");
        }
    }

    #[test]
    fn a_subscription_has_its_topic_its_data_and_its_end() {
        let given = json!({
            "user": "ann", "channel": "a", "info": {"x": [1, 2]}, "data": "é\n",
            "b64data": STANDARD.encode("[ 1 ]"), "expire_at": NOW_S + 1, "override": {},
        });
        let action = parsed(Method::Subscribe, &given).unwrap().unwrap();
        let expected = ServerSubscribe {
            topic: "a".into(),
            info: Some((*br#"{"x":[1,2]}"#).into()),
            data: Some((*b"[1]").into()),
            expires_at_s: Some(NOW_S + 1),
        };
        assert_eq!(action.effect, UserEffect::Subscribe(expected));
        for (parameters, code) in [
            (json!({"user": "ann"}), 107),
            (json!({"user": "ann", "channel": "a\n"}), 107),
            (json!({"user": "ann", "channel": topic::RESERVED}), 107),
            (json!({"user": "ann", "channel": "a", "b64data": "%"}), 107),
            (
                json!({"user": "ann", "channel": "a", "b64info": "AP8K"}),
                107,
            ),
            (
                json!({"user": "ann", "channel": "a", "expire_at": NOW_S}),
                110,
            ),
        ] {
            assert_eq!(
                parsed(Method::Subscribe, &parameters),
                Err(code),
                "{parameters}"
            );
        }
        let unsubscribe = parsed(Method::Unsubscribe, &json!({"user": "ann", "channel": "a"}));
        let effect = UserEffect::Unsubscribe { topic: "a".into() };
        assert_eq!(unsubscribe.unwrap().unwrap().effect, effect);
        assert_eq!(
            parsed(Method::Unsubscribe, &json!({"user": "ann"})),
            Err(107)
        );
    }

    #[test]
    fn a_disconnect_has_a_code_that_clients_understand() {
        let effect = |disconnect| {
            let parameters =
                json!({"user": "ann", "disconnect": disconnect, "whitelist": [CLIENT, "x"]});
            let action = parsed(Method::Disconnect, &parameters)?;
            match action.map(|action| action.effect) {
                Some(UserEffect::Disconnect {
                    code,
                    reason,
                    spared,
                }) => {
                    assert_eq!(spared.len(), 1);
                    Ok((code, reason))
                }
                other => panic!("not a disconnect: {other:?}"),
            }
        };
        let default = Ok((3503, "force disconnect".to_owned()));
        assert_eq!(effect(Value::Null), default);
        let custom = json!({"code": 4001, "reason": "bye", "reconnect": true});
        assert_eq!(effect(custom), Ok((4001, "bye".into())));
        for code in [-1, 0, 1000, 2999, 5000, 65_536 + 3000] {
            assert_eq!(effect(json!({"code": code})), Err(107), "{code}");
        }
        let long = json!({"code": 3000, "reason": "x".repeat(CLOSE_REASON_BYTES + 1)});
        assert_eq!(effect(long), Err(107));
    }

    #[test]
    fn a_refresh_sets_the_end_or_is_the_end() {
        let effect = |parameters| {
            let action = parsed(Method::Refresh, &parameters).unwrap();
            action.map(|action| action.effect)
        };
        let refresh = |expires_at_s| {
            Some(UserEffect::Refresh {
                expires_at_s,
                info: None,
            })
        };
        let at = json!({"user": "ann", "expire_at": 5});
        assert_eq!(effect(at), refresh(Some(5)));
        let never = json!({"user": "ann", "expire_at": -5});
        assert_eq!(effect(never), refresh(None));
        let expired = json!({"user": "ann", "expired": true, "expire_at": 5});
        assert_eq!(effect(expired), Some(UserEffect::Expire));
    }
}
