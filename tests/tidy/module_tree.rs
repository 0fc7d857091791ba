//! The modules of all crates of the package, each with the file that it is in, and the resolution
//! of paths: which file defines the item that a path names, also through re-exports.

use std::collections::BTreeMap;

use crate::source::Source;
use crate::tokens::{self, ParsedModule};

/// The name of the library crate, which the other crates of the package import from.
const LIBRARY: &str = "fanfare";

/// A chain of re-exports longer than this is taken for an endless one.
const REEXPORTS_MAX: usize = 16;

/// Index of a module in a [`ModuleTree`].
pub type ModuleId = usize;

pub struct Module {
    /// Path of the file from the root of the package.
    pub file: String,
    pub parsed: ParsedModule,
    crate_root: ModuleId,
    parent: Option<ModuleId>,
    children: BTreeMap<String, ModuleId>,
}

/// The meaning of a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Target {
    Module(ModuleId),
    /// An item that is defined in this module.
    Item(ModuleId),
}

pub struct ModuleTree {
    pub modules: Vec<Module>,
    lib_root: Option<ModuleId>,
}

impl ModuleTree {
    pub fn new(sources: &[Source]) -> Self {
        let by_path: BTreeMap<_, _> = sources
            .iter()
            .map(|source| (source.path.as_str(), source))
            .collect();
        let mut tree = Self {
            modules: Vec::new(),
            lib_root: None,
        };
        for source in sources {
            if is_crate_root(&source.path) {
                let root = tree.add_file(source, None, ChildFiles::Beside, &by_path);
                if source.path == "src/lib.rs" {
                    tree.lib_root = Some(root);
                }
            }
        }
        tree
    }

    /// Adds the modules of a file and of the files that it declares. Returns the file's module.
    fn add_file(
        &mut self,
        source: &Source,
        parent: Option<ModuleId>,
        children: ChildFiles,
        sources: &BTreeMap<&str, &Source>,
    ) -> ModuleId {
        let file_module = self.modules.len();
        let crate_root = parent.map_or(file_module, |parent| self.modules[parent].crate_root);
        let mut inline_modules = BTreeMap::new();
        for parsed in tokens::parse(source) {
            let id = self.modules.len();
            let inline_path = parsed.inline_path.clone();
            let declared = parsed.declared.clone();
            let parent = match inline_path.split_last() {
                None => parent,
                Some((name, outer)) => {
                    let outer: ModuleId = inline_modules[outer];
                    self.modules[outer].children.insert(name.clone(), id);
                    Some(outer)
                }
            };
            self.modules.push(Module {
                file: source.path.clone(),
                parsed,
                crate_root,
                parent,
                children: BTreeMap::new(),
            });
            for (name, path) in declared {
                let candidates = match &path {
                    Some(path) => vec![format!("{}/{path}", folder(&source.path))],
                    None => children.candidates(&source.path, &inline_path, &name),
                };
                let file = candidates.iter().find_map(|it| sources.get(it.as_str()));
                if let Some(file) = file {
                    let child = self.add_file(
                        file,
                        Some(id),
                        ChildFiles::of(&file.path, path.is_some()),
                        sources,
                    );
                    self.modules[id].children.insert(name, child);
                }
            }
            inline_modules.insert(inline_path, id);
        }
        file_module
    }

    /// Resolves a path that is written in `module`. Returns `None` for a path into another package.
    pub fn resolve(&self, module: ModuleId, path: &[String]) -> Option<Target> {
        self.resolve_within(module, path, REEXPORTS_MAX)
    }

    /// Resolves a name of `module`: one of its items, imports or children.
    pub fn lookup(&self, module: ModuleId, name: &str) -> Option<Target> {
        self.lookup_within(module, name, false, REEXPORTS_MAX)
    }

    fn resolve_within(&self, module: ModuleId, path: &[String], left: usize) -> Option<Target> {
        let left = left.checked_sub(1)?;
        let mut target = Target::Module(module);
        for (at, segment) in path.iter().enumerate() {
            let Target::Module(current) = target else {
                break; // The rest names a variant or an associated item.
            };
            let is_first = at == 0;
            let has_more = at + 1 < path.len();
            target = match segment.as_str() {
                "crate" => Target::Module(self.modules[current].crate_root),
                "self" => target,
                "super" => Target::Module(self.modules[current].parent?),
                LIBRARY if is_first && self.lib_root.is_some() => Target::Module(self.lib_root?),
                name => match self.lookup_within(current, name, has_more, left) {
                    Some(target) => target,
                    None if is_first => return None,
                    // A macro made it, or the file was read in part only.
                    None => Target::Item(current),
                },
            };
        }
        Some(target)
    }

