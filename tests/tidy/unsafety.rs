//! `unsafe` lives in a few named files, and says each time why it is sound.

use crate::source::Source;
use crate::{Found, check, lines};

const FILES: [&str; 6] = [
    "src/shard/buffers.rs",
    "src/shard/egress.rs",
    "src/shard/executor.rs",
    "src/shard/ring.rs",
    "src/shard/system.rs",
    "src/shard/uring.rs",
];

fn unsafety(source: &Source) -> Vec<Found> {
    let named = FILES.contains(&source.path.as_str());
    let mut found = Vec::new();
    for at in source.find("unsafe") {
        let line = source.line(at);
        let is_function = source.code[at..].split_whitespace().nth(1) == Some("fn");
        let reason = if is_function {
            "# Safety"
        } else {
            "// SAFETY:"
        };
        if !named {
            found.push((
                line,
                "`unsafe` stays in the named files of src/shard".into(),
            ));
        } else if !comment_above(&source.text, line).contains(reason) {
            found.push((line, format!("`{reason}` stands right above `unsafe`")));
        }
    }
    found
}

/// The comments and attributes right above a line, and above the statement it is in.
fn comment_above(text: &str, line: usize) -> String {
    let above: Vec<_> = text.lines().take(line - 1).collect();
    let is_comment = |line: &&&str| line.trim_start().starts_with(['/', '#']);
    // The statement may begin on the line before, as in `let a =` and then the block.
    let continued = above
        .iter()
        .rev()
        .take_while(|line| line.trim_end().ends_with('='))
        .count();
    let comment = above.iter().rev().skip(continued).take_while(is_comment);
    comment.copied().collect::<Vec<_>>().join("\n")
}

#[test]
fn unsafe_code_says_why_it_is_sound() {
    check(&["src", "tests", "bench"], unsafety);
    let text = "\
        // SAFETY: it is.\nlet a =\n    unsafe { f() };\nlet b = unsafe { f() };\n\
        /// # Safety\n/// Never call it.\nunsafe fn f() {}\nunsafe impl Send for A {}\n";
    assert_eq!(lines(unsafety, "src/shard/uring.rs", text), [4, 8]);
    assert_eq!(lines(unsafety, "src/hub/mod.rs", text), [3, 4, 7, 8]);
}
