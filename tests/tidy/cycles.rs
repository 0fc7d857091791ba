//! Files do not import each other in a circle, so that each file can be read with only its imports
//! known. An import through a re-export counts as an import from the file that defines the item.
//! The declaration of a module, or a re-export from it, is not an import.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::fmt::Write as _;

use crate::module_tree::{ModuleId, ModuleTree, Target};
use crate::source::{self, Source};

/// For each file, the files that it imports from, with the names of the items.
type Graph = BTreeMap<String, BTreeMap<String, BTreeSet<String>>>;

/// The files of a cycle, each importing from the next and the last from the first. Begins with the
/// file that is first in the alphabet.
type Cycle = Vec<String>;

/// Returns the imports of all files.
fn graph(sources: &[Source]) -> Graph {
    let tree = ModuleTree::new(sources);
    let mut graph = Graph::new();
    for id in 0..tree.modules.len() {
        let file = &tree.modules[id].file;
        for (other, name) in imports(&tree, id) {
            let other_file = &tree.modules[other].file;
            if other_file != file {
                let imported = graph.entry(file.clone()).or_default();
                imported.entry(other_file.clone()).or_default().insert(name);
            }
        }
    }
    graph
}

/// Returns the items that a module imports: the module that defines each, and its name.
fn imports(tree: &ModuleTree, id: ModuleId) -> Vec<(ModuleId, String)> {
    let parsed = &tree.modules[id].parsed;
    let mut found = Vec::new();
    for declaration in &parsed.uses {
        let target = tree.resolve(id, &declaration.path);
        match (&declaration.name, target) {
            (Some(name), Some(Target::Item(other))) => {
                if !declaration.is_reexport || parsed.names.contains(name) {
                    found.push((other, name.clone()));
                }
            }
            // The use of an imported module is found in the paths that begin with its name.
            (Some(_), Some(Target::Module(_))) | (_, None) => {}
            (None, Some(Target::Item(other))) => found.push((other, "*".to_owned())),
            (None, Some(Target::Module(other))) => {
                for name in &parsed.names {
                    if let Some(Target::Item(definition)) = tree.lookup(other, name) {
                        found.push((definition, name.clone()));
                    }
                }
            }
        }
    }
    for path in &parsed.paths {
        if let (Some(Target::Item(other)), Some(name)) = (tree.resolve(id, path), path.last()) {
            found.push((other, name.clone()));
        }
    }
    found
}

/// Returns the shortest cycle through each file that is part of one.
fn cycles(graph: &Graph) -> BTreeSet<Cycle> {
    let mut cycles = BTreeSet::new();
    for (file, imported) in graph {
        let through_file = imported
            .keys()
            .filter_map(|other| shortest_path(graph, other, file))
            .min_by_key(Vec::len);
        if let Some(mut cycle) = through_file {
            let first = (0..cycle.len()).min_by_key(|at| &cycle[*at]).unwrap();
            cycle.rotate_left(first);
            cycles.insert(cycle);
        }
    }
    cycles
}

/// Returns the files on the shortest path from `start` to `end`, including both.
fn shortest_path(graph: &Graph, start: &str, end: &str) -> Option<Cycle> {
    let mut predecessors = BTreeMap::from([(start, start)]);
    let mut queue = VecDeque::from([start]);
    while let Some(file) = queue.pop_front() {
        if file == end {
            let mut path = vec![file.to_owned()];
            let mut at = file;
            while at != start {
                at = predecessors[at];
                path.insert(0, at.to_owned());
            }
            return Some(path);
        }
        for next in graph.get(file).into_iter().flat_map(BTreeMap::keys) {
            if !predecessors.contains_key(next.as_str()) {
                predecessors.insert(next, file);
                queue.push_back(next);
            }
        }
    }
    None
}

/// Formats a cycle as `a.rs -> b.rs -> a.rs`, and lists the items that each file imports.
fn describe(graph: &Graph, cycle: &Cycle) -> String {
    let mut text = format!("{} -> {}\n", cycle.join(" -> "), cycle[0]);
    for (at, file) in cycle.iter().enumerate() {
        let next = &cycle[(at + 1) % cycle.len()];
        let names: Vec<_> = graph[file][next].iter().map(String::as_str).collect();
        let _ = writeln!(text, "    {file} uses {} of {next}", names.join(", "));
    }
    text
}

#[test]
fn files_do_not_import_each_other_in_a_circle() {
    let graph = graph(&source::under(&["src", "bench", "tests"]));
    assert!(graph.len() > 100, "the directories contain the sources");
    let cycles = cycles(&graph).into_iter();
    let found: String = cycles.map(|cycle| describe(&graph, &cycle)).collect();
    assert!(found.is_empty(), "import cycles between files:\n{found}");
}

#[test]
fn import_cycles_are_found() {
    let found = |files: &[(&str, &str)]| -> Vec<String> {
        let sources: Vec<_> = files
            .iter()
            .map(|(path, text)| Source::new(path, text))
            .collect();
        let graph = graph(&sources);
        let cycles = cycles(&graph).into_iter();
        cycles.map(|cycle| describe(&graph, &cycle)).collect()
    };
    let root = ("src/lib.rs", "pub mod a;\n");
    let child = ("src/a/b.rs", "use super::Thing;\npub fn run(_: Thing) {}\n");

    // The parent defines what its child uses, and calls the child.
    let parent = (
        "src/a.rs",
        "mod b;\npub struct Thing;\nfn f() { b::run(Thing) }\n",
    );
    assert_eq!(
        found(&[root, parent, child]),
        ["src/a.rs -> src/a/b.rs -> src/a.rs\n    \
          src/a.rs uses run of src/a/b.rs\n    src/a/b.rs uses Thing of src/a.rs\n"]
    );
    // The parent only declares the child and re-exports from it.
    let parent = ("src/a.rs", "mod b;\npub use b::run;\npub struct Thing;\n");
    assert_eq!(found(&[root, parent, child]), [""; 0]);
    // The parent uses what it re-exports.
    let parent = (
        "src/a.rs",
        "mod b;\npub use b::run;\npub struct Thing;\nfn f() { run(Thing) }\n",
    );
    assert_eq!(found(&[root, parent, child]).len(), 1);
    // The type has a file of its own; the import through the parent leads there.
    let parent = (
        "src/a.rs",
        "mod b;\nmod c;\npub use c::Thing;\nfn f() { b::run(Thing) }\n",
    );
    let thing = ("src/a/c.rs", "pub struct Thing;\n");
    assert_eq!(found(&[root, parent, child, thing]), [""; 0]);
    // Three files, one of which imports everything.
    let parent = (
        "src/a.rs",
        "mod b;\nmod c;\nuse b::run;\npub struct Other;\n",
    );
    let thing = ("src/a/c.rs", "use super::*;\npub struct Thing(Other);\n");
    let child = (
        "src/a/b.rs",
        "use crate::a::c::Thing;\npub fn run(_: Thing) {}\n",
    );
    assert_eq!(
        found(&[root, parent, child, thing])[0].lines().next(),
        Some("src/a.rs -> src/a/b.rs -> src/a/c.rs -> src/a.rs")
    );
}
