//! Generates the man pages and shell completions in tuning/ from the definition of the command
//! line. The files are committed, so that packaging does not need to build them; a test checks that
//! they are up to date.

use std::collections::BTreeMap;
use std::path::PathBuf;

use clap::{Command, CommandFactory as _};
use clap_complete::Shell;
use clap_mangen::Man;

use super::Cli;

/// The sections of fanfare(1) that the definition of the command line does not contain.
const SECTIONS: &str = r#".SH SIGNALS
.TP
.B SIGTERM, SIGINT
Drain: new connections are refused, and open ones are closed evenly over \fBdrain.period\fR. Then the
process ends with code 0. A second signal ends the process at once.
.TP
.B SIGHUP
Read the configuration file again. Changes that require a restart are listed in the log. A server that
was started in a terminal without a configuration file ends as after SIGTERM: the terminal was closed.
Under \fBnohup\fR(1) it ignores the signal. During a drain, the signal is ignored.
.SH "EXIT STATUS"
.TP
.B 0
The command succeeded.
.TP
.B 1
The command failed.
.TP
.B 2
The command line or the configuration was wrong.
.SH ENVIRONMENT
.TP
.B FANFARE_SECTION_KEY
Sets the key \fBsection.key\fR of the configuration; overrides the file.
.TP
.B NOTIFY_SOCKET, WATCHDOG_USEC
Set by systemd: the socket on which \fBserve\fR reports that it is ready, reloading or stopping, and
the interval at which it has to report that every core delivers publications.
.SH FILES
.TP
.I /etc/fanfare/fanfare.toml
The configuration of the systemd unit.
.TP
.I /usr/share/doc/fanfare/CONFIGURATION.md
Every key with its format and default.
.SH "SEE ALSO"
.BR systemd.service (5),
.BR sd_notify (3),
.BR zmq (7)
"#;

/// Returns the content of every file, by its path under tuning/.
fn pages() -> BTreeMap<String, Vec<u8>> {
    let mut pages = BTreeMap::new();
    // Building adds the options that clap generates, such as --help.
    let mut root = Cli::command();
    root.build();
    pages.insert("man/fanfare.1".into(), page(&root, "fanfare", SECTIONS));
    for command in root.get_subcommands().filter(|it| !it.is_hide_set()) {
        let name = format!("fanfare-{}", command.get_name());
        let rest = ".SH \"SEE ALSO\"\n.BR fanfare (1)\n";
        pages.insert(format!("man/{name}.1"), page(command, &name, rest));
        for inner in command.get_subcommands() {
            let name = format!("{name}-{}", inner.get_name());
            pages.insert(format!("man/{name}.1"), page(inner, &name, rest));
        }
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
    man.render(&mut page)
        .expect("writing to a Vec does not fail");
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
        std::fs::create_dir_all(&folder).expect("the directory can be created");
        for entry in std::fs::read_dir(&folder).expect("the directory exists") {
            let path = entry.expect("the directory can be read").path();
            let name = path.strip_prefix(&root).expect("the path is under tuning");
            if !pages.contains_key(name.to_str().expect("names are ASCII")) {
                stale.push(path);
            }
        }
    }
    if bless {
        for path in stale.drain(..) {
            std::fs::remove_file(path).expect("a stale file can be removed");
        }
    }
    for (name, page) in &pages {
        let path = root.join(name);
        if bless {
            std::fs::write(&path, page).expect("the file can be written");
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
