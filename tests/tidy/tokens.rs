//! Divides the code of a source file into tokens, and reads from them what import rules need: the
//! modules and items that a file declares, its `use` declarations, and the paths that it mentions.

use std::collections::BTreeSet;

use crate::source::{Source, is_word};

/// Keywords that are followed by the name of an item.
const ITEM_KEYWORDS: [&str; 9] = [
    "const", "enum", "fn", "mod", "static", "struct", "trait", "type", "union",
];

/// The module of a file, or an inline module `mod name { ... }` in it.
#[derive(Default)]
pub struct ParsedModule {
    /// Names of the inline modules from the file's own module to this one; empty for the former.
    pub inline_path: Vec<String>,
    /// Modules that are declared by `mod name;`, with the value of `#[path = "..."]` if given.
    pub declared: Vec<(String, Option<String>)>,
    pub items: BTreeSet<String>,
    pub uses: Vec<UseDeclaration>,
    /// Paths of two or more segments outside of `use` declarations.
    pub paths: Vec<Vec<String>>,
    /// Every identifier outside of `use` declarations.
    pub names: BTreeSet<String>,
}

/// One leaf of a `use` tree: `use a::{b as c, d::*}` has two.
pub struct UseDeclaration {
    /// Segments, without the `*` of a glob import.
    pub path: Vec<String>,
    /// The name that the declaration brings into scope; `None` for a glob import.
    pub name: Option<String>,
    /// Whether the declaration begins with `pub`, with or without a restriction.
    pub is_reexport: bool,
}

/// A word, `::`, `..`, or one byte of punctuation.
struct Token<'a> {
    text: &'a str,
    at: usize,
}

/// Reads all modules of a file; the first one is the module of the file itself.
pub fn parse(source: &Source) -> Vec<ParsedModule> {
    let tokens = tokens(&source.code);
    let mut modules = vec![ParsedModule::default()];
    // The module that each open brace belongs to, and whether the brace is that of the module.
    let mut open = vec![(0, true)];
    let mut at = 0;
    while at < tokens.len() {
        let &(module, is_module_level) = open.last().unwrap_or(&(0, true));
        let text = tokens[at].text;
        let next = tokens.get(at + 1).map_or("", |token| token.text);
        let after = tokens.get(at + 2).map_or("", |token| token.text);
        match text {
            "use" => {
                at = parse_use(&tokens, at, &mut modules[module].uses);
                continue;
            }
            "mod" if after == "{" => {
                let mut inline_path = modules[module].inline_path.clone();
                inline_path.push(next.to_owned());
                modules[module].items.insert(next.to_owned());
                modules.push(ParsedModule {
                    inline_path,
                    ..ParsedModule::default()
                });
                open.push((modules.len() - 1, true));
                at += 3;
                continue;
            }
            "mod" if after == ";" => {
                let path = path_attribute(source, tokens[at].at);
                modules[module].declared.push((next.to_owned(), path));
            }
            "{" => open.push((module, false)),
            "}" => drop(open.pop()),
            _ if is_module_level && ITEM_KEYWORDS.contains(&text) && is_name(next) => {
                modules[module].items.insert(next.to_owned());
            }
            "macro_rules" if next == "!" => {
                modules[module].items.insert(after.to_owned());
            }
            _ => {}
        }
        at = parse_path(&tokens, at, &mut modules[module]);
    }
    modules
}

fn tokens(code: &str) -> Vec<Token<'_>> {
    let bytes = code.as_bytes();
    let mut tokens = Vec::new();
    let mut at = 0;
    while at < bytes.len() {
        let rest = &bytes[at..];
        let length = match rest {
            [b':', b':', ..] | [b'.', b'.', ..] => 2,
            [first, ..] if is_word(*first) => rest.iter().take_while(|it| is_word(**it)).count(),
            _ => 1,
        };
        // A literal is blanked out by quotes, or holds characters that are not ASCII.
        let is_token = !matches!(bytes[at], b' ' | b'\n' | b'\t' | b'"') && bytes[at].is_ascii();
        if is_token {
            let text = &code[at..at + length];
            tokens.push(Token { text, at });
        }
        at += length;
    }
    tokens
}

/// Returns the value of the attribute `#[path = "..."]` right before a `mod` keyword.
fn path_attribute(source: &Source, mod_at: usize) -> Option<String> {
    let statement_start = source.code[..mod_at]
        .rfind([';', '}'])
        .map_or(0, |at| at + 1);
    let attributes = &source.text[statement_start..mod_at];
    let (_, value) = attributes.split_once("#[path = \"")?;
    let (value, _) = value.split_once('"')?;
    Some(value.to_owned())
}

