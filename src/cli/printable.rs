//! Text from other programs for a terminal: characters that a terminal acts on, instead of showing
//! them, are escaped. Runs on the main thread.

use std::borrow::Cow;
use std::fmt::Write as _;

/// Where text is printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Destination {
    Terminal,
    /// A file, a pipe or another program.
    Other,
}

impl Destination {
    /// Returns whether a stream of the process is a terminal.
    pub(super) fn of(stream: &impl std::io::IsTerminal) -> Self {
        if stream.is_terminal() {
            Self::Terminal
        } else {
            Self::Other
        }
    }

    /// Returns the text as it is printed. For a terminal, control characters other than newline and
    /// tab, and the characters that change the direction of text, become escapes of JSON such as
    /// `\u009b`. In the strings of JSON, where alone they can occur, they keep their meaning.
    pub(super) fn show(self, text: &str) -> Cow<'_, str> {
        if self == Self::Other || !text.contains(acts_on_terminal) {
            return text.into();
        }
        let mut shown = String::with_capacity(text.len() + 16);
        for character in text.chars() {
            if acts_on_terminal(character) {
                let _ = write!(shown, "\\u{:04x}", u32::from(character));
            } else {
                shown.push(character);
            }
        }
        shown.into()
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_terminal_gets_escapes_and_others_get_the_text() {
        let cases = [
            ("\u{1b}[2J\u{7}\r", r"\u001b[2J\u0007\u000d"),
            (
                "\u{7f}\u{80}\u{9b}31m\u{9f}",
                r"\u007f\u0080\u009b31m\u009f",
            ),
            ("a\u{202e}b\u{2069}", r"a\u202eb\u2069"),
            ("\0", r"\u0000"),
            ("a\tb\n", "a\tb\n"),
            ("é 🎺 日本 \u{a0}\u{200f}עב", "é 🎺 日本 \u{a0}\u{200f}עב"),
        ];
        for (text, shown) in cases {
            assert_eq!(Destination::Terminal.show(text), shown);
            assert!(matches!(Destination::Other.show(text), Cow::Borrowed(it) if it == text));
        }
    }

    #[test]
    fn json_keeps_its_value() {
        let json = "{\"a\u{9b}\":\"\u{7f}\u{202e}\\u001b\"}";
        let shown = Destination::Terminal.show(json);
        let read = |text: &str| serde_json::from_str::<serde_json::Value>(text).expect("JSON");
        assert_eq!(read(&shown), read(json));
        assert!(shown.is_ascii());
    }
}
