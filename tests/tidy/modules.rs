//! Every file of `src` is declared as a module. A file without a declaration is not compiled.

use std::collections::BTreeSet;

use crate::source::{self, Source};

/// Returns the files that no `mod` declares.
fn undeclared(sources: &[Source]) -> Vec<String> {
    let mut declared = BTreeSet::from(["src/lib.rs".to_owned(), "src/main.rs".to_owned()]);
    for source in sources {
        let stem = source.path.trim_end_matches(".rs");
        let is_root = ["/mod", "/lib", "/main"]
            .iter()
            .any(|root| stem.ends_with(root));
        let directory = if is_root {
            stem.rsplit_once('/').expect("under src").0
        } else {
            stem
        };
        for at in source.find("mod") {
            let Some((name, _)) = source.code[at + 3..].split_once(';') else {
                continue;
            };
            let name = name.trim();
            if name.bytes().all(source::is_word) {
                declared.insert(format!("{directory}/{name}.rs"));
                declared.insert(format!("{directory}/{name}/mod.rs"));
            }
        }
    }
    let paths = sources.iter().map(|source| source.path.clone());
    paths.filter(|path| !declared.contains(path)).collect()
}

#[test]
fn every_file_is_a_module() {
    let found = undeclared(&source::under(&["src"]));
    assert!(
        found.is_empty(),
        "no `mod` declares these files:\n{}",
        found.join("\n")
    );
}

#[test]
fn a_file_without_a_module_is_found() {
    let sources = [
        Source::new(
            "src/lib.rs",
            "mod a;\npub mod b;\n// mod lost;\nmod inline { fn f() {} }\n",
        ),
        Source::new("src/a.rs", "mod deep;\n"),
        Source::new("src/a/deep.rs", ""),
        Source::new("src/b/mod.rs", "pub(super) mod c;"),
        Source::new("src/b/c.rs", ""),
        Source::new("src/b/lost.rs", ""),
        Source::new("src/lost.rs", ""),
    ];
    assert_eq!(undeclared(&sources), ["src/b/lost.rs", "src/lost.rs"]);
}
