//! Checks and reads JSON from clients and publishers with simd-json and reused memory. Every core:
//! commands on shards, payloads on the ingest core.
//!
//! The accepted texts are exactly those that `JSON.parse` accepts (the grammar of RFC 8259), nested
//! at most [`limits::JSON_DEPTH`] deep in payloads and [`limits::COMMAND_DEPTH`] deep in commands.
//! Neither parser recurses. simd-json makes values of a text and therefore refuses some
//! valid texts: integers beyond 64 bits, numbers beyond a double, and escapes of lone surrogates,
//! which a browser sends when a program cuts an emoji in half. A second, slower parser checks every
//! text that simd-json refuses.

use std::borrow::Cow;
use std::mem;

use serde::de::IgnoredAny;
use simd_json::{Buffers, ErrorType, INPUT_PADDING, Node, Tape};

use super::scan;
use crate::limits;

/// Why a text is not accepted as JSON.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
pub enum JsonError {
    #[error("not JSON")]
    Syntax,
    #[error("JSON that is not UTF-8")]
    NotUtf8,
    #[error("JSON that is nested too deep")]
    TooDeep,
}

/// Checks one payload after the other and reuses its memory.
pub struct Checker {
    scratch: Scratch,
    tape: Tape<'static>,
}

impl Checker {
    pub fn new() -> Self {
        Self {
            scratch: Scratch::new(limits::JSON_DEPTH),
            tape: empty_tape(),
        }
    }

    /// Checks that `text` is one JSON value, with whitespace around it or without.
    pub fn check(&mut self, text: &[u8]) -> Result<(), JsonError> {
        let mut tape = mem::replace(&mut self.tape, empty_tape()).reset();
        let parsed = self.scratch.parse(text, &mut tape);
        self.tape = recycle(tape);
        match parsed {
            Ok(()) => Ok(()),
            Err(SimdRefusal::TooDeep) => Err(JsonError::TooDeep),
            Err(SimdRefusal::Other) => check_grammar(text, limits::JSON_DEPTH),
        }
    }
}

impl Default for Checker {
    fn default() -> Self {
        Self::new()
    }
}

/// Reads commands onto tapes whose strings borrow from the reader.
pub(super) struct Reader {
    fast: Scratch,
    /// For texts that simd-json accepts only after [`scan::make_representable`].
    replaced: Scratch,
}

impl Reader {
    pub(super) fn new() -> Self {
        Self {
            fast: Scratch::new(limits::COMMAND_DEPTH),
            replaced: Scratch::new(limits::COMMAND_DEPTH),
        }
    }

    /// Reads `text` onto the tape. Numbers and strings that simd-json cannot represent are
    /// replaced: see [`scan::make_representable`].
    pub(super) fn read<'a>(
        &'a mut self,
        text: &[u8],
        tape: &mut Tape<'a>,
    ) -> Result<(), JsonError> {
        match self.fast.parse(text, tape) {
            Ok(()) => return Ok(()),
            Err(SimdRefusal::TooDeep) => return Err(JsonError::TooDeep),
            Err(SimdRefusal::Other) => check_grammar(text, limits::COMMAND_DEPTH)?,
        }
        let mut replacement = text.to_vec();
        scan::make_representable(&mut replacement);
        self.replaced
            .parse(&replacement, tape)
            .map_err(|_| JsonError::Syntax)
    }
}

/// The memory of one parse. simd-json unescapes strings in place, so it gets a copy of the text.
struct Scratch {
    buffers: Buffers,
    text: Vec<u8>,
    depth_max: usize,
}

/// Why simd-json refuses a text. Only `TooDeep` is final.
enum SimdRefusal {
    TooDeep,
    Other,
}

impl Scratch {
    fn new(depth_max: usize) -> Self {
        Self {
            buffers: Buffers::with_max_depth(0, depth_max),
            text: Vec::new(),
            depth_max,
        }
    }

    fn parse<'a>(&'a mut self, text: &[u8], tape: &mut Tape<'a>) -> Result<(), SimdRefusal> {
        if self.text.capacity() > limits::JSON_KEPT_BYTES {
            *self = Self::new(self.depth_max);
        }
        self.text.clear();
        self.text.reserve(text.len() + INPUT_PADDING);
        self.text.extend_from_slice(text);
        self.text.resize(text.len() + INPUT_PADDING, b' ');
        simd_json::fill_tape_padded(&mut self.text, text.len(), &mut self.buffers, tape).map_err(
            |error| match error.error() {
                ErrorType::DepthLimitExceeded => SimdRefusal::TooDeep,
                _ => SimdRefusal::Other,
            },
        )
    }
}

pub(super) fn empty_tape() -> Tape<'static> {
    Tape(Vec::new())
}

