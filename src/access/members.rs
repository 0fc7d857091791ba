//! JSON objects of tokens, in which no name may be given twice. Shard threads.

use std::borrow::Cow;
use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

use crate::limits;
use crate::protocol::json;

/// The members of an object, sorted by name. A member with the value `null` counts as absent,
/// because back ends write it for values that they do not have.
pub struct Members<'a>(Vec<(Cow<'a, str>, &'a str)>);

impl<'a> Members<'a> {
    /// Parses an object. Returns `None` for text that is not an object in JSON, that nests too deep
    /// or that gives a name twice: parsers disagree about which of the two values counts.
    pub(super) fn parse(text: &'a [u8]) -> Option<Self> {
        let text = str::from_utf8(text).ok()?;
        // The parser takes values as raw text, so it does not recurse into them.
        let Self(mut members) = serde_json::from_str(text).ok()?;
        if json::depth(text.as_bytes()) > limits::JSON_DEPTH {
            return None;
        }
        members.sort_unstable();
        let is_unique = members.windows(2).all(|pair| pair[0].0 != pair[1].0);
        is_unique.then_some(Self(members))
    }

    /// Returns the JSON text of a member.
    pub(super) fn get(&self, name: &str) -> Option<&'a str> {
        let found = self.0.binary_search_by(|(each, _)| (**each).cmp(name));
        let value = self.0[found.ok()?].1;
        (value != "null").then_some(value)
    }

    /// Returns whether there is a member with this name, whatever its value is.
    pub(super) fn has(&self, name: &str) -> bool {
        self.0.iter().any(|(each, _)| each == name)
    }

    /// Returns the text of a member, or `Err` if it is not text.
    pub(super) fn text(&self, name: &str) -> Result<Option<Cow<'a, str>>, NotText> {
        self.get(name).map(text).transpose()
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (&str, &'a str)> {
        self.0.iter().map(|(name, value)| (&**name, *value))
    }
}

/// A value that is not a string.
pub(super) struct NotText;

/// Returns the string that this JSON text is.
fn text(json: &str) -> Result<Cow<'_, str>, NotText> {
    // Most strings have no escapes and need no copy.
    if let Ok(text) = serde_json::from_str::<&str>(json) {
        return Ok(Cow::Borrowed(text));
    }
    let text = serde_json::from_str::<String>(json);
    text.map(Cow::Owned).map_err(|_| NotText)
}

impl<'de> Deserialize<'de> for Members<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(MembersVisitor)
    }
}

/// The name of a member. Most names have no escapes and need no copy.
#[derive(Deserialize)]
struct Name<'a>(#[serde(borrow)] Cow<'a, str>);

struct MembersVisitor;

impl<'de> Visitor<'de> for MembersVisitor {
    type Value = Members<'de>;

    fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Members<'de>, A::Error> {
        let mut members = Vec::new();
        while let Some((Name(name), value)) = map.next_entry::<Name<'de>, &'de RawValue>()? {
            members.push((name, value.get()));
        }
        Ok(Members(members))
    }
}
