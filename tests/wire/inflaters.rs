//! Compressed messages of the server, inflated by the libraries of other languages: each message
//! separately, and all messages by one inflater that takes over the context.

use std::io::{ErrorKind, Write};
use std::process::{Command, Stdio};
use std::sync::LazyLock;

use fanfare::limits::DEFLATE_LEVELS;
use fanfare::wire::deflate::{DeflateWindow, Deflater};

use crate::contents::{BORDERS, KINDS, Kind};

/// Records of window bits, payload and message, in the format that the programs read.
#[derive(Default)]
struct Corpus {
    records: Vec<u8>,
    count: usize,
}

static CORPUS: LazyLock<Corpus> = LazyLock::new(|| {
    let mut corpus = Corpus::default();
    for level in DEFLATE_LEVELS {
        let mut deflater = Deflater::new(level, 0);
        for number in 0..350 {
            let kind = KINDS[number % KINDS.len()];
            let bytes = 1 + number * 7919 % [300, 2000, 9000][number % 3];
            let seed = u64::from(level) << 32 | number as u64;
            corpus.add(&mut deflater, &kind.message(bytes, seed));
        }
        let kind = KINDS[usize::from(level) % KINDS.len()];
        for bytes in BORDERS {
            corpus.add(&mut deflater, &kind.message(bytes, 1));
        }
    }
    let mut deflater = Deflater::new(1, 0);
    for kind in [Kind::Json, Kind::Mixed] {
        corpus.add(&mut deflater, &kind.message(1 << 20, 1));
    }
    corpus
});

impl Corpus {
    fn add(&mut self, deflater: &mut Deflater, message: &[u8]) {
        for (window, bits) in [(DeflateWindow::Narrow, 12), (DeflateWindow::Full, 15)] {
            let Some(packed) = deflater.deflate(message, window) else {
                continue;
            };
            self.count += 1;
            self.records.push(bits);
            for part in [packed, message] {
                self.records.extend((part.len() as u32).to_be_bytes());
                self.records.extend(part);
            }
        }
    }
}

/// Runs a program of `tests/wire/inflaters` on all messages. The program can be run if the output
/// of the command `probe` contains `needed`.
fn inflate_all(language: &str, probe: &[&str], needed: &str, command: &[&str]) {
    match Command::new(probe[0]).args(&probe[1..]).output() {
        Ok(output) if String::from_utf8_lossy(&output.stdout).contains(needed) => {}
        Ok(_) => return println!("SKIPPED inflating in {language}: no {needed} in {probe:?}"),
        Err(error) if error.kind() == ErrorKind::NotFound => {
            return println!("SKIPPED inflating in {language}: no {} here", probe[0]);
        }
        Err(error) => panic!("{probe:?}: {error}"),
    }
    // The time limit turns a program that hangs into a failure.
    let mut child = Command::new("timeout")
        .arg("120")
        .args(command)
        .current_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/wire/inflaters"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    // The program reads all of its input before it prints. If it stops reading, its status shows
    // why.
    let _ = child.stdin.take().unwrap().write_all(&CORPUS.records);
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "{language}: {}", output.status);
    let count = CORPUS.count;
    assert!(count > 5000, "{count} messages");
    assert_eq!(
        String::from_utf8_lossy(&output.stdout),
        format!("{count} inflated, {count} with takeover\n")
    );
    println!("{language}: {count} inflated, by fresh inflaters and by one");
}

#[test]
fn python_inflates_every_message() {
    let probe = ["python3", "--version"];
    inflate_all("Python", &probe, "Python 3", &["python3", "inflate.py"]);
}

#[test]
fn node_inflates_every_message() {
    inflate_all("Node", &["node", "--version"], "v", &["node", "inflate.js"]);
}

#[test]
fn go_inflates_every_message() {
    let command = ["go", "run", "inflate.go"];
    inflate_all("Go", &["go", "version"], "go1", &command);
}

#[test]
fn java_inflates_every_message() {
    // Running a source file requires the compiler, which a Java runtime does not contain.
    let probe = ["java", "--list-modules"];
    inflate_all("Java", &probe, "jdk.compiler", &["java", "Inflate.java"]);
}
