//! The command publish. Shard core.

use crate::access::rules;
use crate::config::{AuthMode, PayloadKind};
use crate::protocol::codes::ClientError;
use crate::protocol::command::PublishData;

use super::Hub;
use super::command_outcome::CommandOutcome;
use super::connection_id::ConnectionId;
use super::pending::Question;

impl Hub {
    /// Asks ingest to take a publication. The client gets its reply when ingest has answered.
    pub(super) fn publish_from_client(
        &mut self,
        id: ConnectionId,
        request: u32,
        name: &str,
        data: PublishData,
        now_us: u64,
    ) -> CommandOutcome {
        if let Err(error) = self.may_publish(id, name) {
            return self.deny(error);
        }
        let namespace = self.config.namespace(name);
        let payload = match data {
            PublishData::Json(_) if namespace.payload != PayloadKind::Json => {
                return ClientError::NotAvailable.into();
            }
            PublishData::Json(payload) | PublishData::Bytes(payload) => payload,
        };
        if payload.len() > self.config.ingest.max_payload {
            return ClientError::LimitExceeded.into();
        }
        let question = Question::Publish {
            topic: name.into(),
            payload,
        };
        self.ask(id, request, question, now_us)
    }

    /// Decides whether a client may publish.
    fn may_publish(&self, id: ConnectionId, name: &str) -> Result<(), ClientError> {
        let namespace = self.config.namespace(name);
        if !self.may_use(id, name) {
            return Err(ClientError::PermissionDenied);
        }
        match self.config.auth.mode() {
            AuthMode::Open if namespace.publish => Ok(()),
            AuthMode::Open => Err(ClientError::PermissionDenied),
            AuthMode::Enforced => {
                let user = self.identities.user(id);
                let is_subscribed = self.subscriptions.is_subscribed(id.into(), name);
                rules::publish(&self.config.auth, namespace, name, user, is_subscribed)
            }
        }
    }
}
