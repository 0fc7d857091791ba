//! Admits a client with its identity, and gives the identity up when the connection ends. Shard
//! core.

use crate::access::TokenSubscription;
use crate::protocol::codes::ClientError;
use crate::protocol::topic;

use super::Hub;
use super::connection_id::ConnectionId;
use super::upstream::UserAdmission;

impl Hub {
    /// Counts a connection of a user, unless the user has as many as `auth.user_connection_limit`
    /// allows. An anonymous client is admitted. The caller records the identity of an admitted
    /// client, so that [`Hub::forget_identity`] subtracts the connection when it ends.
    pub(super) fn admit_user(&self, user: &str) -> UserAdmission {
        if user.is_empty() {
            return UserAdmission::Admitted;
        }
        self.upstream.enter_user(user)
    }

    /// Forgets who the client of a connection is, and subtracts the connection from those of its
    /// user.
    pub(super) fn forget_identity(&mut self, id: ConnectionId) {
        if let Some(user) = self.identities.remove(id)
            && !user.is_empty()
        {
            self.upstream.leave_user(&user);
        }
    }

    /// Adds the personal channel of a user to the subscriptions that the server makes, if
    /// `auth.personal_channel` demands it. Fails if the user cannot be part of a topic.
    pub(super) fn add_personal_channel(
        &self,
        user: &str,
        subscriptions: &mut Vec<TokenSubscription>,
    ) -> Result<(), ClientError> {
        let auth = &self.config.auth;
        if !auth.personal_channel || user.is_empty() {
            return Ok(());
        }
        let (namespace, boundary) = (&*auth.personal_channel_namespace, &*auth.user_boundary);
        // Such a topic would name other users.
        let divides = |text: &str| !text.is_empty() && user.contains(text);
        if divides(boundary) || divides(&auth.user_separator) {
            return Err(ClientError::BadRequest);
        }
        let separator = if namespace.is_empty() { "" } else { ":" };
        let name = format!("{namespace}{separator}{boundary}{user}");
        if topic::check(name.as_bytes()).is_err() || name == topic::RESERVED {
            return Err(ClientError::BadRequest);
        }
        if !subscriptions.iter().any(|each| *each.topic == *name) {
            subscriptions.push(TokenSubscription {
                topic: name.into(),
                info: None,
                data: None,
            });
        }
        Ok(())
    }
}
