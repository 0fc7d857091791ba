//! The command `rpc`: a client calls the back end. Shard core.

use crate::access::hooks::{RpcResult, calls};
use crate::config::HookKind;
use crate::protocol::codes::ClientError;

use super::Hub;
use super::command_outcome::CommandOutcome;
use super::hook_calls::Executing;

impl Hub {
    /// Executes an `rpc` command.
    pub(super) fn rpc(&mut self, executing: &Executing<'_>) -> CommandOutcome {
        if self.config.auth.hooks.get(HookKind::Rpc).is_none() {
            return ClientError::NotAvailable.into();
        }
        let result = self.ask_hook(executing, HookKind::Rpc, |caller, parameters| {
            calls::rpc(caller, &parameters.method, parameters.data)
        });
        match result {
            Ok(RpcResult { data }) => CommandOutcome::Called { data },
            Err(outcome) => outcome,
        }
    }
}
