//! The commands connect and refresh: who the client is, and until when. Shard core.

use std::collections::HashSet;

use crate::access::hooks::{ConnectResult, HookFault, calls};
use crate::access::{ConnectionToken, TokenFault, TokenKind, TokenSubscription, UnverifiedToken};
use crate::config::{AuthMode, HookKind};
use crate::limits::EXPIRIES_PER_TURN;
use crate::protocol::codes::ClientError;
use crate::protocol::reply::Expiry;
use crate::protocol::topic;

use super::Hub;
use super::close_reason::CloseReason;
use super::command_outcome::{CommandOutcome, Grant};
use super::connection_id::ConnectionId;
use super::hook_calls::Executing;
use super::identities::{Expired, NEVER_US};
use super::parked::Wait;
use super::token_time::TokenTime;
use super::upstream::UserAdmission;

/// Maximum time to live in replies, in seconds: 68 years.
const TTL_MAX_S: u32 = i32::MAX.cast_unsigned();

/// Until when something is granted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Validity {
    Forever,
    /// `ttl_s` is at least 1.
    Until {
        ttl_s: u32,
    },
    Over,
}

impl Validity {
    /// Returns the validity of what expires at a time of the wall clock. Later jumps of that clock
    /// have no effect.
    pub(super) fn of(expires_at_s: Option<u64>, unix_s: u64) -> Self {
        match expires_at_s {
            None => Self::Forever,
            Some(expires_at_s) if expires_at_s <= unix_s => Self::Over,
            Some(expires_at_s) => Self::Until {
                // SDKs in Java and Dart read the number as a signed one.
                ttl_s: u32::try_from(expires_at_s - unix_s)
                    .map_or(TTL_MAX_S, |ttl_s| ttl_s.min(TTL_MAX_S)),
            },
        }
    }

    /// Returns the expiry in the reply.
    pub(super) fn expiry(self) -> Option<Expiry> {
        match self {
            Self::Forever | Self::Over => None,
            Self::Until { ttl_s } => Some(Expiry { ttl_s }),
        }
    }

    /// Returns when the grant ends, in microseconds: `delay_us` after it expires.
    pub(super) fn end_us(self, now_us: u64, delay_us: u64) -> u64 {
        match self {
            Self::Forever => NEVER_US,
            Self::Over => now_us,
            Self::Until { ttl_s } => now_us + u64::from(ttl_s) * 1_000_000 + delay_us,
        }
    }
}

impl Hub {
    /// Sets the time of the wall clock in seconds since 1970. Tokens are checked against it.
    pub fn set_unix_time(&mut self, unix_s: u64) {
        self.unix_s = unix_s;
    }

    /// Executes a connect command.
    pub(super) fn connect(&mut self, executing: &Executing<'_>, token: &str) -> CommandOutcome {
        let &Executing { id, now_us, .. } = executing;
        let grant = match self.config.auth.mode() {
            AuthMode::Open => Ok(Grant::default()),
            AuthMode::Enforced if !token.is_empty() => self.authenticate(id, token, now_us),
            AuthMode::Enforced if self.config.auth.hooks.get(HookKind::Connect).is_some() => {
                self.authenticate_by_hook(executing)
            }
            AuthMode::Enforced if self.config.auth.allow_anonymous => Ok(Grant::default()),
            AuthMode::Enforced => {
                self.counts.tokens_missing += 1;
                Err(CommandOutcome::Disconnect(CloseReason::BadRequest))
            }
        };
        let grant = match grant {
            Ok(grant) => grant,
            Err(outcome) => return outcome,
        };
        self.sessions[id].connect();
        self.start_pings(id, now_us);
        for subscription in &grant.subscriptions {
            let (topic, info) = (&subscription.topic, subscription.info.clone());
            self.subscribe_to(id, topic);
            self.record_subscription(id, topic, Validity::Forever, info, now_us);
        }
        CommandOutcome::Connected(grant)
    }

