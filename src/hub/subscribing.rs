//! The commands `subscribe`, `unsubscribe` and `sub_refresh`. Shard core.

use crate::access::hooks::{SubscribeResult, calls};
use crate::access::{SubscriptionToken, TokenFault, TokenKind, TokenPresence, rules};
use crate::config::{AuthMode, HookKind};
use crate::limits::TIMER_TICK;
use crate::protocol::codes::{ClientError, UnsubscribeCode};
use crate::protocol::reply::{Push, Reply};

use super::Hub;
use super::authentication::Validity;
use super::close_reason::CloseReason;
use super::command_outcome::CommandOutcome;
use super::connection_id::ConnectionId;
use super::extending::Extension;
use super::hook_calls::Executing;
use super::identities::{Expired, NEVER_US};
use super::sessions::Protocol;
use super::subscriptions::InterestChange;

/// How the token of a subscription is judged.
enum Judgement {
    Accepted(SubscriptionGrant),
    Expired,
    Invalid,
    /// The token is for another user, another client or another topic.
    Mismatch,
}

/// Until when a subscription is granted, and the information about the user in its topic.
struct SubscriptionGrant {
    validity: Validity,
    info: Option<Box<[u8]>>,
}

impl SubscriptionGrant {
    const FOREVER: Self = Self {
        validity: Validity::Forever,
        info: None,
    };
}

impl Hub {
    pub(super) fn subscribe(
        &mut self,
        executing: &Executing<'_>,
        name: &str,
        token: &str,
    ) -> CommandOutcome {
        let &Executing { id, now_us, .. } = executing;
        if !self.may_use(id, name) {
            return ClientError::PermissionDenied.into();
        }
        if self.subscriptions.is_subscribed(id.into(), name) {
            return ClientError::AlreadySubscribed.into();
        }
        if self.subscriptions.topics_of(id.into()) >= self.config.ws.max_topics {
            return ClientError::LimitExceeded.into();
        }
        if token.is_empty() || self.config.auth.mode() == AuthMode::Open {
            let (auth, namespace) = (&self.config.auth, self.config.namespace(name));
            match rules::asks_subscribe_hook(auth, namespace, name) {
                Ok(true) => return self.subscribe_by_hook(executing, name),
                Ok(false) => {}
                Err(error) => return self.deny(error),
            }
        }
        let SubscriptionGrant { validity, info } = match self.config.auth.mode() {
            AuthMode::Open => SubscriptionGrant::FOREVER,
            AuthMode::Enforced => match self.authorize_subscribe(id, name, token, now_us) {
                Ok(grant) => grant,
                Err(outcome) => return outcome,
            },
        };
        self.subscribe_to(id, name);
        self.record_subscription(id, name, validity, info, now_us);
        CommandOutcome::Reply(Reply::Subscribe {
            expiry: validity.expiry(),
            data: None,
        })
    }

    /// Asks the subscribe hook about a subscription.
    fn subscribe_by_hook(&mut self, executing: &Executing<'_>, name: &str) -> CommandOutcome {
        let &Executing { id, now_us, .. } = executing;
        let result = self.ask_hook(executing, HookKind::Subscribe, |caller, parameters| {
            calls::subscribe(caller, name, parameters.data)
        });
        let result: SubscribeResult = match result {
            Ok(result) => result,
            Err(outcome) => return outcome,
        };
        let validity = Validity::of(result.expires_at_s, self.unix_s);
        if validity == Validity::Over {
            return ClientError::Expired.into();
        }
        self.subscribe_to(id, name);
        // With a hook for it, the server extends the subscription, unknown to the client.
        let is_extended = self.config.namespace(name).sub_refresh_hook;
        if is_extended && validity != Validity::Forever {
            let end_us = validity.end_us(now_us, 0);
            self.identities
                .set_subscription(id, name, end_us, result.info);
            self.hook_clients
                .extend(id, Expired::Subscription(name.into()));
        } else {
            self.record_subscription(id, name, validity, result.info, now_us);
        }
        CommandOutcome::Subscribed {
            expiry: validity.expiry().filter(|_| !is_extended),
            data: result.data,
        }
    }

