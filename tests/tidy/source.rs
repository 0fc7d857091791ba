//! A source file for the rules: its text, and its code without comments and literals.

use std::fs;
use std::path::Path;

pub struct Source {
    /// Path from the root of the package, with `/`.
    pub path: String,
    pub text: String,
    /// The text with comments replaced by spaces and literals by quotes. It has the same length and
    /// the same lines as `text`.
    pub code: String,
    /// The scope of each byte of `code`.
    scopes: Vec<Scope>,
}

/// The items that enclose a byte.
#[derive(Clone, Copy, Default)]
pub struct Scope {
    /// Number of inline modules.
    pub modules: usize,
    /// Whether one of the items is a test or is compiled for tests only.
    pub is_test: bool,
}

impl Source {
    pub fn new(path: &str, text: &str) -> Self {
        let code = blank(text);
        let scopes = scopes(&code);
        Self {
            path: path.into(),
            text: text.into(),
            code,
            scopes,
        }
    }

    /// Returns the line of a byte, counted from 1.
    pub fn line(&self, offset: usize) -> usize {
        self.text[..offset].matches('\n').count() + 1
    }

    /// Returns the scope of a byte.
    pub fn scope(&self, offset: usize) -> Scope {
        self.scopes[offset]
    }

    /// Returns whether a byte is part of a test.
    pub fn is_test(&self, offset: usize) -> bool {
        let file = !self.path.starts_with("src/") || self.path.ends_with("/tests.rs");
        file || self.scope(offset).is_test
    }

    /// Returns the offsets of `pattern` in the code. Parts of longer words are not found.
    pub fn find<'a>(&'a self, pattern: &'a str) -> impl Iterator<Item = usize> + 'a {
        let is_word = |byte: Option<&u8>| byte.is_some_and(|it| is_word(*it));
        let starts_word = pattern.bytes().next().is_some_and(self::is_word);
        let ends_word = pattern.bytes().last().is_some_and(self::is_word);
        self.code
            .match_indices(pattern)
            .map(|(at, _)| at)
            .filter(move |at| {
                let bytes = self.code.as_bytes();
                let before = at.checked_sub(1).and_then(|before| bytes.get(before));
                let after = bytes.get(at + pattern.len());
                !(starts_word && is_word(before) || ends_word && is_word(after))
            })
    }
}

/// Returns whether a byte may be part of an identifier.
pub fn is_word(byte: u8) -> bool {
    byte == b'_' || byte.is_ascii_alphanumeric()
}

/// Returns all `.rs` files in these directories of the package, sorted by path.
pub fn under(directories: &[&str]) -> Vec<Source> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut sources = Vec::new();
    for directory in directories {
        walk(root, &root.join(directory), &mut sources);
    }
    sources.sort_by(|one, other| one.path.cmp(&other.path));
    sources
}

fn walk(root: &Path, directory: &Path, sources: &mut Vec<Source>) {
    let Ok(entries) = fs::read_dir(directory) else {
        return;
    };
    for entry in entries {
        let path = entry.unwrap().path();
        if path.is_dir() {
            if !path.ends_with("target") {
                walk(root, &path, sources);
            }
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let name = path
                .strip_prefix(root)
                .unwrap()
                .to_str()
                .unwrap()
                .to_owned();
            sources.push(Source::new(&name, &fs::read_to_string(&path).unwrap()));
        }
    }
}

/// Replaces each byte of a comment by a space and each byte of a literal by a quote. Line ends are
/// kept.
fn blank(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    while out.len() < bytes.len() {
        let at = out.len();
        let skipped = not_code(bytes, at);
        if skipped == 0 {
            out.push(bytes[at]);
        }
        let filler = if bytes[at] == b'/' { b' ' } else { b'"' };
        let blanks = bytes[at..at + skipped].iter();
        out.extend(blanks.map(|byte| if *byte == b'\n' { b'\n' } else { filler }));
    }
    String::from_utf8(out).expect("only whole literals and comments are replaced")
}

