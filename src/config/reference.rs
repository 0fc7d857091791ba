//! docs/CONFIGURATION.md, written from the registry of keys. A test compares it with the file.

use std::fmt::Write as _;

use super::Config;
use super::keys::{KEYS, Key, NAMESPACE_KEYS};

const INTRODUCTION: &str = "\
# Configuration

fanfare runs on its defaults. What you want different goes into a TOML file, into the environment
or on the command line; of several, the last in this list wins:

1. the embedded defaults, below;
2. the file: `fanfare serve -c fanfare.toml`;
3. the environment: `FANFARE_SECTION_KEY`, so `ws.pong_timeout` is `FANFARE_WS_PONG_TIMEOUT`, and
   `ws.deflate.level` is `FANFARE_WS_DEFLATE_LEVEL`;
4. the command line: `-s section.key=value`, any number of times.

```toml
# fanfare.toml
[ws]
listen = \"0.0.0.0:8000\"
origins = [\"https://app.example.com\"]
ping = \"25s\"

[ws.deflate]
level = 6

[ingest]
pull = [\"tcp://127.0.0.1:5560\", \"ipc:///run/fanfare/pull\"]

[[namespace]]
name = \"prices\"
slow = \"conflate\"
```

`fanfare check -c fanfare.toml` reads it as `serve` would, and prints what differs from the defaults.
An unknown key, a value that does not read, or a contradiction is an error that names its place; fanfare
then exits with code 2 and never guesses.

## Values

| form | written |
|---|---|
| duration | a whole number with a unit: `500ms`, `25s`, `2m`, `1h` |
| percentage | a whole number with its sign: `70%` |
| size | bytes, or with a binary unit: `65536`, `64KiB`, `1MiB`, `1GiB` |
| list | a TOML array; one value may stand alone. In the environment and with `-s` also comma-separated: `a,b` |
| address | IP address and port: `127.0.0.1:8001`, `[::1]:8001` |

## Reload

SIGHUP makes a running fanfare read its file again. Keys marked *live* below take effect at once, for
connections that exist too unless the key says otherwise; for any other key that changed, the log says
that it needs a restart. A file that does not read changes nothing.

";

const NAMESPACES: &str = "\
## `[[namespace]]`

A topic `chat:lobby` belongs to the namespace `chat`. Topics without a `:`, and topics whose prefix is no
configured namespace, follow the namespace `\"\"`. Namespaces are *live*. They are set in the file, or with
`-s namespace.chat.payload=text`; not in the environment, whose names cannot carry theirs.

";

const ENVIRONMENT: &str = "\
## Other variables

A `FANFARE_…` variable that is neither a key nor close to one is left alone: Kubernetes sets such
variables in every pod beside a service called `fanfare`.
";

/// The whole page.
pub fn reference() -> String {
    let mut page = String::from(INTRODUCTION);
    let mut section = "";
    for key in KEYS {
        if key.section() != section {
            section = key.section();
            heading(&mut page, section);
        }
        row(&mut page, key);
    }
    page.push('\n');
    page.push_str(NAMESPACES);
    page.push_str("| key | form | default | |\n|---|---|---|---|\n");
    for (name, form, default, doc) in NAMESPACE_KEYS {
        let _ = writeln!(page, "| `{name}` | {form} | {default} | {doc} |");
    }
    page.push('\n');
    page.push_str(ENVIRONMENT);
    page
}

/// What a section is about: Markdown, a line or two.
pub(super) fn about(section: &str) -> &'static str {
    match section {
        "ws" => "WebSocket clients.",
        "ws.deflate" => {
            "Compression (permessage-deflate, RFC 7692) for clients that offer it. A frame is \
             compressed at most once,\nhowever many clients it goes to, and goes plain if it would \
             not shrink. A namespace may opt out."
        }
        "ingest" => "Publishers, over ZeroMQ. Every endpoint binds; publishers connect.",
        "cpu" => "Which core does what.",
        "admin" => "The port for operators.",
        "drain" => {
            "How connections are moved away: all of them after a SIGTERM, or a share by request."
        }
        "agent" => "What HAProxy is told; see BALANCING.md.",
        "load" => {
            "What makes a node full: each part is measured against what stands here, and the load is \
             the largest of\nthem. 100 % is a node that should get nothing more; see BALANCING.md."
        }
        "scale" => {
            "When another node is advised, or one less. It is advice: nothing is started or stopped."
        }
        "log" => "What is logged, and how.",
        "statsd" => {
            "Metrics to a statsd, over UDP; see OPERATIONS.md for what statsd and Graphite must be told."
        }
        _ => unreachable!("a section without a word about it: {section}"),
    }
}

fn heading(page: &mut String, section: &str) {
    let about = about(section);
    let blank = if page.ends_with("\n\n") { "" } else { "\n" };
    let _ = write!(page, "{blank}## `[{section}]`\n\n{about}\n\n");
    page.push_str("| key | form | default | live | |\n|---|---|---|---|---|\n");
}

fn row(page: &mut String, key: &Key) {
    let default = (key.show)(&Config::default());
    let live = if key.live { "live" } else { "" };
    let Key {
        name, form, doc, ..
    } = key;
    let _ = writeln!(page, "| `{name}` | {form} | `{default}` | {live} | {doc} |");
}
