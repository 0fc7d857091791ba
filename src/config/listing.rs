//! The keys as `fanfare keys` prints them. Used on the main thread.

use std::fmt::Write as _;

use super::configuration::Config;
use super::key::{Key, KeyDefault, Reload};
use super::registry::{self, NAMESPACE_KEYS};
use super::tables::Namespace;
use super::text::wrap;
use super::value::Visibility;

/// Maximum number of characters in a line.
const COLUMNS: usize = 80;

/// Returns every key whose name contains `pattern`, in capital or small letters, with its default,
/// its type and its meaning. If there is none, returns every key whose meaning contains it. Empty
/// if there is none either.
pub fn listing(pattern: &str) -> String {
    let pattern = pattern.to_lowercase();
    let by_name = listing_of(|name, _| name.to_lowercase().contains(&pattern));
    if !by_name.is_empty() {
        return by_name;
    }
    listing_of(|_, meaning| meaning.to_lowercase().contains(&pattern))
}

/// Returns every key for which `is_wanted`, called with its name and its meaning, returns `true`.
fn listing_of(is_wanted: impl Fn(&str, &str) -> bool) -> String {
    let mut text = String::new();
    let defaults = Config::default();
    for key in registry::keys().filter(|key| is_wanted(key.name, &key.doc())) {
        entry(&mut text, key.name, key, &defaults);
    }
    let inherited = Namespace::inherited(&defaults.ws);
    for key in NAMESPACE_KEYS {
        let name = format!("namespace.NAME.{}", key.name);
        if is_wanted(&name, &key.doc()) {
            entry(&mut text, &name, key, &inherited);
        }
    }
    text
}

/// Appends a key: `ws.ping = 25s`, then indented its type with its bounds, when a changed value
/// takes effect, and its documentation.
fn entry<R>(text: &mut String, name: &str, key: &Key<R>, defaults: &R) {
    let default = match key.default {
        KeyDefault::Required { example } => format!("required, such as {example}"),
        KeyDefault::Inherited(other) => format!("the value of {other}"),
        KeyDefault::Fixed if key.visibility == Visibility::Secret => "not set".into(),
        KeyDefault::Fixed => (key.show)(defaults),
    };
    let range = match (key.range)() {
        range if range.is_empty() => range,
        range => format!(", {range}"),
    };
    let reload = match key.reload {
        Reload::Live => "reload",
        Reload::Restart => "restart",
    };
    if !text.is_empty() {
        text.push('\n');
    }
    let _ = writeln!(text, "{name} = {default}");
    let about = format!(
        "{}{range}; changes at a {reload}. {}",
        key.format,
        key.doc()
    );
    wrap(text, &about.replace('`', ""), "    ", COLUMNS);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_key_is_listed_with_its_default_type_and_meaning() {
        let all = listing("");
        for key in registry::keys() {
            assert!(all.contains(&format!("{} = ", key.name)), "{}", key.name);
        }
        let ping = "\
ws.ping = 25s
    duration, above 0, at most 24h; changes at a restart. The interval at which
    the server pings a connection. Clients receive the interval when they
    connect and use it to detect a lost connection.
";
        assert_eq!(listing("ws.ping"), ping);
        assert_eq!(listing("WS.PING"), ping);
        assert_eq!(listing("PINGS a connection"), ping);
        assert!(listing("admin.token").starts_with("admin.token = not set\n"));
        let slow = listing("namespace.NAME.slow");
        assert!(slow.starts_with("namespace.NAME.slow = the value of ws.slow\n"));
        assert_eq!(listing("nonsense"), "");
        assert!(
            all.lines()
                .all(|line| line.chars().count() <= COLUMNS || !line.contains("    "))
        );
    }
}