/// Returns the memory of a tape for the next parse, unless a large text made it large.
pub(super) fn recycle(tape: Tape<'_>) -> Tape<'static> {
    let kept = tape.0.capacity() * size_of::<Node<'_>>() <= limits::JSON_KEPT_BYTES;
    if kept { tape.reset() } else { empty_tape() }
}

/// Checks the grammar alone, without making values.
#[cold]
fn check_grammar(text: &[u8], depth_max: usize) -> Result<(), JsonError> {
    let text = str::from_utf8(text).map_err(|_| JsonError::NotUtf8)?;
    serde_json::from_str::<IgnoredAny>(text).map_err(|_| JsonError::Syntax)?;
    if scan::depth(text.as_bytes()) > depth_max {
        return Err(JsonError::TooDeep);
    }
    Ok(())
}

/// Replaces the line ends in valid JSON, where they are whitespace, by spaces. The client protocol
/// separates messages by line ends. Copies the text only if it has one.
pub fn on_one_line(text: &[u8]) -> Cow<'_, [u8]> {
    let is_newline = |byte: u8| byte == b'\n' || byte == b'\r';
    // Without an early exit inside a chunk, the compiler generates vector instructions.
    let newlines = |chunk: &[u8]| {
        chunk
            .iter()
            .fold(false, |any, byte| any | is_newline(*byte))
    };
    if !text.chunks(64).any(newlines) {
        return Cow::Borrowed(text);
    }
    let space = |byte: &u8| if is_newline(*byte) { b' ' } else { *byte };
    Cow::Owned(text.iter().map(space).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Texts that each rule of RFC 8259 and `JSON.parse` of Node.js 20 accept.
    const ACCEPTED: &[&str] = &[
        "0",
        "-0",
        "-0.0",
        "0e1",
        "0E+1",
        "1e5",
        "1.5e-5",
        "null",
        "true",
        "false",
        "\"\"",
        "[]",
        "{}",
        " [ ] ",
        "\t\r\n{}\r\n",
        "[1,2]",
        "{\"a\":1,\"a\":2}",
        "{\"\":0}",
        "[[],{}]",
        // Numbers that no machine integer or double holds.
        "18446744073709551615",
        "18446744073709551616",
        "-9223372036854775809",
        "340282366920938463463374607431768211456",
        "1e308",
        "1e309",
        "1e999",
        "-1e999",
        "1e-999",
        "0e999999999999999999999",
        "0.1000000000000000055511151231257827021181583404541015625",
        // Escapes, among them of lone and reversed surrogates.
        r#""\"\\\/\b\f\n\r\t""#,
        r#""\u0000\u001f""#,
        r#""\ud83c\udfba""#,
        r#""\ud800""#,
        r#""\udfff""#,
        r#""\ud800x""#,
        r#""\ud800\n""#,
        r#""\ud800\ud800""#,
        r#""\udc00\ud800""#,
        r#""\uD83C\u0041""#,
        r#"{"\ud800":1}"#,
        // Characters that JavaScript source, but not JSON, once treated as newlines.
        "\"\u{2028}\u{2029}\u{7f}\u{feff}\"",
    ];

    const REFUSED: &[&str] = &[
        "",
        " ",
        "\n",
        "{",
        "}",
        "[",
        "]",
        "[1",
        "[1,",
        "[,1]",
        "[1,]",
        "[1 2]",
        "{\"a\"}",
        "{\"a\":}",
        "{\"a\":1,}",
        "{,}",
        "{a:1}",
        "{1:2}",
        "{'a':1}",
        "[1]]",
        "[1}",
        "{\"a\":1]",
        // More than one value.
        "1 2",
        "{}{}",
        "[] x",
        "null,",
        "\"a\"\"b\"",
        "{}\0",
        "\0",
        "[\0]",
        "1\0",
        // Words.
        "nul",
        "nulll",
        "tru",
        "True",
        "NaN",
        "Infinity",
        "-Infinity",
        "undefined",
        "truefalse",
        // Numbers.
        "01",
        "-01",
        "00",
        "1.",
        ".1",
        "1.e1",
        "+1",
        "-",
        "--1",
        "1e",
        "1e+",
        "0x1",
        "1_0",
        "1e1.5",
        "1.2.3",
        "[1.]",
        "[-]",
        "[1e]",
        "[01]",
        "1a",
        "[1a]",
        "[1\"a\"]",
        "[true\"a\"]",
        // Strings.
        "\"",
        "\"a",
        "\"\\\"",
        r#""\x""#,
        r#""\u12""#,
        r#""\u12G4""#,
        r#""\ud8""#,
        "'a'",
        "\"\n\"",
        "\"\t\"",
        "\"\u{1}\"",
        "\"\u{1f}\"",
        "\"\0\"",
        "[\"a\"b]",
        "[\"\\\"]",
        // Not JSON's whitespace, not JSON's comments.
        "\u{feff}{}",
        "\u{a0}1",
        "\x0c1",
        "\x0b[]",
        "[1,\x0c2]",
        "[\u{2028}1]",
        "// c\n1",
        "/* c */ 1",
        "#1",
    ];

    #[test]
    fn accepts_what_json_parse_accepts() {
        let mut checker = Checker::new();
        for text in ACCEPTED {
            assert_eq!(checker.check(text.as_bytes()), Ok(()), "{text}");
            // The same deep inside and beyond the width of a vector register.
            let inside = format!("[{}{text}]", "0,".repeat(40));
            assert_eq!(checker.check(inside.as_bytes()), Ok(()), "{inside}");
        }
    }

    #[test]
    fn refuses_what_json_parse_refuses() {
        let mut checker = Checker::new();
        for text in REFUSED {
            assert_eq!(
                checker.check(text.as_bytes()),
                Err(JsonError::Syntax),
                "{text:?}"
            );
            let shifted = format!("{}{text}", " ".repeat(70));
            assert_eq!(
                checker.check(shifted.as_bytes()),
                Err(JsonError::Syntax),
                "{text:?}"
            );
        }
    }

    #[test]
    fn refuses_what_is_not_utf8() {
        let mut checker = Checker::new();
        let cases: [&[u8]; 6] = [
            b"\"\xff\"",
            b"\"\xc3\"",
            b"\"\xed\xa0\x80\"",
            b"\"\xc0\xaf\"",
            b"\xef\xbb",
            b"\xff{}",
        ];
        for text in cases {
            assert_eq!(checker.check(text), Err(JsonError::NotUtf8), "{text:?}");
        }
    }

    #[test]
    fn depth_is_bounded_for_both_opinions() {
        let mut checker = Checker::new();
        let nested = |depth: usize, inner: &str| {
            format!("{}{inner}{}", "[".repeat(depth), "]".repeat(depth))
        };
        let objects = |depth: usize| format!("{}1{}", "{\"a\":".repeat(depth), "}".repeat(depth));
        for inner in ["", "1", "1e999", r#""\ud800""#] {
            let deepest = nested(limits::JSON_DEPTH, inner);
            assert_eq!(checker.check(deepest.as_bytes()), Ok(()), "{inner}");
            let deeper = nested(limits::JSON_DEPTH + 1, inner);
            assert_eq!(
                checker.check(deeper.as_bytes()),
                Err(JsonError::TooDeep),
                "{inner}"
            );
        }
        assert_eq!(
            checker.check(objects(limits::JSON_DEPTH).as_bytes()),
            Ok(())
        );
        let deeper = objects(limits::JSON_DEPTH + 1);
        assert_eq!(checker.check(deeper.as_bytes()), Err(JsonError::TooDeep));
        // The number before the nesting makes simd-json stop early.
        let behind = format!("[1e999,{}]", nested(limits::JSON_DEPTH, ""));
        assert_eq!(checker.check(behind.as_bytes()), Err(JsonError::TooDeep));
        assert_eq!(
            checker.check(&vec![b'['; 64 * 1024]),
            Err(JsonError::TooDeep)
        );
    }

    #[test]
    fn large_texts_leave_no_large_memory() {
        let mut checker = Checker::new();
        let large = format!("[{}0]", "0,".repeat(limits::JSON_KEPT_BYTES));
        assert_eq!(checker.check(large.as_bytes()), Ok(()));
        assert_eq!(checker.tape.0.capacity(), 0);
        assert_eq!(checker.check(b"[1]"), Ok(()));
        assert!(checker.scratch.text.capacity() < 1024);
        assert!(checker.tape.0.capacity() > 0, "small texts reuse the tape");
    }

    #[test]
    fn the_reader_stands_in_for_what_simd_json_cannot_hold() {
        let mut reader = Reader::new();
        for text in ACCEPTED {
            let mut tape = empty_tape().reset();
            assert_eq!(reader.read(text.as_bytes(), &mut tape), Ok(()), "{text}");
            assert!(!tape.0.is_empty());
        }
    }

    #[test]
    fn newlines_become_spaces() {
        assert!(matches!(on_one_line(b"{\"a\": 1}"), Cow::Borrowed(_)));
        assert_eq!(
            on_one_line(b"{\r\n\t\"a\":\n1}").as_ref(),
            b"{  \t\"a\": 1}"
        );
        let far = [" ".repeat(200).as_bytes(), b"\n1"].concat();
        assert_eq!(on_one_line(&far).len(), far.len());
        assert!(!on_one_line(&far).contains(&b'\n'));
    }
}
