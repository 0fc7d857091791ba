//! The handshake of `/raw`: topics, token and permissions. Shard core.
//!
//! A raw connection has no commands. Its topics are in the query, and its token is in the query or
//! in the header `Authorization`. The token cannot be refreshed, so that the connection is closed
//! when the token expires.

use crate::access::{ConnectionToken, TokenFault, TokenPresence, rules};
use crate::config::AuthMode;
use crate::protocol::topic;
use crate::wire::handshake::{HttpRefusal, HttpRequest};

use super::Hub;
use super::authentication::Validity;
use super::connection_id::ConnectionId;
use super::identities::NEVER_US;
use super::parked::Wait;
use super::upstream::UserAdmission;

/// The topics of a raw connection, and who its client is.
#[derive(Debug, Default)]
pub(super) struct RawGrant {
    pub(super) topics: Vec<String>,
    token: Option<ConnectionToken>,
    ends_us: u64,
}

/// Whether the handshake of a raw connection goes on.
pub(super) enum RawAdmission {
    Granted(RawGrant),
    /// The token has to wait.
    Parked(Wait),
}

impl Hub {
    /// Decides about the request of a raw connection.
    pub(super) fn admit_raw(
        &mut self,
        id: ConnectionId,
        request: &HttpRequest,
        now_us: u64,
    ) -> Result<RawAdmission, HttpRefusal> {
        let topics = self.raw_topics(request)?;
        if !topics.iter().all(|topic| self.may_use(id, topic)) {
            return Err(HttpRefusal::ReservedTopic);
        }
        let mut grant = RawGrant {
            topics,
            token: None,
            ends_us: NEVER_US,
        };
        if self.sessions[id].is_internal() {
            return Ok(RawAdmission::Granted(grant));
        }
        if self.config.auth.mode() == AuthMode::Open {
            let needs_hook = |topic: &String| self.config.namespace(topic).subscribe_hook;
            if grant.topics.iter().any(needs_hook) {
                let text =
                    "the subscribe hook decides about a topic, and raw connections ask no hook";
                return Err(HttpRefusal::Forbidden(text));
            }
            return Ok(RawAdmission::Granted(grant));
        }
        match raw_token(request)? {
            Some(token) => {
                let verified = match self.verify_connection(id, &token, now_us) {
                    Ok(verified) => verified,
                    Err(wait) => return Ok(RawAdmission::Parked(wait)),
                };
                let token = verified.map_err(refusal)?;
                let validity = Validity::of(token.expires_at_s, self.unix_s);
                if validity == Validity::Over {
                    return Err(refusal(TokenFault::Expired));
                }
                grant.ends_us = validity.end_us(now_us, 0);
                grant.token = Some(token);
            }
            None if self.config.auth.allow_anonymous => {}
            None => {
                self.counts.tokens_missing += 1;
                let text =
                    "send a token: /raw?topic=NAME&token=TOKEN, or Authorization: Bearer TOKEN";
                return Err(HttpRefusal::Unauthorized(text));
            }
        }
        self.check_raw_permissions(&grant)?;
        // The upgrade follows, which records the client.
        let user = grant.token.as_ref().map_or("", |token| &token.user);
        if self.admit_user(user) == UserAdmission::OverLimit {
            let text = "the user has as many connections as auth.user_connection_limit allows";
            return Err(HttpRefusal::Forbidden(text));
        }
        Ok(RawAdmission::Granted(grant))
    }

    /// Checks that the client may subscribe to each of its topics: the token lists the topic, or
    /// the namespace allows it.
    fn check_raw_permissions(&mut self, grant: &RawGrant) -> Result<(), HttpRefusal> {
        let user = grant.token.as_ref().map_or("", |token| &token.user);
        let listed = grant.token.iter().flat_map(|token| &token.subscriptions);
        let listed = listed.map(|each| &*each.topic).collect::<Vec<_>>();
        let auth = &self.config.auth;
        let is_allowed = |topic: &String| {
            let namespace = self.config.namespace(topic);
            listed.contains(&topic.as_str())
                || rules::subscribe(auth, namespace, topic, user, TokenPresence::Absent).is_ok()
        };
        if grant.topics.iter().all(is_allowed) {
            return Ok(());
        }
        self.counts.permissions_denied += 1;
        let text = "the namespace of a topic must allow it (allow_subscribe_for_client), or the \
                    claim channels of the token must list the topic";
        Err(HttpRefusal::Forbidden(text))
    }

    /// Subscribes an open raw connection to its topics, and records who its client is.
    pub(super) fn open_raw(&mut self, id: ConnectionId, grant: RawGrant) {
        if let Some(token) = grant.token {
            self.identities
                .set(id, &token.user, token.info, grant.ends_us);
        }
        for topic in &grant.topics {
            self.subscribe_to(id, topic);
        }
    }

    /// Returns the topics of `/raw?topic=a&topic=b`, each once.
    fn raw_topics(&self, request: &HttpRequest) -> Result<Vec<String>, HttpRefusal> {
        let mut topics = Vec::<String>::new();
        for pair in request.query() {
            let (name, value) = pair?;
            if name != "topic" || topics.iter().any(|topic| *topic == value) {
                continue;
            }
            if topic::check(value.as_bytes()).is_err() {
                let text = "a topic is 1 to 255 bytes without control characters";
                return Err(HttpRefusal::BadRequest(text));
            }
            if topics.len() == self.config.ws.max_topics {
                let text = "more topics than ws.max_topics allows";
                return Err(HttpRefusal::BadRequest(text));
            }
            topics.push(value.into_owned());
        }
        if topics.is_empty() {
            let text = "name at least one topic: /raw?topic=NAME";
            return Err(HttpRefusal::BadRequest(text));
        }
        Ok(topics)
    }
}

/// Returns the token of a request: that of the header `Authorization`, otherwise that of the query.
fn raw_token(request: &HttpRequest) -> Result<Option<String>, HttpRefusal> {
    // Another scheme is for a proxy in front.
    let header = request.header("authorization");
    if let Some((scheme, token)) = header.and_then(|value| value.split_once(' '))
        && scheme.eq_ignore_ascii_case("bearer")
    {
        return Ok(Some(token.trim().to_owned()));
    }
    for pair in request.query() {
        let (name, value) = pair?;
        if name == "token" && !value.is_empty() {
            return Ok(Some(value.into_owned()));
        }
    }
    Ok(None)
}

fn refusal(fault: TokenFault) -> HttpRefusal {
    match fault {
        TokenFault::Expired => {
            HttpRefusal::Unauthorized("the token has expired: fetch another one")
        }
        TokenFault::Invalid(_) => HttpRefusal::Unauthorized("the token is not valid"),
        TokenFault::KeyNeeded | TokenFault::KeysUnavailable => {
            HttpRefusal::Unavailable("the token cannot be verified now; try again later")
        }
    }
}
