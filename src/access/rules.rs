//! Decides who may subscribe and publish. Shard threads, if clients are authenticated.

use crate::config::{AuthConfig, AuthMode, Namespace};
use crate::protocol::codes::ClientError;

/// Whether a subscribe command has a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TokenPresence {
    Absent,
    /// A token that is valid for this user and topic.
    Valid,
}

/// Decides about a subscription of `user` to the topic `name`, whose namespace is `namespace`.
pub fn subscribe(
    auth: &AuthConfig,
    namespace: &Namespace,
    name: &str,
    user: &str,
    token: TokenPresence,
) -> Result<(), ClientError> {
    if auth.is_private(name) && token == TokenPresence::Absent {
        return Err(ClientError::PermissionDenied);
    }
    check_name(auth, namespace, name)?;
    if token == TokenPresence::Valid {
        return Ok(());
    }
    let is_allowed = match limited_to(auth, name) {
        Some(users) => {
            let separator = auth.user_separator.as_str();
            namespace.allow_user_limited_channels && is_named(users, separator, user)
        }
        None => {
            // The hook decides in place of this permission.
            !namespace.subscribe_hook
                && namespace.allow_subscribe_for_client
                && (!user.is_empty() || namespace.allow_subscribe_for_anonymous)
        }
    };
    permit(is_allowed)
}

/// Returns whether the subscribe hook decides about a subscription without a token, if `name` may
/// be a topic at all.
pub fn asks_subscribe_hook(
    auth: &AuthConfig,
    namespace: &Namespace,
    name: &str,
) -> Result<bool, ClientError> {
    if auth.mode() == AuthMode::Open {
        // Without tokens, there are no private topics and no users that a topic could name.
        return Ok(namespace.subscribe_hook);
    }
    let is_asked =
        namespace.subscribe_hook && !auth.is_private(name) && limited_to(auth, name).is_none();
    if is_asked {
        check_name(auth, namespace, name)?;
    }
    Ok(is_asked)
}

/// Returns whether the publish hook decides about a publication, if `name` may be a topic at all.
pub fn asks_publish_hook(
    auth: &AuthConfig,
    namespace: &Namespace,
    name: &str,
) -> Result<bool, ClientError> {
    if namespace.publish_hook && auth.mode() == AuthMode::Enforced {
        check_name(auth, namespace, name)?;
    }
    Ok(namespace.publish_hook)
}

/// Decides about a publication of `user` to the topic `name`, whose namespace is `namespace`.
pub fn publish(
    auth: &AuthConfig,
    namespace: &Namespace,
    name: &str,
    user: &str,
    is_subscribed: bool,
) -> Result<(), ClientError> {
    check_name(auth, namespace, name)?;
    let is_allowed = namespace.allow_publish_for_client
        || (namespace.allow_publish_for_subscriber && is_subscribed);
    permit(is_allowed && (!user.is_empty() || namespace.allow_publish_for_anonymous))
}

fn permit(is_allowed: bool) -> Result<(), ClientError> {
    if is_allowed {
        Ok(())
    } else {
        Err(ClientError::PermissionDenied)
    }
}

/// Checks the part of a topic after the namespace against `channel_regex`.
fn check_name(auth: &AuthConfig, namespace: &Namespace, name: &str) -> Result<(), ClientError> {
    let Some(regex) = &namespace.channel_regex else {
        return Ok(());
    };
    let name = auth.without_private_prefix(name);
    let in_namespace = name.strip_prefix(namespace.name.as_str());
    let rest = in_namespace.and_then(|rest| rest.strip_prefix(':'));
    let rest = if namespace.name.is_empty() {
        None
    } else {
        rest
    };
    if regex.matches(rest.unwrap_or(name)) {
        Ok(())
    } else {
        Err(ClientError::BadRequest)
    }
}

/// Returns the part of a topic that names users, which is after the last boundary.
fn limited_to<'a>(auth: &AuthConfig, name: &'a str) -> Option<&'a str> {
    if auth.user_boundary.is_empty() {
        return None;
    }
    let parts = name.rsplit_once(auth.user_boundary.as_str());
    parts.map(|(_, users)| users)
}

/// Returns whether `users` names `user`. An anonymous user has no name.
fn is_named(users: &str, separator: &str, user: &str) -> bool {
    if user.is_empty() {
        return false;
    }
    if separator.is_empty() {
        return users == user;
    }
    users.split(separator).any(|each| each == user)
}
