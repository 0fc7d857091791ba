//! Peers that Debian packages: where they are, and what they are configured with.

use std::env;
use std::fs::DirBuilder;
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use crate::fault::Fault;

/// Where servers are that the user's PATH may not name.
const SYSTEM: [&str; 2] = ["/usr/sbin", "/usr/local/sbin"];

/// Where a program is.
pub fn find(program: &'static str, package: &'static str) -> Result<PathBuf, Fault> {
    let path = env::var_os("PATH").unwrap_or_default();
    let folders = env::split_paths(&path).chain(SYSTEM.map(PathBuf::from));
    let mut files = folders.map(|folder| folder.join(program));
    let found = files.find(|file| file.is_file());
    found.ok_or(Fault::NotInstalled { program, package })
}

/// A new directory of the user's own, for the configuration of the server on `port`.
pub fn directory(port: u16) -> io::Result<PathBuf> {
    let name = format!("fanfare-bench-{}-{port}", std::process::id());
    let directory = env::temp_dir().join(name);
    DirBuilder::new().mode(0o700).create(&directory)?;
    Ok(directory)
}

/// A path as an argument or in a configuration.
pub fn text(path: &Path) -> String {
    path.to_string_lossy().into_owned()
}
