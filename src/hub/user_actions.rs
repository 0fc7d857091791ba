//! The actions of the server API on the connections of a user: subscribe, unsubscribe, disconnect
//! and refresh. A search visits a bounded number of slots in each turn, so that a million
//! connections do not delay a turn. Shard core.

use std::sync::Arc;

use uuid::Uuid;

use crate::limits::{SURVEY_SLOTS, USER_ACTIONS};
use crate::protocol::codes::UnsubscribeCode;
use crate::protocol::reply::Push;

use super::Hub;
use super::authentication::Validity;
use super::close_reason::CloseReason;
use super::connection_id::{ConnectionId, Slot};
use super::sessions::{Protocol, Stage};
use super::survey::SurveyProgress;

/// An action on some connections.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UserAction {
    /// The user whose connections are meant; `None` if any user is. A connection without a user is
    /// not meant by `""`.
    pub user: Option<String>,
    /// The id of the only client that is meant, if it is given.
    pub client: Option<Uuid>,
    pub effect: UserEffect,
}

/// The effect of an action on a connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum UserEffect {
    Subscribe(ServerSubscribe),
    /// End the subscription to a topic.
    Unsubscribe {
        topic: String,
    },
    /// Close the connections, except those of the clients in `spared`.
    Disconnect {
        code: u16,
        /// At most [`crate::limits::CLOSE_REASON_BYTES`].
        reason: String,
        /// Sorted.
        spared: Vec<Uuid>,
    },
    /// Set when the connections expire: at a time in seconds since 1970, or never. Connections that
    /// have expired by then are closed.
    Refresh {
        expires_at_s: Option<u64>,
        /// New information about the user for others, as JSON.
        info: Option<Box<[u8]>>,
    },
    /// Close the connections as if they had expired.
    Expire,
}

/// A subscription that the server makes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServerSubscribe {
    pub topic: String,
    /// Information about the user in this topic for others, as JSON.
    pub info: Option<Box<[u8]>>,
    /// Data for the client, as JSON on one line.
    pub data: Option<Box<[u8]>>,
    /// When the subscription ends, in seconds since 1970; `None` if it does not end.
    pub expires_at_s: Option<u64>,
}

/// The number of connections that an action concerned.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ActionOutcome {
    /// Connections that are as the action demands.
    pub done: u64,
    /// Connections that have as many topics as `ws.max_topics` allows. They are not subscribed.
    pub full: u64,
}

/// The rest of the work that one turn does for actions.
#[derive(Clone, Copy, Debug)]
pub struct ActionBudget {
    slots: usize,
    connections: usize,
}

impl Default for ActionBudget {
    fn default() -> Self {
        Self {
            slots: SURVEY_SLOTS,
            connections: USER_ACTIONS,
        }
    }
}

impl ActionBudget {
    /// Returns whether the turn has done its work.
    pub fn is_exhausted(&self) -> bool {
        self.slots == 0 || self.connections == 0
    }
}

/// An action under way.
#[derive(Debug)]
pub struct UserSearch {
    action: Arc<UserAction>,
    /// The next slot to visit.
    cursor: usize,
    outcome: ActionOutcome,
}

impl UserSearch {
    /// Starts an action.
    pub fn new(action: Arc<UserAction>) -> Self {
        Self {
            action,
            cursor: 0,
            outcome: ActionOutcome::default(),
        }
    }

    /// Returns what the action has done so far.
    pub fn outcome(&self) -> ActionOutcome {
        self.outcome
    }
}

impl Hub {
    /// Continues an action until it is complete or the budget is exhausted. A connection that opens
    /// meanwhile may be left out.
    pub fn act(
        &mut self,
        search: &mut UserSearch,
        budget: &mut ActionBudget,
        now_us: u64,
    ) -> SurveyProgress {
        let action = Arc::clone(&search.action);
        let slots = self.sessions.slots();
        while search.cursor < slots {
            if budget.is_exhausted() {
                return SurveyProgress::InProgress;
            }
            budget.slots -= 1;
            let slot = Slot::new(search.cursor);
            search.cursor += 1;
            let Some(id) = self
                .sessions
                .id_at(slot)
                .filter(|id| self.is_meant_by(*id, &action))
            else {
                continue;
            };
            budget.connections -= 1;
            self.affect(id, &action.effect, &mut search.outcome, now_us);
            if action.client.is_some() {
                break; // The id is unique.
            }
        }
        SurveyProgress::Complete
    }

