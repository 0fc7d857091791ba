//! The configuration file that packages install: every key with its documentation and its default.
//! All keys are commented out, so that new defaults of a later release take effect. Written in
//! tests only.

use std::fmt::Write as _;

use super::configuration::Config;
use super::key::{Key, KeyDefault, Reload};
use super::registry::{self, NAMESPACE_KEYS, SECTIONS};
use super::tables::Namespace;
use super::text::wrap;
use super::value::Visibility;

const INTRODUCTION: &str = "\
# The configuration of fanfare. It lists every key with its default. To change a value, remove the
# `#` before its key. `fanfare check -c FILE` reads the file like `fanfare serve` and prints what
# differs from the defaults. Keys marked (live) change at a reload (SIGHUP), others at a restart.
";

/// Maximum number of characters in a line of comment.
const COLUMNS: usize = 100;

/// Returns the file.
pub fn template() -> String {
    let mut file = String::from(INTRODUCTION);
    let defaults = Config::default();
    for section in SECTIONS {
        file.push('\n');
        comment(&mut file, &section.doc());
        if let Some(header) = section.header() {
            let _ = writeln!(file, "{header}");
        }
        for key in section.keys {
            let live = match key.reload {
                Reload::Live => " (live)",
                Reload::Restart => "",
            };
            comment(&mut file, &format!("{}{live}", key.doc()));
            entry(&mut file, key, &defaults);
        }
    }
    file.push('\n');
    let repeated = "This table may be given several times. All its keys are (live).";
    comment(
        &mut file,
        &format!("{} {repeated}", registry::namespace_doc()),
    );
    file.push_str("#[[namespace]]\n");
    let inherited = Namespace::inherited(&defaults.ws);
    for key in NAMESPACE_KEYS {
        comment(&mut file, &key.doc());
        entry(&mut file, key, &inherited);
    }
    file
}

/// Appends `#key = default`.
fn entry<R>(file: &mut String, key: &Key<R>, defaults: &R) {
    let shown = (key.show)(defaults);
    let default = match key.default {
        KeyDefault::Required { example } => format!("{example:?}"),
        // A secret that is not set has no value that could be written.
        _ if key.visibility == Visibility::Secret && shown == "none" => "\"…\"".into(),
        KeyDefault::Fixed | KeyDefault::Inherited(_) => in_toml(shown),
    };
    let _ = writeln!(file, "#{} = {default}", key.short_name());
}

/// Writes a value as TOML. Numbers, lists and booleans are written without quotation marks.
fn in_toml(shown: String) -> String {
    let is_number = shown == "0" || shown.parse::<u64>().is_ok() && !shown.starts_with('0');
    if is_number || shown.starts_with('[') || matches!(shown.as_str(), "true" | "false") {
        shown
    } else {
        format!("{shown:?}")
    }
}

fn comment(file: &mut String, text: &str) {
    wrap(file, text, "# ", COLUMNS);
}