    /// Verifies the token of a connect command and records who the client is. Returns how the
    /// command ends if the token is not accepted or there is no time for it.
    fn authenticate(
        &mut self,
        id: ConnectionId,
        token: &str,
        now_us: u64,
    ) -> Result<Grant, CommandOutcome> {
        let token = match self.verify_connection(id, token, now_us)? {
            Ok(token) => token,
            Err(TokenFault::Expired) => return Err(ClientError::TokenExpired.into()),
            Err(TokenFault::Invalid(_)) => {
                return Err(CommandOutcome::Disconnect(CloseReason::InvalidToken));
            }
            Err(TokenFault::KeyNeeded | TokenFault::KeysUnavailable) => {
                return Err(ClientError::Internal.into());
            }
        };
        let delay_us = self.config.auth.expired_close_delay.as_micros() as u64;
        self.accept_client(id, token, delay_us, now_us)
    }

    /// Records who a client is, as its token or the hook states. The connection ends `delay_us`
    /// after it expires. Returns how the command ends if the client is not accepted.
    fn accept_client(
        &mut self,
        id: ConnectionId,
        token: ConnectionToken,
        delay_us: u64,
        now_us: u64,
    ) -> Result<Grant, CommandOutcome> {
        let validity = Validity::of(token.expires_at_s, self.unix_s);
        if validity == Validity::Over {
            return Err(ClientError::Expired.into());
        }
        let subscriptions = self.admit_client(&token.user, token.subscriptions)?;
        let end_us = validity.end_us(now_us, delay_us);
        self.identities.set(id, &token.user, token.info, end_us);
        Ok(Grant {
            expiry: validity.expiry(),
            subscriptions,
            data: None,
        })
    }

    /// Returns the subscriptions that the server makes for a client, each topic once, and adds the
    /// connection to those of its user. Returns how the command ends if the client may not have
    /// them, or has too many connections. After success, the caller records the identity.
    fn admit_client(
        &mut self,
        user: &str,
        mut subscriptions: Vec<TokenSubscription>,
    ) -> Result<Vec<TokenSubscription>, CommandOutcome> {
        self.add_personal_channel(user, &mut subscriptions)?;
        let mut seen = HashSet::new();
        subscriptions.retain(|each| seen.insert(each.topic.clone()));
        if subscriptions.len() > self.config.ws.max_topics {
            return Err(CommandOutcome::Disconnect(CloseReason::TooManyTopics));
        }
        let mut topics = subscriptions.iter().map(|each| &*each.topic);
        if topics.any(|topic| topic == topic::RESERVED) {
            return Err(ClientError::PermissionDenied.into());
        }
        match self.admit_user(user) {
            UserAdmission::OverLimit => Err(CommandOutcome::Disconnect(CloseReason::UserLimit)),
            UserAdmission::Admitted => Ok(subscriptions),
        }
    }

    /// Asks the connect hook and records who the client is. Returns how the command ends if the
    /// hook does not accept the client, or has not answered yet.
    fn authenticate_by_hook(&mut self, executing: &Executing<'_>) -> Result<Grant, CommandOutcome> {
        let &Executing { id, now_us, .. } = executing;
        let result: ConnectResult = self.ask_hook(executing, HookKind::Connect, calls::connect)?;
        if result.subscriptions.len() > self.config.ws.max_topics {
            self.note_hook_fault(HookKind::Connect, HookFault::TooManyTopics, now_us);
            return Err(ClientError::Internal.into());
        }
        // With a refresh hook, the server extends the connection, unknown to the client.
        let is_extended = self.config.auth.hooks.get(HookKind::Refresh).is_some();
        let delay_us = if is_extended {
            0
        } else {
            self.config.auth.expired_close_delay.as_micros() as u64
        };
        let expires = result.expires_at_s.is_some();
        let client = ConnectionToken {
            user: result.user,
            info: result.info,
            expires_at_s: result.expires_at_s,
            subscriptions: result.subscriptions,
        };
        let mut grant = self.accept_client(id, client, delay_us, now_us)?;
        self.hook_clients.set_meta(id, result.meta);
        if expires {
            self.hook_clients.extend(id, Expired::Connection);
        }
        grant.expiry = grant.expiry.filter(|_| !is_extended);
        grant.data = result.data;
        Ok(grant)
    }