/// Appends the leaves of the `use` declaration at token `at`. Returns the token after its `;`.
fn parse_use(tokens: &[Token<'_>], at: usize, uses: &mut Vec<UseDeclaration>) -> usize {
    let before = at.checked_sub(1).map_or("", |before| tokens[before].text);
    let is_reexport = matches!(before, "pub" | ")");
    let end = tokens[at..]
        .iter()
        .position(|token| token.text == ";")
        .map_or(tokens.len(), |length| at + length);
    parse_use_tree(&tokens[at + 1..end], &[], is_reexport, uses);
    end + 1
}

fn parse_use_tree(
    tokens: &[Token<'_>],
    prefix: &[String],
    is_reexport: bool,
    uses: &mut Vec<UseDeclaration>,
) {
    let mut path = prefix.to_vec();
    let mut name = None;
    let mut at = 0;
    while at < tokens.len() {
        match tokens[at].text {
            "::" => {}
            "*" => {
                uses.push(UseDeclaration {
                    path,
                    name: None,
                    is_reexport,
                });
                return;
            }
            "{" => {
                for tree in group_members(&tokens[at + 1..]) {
                    parse_use_tree(tree, &path, is_reexport, uses);
                }
                return;
            }
            "as" => {
                name = tokens.get(at + 1).map(|token| token.text.to_owned());
                break;
            }
            // `a::{self}` imports `a`.
            "self" if !path.is_empty() => {}
            segment => path.push(segment.to_owned()),
        }
        at += 1;
    }
    if let Some(last) = path.last() {
        let name = name.or_else(|| Some(last.clone()));
        uses.push(UseDeclaration {
            path,
            name,
            is_reexport,
        });
    }
}

/// Divides the content of a brace group at its own commas, up to the closing brace.
fn group_members<'t, 'a>(tokens: &'t [Token<'a>]) -> Vec<&'t [Token<'a>]> {
    let mut members = Vec::new();
    let mut start = 0;
    let mut depth = 0;
    for (at, token) in tokens.iter().enumerate() {
        match token.text {
            "{" => depth += 1,
            "}" if depth > 0 => depth -= 1,
            "," | "}" if depth == 0 => {
                members.push(&tokens[start..at]);
                start = at + 1;
                if token.text == "}" {
                    break;
                }
            }
            _ => {}
        }
    }
    members
}

/// Records the identifier or path at token `at`. Returns the token after it.
fn parse_path(tokens: &[Token<'_>], at: usize, module: &mut ParsedModule) -> usize {
    if !is_name(tokens[at].text) {
        return at + 1;
    }
    let mut path = vec![tokens[at].text.to_owned()];
    let mut end = at + 1;
    while let [colons, segment, ..] = &tokens[end..]
        && colons.text == "::"
        && is_name(segment.text)
    {
        path.push(segment.text.to_owned());
        end += 2;
    }
    module.names.extend(path.iter().cloned());
    // A field, a method, a lifetime, or an associated item of a type in angle brackets.
    let before = at.checked_sub(1).map_or("", |before| tokens[before].text);
    let begins_path = !matches!(before, "." | "'" | "::");
    if begins_path && path.len() > 1 {
        module.paths.push(path);
    }
    end
}

fn is_name(text: &str) -> bool {
    let first = text.bytes().next();
    first.is_some_and(|first| is_word(first) && !first.is_ascii_digit())
}

#[test]
fn modules_items_uses_and_paths_are_read() {
    let text = "\
        #[path = \"x/b.rs\"]\nmod b;\npub(crate) mod c;\n\
        pub use b::{B as Other, d::{self, D}, e::*};\nuse super::F;\n\
        struct S { f: F }\nimpl S { fn method(&self) -> c::C { self.x::<u8>(..h::h()) } }\n\
        mod tests { use super::*; fn inner() { crate::g::run() } }\n";
    let modules = parse(&Source::new("src/a.rs", text));
    let [file, tests] = modules.as_slice() else {
        panic!("{} modules", modules.len());
    };
    let uses = |module: &ParsedModule| -> Vec<_> {
        let uses = module.uses.iter();
        uses.map(|it| {
            let name = it.name.as_deref().unwrap_or("*");
            (it.path.join("::"), name.to_owned(), it.is_reexport)
        })
        .collect()
    };
    let import = |path: &str, name: &str, is_reexport| (path.into(), name.into(), is_reexport);
    assert_eq!(
        uses(file),
        [
            import("b::B", "Other", true),
            import("b::d", "d", true),
            import("b::d::D", "D", true),
            import("b::e", "*", true),
            import("super::F", "F", false),
        ]
    );
    assert_eq!(
        file.declared,
        [("b".into(), Some("x/b.rs".into())), ("c".into(), None)]
    );
    assert!(file.items.iter().eq(["S", "tests"]));
    assert_eq!(file.paths, [["c", "C"], ["h", "h"]]);
    assert!(file.names.contains("F") && !file.names.contains("Other"));
    assert_eq!(tests.inline_path, ["tests"]);
    assert_eq!(uses(tests), [import("super", "*", false)]);
    assert_eq!(tests.paths, [["crate", "g", "run"]]);
}
