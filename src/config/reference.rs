//! The reference page docs/CONFIGURATION.md, written from the registry of keys. A test compares it
//! with the file. Written in tests only.

use std::fmt::Write as _;

use super::configuration::Config;
use super::key::{Key, KeyDefault, Reload};
use super::registry::{self, NAMESPACE_KEYS, SECTIONS};
use super::tables::Namespace;
use super::text::wrap;

const INTRODUCTION: &str = "\
# Configuration

fanfare works without any configuration. To change a value, set its key in a TOML file, in the environment or
on the command line. If a key is set several times, the last source in this list is used:

1. the defaults, which are listed below;
2. the file: `fanfare serve -c fanfare.toml`;
3. the environment: `FANFARE_SECTION_KEY`. For example, `FANFARE_WS_PONG_TIMEOUT` sets `ws.pong_timeout`, and
   `FANFARE_WS_DEFLATE_LEVEL` sets `ws.deflate.level`;
4. the command line: `-s section.key=value`, any number of times.

```toml
# fanfare.toml
[ws]
listen = \"0.0.0.0:8000\"        # for other hosts; needs [auth]
origins = [\"https://app.example.com\"]
ping = \"25s\"

[ws.deflate]
level = 6

[auth.token]
hmac_secret_key = \"32 random bytes or more, as text\"

[ingest]
pull = [\"tcp://127.0.0.1:5560\", \"ipc:///run/fanfare/pull\"]

[[namespace]]
name = \"prices\"
slow = \"conflate\"
```

`fanfare check -c fanfare.toml` reads the file like `serve` and prints what differs from the defaults. An unknown
key, an invalid value and values that contradict each other are errors. All errors are printed, in the order of the
file, each with its line and column, and fanfare exits with code 2.

`fanfare keys` lists every key with its default, its type and its meaning, as this page does. `fanfare keys timeout`
lists the keys whose names contain `timeout`.

## A second instance on a host

`-s port_offset=100` moves all default ports, so that a second fanfare can run next to the first one. The commands
`publish`, `subscribe`, `top` and `drain` read the configuration like `serve`, to find the node that they talk to. So
they take the same `-s`, `-c` and variables, unless they are given an address with `--to`, `--url` or `--admin`:

```sh
fanfare serve -s port_offset=100
fanfare subscribe -s port_offset=100 news
fanfare publish -s port_offset=100 news '{\"hello\":\"world\"}'
```

## Values

| format | how to write it |
|---|---|
| duration | a whole number with a unit: `500ms`, `25s`, `2m`, `1h` |
| percentage | a whole number with `%`: `70%` |
| size | bytes, or a number with a binary unit: `65536`, `64KiB`, `1MiB`, `1GiB` |
| list | a TOML array, or a single value. In the environment and with `-s` also values separated by commas: `a,b` |
| address | an IP address and a port: `127.0.0.1:8001`, `[::1]:8001` |
| endpoint | `tcp://127.0.0.1:5560`, `tcp://*:5560` for every address, or `ipc:///path` for a Unix socket |

## Reload

After a SIGHUP, a running fanfare reads its configuration file again. Changes of the keys marked *live* take effect
immediately, also for existing connections unless the description of the key excludes them. Changes of other
keys are logged and take effect after a restart. If the file has an error, nothing changes. During a drain, SIGHUP is
ignored.

Without a configuration file there is nothing to reload. A server that was started in a terminal without a file ends
after a SIGHUP, as after a SIGTERM: the terminal was closed. Under `nohup` (or after `trap '' HUP` in a shell) it ignores
SIGHUP and outlives the terminal. With a file, SIGHUP reloads the file in every case: the server outlives its terminal.

A file without any setting does not replace one with settings: the file may be about to be written. What is not a
regular file (`-c <(...)`, a FIFO, `/dev/stdin` from a pipe) is read once, at the start, and cannot be reloaded. In both
cases a line in the log reports it, and nothing changes.

Each reload that changes a live key makes a new version of the configuration. Every thread applies the newest version
as a whole, and none can stay at an older one. `fanfare_config_version` and, for each thread,
`fanfare_config_applied_version` (in `/stats`: `config`) show when a reload is complete.

";

const NAMESPACES: &str = "\
The keys of namespaces are *live*. Set them in the file or with `-s namespace.chat.payload=text`. They cannot be
set in the environment, because the name of a variable cannot contain the name of a namespace.
";

const ENVIRONMENT: &str = "\
## Other variables

A variable that begins with `FANFARE_` and is no key is an error if it begins with the name of a table, is the last
part of a key (`FANFARE_TOKEN`), or is similar to a key. Other variables are ignored, and so are those that Kubernetes
sets in every pod next to a service called `fanfare` or `fanfare-admin`.
";

/// Maximum number of characters in a line of text.
const COLUMNS: usize = 110;

/// Returns the page.
pub fn reference() -> String {
    let mut page = String::from(INTRODUCTION);
    let defaults = Config::default();
    for section in SECTIONS {
        let header = section.header();
        let header = header.map_or_else(
            || "Outside of tables".into(),
            |header| format!("`{header}`"),
        );
        let _ = writeln!(page, "## {header}\n");
        wrap(&mut page, &section.doc(), "", COLUMNS);
        page.push_str("\n| key | format | default | range | live | description |\n");
        page.push_str("|---|---|---|---|---|---|\n");
        for key in section.keys {
            let live = match key.reload {
                Reload::Live => "live",
                Reload::Restart => "",
            };
            row(&mut page, key, &defaults, &[&(key.range)(), live]);
        }
        page.push('\n');
    }
    page.push_str("## `[[namespace]]`\n\n");
    wrap(&mut page, &registry::namespace_doc(), "", COLUMNS);
    let _ = write!(page, "\n{NAMESPACES}");
    page.push_str("\n| key | format | default | description |\n|---|---|---|---|\n");
    let inherited = Namespace::inherited(&defaults.ws);
    for key in NAMESPACE_KEYS {
        row(&mut page, key, &inherited, &[]);
    }
    let _ = write!(page, "\n{ENVIRONMENT}");
    page
}

/// Appends the row of a key. `columns` are the columns between the default and the description.
fn row<R>(page: &mut String, key: &Key<R>, defaults: &R, columns: &[&str]) {
    let default = match key.default {
        KeyDefault::Fixed => format!("`{}`", (key.show)(defaults)),
        KeyDefault::Inherited(name) => format!("`{name}`"),
        KeyDefault::Required { .. } => "required".into(),
    };
    let _ = write!(page, "| `{}` | {} | {default} | ", key.name, key.format);
    for column in columns {
        let _ = write!(page, "{column} | ");
    }
    let _ = writeln!(page, "{} |", key.doc());
}
