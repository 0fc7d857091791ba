//! The command publish. Shard core.

use std::sync::Arc;

use crate::access::hooks::{HookFault, PublishResult, calls};
use crate::access::rules;
use crate::config::{AuthMode, HookKind, PayloadKind};
use crate::protocol::ClientInfo;
use crate::protocol::codes::ClientError;
use crate::protocol::command::PublishData;

use super::Hub;
use super::command_outcome::CommandOutcome;
use super::connection_id::ConnectionId;
use super::hook_calls::Executing;
use super::pending::Question;

/// The decision about a publication of a client: by whom it is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Decider {
    /// The permissions of the namespace, which allow it.
    Rules,
    /// The publish hook.
    Hook,
}

impl Hub {
    /// Asks ingest to take a publication. The client gets its reply when ingest has answered.
    pub(super) fn publish_from_client(
        &mut self,
        executing: &Executing<'_>,
        request: u32,
        name: &str,
        data: PublishData,
    ) -> CommandOutcome {
        let &Executing { id, now_us, .. } = executing;
        let decider = match self.publish_decider(id, name) {
            Ok(decider) => decider,
            Err(error) => return self.deny(error),
        };
        let namespace = self.config.namespace(name);
        let payload = match data {
            PublishData::Json(_) if namespace.payload != PayloadKind::Json => {
                return ClientError::NotAvailable.into();
            }
            PublishData::Json(payload) | PublishData::Bytes(payload) => payload,
        };
        let limit = self.config.ingest.max_payload;
        if payload.len() > limit {
            return ClientError::LimitExceeded.into();
        }
        let payload = match decider {
            Decider::Rules => payload,
            Decider::Hook => match self.ask_publish_hook(executing, name, &payload) {
                Ok(replaced) => replaced.map_or(payload, Vec::from),
                Err(outcome) => return outcome,
            },
        };
        if payload.len() > limit {
            self.note_hook_fault(HookKind::Publish, HookFault::TooLarge, now_us);
            return ClientError::Internal.into();
        }
        let question = Question::Publish {
            topic: name.into(),
            payload,
            info: self.client_info(id, name),
        };
        self.ask(id, request, question, now_us)
    }

    /// Returns the information about a client that the subscribers of a topic get; `None` if
    /// clients are not authenticated.
    fn client_info(&self, id: ConnectionId, topic: &str) -> Option<Arc<ClientInfo>> {
        if self.config.auth.mode() == AuthMode::Open {
            return None;
        }
        Some(Arc::new(ClientInfo {
            user: self.identities.user(id).into(),
            client: self.client_id(id).to_string().into(),
            conn_info: self.identities.info(id).map(Into::into),
            chan_info: self.identities.subscription_info(id, topic).map(Into::into),
        }))
    }

    /// Asks the publish hook. Returns the payload that replaces that of the client, if any.
    fn ask_publish_hook(
        &mut self,
        executing: &Executing<'_>,
        name: &str,
        payload: &[u8],
    ) -> Result<Option<Box<[u8]>>, CommandOutcome> {
        let result = self.ask_hook(executing, HookKind::Publish, |caller, _| {
            calls::publish(caller, name, payload)
        });
        result.map(|PublishResult { data }| data)
    }

    /// Returns who decides about a publication, unless the client may not publish.
    fn publish_decider(&self, id: ConnectionId, name: &str) -> Result<Decider, ClientError> {
        let namespace = self.config.namespace(name);
        if !self.may_use(id, name) {
            return Err(ClientError::PermissionDenied);
        }
        if rules::asks_publish_hook(&self.config.auth, namespace, name)? {
            return Ok(Decider::Hook);
        }
        match self.config.auth.mode() {
            AuthMode::Open if namespace.publish => Ok(Decider::Rules),
            AuthMode::Open => Err(ClientError::PermissionDenied),
            AuthMode::Enforced => {
                let user = self.identities.user(id);
                let is_subscribed = self.subscriptions.is_subscribed(id.into(), name);
                rules::publish(&self.config.auth, namespace, name, user, is_subscribed)?;
                Ok(Decider::Rules)
            }
        }
    }
}
