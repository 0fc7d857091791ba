//! Logs the handshakes and tokens that the hub has refused, and answers of hooks that it cannot
//! use. Runs on the shard thread.

use std::net::SocketAddr;

use crate::hub::{RefusalReason, RefusedHandshake, RefusedSubject};

use super::ring::Ring;
use super::shard_loop::ShardLoop;

impl<R: Ring> ShardLoop<R> {
    /// Logs what the hub reports. The hub bounds the number of reports.
    pub(super) fn log_refused_handshakes(&mut self) {
        while let Some(refused) = self.hub.poll_refused_handshake() {
            let peer = refused.id.and_then(|id| self.sockets.peer(id));
            log(self.index, peer, &refused);
        }
        while let Some(report) = self.hub.poll_hook_report() {
            tracing::warn!(
                hook = report.kind.name(),
                shard = self.index,
                suppressed = report.suppressed,
                "{}",
                report.fault
            );
        }
    }
}

/// Writes one line. A refusal that the configuration can prevent is a warning.
fn log(shard: usize, peer: Option<SocketAddr>, refused: &RefusedHandshake) {
    let text = &refused.text;
    let subject = match refused.subject {
        RefusedSubject::Handshake => "handshake",
        RefusedSubject::Token => "token",
    };
    macro_rules! write_line {
        ($level:ident) => {
            tracing::$level!(
                reason = refused.reason.name(),
                peer = peer.map(tracing::field::display),
                shard,
                suppressed = refused.suppressed,
                "refused a {subject}: {text}"
            )
        };
    }
    match refused.reason {
        RefusalReason::Limit | RefusalReason::Origin => write_line!(warn),
        RefusalReason::Draining
        | RefusalReason::Request
        | RefusalReason::Timeout
        | RefusalReason::Token
        | RefusalReason::Permission => write_line!(info),
    }
}
