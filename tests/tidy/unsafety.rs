//! `unsafe` is permitted in a few files only, and each use has a comment that explains why it is
//! sound.

use crate::rule::{Found, check, lines};
use crate::source::Source;

const FILES: [&str; 7] = [
    "src/ingest/system.rs",
    "src/shard/buffers.rs",
    "src/shard/egress.rs",
    "src/shard/executor.rs",
    "src/shard/ring.rs",
    "src/shard/system.rs",
    "src/shard/uring.rs",
];

fn unsafety(source: &Source) -> Vec<Found> {
    let is_permitted = FILES.contains(&source.path.as_str());
    let mut found = Vec::new();
    for at in source.find("unsafe") {
        let line = source.line(at);
        let is_function = source.code[at..].split_whitespace().nth(1) == Some("fn");
        let reason = if is_function {
            "# Safety"
        } else {
            "// SAFETY:"
        };
        if !is_permitted {
            found.push((
                line,
                "`unsafe` is permitted only in the listed files".into(),
            ));
        } else if !comment_above(&source.text, line).contains(reason) {
            found.push((line, format!("`{reason}` is missing right above `unsafe`")));
        }
    }
    found
}

/// Returns the comments and attributes right above a line, or above the statement that contains it.
fn comment_above(text: &str, line: usize) -> String {
    let above: Vec<_> = text.lines().take(line - 1).collect();
    let is_comment = |line: &&&str| line.trim_start().starts_with(['/', '#']);
    // The statement may begin on the previous line, as `let a =` does.
    let continued = above
        .iter()
        .rev()
        .take_while(|line| line.trim_end().ends_with('='))
        .count();
    let comment = above.iter().rev().skip(continued).take_while(is_comment);
    comment.copied().collect::<Vec<_>>().join("\n")
}

#[test]
fn unsafe_code_has_a_comment_that_explains_why_it_is_sound() {
    check(&["src", "tests", "bench"], unsafety);
    let text = "\
        // SAFETY: it is.\nlet a =\n    unsafe { f() };\nlet b = unsafe { f() };\n\
        /// # Safety\n/// Never call it.\nunsafe fn f() {}\nunsafe impl Send for A {}\n";
    assert_eq!(lines(unsafety, "src/shard/uring.rs", text), [4, 8]);
    assert_eq!(lines(unsafety, "src/hub/mod.rs", text), [3, 4, 7, 8]);
}
