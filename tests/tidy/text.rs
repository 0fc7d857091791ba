//! The form of every file: its first line, its size and its lines.

use crate::rule::{Found, check, lines};
use crate::source::Source;

const FILE_LINES: usize = 500;
const COLUMNS: usize = 100;

fn opening(source: &Source) -> Vec<Found> {
    if source.text.starts_with("//! ") {
        return Vec::new();
    }
    vec![(
        1,
        "a file begins with `//!`: what it is, and on which thread it runs".into(),
    )]
}

fn file_size(source: &Source) -> Vec<Found> {
    let count = source.text.lines().count();
    if count <= FILE_LINES {
        return Vec::new();
    }
    vec![(count, format!("a file has at most {FILE_LINES} lines"))]
}

/// Checks the length of lines. Lines that are mostly literals are permitted, since a line break
/// would change the literal.
fn line_length(source: &Source) -> Vec<Found> {
    let lines = source.text.lines().zip(source.code.lines()).enumerate();
    let too_long = lines.filter(|(_, (text, code))| {
        let literal_bytes = code.bytes().filter(|byte| *byte == b'"').count();
        text.chars().count() > COLUMNS && literal_bytes < text.len() / 2
    });
    too_long
        .map(|(at, _)| (at + 1, format!("a line has at most {COLUMNS} columns")))
        .collect()
}

fn line_ends(source: &Source) -> Vec<Found> {
    let spaced = source.text.split('\n').enumerate();
    let mut found: Vec<Found> = spaced
        .filter(|(_, line)| line.ends_with([' ', '\t', '\r']))
        .map(|(at, _)| (at + 1, "a line ends without whitespace".into()))
        .collect();
    if !source.text.ends_with('\n') || source.text.ends_with("\n\n") {
        found.push((
            source.text.lines().count(),
            "a file ends with one line end".into(),
        ));
    }
    found
}

#[test]
fn files_begin_with_a_module_comment() {
    check(&["src", "tests", "bench"], opening);
    assert_eq!(lines(opening, "src/a.rs", "use a;\n//! Too late.\n"), [1]);
}

#[test]
fn files_are_short() {
    check(&["src", "tests", "bench"], file_size);
    assert_eq!(lines(file_size, "src/a.rs", &"\n".repeat(501)), [501]);
    assert_eq!(lines(file_size, "src/a.rs", &"\n".repeat(500)), [0; 0]);
}

#[test]
fn lines_are_short() {
    check(&["src", "tests", "bench"], line_length);
    let long = "x".repeat(101);
    assert_eq!(lines(line_length, "src/a.rs", &format!("\n{long}\n")), [2]);
    assert_eq!(lines(line_length, "src/a.rs", &format!("// {long}\n")), [1]);
    assert_eq!(
        lines(line_length, "src/a.rs", &format!("let a = \"{long}\";\n")),
        [0; 0]
    );
}

#[test]
fn lines_end_without_whitespace() {
    check(&["src", "tests", "bench"], line_ends);
    assert_eq!(lines(line_ends, "src/a.rs", "a \nb\n\tc\t\n"), [1, 3]);
    assert_eq!(lines(line_ends, "src/a.rs", "a"), [1]);
    assert_eq!(lines(line_ends, "src/a.rs", "a\n\n"), [2]);
}