    /// Looks a name up. A module and an item may have the same name; `wants_module` selects the
    /// former.
    fn lookup_within(
        &self,
        module: ModuleId,
        name: &str,
        wants_module: bool,
        left: usize,
    ) -> Option<Target> {
        let Module {
            parsed, children, ..
        } = &self.modules[module];
        let child = children.get(name).copied().map(Target::Module);
        let is_item = parsed.items.contains(name);
        if child.is_some() && (wants_module || !is_item) {
            return child;
        }
        if is_item {
            return child
                .filter(|_| wants_module)
                .or(Some(Target::Item(module)));
        }
        let (mut named, mut globs) = (Vec::new(), Vec::new());
        for declaration in &parsed.uses {
            match &declaration.name {
                Some(imported) if imported == name => named.push(declaration),
                Some(_) => {}
                None => globs.push(declaration),
            }
        }
        for declaration in named {
            // `use name::...` in this module does not define `name`.
            if declaration.path.first().is_some_and(|first| first != name)
                && let Some(target) = self.resolve_within(module, &declaration.path, left)
            {
                return Some(target);
            }
        }
        globs.iter().find_map(|declaration| {
            match self.resolve_within(module, &declaration.path, left)? {
                Target::Module(other) if other != module => {
                    self.lookup_within(other, name, wants_module, left.checked_sub(1)?)
                }
                _ => None,
            }
        })
    }
}

/// Where the files of the modules are that a file declares.
#[derive(Clone, Copy)]
enum ChildFiles {
    /// In the same directory: `mod.rs`, the root of a crate, a file that `#[path]` names.
    Beside,
    /// In a directory that is named after the file.
    Below,
}

impl ChildFiles {
    fn of(path: &str, has_path_attribute: bool) -> Self {
        if has_path_attribute || path.ends_with("/mod.rs") {
            Self::Beside
        } else {
            Self::Below
        }
    }

    /// Returns the possible files of a module that is declared in an inline module of `path`.
    fn candidates(self, path: &str, inline_path: &[String], name: &str) -> Vec<String> {
        let mut directory = match self {
            Self::Beside => folder(path),
            Self::Below => path.trim_end_matches(".rs"),
        }
        .to_owned();
        for module in inline_path {
            directory = format!("{directory}/{module}");
        }
        vec![
            format!("{directory}/{name}.rs"),
            format!("{directory}/{name}/mod.rs"),
        ]
    }
}

fn folder(path: &str) -> &str {
    path.rsplit_once('/').map_or("", |(folder, _)| folder)
}

/// Returns whether a file is the root of a crate: of the library, the programs, or a test program.
fn is_crate_root(path: &str) -> bool {
    let is_test_file = path.starts_with("tests/") && path.matches('/').count() == 1;
    let is_test_folder = path.starts_with("tests/") && path.ends_with("main.rs");
    matches!(path, "src/lib.rs" | "src/main.rs" | "bench/main.rs") || is_test_file || is_test_folder
}

#[test]
fn paths_are_resolved_to_the_file_that_defines_the_item() {
    let sources = [
        Source::new("src/lib.rs", "pub mod a;\npub mod b;\n"),
        Source::new(
            "src/a.rs",
            "mod child;\npub use child::{self, Thing};\npub fn own() {}\n",
        ),
        Source::new("src/a/child.rs", "pub struct Thing;\nuse super::own;\n"),
        Source::new(
            "src/b/mod.rs",
            "pub use crate::a::*;\npub mod c;\npub fn c() {}\n",
        ),
        Source::new("src/b/c.rs", "mod tests { use super::super::Thing; }\n"),
        Source::new("tests/t.rs", "#[path = \"t/part.rs\"]\nmod part;\n"),
        Source::new("tests/t/part.rs", ""),
    ];
    let tree = ModuleTree::new(&sources);
    let module = |file: &str| tree.modules.iter().position(|it| it.file == file).unwrap();
    let resolved = |from: &str, path: &str| {
        let path: Vec<_> = path.split("::").map(str::to_owned).collect();
        tree.resolve(module(from), &path)
    };
    let thing = Some(Target::Item(module("src/a/child.rs")));
    assert_eq!(resolved("src/b/c.rs", "super::Thing"), thing);
    assert_eq!(resolved("src/b/c.rs", "crate::a::child::Thing::new"), thing);
    assert_eq!(resolved("tests/t/part.rs", "fanfare::b::Thing"), thing);
    let (a, c) = (module("src/a.rs"), module("src/b/c.rs"));
    assert_eq!(resolved("src/a/child.rs", "own"), Some(Target::Item(a)));
    assert_eq!(
        resolved("src/lib.rs", "b::c::made_by_macro"),
        Some(Target::Item(c))
    );
    assert_eq!(
        resolved("src/lib.rs", "b::c"),
        Some(Target::Item(module("src/b/mod.rs")))
    );
    assert_eq!(resolved("src/b/c.rs", "std::mem::take"), None);
    assert_eq!(
        resolved("tests/t/part.rs", "super"),
        Some(Target::Module(module("tests/t.rs")))
    );
}
