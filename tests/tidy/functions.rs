//! The length of functions is limited, so that a function fits on a screen.

use crate::rule::{Found, check, lines};
use crate::source::Source;

const FUNCTION_LINES: usize = 70;

fn function_size(source: &Source) -> Vec<Found> {
    let long = source.find("fn").filter_map(|at| {
        let (first, last) = (source.line(at), source.line(end(&source.code, at)?));
        (last - first >= FUNCTION_LINES).then_some(first)
    });
    long.map(|line| {
        (
            line,
            format!("a function has at most {FUNCTION_LINES} lines"),
        )
    })
    .collect()
}

/// Returns the offset of the end of the function at `at`, or `None` if the function has no body.
fn end(code: &str, at: usize) -> Option<usize> {
    let mut depth = 0;
    for (offset, byte) in code.bytes().enumerate().skip(at) {
        match byte {
            b'{' | b'(' | b'[' => depth += 1,
            b'}' | b')' | b']' => depth -= 1,
            b';' if depth == 0 => return None,
            _ => {}
        }
        if byte == b'}' && depth == 0 {
            return Some(offset);
        }
    }
    None
}

#[test]
fn functions_are_short() {
    check(&["src", "tests", "bench"], function_size);
    let body = |count| format!("\nfn f(a: [u8; 2]) {{{}}}\nfn g();\n", "\n".repeat(count));
    assert_eq!(lines(function_size, "src/a.rs", &body(70)), [2]);
    assert_eq!(lines(function_size, "src/a.rs", &body(69)), [0; 0]);
}
