//! Why a scenario could not be run. Whatever it measured is no fault: that is in its report.

use std::io;

/// The text names what to look at.
#[derive(Debug, thiserror::Error)]
pub enum Fault {
    #[error("--url {url}: use ws://HOST:PORT")]
    Url { url: String },
    #[error("{0}")]
    Arguments(String),
    #[error("sockets: {0}")]
    Io(#[from] io::Error),
    #[error("--push {endpoint}: {error}")]
    Publish { endpoint: String, error: zmq::Error },
    #[error("--push {endpoint}: {error}")]
    PublishStream { endpoint: String, error: io::Error },
    #[error("the publishing thread panicked")]
    Publisher,
    #[error("--pid {pid}: {error}")]
    Process { pid: u32, error: io::Error },
    #[error("{0} did not start: see above")]
    Start(String),
    #[error("{program} is not installed: it comes with the Debian package {package}")]
    NotInstalled {
        program: &'static str,
        package: &'static str,
    },
    #[error("no free port outside the ephemeral range")]
    Ports,
    #[error("--admin {admin}: {text}")]
    Admin { admin: String, text: String },
    #[error("--deflate: the server declined permessage-deflate")]
    Declined,
    #[error(
        "{opened} of {wanted} connections opened ({refused} refused, {failed} failed): \
         is the server there, and has it the descriptors?"
    )]
    Opening {
        opened: usize,
        wanted: usize,
        refused: u64,
        failed: u64,
    },
}
