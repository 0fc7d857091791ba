//! Extends what hooks have granted: when a connection or a subscription expires, the server asks
//! the hook whether it goes on. The client is not involved. Shard core.

use std::time::Duration;

use crate::access::hooks::{DataForm, HookAnswer, RefreshResult, calls};
use crate::access::{HookResponse, ServiceAnswer};
use crate::config::{AuthMode, HookKind};
use crate::limits::{HOOK_RETRY_INTERVAL, HOOK_ROOM_INTERVAL, SERVICE_ANSWER_TIMEOUT};
use crate::protocol::codes::UnsubscribeCode;

use super::Hub;
use super::authentication::Validity;
use super::close_reason::CloseReason;
use super::connection_id::ConnectionId;
use super::identities::Expired;
use super::parked::Awaited;

/// Whether a hook decides about something that has expired.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Extension {
    /// The hook was asked, or will be. Until it has answered, nothing ends.
    Asked,
    NotAvailable,
}

impl Hub {
    /// Asks the hook about something that has expired, if a hook has granted it.
    pub(super) fn ask_to_extend(
        &mut self,
        id: ConnectionId,
        expired: &Expired,
        now_us: u64,
    ) -> Extension {
        let kind = kind(expired);
        if !self.hook_clients.is_extended(id, expired) || self.config.auth.hooks.get(kind).is_none()
        {
            return Extension::NotAvailable;
        }
        if !self.pending.has_spare_room_to_ask() {
            let again_us = now_us + self.spread_us(HOOK_ROOM_INTERVAL);
            self.set_end_of(id, expired, again_us);
            return Extension::Asked;
        }
        let body = self.write_call(id, |caller| match expired {
            Expired::Connection => calls::refresh(caller),
            Expired::Subscription(topic) => calls::sub_refresh(caller, topic),
        });
        let question = self.hook_question(id, kind, body);
        let ticket = self.pending.ask_service(id, question);
        self.hook_clients.begin_call(id, ticket, expired.clone());
        // If the answer never comes, the hook is asked again.
        let again_us = now_us + SERVICE_ANSWER_TIMEOUT.as_micros() as u64;
        self.set_end_of(id, expired, again_us);
        Extension::Asked
    }

    /// Carries out what a hook has answered about something that has expired.
    pub(super) fn extend(
        &mut self,
        id: ConnectionId,
        expired: &Expired,
        awaited: &Awaited,
        now_us: u64,
    ) {
        // A reload may have ended authentication: then no connection expires.
        if *expired == Expired::Connection && self.config.auth.mode() == AuthMode::Open {
            return;
        }
        let answer = if let Awaited::Answer(ServiceAnswer::Hook(response)) = awaited {
            self.read_extension(expired, response, now_us)
        } else {
            None
        };
        match answer {
            // A back end that is down does not end what it has granted.
            None => {
                let again_us = now_us + self.spread_us(HOOK_RETRY_INTERVAL);
                self.set_end_of(id, expired, again_us);
            }
            Some(HookAnswer::Disconnect(disconnect)) => self.close_by_hook(id, &disconnect, now_us),
            Some(HookAnswer::Error(_)) => self.end_extended(id, expired, now_us),
            Some(HookAnswer::Result(result)) => {
                let validity = Validity::of(result.expires_at_s, self.unix_s);
                if result.is_expired || validity == Validity::Over {
                    return self.end_extended(id, expired, now_us);
                }
                self.set_end_of(id, expired, validity.end_us(now_us, 0));
                if *expired == Expired::Connection {
                    self.hook_clients.set_meta(id, result.meta);
                    if let Some(info) = result.info {
                        self.identities.set_info(id, info);
                    }
                }
            }
        }
    }

    /// Returns a time between an interval and five quarters of it, in microseconds, so that what
    /// has expired at once is not asked about at once again.
    fn spread_us(&mut self, interval: Duration) -> u64 {
        let interval_us = interval.as_micros() as u64;
        interval_us + self.random.u64(0..=interval_us / 4)
    }

    fn read_extension(
        &mut self,
        expired: &Expired,
        response: &HookResponse,
        now_us: u64,
    ) -> Option<HookAnswer<RefreshResult>> {
        let answer = self.read_answer(kind(expired), response, DataForm::Json, now_us);
        answer.ok()
    }

    fn set_end_of(&mut self, id: ConnectionId, expired: &Expired, end_us: u64) {
        match expired {
            Expired::Connection => self.identities.set_end(id, end_us),
            Expired::Subscription(topic) => {
                self.identities.set_subscription_end(id, topic, end_us);
            }
        }
    }

    fn end_extended(&mut self, id: ConnectionId, expired: &Expired, now_us: u64) {
        match expired {
            Expired::Connection => self.close(id, CloseReason::Expired, now_us),
            Expired::Subscription(topic) => {
                self.end_subscription(id, topic);
                self.push_unsubscribe(id, topic, UnsubscribeCode::Expired, now_us);
            }
        }
    }
}

/// Returns the hook that decides whether something goes on.
fn kind(expired: &Expired) -> HookKind {
    match expired {
        Expired::Connection => HookKind::Refresh,
        Expired::Subscription(_) => HookKind::SubRefresh,
    }
}
