//! Hooks of the back end: the JSON documents of calls and answers, with the members of Centrifugo's
//! proxy. No IO. Used by shard threads.
//!
//! ```text
//! calls     writes calls                       answers   reads results, errors and disconnects
//! results   reads what hooks grant              fault     why an answer cannot be used
//! ```

mod answers;
pub mod calls;
mod fault;
mod results;

pub use answers::{HookAnswer, HookDisconnect, HookError, read};
pub use calls::Caller;
pub use fault::HookFault;
pub use results::{
    ConnectResult, DataForm, HookResult, PublishResult, RefreshResult, RpcResult, SubscribeResult,
};