    /// Returns whether an action concerns a connection.
    fn is_meant_by(&self, id: ConnectionId, action: &UserAction) -> bool {
        let session = &self.sessions[id];
        if session.stage() != Stage::Open || session.is_internal() {
            return false;
        }
        let is_user = |user: &String| *user == *self.identities.user(id) && !user.is_empty();
        action.user.as_ref().is_none_or(is_user)
            && action
                .client
                .is_none_or(|client| self.is_client(id, client))
    }

    /// Returns whether a connection is that of the client with this id. A raw connection has none.
    fn is_client(&self, id: ConnectionId, client: Uuid) -> bool {
        matches!(self.sessions[id].protocol(), Protocol::Client(_)) && self.client_id(id) == client
    }

    /// Returns whether a connection is that of one of these clients, whose ids are sorted.
    fn is_one_of(&self, id: ConnectionId, clients: &[Uuid]) -> bool {
        let is_client = matches!(self.sessions[id].protocol(), Protocol::Client(_));
        is_client && clients.binary_search(&self.client_id(id)).is_ok()
    }

    fn affect(
        &mut self,
        id: ConnectionId,
        effect: &UserEffect,
        outcome: &mut ActionOutcome,
        now_us: u64,
    ) {
        match effect {
            UserEffect::Subscribe(subscribe) => {
                return self.subscribe_for_user(id, subscribe, outcome, now_us);
            }
            UserEffect::Unsubscribe { topic } => {
                if self.subscriptions.is_subscribed(id.into(), topic) {
                    self.end_subscription(id, topic);
                    self.push_unsubscribe(id, topic, UnsubscribeCode::Server, now_us);
                }
            }
            UserEffect::Disconnect { spared, .. } if self.is_one_of(id, spared) => return,
            UserEffect::Disconnect { code, reason, .. } => {
                self.close_with(id, CloseReason::Demanded, Some(*code), reason, now_us);
            }
            UserEffect::Refresh { expires_at_s, info } => {
                if let Some(info) = info {
                    self.identities.set_info(id, info.clone());
                }
                self.set_expiry(id, *expires_at_s, now_us);
            }
            UserEffect::Expire => self.close(id, CloseReason::Expired, now_us),
        }
        outcome.done += 1;
    }

    /// Subscribes a client to a topic and informs it. A raw connection has the topics of its
    /// address, and gets no others.
    fn subscribe_for_user(
        &mut self,
        id: ConnectionId,
        subscribe: &ServerSubscribe,
        outcome: &mut ActionOutcome,
        now_us: u64,
    ) {
        if !matches!(self.sessions[id].protocol(), Protocol::Client(_)) {
            return;
        }
        let topic = &*subscribe.topic;
        if !self.subscriptions.is_subscribed(id.into(), topic) {
            if self.subscriptions.topics_of(id.into()) >= self.config.ws.max_topics {
                outcome.full += 1;
                return;
            }
            self.subscribe_to(id, topic);
            let validity = Validity::of(subscribe.expires_at_s, self.unix_s);
            self.record_subscription(id, topic, validity, subscribe.info.clone(), now_us);
            let push = Push::Subscribe {
                channel: topic,
                data: subscribe.data.as_deref(),
            };
            self.push(id, &push, now_us);
        }
        outcome.done += 1;
    }

    /// Sets when a connection expires, and informs its client. A raw connection cannot refresh its
    /// token, so it is closed without a delay.
    fn set_expiry(&mut self, id: ConnectionId, expires_at_s: Option<u64>, now_us: u64) {
        let validity = Validity::of(expires_at_s, self.unix_s);
        if validity == Validity::Over {
            return self.close(id, CloseReason::Expired, now_us);
        }
        let delay = match self.sessions[id].protocol() {
            Protocol::Client(_) => self.config.auth.expired_close_delay,
            Protocol::Raw | Protocol::Echo => std::time::Duration::ZERO,
        };
        let end_us = validity.end_us(now_us, delay.as_micros() as u64);
        self.identities.set_end(id, end_us);
        let expiry = validity.expiry();
        self.push(id, &Push::Refresh { expiry }, now_us);
    }
}
