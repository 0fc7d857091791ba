//! Runs a rule on all sources, or on a snippet.

use crate::source::{self, Source};

/// A violation: the line, counted from 1, and a description.
pub type Found = (usize, String);

/// Checks every source file in these directories of the package.
#[track_caller]
pub fn check(directories: &[&str], rule: fn(&Source) -> Vec<Found>) {
    let sources = source::under(directories);
    assert!(sources.len() > 10, "the directories contain the sources");
    let mut violations = Vec::new();
    for source in &sources {
        for (line, rule) in rule(source) {
            violations.push(format!("{}:{line}: {rule}\n", source.path));
        }
    }
    assert!(
        violations.is_empty(),
        "{} violations\n{}",
        violations.len(),
        violations.concat()
    );
}

/// Returns the lines of a snippet that violate a rule.
pub fn lines(rule: fn(&Source) -> Vec<Found>, path: &str, text: &str) -> Vec<usize> {
    rule(&Source::new(path, text))
        .into_iter()
        .map(|(line, _)| line)
        .collect()
}
