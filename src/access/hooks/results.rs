//! The grants of hooks: the object `result` of an answer. Shard threads.

use std::collections::HashSet;

use super::fault::HookFault;
use crate::access::claims::{subscriptions, topic_of};
use crate::access::members::Members;
use crate::access::token::TokenSubscription;
use crate::access::values::{bytes_of, compact_member, flag, json_of, list, positive_time};
use crate::limits::HOOK_KEPT_BYTES;

/// The form in which a client can receive data.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DataForm {
    Json,
    Bytes,
}

/// The result of one kind of hook.
pub trait HookResult: Sized {
    /// Reads the object. Unknown members are ignored.
    fn read(result: &Members<'_>, form: DataForm) -> Result<Self, HookFault>;
}

/// The connect hook accepts a client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConnectResult {
    /// `""` is anonymous.
    pub user: Box<str>,
    /// Unix seconds; `None`: never.
    pub expires_at_s: Option<u64>,
    /// Information about the user for others, as JSON.
    pub info: Option<Box<[u8]>>,
    /// Data for the client.
    pub data: Option<Box<[u8]>>,
    /// No topic is named twice.
    pub subscriptions: Vec<TokenSubscription>,
    /// A value that later calls of hooks contain, as JSON. No client receives it.
    pub meta: Option<Box<[u8]>>,
}

/// The hook `refresh` or `sub_refresh` extends a connection or a subscription.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RefreshResult {
    /// The connection or subscription is over.
    pub is_expired: bool,
    /// Unix seconds; `None`: never.
    pub expires_at_s: Option<u64>,
    pub info: Option<Box<[u8]>>,
    /// Replaces that of [`ConnectResult`].
    pub meta: Option<Box<[u8]>>,
}

/// The subscribe hook accepts a subscription.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SubscribeResult {
    /// Unix seconds; `None`: never.
    pub expires_at_s: Option<u64>,
    pub info: Option<Box<[u8]>>,
    /// Data for the client.
    pub data: Option<Box<[u8]>>,
}

/// The publish hook accepts a publication.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PublishResult {
    /// The payload instead of that of the client.
    pub data: Option<Box<[u8]>>,
}

/// The hook `rpc` answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RpcResult {
    pub data: Option<Box<[u8]>>,
}

impl HookResult for ConnectResult {
    fn read(result: &Members<'_>, form: DataForm) -> Result<Self, HookFault> {
        let fault = HookFault::Member("result.user");
        let user = result.text("user").map_err(|_| fault)?.unwrap_or_default();
        if user.len() > HOOK_KEPT_BYTES {
            return Err(fault);
        }
        Ok(Self {
            user: user.into(),
            expires_at_s: expires_at_s(result)?,
            info: info(result)?,
            data: data(result, form)?,
            subscriptions: granted(result)?,
            meta: meta(result)?,
        })
    }
}

impl HookResult for RefreshResult {
    fn read(result: &Members<'_>, _: DataForm) -> Result<Self, HookFault> {
        Ok(Self {
            is_expired: flag(result, "expired").map_err(|_| HookFault::Member("result.expired"))?,
            expires_at_s: expires_at_s(result)?,
            info: info(result)?,
            meta: meta(result)?,
        })
    }
}

impl HookResult for SubscribeResult {
    fn read(result: &Members<'_>, form: DataForm) -> Result<Self, HookFault> {
        Ok(Self {
            expires_at_s: expires_at_s(result)?,
            info: info(result)?,
            data: data(result, form)?,
        })
    }
}

impl HookResult for PublishResult {
    fn read(result: &Members<'_>, _: DataForm) -> Result<Self, HookFault> {
        let data = data(result, DataForm::Bytes)?;
        Ok(Self { data })
    }
}

impl HookResult for RpcResult {
    fn read(result: &Members<'_>, form: DataForm) -> Result<Self, HookFault> {
        let data = data(result, form)?;
        Ok(Self { data })
    }
}

fn expires_at_s(result: &Members<'_>) -> Result<Option<u64>, HookFault> {
    positive_time(result, "expire_at").map_err(|_| HookFault::Member("result.expire_at"))
}

fn info(result: &Members<'_>) -> Result<Option<Box<[u8]>>, HookFault> {
    let info = json_of(result, "info", "b64info").map_err(|_| HookFault::Member("result.b64info"));
    bounded(info?, HookFault::Member("result.info"))
}

fn meta(result: &Members<'_>) -> Result<Option<Box<[u8]>>, HookFault> {
    let meta = compact_member(result, "meta");
    bounded(meta, HookFault::Member("result.meta"))
}

fn bounded(value: Option<Box<[u8]>>, fault: HookFault) -> Result<Option<Box<[u8]>>, HookFault> {
    match value {
        Some(value) if value.len() > HOOK_KEPT_BYTES => Err(fault),
        value => Ok(value),
    }
}

fn data(result: &Members<'_>, form: DataForm) -> Result<Option<Box<[u8]>>, HookFault> {
    let data = match form {
        DataForm::Json => json_of(result, "data", "b64data"),
        DataForm::Bytes => bytes_of(result, "data", "b64data"),
    };
    data.map_err(|_| HookFault::Member("result.b64data"))
}

/// Returns the topics of `subs`, and those of `channels` that are not among them.
fn granted(result: &Members<'_>) -> Result<Vec<TokenSubscription>, HookFault> {
    let mut granted = match result.get("subs") {
        Some(json) => subscriptions(json).ok_or(HookFault::Member("result.subs"))?,
        None => Vec::new(),
    };
    let Some(json) = result.get("channels") else {
        return Ok(granted);
    };
    let fault = HookFault::Member("result.channels");
    let names = list(json).ok_or(fault)?;
    let mut seen: HashSet<Box<str>> = granted.iter().map(|each| each.topic.clone()).collect();
    for name in &names {
        let topic = topic_of(name, "channels").map_err(|_| fault)?;
        if seen.insert(topic.clone()) {
            granted.push(TokenSubscription {
                topic,
                info: None,
                data: None,
            });
        }
    }
    Ok(granted)
}
