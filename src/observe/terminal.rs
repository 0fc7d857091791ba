//! Text from outside the process for a terminal. Any thread.

use std::borrow::Cow;
use std::fmt::Write as _;

/// Returns the text with escapes of JSON such as `\u009b` instead of the characters that a terminal
/// acts on, except newline and tab. In the strings of JSON, where alone such characters can occur,
/// the escapes keep their meaning.
pub fn escape_for_terminal(text: &str) -> Cow<'_, str> {
    if !text.contains(acts_on_terminal) {
        return text.into();
    }
    let mut escaped = String::with_capacity(text.len() + 16);
    for character in text.chars() {
        if acts_on_terminal(character) {
            let _ = write!(escaped, "\\u{:04x}", u32::from(character));
        } else {
            escaped.push(character);
        }
    }
    escaped.into()
}

/// Returns whether a terminal acts on a character: C0, DEL, C1, and the embeddings, overrides and
/// isolates of the bidirectional algorithm (Unicode, annex 9).
fn acts_on_terminal(character: char) -> bool {
    match character {
        '\n' | '\t' => false,
        '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => true,
        other => other.is_control(),
    }
}
