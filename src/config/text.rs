//! Text of generated pages. Used on the main thread and in tests.

use std::fmt::Write as _;

/// Joins the lines of a doc comment, each of which begins with a space.
pub(super) fn one_line(doc: &[&str]) -> String {
    let lines: Vec<_> = doc.iter().map(|line| line.trim()).collect();
    lines.join(" ")
}

/// Appends `text` in lines of at most `columns` characters, each after `prefix`. Lines are divided
/// at spaces.
pub(super) fn wrap(out: &mut String, text: &str, prefix: &str, columns: usize) {
    let mut line = String::from(prefix);
    for word in text.split(' ') {
        let is_first = line.len() == prefix.len();
        let separator = usize::from(!is_first);
        let is_full = line.chars().count() + separator + word.chars().count() > columns;
        if is_full && !is_first {
            let _ = writeln!(out, "{line}");
            line.truncate(prefix.len());
        } else if !is_first {
            line.push(' ');
        }
        line.push_str(word);
    }
    let _ = writeln!(out, "{line}");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_divided_at_spaces() {
        let mut out = String::new();
        wrap(&mut out, "one two three four", "# ", 9);
        assert_eq!(out, "# one two\n# three\n# four\n");
    }
}
