//! Scans of text that is known to be valid JSON. Every core, for rare texts.

/// Returns how deep arrays and objects are nested.
pub fn depth(json: &[u8]) -> usize {
    let (mut depth, mut deepest) = (0_usize, 0);
    let mut at = 0;
    while at < json.len() {
        match json[at] {
            b'"' => at = string_end(json, at),
            b'[' | b'{' => {
                depth += 1;
                deepest = deepest.max(depth);
            }
            b']' | b'}' => depth = depth.saturating_sub(1),
            _ => {}
        }
        at += 1;
    }
    deepest
}

/// Returns the same value without whitespace between tokens.
pub fn compact(json: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(json.len());
    let mut at = 0;
    while at < json.len() {
        let start = at;
        if json[at] == b'"' {
            at = string_end(json, at);
        }
        at += 1;
        if !json[start].is_ascii_whitespace() {
            out.extend_from_slice(&json[start..at.min(json.len())]);
        }
    }
    out
}

/// Replaces in place what the grammar allows but simd-json cannot represent: escapes of lone
/// surrogates become the replacement character, and numbers that may not fit become -1. A command
/// keeps its meaning, because neither is part of a valid id, channel or token.
pub(super) fn make_representable(json: &mut [u8]) {
    let mut at = 0;
    while at < json.len() {
        match json[at] {
            b'"' => {
                let end = string_end(json, at);
                replace_lone_surrogates(&mut json[at + 1..end]);
                at = end + 1;
            }
            b'-' | b'0'..=b'9' => {
                let number =
                    |byte: &u8| matches!(byte, b'0'..=b'9' | b'+' | b'-' | b'.' | b'e' | b'E');
                let length = json[at..].iter().take_while(|byte| number(byte)).count();
                replace_large_number(&mut json[at..at + length]);
                at += length;
            }
            _ => at += 1,
        }
    }
}

/// Returns the index of the quote that closes the string that opens at `open`.
fn string_end(json: &[u8], open: usize) -> usize {
    let mut at = open + 1;
    while at < json.len() && json[at] != b'"' {
        at += if json[at] == b'\\' { 2 } else { 1 };
    }
    at.min(json.len())
}

fn replace_large_number(number: &mut [u8]) {
    // Every number of 15 characters fits a 64-bit integer or a double exactly.
    const SAFE_LENGTH: usize = 15;
    if number.len() > SAFE_LENGTH || number.iter().any(|byte| matches!(byte, b'e' | b'E')) {
        number.fill(b' ');
        number[..2].copy_from_slice(b"-1");
    }
}

fn replace_lone_surrogates(inner: &mut [u8]) {
    const ESCAPE: usize = "\\uXXXX".len();
    let mut at = 0;
    while at < inner.len() {
        at += match (inner[at], escaped_unit(&inner[at..])) {
            (_, Some(0xd800..=0xdbff)) if is_low(escaped_unit(&inner[at + ESCAPE..])) => 2 * ESCAPE,
            (_, Some(0xd800..=0xdfff)) => {
                inner[at..at + ESCAPE].copy_from_slice(b"\\ufffd");
                ESCAPE
            }
            (b'\\', _) => 2,
            _ => 1,
        };
    }
}

/// Returns the UTF-16 code unit of the escape `\uXXXX` at the start of `text`.
fn escaped_unit(text: &[u8]) -> Option<u16> {
    let digits = text.strip_prefix(b"\\u")?.get(..4)?;
    u16::from_str_radix(str::from_utf8(digits).ok()?, 16).ok()
}

fn is_low(unit: Option<u16>) -> bool {
    matches!(unit, Some(0xdc00..=0xdfff))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn depths() {
        let cases = [
            ("1", 0),
            ("\"[[[\"", 0),
            ("[]", 1),
            (r#"["\"]","[",{}]"#, 2),
            (r#"{"a":[[1],{"b":{}}]}"#, 4),
            (r#""\\""#, 0),
        ];
        for (json, expected) in cases {
            assert_eq!(depth(json.as_bytes()), expected, "{json}");
        }
    }

    #[test]
    fn compaction_keeps_strings() {
        let cases = [
            (" { \"a b\" :\r[ 1 , 2 ] } ", r#"{"a b":[1,2]}"#),
            (r#"" \" x""#, r#"" \" x""#),
            (r#"[ "\\" , " " ]"#, r#"["\\"," "]"#),
            ("\tnull\n", "null"),
        ];
        for (json, expected) in cases {
            assert_eq!(compact(json.as_bytes()), expected.as_bytes(), "{json}");
        }
    }

    #[test]
    fn stand_ins() {
        let cases = [
            (r#""\ud83c\udfba""#, r#""\ud83c\udfba""#),
            (r#""\ud83c""#, r#""\ufffd""#),
            (r#""\udfba\ud83c""#, r#""\ufffd\ufffd""#),
            (r#""\ud83c\ud83c\udfba""#, r#""\ufffd\ud83c\udfba""#),
            (r#""\\ud83c""#, r#""\\ud83c""#),
            (r#""\"\uDC00""#, r#""\"\ufffd""#),
            (
                r#"{"id":4294967295,"n":1e5}"#,
                r#"{"id":4294967295,"n":-1 }"#,
            ),
            ("[-1234567890123456]", "[-1               ]"),
            (
                r#""1e5 18446744073709551616""#,
                r#""1e5 18446744073709551616""#,
            ),
        ];
        for (json, expected) in cases {
            let mut text = json.as_bytes().to_vec();
            make_representable(&mut text);
            assert_eq!(str::from_utf8(&text).unwrap(), expected);
        }
    }
}
