//! Text from other programs for a terminal: characters that a terminal acts on, instead of showing
//! them, are escaped. Runs on the main thread.

use std::borrow::Cow;

use fanfare::observe::escape_for_terminal;

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

    /// Returns the text as it is printed: for a terminal, with escapes.
    pub(super) fn show(self, text: &str) -> Cow<'_, str> {
        match self {
            Self::Terminal => escape_for_terminal(text),
            Self::Other => text.into(),
        }
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
