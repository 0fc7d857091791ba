//! A file imports only from its own layer or from a lower one, and the directories of layer 0 do
//! not import each other.

use crate::rule::{Found, check, lines};
use crate::source::{Source, is_word};

/// The layers from the lowest to the highest: base, layers 0 to 4, top.
const LAYERS: [&[&str]; 7] = [
    &["config", "limits"],
    &["observe", "wire", "host"],
    &["protocol", "access", "delivery", "log"],
    &["hub"],
    &["fabric"],
    &[
        "ingest",
        "shard",
        "admin",
        "load",
        "metrics",
        "liveness",
        "lifecycle",
        "service",
        "cluster",
        "bridge",
    ],
    &["engine", "main", "cli", "admin_client"],
];

/// Index in [`LAYERS`] of layer 0, whose directories are independent of each other.
const LAYER_0: usize = 1;

fn layer(module: &str) -> Option<usize> {
    LAYERS.iter().position(|layer| layer.contains(&module))
}

fn upward_imports(source: &Source) -> Vec<Found> {
    let path = modules(&source.path);
    let Some(own) = path.first() else {
        return Vec::new(); // `lib.rs` declares all modules.
    };
    let Some(own_layer) = layer(own) else {
        return vec![(1, format!("`{own}` is in no layer; see src/lib.rs"))];
    };
    let mut found = Vec::new();
    for (at, other) in imports(source, path.len()) {
        let fault = match layer(&other) {
            None => "is in no layer; see src/lib.rs",
            Some(layer) if layer > own_layer => "is in a higher layer",
            Some(LAYER_0) if own_layer == LAYER_0 && other != *own => {
                "is in layer 0 too; directories of layer 0 do not import each other"
            }
            Some(_) => continue,
        };
        found.push((source.line(at), format!("`{other}` {fault}")));
    }
    found.sort();
    found
}

/// Returns the module path of a file: `src/a/b.rs` is the module `a::b`.
fn modules(path: &str) -> Vec<&str> {
    let path = path.trim_start_matches("src/").trim_end_matches(".rs");
    path.split('/')
        .filter(|module| !matches!(*module, "mod" | "lib"))
        .collect()
}

/// Returns the top-level modules that a file names, each with its offset.
fn imports(source: &Source, depth: usize) -> Vec<(usize, String)> {
    let mut found = Vec::new();
    for root in ["crate::", "fanfare::"] {
        for at in source.find(root) {
            let names = first_names(&source.code[at + root.len()..]);
            found.extend(names.into_iter().map(|name| (at, name)));
        }
    }
    for at in source.find("super::") {
        let is_first = !source.code[..at].ends_with("super::");
        let rest = source.code[at..].trim_start_matches("super::");
        let supers = (source.code.len() - at - rest.len()) / "super::".len();
        if is_first && supers == depth + source.scope(at).modules {
            found.extend(first_names(rest).into_iter().map(|name| (at, name)));
        }
    }
    found
}

/// Returns the first name of each path in `a::b` or `{a, b::{c, d}}`.
fn first_names(code: &str) -> Vec<String> {
    let name = |code: &str| -> String {
        code.trim_start()
            .chars()
            .take_while(|it| it.is_ascii() && is_word(*it as u8))
            .collect()
    };
    let Some(group) = code.strip_prefix('{') else {
        return vec![name(code)];
    };
    let (mut names, mut depth) = (vec![name(group)], 0);
    for (at, byte) in group.bytes().enumerate() {
        match byte {
            b'{' => depth += 1,
            b'}' if depth == 0 => break,
            b'}' => depth -= 1,
            b',' if depth == 0 => names.push(name(&group[at + 1..])),
            _ => {}
        }
    }
    names.retain(|name| !name.is_empty());
    names
}

#[test]
fn files_import_from_their_own_layer_or_lower_ones() {
    check(&["src"], upward_imports);
}

#[test]
fn imports_from_higher_layers_are_found() {
    let bad = "\
        use crate::config::Config;\nuse crate::fabric::Lane;\nuse crate::{limits, shard::{a, b}};\n\
        fn f() { crate::engine::run() }\n// crate::engine\n";
    assert_eq!(lines(upward_imports, "src/hub/mod.rs", bad), [2, 3, 4]);
    assert_eq!(lines(upward_imports, "src/engine.rs", bad), [0; 0]);
    assert_eq!(
        lines(
            upward_imports,
            "src/main.rs",
            "use fanfare::engine;\nuse fanfare::lost;\n"
        ),
        [2]
    );
}

#[test]
fn imports_by_super_are_found() {
    let bad = "use super::super::fabric;\nuse super::topics;\nmod tests {\n    use super::super::super::shard;\n}\n";
    assert_eq!(lines(upward_imports, "src/hub/close.rs", bad), [1, 4]);
    assert_eq!(
        lines(
            upward_imports,
            "src/hub/mod.rs",
            "use super::fabric;\nuse super::config;\n"
        ),
        [1]
    );
}

#[test]
fn layer_0_directories_are_independent_and_every_module_has_a_layer() {
    let text = "use crate::wire::Frame;\n";
    assert_eq!(lines(upward_imports, "src/observe/mod.rs", text), [1]);
    assert_eq!(lines(upward_imports, "src/wire/mod.rs", text), [0; 0]);
    assert_eq!(lines(upward_imports, "src/unknown/mod.rs", ""), [1]);
}
