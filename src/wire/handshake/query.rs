//! Form-decoding of a query string (WHATWG URL, section 5.1). Unlike the standard, it refuses
//! invalid escapes and invalid UTF-8. Runs on every shard thread.

use std::borrow::Cow;

use super::refusal::HttpRefusal;

const BAD_ESCAPE: HttpRefusal =
    HttpRefusal::BadRequest("a % in the query must be followed by two hexadecimal digits");

/// Returns the decoded names and values of a query. A pair without `=` has an empty value. Empty
/// pairs are skipped.
pub(super) fn pairs(
    query: &str,
) -> impl Iterator<Item = Result<(Cow<'_, str>, Cow<'_, str>), HttpRefusal>> {
    query
        .split('&')
        .filter(|pair| !pair.is_empty())
        .map(|pair| {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            Ok((decode(name)?, decode(value)?))
        })
}

/// Decodes `+` and `%XX`. Borrows `encoded` if it has neither.
fn decode(encoded: &str) -> Result<Cow<'_, str>, HttpRefusal> {
    if !encoded.contains(['+', '%']) {
        return Ok(Cow::Borrowed(encoded));
    }
    let mut decoded = Vec::with_capacity(encoded.len());
    let mut rest = encoded.as_bytes();
    while let [first, after @ ..] = rest {
        rest = after;
        match first {
            b'+' => decoded.push(b' '),
            b'%' => {
                let [high, low, after @ ..] = after else {
                    return Err(BAD_ESCAPE);
                };
                rest = after;
                decoded.push(hex(*high)? << 4 | hex(*low)?);
            }
            plain => decoded.push(*plain),
        }
    }
    String::from_utf8(decoded)
        .map(Cow::Owned)
        .map_err(|_| HttpRefusal::BadRequest("the decoded query must be valid UTF-8"))
}

/// Returns the value of a hexadecimal digit.
fn hex(digit: u8) -> Result<u8, HttpRefusal> {
    match digit {
        b'0'..=b'9' => Ok(digit - b'0'),
        b'a'..=b'f' => Ok(digit - b'a' + 10),
        b'A'..=b'F' => Ok(digit - b'A' + 10),
        _ => Err(BAD_ESCAPE),
    }
}
