//! The language of comments, names and messages: no metaphors for parts of the program, and doc
//! comments in plain sentences.

use crate::rule::{Found, check, lines};
use crate::source::Source;

/// This file, which has to name the words.
const OWN_PATH: &str = "tests/tidy/language.rs";

/// Words that describe a program as a house, a creature or a person. They are compared with whole
/// words, including the words of names such as `DoorBell` or `rung_bells`.
const METAPHORS: &[&str] = &[
    "anew",
    "attic",
    "bell",
    "bells",
    "came",
    "desk",
    "desks",
    "door",
    "doors",
    "farewell",
    "farewells",
    "fate",
    "floors",
    "goodbye",
    "goodbyes",
    "guest",
    "guests",
    "hear",
    "heard",
    "hears",
    "lent",
    "nap",
    "naps",
    "newcomer",
    "newcomers",
    "nobody",
    "obey",
    "obeys",
    "owe",
    "owed",
    "owes",
    "patience",
    "perch",
    "perches",
    "roof",
    "rung",
    "said",
    "sang",
    "say",
    "says",
    "sight",
    "sights",
    "sing",
    "sings",
    "soundly",
    "starve",
    "starves",
    "strangers",
    "tell",
    "tells",
    "told",
    "twin",
    "twins",
    "vain",
    "vigil",
    "watchtower",
    "whisper",
    "whoever",
];

/// Names in published interfaces that are metaphors. They cannot be changed.
const PUBLISHED_NAMES: &[&str] = &[
    // A field of the response to `GET /load`.
    "\"told\"",
];

/// Openings of doc comments that leave the reader to guess the noun or the verb.
const OPENINGS: &[&str] = &[
    "What ", "Whose ", "Who ", "True:", "False:", "`None`:", "`true`:",
];

/// Finds metaphors.
fn metaphors(source: &Source) -> Vec<Found> {
    let mut found = Vec::new();
    for (at, line) in source.text.lines().enumerate() {
        let mut line = line.to_owned();
        for name in PUBLISHED_NAMES {
            line = line.replace(name, "");
        }
        for word in words(&line) {
            if METAPHORS.contains(&word.as_str()) {
                found.push((at + 1, format!("`{word}` is a metaphor or an idiom")));
            }
        }
    }
    found
}

/// Returns the words of a line in lower case. Names in `snake_case` and `CamelCase` are divided.
fn words(line: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    let mut is_after_lower_case = false;
    for char in line.chars() {
        let begins_word = char.is_ascii_uppercase() && is_after_lower_case;
        if begins_word || !char.is_alphabetic() {
            words.push(String::new());
        }
        if char.is_alphabetic() {
            let word = words.last_mut().unwrap();
            word.extend(char.to_lowercase());
        }
        is_after_lower_case = char.is_lowercase();
    }
    words
}

/// Finds sentences of doc comments that begin with one of [`OPENINGS`].
fn doc_openings(source: &Source) -> Vec<Found> {
    let mut found = Vec::new();
    let mut begins_paragraph = true;
    for (at, line) in source.text.lines().enumerate() {
        let line = line.trim_start();
        let text = line
            .strip_prefix("///")
            .or_else(|| line.strip_prefix("//!"));
        let text = text.map_or("", str::trim_start);
        for opening in OPENINGS {
            let begins_sentence = text.contains(&format!(". {opening}"));
            if begins_sentence || begins_paragraph && text.starts_with(opening) {
                found.push((at + 1, format!("a doc comment begins with `{opening}`")));
            }
        }
        begins_paragraph = text.is_empty();
    }
    found
}

/// Checks that the doc comment of a function begins with a verb such as `Returns` or `Appends`.
fn function_docs(source: &Source) -> Vec<Found> {
    let lines: Vec<_> = source.text.lines().map(str::trim_start).collect();
    let mut found = Vec::new();
    for at in source.find("fn") {
        let line = source.line(at);
        let is_above = |line: &&&str| line.starts_with("///") || line.starts_with("#[");
        let above = lines[..line - 1].iter().rev().take_while(is_above);
        let Some(doc) = above.filter(|line| line.starts_with("///")).last() else {
            continue;
        };
        let first_word = doc.trim_start_matches('/').split_whitespace().next();
        let is_verb = first_word.is_some_and(|word| {
            word.starts_with(|first: char| first.is_ascii_uppercase())
                && word.trim_end_matches([',', '.', ':']).ends_with('s')
        });
        if !is_verb {
            found.push((
                line,
                "the doc comment of a function begins with a verb, such as `Returns`".into(),
            ));
        }
    }
    found
}

fn language(source: &Source) -> Vec<Found> {
    if source.path == OWN_PATH {
        return Vec::new();
    }
    let mut found = metaphors(source);
    found.extend(doc_openings(source));
    found.extend(function_docs(source));
    found
}

#[test]
fn comments_names_and_messages_are_plain() {
    check(&["src", "tests", "bench"], language);
}

#[test]
fn metaphors_are_found() {
    let text = "// The bell rings.\nfn has_rung() {}\nstruct DoorHandle;\nlet a = \"Told\";\n\
        // indoor bellows, floor()\n";
    assert_eq!(lines(metaphors, "src/a.rs", text), [1, 2, 3, 4]);
}

#[test]
fn doc_comments_that_begin_without_a_noun_or_verb_are_found() {
    let text = "//! What it is.\n\n/// True: it is.\n/// The number of\n/// What else. Whose one.\n\
        ///\n/// `None`: it is not.\nfn a() {}\n// What is no doc comment.\n";
    assert_eq!(lines(doc_openings, "src/a.rs", text), [1, 3, 5, 7]);
    let text = "/// The length.\nfn length() {}\n/// Returns it.\n/// Never\n#[inline]\nfn b() {}\n\
        impl A {\n    /// Whether it is.\n    #[must_use]\n    pub fn is(&self) {}\n}\n";
    assert_eq!(lines(function_docs, "src/a.rs", text), [2, 10]);
}
