//! Writes JSON strings. Runs of bytes without escapes are found eight bytes at a time and copied
//! together. Every core.

/// Appends `text` as a JSON string, quotes included (RFC 8259, section 7).
pub fn string(out: &mut Vec<u8>, text: &str) {
    out.push(b'"');
    let mut rest = text.as_bytes();
    loop {
        let (clean, tail) = rest.split_at(clean_prefix(rest));
        out.extend_from_slice(clean);
        let Some((&byte, tail)) = tail.split_first() else {
            break;
        };
        escape(out, byte);
        rest = tail;
    }
    out.push(b'"');
}

/// Returns the number of leading bytes that need no escape.
fn clean_prefix(bytes: &[u8]) -> usize {
    let mut at = 0;
    while let Some(word) = bytes[at..].first_chunk() {
        if any_special(u64::from_ne_bytes(*word)) {
            break;
        }
        at += size_of::<u64>();
    }
    let clean = bytes[at..]
        .iter()
        .take_while(|byte| !is_special(**byte))
        .count();
    at + clean
}

/// Returns whether a byte of the word needs an escape.
fn any_special(word: u64) -> bool {
    const ONES: u64 = u64::from_ne_bytes([0x01; 8]);
    const TOPS: u64 = u64::from_ne_bytes([0x80; 8]);
    // The subtraction sets the top bit of every byte below `n` whose top bit was clear.
    let below = |word: u64, n: u8| word.wrapping_sub(ONES * u64::from(n)) & !word & TOPS;
    let quotes = word ^ (ONES * u64::from(b'"'));
    let backslashes = word ^ (ONES * u64::from(b'\\'));
    below(word, 0x20) | below(quotes, 1) | below(backslashes, 1) != 0
}

fn is_special(byte: u8) -> bool {
    byte < 0x20 || byte == b'"' || byte == b'\\'
}

fn escape(out: &mut Vec<u8>, byte: u8) {
    const HEX: &[u8; 16] = b"0123456789abcdef";
    let short = match byte {
        b'"' | b'\\' => byte,
        0x08 => b'b',
        0x09 => b't',
        0x0a => b'n',
        0x0c => b'f',
        0x0d => b'r',
        _ => {
            out.extend_from_slice(b"\\u00");
            out.push(HEX[usize::from(byte >> 4)]);
            out.push(HEX[usize::from(byte & 0x0f)]);
            return;
        }
    };
    out.extend_from_slice(&[b'\\', short]);
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn escaped(text: &str) -> String {
        let mut out = Vec::new();
        string(&mut out, text);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn every_ascii_character_as_serde_json_does() {
        for byte in 0..=0x7f_u8 {
            // At every place of a word, and after one.
            for before in 0..17 {
                let text = format!("{}{}{}", "x".repeat(before), char::from(byte), "yyyyyyyyyy");
                assert_eq!(escaped(&text), serde_json::to_string(&text).unwrap());
            }
        }
    }

    #[test]
    fn empty_and_wide() {
        assert_eq!(escaped(""), "\"\"");
        assert_eq!(escaped("🎺\u{2028}é"), "\"🎺\u{2028}é\"");
        assert_eq!(escaped("\"\\\n\u{1}"), r#""\"\\\n\u0001""#);
    }

    proptest! {
        #[test]
        fn any_text_as_serde_json_does(text in any::<String>()) {
            prop_assert_eq!(escaped(&text), serde_json::to_string(&text).unwrap());
        }

        #[test]
        fn word_scan_agrees_with_byte_scan(word in any::<[u8; 8]>()) {
            let expected = word.iter().any(|byte| is_special(*byte));
            prop_assert_eq!(any_special(u64::from_ne_bytes(word)), expected);
        }
    }
}
