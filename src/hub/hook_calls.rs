//! Calls of hooks for commands: the question, and what the answer means for the command. Shard
//! core.

use crate::access::hooks::{Caller, DataForm, HookAnswer, HookFault, HookResult, read};
use crate::access::{HookCall, HookResponse, ServiceAnswer, ServiceQuestion};
use crate::config::HookKind;
use crate::protocol::codec::ClientCodec;
use crate::protocol::codes::ClientError;
use crate::protocol::hook_parameters::HookParameters;
use crate::wire::handshake::HttpRequest;

use super::Hub;
use super::command_outcome::CommandOutcome;
use super::connection_id::ConnectionId;
use super::hook_reports::HookReport;
use super::parked::{Awaited, Wait};
use super::sessions::Protocol;

/// A command that is being executed, with what a hook needs to know about it.
#[derive(Clone, Copy)]
pub(super) struct Executing<'a> {
    pub(super) id: ConnectionId,
    pub(super) codec: ClientCodec,
    /// The undecoded command.
    pub(super) command: &'a [u8],
    /// The answer of the hook, if the command has waited for it.
    pub(super) awaited: &'a Awaited,
    pub(super) now_us: u64,
}

impl<'a> Executing<'a> {
    /// Returns the parameters of the command for a hook.
    fn parameters(&self) -> Result<HookParameters<'a>, ClientError> {
        let parameters = HookParameters::read(self.codec, self.command);
        parameters.map_err(|_| ClientError::BadRequest)
    }

    /// Returns the form in which the client can receive data.
    fn form(&self) -> DataForm {
        match self.codec {
            ClientCodec::Json => DataForm::Json,
            ClientCodec::Protobuf => DataForm::Bytes,
        }
    }
}

impl Hub {
    /// Returns the result of a hook for a command. Without an answer at hand, the hook is asked:
    /// `call` writes the call, and the command waits. Fails with how the command ends otherwise.
    pub(super) fn ask_hook<T: HookResult>(
        &mut self,
        executing: &Executing<'_>,
        kind: HookKind,
        call: impl FnOnce(&Caller<'_>, &HookParameters<'_>) -> Vec<u8>,
    ) -> Result<T, CommandOutcome> {
        let id = executing.id;
        let Awaited::Answer(ServiceAnswer::Hook(response)) = executing.awaited else {
            let parameters = executing.parameters()?;
            let body = self.write_call(id, |caller| call(caller, &parameters));
            return Err(Wait::ForAnswer(self.hook_question(id, kind, body)).into());
        };
        match self.read_answer(kind, response, executing.form(), executing.now_us) {
            Ok(HookAnswer::Result(result)) => Ok(result),
            Ok(HookAnswer::Error(error)) => Err(CommandOutcome::Refused(error)),
            Ok(HookAnswer::Disconnect(disconnect)) => Err(CommandOutcome::Ended(disconnect)),
            Err(_) => Err(ClientError::Internal.into()),
        }
    }

    /// Writes the call of a hook for the client of a connection.
    pub(super) fn write_call(
        &self,
        id: ConnectionId,
        call: impl FnOnce(&Caller<'_>) -> Vec<u8>,
    ) -> Vec<u8> {
        let codec = match self.sessions[id].protocol() {
            Protocol::Client(codec) => codec,
            // Only clients have commands, and only what a hook has granted is extended.
            Protocol::Raw | Protocol::Echo => ClientCodec::Json,
        };
        call(&Caller {
            client: &self.client_id(id).to_string(),
            codec,
            user: self.identities.user(id),
            meta: self.hook_clients.meta(id),
        })
    }

    /// Returns the question that calls a hook.
    pub(super) fn hook_question(
        &self,
        id: ConnectionId,
        kind: HookKind,
        body: Vec<u8>,
    ) -> ServiceQuestion {
        ServiceQuestion::Hook(HookCall {
            kind,
            body,
            headers: self.hook_clients.headers(id).to_vec(),
        })
    }

    /// Reads the answer of a hook, counts it, and reports one that cannot be used.
    pub(super) fn read_answer<T: HookResult>(
        &mut self,
        kind: HookKind,
        response: &HookResponse,
        form: DataForm,
        now_us: u64,
    ) -> Result<HookAnswer<T>, HookFault> {
        let answer = read(response, &self.config.auth.hooks, form);
        match &answer {
            Ok(HookAnswer::Result(_)) => self.counts.hooks_result += 1,
            Ok(HookAnswer::Error(_)) => self.counts.hooks_error += 1,
            Ok(HookAnswer::Disconnect(_)) => self.counts.hooks_disconnect += 1,
            Err(fault) => self.note_hook_fault(kind, *fault, now_us),
        }
        answer
    }

    /// Counts and reports an answer that cannot be used.
    pub(super) fn note_hook_fault(&mut self, kind: HookKind, fault: HookFault, now_us: u64) {
        if fault == HookFault::Failed {
            self.counts.hooks_failed += 1;
        } else {
            self.counts.hooks_invalid += 1;
        }
        self.hook_reports.report(kind, fault, now_us);
    }

    /// Returns the next answer of a hook to log. The shell calls it in every turn.
    #[must_use]
    pub fn poll_hook_report(&mut self) -> Option<HookReport> {
        self.hook_reports.pop()
    }

    /// Keeps the headers of a handshake that the configuration forwards to hooks.
    pub(super) fn keep_headers(&mut self, id: ConnectionId, request: &HttpRequest) {
        let names = self.config.auth.hooks.http_headers.iter();
        // All values, because a proxy in front may add its own to one of the client.
        let headers = names.flat_map(|name| {
            let values = request.header_values(name.as_str());
            values.map(|value| (name.as_str().into(), value.into()))
        });
        let headers = headers.collect();
        self.hook_clients.set_headers(id, headers);
    }
}
