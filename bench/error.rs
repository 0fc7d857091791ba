//! The reasons why a scenario could not be run. A failed check is not an error: the report lists
//! it. All threads.

use std::io;
use std::path::PathBuf;

/// Why a scenario could not be run. Each message names the option or resource to look at.
#[derive(Debug, thiserror::Error)]
pub enum BenchError {
    #[error("--url {url}: use ws://HOST:PORT")]
    Url { url: String },
    #[error("{0}")]
    Arguments(String),
    #[error("sockets: {0}")]
    Io(#[from] io::Error),
    #[error("--push {endpoint}: {error}")]
    PublishZeroMq { endpoint: String, error: zmq::Error },
    #[error("--push {endpoint}: {error}")]
    PublishTcp { endpoint: String, error: io::Error },
    #[error("a publishing thread panicked")]
    PublisherPanicked,
    #[error("a receiving thread panicked")]
    ReceiverPanicked,
    #[error("--token: the key or a token cannot be made: {0}")]
    Token(String),
    #[error("--pid {pid}: {error}")]
    Process { pid: u32, error: io::Error },
    #[error("{0} did not start; the lines above give the reason")]
    Start(String),
    #[error("{program} is not installed; install the Debian package {package}")]
    NotInstalled {
        program: &'static str,
        package: &'static str,
    },
    #[error("no free port outside the ephemeral range")]
    NoFreePort,
    #[error("--admin {admin}: {text}")]
    Admin { admin: String, text: String },
    #[error("--deflate: the server declined permessage-deflate")]
    DeflateDeclined,
    #[error(
        "{opened} of {wanted} connections opened ({refused} refused, {failed} failed): \
         check that the server runs and that its descriptor limit is high enough"
    )]
    Opening {
        opened: usize,
        wanted: usize,
        refused: u64,
        failed: u64,
    },
    #[error("--plot {}: {error}", file.display())]
    Plot { file: PathBuf, error: io::Error },
}
