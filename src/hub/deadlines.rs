//! Actions at deadlines: handshake timeouts, pings, close timeouts, pending commands and
//! drains. Shard core.

use crate::limits::{SILENCE_GRACE, TIMER_TICK};
use crate::wire::handshake::HttpRefusal;

use super::Hub;
use super::close_reason::CloseReason;
use super::closing::SocketClose;
use super::connection_id::ConnectionId;
use super::drain::Drain;
use super::sessions::{Keepalive, Protocol, Stage};

/// The number of checks in [`SILENCE_GRACE`].
const SILENCE_GRACE_TICKS: u8 = (SILENCE_GRACE.as_micros() / TIMER_TICK.as_micros()) as u8;

impl Hub {
    /// Returns when [`Hub::tick`] is to be called next.
    #[must_use]
    pub fn deadline_us(&self) -> Option<u64> {
        let sessions = self.sessions.next_deadline_us();
        let pending = self.pending.deadline_us();
        let expiry = self.identities.deadline_us();
        let drain = self.draining.as_ref().map(Drain::next_us);
        let wait = self.wait_deadline_us();
        [sessions, pending, wait, expiry, drain]
            .into_iter()
            .flatten()
            .min()
    }

    /// Returns when the oldest thing was due that is due by `now_us`; `None` if nothing is due.
    #[must_use]
    pub fn overdue_us(&self, now_us: u64) -> Option<u64> {
        let is_due = |due_us: &u64| *due_us <= now_us;
        let sessions = self.sessions.overdue_us(now_us);
        let pending = self.pending.deadline_us().filter(is_due);
        let expiry = self.identities.deadline_us().filter(is_due);
        let drain = self.draining.as_ref().map(Drain::next_us).filter(is_due);
        let wait = self.wait_deadline_us().filter(is_due);
        [sessions, pending, wait, expiry, drain]
            .into_iter()
            .flatten()
            .min()
    }

    /// Does what is due. The shell calls it in every turn; it is cheap when nothing is due.
    pub fn tick(&mut self, now_us: u64) {
        let mut expired = std::mem::take(&mut self.expired);
        self.sessions.expire(now_us, &mut expired);
        for id in expired.drain(..) {
            self.deadline_passed(id, now_us);
        }
        self.expired = expired;
        self.fail_expired_commands(now_us);
        self.end_late_waits(now_us);
        self.end_expired(now_us);
        self.continue_drain(now_us);
    }

    fn deadline_passed(&mut self, id: ConnectionId, now_us: u64) {
        let Some(session) = self.sessions.get(id) else {
            return;
        };
        match session.stage() {
            Stage::Handshake | Stage::Connecting | Stage::Open if self.parked.contains(id) => {
                self.wait_on(id, now_us);
            }
            Stage::Handshake | Stage::Connecting => self.check_silence(id, now_us),
            Stage::Open => self.keep_alive(id, now_us),
            Stage::Closing => self.end(id, SocketClose::Reset),
            Stage::Gone | Stage::Vacant => {}
        }
    }

    /// Keeps a parked connection: the hub has not processed what the peer has sent. Pings are sent
    /// as ever, because the client closes a connection without them.
    fn wait_on(&mut self, id: ConnectionId, now_us: u64) {
        let session = &self.sessions[id];
        match session.keepalive(now_us) {
            Keepalive::Ping if session.stage() == Stage::Open => self.send_ping(id, now_us),
            Keepalive::Ping | Keepalive::Wait { .. } | Keepalive::Dead => {
                let tick_us = TIMER_TICK.as_micros() as u64;
                self.sessions.set_deadline(id, now_us + tick_us);
            }
        }
    }

    /// Asks the shell whether a peer that did not meet a deadline has sent nothing, and asks again
    /// after a tick. After [`SILENCE_GRACE`] the peer is treated as silent in any case, so that a
    /// flood of bytes does not keep a connection open.
    fn check_silence(&mut self, id: ConnectionId, now_us: u64) {
        let tick_us = TIMER_TICK.as_micros() as u64;
        if self.sessions[id].count_silence_check() > SILENCE_GRACE_TICKS {
            return self.silent(id, now_us);
        }
        self.sessions.set_deadline(id, now_us + tick_us);
        self.silence_checks.push_back(id);
    }

    /// Returns the next connection that did not meet a deadline. If the shell has received all that
    /// its peer has sent, it calls [`Hub::silent`].
    #[must_use]
    pub fn poll_silence_check(&mut self) -> Option<ConnectionId> {
        self.silence_checks.pop_front()
    }

    /// Ends a connection whose peer did not send in time what it had to send.
    pub fn silent(&mut self, id: ConnectionId, now_us: u64) {
        let Some(session) = self.sessions.get(id) else {
            return;
        };
        match session.stage() {
            Stage::Handshake => {
                self.note_refusal(Some(id), None, &HttpRefusal::RequestTimeout, now_us);
                self.end(id, SocketClose::Reset);
            }
            Stage::Connecting => self.close(id, CloseReason::NoConnect, now_us),
            Stage::Open => self.close(id, CloseReason::NoPong, now_us),
            Stage::Closing | Stage::Gone | Stage::Vacant => {}
        }
    }

    /// Schedules the first ping at a random time in the second half of the interval, so that
    /// connections that open together do not get their pings together.
    pub(super) fn start_pings(&mut self, id: ConnectionId, now_us: u64) {
        let interval_us = self.config.ws.ping.as_micros() as u64;
        let due_us = now_us + interval_us / 2 + self.random.u64(0..=interval_us / 2);
        self.sessions[id].schedule_ping(due_us);
        self.sessions.set_deadline(id, due_us);
    }

    /// Sends a ping that is due. Checks a connection that did not answer the last one.
    fn keep_alive(&mut self, id: ConnectionId, now_us: u64) {
        match self.sessions[id].keepalive(now_us) {
            Keepalive::Dead => self.check_silence(id, now_us),
            Keepalive::Wait { until_us } => self.sessions.set_deadline(id, until_us),
            Keepalive::Ping => self.send_ping(id, now_us),
        }
    }

    fn send_ping(&mut self, id: ConnectionId, now_us: u64) {
        let ws = &self.config.ws;
        let interval_us = ws.ping.as_micros() as u64;
        let pong_timeout_us = ws.pong_timeout.as_micros() as u64;
        let session = &mut self.sessions[id];
        session.note_ping(now_us + interval_us);
        let transport = session.transport();
        let ping = match session.protocol() {
            Protocol::Client(codec) => transport.message(codec.data(), codec.ping()),
            Protocol::Raw | Protocol::Echo => transport.ping(),
        };
        self.counts.pings += 1;
        self.sessions.set_deadline(id, now_us + pong_timeout_us);
        self.send(id, ping, now_us);
    }
}
