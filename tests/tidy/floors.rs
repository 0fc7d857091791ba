//! A file imports only from its own floor or from one below, and the folders of floor 0 do not
//! import each other.

use crate::source::{Source, is_word};
use crate::{Found, check, lines};

/// The ground, floors 0 to 4, and the roof.
const FLOORS: [&[&str]; 7] = [
    &["config", "limits"],
    &["observe", "wire", "host"],
    &["protocol", "delivery"],
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
    ],
    &["engine", "main", "cli", "admin_client"],
];

/// The floor whose folders are strangers to each other.
const STRANGERS: usize = 1;

fn floor(module: &str) -> Option<usize> {
    FLOORS.iter().position(|floor| floor.contains(&module))
}

fn floors(source: &Source) -> Vec<Found> {
    let path = modules(&source.path);
    let Some(own) = path.first() else {
        return Vec::new();
    }; // `lib.rs` declares them all.
    let Some(own_floor) = floor(own) else {
        return vec![(1, format!("`{own}` stands on no floor; see src/lib.rs"))];
    };
    let mut found = Vec::new();
    for (at, other) in imports(source, path.len()) {
        let fault = match floor(&other) {
            None => "stands on no floor; see src/lib.rs",
            Some(floor) if floor > own_floor => "is on a floor above",
            Some(STRANGERS) if own_floor == STRANGERS && other != *own => "shares floor 0",
            Some(_) => continue,
        };
        found.push((source.line(at), format!("`{other}` {fault}")));
    }
    found.sort();
    found
}

/// `src/a/b.rs` is the module `a::b`.
fn modules(path: &str) -> Vec<&str> {
    let path = path.trim_start_matches("src/").trim_end_matches(".rs");
    path.split('/')
        .filter(|module| !matches!(*module, "mod" | "lib"))
        .collect()
}

/// The modules right under the root of the crate that a file names, and where.
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

/// The first name of each path in `a::b`, `{a, b::{c, d}}`.
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
fn nobody_imports_from_a_floor_above() {
    check(&["src"], floors);
}

#[test]
fn imports_from_above_are_found() {
    let bad = "\
        use crate::config::Config;\nuse crate::fabric::Lane;\nuse crate::{limits, shard::{a, b}};\n\
        fn f() { crate::engine::run() }\n// crate::engine\n";
    assert_eq!(lines(floors, "src/hub/mod.rs", bad), [2, 3, 4]);
    assert_eq!(lines(floors, "src/engine.rs", bad), [0; 0]);
    assert_eq!(
        lines(
            floors,
            "src/main.rs",
            "use fanfare::engine;\nuse fanfare::lost;\n"
        ),
        [2]
    );
}

#[test]
fn imports_by_super_are_found() {
    let bad = "use super::super::fabric;\nuse super::topics;\nmod tests {\n    use super::super::super::shard;\n}\n";
    assert_eq!(lines(floors, "src/hub/close.rs", bad), [1, 4]);
    assert_eq!(
        lines(
            floors,
            "src/hub/mod.rs",
            "use super::fabric;\nuse super::config;\n"
        ),
        [1]
    );
}

#[test]
fn floor_0_is_strangers_and_every_module_has_a_floor() {
    let text = "use crate::wire::Frame;\n";
    assert_eq!(lines(floors, "src/observe/mod.rs", text), [1]);
    assert_eq!(lines(floors, "src/wire/mod.rs", text), [0; 0]);
    assert_eq!(lines(floors, "src/attic/mod.rs", ""), [1]);
}
