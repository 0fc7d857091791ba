//! The service thread: everything that talks to other systems and may be slow. Service thread.
//!
//! ```text
//! thread          the thread and its runtime
//! calls           takes the questions of the shards
//! pending_answer  answers each question once, whatever happens
//! hooks           calls of hooks
//! key_sets        the newest key sets, and who waits for them
//! key_set_fetch   fetches one key set
//! probe           one request, for the command line
//! http_client     requests over HTTP, with and without TLS
//! tests           a server for tests, and shards that ask
//! ```

mod calls;
mod hooks;
mod http_client;
mod key_set_fetch;
mod key_sets;
mod pending_answer;
pub mod probe;
#[cfg(test)]
mod tests;
mod thread;

pub(crate) use calls::ServiceCallHandler;
pub(crate) use thread::ServiceThread;