    /// Executes a refresh command: the client has a new token for its connection.
    pub(super) fn refresh(&mut self, id: ConnectionId, token: &str, now_us: u64) -> CommandOutcome {
        // An error would end clients that got an expiry before a reload.
        if self.config.auth.mode() == AuthMode::Open {
            return CommandOutcome::Refreshed(None);
        }
        if token.is_empty() {
            return CommandOutcome::Disconnect(CloseReason::BadRequest);
        }
        let verified = match self.verify_connection(id, token, now_us) {
            Ok(verified) => verified,
            Err(wait) => return wait.into(),
        };
        let token = match verified {
            Ok(token) => token,
            Err(TokenFault::Expired) => return CommandOutcome::Disconnect(CloseReason::Expired),
            Err(TokenFault::Invalid(_)) => {
                return CommandOutcome::Disconnect(CloseReason::InvalidToken);
            }
            Err(TokenFault::KeyNeeded | TokenFault::KeysUnavailable) => {
                return ClientError::Internal.into();
            }
        };
        if *token.user != *self.identities.user(id) {
            return CommandOutcome::Disconnect(CloseReason::InvalidToken);
        }
        let validity = Validity::of(token.expires_at_s, self.unix_s);
        if validity == Validity::Over {
            return CommandOutcome::Disconnect(CloseReason::Expired);
        }
        let delay_us = self.config.auth.expired_close_delay.as_micros() as u64;
        self.identities
            .set_end(id, validity.end_us(now_us, delay_us));
        CommandOutcome::Refreshed(validity.expiry())
    }

    /// Verifies a connection token and counts the result. Fails if the turn has no time left, or if
    /// the key of the token has to be fetched.
    pub(super) fn verify_connection(
        &mut self,
        id: ConnectionId,
        token: &str,
        now_us: u64,
    ) -> Result<Result<ConnectionToken, TokenFault>, Wait> {
        let token = self.read_token(token, TokenKind::Connection)?;
        let verified = self.verifier.verify_connection(&token, self.unix_s);
        let verified = self.await_key(verified, &token, TokenKind::Connection)?;
        self.note_token(id, verified.as_ref().err(), now_us);
        Ok(verified)
    }

    /// Reads a token, and takes the time to verify it from the time of the turn.
    pub(super) fn read_token<'a>(
        &mut self,
        token: &'a str,
        kind: TokenKind,
    ) -> Result<UnverifiedToken<'a>, Wait> {
        let parse_us = parse_cost_us(token);
        let token = UnverifiedToken::read(token);
        let verify_us = self.verifier.cost_us(&token, kind);
        match self.parked.take_time(verify_us + parse_us) {
            TokenTime::Granted => Ok(token),
            TokenTime::Exhausted => Err(Wait::ForTurn),
        }
    }

    /// Counts a verified token by its result, and reports one that cannot be valid.
    pub(super) fn note_token(&mut self, id: ConnectionId, fault: Option<&TokenFault>, now_us: u64) {
        match fault {
            None => self.counts.tokens_valid += 1,
            Some(TokenFault::Expired) => self.counts.tokens_expired += 1,
            Some(TokenFault::Invalid(fault)) => {
                self.counts.tokens_invalid += 1;
                self.refusals.report_token(id, *fault, now_us);
            }
            Some(TokenFault::KeyNeeded | TokenFault::KeysUnavailable) => {
                self.counts.tokens_unverified += 1;
            }
        }
    }

    /// Closes the connections and ends the subscriptions that have expired, a bounded number in one
    /// turn. The rest stays due.
    pub(super) fn end_expired(&mut self, now_us: u64) {
        for _ in 0..EXPIRIES_PER_TURN {
            let Some((id, expired)) = self.identities.expired(now_us) else {
                break;
            };
            self.end_one_expired(id, &expired, now_us);
        }
    }
}

/// Returns the estimated time to parse a token. Attackers send long ones that are malformed.
fn parse_cost_us(token: &str) -> u32 {
    const BYTES_PER_US: u32 = 64;
    token.len() as u32 / BYTES_PER_US
}
