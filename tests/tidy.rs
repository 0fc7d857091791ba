//! The rules of the house, checked on the text of the sources. A violation reads
//! `file:line: rule`. Each rule has a bad snippet beside it that it must find.

#![allow(clippy::unwrap_used, unreachable_pub)]

#[path = "tidy/cycles.rs"]
mod cycles;
#[path = "tidy/functions.rs"]
mod functions;
#[path = "tidy/language.rs"]
mod language;
#[path = "tidy/layers.rs"]
mod layers;
#[path = "tidy/metrics.rs"]
mod metrics;
#[path = "tidy/module_tree.rs"]
mod module_tree;
#[path = "tidy/modules.rs"]
mod modules;
#[path = "tidy/source.rs"]
mod source;
#[path = "tidy/text.rs"]
mod text;
#[path = "tidy/tokens.rs"]
mod tokens;
#[path = "tidy/unsafety.rs"]
mod unsafety;
#[path = "tidy/words.rs"]
mod words;

use source::Source;

/// A line, from 1, and what is wrong with it.
type Found = (usize, String);

/// Checks every file under these folders of the package.
#[track_caller]
fn check(folders: &[&str], rule: fn(&Source) -> Vec<Found>) {
    let sources = source::under(folders);
    assert!(sources.len() > 10, "the sources are where they were");
    let violations: Vec<_> = sources
        .iter()
        .flat_map(|source| {
            let found = rule(source).into_iter();
            found.map(|(line, rule)| format!("{}:{line}: {rule}\n", source.path))
        })
        .collect();
    assert!(
        violations.is_empty(),
        "{} violations\n{}",
        violations.len(),
        violations.concat()
    );
}

/// The lines that a rule finds in a snippet.
fn lines(rule: fn(&Source) -> Vec<Found>, path: &str, text: &str) -> Vec<usize> {
    rule(&Source::new(path, text))
        .into_iter()
        .map(|(line, _)| line)
        .collect()
}