    /// Decides whether a client may subscribe, and until when. Returns how the command ends if the
    /// client may not, or if the turn has no time left for its token.
    fn authorize_subscribe(
        &mut self,
        id: ConnectionId,
        name: &str,
        token: &str,
        now_us: u64,
    ) -> Result<SubscriptionGrant, CommandOutcome> {
        let presence = if token.is_empty() {
            TokenPresence::Absent
        } else {
            TokenPresence::Valid
        };
        let grant = if presence == TokenPresence::Absent {
            SubscriptionGrant::FOREVER
        } else {
            match self.judge(id, name, token, now_us)? {
                Judgement::Accepted(grant) if grant.validity == Validity::Over => {
                    return Err(ClientError::Expired.into());
                }
                Judgement::Accepted(grant) => grant,
                Judgement::Expired => return Err(ClientError::TokenExpired.into()),
                Judgement::Invalid => return Err(self.deny(ClientError::PermissionDenied)),
                Judgement::Mismatch => {
                    return Err(CommandOutcome::Disconnect(CloseReason::InvalidToken));
                }
            }
        };
        let namespace = self.config.namespace(name);
        let user = self.identities.user(id);
        rules::subscribe(&self.config.auth, namespace, name, user, presence)
            .map_err(|error| self.deny(error))?;
        Ok(grant)
    }

    /// Verifies the token of a subscription.
    fn judge(
        &mut self,
        id: ConnectionId,
        name: &str,
        token: &str,
        now_us: u64,
    ) -> Result<Judgement, CommandOutcome> {
        let token = self.read_token(token, TokenKind::Subscription)?;
        let verified = self.verifier.verify_subscription(&token, self.unix_s);
        let verified = self.await_key(verified, &token, TokenKind::Subscription)?;
        self.note_token(id, verified.as_ref().err(), now_us);
        Ok(match verified {
            Ok(token) if !self.is_meant(id, name, &token) => Judgement::Mismatch,
            Ok(token) => Judgement::Accepted(SubscriptionGrant {
                validity: Validity::of(token.expires_at_s, self.unix_s),
                info: token.info,
            }),
            Err(TokenFault::Expired) => Judgement::Expired,
            Err(TokenFault::Invalid(_)) => Judgement::Invalid,
            Err(TokenFault::KeyNeeded | TokenFault::KeysUnavailable) => {
                return Err(ClientError::Internal.into());
            }
        })
    }

    /// Returns whether a token is for this client and this topic.
    fn is_meant(&self, id: ConnectionId, name: &str, token: &SubscriptionToken) -> bool {
        let client = token.client.as_deref().unwrap_or_default();
        *token.topic == *name
            && *token.user == *self.identities.user(id)
            && (client.is_empty() || *client == self.client_id(id).to_string())
    }

    /// Counts a command that is denied.
    pub(super) fn deny(&mut self, error: ClientError) -> CommandOutcome {
        self.counts.permissions_denied += 1;
        error.into()
    }

    pub(super) fn unsubscribe(&mut self, id: ConnectionId, name: &str) -> CommandOutcome {
        self.end_subscription(id, name);
        CommandOutcome::Reply(Reply::Unsubscribe)
    }

    /// Executes a `sub_refresh` command: the client has a new token for a subscription.
    pub(super) fn refresh_subscription(
        &mut self,
        id: ConnectionId,
        name: &str,
        token: &str,
        now_us: u64,
    ) -> CommandOutcome {
        // An error would end the subscriptions of clients that got an expiry before a reload.
        if self.config.auth.mode() == AuthMode::Open {
            self.identities.set_subscription_end(id, name, NEVER_US);
            return CommandOutcome::Reply(Reply::SubRefresh { expiry: None });
        }
        if !self.subscriptions.is_subscribed(id.into(), name) {
            return ClientError::PermissionDenied.into();
        }
        if token.is_empty() {
            return CommandOutcome::Disconnect(CloseReason::BadRequest);
        }
        let SubscriptionGrant { validity, info } = match self.judge(id, name, token, now_us) {
            Err(outcome) => return outcome,
            Ok(Judgement::Invalid | Judgement::Mismatch) => {
                return CommandOutcome::Disconnect(CloseReason::InvalidToken);
            }
            Ok(Judgement::Expired) => SubscriptionGrant {
                validity: Validity::Over,
                info: None,
            },
            Ok(Judgement::Accepted(grant)) => grant,
        };
        if validity == Validity::Over {
            // An error would end the subscription for good. After this push, SDKs subscribe again,
            // get the error 109 and fetch another token.
            self.end_subscription(id, name);
            self.push_unsubscribe(id, name, UnsubscribeCode::Expired, now_us);
        } else {
            self.record_subscription(id, name, validity, info, now_us);
        }
        CommandOutcome::Reply(Reply::SubRefresh {
            expiry: validity.expiry(),
        })
    }

