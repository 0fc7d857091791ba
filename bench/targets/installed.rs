//! Servers from Debian packages: finds their programs and creates their configuration directories.
//! Main thread.

use std::env;
use std::fs::DirBuilder;
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use crate::error::BenchError;

/// Directories of server programs that the user's PATH may not contain.
const SYSTEM_DIRECTORIES: [&str; 2] = ["/usr/sbin", "/usr/local/sbin"];

/// Returns the path of a program.
pub fn find(program: &'static str, package: &'static str) -> Result<PathBuf, BenchError> {
    let path = env::var_os("PATH").unwrap_or_default();
    let directories = env::split_paths(&path).chain(SYSTEM_DIRECTORIES.map(PathBuf::from));
    let mut files = directories.map(|directory| directory.join(program));
    let found = files.find(|file| file.is_file());
    found.ok_or(BenchError::NotInstalled { program, package })
}

/// Creates a directory, accessible only to the user, for the configuration of the server on
/// `port`.
pub fn directory(port: u16) -> io::Result<PathBuf> {
    let name = format!("fanfare-bench-{}-{port}", std::process::id());
    let directory = env::temp_dir().join(name);
    DirBuilder::new().mode(0o700).create(&directory)?;
    Ok(directory)
}

/// Returns a path as text for an argument or a configuration.
pub fn text(path: &Path) -> String {
    path.to_string_lossy().into_owned()
}
