//! The man pages and completions in tuning/, made from the definition of the command line. They
//! are committed, so that a package needs no build; a test says when they are stale.

use std::collections::BTreeMap;
use std::path::PathBuf;

use clap::{Command, CommandFactory as _};
use clap_complete::Shell;
use clap_mangen::Man;

use super::Cli;

/// What fanfare(1) says beside the command line.
const SECTIONS: &str = r#".SH SIGNALS
.TP
.B SIGTERM, SIGINT
Drain: new connections are refused, those there are closed evenly over \fBdrain.period\fR, then the
process ends with code 0. A second one ends it at once.
.TP
.B SIGHUP
Read the configuration again. What cannot change without a restart is named in the log.
.SH "EXIT STATUS"
.TP
.B 0
All went well.
.TP
.B 1
It failed while running.
.TP
.B 2
The command line or the configuration was wrong.
.SH ENVIRONMENT
.TP
.B FANFARE_SECTION_KEY
Sets the key \fBsection.key\fR of the configuration, over the file.
.TP
.B NOTIFY_SOCKET, WATCHDOG_USEC
Set by systemd: where \fBserve\fR says that it is ready, reloading or stopping, and how often it has
to show that publications come back from every core.
.SH FILES
.TP
.I /etc/fanfare/fanfare.toml
The configuration that the systemd unit names.
.TP
.I /usr/share/doc/fanfare/CONFIGURATION.md
Every key, its form and its default.
.SH "SEE ALSO"
.BR systemd.service (5),
.BR sd_notify (3),
.BR zmq (7)
"#;

/// Every page, by its path under tuning/.
fn pages() -> BTreeMap<String, Vec<u8>> {
    let mut pages = BTreeMap::new();
    // Options such as --help are on the pages because building puts them on the commands.
    let mut root = Cli::command();
    root.build();
    pages.insert("man/fanfare.1".into(), page(&root, "fanfare", SECTIONS));
    for command in root.get_subcommands().filter(|it| !it.is_hide_set()) {
        let name = format!("fanfare-{}", command.get_name());
        let rest = ".SH \"SEE ALSO\"\n.BR fanfare (1)\n";
        pages.insert(format!("man/{name}.1"), page(command, &name, rest));
    }
    for (shell, file) in [
        (Shell::Bash, "fanfare.bash"),
        (Shell::Fish, "fanfare.fish"),
        (Shell::Zsh, "_fanfare"),
    ] {
        let mut script = Vec::new();
        clap_complete::generate(shell, &mut Cli::command(), "fanfare", &mut script);
        pages.insert(format!("completions/{file}"), script);
    }
    pages
}

fn page(command: &Command, name: &str, sections: &str) -> Vec<u8> {
    let command = command
        .clone()
        .display_name(name.to_owned())
        .version(env!("CARGO_PKG_VERSION"));
    let mut page = Vec::new();
    let source = concat!("fanfare ", env!("CARGO_PKG_VERSION"));
    let man = Man::new(command).title(name.to_owned()).source(source);
    man.render(&mut page).expect("memory takes what is written");
    page.extend_from_slice(sections.as_bytes());
    page
}

#[test]
fn man_pages_and_completions_are_up_to_date() {
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tuning");
    let pages = pages();
    let bless = std::env::var_os("FANFARE_BLESS").is_some();
    let mut stale = Vec::new();
    for folder in ["man", "completions"] {
        let folder = root.join(folder);
        std::fs::create_dir_all(&folder).expect("the folder can be made");
        for entry in std::fs::read_dir(&folder).expect("the folder is there") {
            let path = entry.expect("the folder reads").path();
            let name = path.strip_prefix(&root).expect("it is under tuning");
            if !pages.contains_key(name.to_str().expect("names are ASCII")) {
                stale.push(path);
            }
        }
    }
    if bless {
        for path in stale.drain(..) {
            std::fs::remove_file(path).expect("a stale page can go");
        }
    }
    for (name, page) in &pages {
        let path = root.join(name);
        if bless {
            std::fs::write(&path, page).expect("the page is written");
        }
        if std::fs::read(&path).ok().as_ref() != Some(page) {
            stale.push(path);
        }
    }
    assert!(
        stale.is_empty(),
        "FANFARE_BLESS=1 cargo test --bin fanfare --test config rewrites {stale:?}"
    );
}