/// Returns the length of the comment or literal that begins at `at`, or 0 if code begins there.
fn not_code(bytes: &[u8], at: usize) -> usize {
    let rest = &bytes[at..];
    let find = |pattern: &[u8], from: usize| {
        let found = rest[from..]
            .windows(pattern.len())
            .position(|window| window == pattern);
        found.map_or(rest.len(), |found| from + found + pattern.len())
    };
    let begins_word = at == 0 || !is_word(bytes[at - 1]);
    match rest {
        [b'/', b'/', ..] => find(b"\n", 0) - 1,
        [b'/', b'*', ..] => find(b"*/", 2),
        [b'r', b'#' | b'"', ..] | [b'b', b'r', b'#' | b'"', ..] if begins_word => {
            let prefix = 1 + usize::from(rest[0] == b'b');
            let hashes = rest[prefix..]
                .iter()
                .take_while(|byte| **byte == b'#')
                .count();
            if rest.get(prefix + hashes) != Some(&b'"') {
                return 0; // This is a raw identifier.
            }
            let end = [&b"\""[..], &vec![b'#'; hashes]].concat();
            find(&end, prefix + hashes + 1)
        }
        [b'"', ..] => quoted(rest, b'"'),
        [b'\'', b'\\', ..] => quoted(rest, b'\''),
        // A character literal ends after one character; a lifetime does not.
        [b'\'', first, ..] if *first != b'\'' => {
            let length = str::from_utf8(&rest[1..rest.len().min(5)])
                .map_or_else(|error| str::from_utf8(&rest[1..=error.valid_up_to()]), Ok)
                .ok()
                .and_then(|text| text.chars().next())
                .map_or(0, char::len_utf8);
            if length > 0 && rest.get(length + 1) == Some(&b'\'') {
                length + 2
            } else {
                0
            }
        }
        _ => 0,
    }
}

/// Returns the length of a literal with escapes.
fn quoted(rest: &[u8], quote: u8) -> usize {
    let mut at = 1;
    while at < rest.len() && rest[at] != quote {
        at += 1 + usize::from(rest[at] == b'\\');
    }
    (at + 1).min(rest.len())
}

/// Returns the scope of each byte.
fn scopes(code: &str) -> Vec<Scope> {
    let bytes = code.as_bytes();
    // The scope outside of each open brace, and the start of the current statement.
    let (mut open, mut scopes, mut start) = (Vec::new(), Vec::with_capacity(bytes.len()), 0);
    let mut scope = Scope::default();
    for (at, byte) in bytes.iter().enumerate() {
        scopes.push(scope);
        match byte {
            b'{' => {
                open.push(scope);
                let head = &code[start..at];
                scope.is_test |= head.contains("cfg(test)") || head.contains("[test]");
                scope.modules += usize::from(head.split_whitespace().any(|word| word == "mod"));
            }
            b'}' => scope = open.pop().unwrap_or_default(),
            _ => {}
        }
        if matches!(byte, b'{' | b'}' | b';') {
            start = at + 1;
        }
    }
    scopes
}

#[test]
fn only_comments_and_literals_are_replaced() {
    let cases = [
        ("a // b\nc", "a     \nc"),
        ("a /* b\n */ c", "a     \n    c"),
        (r#"f("x \" y", a)"#, "f(********, a)"),
        (r##"f(r#"a " b"#)"##, "f(**********)"),
        ("f(br\"a\", b'\\'', 'é', '{')", "f(*****, b****, ****, ***)"),
        (
            "fn f<'a>(x: &'a str, r#y: u8)",
            "fn f<'a>(x: &'a str, r#y: u8)",
        ),
    ];
    for (text, code) in cases {
        assert_eq!(Source::new("src/a.rs", text).code, code.replace('*', "\""));
    }
}

#[test]
fn only_whole_words_are_found_and_test_code_is_recognised() {
    let text = "fn a() { x() }\n#[cfg(test)]\nmod tests {\n    fn b() { xx(); x() }\n}\n";
    let source = Source::new("src/a.rs", text);
    let found: Vec<_> = source
        .find("x")
        .map(|at| (source.line(at), source.is_test(at)))
        .collect();
    assert_eq!(found, [(1, false), (4, true)]);
}
