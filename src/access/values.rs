//! The values of members that tokens and the answers of hooks share. Shard threads.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::de::IgnoredAny;

use super::members::Members;
use crate::limits;
use crate::protocol::json;

/// A value that is not of the type that its member has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct WrongType;

/// Returns the value of `name` as compact JSON, or the JSON that `base64_name` contains, if it is
/// not empty. Clients receive the value in JSON, so it must not be anything else.
pub(super) fn json_of(
    members: &Members<'_>,
    name: &str,
    base64_name: &str,
) -> Result<Option<Box<[u8]>>, WrongType> {
    match base64_of(members, base64_name)? {
        Some(bytes) if is_json(&bytes) => Ok(Some(json::compact(&bytes).into())),
        Some(_) => Err(WrongType),
        None => Ok(compact_member(members, name)),
    }
}

/// Returns the value of `name` as compact JSON, or the bytes that `base64_name` contains, if it is
/// not empty.
pub(super) fn bytes_of(
    members: &Members<'_>,
    name: &str,
    base64_name: &str,
) -> Result<Option<Box<[u8]>>, WrongType> {
    let bytes = base64_of(members, base64_name)?;
    Ok(bytes
        .map(Into::into)
        .or_else(|| compact_member(members, name)))
}

/// Returns the value of a member as compact JSON.
pub(super) fn compact_member(members: &Members<'_>, name: &str) -> Option<Box<[u8]>> {
    let value = members.get(name)?;
    Some(json::compact(value.as_bytes()).into())
}

fn base64_of(members: &Members<'_>, name: &str) -> Result<Option<Vec<u8>>, WrongType> {
    let base64 = members.text(name).map_err(|_| WrongType)?;
    let Some(base64) = base64.filter(|text| !text.is_empty()) else {
        return Ok(None);
    };
    let bytes = STANDARD.decode(base64.as_bytes());
    bytes.map(Some).map_err(|_| WrongType)
}

/// Returns whether bytes are one JSON value that is not nested too deep.
pub(super) fn is_json(bytes: &[u8]) -> bool {
    let is_json = |text| serde_json::from_str::<IgnoredAny>(text).is_ok();
    str::from_utf8(bytes).is_ok_and(is_json) && json::depth(bytes) <= limits::JSON_DEPTH
}

/// Returns the number that this JSON text is. Its whole part is exact.
pub(super) fn number(json: &str) -> Option<f64> {
    const EXACT: f64 = (1_u64 << f64::MANTISSA_DIGITS) as f64;
    let number: f64 = serde_json::from_str(json).ok()?;
    (number.abs() <= EXACT).then_some(number)
}

/// Converts a number that is not negative and has no fraction.
#[allow(clippy::cast_sign_loss)]
pub(super) fn whole(number: f64) -> u64 {
    number as u64
}

/// Returns the Unix time that a member contains; `None` if it is absent, 0 or less.
pub(super) fn positive_time(members: &Members<'_>, name: &str) -> Result<Option<u64>, WrongType> {
    let Some(json) = members.get(name) else {
        return Ok(None);
    };
    let time_s = number(json).ok_or(WrongType)?;
    Ok((time_s > 0.0).then(|| whole(time_s.floor())))
}

/// Returns a member that is true or false; it is false if it is absent.
pub(super) fn flag(members: &Members<'_>, name: &str) -> Result<bool, WrongType> {
    match members.get(name) {
        None | Some("false") => Ok(false),
        Some("true") => Ok(true),
        Some(_) => Err(WrongType),
    }
}

/// Returns the strings in a list.
pub(super) fn list(json: &str) -> Option<Vec<String>> {
    serde_json::from_str(json).ok()
}
