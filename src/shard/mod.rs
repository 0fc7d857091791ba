//! A shard: one pinned core with a glommio executor and a completion ring, which does all IO of its
//! client connections. Only this directory names glommio or `io_uring`, or contains `unsafe`.
//!
//! ```text
//! executor    the thread: glommio yields and waits between the turns of the loop
//! shard_loop  a turn: completions, requests, lane, one submit of sends
//! dispatch    what each completion means for the hub
//! questions   publications of clients to the ingest thread, and their results to the hub
//! lane        publications from the ingest thread to the hub
//! egress      sends of what is pending, in rounds
//! requests    requests of the control thread
//! survey      the search for slow connections, a page in each turn
//! sleep       the short sleep in the ring, then the sleep in the executor
//! acceptor    the listener: accepting, pausing without descriptors, the end of accepting
//! sockets     the sockets of the connections, and the operations under way on each
//! upstream    the hub's access to the fabric
//! ring        the kernel as the loop uses it: a trait
//! uring       the ring, implemented with io_uring
//! buffers     the provided buffers that all receives of a shard share
//! listener    opens the listening sockets
//! preflight   checks that the host can run a shard
//! system      system calls that std does not wrap
//! work        whether a part of a turn had something to do
//! error       the errors that end a shard
//! ```

mod acceptor;
mod buffers;
mod dispatch;
mod egress;
mod error;
mod executor;
mod lane;
mod listener;
mod preflight;
mod questions;
mod requests;
mod ring;
mod shard_loop;
mod sleep;
mod sockets;
mod survey;
mod system;
mod upstream;
mod uring;
mod work;

pub use error::ShardError;
pub use executor::{Shard, ShardOptions, spawn};
pub use listener::listen;
pub use preflight::{PreflightError, memlock_wanted_bytes, preflight};
pub use ring::{
    Cancelled, Completion, CompletionSignals, Errno, Listener, Multishot, PinnedBytes,
    ReceivedBuffer, Ring, Socket,
};
pub use shard_loop::{ShardLoop, Turn};
pub use sleep::Sleep;
pub use system::{
    descriptor_limit, memlock_limit_bytes, raise_descriptor_limit, wake, with_private_files,
};
