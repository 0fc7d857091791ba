//! The configuration file that packages install: every key with what it does and its default, all
//! of it commented out, so that defaults that change with a release are not held back.

use std::fmt::Write as _;

use super::Config;
use super::keys::{KEYS, Key, NAMESPACE_KEYS};
use super::reference;

const INTRODUCTION: &str = "\
# fanfare's configuration. Every key stands here with its default; uncomment what you want
# different. `fanfare check -c FILE` reads it as `fanfare serve` does and says what differs.
# Keys marked (live) change with a reload (SIGHUP), the others with a restart.
";

/// Characters of a line of comment.
const WIDTH: usize = 100;

/// The whole file.
pub fn template() -> String {
    let mut file = String::from(INTRODUCTION);
    let mut section = "";
    for key in KEYS {
        if key.section() != section {
            section = key.section();
            file.push('\n');
            comment(&mut file, &reference::about(section).replace('\n', " "));
            let _ = writeln!(file, "[{section}]");
        }
        entry(&mut file, key);
    }
    let about = "A topic `chat:lobby` belongs to the namespace `chat`, if there is one. Any number \
                 of these; a namespace is (live).";
    file.push('\n');
    comment(&mut file, about);
    file.push_str("#[[namespace]]\n");
    for (name, _, _, doc) in NAMESPACE_KEYS {
        comment(&mut file, doc);
        let example = match *name {
            "name" => "\"chat\"",
            "payload" => "\"json\"",
            "slow" => "\"disconnect\"",
            "publish" => "false",
            _ => "true",
        };
        let _ = writeln!(file, "#{name} = {example}");
    }
    file
}

fn entry(file: &mut String, key: &Key) {
    let live = if key.live { " (live)" } else { "" };
    comment(file, &format!("{}{live}", key.doc));
    let (_, name) = key.name.rsplit_once('.').expect("keys are section.key");
    let default = match (key.show)(&Config::default()) {
        secret if key.form == "text" && secret == "none" => "\"…\"".into(),
        shown => value(shown),
    };
    let _ = writeln!(file, "#{name} = {default}");
}

/// A value as TOML has it.
fn value(shown: String) -> String {
    let is_number = shown == "0" || shown.parse::<u64>().is_ok() && !shown.starts_with('0');
    if is_number || shown.starts_with('[') || matches!(shown.as_str(), "true" | "false") {
        shown
    } else {
        format!("{shown:?}")
    }
}

/// Text in lines of bounded length, each behind a `# `.
fn comment(file: &mut String, text: &str) {
    let mut line = String::from("#");
    for word in text.split(' ') {
        if line.chars().count() + 1 + word.chars().count() > WIDTH {
            let _ = writeln!(file, "{line}");
            line.truncate(1);
        }
        let _ = write!(line, " {word}");
    }
    let _ = writeln!(file, "{line}");
}
