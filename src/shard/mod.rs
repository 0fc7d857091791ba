//! A shard: one thread, pinned to a core, that does all IO of its client connections with a
//! completion ring. Only this directory uses glommio, `io_uring` or `unsafe`.
//!
//! ```text
//! executor    the thread: a glommio executor that runs the main loop
//! shard_loop  the main loop: one turn handles completions, requests and the lane, and sends
//! dispatch    handles completions
//! receives    receives from connections in turn, and passes the bytes to the hub
//! receive_queue  the connections that wait to be read
//! refusals    logs refused handshakes
//! questions   passes publications of clients to the ingest thread, and the results to the hub
//! lane        passes publications from the ingest thread to the hub
//! egress      sends pending bytes, in rounds
//! requests    carries out the requests of the control thread
//! user_actions  actions of the server API on the connections of users, some in each turn
//! survey      the search for slow connections, a page in each turn
//! sleep       the short sleep in the ring, then the sleep in the executor
//! acceptor    decides when connections are accepted
//! sockets     the sockets of the connections, and the operations under way on each
//! upstream    the hub's access to the fabric
//! ring        the trait of a completion ring, which the main loop is generic over
//! uring       the implementation of the ring with io_uring
//! buffers     the provided buffers that all receive operations of a shard share
//! listener    opens the listening sockets
//! preflight   checks that the host can run a shard
//! system      system calls that std does not wrap
//! work        the outcome of a part of a turn
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
mod receive_queue;
mod receives;
mod refusals;
mod requests;
mod ring;
mod shard_loop;
mod sleep;
mod sockets;
mod survey;
mod system;
mod upstream;
mod uring;
mod user_actions;
mod work;

pub use error::ShardError;
pub use executor::{Shard, ShardOptions, spawn};
pub use listener::listen;
pub use preflight::{PreflightError, memlock_wanted_bytes, preflight};
pub use ring::{
    Cancelled, Completion, CompletionSignals, Errno, Listener, Multishot, PinnedBytes,
    ReceivedBuffer, Ring, Socket, SocketInput,
};
pub use shard_loop::{ShardLoop, Turn};
pub use sleep::Sleep;
pub use system::{
    descriptor_limit, memlock_limit_bytes, raise_descriptor_limit, wake, with_private_files,
};