    /// Records until when a subscription is granted, and the information about the user in its
    /// topic.
    pub(super) fn record_subscription(
        &mut self,
        id: ConnectionId,
        name: &str,
        validity: Validity,
        info: Option<Box<[u8]>>,
        now_us: u64,
    ) {
        let delay = self.config.auth.expired_subscription_close_delay;
        let end_us = validity.end_us(now_us, delay.as_micros() as u64);
        self.identities.set_subscription(id, name, end_us, info);
    }

    /// Subscribes a connection to a topic. Has no effect if it is subscribed to it.
    pub(super) fn subscribe_to(&mut self, id: ConnectionId, name: &str) {
        if self.subscriptions.is_subscribed(id.into(), name) {
            return;
        }
        let change = self.subscriptions.subscribe(id.into(), name, &self.config);
        // The interest changes before the reply is sent, so that no publication that arrives after
        // the reply is missed.
        self.change_interest(change);
    }

    /// Ends a subscription, if there is one.
    pub(super) fn end_subscription(&mut self, id: ConnectionId, name: &str) {
        let change = self.subscriptions.unsubscribe(id.into(), name);
        self.change_interest(change);
        self.identities.forget_subscription(id, name);
        self.hook_clients.forget_subscription(id, name);
    }

    pub(super) fn change_interest(&mut self, change: InterestChange) {
        match change {
            InterestChange::None => {}
            InterestChange::Begins { topic_hash } => self.upstream.want(topic_hash, true),
            InterestChange::Ends { topic_hash } => self.upstream.want(topic_hash, false),
        }
    }

    /// Ends what has expired of a connection.
    pub(super) fn end_one_expired(&mut self, id: ConnectionId, expired: &Expired, now_us: u64) {
        if self.ask_to_extend(id, expired, now_us) == Extension::Asked {
            return;
        }
        // A refresh that waits may extend what has expired, so the hub looks again later. For other
        // commands the hub does not wait: a client could always have a command that waits.
        let later_us = now_us + TIMER_TICK.as_micros() as u64;
        match expired {
            Expired::Connection if self.parked.is_refreshing(id) => {
                self.identities.set_end(id, later_us);
            }
            Expired::Subscription(name) if self.parked.is_refreshing(id) => {
                self.identities.set_subscription_end(id, name, later_us);
            }
            Expired::Connection => {
                self.close(id, CloseReason::Expired, now_us);
                // A connection that is not open has no identity. If one had, it would stay due.
                self.forget_identity(id);
            }
            Expired::Subscription(name) => {
                self.end_subscription(id, name);
                self.push_unsubscribe(id, name, UnsubscribeCode::Expired, now_us);
            }
        }
    }

    /// Informs a client that the server has ended a subscription.
    pub(super) fn push_unsubscribe(
        &mut self,
        id: ConnectionId,
        name: &str,
        code: UnsubscribeCode,
        now_us: u64,
    ) {
        let push = Push::Unsubscribe {
            channel: name,
            code,
        };
        self.push(id, &push, now_us);
    }

    /// Sends a push to one client. Other connections get no pushes.
    pub(super) fn push(&mut self, id: ConnectionId, push: &Push<'_>, now_us: u64) {
        let session = &self.sessions[id];
        let Protocol::Client(codec) = session.protocol() else {
            return;
        };
        let mut message = Vec::new();
        codec.append_push(&mut message, push);
        let bytes = session.transport().message(codec.data(), &message);
        self.send(id, bytes, now_us);
    }
}
