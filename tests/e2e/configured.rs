//! A server with a configuration file that can be changed.

use std::fs;
use std::path::PathBuf;

use tempfile::TempDir;

use crate::server::{Ports, Server};

/// A server, and its configuration file.
pub struct ConfiguredServer {
    pub server: Server,
    file: PathBuf,
    /// Removes the file when dropped.
    _directory: TempDir,
}

impl ConfiguredServer {
    /// Starts a server with a configuration file that contains `text`.
    pub fn start(text: &str) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("fanfare.toml");
        fs::write(&file, text).unwrap();
        let path = file.to_str().expect("the path is UTF-8");
        let server = Server::start_with_arguments(&["-c", path], &[]);
        Self {
            server,
            file,
            _directory: directory,
        }
    }

    /// Starts a server whose ports are set in the file, and therefore change with it.
    pub fn start_on(ports: Ports, text: &str) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("fanfare.toml");
        fs::write(&file, text).unwrap();
        let path = file.to_str().expect("the path is UTF-8");
        Self {
            server: Server::start_from_file(ports, path),
            file,
            _directory: directory,
        }
    }

    /// Replaces the configuration file.
    pub fn write(&self, text: &str) {
        fs::write(&self.file, text).unwrap();
    }

    /// Replaces the configuration file and asks the server to load it.
    pub fn reload(&self, text: &str) {
        self.write(text);
        self.server.signal("HUP");
    }
}
