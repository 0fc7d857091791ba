//! Reads the answers of hooks. Shard threads.
//!
//! The back end may be wrong in every way: an answer that cannot be read is a fault, for which the
//! command fails. A name that is given twice is a fault, because parsers disagree about it.

use super::fault::HookFault;
use super::results::{DataForm, HookResult};
use crate::access::members::Members;
use crate::access::service::HookResponse;
use crate::access::values::{flag, number, whole};
use crate::config::{HooksConfig, StatusOutcome};
use crate::limits::{CLOSE_REASON_BYTES, HOOK_MESSAGE_BYTES};
use crate::protocol::codes::Disconnect;

/// The codes that a close frame of an application may have. Those from 4000 on are free.
const CLOSE_CODES: std::ops::RangeInclusive<u64> = 3000..=4999;

/// The answer of a hook.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HookAnswer<T> {
    Result(T),
    Error(HookError),
    Disconnect(HookDisconnect),
}

/// An error for the client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HookError {
    pub code: u32,
    pub message: Box<str>,
    pub temporary: bool,
}

/// The end of the connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HookDisconnect {
    /// 3000 to 4999.
    pub code: u16,
    pub reason: Box<str>,
}

/// Reads the response of a hook. If it has several of disconnect, error and result, the first of
/// them counts.
pub fn read<T: HookResult>(
    response: &HookResponse,
    hooks: &HooksConfig,
    form: DataForm,
) -> Result<HookAnswer<T>, HookFault> {
    let body = match response {
        HookResponse::Failed => return Err(HookFault::Failed),
        HookResponse::Complete { status: 200, body } => body,
        HookResponse::Complete { status, .. } => {
            let outcome = hooks.outcome_of(*status);
            return outcome.map(mapped).ok_or(HookFault::Status(*status));
        }
    };
    let answer = Members::parse(body).ok_or(HookFault::NotAnObject)?;
    if let Some(disconnect) = object(&answer, "disconnect")? {
        return Ok(HookAnswer::Disconnect(self::disconnect(&disconnect)?));
    }
    if let Some(error) = object(&answer, "error")? {
        return Ok(HookAnswer::Error(self::error(&error)?));
    }
    let result = object(&answer, "result")?.ok_or(HookFault::Empty)?;
    T::read(&result, form).map(HookAnswer::Result)
}

/// Returns the answer that the configuration has for a status.
fn mapped<T>(outcome: &StatusOutcome) -> HookAnswer<T> {
    let error = |code: u32, message: &str, temporary| {
        HookAnswer::Error(HookError {
            code,
            message: message.into(),
            temporary,
        })
    };
    match outcome {
        StatusOutcome::Error { code, message } => error(*code, message, false),
        StatusOutcome::TemporaryError { code, message } => error(*code, message, true),
        StatusOutcome::Disconnect { code, reason } => HookAnswer::Disconnect(HookDisconnect {
            code: *code,
            reason: reason.clone(),
        }),
    }
}

fn object<'a>(members: &Members<'a>, name: &'static str) -> Result<Option<Members<'a>>, HookFault> {
    let Some(json) = members.get(name) else {
        return Ok(None);
    };
    let object = Members::parse(json.as_bytes());
    object.map(Some).ok_or(HookFault::Member(name))
}

fn error(error: &Members<'_>) -> Result<HookError, HookFault> {
    let fault = HookFault::Member("error.code");
    let code = code(error, fault)?.filter(|code| *code > 0).ok_or(fault)?;
    let message = text(error, "message", "error.message")?;
    Ok(HookError {
        code: u32::try_from(code).map_err(|_| fault)?,
        message: clip(&message, HOOK_MESSAGE_BYTES).into(),
        temporary: flag(error, "temporary").map_err(|_| HookFault::Member("error.temporary"))?,
    })
}

/// Reads a disconnect. A code that a close frame cannot have is replaced, because the client is
/// not to stay connected in any case.
fn disconnect(disconnect: &Members<'_>) -> Result<HookDisconnect, HookFault> {
    let code = code(disconnect, HookFault::Member("disconnect.code"))?;
    let code = code.filter(|code| CLOSE_CODES.contains(code));
    let replacement = Disconnect::ConnectionClosed.code();
    let reason = text(disconnect, "reason", "disconnect.reason")?;
    Ok(HookDisconnect {
        code: code.map_or(replacement, |code| code as u16),
        reason: clip(&reason, CLOSE_REASON_BYTES).into(),
    })
}

/// Returns the member `code`, which is a whole number.
fn code(members: &Members<'_>, fault: HookFault) -> Result<Option<u64>, HookFault> {
    let Some(json) = members.get("code") else {
        return Ok(None);
    };
    let code = number(json).filter(|code| *code >= 0.0 && code.fract() == 0.0);
    code.map(|code| Some(whole(code))).ok_or(fault)
}

fn text(
    members: &Members<'_>,
    name: &'static str,
    path: &'static str,
) -> Result<String, HookFault> {
    let text = members.text(name).map_err(|_| HookFault::Member(path))?;
    Ok(text.unwrap_or_default().into_owned())
}

/// Returns the beginning of a text, at most `limit` bytes.
fn clip(text: &str, limit: usize) -> &str {
    let mut end = text.len().min(limit);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    &text[..end]
}

#[cfg(test)]
mod tests;
